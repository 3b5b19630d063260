// What many builtins ask of a value: its elements, its truth, its order among others, its numbers.
import Language

/// The elements that `for` walks, as a list: a map gives its keys, a string its characters, an object its elements.
func elements(of value: Value, for function: String) throws -> [Value] {
  if let listed = try value.listed() { return listed }
  throw ZsError(
    kind: "type", message: "\(function) needs something with elements, not \(value.typeName)", hint: "a list, range, str or map")
}

/// What `bool(x)` gives: unlike a condition it takes any value.
func converted(toBool value: Value) throws -> Bool {
  switch value {
  case .none: false
  case .bool(let value): value
  case .int(let value): value != 0
  case .float(let value): value != 0
  case .string(let value): !value.isEmpty
  case .list(let value): !value.isEmpty
  case .map(let value): !value.isEmpty
  case .range(let value): value.count > 0
  case .function: true
  case .object(let object): try object.truth() ?? true
  }
}

/// Whether one value comes before another.
func precedes(_ left: Value, _ right: Value, in function: String) throws -> Bool {
  if let order = try Operations.order(left, right) { return order < 0 }
  if let a = try orderedNumber(left), let b = try orderedNumber(right) { return try precedes(.float(a), .float(b), in: function) }
  throw ZsError(
    kind: "type", message: "\(function) cannot order \(left.typeName) and \(right.typeName)",
    hint:
      "give a function that makes numbers or strings of them: \(function.hasPrefix("sort") ? "sort_by(xs, f)" : "\(function)(map(xs, f))")")
}

/// The number of an int, float, or tensor of one element.
func orderedNumber(_ value: Value) throws -> Double? {
  if let number = value.number { return number }
  guard case .object(let object) = value, object.typeName == "tensor" else { return nil }
  return firstNumber(try object.plain())
}

private func firstNumber(_ value: Value) -> Double? {
  if case .list(let list) = value { return list.count == 1 ? firstNumber(list[0]) : nil }
  return value.number
}

/// The numbers of a list, range, tensor of one axis or number, in order; none counts as NaN.
func numbers(of value: Value, what: String) throws -> [Double] {
  let plain: Value
  if case .object(let object) = value { plain = try object.plain() } else { plain = value }
  if let number = plain.number { return [number] }
  if plain.isString || plain.isNone { throw ZsError(kind: "type", message: "\(what) needs numbers, not \(value.typeName)") }
  return try elements(of: plain, for: what).enumerated().map { index, item in
    if item.isNone { return Double.nan }
    if let number = try orderedNumber(item) { return number }
    if case .bool(let flag) = item { return flag ? 1 : 0 }
    throw ZsError(kind: "type", message: "\(what) needs numbers; element \(index) is \(item.typeName)")
  }
}

extension Value {
  /// Whether this is a string.
  var isString: Bool { text != nil }

  /// The value as `print` writes it to a screen: a string as it is, an object as it shows itself, all else as in a program.
  func printed(_ options: DisplayOptions) -> String {
    if case .object(let object) = self { return object.display(options) }
    return printed
  }
}

extension ZsError {
  /// An error about the value of one argument.
  init(_ message: String, hint: String? = nil, argument: String) {
    self.init(message: message, hint: hint, argument: argument)
  }
}
