// Tokens → statements. The grammar and its precedences are jinja2's (3.1), with the tags that transformers adds:
// generation, break and continue. Expressions are in JinjaParser+Expressions.

/// Parses a template.
struct JinjaParser {
  var tokens: [JinjaToken]
  var index = 0
  var symbols: [String] = []
  var symbolNumbers: [String: Int] = [:]
  /// Names read since the innermost macro began.
  var namesRead: Set<String> = []
  var depth = 0
  var loopDepth = 0
  /// Inside an `if`, an unknown filter is an error only when it is reached.
  var softness = 0
  private var openTags: [String] = []
  private let stack = StackGuard()

  /// Nesting of statements and of brackets.
  static let maximumNesting = 60
  /// Depth of one expression.
  static let maximumDepth = 250

  static func parse(_ text: String) throws -> JinjaProgram {
    var parser = JinjaParser(tokens: try JinjaLexer.tokens(text))
    let statements = try parser.statements(until: [])
    return JinjaProgram(statements: statements, symbols: parser.symbols)
  }

  private init(tokens: [JinjaToken]) {
    self.tokens = tokens
  }

  // MARK: Tokens

  var current: JinjaToken { tokens[index] }
  var following: JinjaToken { tokens[min(index + 1, tokens.count - 1)] }

  mutating func advance() {
    if index + 1 < tokens.count { index += 1 }
  }

  func isSymbol(_ text: String) -> Bool { current.kind == .symbol && current.text == text }
  func isName(_ text: String) -> Bool { current.kind == .name && current.text == text }

  mutating func skip(symbol text: String) -> Bool {
    guard isSymbol(text) else { return false }
    advance()
    return true
  }

  mutating func skip(name text: String) -> Bool {
    guard isName(text) else { return false }
    advance()
    return true
  }

  mutating func expect(symbol text: String) throws {
    guard skip(symbol: text) else { throw failure("expected token '\(text)', got '\(current.description)'") }
  }

  mutating func expectName(_ what: String = "name") throws -> String {
    guard current.kind == .name else { throw failure("expected token '\(what)', got '\(current.description)'") }
    defer { advance() }
    return current.text
  }

  mutating func expect(_ kind: JinjaToken.Kind) throws {
    guard current.kind == kind else {
      let wanted = JinjaToken(kind: kind, text: "", line: 0, column: 0).description
      throw failure("expected token '\(wanted)', got '\(current.description)'")
    }
    advance()
  }

  func failure(_ message: String, at token: JinjaToken? = nil) -> TemplateError {
    let token = token ?? current
    return TemplateError(message, line: Int(token.line), column: Int(token.column))
  }

  mutating func symbol(_ name: String) -> Int {
    if let number = symbolNumbers[name] { return number }
    symbols.append(name)
    symbolNumbers[name] = symbols.count - 1
    return symbols.count - 1
  }

  /// Runs `body` one level deeper.
  mutating func nested<R>(_ body: (inout JinjaParser) throws -> R) throws -> R {
    depth += 1
    defer { depth -= 1 }
    if depth > Self.maximumNesting || !stack.hasRoom { throw failure("nested more than \(Self.maximumNesting) levels deep") }
    return try body(&self)
  }

  // MARK: Statements

  /// Statements up to one of the tags `ends`, whose name is then the current token (or the template's end).
  mutating func statements(until ends: [String]) throws -> [JinjaStatement] {
    var body: [JinjaStatement] = []
    while true {
      let token = current
      switch token.kind {
      case .data:
        advance()
        body.append(JinjaStatement(kind: .text(token.text), line: token.line, column: token.column))
      case .variableBegin:
        advance()
        let expression = try tuple()
        try expect(.variableEnd)
        body.append(JinjaStatement(kind: .output([expression]), line: expression.line, column: expression.column))
      case .blockBegin:
        advance()
        if current.kind == .name && ends.contains(current.text) { return body }
        body.append(try statement(until: ends))
        try expect(.blockEnd)
      case .end:
        if ends.isEmpty { return body }
        throw unexpectedEnd(ends)
      default:
        throw failure("unexpected '\(token.description)'")
      }
    }
  }

