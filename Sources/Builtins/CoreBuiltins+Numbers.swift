// Arithmetic over numbers and collections of them; tensors have rows of their own under the same names.
import Glibc
import Language

private let collection: ParameterType = .anyOf([.list, .range, .map])

func numberBuiltins() -> [Builtin] {
  [
    Builtin(
      "sum", category: "Core",
      [
        Parameter("xs", collection, help: "numbers, or tensors of one shape"),
        Parameter("start", .any, default: 0, help: "what to begin with"),
      ],
      returns: "number", summary: "The sum of the elements.", example: "sum([1, 2, 3.5])"
    ) { call in try summed(elements(of: call["xs"], for: "sum"), start: call["start"]) },
    extreme("min", "smallest", "min([3, 1, 2])", over: collection),
    extreme("max", "largest", "max([3, 1, 2])", over: collection),
    extremeOfSeveral("min", "smallest", "min(3, 1)"),
    extremeOfSeveral("max", "largest", "max(3, 1)"),
    Builtin(
      "abs", category: "Core", [Parameter("x", .float)],
      returns: "number", summary: "The number without its sign.", example: "abs(-3)"
    ) { call in
      if case .int(let number) = call["x"] {
        if number == Int64.min { throw ZsError(kind: "arithmetic", message: "integer overflow in abs(\(number))") }
        return .int(Swift.abs(number))
      }
      return .float(Swift.abs(try call.double("x")))
    },
    Builtin(
      "round", category: "Core",
      [
        Parameter("x", .float),
        Parameter("digits", .int, default: Value.none, range: -300...300, help: "digits after the point; without it the result is an int"),
      ],
      returns: "int or float", summary: "The nearest number with that many digits; halves go to the even neighbour.",
      example: "round(3.14159, 2)"
    ) { call in try rounded(call) },
  ]
}

private func extreme(_ name: String, _ word: String, _ example: String, over type: ParameterType) -> Builtin {
  Builtin(
    name, category: "Core",
    [
      Parameter("xs", .anyOf([type, .string]), help: "elements that have an order"),
      Parameter("by", .function, default: Value.none, help: "makes the key to compare"),
      Parameter("default", .any, default: Value.none, help: "what to give for no elements"),
    ],
    returns: "any", summary: "The \(word) element; the first of equal ones.", example: example
  ) { call in
    let items = try elements(of: call["xs"], for: name)
    if items.isEmpty {
      guard call.given("default") else { throw ZsError("\(name) of no elements", hint: "\(name)(xs, default: 0)", argument: "xs") }
      return call["default"]
    }
    let key = call["by"]
    return try chosen(items, keys: key.isNone ? items : items.map { try call.context.call(key, [$0]) }, name)
  }
}

private func extremeOfSeveral(_ name: String, _ word: String, _ example: String) -> Builtin {
  Builtin(
    name, category: "Core", [Parameter("x", .anyOf([.float, .string, .bool])), Parameter("others", .any, variadic: true)],
    returns: "any", summary: "The \(word) of the arguments.", example: example
  ) { call in
    if call.variadic.isEmpty {
      throw ZsError(kind: "type", message: "\(name) of one value needs a collection, not \(call["x"].typeName)", argument: "x")
    }
    let items = [call["x"]] + call.variadic
    return try chosen(items, keys: items, name)
  }
}

private func chosen(_ items: [Value], keys: [Value], _ name: String) throws -> Value {
  var best = 0
  for index in keys.indices.dropFirst() {
    let isBetter =
      name == "min" ? try precedes(keys[index], keys[best], in: name) : try precedes(keys[best], keys[index], in: name)
    if isBetter { best = index }
  }
  return items[best]
}

private func summed(_ items: [Value], start: Value) throws -> Value {
  var total = start
  for (index, item) in items.enumerated() {
    if item.isString {
      throw ZsError(kind: "type", message: "sum adds numbers; element \(index) is a str", hint: "join(xs) joins strings", argument: "xs")
    }
    total = try Operations.binary(.add, total, item)
  }
  return total
}

private func rounded(_ call: Call) throws -> Value {
  let digits = try call.optionalInt("digits")
  if case .int(let number) = call["x"] {
    guard let digits, digits < 0 else { return .int(number) }
    return .int(try roundedToTens(number, zeros: -digits))
  }
  let number = try call.double("x")
  guard let digits else {
    guard let whole = Int64(exactly: number.rounded(.toNearestOrEven)) else {
      throw ZsError(
        kind: "arithmetic", message: "\(Value.float(number).source) does not fit an int", hint: "round(x, 0) stays a float", argument: "x")
    }
    return .int(whole)
  }
  if !number.isFinite { return .float(number) }
  if digits < 0 {
    let scale = pow(10, Double(-digits))
    return .float((number / scale).rounded(.toNearestOrEven) * scale)
  }
  // Through decimal text, as Python does: 2.675 is below 2.675 and rounds to 2.67.
  return .float(strtod(fixed(number, digits), nil))
}

private func roundedToTens(_ number: Int64, zeros: Int) throws -> Int64 {
  if zeros > 18 { return 0 }
  var scale: Int64 = 1
  for _ in 0..<zeros { scale *= 10 }
  let (quotient, rest) = number.quotientAndRemainder(dividingBy: scale)
  let twice = rest.magnitude * 2
  let isUp = twice > UInt64(scale) || (twice == UInt64(scale) && quotient % 2 != 0)
  let nearest = quotient + (isUp ? rest.signum() : 0)
  let (result, overflow) = nearest.multipliedReportingOverflow(by: scale)
  if overflow { throw ZsError(kind: "arithmetic", message: "integer overflow in round(\(number), \(-zeros))") }
  return result
}

/// A number with a fixed count of digits after the point.
func fixed(_ number: Double, _ digits: Int) -> String { printf("%.\(digits)f", number) }

/// One number through C's own formatting.
func printf(_ pattern: String, _ number: Double) -> String {
  withVaList([number]) { arguments in
    var buffer = [CChar](repeating: 0, count: 64)
    let needed = Int(vsnprintf(&buffer, buffer.count, pattern, arguments))
    guard needed >= buffer.count else { return needed < 0 ? "\(number)" : text(buffer, needed) }
    return withVaList([number]) { again in
      buffer = [CChar](repeating: 0, count: needed + 1)
      vsnprintf(&buffer, buffer.count, pattern, again)
      return text(buffer, needed)
    }
  }
}

private func text(_ buffer: [CChar], _ count: Int) -> String {
  String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
