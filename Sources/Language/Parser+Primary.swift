// The rules for what operators stand between: calls, indices, fields, literals, brackets.

extension Parser {
  /// Whether the token here can begin an expression.
  var startsExpression: Bool { Parser.startsExpression(token) }

  static func startsExpression(_ token: Token) -> Bool {
    switch token.kind {
    case .name, .integer, .float, .string: true
    case .keyword(let keyword): [.true, .false, .none, .not, .if, .try].contains(keyword)
    case .symbol(let symbol): [.leftParenthesis, .leftBracket, .leftBrace, .minus, .plus, .bang].contains(symbol)
    default: false
    }
  }

  /// Reads what stands between brackets, where line ends are blanks.
  mutating func bracketed<Result>(_ closer: Symbol, _ what: String, _ rule: (inout Parser) throws -> Result) throws -> Result {
    let open = position
    openBrackets.append(open)
    advance()
    let outer = newlineIsSpace
    newlineIsSpace = true
    defer { newlineIsSpace = outer }
    let result = try rule(&self)
    guard at(closer) else {
      throw failure("expected ',' or '\(closer.rawValue)' in \(what), found \(token.described)")
    }
    openBrackets.removeAll { $0 >= open }
    advance()
    return result
  }

  // postfix = primary { "(" [ args ] ")" | "[" index "]" | "." WORD }
  mutating func postfix() throws -> Expression {
    var value = try primary()
    while true {
      if at(.leftParenthesis), !atLineEnd {
        let arguments = try self.arguments()
        let span = span(from: value.span)
        let deepest = deepest(arguments.map(\.value))
        if case .field(let receiver, let name) = value.kind {
          value = try make(.method(receiver, name, arguments), span, value, deepest)
        } else {
          value = try make(.call(value, arguments), span, value, deepest)
        }
      } else if at(.leftBracket), !atLineEnd {
        let index = try self.index()
        let parts = index.flatMap { part -> [Expression] in
          switch part {
          case .at(let value): [value]
          case .slice(let lower, let upper, let step): [lower, upper, step].compactMap { $0 }
          case .ellipsis: []
          }
        }
        value = try make(.index(value, index), span(from: value.span), value, deepest(parts))
      } else if at(.dot) {
        guard let word = token(ahead: 1).word else {
          advance()
          throw failure("expected a field or function after '.', found \(token.described)")
        }
        advance()
        let name = Name(word, token.span)
        advance()
        value = try make(.field(value, name), span(from: value.span), value)
      } else {
        return value
      }
    }
  }

  func deepest(_ expressions: [Expression]) -> Expression? {
    expressions.max { $0.depth < $1.depth }
  }

  // args = arg { "," arg } [ "," ];  arg = [ NAME ( ":" | "=" ) ] expr
  private mutating func arguments() throws -> [Argument] {
    try bracketed(.rightParenthesis, "the arguments") { parser in
      var arguments: [Argument] = []
      while !parser.at(.rightParenthesis) {
        let next = parser.token(ahead: 1)
        var name: Name?
        if let word = parser.token.word, next.isSymbol(.colon) || next.isSymbol(.assign) {
          name = Name(word, parser.token.span)
          parser.advance()
          parser.advance()
        }
        let value = try parser.expression()
        if name == nil, arguments.last?.name != nil {
          parser.report(
            "a positional argument cannot follow a named one", at: value.span, hint: "put it first, or give it its name")
        }
        if let name, arguments.contains(where: { $0.name?.text == name.text }) {
          parser.report("'\(name.text)' is given twice", at: name.span)
        }
        arguments.append(Argument(name: name, value: value))
        if !parser.accept(.comma) { break }
      }
      return arguments
    }
  }

  // index = slice { "," slice }
  private mutating func index() throws -> [IndexSyntax] {
    try bracketed(.rightBracket, "the index") { parser in
      var parts: [IndexSyntax] = []
      repeat {
        if parser.at(.rightBracket) { break }
        parts.append(try parser.slice())
      } while parser.accept(.comma)
      if parts.isEmpty { throw parser.failure("an index is missing between [ and ]") }
      return parts
    }
  }