  private func unexpectedEnd(_ ends: [String]) -> TemplateError {
    let wanted = ends.map { "'\($0)'" }.joined(separator: " or ")
    let open = openTags.last.map { " The innermost block that needs to be closed is '\($0)'." } ?? ""
    return failure("Unexpected end of template. Jinja was looking for the following tags: \(wanted).\(open)")
  }

  private mutating func statement(until ends: [String]) throws -> JinjaStatement {
    let token = current
    guard token.kind == .name else { throw failure("tag name expected") }
    advance()
    openTags.append(token.text)
    defer { openTags.removeLast() }
    let kind = try nested { try $0.statementBody(token, ends) }
    return JinjaStatement(kind: kind, line: token.line, column: token.column)
  }

  private mutating func statementBody(_ token: JinjaToken, _ ends: [String]) throws -> JinjaStatement.Kind {
    switch token.text {
    case "if": return try ifStatement()
    case "for": return try forStatement()
    case "set": return try setStatement()
    case "macro": return try macroStatement()
    case "call": return try callStatement()
    case "filter": return try filterStatement()
    case "with": return try withStatement()
    case "block": return try blockStatement()
    case "print": return try printStatement()
    case "autoescape":
      guard skip(name: "false") else { throw failure("autoescape is not supported: chat templates are plain text", at: token) }
      return .scope(try body(until: "endautoescape"))
    case "generation":
      let saved = loopDepth
      loopDepth = 0
      defer { loopDepth = saved }
      return .generation(try body(until: "endgeneration"))
    case "break", "continue":
      guard loopDepth > 0 else { throw failure("'\(token.text)' outside loop", at: token) }
      return token.text == "break" ? .leaveLoop : .nextIteration
    case "include", "import", "from", "extends":
      while current.kind != .blockEnd && current.kind != .end { advance() }
      return .unsupported(token.text)
    default:
      let looking = ends.map { "'\($0)'" }.joined(separator: " or ")
      let open = openTags.dropLast().last.map { " The innermost block that needs to be closed is '\($0)'." } ?? ""
      let wanted = ends.isEmpty ? "" : " Jinja was looking for the following tags: \(looking).\(open)"
      throw failure("Encountered unknown tag '\(token.text)'.\(wanted)", at: token)
    }
  }

  /// The body of a statement up to its end tag, which is taken too.
  private mutating func body(until end: String) throws -> [JinjaStatement] {
    let result = try opened([end])
    advance()
    return result
  }

  /// The body of a statement up to one of its end tags.
  private mutating func opened(_ ends: [String]) throws -> [JinjaStatement] {
    _ = skip(symbol: ":")
    try expect(.blockEnd)
    return try statements(until: ends)
  }

  private mutating func ifStatement() throws -> JinjaStatement.Kind {
    var branches: [(test: JinjaExpression, body: [JinjaStatement])] = []
    var otherwise: [JinjaStatement] = []
    while true {
      let test = try tuple(allowsConditional: false)
      softness += 1
      defer { softness -= 1 }
      branches.append((test, try opened(["elif", "else", "endif"])))
      let end = current.text
      advance()
      if end == "elif" { continue }
      if end == "else" { otherwise = try body(until: "endif") }
      return .choice(branches, otherwise: otherwise)
    }
  }

  private mutating func forStatement() throws -> JinjaStatement.Kind {
    let target = try self.target(endingAt: "in")
    guard skip(name: "in") else { throw failure("expected token 'in', got '\(current.description)'") }
    let items = try tuple(allowsConditional: false, endingAt: "recursive")
    let filter = skip(name: "if") ? try expression() : nil
    let isRecursive = skip(name: "recursive")
    loopDepth += 1
    let body = try opened(["endfor", "else"])
    loopDepth -= 1
    let end = current.text
    advance()
    let otherwise = end == "else" ? try self.body(until: "endfor") : []
    return .loop(
      JinjaFor(
        target: target, items: items, filter: filter, isRecursive: isRecursive, body: body, otherwise: otherwise))
  }

  private mutating func setStatement() throws -> JinjaStatement.Kind {
    let target = try self.target(allowsNamespace: true)
    if skip(symbol: "=") { return .assignment(target, try tuple()) }
    let filter = isSymbol("|") ? try filters(nil) : nil
    return .blockAssignment(target, filter: filter, body: try body(until: "endset"))
  }

