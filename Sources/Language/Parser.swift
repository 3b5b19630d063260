// Tokens to a syntax tree, by recursive descent; a function bears the name of its grammar rule. This file holds the
// ground the rules stand on: reading tokens, errors, recovery at the end of a statement, and the whole file.

/// Thrown after the error was recorded; caught where the next statement can begin.
struct SyntaxFailure: Error {}

struct Parser {
  let source: Source
  let tokens: [Token]
  var position = 0
  var errors: [ZsError]
  /// Whether line ends are blanks: inside `(`, `[` and a map's `{`.
  var newlineIsSpace = false
  /// Brackets open at this point, by token position, innermost last.
  var openBrackets: [Int] = []
  /// For each token that opens a bracket, the token that closes it, -1 where none does.
  let closers: [Int]
  /// Levels of recursion, bounded so that no text can exhaust the stack.
  var nesting = 0
  /// The first error found at the end of the text: more may be typed.
  var failedAtEnd = false

  /// The depth of the deepest expression made since a rule set it to 0.
  var deepestMade = 0

  static let maximumNesting = 200
  static let maximumDepth = 1_000

  init(_ source: Source, tokens: [Token], errors: [ZsError]) {
    self.source = source
    self.tokens = tokens
    self.errors = errors
    closers = Parser.match(tokens)
  }

  /// Pairs brackets; a closing one of another kind closes nothing.
  private static func match(_ tokens: [Token]) -> [Int] {
    var closers = Array(repeating: -1, count: tokens.count)
    var open: [(position: Int, closer: Symbol)] = []
    for (position, token) in tokens.enumerated() {
      guard case .symbol(let symbol) = token.kind else { continue }
      switch symbol {
      case .leftParenthesis: open.append((position, .rightParenthesis))
      case .leftBracket: open.append((position, .rightBracket))
      case .leftBrace: open.append((position, .rightBrace))
      case .rightParenthesis, .rightBracket, .rightBrace:
        if let last = open.last, last.closer == symbol {
          closers[last.position] = position
          open.removeLast()
        } else if let index = open.lastIndex(where: { $0.closer == symbol }) {
          closers[open[index].position] = position
          open.removeSubrange(index...)
        }
      default: break
      }
    }
    return closers
  }

  // The token here, and those around it.

  var token: Token { tokens[min(position, tokens.count - 1)] }

  func token(ahead distance: Int) -> Token { tokens[min(position + distance, tokens.count - 1)] }

  var previousSpan: Span { position > 0 ? tokens[min(position, tokens.count) - 1].span : token.span }

  /// Whether the token here begins a new line that ends the statement.
  var atLineEnd: Bool { !newlineIsSpace && token.newlineBefore }

  func at(_ symbol: Symbol) -> Bool { token.isSymbol(symbol) }

  func at(_ keyword: Keyword) -> Bool { token.isKeyword(keyword) }

  /// The symbol here, unless a line end stands before it.
  var operatorHere: Symbol? {
    if atLineEnd { return nil }
    if case .symbol(let symbol) = token.kind { return symbol }
    return nil
  }

  mutating func advance() {
    if position < tokens.count - 1 { position += 1 }
  }

  mutating func accept(_ symbol: Symbol) -> Bool {
    if !at(symbol) { return false }
    advance()
    return true
  }

  mutating func accept(_ keyword: Keyword) -> Bool {
    if !at(keyword) { return false }
    advance()
    return true
  }

  /// Records an error without leaving the rule.
  mutating func report(_ message: String, at span: Span, hint: String? = nil, labels: [Label] = []) {
    errors.append(ZsError(kind: "syntax", message: message, hint: hint, span: span, labels: labels))
  }

  /// Records an error at the token here and leaves the rule; an error at the end asks for more text.
  mutating func failure(_ message: String, at span: Span? = nil, hint: String? = nil) -> SyntaxFailure {
    if token.isEnd, errors.isEmpty, span == nil {
      if case .end = token.kind { failedAtEnd = true }
    }
    var labels: [Label] = []
    if let open = openBrackets.last, closers[open] < 0 || token.isEnd {
      labels.append(Label(span: tokens[open].span, message: "\(tokens[open].described) opened here"))
    }
    report(message, at: span ?? token.span, hint: hint, labels: labels)
    return SyntaxFailure()
  }

  mutating func expect(_ symbol: Symbol, _ context: String) throws {
    if accept(symbol) { return }
    throw failure("expected '\(symbol.rawValue)' \(context), found \(token.described)")
  }

