// Showing, measuring and converting values.
import Language

func valueBuiltins() -> [Builtin] {
  [
    Builtin(
      "print", category: "Core",
      [
        Parameter("values", .any, variadic: true, help: "what to write"),
        Parameter("sep", .string, default: " ", help: "what stands between them"),
        Parameter("end", .string, default: "\n", help: "what follows the last"),
      ],
      returns: "none", summary: "Writes values to standard output.", example: "print(\"loss\", 0.5)"
    ) { call in
      let session = try? Session.of(call)
      let options = DisplayOptions(width: session?.width() ?? 80, colour: session?.colour ?? false)
      let texts = call.variadic.map { $0.printed(options) }
      call.context.write(texts.joined(separator: try call.string("sep")) + (try call.string("end")))
      return .none
    },
    Builtin(
      "len", category: "Core", [Parameter("x", .any, help: "a str, list, map, range, tensor or dataset")],
      returns: "int", summary: "How many characters, elements, entries or rows there are.", example: "len(\"日本🙂\")"
    ) { call in .int(Int64(try length(call["x"]))) },
    Builtin(
      "type", category: "Core", [Parameter("x", .any)],
      returns: "str", summary: "The name of the type.", example: "type(1.5)"
    ) { call in .string(call["x"].typeName) },
    Builtin(
      "str", category: "Core", [Parameter("x", .any)],
      returns: "str", summary: "The value as text.", example: "str([1, 2.5, \"a\"])"
    ) { call in .string(call["x"].printed) },
    Builtin(
      "int", category: "Core",
      [
        Parameter("x", .any, help: "a number, a bool, a tensor of one element, or text such as \"42\" or \"0xff\""),
        Parameter("base", .int, default: Value.none, range: 2...36, help: "the base of the digits in a text"),
      ],
      returns: "int", summary: "The whole number, without the fraction.", example: "int(\"42\") + int(3.9)"
    ) { call in .int(try wholeNumber(call["x"], base: try call.optionalInt("base"))) },
    Builtin(
      "float", category: "Core", [Parameter("x", .any, help: "a number, a bool, a tensor of one element, or text such as \"2.5e-7\"")],
      returns: "float", summary: "The number as a float.", example: "float(\"2.5e-7\")"
    ) { call in .float(try floatingNumber(call["x"])) },
    Builtin(
      "bool", category: "Core", [Parameter("x", .any)],
      returns: "bool", summary: "What `if x` sees: none, 0, and whatever is empty are false.", example: "bool([]) or bool(1)"
    ) { call in .bool(try converted(toBool: call["x"])) },
    Builtin(
      "keys", category: "Core", [Parameter("m", .anyOf([.map, .any]), help: "a map")],
      returns: "list", summary: "The keys of a map, in its order; the field names of an object.", example: "keys({a: 1, b: 2})"
    ) { call in
      switch call["m"] {
      case .map(let map): return .list(map.keys.map { .string($0) })
      case .object(let object) where !object.fieldNames.isEmpty: return .list(object.fieldNames.map { .string($0) })
      default: throw ZsError(kind: "type", message: "keys needs a map, not \(call["m"].typeName)", argument: "m")
      }
    },
    Builtin(
      "values", category: "Core", [Parameter("m", .map, help: "a map")],
      returns: "list", summary: "The values of a map, in its order.", example: "values({a: 1, b: 2})"
    ) { call in .list(Array(try call.map("m").values)) },
    Builtin(
      "get", category: "Core",
      [
        Parameter("x", .any, help: "a map, list, str or range"), Parameter("key", .anyOf([.string, .int]), help: "a key, or an index"),
        Parameter("default", .any, default: Value.none, help: "what to give where there is no such key or index"),
      ],
      returns: "any", summary: "The entry, or the default where x[key] would be an error.", example: "get({a: 1}, \"b\", 0)"
    ) { call in try entry(call["x"], call["key"]) ?? call["default"] },
    rangeBuiltin(
      [
        Parameter("start", .int, help: "the first number, or the end when it stands alone"),
        Parameter("stop", .int, default: Value.none, help: "the end, not included"),
        Parameter("step", .int, default: 1, help: "the distance, not 0"),
      ]),
  ]
}

private func rangeBuiltin(_ parameters: [Parameter]) -> Builtin {
  Builtin(
    "range", category: "Core", parameters, returns: "range", summary: "The numbers from start up to but not including stop.",
    example: "[i for i in range(0, 10, 3)]", details: "range(5) is 0..<5. A negative step counts down."
  ) { call in
    let step = Int64(try call.int("step"))
    if step == 0 { throw ZsError("the step of a range cannot be 0", argument: "step") }
    let first = Int64(try call.int("start"))
    guard let stop = try call.optionalInt("stop") else { return .range(ValueRange(lower: 0, upper: first, step: step)) }
    return .range(ValueRange(lower: first, upper: Int64(stop), step: step))
  }
}

