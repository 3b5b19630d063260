// The rules for expressions with operators, loosest first.

extension Parser {
  // expr = lambda | coalesce
  mutating func expression() throws -> Expression {
    try deeper { parser in
      if let lambda = try parser.lambda() { return lambda }
      return try parser.coalesce()
    }
  }

  // lambda = ( NAME | "(" [ params ] ")" ) "=>" ( block | expr )
  private mutating func lambda() throws -> Expression? {
    let start = token.span
    var parameters: [ParameterSyntax]
    switch token.kind {
    case .name(let text) where token(ahead: 1).isSymbol(.arrow) && (newlineIsSpace || !token(ahead: 1).newlineBefore):
      parameters = [ParameterSyntax(name: Name(text, token.span), defaultValue: nil)]
      advance()
    case .symbol(.leftParenthesis):
      let closer = closers[position]
      guard closer >= 0, closer + 1 < tokens.count, tokens[closer + 1].isSymbol(.arrow),
        newlineIsSpace || !tokens[closer + 1].newlineBefore
      else { return nil }
      parameters = try self.parameters()
    default: return nil
    }
    let headSpan = span(from: start)
    advance()
    let outer = deepestMade
    deepestMade = 0
    defer { deepestMade = max(outer, deepestMade) }
    let body: FunctionSyntax.Body =
      at(.leftBrace) && !bracesAreMap ? .block(try block("after =>")) : .expression(try expression())
    let syntax = FunctionSyntax(name: nil, parameters: parameters, body: body, span: span(from: start), headSpan: headSpan)
    return try make(.lambda(syntax), syntax.span, over: deepestMade)
  }

  /// After `=>`, `{` followed by a word or string and `:`, or by `}`, is a map.
  private var bracesAreMap: Bool {
    let first = token(ahead: 1)
    if first.isSymbol(.rightBrace) { return true }
    return (first.word != nil || first.isString) && token(ahead: 2).isSymbol(.colon)
  }

  // coalesce = or [ "??" coalesce ]
  private mutating func coalesce() throws -> Expression {
    let left = try or()
    if operatorHere == .question {
      throw failure("zs has no ? :", at: token.span, hint: "write: if condition { a } else { b }, or a ?? b for a value that may be none")
    }
    guard operatorHere == .coalesce else { return left }
    advance()
    let right = try deeper { try $0.coalesce() }
    return try make(.coalesce(left, right), left.span.union(right.span), left, right)
  }

  // or = and { "or" and }
  private mutating func or() throws -> Expression {
    var left = try and()
    while !atLineEnd, at(.or) || at(.doubleBar) {
      if at(.doubleBar) { report("zs writes 'or'", at: token.span, hint: "write 'or' for ||") }
      advance()
      let right = try and()
      left = try make(.or(left, right), left.span.union(right.span), left, right)
    }
    return left
  }

  // and = not { "and" not }
  private mutating func and() throws -> Expression {
    var left = try not()
    while !atLineEnd, at(.and) || at(.doubleAmpersand) {
      if at(.doubleAmpersand) { report("zs writes 'and'", at: token.span, hint: "write 'and' for &&") }
      advance()
      let right = try not()
      left = try make(.and(left, right), left.span.union(right.span), left, right)
    }
    return left
  }

  // not = "not" not | compare
  private mutating func not() throws -> Expression {
    let start = token.span
    if at(.not) || at(.bang) {
      if at(.bang) { report("zs writes 'not'", at: token.span, hint: "write 'not' for !") }
      advance()
      let operand = try deeper { try $0.not() }
      return try make(.not(operand), start.union(operand.span), operand)
    }
    return try compare()
  }

  // compare = pipe { ( "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not" "in" ) pipe }
  private mutating func compare() throws -> Expression {
    let first = try pipe()
    var links: [ComparisonLink] = []
    var depth = first
    while let operation = try comparisonOperator() {
      let span = previousSpan
      let right = try pipe()
      links.append(ComparisonLink(operation: operation, span: span, right: right))
      if right.depth > depth.depth { depth = right }
    }
    guard let last = links.last else { return first }
    return try make(.comparison(first, links), first.span.union(last.right.span), depth)
  }

  private mutating func comparisonOperator() throws -> ComparisonOperator? {
    if atLineEnd { return nil }
    switch token.kind {
    case .keyword(.in):
      advance()
      return .contains
    case .keyword(.not) where token(ahead: 1).isKeyword(.in):
      advance()
      advance()
      return .containsNot
    case .name("is"):
      let isNegated = token(ahead: 1).isKeyword(.not)
      report("zs compares with \(isNegated ? "!=" : "==")", at: token.span, hint: "write x == none, x != none")
      advance()
      if isNegated { advance() }
      return .compare(isNegated ? .notEqual : .equal)
    case .symbol(let symbol):
      let operations: [Symbol: BinaryOperator] = [
        .equal: .equal, .notEqual: .notEqual, .less: .less, .lessEqual: .lessEqual, .greater: .greater, .greaterEqual: .greaterEqual,
        .tripleEqual: .equal, .notDoubleEqual: .notEqual,
      ]
      guard let operation = operations[symbol] else { return nil }
      if symbol == .less, token(ahead: 1).isSymbol(.greater), !token(ahead: 1).spaceBefore {
        report("zs compares with !=", at: token.span.union(token(ahead: 1).span), hint: "write != for <>")
        advance()
        advance()
        return .compare(.notEqual)
      }
      if symbol == .tripleEqual || symbol == .notDoubleEqual {
        report("zs compares with \(operation.rawValue)", at: token.span, hint: "write \(operation.rawValue) for \(symbol.rawValue)")
      }
      advance()
      return .compare(operation)
    default: return nil
    }
  }

