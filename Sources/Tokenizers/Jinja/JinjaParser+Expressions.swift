// Expressions, from the loosest binding (`a if b else c`) to the tightest (names, literals, brackets). Each function
// bears the name of its rule in jinja2's grammar.

extension JinjaParser {
  func make(_ kind: JinjaExpression.Kind, _ token: JinjaToken) throws -> JinjaExpression {
    let expression = JinjaExpression(kind, line: token.line, column: token.column)
    if expression.depth > Self.maximumDepth {
      throw failure("an expression more than \(Self.maximumDepth) operations deep", at: token)
    }
    return expression
  }

  /// Expressions separated by commas make a tuple; one alone is itself.
  mutating func tuple(
    allowsConditional: Bool = true, endingAt end: String? = nil, isParenthesized: Bool = false
  ) throws -> JinjaExpression {
    let begin = current
    var items: [JinjaExpression] = []
    var isTuple = false
    while true {
      if !items.isEmpty { try expect(symbol: ",") }
      if current.kind == .variableEnd || current.kind == .blockEnd || isSymbol(")") || (end.map(isName) ?? false) { break }
      items.append(allowsConditional ? try expression() : try or())
      guard isSymbol(",") else { break }
      isTuple = true
    }
    if !isTuple {
      if let only = items.first { return only }
      if !isParenthesized { throw failure("Expected an expression, got '\(current.description)'") }
    }
    return try make(.tuple(items), begin)
  }

  mutating func expression() throws -> JinjaExpression {
    try nested { try $0.conditional() }
  }

  private mutating func conditional() throws -> JinjaExpression {
    let begin = current
    var then = try or()
    while skip(name: "if") {
      let test = try or()
      softness += 1
      defer { softness -= 1 }
      let otherwise = skip(name: "else") ? try nested { try $0.conditional() } : nil
      then = try make(.conditional(test: test, then: then, otherwise: otherwise), begin)
    }
    return then
  }

  mutating func or() throws -> JinjaExpression {
    let begin = current
    var left = try and()
    while skip(name: "or") { left = try make(.or(left, try and()), begin) }
    return left
  }

  private mutating func and() throws -> JinjaExpression {
    let begin = current
    var left = try not()
    while skip(name: "and") { left = try make(.and(left, try not()), begin) }
    return left
  }

  private mutating func not() throws -> JinjaExpression {
    let begin = current
    guard skip(name: "not") else { return try comparison() }
    return try make(.not(try nested { try $0.not() }), begin)
  }

  private mutating func comparison() throws -> JinjaExpression {
    let begin = current
    let first = try sum()
    var rest: [(comparison: JinjaComparison, operand: JinjaExpression)] = []
    while true {
      let token = current
      if token.kind == .symbol, let comparison = JinjaComparison(rawValue: token.text) {
        advance()
        rest.append((comparison, try sum()))
      } else if skip(name: "in") {
        rest.append((.contained, try sum()))
      } else if isName("not"), following.kind == .name, following.text == "in" {
        advance()
        advance()
        rest.append((.notContained, try sum()))
      } else {
        break
      }
    }
    return rest.isEmpty ? first : try make(.comparison(first, rest), begin)
  }

  private mutating func sum() throws -> JinjaExpression {
    var left = try concatenation()
    while isSymbol("+") || isSymbol("-") {
      let token = current
      advance()
      left = try make(.binary(token.text == "+" ? .add : .subtract, left, try concatenation()), token)
    }
    return left
  }

  private mutating func concatenation() throws -> JinjaExpression {
    let begin = current
    var items = [try product()]
    while skip(symbol: "~") { items.append(try product()) }
    return items.count == 1 ? items[0] : try make(.concatenation(items), begin)
  }

  private mutating func product() throws -> JinjaExpression {
    var left = try power()
    while current.kind == .symbol, ["*", "/", "//", "%"].contains(current.text),
      let operation = JinjaBinary(rawValue: current.text)
    {
      let token = current
      advance()
      left = try make(.binary(operation, left, try power()), token)
    }
    return left
  }

