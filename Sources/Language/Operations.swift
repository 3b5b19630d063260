// What operators do to values: the whole meaning, of which the nodes have the cases of ints and floats inlined.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The operators on values, for builtins that compare, add and test as programs do.
public enum Operations {
  /// The most elements that one list, and the most bytes that one string, may have.
  static let maximumElements = 50_000_000
  static let maximumBytes = 1 << 29

  /// `left op right`.
  public static func binary(_ operation: BinaryOperator, _ left: Value, _ right: Value) throws -> Value {
    switch (left, right) {
    case (.int(let a), .int(let b)): return try integers(operation, a, b)
    case (.float(let a), .float(let b)): return try floats(operation, a, b)
    case (.int(let a), .float(let b)): return try mixed(operation, a, b)
    case (.float(let a), .int(let b)): return try mixed(operation, a, b)
    default: break
    }
    if case .object(let object) = left, let value = try object.binary(operation, right, objectOnLeft: true) { return value }
    if case .object(let object) = right, let value = try object.binary(operation, left, objectOnLeft: false) { return value }
    switch operation {
    case .equal: return .bool(left == right)
    case .notEqual: return .bool(left != right)
    case .less, .lessEqual, .greater, .greaterEqual:
      guard let order = try order(left, right) else { throw unsupported(operation, left, right) }
      return .bool(holds(operation, order))
    case .add: return try add(left, right)
    case .multiply: return try multiply(left, right)
    default: throw unsupported(operation, left, right)
    }
  }

  static func unsupported(_ operation: BinaryOperator, _ left: Value, _ right: Value) -> ZsError {
    let message = "\(operation.rawValue) does not work on \(left.typeName) and \(right.typeName)"
    var hint: String?
    switch (left, right) {
    case (.string, .int), (.string, .float), (.int, .string), (.float, .string):
      hint =
        operation == .add
        ? "\"\\(x)\" or str(x) makes text of a number; int(s) and float(s) make a number of text"
        : "int(s) and float(s) make a number of text"
    case (.none, _), (_, .none): hint = "one side is none; ?? gives a value for it: x ?? 0"
    case (.bool, .int), (.int, .bool), (.bool, .float), (.float, .bool), (.bool, .bool): hint = "int(b) makes 1 or 0 of a bool"
    case (.list, .list) where operation != .add: hint = "[x * y for x, y in zip(xs, ys)] works element by element, and so does tensor(xs)"
    case (.list, .int), (.list, .float), (.int, .list), (.float, .list):
      hint = operation == .add ? "xs + [x] appends" : "[x * 2 for x in xs] works element by element, and so does tensor(xs)"
    case (.map, .map): hint = "for key, value in b { a[key] = value } joins two maps"
    case (.function(let function), _), (_, .function(let function)): hint = "\(function.name) is a function; call it: \(function.name)(…)"
    default: break
    }
    if operation == .matmul { hint = "@ multiplies tensors: tensor([[1, 2]]) @ tensor([[1], [2]])" }
    return ZsError(kind: "type", message: message, hint: hint)
  }

  private static func overflow(_ operation: BinaryOperator, _ a: Int64, _ b: Int64) -> ZsError {
    ZsError(
      kind: "arithmetic", message: "integer overflow: \(a) \(operation.rawValue) \(b) does not fit into 64 bits",
      hint: "floats reach further: float(x) \(operation.rawValue) y")
  }

  private static func divisionByZero(_ operation: BinaryOperator) -> ZsError {
    ZsError(kind: "arithmetic", message: operation == .modulo ? "remainder of a division by zero" : "division by zero", hint: nil)
  }