  // pipe = range { "|>" postfix }
  private mutating func pipe() throws -> Expression {
    try pipeTail(try range())
  }

  /// The `|> postfix` parts; a line may begin with one.
  mutating func pipeTail(_ first: Expression) throws -> Expression {
    var left = first
    while at(.pipe) {
      advance()
      let right = try postfix()
      let span = left.span.union(right.span)
      if case .call(let callee, let arguments) = right.kind {
        left = try make(.pipe(left, callee, arguments), span, left, right)
      } else if case .method(let receiver, let name, let arguments) = right.kind {
        let callee = try make(.field(receiver, name), receiver.span.union(name.span), receiver)
        left = try make(.pipe(left, callee, arguments), span, left, right)
      } else {
        left = try make(.pipe(left, right, []), span, left, right)
      }
    }
    return left
  }

  // range = sum [ ( "..<" | "..." ) sum ]
  private mutating func range() throws -> Expression {
    let lower = try sum()
    guard let symbol = operatorHere, symbol == .halfOpen || symbol == .ellipsis else { return lower }
    advance()
    let upper = try sum()
    return try make(.range(lower, upper, isClosed: symbol == .ellipsis), lower.span.union(upper.span), lower, upper)
  }

  // sum = term { ( "+" | "-" ) term }
  private mutating func sum() throws -> Expression {
    var left = try term()
    while let symbol = operatorHere, symbol == .plus || symbol == .minus {
      try rejectIncrement()
      advance()
      let right = try term()
      left = try make(.arithmetic(symbol == .plus ? .add : .subtract, left, right), left.span.union(right.span), left, right)
    }
    return left
  }

  /// `x++` at the end of a statement.
  private mutating func rejectIncrement() throws {
    let next = token(ahead: 1)
    guard case .symbol(let sign) = token.kind, next.isSymbol(sign), !next.spaceBefore else { return }
    let after = token(ahead: 2)
    let ends =
      after.newlineBefore || after.isEnd || after.isSymbol(.semicolon) || after.isSymbol(.rightBrace)
      || after.isSymbol(.rightParenthesis)
    if ends {
      throw failure(
        "zs has no \(sign.rawValue)\(sign.rawValue)", at: token.span.union(next.span), hint: "write x \(sign.rawValue)= 1")
    }
  }

  // term = unary { ( "*" | "/" | "//" | "%" | "@" ) unary }
  private mutating func term() throws -> Expression {
    let operations: [Symbol: BinaryOperator] = [
      .star: .multiply, .slash: .divide, .doubleSlash: .floorDivide, .percent: .modulo, .at: .matmul,
    ]
    var left = try unary()
    while let symbol = operatorHere {
      guard let operation = operations[symbol] else { break }
      advance()
      let right = try unary()
      left = try make(.arithmetic(operation, left, right), left.span.union(right.span), left, right)
    }
    return left
  }

  // unary = ( "-" | "+" ) unary | power
  private mutating func unary() throws -> Expression {
    let start = token.span
    if at(.minus) {
      advance()
      if case .integer(let magnitude) = token.kind, magnitude == UInt64(Int64.max) + 1, !token(ahead: 1).isSymbol(.doubleStar) {
        advance()
        return try make(.literal(.int(.min)), start.union(previousSpan))
      }
      let operand = try deeper { try $0.unary() }
      return try make(.negate(operand), start.union(operand.span), operand)
    }
    if at(.plus) {
      advance()
      let operand = try deeper { try $0.unary() }
      return try make(.plus(operand), start.union(operand.span), operand)
    }
    if at(.bang) {
      report("zs writes 'not'", at: start, hint: "write 'not' for !")
      advance()
      let operand = try deeper { try $0.unary() }
      return try make(.not(operand), start.union(operand.span), operand)
    }
    return try power()
  }

  // power = postfix [ "**" unary ]
  private mutating func power() throws -> Expression {
    let base = try postfix()
    guard let symbol = operatorHere, symbol == .doubleStar || symbol == .caret else { return base }
    if symbol == .caret { report("zs writes ** for powers", at: token.span, hint: "write ** for ^") }
    advance()
    let exponent = try deeper { try $0.unary() }
    return try make(.arithmetic(.power, base, exponent), base.span.union(exponent.span), base, exponent)
  }
}