  // slice = "..." | [ expr ] ":" [ expr ] [ ":" [ expr ] ] | expr
  private mutating func slice() throws -> IndexSyntax {
    if at(.ellipsis) {
      advance()
      return .ellipsis(previousSpan)
    }
    let lower = at(.colon) ? nil : try expression()
    guard accept(.colon) else {
      guard let lower else { throw failure("an index is missing") }
      return .at(lower)
    }
    func part(_ parser: inout Parser) throws -> Expression? {
      parser.startsExpression ? try parser.expression() : nil
    }
    let upper = try part(&self)
    let step = accept(.colon) ? try part(&self) : nil
    return .slice(lower, upper, step)
  }

  // primary = NUMBER | STRING | "true" | "false" | "none" | NAME | "(" expr ")" | if | try | list | map
  private mutating func primary() throws -> Expression {
    let start = token.span
    switch token.kind {
    case .integer(let magnitude):
      advance()
      guard let value = Int64(exactly: magnitude) else {
        report("this number does not fit into 64 bits", at: start, hint: "ints end at 9223372036854775807; write a float such as 1e19")
        return try make(.literal(.int(0)), start)
      }
      return try make(.literal(.int(value)), start)
    case .float(let value):
      advance()
      return try make(.literal(.float(value)), start)
    case .string(let segments):
      advance()
      return try string(segments, start)
    case .keyword(.true), .keyword(.false):
      let value = at(.true)
      advance()
      return try make(.literal(.bool(value)), start)
    case .keyword(.none):
      advance()
      return try make(.literal(.none), start)
    case .keyword(.if): return try conditional()
    case .keyword(.try): return try attempt()
    case .name(let text):
      try rejectForeignName(text)
      advance()
      return try make(.name(Name(text, start)), start)
    case .symbol(.leftParenthesis):
      let inner = try bracketed(.rightParenthesis, "the parentheses") { parser in
        if parser.at(.rightParenthesis) {
          throw parser.failure("there is nothing between the parentheses", at: start.union(parser.token.span))
        }
        let inner = try parser.expression()
        if parser.at(.comma) {
          throw parser.failure("zs has no tuples", at: parser.token.span, hint: "several values stand in a list: [a, b]")
        }
        return inner
      }
      return try make(.parenthesized(inner), span(from: start), inner)
    case .symbol(.leftBracket): return try list()
    case .symbol(.leftBrace): return try map()
    default: throw unexpectedStart()
    }
  }

  // if = "if" expr block { "else" "if" expr block } [ "else" block ]
  private mutating func conditional() throws -> Expression {
    let start = token.span
    var branches: [(condition: Expression, block: Block)] = []
    var otherwise: Block?
    let outer = deepestMade
    deepestMade = 0
    defer { deepestMade = max(outer, deepestMade) }
    repeat {
      advance()
      let condition = try expression()
      if at(.assign) { throw failure("= assigns; a condition compares with ==", at: token.span, hint: "write ==") }
      branches.append((condition, try block("after the condition")))
      if token.isName("elif") || token.isName("elsif") || token.isName("elseif") {
        report("zs writes 'else if'", at: token.span, hint: "write 'else if' for \(token.word ?? "elif")")
        continue
      }
      guard at(.else) else { break }
      advance()
      if !at(.if) {
        otherwise = try block("after else")
        break
      }
    } while true
    return try make(.conditional(Conditional(branches: branches, otherwise: otherwise)), span(from: start), over: deepestMade)
  }

  // try = "try" block "catch" NAME block
  private mutating func attempt() throws -> Expression {
    let start = token.span
    let outer = deepestMade
    deepestMade = 0
    defer { deepestMade = max(outer, deepestMade) }
    advance()
    let body = try block("after try")
    if token.isName("except") || token.isName("rescue") {
      report("zs writes 'catch'", at: token.span, hint: "write: catch e { … }")
      advance()
    } else if !accept(.catch) {
      throw failure("expected 'catch' after the block of try, found \(token.described)", hint: "as in: try { … } catch e { e.message }")
    }
    if at(.leftBrace) { throw failure("catch needs a name for the error", at: token.span, hint: "as in: catch e { e.message }") }
    let name = try name("the error")
    let handler = try block("after the error's name")
    return try make(.attempt(Attempt(body: body, name: name, handler: handler)), span(from: start), over: deepestMade)
  }

  // "[" [ expr ( { "," expr } [ "," ] | "for" names "in" expr [ "if" expr ] ) ] "]"
  private mutating func list() throws -> Expression {
    let start = token.span
    return try bracketed(.rightBracket, "the list") { parser in
      if parser.at(.rightBracket) { return try parser.make(.list([]), start.union(parser.token.span)) }
      let first = try parser.expression()
      if parser.accept(.for) { return try parser.comprehension(first, start) }
      var elements = [first]
      while parser.accept(.comma), !parser.at(.rightBracket) { elements.append(try parser.expression()) }
      return try parser.make(.list(elements), start.union(parser.token.span), parser.deepest(elements))
    }
  }