  static func integers(_ operation: BinaryOperator, _ a: Int64, _ b: Int64) throws -> Value {
    let result: (partialValue: Int64, overflow: Bool)
    switch operation {
    case .add: result = a.addingReportingOverflow(b)
    case .subtract: result = a.subtractingReportingOverflow(b)
    case .multiply: result = a.multipliedReportingOverflow(by: b)
    case .divide:
      if b == 0 { throw divisionByZero(operation) }
      return .float(Double(a) / Double(b))
    case .floorDivide:
      if b == 0 { throw divisionByZero(operation) }
      if a == .min, b == -1 { throw overflow(operation, a, b) }
      let (quotient, rest) = a.quotientAndRemainder(dividingBy: b)
      return .int(rest != 0 && (rest < 0) != (b < 0) ? quotient - 1 : quotient)
    case .modulo:
      if b == 0 { throw divisionByZero(operation) }
      if b == -1 { return .int(0) }
      let rest = a % b
      return .int(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest)
    case .power: return try power(a, b)
    case .matmul: throw unsupported(operation, .int(a), .int(b))
    case .equal: return .bool(a == b)
    case .notEqual: return .bool(a != b)
    case .less: return .bool(a < b)
    case .lessEqual: return .bool(a <= b)
    case .greater: return .bool(a > b)
    case .greaterEqual: return .bool(a >= b)
    }
    if result.overflow { throw overflow(operation, a, b) }
    return .int(result.partialValue)
  }

  private static func power(_ base: Int64, _ exponent: Int64) throws -> Value {
    if exponent < 0 {
      if base == 0 { throw ZsError(kind: "arithmetic", message: "division by zero: 0 ** \(exponent)") }
      return .float(pow(Double(base), Double(exponent)))
    }
    var result: Int64 = 1
    var factor = base
    var left = exponent
    while left > 0 {
      if left & 1 == 1 {
        let (product, isTooLarge) = result.multipliedReportingOverflow(by: factor)
        if isTooLarge { throw overflow(.power, base, exponent) }
        result = product
      }
      left >>= 1
      if left > 0 {
        let (square, isTooLarge) = factor.multipliedReportingOverflow(by: factor)
        if isTooLarge { throw overflow(.power, base, exponent) }
        factor = square
      }
    }
    return .int(result)
  }

  static func floats(_ operation: BinaryOperator, _ a: Double, _ b: Double) throws -> Value {
    switch operation {
    case .add: return .float(a + b)
    case .subtract: return .float(a - b)
    case .multiply: return .float(a * b)
    case .divide:
      if b == 0 { throw divisionByZero(operation) }
      return .float(a / b)
    case .floorDivide:
      if b == 0 { throw divisionByZero(operation) }
      // From the remainder, so that (a // b) * b + a % b is a.
      let rest = fmod(a, b)
      let quotient = (a - rest) / b
      return .float((rest != 0 && (rest < 0) != (b < 0) ? quotient - 1 : quotient).rounded())
    case .modulo:
      if b == 0 { throw divisionByZero(operation) }
      let rest = fmod(a, b)
      return .float(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest)
    case .power:
      if a == 0, b < 0 { throw ZsError(kind: "arithmetic", message: "division by zero: \(a) ** \(b)") }
      if a < 0, b.isFinite, b.rounded() != b {
        throw ZsError(kind: "arithmetic", message: "a negative number has no real power \(b)", hint: "abs(x) ** y")
      }
      return .float(pow(a, b))
    case .matmul: throw unsupported(operation, .float(a), .float(b))
    case .equal: return .bool(a == b)
    case .notEqual: return .bool(a != b)
    case .less, .lessEqual, .greater, .greaterEqual:
      guard let order = compare(a, b) else { throw notANumber(operation) }
      return .bool(holds(operation, order))
    }
  }

  static func notANumber(_ operation: BinaryOperator) -> ZsError {
    ZsError(
      kind: "arithmetic", message: "nan is neither less nor greater than a number: \(operation.rawValue) has no answer",
      hint: "x != x is true for nan only")
  }

  private static func mixed(_ operation: BinaryOperator, _ a: Int64, _ b: Double) throws -> Value {
    try compared(operation, compare(a, b)) ?? floats(operation, Double(a), b)
  }

