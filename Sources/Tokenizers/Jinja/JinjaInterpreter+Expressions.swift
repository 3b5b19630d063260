// Evaluates expressions: names, operators that stop early, calls with their arguments. Arithmetic is in
// JinjaInterpreter+Operators, attributes and items in JinjaInterpreter+Lookup.

extension JinjaInterpreter {
  /// The value of an expression; errors without a place get this one.
  func evaluate(_ expression: JinjaExpression) throws -> JinjaValue {
    try spend()
    do {
      return try nested { try value(expression) }
    } catch var error as TemplateError where error.line == 0 {
      error.line = Int(expression.line)
      error.column = Int(expression.column)
      throw error
    }
  }

  private func value(_ expression: JinjaExpression) throws -> JinjaValue {
    switch expression.kind {
    case .literal(let literal): return Self.value(of: literal)
    case .name(let symbol): return try lookup(symbol)
    case .attribute(let subject, let name): return try attribute(name, of: try evaluate(subject))
    case .item(let subject, let key): return try subscripted(subject, key)
    case .call(let function, let arguments): return try call(function, arguments, caller: nil)
    case .filter(let subject, let name, let arguments):
      return try filter(name, try subject.map(evaluate) ?? .string(""), arguments)
    case .test(let subject, let name, let arguments): return try test(name, try evaluate(subject), arguments)
    case .not(let inner): return .bool(!(try evaluate(inner).isTrue))
    case .and(let left, let right):
      let first = try evaluate(left)
      return first.isTrue ? try evaluate(right) : first
    case .or(let left, let right):
      let first = try evaluate(left)
      return first.isTrue ? first : try evaluate(right)
    case .binary(let operation, let left, let right):
      return try binary(operation, try evaluate(left), try evaluate(right))
    case .comparison(let first, let rest): return try compare(first, rest)
    case .conditional(let test, let then, let otherwise): return try choose(test, then, otherwise)
    default: return try constructed(expression)
    }
  }

  /// Lists, maps, concatenations and signs.
  private func constructed(_ expression: JinjaExpression) throws -> JinjaValue {
    switch expression.kind {
    case .tuple(let items): return .tuple(try JinjaSequence(try items.map(evaluate)))
    case .list(let items): return .list(try JinjaSequence(try items.map(evaluate)))
    case .dictionary(let pairs):
      return .dictionary(
        try JinjaDictionary(
          try pairs.map { pair in
            let key = try evaluate(pair.key)
            return (key, try hash(key), try evaluate(pair.value))
          }))
    case .concatenation(let items):
      var text = ""
      for item in items { text += try string(try evaluate(item)) }
      return .string(try spend(text: text))
    case .negative(let inner): return try negated(try evaluate(inner))
    case .positive(let inner):
      let value = try evaluate(inner)
      if let integer = value.integer { return .int(integer) }
      if case .double = value { return value }
      throw unaryFailure("+", value)
    case .slice: throw TemplateError("a slice needs something to be cut from")
    default: return .none
    }
  }

  private static func value(of literal: JinjaLiteral) -> JinjaValue {
    switch literal {
    case .none: return .none
    case .bool(let value): return .bool(value)
    case .int(let value): return .int(value)
    case .double(let value): return .double(value)
    case .string(let value): return .string(value)
    }
  }

  private func choose(_ test: JinjaExpression, _ then: JinjaExpression, _ otherwise: JinjaExpression?) throws -> JinjaValue {
    if try evaluate(test).isTrue { return try evaluate(then) }
    if let otherwise { return try evaluate(otherwise) }
    return .undefined(
      JinjaUndefined("the inline if-expression on line \(test.line) evaluated to false and no else section was defined."))
  }

  private func compare(
    _ first: JinjaExpression, _ rest: [(comparison: JinjaComparison, operand: JinjaExpression)]
  ) throws -> JinjaValue {
    var left = try evaluate(first)
    for (comparison, operand) in rest {
      let right = try evaluate(operand)
      if try !compare(left, comparison, right) { return .bool(false) }
      left = right
    }
    return .bool(true)
  }

  private func subscripted(_ subject: JinjaExpression, _ key: JinjaExpression) throws -> JinjaValue {
    let value = try evaluate(subject)
    guard case .slice(let start, let stop, let step) = key.kind else { return try item(try evaluate(key), of: value) }
    return try slice(value, try start.map(evaluate), try stop.map(evaluate), try step.map(evaluate))
  }

  // MARK: Calls

  /// The arguments of a call, evaluated left to right.
  func arguments(_ list: JinjaArgumentList) throws -> JinjaArguments {
    var arguments = JinjaArguments(positional: try list.positional.map(evaluate))
    for (name, value) in list.keywords { arguments.keywords.append((name, try evaluate(value))) }
    if let spread = list.spread {
      let value = try evaluate(spread)
      arguments.positional += try items(of: value, orElse: "argument after * must be an iterable, not \(value.typeName)")
    }
    if let spread = list.keywordSpread {
      let value = try evaluate(spread)
      guard case .dictionary(let dictionary) = value else {
        throw TemplateError("argument after ** must be a mapping, not \(value.typeName)")
      }
      for entry in dictionary.entries {
        guard let name = entry.key.text else { throw TemplateError("keywords must be strings") }
        arguments.keywords.append((name, entry.value))
      }
    }
    return arguments
  }

  private func call(_ function: JinjaExpression, _ list: JinjaArgumentList, caller: JinjaMacro?) throws -> JinjaValue {
    let callee = try evaluate(function)
    var arguments = try self.arguments(list)
    if let caller { arguments.keywords.append(("caller", .macro(caller))) }
    return try call(callee, arguments)
  }

