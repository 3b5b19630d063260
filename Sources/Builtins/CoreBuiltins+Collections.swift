// Walking, ordering and reducing collections.
import Language

private let collection: ParameterType = .anyOf([.list, .range, .string, .map])
/// What has elements and no truth of its own, as a tensor has.
private let listed: ParameterType = .anyOf([.list, .range, .string, .map, .object("dataset")])

func collectionBuiltins() -> [Builtin] {
  [
    Builtin(
      "enumerate", category: "Core",
      [Parameter("xs", .any, help: "anything with elements"), Parameter("start", .int, default: 0, help: "the first number")],
      returns: "list", summary: "Pairs of number and element.", example: "enumerate([\"a\", \"b\"])"
    ) { call in
      let start = Int64(try call.int("start"))
      return .list(try elements(of: call["xs"], for: "enumerate").enumerated().map { .list([.int(start &+ Int64($0)), $1]) })
    },
    Builtin(
      "zip", category: "Core", [Parameter("lists", .any, variadic: true, help: "two or more of the same length")],
      returns: "list", summary: "Lists of the first elements, the second ones, and so on; the lengths must agree.",
      example: "zip([1, 2], [\"a\", \"b\"])"
    ) { call in try zipped(call.variadic) },
    Builtin(
      "map", category: "Core",
      [Parameter("xs", collection, help: "anything with elements"), Parameter("f", .function, help: "called with each element")],
      returns: "list", summary: "The results of f for each element.", example: "[1, 2, 3] |> map(x => x * x)"
    ) { call in .list(try elements(of: call["xs"], for: "map").map { try call.context.call(call["f"], [$0]) }) },
    Builtin(
      "filter", category: "Core",
      [Parameter("xs", collection, help: "anything with elements"), Parameter("f", .function, help: "says whether to keep an element")],
      returns: "list", summary: "The elements for which f is true.", example: "0..<10 |> filter(x => x % 2 == 0)"
    ) { call in .list(try elements(of: call["xs"], for: "filter").filter { try Operations.truth(try call.context.call(call["f"], [$0])) })
    },
    Builtin(
      "reduce", category: "Core",
      [
        Parameter("xs", .any, help: "anything with elements"), Parameter("f", .function, help: "joins the result so far and an element"),
        Parameter("initial", .any, default: Value.none, help: "the first result; without it, the first element"),
      ],
      returns: "any", summary: "Joins all elements from the left with f.", example: "reduce([1, 2, 3], (a, b) => a * b, 1)"
    ) { call in try reduced(call) },
    Builtin(
      "sort", category: "Core",
      [
        Parameter("xs", collection, help: "numbers, strings, or lists of these"),
        Parameter("by", .function, default: Value.none, help: "makes the key to sort by"),
        Parameter("reverse", .bool, default: false, aliases: ["descending"], help: "largest first"),
      ],
      returns: "list", summary: "The elements in order; equal ones keep theirs.", example: "[3, 1, 2].sort()"
    ) { call in try sorted(call, by: call["by"]) },
    Builtin(
      "sort_by", category: "Core",
      [
        Parameter("xs", .any, help: "anything with elements"), Parameter("f", .function, help: "makes the key to sort by"),
        Parameter("reverse", .bool, default: false, aliases: ["descending"], help: "largest first"),
      ],
      returns: "list", summary: "The elements in the order of their keys.", example: "[\"ccc\", \"a\", \"bb\"] |> sort_by(len)"
    ) { call in try sorted(call, by: call["f"]) },
    Builtin(
      "reverse", category: "Core", [Parameter("xs", collection, help: "a list, range or str")],
      returns: "list or str", summary: "The elements from last to first.", example: "[1, 2, 3].reverse()"
    ) { call in
      if case .string(let text) = call["xs"] { return .string(String(text.reversed())) }
      return .list(try elements(of: call["xs"], for: "reverse").reversed())
    },
    Builtin(
      "any", category: "Core", [Parameter("xs", listed, help: "anything with elements")],
      returns: "bool", summary: "Whether one element is true.", example: "any([false, true])"
    ) { call in .bool(try elements(of: call["xs"], for: "any").contains { try Operations.truth($0) }) },
    Builtin(
      "all", category: "Core", [Parameter("xs", listed, help: "anything with elements")],
      returns: "bool", summary: "Whether every element is true; so it is for none at all.", example: "all([x > 0 for x in [1, 2]])"
    ) { call in .bool(try elements(of: call["xs"], for: "all").allSatisfy { try Operations.truth($0) }) },
  ]
}

private func zipped(_ lists: [Value]) throws -> Value {
  if lists.count < 2 { throw ZsError(kind: "argument", message: "zip needs at least two lists") }
  let columns = try lists.map { try elements(of: $0, for: "zip") }
  let counts = columns.map(\.count)
  guard Set(counts).count == 1 else {
    let shown = counts.map(String.init).joined(separator: ", ")
    throw ZsError("zip needs lists of the same length, not \(shown)", hint: "cut the longer one: xs[:\(counts.min() ?? 0)]")
  }
  return .list((0..<counts[0]).map { row in .list(columns.map { $0[row] }) })
}

private func reduced(_ call: Call) throws -> Value {
  var rest = try elements(of: call["xs"], for: "reduce")[...]
  var result: Value
  if call.given("initial") {
    result = call["initial"]
  } else {
    guard let first = rest.popFirst() else { throw ZsError("reduce of no elements needs 'initial'", argument: "initial") }
    result = first
  }
  for element in rest { result = try call.context.call(call["f"], [result, element]) }
  return result
}

private func sorted(_ call: Call, by key: Value) throws -> Value {
  let items = try elements(of: call["xs"], for: call.builtin.name)
  let keys = key.isNone ? items : try items.map { try call.context.call(key, [$0]) }
  let isReversed = try call.bool("reverse")
  let name = call.builtin.name
  let order = try keys.indices.sorted { left, right in
    if isReversed {
      if try precedes(keys[right], keys[left], in: name) { return true }
      return try !precedes(keys[left], keys[right], in: name) && left < right
    }
    if try precedes(keys[left], keys[right], in: name) { return true }
    return try !precedes(keys[right], keys[left], in: name) && left < right
  }
  return .list(order.map { items[$0] })
}
