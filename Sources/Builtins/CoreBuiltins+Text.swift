// Text: cutting, joining, searching, formatting.
import Language

func textBuiltins() -> [Builtin] {
  [
    Builtin(
      "join", category: "Core",
      [
        Parameter("xs", .any, help: "strings, or values to write as text"),
        Parameter("sep", .string, default: "", help: "what stands between them"),
      ],
      returns: "str", summary: "The elements as one text.", example: "[1, 2, 3] |> join(\"-\")"
    ) { call in
      .string(try joined(elements(of: call["xs"], for: "join").lazy.map(\.printed), by: try call.string("sep")))
    },
    Builtin(
      "split", category: "Core",
      [
        Parameter("s", .string),
        Parameter("sep", .string, default: Value.none, help: "what stands between the parts; none: any white space"),
        Parameter("max", .int, default: Value.none, range: 0...1e15, help: "how often to cut"),
      ],
      returns: "list", summary: "The parts of a text.", example: "\"a,b,c\".split(\",\")"
    ) { call in
      let parts = try pieces(of: call.string("s"), separator: call.optionalString("sep"), max: call.optionalInt("max") ?? Int.max)
      return .list(parts.map { .string($0) })
    },
    Builtin(
      "replace", category: "Core",
      [
        Parameter("s", .string), Parameter("old", .string, help: "what to look for"), Parameter("new", .string, help: "what to put there"),
        Parameter("count", .int, default: Value.none, range: 0...1e15, help: "how often; none: everywhere"),
      ],
      returns: "str", summary: "The text with one part replaced by another.", example: "replace(\"a-b-c\", \"-\", \"+\")"
    ) { call in
      let old = try call.string("old")
      if old.isEmpty { throw ZsError("replace cannot look for an empty text", argument: "old") }
      let parts = try pieces(of: call.string("s"), separator: old, max: call.optionalInt("count") ?? Int.max)
      return .string(try joined(parts, by: try call.string("new")))
    },
    Builtin(
      "strip", category: "Core",
      [Parameter("s", .string), Parameter("characters", .string, default: Value.none, help: "what to remove; none: white space")],
      returns: "str", summary: "The text without white space, or other characters, at its ends.", example: "strip(\"  a b  \")"
    ) { call in
      guard let unwanted = try call.optionalString("characters") else { return .string(trimmed(try call.string("s"))) }
      return .string(trimmed(try call.string("s")) { unwanted.contains($0) })
    },
    Builtin(
      "lower", category: "Core", [Parameter("s", .string)],
      returns: "str", summary: "The text in small letters.", example: "lower(\"ÉTÉ\")"
    ) { call in .string(try call.string("s").lowercased()) },
    Builtin(
      "upper", category: "Core", [Parameter("s", .string)],
      returns: "str", summary: "The text in capital letters.", example: "upper(\"été\")"
    ) { call in .string(try call.string("s").uppercased()) },
    Builtin(
      "contains", category: "Core",
      [Parameter("x", .any, help: "a str, list, map or range"), Parameter("item", .any, help: "a text, an element or a key")],
      returns: "bool", summary: "Whether the text, element or key is in there.", example: "contains(\"pirate\", \"rat\")"
    ) { call in .bool(try Operations.contains(call["x"], call["item"])) },
    Builtin(
      "starts_with", category: "Core", [Parameter("s", .string), Parameter("prefix", .string)],
      returns: "bool", summary: "Whether the text begins so.", example: "starts_with(\"zephyr\", \"zep\")"
    ) { call in .bool(hasBytes(try call.string("s").utf8, first: try call.string("prefix").utf8)) },
    Builtin(
      "ends_with", category: "Core", [Parameter("s", .string), Parameter("suffix", .string)],
      returns: "bool", summary: "Whether the text ends so.", example: "ends_with(\"model.gguf\", \".gguf\")"
    ) { call in
      .bool(hasBytes(try call.string("s").utf8.reversed(), first: try call.string("suffix").utf8.reversed()))
    },
    Builtin(
      "format", category: "Core",
      [
        Parameter("x", .any),
        Parameter(
          "spec", .string, default: "",
          help: "as after the comma in \\(x, \".4f\"): fill, <, >, ^, sign, width, comma, .digits, e f g d x b %"),
      ],
      returns: "str", summary: "The value as text of a given form.", example: "format(3.14159, \".2f\") + format(42, \">6\")"
    ) { call in .string(try FormatSpecification(try call.string("spec")).format(call["x"])) },
  ]
}

private func hasBytes(_ bytes: some Sequence<UInt8>, first: some Sequence<UInt8>) -> Bool { bytes.starts(with: first) }

/// The parts between separators, found byte by byte; at most `max` cuts.
private func pieces(of text: String, separator: String?, max: Int) -> [String] {
  guard let separator else {
    var parts: [String] = []
    var rest = Substring(text).drop { $0.isWhitespace }
    while !rest.isEmpty {
      if parts.count == max {
        parts.append(trimmed(String(rest)))
        break
      }
      let word = rest.prefix { !$0.isWhitespace }
      parts.append(String(word))
      rest = rest[word.endIndex...].drop { $0.isWhitespace }
    }
    return parts
  }
  if separator.isEmpty { return text.map(String.init) }
  let bytes = Array(text.utf8)
  let wanted = Array(separator.utf8)
  var parts: [String] = []
  var start = 0
  var index = 0
  while index + wanted.count <= bytes.count, parts.count < max {
    if bytes[index] == wanted[0], bytes[index..<index + wanted.count].elementsEqual(wanted) {
      parts.append(String(decoding: bytes[start..<index], as: UTF8.self))
      index += wanted.count
      start = index
    } else {
      index += 1
    }
  }
  return parts + [String(decoding: bytes[start...], as: UTF8.self)]
}

/// The parts as one text; an error where it would be too long.
private func joined(_ parts: some Sequence<String>, by separator: String) throws -> String {
  var result = ""
  var isFirst = true
  for part in parts {
    try Operations.checkBytes(result.utf8.count, part.utf8.count + (isFirst ? 0 : separator.utf8.count))
    if !isFirst { result += separator }
    result += part
    isFirst = false
  }
  return result
}
