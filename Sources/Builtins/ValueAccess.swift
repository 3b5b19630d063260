// What many builtins ask of a value: its elements, its truth, its order among others, its numbers.
import Language

/// The elements that `for` walks, as a list: a map gives its keys, a string its characters, an object its elements.
func elements(of value: Value, for function: String) throws -> [Value] {
  switch value {
  case .list(let list): return list
  case .range(let range):
    guard range.count <= 100_000_000 else {
      throw ZsError("\(function) cannot list \(range.count) numbers", hint: "use a shorter range")
    }
    return (0..<range.count).map { .int(range[$0]) }
  case .string(let text): return text.map { .string(String($0)) }
  case .map(let map): return map.keys.map { .string($0) }
  case .object(let object):
    guard let count = try object.elementCount() else { break }
    return try (0..<count).map { try object.element(at: $0) }
  default: break
  }
  throw ZsError(
    kind: "type", message: "\(function) needs something with elements, not \(value.typeName)", hint: "a list, range, str or map")
}

/// What `if x` sees.
func truth(of value: Value) throws -> Bool {
  switch value {
  case .none: return false
  case .bool(let value): return value
  case .int(let value): return value != 0
  case .float(let value): return value != 0
  case .string(let value): return !value.isEmpty
  case .list(let value): return !value.isEmpty
  case .map(let value): return !value.isEmpty
  case .range(let value): return value.count > 0
  case .function: return true
  case .object(let object): return try object.truth() ?? true
  }
}

/// Whether one value comes before another; numbers, strings, bools and lists of these have an order.
func precedes(_ left: Value, _ right: Value, in function: String) throws -> Bool {
  switch (left, right) {
  case (.int(let a), .int(let b)): return a < b
  case (.string(let a), .string(let b)): return a < b
  case (.bool(let a), .bool(let b)): return !a && b
  case (.list(let a), .list(let b)):
    for (x, y) in zip(a, b) {
      if try precedes(x, y, in: function) { return true }
      if try precedes(y, x, in: function) { return false }
    }
    return a.count < b.count
  default: break
  }
  guard let a = try orderedNumber(left), let b = try orderedNumber(right) else {
    throw ZsError(
      kind: "type", message: "\(function) cannot order \(left.typeName) and \(right.typeName)",
      hint: "give a function that makes a key: sort_by(xs, f)")
  }
  if a.isNaN || b.isNaN { throw ZsError("\(function) met nan, which has no order", hint: "filter(xs, x => x == x) drops it") }
  return a < b
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

  /// Lists, maps, numbers, strings and none all the way down.
  func plainValue() throws -> Value {
    switch self {
    case .list(let list): return .list(try list.map { try $0.plainValue() })
    case .map(let map): return .map(try map.mapValues { try $0.plainValue() })
    case .range(let range):
      guard range.count <= 100_000_000 else { throw ZsError("a range of \(range.count) numbers is too long to list") }
      return .list((0..<range.count).map { .int(range[$0]) })
    case .function(let function): return .string(function.name)
    case .object(let object):
      let plain = try object.plain()
      if case .object = plain { return .string(object.display(DisplayOptions(plain: true))) }
      return try plain.plainValue()
    default: return self
    }
  }

  /// The value as `str` and `print` write it: a string as it is, all else as in a program.
  func printed(_ options: DisplayOptions = DisplayOptions(plain: true)) -> String {
    switch self {
    case .string(let text): text
    case .object(let object): object.display(options)
    default: source
    }
  }
}

extension ZsError {
  /// An error about the value of one argument.
  init(_ message: String, hint: String? = nil, argument: String) {
    self.init(message: message, hint: hint, argument: argument)
  }
}