  private mutating func macroStatement() throws -> JinjaStatement.Kind {
    let name = try expectName()
    let number = symbol(name)
    return .macro(number, try macroBody(name, hasSignature: true, until: "endmacro"))
  }

  private mutating func macroBody(_ name: String, hasSignature: Bool, until end: String) throws -> JinjaMacroBody {
    let (savedNames, savedLoops) = (namesRead, loopDepth)
    (namesRead, loopDepth) = ([], 0)
    defer { (namesRead, loopDepth) = (savedNames.union(namesRead), savedLoops) }
    let signature = hasSignature ? try self.signature() : JinjaSignature()
    let body = try self.body(until: end)
    return JinjaMacroBody(name: name, signature: signature, body: body, reads: namesRead)
  }

  private mutating func signature() throws -> JinjaSignature {
    var signature = JinjaSignature()
    try expect(symbol: "(")
    while !isSymbol(")") {
      if !signature.parameters.isEmpty { try expect(symbol: ",") }
      signature.parameters.append(symbol(try expectName()))
      if skip(symbol: "=") {
        signature.defaults.append(try expression())
      } else if !signature.defaults.isEmpty {
        throw failure("non-default argument follows default argument")
      }
    }
    try expect(symbol: ")")
    return signature
  }

  private mutating func callStatement() throws -> JinjaStatement.Kind {
    let begin = current
    let (savedNames, savedLoops) = (namesRead, loopDepth)
    let signature = isSymbol("(") ? try self.signature() : JinjaSignature()
    let call = try expression()
    guard case .call = call.kind else { throw failure("expected call", at: begin) }
    loopDepth = 0
    defer { (namesRead, loopDepth) = (savedNames.union(namesRead), savedLoops) }
    let body = try self.body(until: "endcall")
    return .call(call, JinjaMacroBody(name: "caller", signature: signature, body: body, reads: namesRead))
  }

  private mutating func filterStatement() throws -> JinjaStatement.Kind {
    let filter = try filters(nil, startsInline: true)
    return .filtered(filter, try body(until: "endfilter"))
  }

  private mutating func withStatement() throws -> JinjaStatement.Kind {
    var bindings: [(target: JinjaTarget, value: JinjaExpression)] = []
    while current.kind != .blockEnd {
      if !bindings.isEmpty { try expect(symbol: ",") }
      let target = try self.target()
      try expect(symbol: "=")
      bindings.append((target, try expression()))
    }
    return .with(bindings, try body(until: "endwith"))
  }

  private mutating func blockStatement() throws -> JinjaStatement.Kind {
    let name = try expectName()
    _ = skip(name: "scoped")
    _ = skip(name: "required")
    let saved = loopDepth
    loopDepth = 0
    defer { loopDepth = saved }
    let body = try self.body(until: "endblock")
    _ = skip(name: name)
    return .block(body)
  }

  private mutating func printStatement() throws -> JinjaStatement.Kind {
    var expressions: [JinjaExpression] = []
    while current.kind != .blockEnd {
      if !expressions.isEmpty { try expect(symbol: ",") }
      expressions.append(try expression())
    }
    return .output(expressions)
  }

  // MARK: Targets

  private mutating func target(allowsNamespace: Bool = false, endingAt end: String? = nil) throws -> JinjaTarget {
    var targets: [JinjaTarget] = []
    var isTuple = false
    repeat {
      if current.kind == .blockEnd || isSymbol(")") || isSymbol("=") || (end.map(isName) ?? false) { break }
      targets.append(try singleTarget(allowsNamespace))
      guard isSymbol(",") else { break }
      isTuple = true
      advance()
    } while true
    guard let first = targets.first else {
      throw failure("Expected an expression, got '\(current.description)'")
    }
    return isTuple ? .tuple(targets) : first
  }

  private mutating func singleTarget(_ allowsNamespace: Bool) throws -> JinjaTarget {
    if skip(symbol: "(") {
      let inner = try nested { try $0.target(allowsNamespace: allowsNamespace) }
      try expect(symbol: ")")
      return inner
    }
    let token = current
    guard token.kind == .name, !["true", "false", "True", "False", "none", "None"].contains(token.text) else {
      throw failure("can't assign to '\(token.description)'")
    }
    advance()
    if allowsNamespace && skip(symbol: ".") { return .namespace(symbol(token.text), try expectName()) }
    return .name(symbol(token.text))
  }
}
