// Filters: what stands after `|`. Texts here, lists in JinjaFilters+Lists.

/// The filters by name.
enum JinjaFilters {
  typealias Filter = @Sendable (JinjaInterpreter, JinjaValue, JinjaArguments) throws -> JinjaValue

  static let table: [String: Filter] = texts.merging(numbers) { first, _ in first }.merging(lists) { first, _ in first }

  /// The text of a value, safe where the value was: jinja's `soft_str`.
  static func soft(_ interpreter: JinjaInterpreter, _ value: JinjaValue) throws -> JinjaValue {
    value.text == nil ? .string(try interpreter.string(value)) : value
  }

  private static func mapped(_ body: @escaping @Sendable (String) -> String) -> Filter {
    { interpreter, value, arguments in
      _ = try arguments.bound("filter", [])
      let text = try soft(interpreter, value)
      return text.withText(try interpreter.spend(text: body(try interpreter.spend(text: text.text ?? ""))))
    }
  }

  static func argumentText(_ interpreter: JinjaInterpreter, _ value: JinjaValue?) throws -> String? {
    guard let value, !value.isNone else { return nil }
    return try interpreter.string(value)
  }

  static func argumentInteger(_ name: String, _ value: JinjaValue?) throws -> Int? {
    guard let value, !value.isNone else { return nil }
    guard let number = value.integer else {
      throw TemplateError("'\(value.typeName)' object cannot be interpreted as an integer (argument of \(name))")
    }
    return number
  }

  private static let texts: [String: Filter] = [
    "upper": mapped { $0.uppercased() },
    "lower": mapped { $0.lowercasedPython() },
    "capitalize": mapped { $0.capitalizedPython() },
    "title": mapped(title),
    "string": { interpreter, value, _ in try soft(interpreter, value) },
    "safe": { interpreter, value, _ in .markup(try interpreter.string(value)) },
    "e": escape, "escape": escape,
    "forceescape": { interpreter, value, _ in .markup(escapedHTML(try interpreter.string(value))) },
    "striptags": { interpreter, value, _ in .string(withoutTags(try interpreter.string(value))) },
    "trim": { interpreter, value, arguments in
      let chars = try argumentText(interpreter, try arguments.bound("trim", ["chars"])[0])
      let text = try soft(interpreter, value)
      return text.withText(try interpreter.spend(text: text.text ?? "").strippedPython(chars))
    },
    "center": { interpreter, value, arguments in
      let width = try argumentInteger("center", try arguments.bound("center", ["width"])[0]) ?? 80
      let text = try soft(interpreter, value)
      return text.withText(try JinjaStringMethods.padded(interpreter, text.text ?? "", width, " ", .center))
    },
    "replace": { interpreter, value, arguments in
      let given = try arguments.bound("replace", ["old", "new", "count"], required: 2)
      let text = try interpreter.spend(text: try interpreter.string(value))
      let old = try interpreter.string(given[0] ?? .none)
      let new = try interpreter.string(given[1] ?? .none)
      return .string(try JinjaStringMethods.replaced(interpreter, text, old, new, try argumentInteger("replace", given[2]) ?? -1))
    },
    "format": { interpreter, value, arguments in
      if !arguments.positional.isEmpty && !arguments.keywords.isEmpty {
        throw TemplateError("can't handle positional and keyword arguments at the same time")
      }
      let text = try soft(interpreter, value)
      let pairs = arguments.keywords.map { (key: JinjaValue.string($0.name), hash: JinjaKey.text(JinjaText($0.name)), value: $0.value) }
      let operand =
        pairs.isEmpty ? JinjaValue.tuple(try JinjaSequence(arguments.positional)) : .dictionary(try JinjaDictionary(pairs))
      return try interpreter.formatPercent(text, text.text ?? "", operand)
    },
    "indent": indent,
    "truncate": truncate,
    "wordcount": { interpreter, value, _ in .int(wordCount(try interpreter.spend(text: try interpreter.string(value)))) },
    "urlencode": { interpreter, value, _ in .string(try urlEncoded(interpreter, value)) },
    "tojson": toJSON,
    "pprint": { interpreter, value, _ in .string(try interpreter.repr(value)) },
  ]

  private static let escape: Filter = { interpreter, value, _ in
    if case .markup = value { return value }
    return .markup(escapedHTML(try interpreter.string(value)))
  }

  private static func title(_ text: String) -> String {
    var output = ""
    var begins = true
    for scalar in text.unicodeScalars {
      if isPythonSpace(scalar) || "-({[<".unicodeScalars.contains(scalar) {
        output.unicodeScalars.append(scalar)
        begins = true
      } else {
        output += begins ? scalar.properties.uppercaseMapping : scalar.properties.lowercaseMapping
        begins = false
      }
    }
    return output
  }