  private mutating func power() throws -> JinjaExpression {
    var left = try unary()
    while isSymbol("**") {
      let token = current
      advance()
      left = try make(.binary(.power, left, try unary()), token)
    }
    return left
  }

  private mutating func unary(withFilters: Bool = true) throws -> JinjaExpression {
    let begin = current
    var node: JinjaExpression
    if skip(symbol: "-") {
      node = try make(.negative(try nested { try $0.unary(withFilters: false) }), begin)
    } else if skip(symbol: "+") {
      node = try make(.positive(try nested { try $0.unary(withFilters: false) }), begin)
    } else {
      node = try primary()
    }
    node = try postfix(node)
    return withFilters ? try filtersAndTests(node) : node
  }

  private mutating func primary() throws -> JinjaExpression {
    let token = current
    switch token.kind {
    case .name:
      advance()
      return try make(named(token.text), token)
    case .string:
      var text = ""
      while current.kind == .string {
        text += current.text
        advance()
      }
      return try make(.literal(.string(text)), token)
    case .integer, .float:
      advance()
      return try make(.literal(try number(token)), token)
    case .symbol where token.text == "(":
      advance()
      let inner = try nested { try $0.tuple(isParenthesized: true) }
      try expect(symbol: ")")
      return inner
    case .symbol where token.text == "[": return try list()
    case .symbol where token.text == "{": return try dictionary()
    default: throw failure("unexpected '\(token.description)'")
    }
  }

  private mutating func named(_ name: String) -> JinjaExpression.Kind {
    switch name {
    case "true", "True": return .literal(.bool(true))
    case "false", "False": return .literal(.bool(false))
    case "none", "None": return .literal(.none)
    default:
      namesRead.insert(name)
      return .name(symbol(name))
    }
  }

  private func number(_ token: JinjaToken) throws -> JinjaLiteral {
    if token.kind == .float { return .double(Double(token.text) ?? .infinity) }
    let radix: Int
    switch token.text.dropFirst().first {
    case "x", "X": radix = 16
    case "o", "O": radix = 8
    case "b", "B": radix = 2
    default: radix = 10
    }
    guard let value = Int(radix == 10 ? token.text : String(token.text.dropFirst(2)), radix: radix) else {
      throw failure("the number \(token.text) does not fit in 64 bits", at: token)
    }
    return .int(value)
  }

  private mutating func list() throws -> JinjaExpression {
    let begin = current
    advance()
    var items: [JinjaExpression] = []
    while !isSymbol("]") {
      if !items.isEmpty { try expect(symbol: ",") }
      if isSymbol("]") { break }
      items.append(try expression())
    }
    try expect(symbol: "]")
    return try make(.list(items), begin)
  }

  private mutating func dictionary() throws -> JinjaExpression {
    let begin = current
    advance()
    var pairs: [(key: JinjaExpression, value: JinjaExpression)] = []
    while !isSymbol("}") {
      if !pairs.isEmpty { try expect(symbol: ",") }
      if isSymbol("}") { break }
      let key = try expression()
      try expect(symbol: ":")
      pairs.append((key, try expression()))
    }
    try expect(symbol: "}")
    return try make(.dictionary(pairs), begin)
  }

  private mutating func postfix(_ node: JinjaExpression) throws -> JinjaExpression {
    var node = node
    while true {
      if isSymbol(".") || isSymbol("[") {
        node = try subscripted(node)
      } else if isSymbol("(") {
        let token = current
        node = try make(.call(node, try arguments()), token)
      } else {
        return node
      }
    }
  }

  private mutating func subscripted(_ node: JinjaExpression) throws -> JinjaExpression {
    let token = current
    advance()
    if token.text == "." {
      let name = current
      advance()
      if name.kind == .name { return try make(.attribute(node, name.text), name) }
      guard name.kind == .integer else { throw failure("expected name or number", at: name) }
      return try make(.item(node, try make(.literal(try number(name)), name)), token)
    }
    var items: [JinjaExpression] = []
    while !isSymbol("]") {
      if !items.isEmpty { try expect(symbol: ",") }
      items.append(try subscriptItem())
    }
    try expect(symbol: "]")
    return try make(.item(node, items.count == 1 ? items[0] : try make(.tuple(items), token)), token)
  }

