// The arguments of one call of a builtin, bound to its parameters and checked against their types, ranges and choices.

/// A call of a builtin: arguments by parameter name.
public struct Call {
  /// The interpreter.
  public var context: any EvaluationContext
  /// The row that is called.
  public let builtin: Builtin
  /// Whether the call stands alone as a statement that is not muted: `generate` and `chat` then stream their text.
  public var isStatement: Bool
  /// Arguments beyond the fixed ones, for a variadic parameter.
  public private(set) var variadic: [Value] = []
  /// The named arguments as they were given.
  public let options: ValueMap
  /// One for each parameter; nil where none was given.
  private var values: [Value?]

  /// Binds arguments to parameters; the errors name the parameter and say what it takes.
  public init(
    _ builtin: Builtin, context: any EvaluationContext, positional: [Value], named: ValueMap = [:], isStatement: Bool = false
  ) throws {
    self.context = context
    self.builtin = builtin
    self.isStatement = isStatement
    options = named
    values = Array(repeating: nil, count: builtin.parameters.count)
    try bindPositional(positional)
    for (name, value) in named {
      guard let index = builtin.parameters.firstIndex(where: { $0.name == name }) else {
        throw builtin.unknownOption(name)
      }
      if values[index] != nil {
        throw ZsError(kind: "argument", message: "\(builtin.name) got '\(name)' twice", argument: name)
      }
      if builtin.parameters[index].variadic {
        guard case .list(let list) = value else {
          throw ZsError(
            kind: "argument", message: "\(builtin.name) takes '\(name)' as positional arguments, or as a list by name", argument: name)
        }
        variadic = list
      }
      values[index] = value
    }
    try check()
  }

  private mutating func bindPositional(_ positional: [Value]) throws {
    var next = 0
    for (index, parameter) in builtin.parameters.enumerated() {
      if parameter.variadic {
        variadic = Array(positional[min(next, positional.count)...])
        if next < positional.count { values[index] = .list(variadic) }
        return
      }
      if next < positional.count {
        values[index] = positional[next]
        next += 1
      }
    }
    if next < positional.count {
      throw ZsError(
        kind: "argument", message: "\(builtin.name) takes \(builtin.argumentCount), not \(positional.count)", hint: builtin.briefSignature)
    }
  }

  private mutating func check() throws {
    for (index, parameter) in builtin.parameters.enumerated() {
      guard let value = values[index] else {
        if parameter.isOptional { continue }
        throw ZsError(kind: "argument", message: "\(builtin.name) needs '\(parameter.name)'", hint: builtin.briefSignature)
      }
      if parameter.variadic {
        for value in variadic { try parameter.check(value, of: builtin.name) }
      } else {
        try parameter.check(value, of: builtin.name)
        if case .range(let range) = value, parameter.type.listsRanges {
          values[index] = .list(try Operations.elements(of: range))
        }
      }
    }
  }

  private func index(of name: String) -> Int? {
    builtin.parameters.firstIndex { $0.name == name }
  }

  /// The argument of that name, or its default.
  public subscript(_ name: String) -> Value {
    guard let index = index(of: name) else { return .none }
    return values[index] ?? builtin.parameters[index].defaultValue ?? (builtin.parameters[index].variadic ? .list([]) : .none)
  }

  /// Whether the argument was given.
  public func given(_ name: String) -> Bool {
    index(of: name).map { values[$0] != nil } ?? false
  }

  /// The argument as an int.
  public func int(_ name: String) throws -> Int {
    guard case .int(let value) = self[name] else { throw wrongType(name, "int") }
    return Int(value)
  }

  /// The argument as a double; ints are converted.
  public func double(_ name: String) throws -> Double {
    guard let value = self[name].number else { throw wrongType(name, "float") }
    return value
  }

  /// The argument as a string.
  public func string(_ name: String) throws -> String {
    guard case .string(let value) = self[name] else { throw wrongType(name, "str") }
    return value
  }

  /// The argument as a bool.
  public func bool(_ name: String) throws -> Bool {
    guard case .bool(let value) = self[name] else { throw wrongType(name, "bool") }
    return value
  }

  /// The argument as a list.
  public func list(_ name: String) throws -> [Value] {
    guard case .list(let value) = self[name] else { throw wrongType(name, "list") }
    return value
  }

  /// The argument as a map.
  public func map(_ name: String) throws -> ValueMap {
    guard case .map(let value) = self[name] else { throw wrongType(name, "map") }
    return value
  }

  /// The argument as an int, nil for none.
  public func optionalInt(_ name: String) throws -> Int? {
    self[name].isNone ? nil : try int(name)
  }

  /// The argument as a double, nil for none.
  public func optionalDouble(_ name: String) throws -> Double? {
    self[name].isNone ? nil : try double(name)
  }