  /// A call block's call.
  func evaluate(_ expression: JinjaExpression, caller: JinjaMacro) throws -> JinjaValue {
    guard case .call(let function, let arguments) = expression.kind else { return .none }
    return try call(function, arguments, caller: caller)
  }

  /// Calls a value.
  func call(_ callee: JinjaValue, _ arguments: JinjaArguments) throws -> JinjaValue {
    try spend()
    switch callee {
    case .function(let function): return try function.body(self, arguments)
    case .macro(let macro): return .string(try nested { try call(macro, arguments) })
    case .loop(let loop):
      guard let recurse = loop.recurse else {
        throw TemplateError("The loop must have the 'recursive' marker to be called recursively.")
      }
      let inner = try arguments.bound("loop", ["iterable"], required: 1)
      return .string(try recurse(self, inner[0] ?? .none))
    case .cycler(let cycler):
      guard let separator = cycler.separator else { throw TemplateError("'Cycler' object is not callable") }
      cycler.position += 1
      return cycler.position == 1 ? .string("") : separator
    case .undefined(let undefined): throw TemplateError(undefined.message)
    default: throw TemplateError("'\(callee.typeName)' object is not callable")
    }
  }

  /// Binds a macro's arguments and runs its body.
  private func call(_ macro: JinjaMacro, _ arguments: JinjaArguments) throws -> String {
    let body = macro.body
    let names = body.signature.parameters
    var values: [JinjaValue?] = names.indices.map { $0 < arguments.positional.count ? arguments.positional[$0] : nil }
    var keywords = arguments.keywords
    for (index, symbol) in names.enumerated() where values[index] == nil {
      guard let place = keywords.firstIndex(where: { $0.name == program.symbols[symbol] }) else { continue }
      values[index] = keywords.remove(at: place).value
    }
    var caller: JinjaValue?
    if body.readsCaller, !names.contains(where: { program.symbols[$0] == "caller" }) {
      let place = keywords.firstIndex { $0.name == "caller" }
      caller = place.map { keywords.remove(at: $0).value } ?? .undefined(JinjaUndefined("No caller defined"))
    }
    if let extra = keywords.first, !body.readsKeywords {
      throw TemplateError(
        extra.name == "caller"
          ? "macro '\(body.name)' was invoked with two values for the special caller argument. This is most likely a bug."
          : "macro '\(body.name)' takes no keyword argument '\(extra.name)'")
    }
    if arguments.positional.count > names.count && !body.readsPositionals {
      throw TemplateError("macro '\(body.name)' takes not more than \(names.count) argument(s)")
    }
    return try scoped(parent: macro.scope) {
      if let caller { bind("caller", caller) }
      if body.readsKeywords {
        let pairs = keywords.map { (key: JinjaValue.string($0.name), hash: JinjaKey.text(JinjaText($0.name)), value: $0.value) }
        bind("kwargs", .dictionary(try JinjaDictionary(pairs)))
      }
      if body.readsPositionals {
        bind("varargs", .tuple(try JinjaSequence(Array(arguments.positional.dropFirst(names.count)))))
      }
      try bindParameters(body.signature, values)
      return try spend(text: try capture { _ = try run(body.body) })
    }
  }

  private func bind(_ name: String, _ value: JinjaValue) {
    if let symbol = program.symbols.firstIndex(of: name) { scope.set(symbol, value) }
  }

  private func bindParameters(_ signature: JinjaSignature, _ values: [JinjaValue?]) throws {
    let firstDefault = signature.parameters.count - signature.defaults.count
    for (index, symbol) in signature.parameters.enumerated() {
      if let value = values[index] {
        scope.set(symbol, value)
      } else if index >= firstDefault {
        scope.set(symbol, try evaluate(signature.defaults[index - firstDefault]))
      } else {
        scope.set(symbol, .undefined(JinjaUndefined("parameter '\(program.symbols[symbol])' was not provided")))
      }
    }
  }

  // MARK: Filters and tests

  /// A filter applied to the text of a block: the innermost filter without a subject takes it.
  func evaluate(_ expression: JinjaExpression, block: JinjaValue) throws -> JinjaValue {
    guard case .filter(let subject, let name, let arguments) = expression.kind else { return block }
    let value = try subject.map { try evaluate($0, block: block) } ?? block
    do {
      return try filter(name, value, arguments)
    } catch var error as TemplateError where error.line == 0 {
      error.line = Int(expression.line)
      error.column = Int(expression.column)
      throw error
    }
  }

  private func filter(_ name: String, _ value: JinjaValue, _ list: JinjaArgumentList) throws -> JinjaValue {
    try applyFilter(name, value, try arguments(list))
  }

  /// Applies a filter by name.
  func applyFilter(_ name: String, _ value: JinjaValue, _ arguments: JinjaArguments) throws -> JinjaValue {
    guard let filter = JinjaFilters.table[name] else { throw TemplateError("No filter named '\(name)'.") }
    return try filter(self, value, arguments)
  }

  private func test(_ name: String, _ value: JinjaValue, _ list: JinjaArgumentList) throws -> JinjaValue {
    .bool(try applyTest(name, value, try arguments(list)))
  }

  /// Applies a test by name.
  func applyTest(_ name: String, _ value: JinjaValue, _ arguments: JinjaArguments) throws -> Bool {
    guard let test = JinjaTests.table[name] else { throw TemplateError("No test named '\(name)'.") }
    return try test(self, value, arguments)
  }
}