/// What `len` gives.
func length(_ value: Value) throws -> Int {
  switch value {
  case .string(let text): return text.count
  case .list(let list): return list.count
  case .map(let map): return map.count
  case .range(let range): return range.count
  case .object(let object): if let count = try object.elementCount() { return count }
  default: break
  }
  throw ZsError(
    kind: "type", message: "len needs something with elements, not \(value.typeName)", hint: "a str, list, map, range, tensor or dataset",
    argument: "x")
}

private func entry(_ container: Value, _ key: Value) throws -> Value? {
  switch (container, key) {
  case (.map(let map), .string(let name)): return map[name]
  case (.map, .int(let index)):
    throw ZsError(kind: "type", message: "the keys of a map are strings, not \(index)", hint: "get(m, \"\(index)\", …)", argument: "key")
  case (.object(let object), .string(let name)): return try object.field(name)
  case (.none, _): return nil
  case (_, .int(let index)):
    let count = try length(container)
    let position = index < 0 ? Int64(count) + index : index
    guard position >= 0, position < Int64(count) else { return nil }
    if case .object(let object) = container { return try object.element(at: Int(position)) }
    if case .range(let range) = container { return .int(range[Int(position)]) }
    if case .string(let text) = container { return .string(String(text[text.index(text.startIndex, offsetBy: Int(position))])) }
    return try elements(of: container, for: "get")[Int(position)]
  default:
    throw ZsError(kind: "type", message: "get cannot look up \(key.typeName) in \(container.typeName)", argument: "key")
  }
}

private func wholeNumber(_ value: Value, base: Int?) throws -> Int64 {
  if base != nil, !value.isString { throw ZsError("a base goes with text only", hint: "int(\"ff\", base: 16)", argument: "base") }
  switch value {
  case .int(let number): return number
  case .bool(let flag): return flag ? 1 : 0
  case .string(let text): return try wholeNumber(text, base: base)
  default: break
  }
  guard let number = try orderedNumber(value) else {
    throw ZsError(kind: "type", message: "int cannot convert \(value.typeName)", argument: "x")
  }
  guard let whole = Int64(exactly: number.rounded(.towardZero)) else {
    let shown = number.isNaN ? "nan" : number.isInfinite ? "an infinite number" : "\(number)"
    throw ZsError(kind: "arithmetic", message: "\(shown) does not fit an int", argument: "x")
  }
  return whole
}

private func wholeNumber(_ text: String, base: Int?) throws -> Int64 {
  var digits = trimmed(text).filter { $0 != "_" }.lowercased()
  let sign = digits.first.flatMap { $0 == "-" || $0 == "+" ? digits.removeFirst() : nil }
  var radix = base ?? 10
  for (prefix, itsRadix) in [("0x", 16), ("0b", 2), ("0o", 8)] where digits.hasPrefix(prefix) && (base ?? itsRadix) == itsRadix {
    digits.removeFirst(2)
    radix = itsRadix
  }
  guard !digits.isEmpty, digits.first != "-", digits.first != "+", let number = Int64((sign == "-" ? "-" : "") + digits, radix: radix)
  else {
    throw ZsError("int cannot read \(Value.string(text).source)", hint: "float(x) reads numbers with a fraction", argument: "x")
  }
  return number
}

private func floatingNumber(_ value: Value) throws -> Double {
  switch value {
  case .bool(let flag): return flag ? 1 : 0
  case .string(let text):
    let digits = trimmed(text).filter { $0 != "_" }
    guard let number = Double(digits) else {
      let hint = digits.contains(",") ? "the fraction follows a point, and nothing stands between thousands: 1234.5" : nil
      throw ZsError("float cannot read \(Value.string(text).source)", hint: hint, argument: "x")
    }
    return number
  default:
    guard let number = try orderedNumber(value) else {
      throw ZsError(kind: "type", message: "float cannot convert \(value.typeName)", argument: "x")
    }
    return number
  }
}

/// A text without the white space around it.
func trimmed(_ text: String, _ isUnwanted: (Character) -> Bool = \.isWhitespace) -> String {
  guard let first = text.firstIndex(where: { !isUnwanted($0) }), let last = text.lastIndex(where: { !isUnwanted($0) }) else { return "" }
  return String(text[first...last])
}
