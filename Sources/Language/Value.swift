// What a zs program computes with. Lists, maps and strings are values (copy on write); what other
// rooms bring (tensors, models, trainers) comes in as an `ObjectValue`. Payloads stay within sixteen
// bytes, so a `Value` travels in registers.
// Exported, so that whoever writes a builtin can write a map.
@_exported import OrderedCollections

/// A zs map: keys are strings, the order of insertion is kept.
public typealias ValueMap = OrderedDictionary<String, Value>

/// Any value of the language.
public enum Value {
  case none
  case bool(Bool)
  case int(Int64)
  case float(Double)
  case string(String)
  case list([Value])
  indirect case map(ValueMap)
  indirect case range(ValueRange)
  case function(Function)
  case object(any ObjectValue)

  /// The name that `type(x)` gives.
  public var typeName: String {
    switch self {
    case .none: "none"
    case .bool: "bool"
    case .int: "int"
    case .float: "float"
    case .string: "str"
    case .list: "list"
    case .map: "map"
    case .range: "range"
    case .function: "function"
    case .object(let object): object.typeName
    }
  }

  /// The type with its article, for errors: `an int`, `a str`, `none`.
  public var described: String {
    let name = typeName
    if isNone { return name }
    return (name.first.map { "aeio".contains($0) } == true ? "an " : "a ") + name
  }

  /// Whether this is `none`.
  public var isNone: Bool {
    if case .none = self { return true }
    return false
  }

  /// The number as a `Double`, for ints and floats.
  public var number: Double? {
    switch self {
    case .int(let value): Double(value)
    case .float(let value): value
    default: nil
    }
  }

  /// The text of a string.
  public var text: String? {
    if case .string(let value) = self { return value }
    return nil
  }
}

/// A range of whole numbers: `0..<5`, `1...3`, or with a step as `range(0, 10, 2)` makes it.
public struct ValueRange: Equatable, Sendable {
  /// The first number.
  public let lower: Int64
  /// The bound as it was written.
  public let upper: Int64
  /// Whether `upper` belongs to the range (`...`).
  public let isClosed: Bool
  /// The distance between numbers, never 0.
  public let step: Int64

  /// Makes a range; a step of 0 is taken as 1.
  public init(lower: Int64, upper: Int64, isClosed: Bool = false, step: Int64 = 1) {
    self.lower = lower
    self.upper = upper
    self.isClosed = isClosed
    self.step = step == 0 ? 1 : step
  }

  /// How many numbers there are, at most `Int.max`.
  public var count: Int {
    if step > 0 ? lower > upper : lower < upper { return 0 }
    let distance = step > 0 ? UInt64(bitPattern: upper &- lower) : UInt64(bitPattern: lower &- upper)
    let stride = step.magnitude
    let (whole, rest) = distance.quotientAndRemainder(dividingBy: stride)
    let extra: UInt64 = isClosed || rest > 0 ? 1 : 0
    let (sum, overflow) = whole.addingReportingOverflow(extra)
    return overflow || sum > UInt64(Int.max) ? Int.max : Int(sum)
  }

  /// The number at `index`, which must be within `0..<count`.
  public subscript(_ index: Int) -> Int64 { lower &+ Int64(index) &* step }

  /// Whether `number` is one of the range's numbers.
  public func contains(_ number: Int64) -> Bool {
    let within: Bool
    if step > 0 {
      within = number >= lower && (isClosed ? number <= upper : number < upper)
    } else {
      within = number <= lower && (isClosed ? number >= upper : number > upper)
    }
    if !within { return false }
    let distance = step > 0 ? UInt64(bitPattern: number &- lower) : UInt64(bitPattern: lower &- number)
    return distance % step.magnitude == 0
  }
}

extension Value: ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral, ExpressibleByBooleanLiteral, ExpressibleByStringLiteral {
  /// An int, so that a row can say `default: 1`.
  public init(integerLiteral value: Int64) { self = .int(value) }
  /// A float, so that a row can say `default: 0.1`.
  public init(floatLiteral value: Double) { self = .float(value) }
  /// A bool, so that a row can say `default: false`.
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  /// A string, so that a row can say `default: "cosine"`.
  public init(stringLiteral value: String) { self = .string(value) }
}

extension Value: Equatable {
  /// Equality as `==` in zs has it for plain values: ints and floats mix, lists and maps compare by content, maps in any order.
  public static func == (left: Value, right: Value) -> Bool {
    switch (left, right) {
    case (.none, .none): return true
    case (.bool(let a), .bool(let b)): return a == b
    case (.int(let a), .int(let b)): return a == b
    case (.float(let a), .float(let b)): return a == b
    case (.int(let a), .float(let b)), (.float(let b), .int(let a)): return Int64(exactly: b) == a
    case (.string(let a), .string(let b)): return a == b
    case (.list(let a), .list(let b)): return a == b
    case (.map(let a), .map(let b)):
      guard a.count == b.count else { return false }
      return a.allSatisfy { key, value in b[key].map { $0 == value } ?? false }
    case (.range(let a), .range(let b)):
      return a.count == b.count && (a.count == 0 || (a.lower == b.lower && (a.count == 1 || a.step == b.step)))
    case (.range(let range), .list(let list)), (.list(let list), .range(let range)):
      return range.count == list.count && list.indices.allSatisfy { list[$0] == .int(range[$0]) }
    case (.function(let a), .function(let b)): return a === b
    case (.object(let a), .object(let b)): return a === b || a.isEqual(to: b)
    default: return false
    }
  }
}
