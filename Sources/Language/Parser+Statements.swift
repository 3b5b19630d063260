// The rules for statements and blocks.

extension Parser {
  // statement = simple END | compound END
  mutating func statement() throws -> Statement {
    let start = token.span
    switch token.kind {
    case .keyword(.while): return try whileLoop(start)
    case .keyword(.for): return try forLoop(start)
    case .keyword(.fn): return try function(start)
    case .keyword(.let): return try letBinding(start)
    case .keyword(.return):
      advance()
      let value = startsExpression && !atLineEnd ? try expression() : nil
      return Statement(.returns(value), span(from: start))
    case .keyword(.break):
      advance()
      return Statement(.breaks, start)
    case .keyword(.continue):
      advance()
      return Statement(.continues, start)
    case .name(let word):
      if let statement = try wordStatement(word, start) { return statement }
    case .symbol(.pipe): return try continuation(start)
    default: break
    }
    try rejectForeignStatement()
    let first = try expression()
    return try assignment(from: first, start: start)
  }

  /// A cell that begins with `|>` continues from `ans`.
  private mutating func continuation(_ start: Span) throws -> Statement {
    let ans = Span(start: start.start, end: start.start, source: start.source)
    let value = try pipeTail(make(.name(Name("ans", ans)), ans))
    return Statement(.expression(value), span(from: start))
  }

  /// `import as run fail assert test` are words of the language only in their places.
  private mutating func wordStatement(_ word: String, _ start: Span) throws -> Statement? {
    let next = token(ahead: 1)
    let onSameLine = !next.newlineBefore
    switch word {
    case "import" where onSameLine && next.isString:
      advance()
      let (path, pathSpan) = try plainString("the file to import")
      guard token.isName("as"), !atLineEnd else { throw failure("expected 'as' and a name after the file, found \(token.described)") }
      advance()
      return Statement(.importFile(path, pathSpan, try name("the imported file")), span(from: start))
    case "run" where onSameLine && next.isString:
      advance()
      let (path, pathSpan) = try plainString("the file to run")
      return Statement(.runFile(path, pathSpan), span(from: start))
    case "fail" where onSameLine && wordTakesExpression(next):
      advance()
      return Statement(.fails(try expression()), span(from: start))
    case "assert" where onSameLine && wordTakesExpression(next):
      advance()
      return try assertion(start)
    case "test" where onSameLine && next.isString && token(ahead: 2).isSymbol(.leftBrace):
      advance()
      let (title, _) = try plainString("the test's name")
      return Statement(.test(title, try block("after the test's name")), span(from: start))
    default: return nil
    }
  }

  private mutating func assertion(_ start: Span) throws -> Statement {
    if at(.leftParenthesis), closers[position] > position, commaInside(position), endsStatement(after: closers[position]) {
      report("assert takes no parentheses", at: token.span, hint: "write: assert condition, \"message\"")
      advance()
      let condition = try expression()
      try expect(.comma, "after the condition")
      let message = try expression()
      try expect(.rightParenthesis, "after the message")
      return Statement(.asserts(condition, message), span(from: start))
    }
    let condition = try expression()
    var message: Expression?
    if at(.comma), !atLineEnd {
      advance()
      message = try expression()
    }
    return Statement(.asserts(condition, message), span(from: start))
  }

  private func commaInside(_ open: Int) -> Bool {
    var index = open + 1
    while index < closers[open] {
      if tokens[index].isSymbol(.comma) { return true }
      index = closers[index] > index ? closers[index] + 1 : index + 1
    }
    return false
  }

  private func endsStatement(after index: Int) -> Bool {
    let next = tokens[min(index + 1, tokens.count - 1)]
    return next.newlineBefore || next.isEnd || next.isSymbol(.semicolon) || next.isSymbol(.rightBrace)
  }

  /// Whether what follows `fail` or `assert` can only be its expression, not an operator on a variable of that name.
  private func wordTakesExpression(_ next: Token) -> Bool {
    switch next.kind {
    case .name, .integer, .float, .string: true
    case .keyword(let keyword): [.true, .false, .none, .not, .if, .try].contains(keyword)
    case .symbol(let symbol):
      symbol == .leftParenthesis || symbol == .leftBrace || symbol == .bang
        || ((symbol == .leftBracket || symbol == .minus) && next.spaceBefore && !token(ahead: 2).spaceBefore)
    default: false
    }
  }

