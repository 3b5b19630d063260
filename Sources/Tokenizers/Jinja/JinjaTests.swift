// Tests: what stands after `is`.

/// The tests by name.
enum JinjaTests {
  typealias Test = @Sendable (JinjaInterpreter, JinjaValue, JinjaArguments) throws -> Bool

  static let table: [String: Test] = types.merging(comparisons) { first, _ in first }

  private static let types: [String: Test] = [
    "defined": { _, value, _ in !value.isUndefined },
    "undefined": { _, value, _ in value.isUndefined },
    "none": { _, value, _ in value.isNone },
    "boolean": { _, value, _ in
      if case .bool = value { return true }
      return false
    },
    "true": { _, value, _ in
      if case .bool(true) = value { return true }
      return false
    },
    "false": { _, value, _ in
      if case .bool(false) = value { return true }
      return false
    },
    "integer": { _, value, _ in
      if case .int = value { return true }
      return false
    },
    "float": { _, value, _ in
      if case .double = value { return true }
      return false
    },
    "number": { _, value, _ in value.number != nil },
    "string": { _, value, _ in value.text != nil },
    "escaped": { _, value, _ in
      if case .markup = value { return true }
      return false
    },
    "mapping": { _, value, _ in
      if case .dictionary = value { return true }
      return false
    },
    "sequence": { _, value, _ in
      switch value {
      case .undefined, .string, .markup, .list, .tuple, .dictionary, .range: return true
      default: return false
      }
    },
    "iterable": { _, value, _ in
      switch value {
      case .undefined, .string, .markup, .list, .tuple, .dictionary, .range, .view, .iterator, .loop: return true
      default: return false
      }
    },
    "callable": { _, value, _ in
      switch value {
      case .undefined, .function, .macro, .loop: return true
      case .cycler(let cycler): return cycler.separator != nil
      default: return false
      }
    },
    "lower": { interpreter, value, _ in JinjaStringMethods.hasCase(try interpreter.string(value), isUpper: false) },
    "upper": { interpreter, value, _ in JinjaStringMethods.hasCase(try interpreter.string(value), isUpper: true) },
    "filter": { _, value, _ in value.text.map { JinjaFilters.table[$0] != nil } ?? false },
    "test": { _, value, _ in value.text.map { ["eq", "test"].contains($0) || JinjaTests.names.contains($0) } ?? false },
  ]

  /// Names of the tests, for the test named `test`.
  private static let names: Set<String> = [
    "defined", "undefined", "none", "boolean", "true", "false", "integer", "float", "number", "string", "escaped", "mapping", "sequence",
    "iterable", "callable", "lower", "upper", "filter", "odd", "even", "divisibleby", "sameas", "in", "==", "equalto", "!=", "ne",
    ">", "gt", "greaterthan", ">=", "ge", "<", "lt", "lessthan", "<=", "le",
  ]

  private static let comparisons: [String: Test] = {
    var table: [String: Test] = [
      "odd": { interpreter, value, _ in try remainder(interpreter, value, .int(2)) == 1 },
      "even": { interpreter, value, _ in try remainder(interpreter, value, .int(2)) == 0 },
      "divisibleby": { interpreter, value, arguments in
        try remainder(interpreter, value, try argument("divisibleby", arguments)) == 0
      },
      "sameas": { interpreter, value, arguments in try isSame(interpreter, value, try argument("sameas", arguments)) },
      "in": { interpreter, value, arguments in try interpreter.contains(try argument("in", arguments), value) },
    ]
    let names: [(JinjaComparison, [String])] = [
      (.equal, ["==", "eq", "equalto"]), (.notEqual, ["!=", "ne"]), (.greater, [">", "gt", "greaterthan"]),
      (.greaterOrEqual, [">=", "ge"]), (.less, ["<", "lt", "lessthan"]), (.lessOrEqual, ["<=", "le"]),
    ]
    for (comparison, aliases) in names {
      for alias in aliases {
        table[alias] = { interpreter, value, arguments in
          try interpreter.compare(value, comparison, try argument(alias, arguments))
        }
      }
    }
    return table
  }()

  private static func argument(_ name: String, _ arguments: JinjaArguments) throws -> JinjaValue {
    try arguments.bound(name, ["other"], required: 1)[0] ?? .none
  }

  private static func remainder(_ interpreter: JinjaInterpreter, _ value: JinjaValue, _ divisor: JinjaValue) throws -> Double {
    if value.text != nil { throw TemplateError("not all arguments converted during string formatting") }
    return try interpreter.binary(.modulo, value, divisor).number ?? .nan
  }

  /// Python's `is`, as far as values here have an identity.
  private static func isSame(_ interpreter: JinjaInterpreter, _ left: JinjaValue, _ right: JinjaValue) throws -> Bool {
    switch (left, right) {
    case (.none, .none): return true
    case (.bool(let left), .bool(let right)): return left == right
    case (.int(let left), .int(let right)): return left == right
    case (.string(let left), .string(let right)): return left.isSame(right)
    case (.list(let left), .list(let right)), (.tuple(let left), .tuple(let right)): return left === right
    case (.dictionary(let left), .dictionary(let right)): return left === right
    case (.namespace, .namespace), (.macro, .macro), (.loop, .loop): return try interpreter.equal(left, right)
    default: return false
    }
  }
}