  private mutating func subscriptItem() throws -> JinjaExpression {
    let begin = current
    var start: JinjaExpression?
    if !isSymbol(":") {
      let item = try expression()
      guard isSymbol(":") else { return item }
      start = item
    }
    advance()
    let endsHere = { (parser: JinjaParser) in parser.isSymbol(":") || parser.isSymbol("]") || parser.isSymbol(",") }
    let stop = endsHere(self) ? nil : try expression()
    let step = skip(symbol: ":") && !endsHere(self) ? try expression() : nil
    return try make(.slice(start, stop, step), begin)
  }

  private mutating func arguments() throws -> JinjaArgumentList {
    let begin = current
    try expect(symbol: "(")
    var arguments = JinjaArgumentList()
    var needsComma = false
    func ensure(_ holds: Bool) throws {
      if !holds { throw failure("invalid syntax for function call expression", at: begin) }
    }
    while !isSymbol(")") {
      if needsComma {
        try expect(symbol: ",")
        if isSymbol(")") { break }
      }
      if skip(symbol: "*") {
        try ensure(arguments.spread == nil && arguments.keywordSpread == nil)
        arguments.spread = try expression()
      } else if skip(symbol: "**") {
        try ensure(arguments.keywordSpread == nil)
        arguments.keywordSpread = try expression()
      } else if current.kind == .name, following.kind == .symbol, following.text == "=" {
        try ensure(arguments.keywordSpread == nil)
        let name = try expectName()
        advance()
        arguments.keywords.append((name, try expression()))
      } else {
        try ensure(arguments.spread == nil && arguments.keywordSpread == nil && arguments.keywords.isEmpty)
        arguments.positional.append(try expression())
      }
      needsComma = true
    }
    try expect(symbol: ")")
    return arguments
  }

  private mutating func filtersAndTests(_ node: JinjaExpression) throws -> JinjaExpression {
    var node = node
    while true {
      if isSymbol("|") {
        node = try filters(node)
      } else if isName("is") {
        node = try test(node)
      } else if isSymbol("(") {
        let token = current
        node = try make(.call(node, try arguments()), token)
      } else {
        return node
      }
    }
  }

  /// `|name(arguments)` once or more; `startsInline` where the first bar is left out, as in `{% filter name %}`.
  mutating func filters(_ node: JinjaExpression?, startsInline: Bool = false) throws -> JinjaExpression {
    var node = node
    var isFirst = startsInline
    while isSymbol("|") || isFirst {
      if !isFirst { advance() }
      isFirst = false
      let token = current
      let name = try dottedName()
      if softness == 0 && JinjaFilters.table[name] == nil { throw failure("No filter named '\(name)'.", at: token) }
      let arguments = isSymbol("(") ? try self.arguments() : JinjaArgumentList()
      node = try make(.filter(node, name, arguments), token)
    }
    guard let node else { throw failure("expected a filter") }
    return node
  }

  private mutating func dottedName() throws -> String {
    var name = try expectName()
    while skip(symbol: ".") { name += "." + (try expectName()) }
    return name
  }

  private mutating func test(_ node: JinjaExpression) throws -> JinjaExpression {
    let token = current
    advance()
    let isNegated = skip(name: "not")
    let nameToken = current
    let name = try dottedName()
    if softness == 0 && JinjaTests.table[name] == nil { throw failure("No test named '\(name)'.", at: nameToken) }
    var arguments = JinjaArgumentList()
    if isSymbol("(") {
      arguments = try self.arguments()
    } else if beginsTestArgument() {
      if isName("is") { throw failure("You cannot chain multiple tests with is") }
      arguments.positional = [try postfix(try primary())]
    }
    let test = try make(.test(node, name, arguments), token)
    return isNegated ? try make(.not(test), token) : test
  }

  private func beginsTestArgument() -> Bool {
    switch current.kind {
    case .name: return !["else", "or", "and"].contains(current.text)
    case .string, .integer, .float: return true
    case .symbol: return current.text == "[" || current.text == "{"
    default: return false
    }
  }
}