  /// The argument as a string, nil for none.
  public func optionalString(_ name: String) throws -> String? {
    self[name].isNone ? nil : try string(name)
  }

  /// The argument as an object of a Swift type.
  public func object<T>(_ name: String, as type: T.Type) throws -> T {
    guard case .object(let object) = self[name], let value = object as? T else {
      throw wrongType(name, index(of: name).map { builtin.parameters[$0].type.name } ?? "\(type)")
    }
    return value
  }

  private func wrongType(_ name: String, _ expected: String) -> ZsError {
    ZsError(
      kind: "type", message: "\(builtin.name) takes '\(name)' as \(expected), not \(self[name].typeName)", hint: builtin.briefSignature,
      argument: name)
  }
}

extension Parameter {
  /// Throws where a value is not of the parameter's type, out of its range or none of its choices.
  public func check(_ value: Value, of function: String) throws {
    if value.isNone, let defaultValue, defaultValue.isNone { return }
    guard type.admits(value) else {
      throw ZsError(
        kind: "type", message: "\(function) takes '\(name)' as \(type.name), not \(value.typeName)", hint: help.isEmpty ? nil : help,
        argument: name)
    }
    if let range, let number = value.number, !range.contains(number) {
      throw ZsError(
        message: "'\(name)' of \(function) must be \(Parameter.describe(range, missedBy: number)), not \(Value.describe(number))",
        hint: help.isEmpty ? nil : help, argument: name)
    }
    if !choices.isEmpty, case .string(let text) = value, !choices.contains(text) {
      let near = nearest(to: text, among: choices)
      let hint = "one of " + choices.map { "\"\($0)\"" }.joined(separator: ", ")
      let question = near.map { "; did you mean \"\($0)\"?" } ?? ""
      throw ZsError(message: "'\(name)' of \(function) cannot be \"\(text)\"\(question)", hint: hint, argument: name)
    }
  }

  /// Where a number has to lie; a bound that nobody comes near is named to those who passed it.
  static func describe(_ range: ClosedRange<Double>, missedBy number: Double = .nan) -> String {
    if range.upperBound == .infinity || range.upperBound >= 9e15 {
      return number > range.upperBound ? "at most \(Value.describe(range.upperBound))" : "at least \(Value.describe(range.lowerBound))"
    }
    if range.lowerBound == -.infinity { return "at most \(Value.describe(range.upperBound))" }
    return "from \(Value.describe(range.lowerBound)) to \(Value.describe(range.upperBound))"
  }
}

extension Value {
  /// A number without a needless ".0".
  static func describe(_ number: Double) -> String {
    Int64(exactly: number).map(String.init) ?? "\(number)"
  }
}

extension Builtin {
  /// The row as one would write a call: `generate(model, prompt, max_tokens: 256)`.
  public var signature: String {
    let parts = parameters.map { parameter -> String in
      if parameter.variadic { return "\(parameter.name)…" }
      guard let value = parameter.defaultValue else { return parameter.name }
      return "\(parameter.name): \(value.source)"
    }
    return "\(name)(\(parts.joined(separator: ", ")))"
  }

  /// The signature, for errors: of one with many options only what must be given, and where the rest is to be found.
  var briefSignature: String {
    let whole = signature
    let options = parameters.count(where: \.isOptional)
    if whole.utf8.count <= 200 || options < 8 { return whole }
    let required = parameters.filter { !$0.isOptional }.map(\.name)
    return "\(name)(\((required + ["…"]).joined(separator: ", "))) has \(options) options; help(\"\(name)\") lists them"
  }

  /// "2 arguments", "1 to 3 arguments", for errors.
  var argumentCount: String {
    let required = parameters.count { !$0.isOptional }
    let most = parameters.count
    if parameters.contains(where: \.variadic) { return "at least \(required) argument\(required == 1 ? "" : "s")" }
    if required == most { return most == 0 ? "no arguments" : "\(most) argument\(most == 1 ? "" : "s")" }
    return "\(required) to \(most) arguments"
  }

  /// The error for a named argument that no parameter has.
  func unknownOption(_ option: String) -> ZsError {
    let common = Habits.options[option]
    if let parameter = parameters.first(where: { $0.aliases.contains(option) }) ?? parameters.first(where: { $0.name == common }) {
      return ZsError(
        kind: "argument", message: "\(name) has no option '\(option)'; zs calls it '\(parameter.name)'", hint: "write \(parameter.name): …",
        argument: option)
    }
    // What must be given stands without its name as a rule: an option is the likelier one to be meant.
    let names = parameters.filter(\.isOptional).map(\.name) + parameters.filter { !$0.isOptional }.map(\.name)
    let near = nearest(to: option, among: names).map { "; did you mean '\($0)'?" } ?? ""
    return ZsError(kind: "argument", message: "\(name) has no option '\(option)'\(near)", hint: briefSignature, argument: option)
  }
}
