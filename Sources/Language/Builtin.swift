// A builtin is a row: name, parameters, help, body. Help, completion, argument errors, the checks
// before running and the reference page all read it.

/// What a parameter takes.
public indirect enum ParameterType: Sendable {
  case any
  case bool
  case int
  /// Takes ints too.
  case float
  case string
  /// Takes ranges too, which are listed.
  case list
  case map
  case range
  case function
  /// An `ObjectValue` by its `typeName`.
  case object(String)
  case anyOf([ParameterType])

  /// Whether a value is of this type.
  public func admits(_ value: Value) -> Bool {
    switch (self, value) {
    case (.any, _), (.bool, .bool), (.int, .int), (.float, .float), (.float, .int), (.string, .string), (.list, .list), (.list, .range),
      (.map, .map),
      (.range, .range), (.function, .function):
      true
    case (.object(let name), .object(let object)): object.typeName == name
    case (.anyOf(let types), _): types.contains { $0.admits(value) }
    default: false
    }
  }

  /// Whether a range given for it becomes a list.
  var listsRanges: Bool {
    switch self {
    case .list: true
    case .anyOf(let types):
      types.contains(where: \.listsRanges)
        && !types.contains { if case .range = $0 { true } else if case .any = $0 { true } else { false } }
    default: false
    }
  }

  /// The name used in help and errors.
  public var name: String {
    switch self {
    case .any: "any value"
    case .bool: "bool"
    case .int: "int"
    case .float: "float"
    case .string: "str"
    case .list: "list"
    case .map: "map"
    case .range: "range"
    case .function: "function"
    case .object(let name): name
    case .anyOf(let types): types.map(\.name).joined(separator: " or ")
    }
  }
}

/// One parameter of a builtin.
///
/// A class, because calls look at parameters all the time, and copies of so many strings and lists would cost more than the calls.
public final class Parameter {
  /// The name, as in `beta: 0.1`.
  public let name: String
  /// What it takes; a default of none also admits none.
  public let type: ParameterType
  /// The value when it is not given; nil where it must be given.
  public let defaultValue: Value?
  /// Where a number has to lie.
  public let range: ClosedRange<Double>?
  /// The strings it may be; empty where any will do.
  public let choices: [String]
  /// Other libraries' names for it: using one is an error that names this parameter.
  public let aliases: [String]
  /// Whether it takes all further positional arguments; parameters after it go by name only.
  public let variadic: Bool
  /// One line of help.
  public let help: String

  /// A parameter; without a default it must be given.
  public init(
    _ name: String, _ type: ParameterType, default defaultValue: Value? = nil, range: ClosedRange<Double>? = nil, choices: [String] = [],
    aliases: [String] = [], variadic: Bool = false, help: String = ""
  ) {
    self.name = name
    self.type = type
    self.defaultValue = defaultValue
    self.range = range
    self.choices = choices
    self.aliases = aliases
    self.variadic = variadic
    self.help = help
  }

  /// Whether a call may leave it out.
  public var isOptional: Bool { defaultValue != nil || variadic }
}

/// One row of the table of builtins.
public final class Builtin {
  /// The name it is called by; several rows may share one.
  public let name: String
  /// The heading it stands under in help.
  public let category: String
  /// The parameters in positional order.
  public let parameters: [Parameter]
  /// The type of the result, for help.
  public let returns: String
  /// One line of help.
  public let summary: String
  /// A short program that the tests run.
  public let example: String
  /// More help, in lines.
  public let details: String
  /// The work: unwrap, call, wrap.
  public let body: (Call) throws -> Value

  /// A row.
  public init(
    _ name: String, category: String, _ parameters: [Parameter], returns: String, summary: String, example: String, details: String = "",
    body: @escaping (Call) throws -> Value
  ) {
    self.name = name
    self.category = category
    self.parameters = parameters
    self.returns = returns
    self.summary = summary
    self.example = example
    self.details = details
    self.body = body
  }
}

/// What a running builtin sees of the interpreter.
public protocol EvaluationContext: AnyObject {
  /// The session that the host made the interpreter with.
  var host: AnyObject { get }
  /// Whether the user asked to stop; long work polls it and throws `Interrupted`.
  var isInterrupted: Bool { get }
  /// Whether the user asked twice: work that would finish a step first drops it.
  var isAbandoning: Bool { get }
  /// Calls a zs function from a builtin.
  func call(_ function: Value, _ arguments: [Value]) throws -> Value
  /// Writes text to the program's standard output.
  func write(_ text: String)
}

extension EvaluationContext {
  /// Asked once is asked.
  public var isAbandoning: Bool { isInterrupted }
}