  /// Reads a NAME.
  mutating func name(_ context: String) throws -> Name {
    switch token.kind {
    case .name(let text):
      let name = Name(text, token.span)
      advance()
      return name
    case .keyword(let keyword):
      throw failure("'\(keyword.rawValue)' is a word of the language and cannot name \(context)", at: token.span)
    default: throw failure("expected a name for \(context), found \(token.described)")
    }
  }

  /// Runs a rule one level deeper.
  mutating func deeper<Result>(_ rule: (inout Parser) throws -> Result) throws -> Result {
    guard nesting < Parser.maximumNesting else {
      throw failure("this is nested more than \(Parser.maximumNesting) deep", at: token.span, hint: "give the inner part a name first")
    }
    nesting += 1
    defer { nesting -= 1 }
    return try rule(&self)
  }

  /// An expression, refused where the tree would grow too deep to walk.
  mutating func make(_ kind: Expression.Kind, _ span: Span, _ children: Expression?..., over below: Int = 0) throws -> Expression {
    let depth = 1 + children.reduce(below) { max($0, $1?.depth ?? 0) }
    guard depth <= Parser.maximumDepth else {
      throw failure("this expression is more than \(Parser.maximumDepth) operations deep", at: span, hint: "give a part of it a name first")
    }
    deepestMade = max(deepestMade, depth)
    return Expression(kind, span, depth: depth)
  }

  func span(from start: Span) -> Span { start.union(previousSpan) }

  // The whole text.

  // file = { MARKER | statement | END }
  mutating func file() -> Program {
    var cells: [ProgramCell] = []
    var (title, isMarkdown, isMarked) = ("", false, false)
    while true {
      let start = token.span
      let statements = self.statements(untilBrace: false)
      if isMarked || !statements.isEmpty || (cells.isEmpty && !isMarker) {
        cells.append(ProgramCell(title: title, isMarkdown: isMarkdown, statements: statements, span: span(from: start)))
      }
      guard isMarker else { break }
      (title, isMarkdown) = CellMarker.parse(source.text(of: token.span))
      isMarked = true
      advance()
    }
    return Program(cells: cells, source: source)
  }

  var isMarker: Bool {
    if case .marker = token.kind { return true }
    return false
  }

  /// Statements up to the end of the block, cell or text; each error skips to where the next statement can begin.
  mutating func statements(untilBrace: Bool) -> [Statement] {
    var statements: [Statement] = []
    while true {
      while accept(.semicolon) {}
      if token.isEnd { return statements }
      if at(.rightBrace) {
        if untilBrace { return statements }
        report("this } closes nothing", at: token.span)
        advance()
        continue
      }
      let start = position
      do {
        let statement = try deeper { try $0.statement() }
        try end(of: statement)
        statements.append(statement)
      } catch {
        recover(from: start)
      }
    }
  }

  /// END = NEWLINE | ";", also implied before "}" and at the end of the file.
  private mutating func end(of statement: Statement) throws {
    if at(.semicolon) {
      while accept(.semicolon) {}
      statement.isMuted = token.newlineBefore || token.isEnd || at(.rightBrace)
      return
    }
    if token.isEnd || at(.rightBrace) || token.newlineBefore { return }
    throw unexpectedAfter(statement)
  }

  /// Skips to the end of the statement that failed.
  private mutating func recover(from start: Int) {
    newlineIsSpace = false
    if let outer = openBrackets.first(where: { $0 >= start && closers[$0] >= position }) {
      position = closers[outer]
      advance()
    }
    openBrackets.removeAll { $0 >= start }
    if position == start { advance() }
    while !token.isEnd, !token.newlineBefore, !at(.semicolon), !at(.rightBrace) {
      let closer = closers[min(position, closers.count - 1)]
      if closer > position { position = closer }
      advance()
    }
  }
}

/// The line that begins a cell.
enum CellMarker {
  /// Title and kind of `# %% Title`, `# %% [markdown] Title`.
  static func parse(_ line: String) -> (title: String, isMarkdown: Bool) {
    var text = line.drop { $0 == "#" || $0 == " " || $0 == "%" }
    var isMarkdown = false
    for tag in ["[markdown]", "[md]"] {
      if let range = text.firstRange(of: tag) {
        isMarkdown = true
        text.removeSubrange(range)
      }
    }
    let words = text.split(whereSeparator: \.isWhitespace)
    return (words.joined(separator: " "), isMarkdown)
  }
}