  /// A STRING without interpolation.
  private mutating func plainString(_ what: String) throws -> (String, Span) {
    let span = token.span
    guard case .string(let segments) = token.kind else { throw failure("expected \(what) as a string, found \(token.described)") }
    var text = ""
    for segment in segments {
      guard case .text(let part) = segment else {
        throw failure("\(what) must be a plain string", at: span, hint: "it is read before anything runs, so \\( ) has no value yet")
      }
      text += part
    }
    advance()
    return (text, span)
  }

  // place ( "=" | "+=" | … ) expr | names "=" expr | expr
  private mutating func assignment(from first: Expression, start: Span) throws -> Statement {
    if at(.comma), !atLineEnd, case .name(let name) = first.kind {
      return try destructuring(first: name, start: start)
    }
    guard let symbol = operatorHere else { return Statement(.expression(first), first.span) }
    if symbol == .assign {
      let place = try self.place(first)
      advance()
      return Statement(.assign(place, try expression()), span(from: start))
    }
    let operations: [Symbol: BinaryOperator] = [
      .plusAssign: .add, .minusAssign: .subtract, .timesAssign: .multiply, .divideAssign: .divide,
    ]
    if let operation = operations[symbol] {
      let place = try self.place(first)
      advance()
      return Statement(.augment(place, operation, try expression()), span(from: start))
    }
    if symbol == .walrus {
      throw failure("zs assigns with =", at: token.span, hint: "write = for :=")
    }
    if symbol == .colon, case .name(let name) = first.kind {
      throw failure(
        "a statement cannot go on with ':'", at: token.span,
        hint: "zs has no type annotations: write \(name.text) = …")
    }
    return Statement(.expression(first), first.span)
  }

  // names "=" expr
  private mutating func destructuring(first: Name, start: Span) throws -> Statement {
    var names = [first]
    while accept(.comma) { names.append(try name("what is assigned")) }
    guard at(.assign), !atLineEnd else {
      throw failure("expected '=' after the names, found \(token.described)", hint: "several values at once are a list: [a, b]")
    }
    advance()
    var value = try expression()
    if at(.comma), !atLineEnd {
      report("several values stand in a list", at: token.span, hint: "write \(names.map(\.text).joined(separator: ", ")) = [ … ]")
      var elements = [value]
      while accept(.comma) { elements.append(try expression()) }
      value = try make(.list(elements), span(from: value.span))
    }
    return Statement(.bind(names, value, isLet: false), span(from: start))
  }

  /// The place that an expression on the left of `=` names.
  private mutating func place(_ expression: Expression) throws -> Place {
    var steps: [Place.Step] = []
    var here = expression
    while true {
      switch here.kind {
      case .name(let name): return Place(base: name, steps: steps.reversed(), span: expression.span)
      case .field(let base, let name):
        steps.append(.field(name))
        here = base
      case .index(let base, let index):
        steps.append(.index(index, here.span))
        here = base
      case .literal:
        throw failure("a value cannot be assigned to", at: here.span, hint: "== compares")
      case .call, .method, .pipe:
        throw failure(
          "the result of a call cannot be assigned to", at: here.span, hint: "give it a name first; a function is defined by fn f(x) = …")
      case .comparison(_, let links) where links.count == 1:
        throw failure("a comparison cannot be assigned to", at: here.span)
      default: throw failure("this cannot be assigned to", at: here.span, hint: "a name, a field or an index can")
      }
    }
  }

  // "let" names "=" expr
  private mutating func letBinding(_ start: Span) throws -> Statement {
    advance()
    var names = [try name("the constant")]
    while accept(.comma) { names.append(try name("the constant")) }
    if at(.colon) { throw failure("zs has no type annotations", at: token.span, hint: "write let \(names[0].text) = …") }
    try expect(.assign, "after the name")
    return Statement(.bind(names, try expression(), isLet: true), span(from: start))
  }

  // names = NAME { "," NAME }
  mutating func names(_ context: String) throws -> [Name] {
    if at(.leftParenthesis) {
      throw failure("names stand without parentheses here", at: token.span, hint: "write: for key, value in …")
    }
    var names = [try name(context)]
    while accept(.comma) { names.append(try name(context)) }
    return names
  }