  private static func mixed(_ operation: BinaryOperator, _ a: Double, _ b: Int64) throws -> Value {
    try compared(operation, compare(b, a).map { -$0 }) ?? floats(operation, a, Double(b))
  }

  private static func compared(_ operation: BinaryOperator, _ order: Int?) throws -> Value? {
    switch operation {
    case .equal: return .bool(order == 0)
    case .notEqual: return .bool(order != 0)
    case .less, .lessEqual, .greater, .greaterEqual:
      guard let order else { throw notANumber(operation) }
      return .bool(holds(operation, order))
    default: return nil
    }
  }

  private static func holds(_ operation: BinaryOperator, _ order: Int) -> Bool {
    switch operation {
    case .less: order < 0
    case .lessEqual: order <= 0
    case .greater: order > 0
    case .greaterEqual: order >= 0
    case .equal: order == 0
    default: order != 0
    }
  }

  private static func compare(_ a: Double, _ b: Double) -> Int? {
    a < b ? -1 : a > b ? 1 : a == b ? 0 : nil
  }

  /// Compares without rounding the int.
  private static func compare(_ a: Int64, _ b: Double) -> Int? {
    if b.isNaN { return nil }
    if b >= 0x1p63 { return -1 }
    if b < -0x1p63 { return 1 }
    let whole = b.rounded(.towardZero)
    let integer = Int64(whole)
    if a != integer { return a < integer ? -1 : 1 }
    return b > whole ? -1 : b < whole ? 1 : 0
  }

  /// The order of two values as `<` and `sort` see it: -1, 0, 1; nil where they have none.
  public static func order(_ left: Value, _ right: Value) throws -> Int? {
    switch (left, right) {
    case (.int(let a), .int(let b)): return a < b ? -1 : a > b ? 1 : 0
    case (.float(let a), .float(let b)):
      guard let order = compare(a, b) else { throw notANumber(.less) }
      return order
    case (.int(let a), .float(let b)):
      guard let order = compare(a, b) else { throw notANumber(.less) }
      return order
    case (.float(let a), .int(let b)):
      guard let order = compare(b, a) else { throw notANumber(.less) }
      return -order
    case (.string(let a), .string(let b)): return a < b ? -1 : a == b ? 0 : 1
    case (.bool(let a), .bool(let b)): return a == b ? 0 : a ? 1 : -1
    case (.list(let a), .list(let b)):
      for (x, y) in zip(a, b) {
        guard let order = try order(x, y) else { return nil }
        if order != 0 { return order }
      }
      return a.count < b.count ? -1 : a.count > b.count ? 1 : 0
    default: return nil
    }
  }

  private static func add(_ left: Value, _ right: Value) throws -> Value {
    switch (left, right) {
    case (.string(let a), .string(let b)):
      try checkBytes(a.utf8.count, b.utf8.count)
      return .string(a + b)
    case (.list(let a), .list(let b)):
      try checkElements(a.count, b.count)
      return .list(a + b)
    case (.list(let a), .range(let b)): return .list(a + (try elements(of: b)))
    case (.range(let a), .list(let b)): return .list(try elements(of: a) + b)
    default: throw unsupported(.add, left, right)
    }
  }

  /// Throws where a text of `a` and `b` bytes would be too long.
  public static func checkBytes(_ a: Int, _ b: Int) throws {
    if a > maximumBytes - b { throw ZsError(kind: "memory", message: "this string would have more than \(maximumBytes >> 20) MB") }
  }

  static func checkElements(_ a: Int, _ b: Int) throws {
    if a > maximumElements - b { throw tooLong() }
  }

  static func tooLong() -> ZsError {
    ZsError(
      kind: "memory", message: "this list would have more than \(maximumElements) elements",
      hint: "a loop over a range needs no list; numbers in bulk belong into a tensor")
  }