  private mutating func comprehension(_ element: Expression, _ start: Span) throws -> Expression {
    let names = try names("the element")
    guard accept(.in) else { throw failure("expected 'in' after the names, found \(token.described)") }
    let sequence = try expression()
    let condition = accept(.if) ? try expression() : nil
    if at(.for) { throw failure("a list has one 'for'", at: token.span, hint: "nest another [ … for … ] inside, or use a loop") }
    let comprehension = Comprehension(element: element, names: names, sequence: sequence, condition: condition)
    return try make(.comprehension(comprehension), start.union(token.span), element, sequence, condition)
  }

  // "{" [ entry { "," entry } [ "," ] ] "}";  entry = ( WORD | STRING ) ":" expr
  private mutating func map() throws -> Expression {
    let start = token.span
    return try bracketed(.rightBrace, "the map") { parser in
      var entries: [MapEntry] = []
      var seen = Set<String>()
      while !parser.at(.rightBrace) {
        let (key, keySpan) = try parser.mapKey()
        if !seen.insert(key).inserted {
          parser.report("the key '\(key)' appears twice", at: keySpan)
        }
        guard parser.accept(.colon) else {
          let hint =
            parser.at(.assign)
            ? "a map writes key: value" : "a map is {key: value}; a block stands only after if, for, while, fn, try or =>"
          throw parser.failure("expected ':' after the key, found \(parser.token.described)", hint: hint)
        }
        entries.append(MapEntry(key: key, keySpan: keySpan, value: try parser.expression()))
        if !parser.accept(.comma) { break }
      }
      return try parser.make(.map(entries), start.union(parser.token.span), parser.deepest(entries.map(\.value)))
    }
  }

  private mutating func mapKey() throws -> (String, Span) {
    let span = token.span
    if let word = token.word {
      advance()
      return (word, span)
    }
    if case .string(let segments) = token.kind {
      if segments.isEmpty {
        advance()
        return ("", span)
      }
      if segments.count == 1, case .text(let text) = segments[0] {
        advance()
        return (text, span)
      }
      throw failure("a key in a map is a plain string", at: span, hint: "for a computed key: m[\"\\(name)\"] = value")
    }
    throw failure(
      "expected a key, found \(token.described)", hint: "keys of a map are words or strings: {a: 1, \"b c\": 2}")
  }

  /// STRING, with its interpolations parsed.
  private mutating func string(_ segments: [StringSegment], _ span: Span) throws -> Expression {
    var parts: [InterpolationPart] = []
    var texts = ""
    var deepestValue: Expression?
    for segment in segments {
      switch segment {
      case .text(let text):
        texts += text
        parts.append(.text(text))
      case .interpolation(let inner):
        let (value, format) = try interpolation(inner, span)
        if value.depth > deepestValue?.depth ?? 0 { deepestValue = value }
        parts.append(.value(value, format))
      }
    }
    guard let deepestValue else { return try make(.literal(.string(texts)), span) }
    return try make(.interpolation(parts), span, deepestValue)
  }

  /// What stands in `\( )`: an expression, and perhaps a format.
  private mutating func interpolation(_ inner: [Token], _ span: Span) throws -> (Expression, FormatSpecification?) {
    var parser = Parser(source, tokens: inner, errors: [])
    parser.nesting = nesting + 1
    parser.newlineIsSpace = true
    defer {
      errors += parser.errors
      deepestMade = max(deepestMade, parser.deepestMade)
    }
    if parser.token.isEnd {
      throw parser.failure("there is nothing in \\( )", at: parser.token.span, hint: "write \\\\( for the plain characters")
    }
    let value = try parser.expression()
    var format: FormatSpecification?
    if parser.accept(.comma) {
      guard case .string(let segments) = parser.token.kind else {
        throw parser.failure("expected a format such as \".2f\", found \(parser.token.described)")
      }
      var text = ""
      for case .text(let part) in segments { text += part }
      do {
        format = try FormatSpecification(text)
      } catch let error as ZsError {
        parser.report(error.message, at: parser.token.span, hint: error.hint)
      }
      parser.advance()
    }
    if !parser.token.isEnd { throw parser.failure("expected ')', found \(parser.token.described)") }
    return (value, format)
  }
}