  private static func withoutTags(_ text: String) -> String {
    var output = String.UnicodeScalarView()
    var isInside = false
    for scalar in text.unicodeScalars {
      if scalar == "<" {
        isInside = true
      } else if scalar == ">" && isInside {
        isInside = false
      } else if !isInside {
        output.append(scalar)
      }
    }
    let plain = String(output).splitAtBlanks(limit: -1).joined(separator: " ")
    var unescaped = plain
    for (entity, character) in [("&lt;", "<"), ("&gt;", ">"), ("&#39;", "'"), ("&#34;", "\""), ("&quot;", "\""), ("&amp;", "&")] {
      unescaped = unescaped.replacedPython(entity, character, limit: -1)
    }
    return unescaped
  }

  private static func wordCount(_ text: String) -> Int {
    var count = 0
    var isInside = false
    for scalar in text.unicodeScalars {
      let isWord = scalar == "_" || CharacterClass.of(scalar.value) & (CharacterClass.letter | CharacterClass.number) != 0
      if isWord && !isInside { count += 1 }
      isInside = isWord
    }
    return count
  }

  private static let indent: Filter = { interpreter, value, arguments in
    let given = try arguments.bound("indent", ["width", "first", "blank"])
    let text = try soft(interpreter, value)
    let width: String
    if let chosen = given[0]?.text {
      width = chosen
    } else {
      let count = try argumentInteger("indent", given[0]) ?? 4
      if count > 10_000 { throw TemplateError("an indentation of \(count) is too wide") }
      width = String(repeating: " ", count: max(0, count))
    }
    let lines = ((text.text ?? "") + "\n").linesPython()
    try interpreter.spend(lines.count * (1 + width.utf8.count / 64))
    var output = ""
    for (index, line) in lines.enumerated() {
      if index > 0 { output += "\n" + (given[2]?.isTrue == true || !line.isEmpty ? width : "") }
      output += line
    }
    if given[1]?.isTrue == true { output = width + output }
    return text.withText(try interpreter.spend(text: output))
  }

  private static let truncate: Filter = { interpreter, value, arguments in
    let given = try arguments.bound("truncate", ["length", "killwords", "end", "leeway"])
    let length = try argumentInteger("truncate", given[0]) ?? 255
    let end = try argumentText(interpreter, given[2]) ?? "..."
    let leeway = try argumentInteger("truncate", given[3]) ?? 5
    let text = try interpreter.string(value)
    let scalars = Array(text.unicodeScalars)
    let endCount = end.unicodeScalars.count
    guard length >= endCount else { throw TemplateError("expected length >= \(endCount), got \(length)") }
    guard leeway >= 0 else { throw TemplateError("expected leeway >= 0, got \(leeway)") }
    if scalars.count <= length || scalars.count - length <= leeway { return try soft(interpreter, value) }
    var kept = String.UnicodeScalarView()
    kept.append(contentsOf: scalars[..<(length - endCount)])
    if given[1]?.isTrue == true { return .string(String(kept) + end) }
    return .string((String(kept).splitPython(" ", limit: 1, fromRight: true).first ?? "") + end)
  }

  private static func urlEncoded(_ interpreter: JinjaInterpreter, _ value: JinjaValue) throws -> String {
    func quoted(_ value: JinjaValue, keepsSlash: Bool) throws -> String {
      var output = ""
      for byte in try interpreter.string(value).utf8 {
        if isASCIIAlphanumeric(byte) || "_.-~".utf8.contains(byte) || (keepsSlash && byte == 0x2F) {
          output.unicodeScalars.append(Unicode.Scalar(byte))
        } else if byte == 0x20 && !keepsSlash {
          output += "+"
        } else {
          output += "%" + hexadecimal(UInt32(byte), digits: 2).uppercased()
        }
      }
      return output
    }
    var pairs: [JinjaValue]
    switch value {
    case .dictionary(let dictionary): pairs = try interpreter.pairs(dictionary)
    case .list, .tuple, .view, .iterator: pairs = try interpreter.items(of: value)
    default: return try quoted(value, keepsSlash: true)
    }
    return try pairs.map { pair in
      let parts = try interpreter.items(of: pair)
      guard parts.count == 2 else { throw TemplateError("urlencode needs pairs of key and value") }
      return try quoted(parts[0], keepsSlash: false) + "=" + quoted(parts[1], keepsSlash: false)
    }.joined(separator: "&")
  }

  private static let toJSON: Filter = { interpreter, value, arguments in
    let given = try arguments.bound("tojson", ["ensure_ascii", "indent", "separators", "sort_keys"])
    var indent = given[1]?.text
    if indent == nil, let width = try argumentInteger("tojson", given[1]) {
      if width > 1000 { throw TemplateError("an indentation of \(width) is too wide") }
      indent = String(repeating: " ", count: max(0, width))
    }
    var separators: [String] = []
    if let value = given[2], !value.isNone {
      separators = try interpreter.items(of: value).compactMap(\.text)
      if separators.count != 2 { throw TemplateError("tojson: separators are two texts, between items and after keys") }
    }
    var writer = JinjaJSONWriter(
      interpreter, escapesNonASCII: given[0]?.isTrue ?? false, indent: indent, itemSeparator: separators.first,
      keySeparator: separators.last, sortsKeys: given[3]?.isTrue ?? false)
    try writer.append(value)
    return .string(writer.text)
  }
}