  private static func multiply(_ left: Value, _ right: Value) throws -> Value {
    switch (left, right) {
    case (.string(let text), .int(let count)), (.int(let count), .string(let text)):
      let count = max(0, Int(count))
      if text.utf8.count > 0, count > maximumBytes / text.utf8.count {
        throw ZsError(kind: "memory", message: "this string would have more than \(maximumBytes >> 20) MB")
      }
      return .string(text.isEmpty ? "" : String(repeating: text, count: count))
    case (.list(let values), .int(let count)), (.int(let count), .list(let values)):
      let count = max(0, Int(count))
      if !values.isEmpty, count > maximumElements / values.count { throw tooLong() }
      var result: [Value] = []
      if values.isEmpty { return .list([]) }
      if values.count == 1 { return .list(Array(repeating: values[0], count: count)) }
      result.reserveCapacity(values.count * count)
      for _ in 0..<count { result += values }
      return .list(result)
    default: throw unsupported(.multiply, left, right)
    }
  }

  static func elements(of range: ValueRange) throws -> [Value] {
    guard range.count <= maximumElements else { throw tooLong() }
    return (0..<range.count).map { .int(range[$0]) }
  }

  static func negate(_ value: Value) throws -> Value {
    switch value {
    case .int(let number):
      if number == .min { throw ZsError(kind: "arithmetic", message: "integer overflow: -(\(number)) does not fit into 64 bits") }
      return .int(-number)
    case .float(let number): return .float(-number)
    case .object(let object):
      if let value = try object.negated() { return value }
    default: break
    }
    throw ZsError(kind: "type", message: "- does not work on \(value.typeName)", hint: nil)
  }

  static func plus(_ value: Value) throws -> Value {
    switch value {
    case .int, .float, .object: value
    default: throw ZsError(kind: "type", message: "+ does not work on \(value.typeName)", hint: nil)
    }
  }

  /// What a condition sees: bools, and objects that have a truth.
  public static func truth(_ value: Value) throws -> Bool {
    switch value {
    case .bool(let truth): return truth
    case .object(let object):
      if let truth = try object.truth() { return truth }
    default: break
    }
    let hint: String? =
      switch value {
      case .none: "x != none asks whether there is a value"
      case .int, .float: "x != 0 asks whether it is something else than zero"
      case .string: "s != \"\" asks whether there is text"
      case .list, .map, .range: "len(x) > 0 asks whether there is an element"
      case .function(let function): "call it: \(function.name)(…)"
      default: nil
      }
    throw ZsError(kind: "type", message: "a condition is true or false, not \(value.typeName)", hint: hint)
  }

  /// `element in collection`.
  public static func contains(_ collection: Value, _ element: Value) throws -> Bool {
    switch collection {
    case .list(let values): return try values.contains { try equal($0, element) }
    case .map(let map):
      guard case .string(let key) = element else { return false }
      return map[key] != nil
    case .range(let range):
      switch element {
      case .int(let number): return range.contains(number)
      case .float(let number): return Int64(exactly: number).map(range.contains) ?? false
      default: return false
      }
    case .string(let text):
      guard case .string(let part) = element else {
        throw ZsError(kind: "type", message: "only text is in a str, not \(element.typeName)", hint: "str(x) in s")
      }
      return part.isEmpty || text.firstRange(of: part) != nil
    case .object(let object):
      if let count = try object.elementCount() {
        for index in 0..<count where try equal(try object.element(at: index), element) { return true }
        return false
      }
    default: break
    }
    throw ZsError(kind: "type", message: "'in' does not work on \(collection.typeName)", hint: "it takes a list, map, range or str")
  }

  /// Equality with one answer, also for objects whose `==` gives an object.
  public static func equal(_ left: Value, _ right: Value) throws -> Bool {
    switch (left, right) {
    case (.object, _), (_, .object): try truth(try binary(.equal, left, right))
    default: left == right
    }
  }
}