  // "while" expr block
  private mutating func whileLoop(_ start: Span) throws -> Statement {
    advance()
    let condition = try expression()
    return Statement(.whileLoop(condition, try block("after the condition")), span(from: start))
  }

  // "for" names "in" expr block
  private mutating func forLoop(_ start: Span) throws -> Statement {
    advance()
    if at(.leftParenthesis) {
      throw failure("zs loops over a sequence, without parentheses", at: token.span, hint: "write: for i in 0..<10 { … }")
    }
    let names = try names("the loop variable")
    guard accept(.in) else {
      throw failure("expected 'in' after the loop variable, found \(token.described)", hint: "as in: for i in 0..<10 { … }")
    }
    let sequence = try expression()
    return Statement(.forLoop(names, sequence, try block("after the sequence")), span(from: start))
  }

  // "fn" NAME "(" [ params ] ")" ( block | "=" expr )
  private mutating func function(_ start: Span) throws -> Statement {
    advance()
    if at(.leftParenthesis) {
      throw failure("fn needs a name", at: token.span, hint: "a function without a name is written x => … or (a, b) => …")
    }
    let name = try name("the function")
    let head = token.span
    guard at(.leftParenthesis) else {
      throw failure("expected '(' after the function's name, found \(token.described)", hint: "as in: fn \(name.text)(x) { … }")
    }
    let parameters = try parameters()
    let headSpan = span(from: head)
    if at(.thinArrow) || (at(.colon) && !atLineEnd) {
      throw failure("zs has no type annotations", at: token.span, hint: "write: fn \(name.text)(…) { … } or fn \(name.text)(…) = …")
    }
    let body: FunctionSyntax.Body
    if at(.assign) {
      advance()
      body = .expression(try expression())
    } else if at(.arrow) {
      throw failure("a function's expression follows =", at: token.span, hint: "write: fn \(name.text)(…) = …")
    } else {
      body = .block(try block("or '=' after the parameters"))
    }
    let syntax = FunctionSyntax(name: name, parameters: parameters, body: body, span: span(from: start), headSpan: headSpan)
    return Statement(.function(syntax), span(from: start))
  }

  // "(" [ param { "," param } ] ")"
  mutating func parameters() throws -> [ParameterSyntax] {
    try bracketed(.rightParenthesis, "the parameters") { parser in
      var parameters: [ParameterSyntax] = []
      var seen = Set<String>()
      while !parser.at(.rightParenthesis) {
        let name = try parser.name("a parameter")
        if !seen.insert(name.text).inserted { parser.report("two parameters are called '\(name.text)'", at: name.span) }
        if parser.at(.colon) {
          throw parser.failure("zs has no type annotations", at: parser.token.span, hint: "a default is written \(name.text) = value")
        }
        var value: Expression?
        if parser.accept(.assign) { value = try parser.expression() }
        if value == nil, let last = parameters.last, last.defaultValue != nil {
          parser.report(
            "'\(name.text)' has no default but follows one that has", at: name.span, hint: "parameters with defaults come last")
        }
        parameters.append(ParameterSyntax(name: name, defaultValue: value))
        if !parser.accept(.comma) { break }
      }
      return parameters
    }
  }

  // block = "{" { statement | END } "}"
  mutating func block(_ context: String) throws -> Block {
    let start = token.span
    if at(.colon) {
      throw failure("zs writes blocks in braces, not after ':'", at: token.span, hint: "write { … }")
    }
    guard at(.leftBrace) else { throw failure("expected '{' \(context), found \(token.described)") }
    return try deeper { parser in
      let open = parser.position
      parser.openBrackets.append(open)
      let outer = parser.newlineIsSpace
      let outerDepth = parser.deepestMade
      parser.newlineIsSpace = false
      parser.deepestMade = 0
      defer {
        parser.newlineIsSpace = outer
        // One level for the block, one for the statement that holds it.
        parser.deepestMade = max(outerDepth, parser.deepestMade + 2)
      }
      parser.advance()
      let statements = parser.statements(untilBrace: true)
      guard parser.at(.rightBrace) else {
        throw parser.failure("this block is not closed: expected '}', found \(parser.token.described)")
      }
      parser.openBrackets.removeAll { $0 >= open }
      parser.advance()
      return Block(statements, parser.span(from: start))
    }
  }
}
