// Methods of strings: Python's str, all but the ones about bytes and translation tables.

enum JinjaStringMethods {
  typealias Method = @Sendable (JinjaInterpreter, JinjaValue, String, JinjaArguments) throws -> JinjaValue

  /// A method of a string bound to it, nil where strings have none of that name.
  static func method(_ name: String, of value: JinjaValue) -> JinjaValue? {
    guard let text = value.text, let method = table[name] else { return nil }
    return .function(
      JinjaFunction(name) { interpreter, arguments in
        try interpreter.spend(text.utf8.count / 64)
        return try method(interpreter, value, text, arguments)
      })
  }

  private static let table: [String: Method] = changes.merging(cuts) { first, _ in first }.merging(questions) { first, _ in first }

  private static func mapped(_ body: @escaping @Sendable (String) -> String) -> Method {
    { interpreter, value, text, arguments in
      _ = try arguments.bound("method", [])
      return value.withText(try interpreter.spend(text: body(try interpreter.spend(text: text))))
    }
  }

  private static let changes: [String: Method] = [
    "upper": mapped { $0.uppercased() },
    "lower": mapped { $0.lowercasedPython() },
    "casefold": mapped { text in text.unicodeScalars.map { $0 == "ß" ? "ss" : $0.properties.lowercaseMapping }.joined() },
    "capitalize": mapped { $0.capitalizedPython() },
    "title": mapped { $0.titlecasedPython() },
    "swapcase": mapped { text in
      text.unicodeScalars.map { $0.properties.isUppercase ? $0.properties.lowercaseMapping : $0.properties.uppercaseMapping }.joined()
    },
    "strip": stripped("strip", left: true, right: true),
    "lstrip": stripped("lstrip", left: true, right: false),
    "rstrip": stripped("rstrip", left: false, right: true),
    "removeprefix": { _, value, text, arguments in
      let prefix = try string("removeprefix", try arguments.bound("removeprefix", ["prefix"], required: 1)[0])
      let bytes = Array(text.utf8)
      return bytes.starts(with: prefix.utf8) ? value.withText(String(decoding: bytes.dropFirst(prefix.utf8.count), as: UTF8.self)) : value
    },
    "removesuffix": { _, value, text, arguments in
      let suffix = try string("removesuffix", try arguments.bound("removesuffix", ["suffix"], required: 1)[0])
      return ends(text, suffix) ? value.withText(String(decoding: Array(text.utf8).dropLast(suffix.utf8.count), as: UTF8.self)) : value
    },
    "replace": { interpreter, value, text, arguments in
      let given = try arguments.bound("replace", ["old", "new", "count"], required: 2)
      let count = try JinjaFilters.argumentInteger("replace", given[2]) ?? -1
      return value.withText(
        try replaced(interpreter, text, try string("replace", given[0]), try string("replace", given[1]), count))
    },
    "join": { interpreter, value, text, arguments in
      let iterable = try arguments.bound("join", ["iterable"], required: 1)[0] ?? .none
      var parts: [String] = []
      for (index, item) in try interpreter.items(of: iterable, orElse: "can only join an iterable").enumerated() {
        guard let part = item.text else {
          throw TemplateError("sequence item \(index): expected str instance, \(item.typeName) found")
        }
        if case .markup = value { parts.append(escaped(item, part)) } else { parts.append(part) }
        _ = try interpreter.spend(text: part)
      }
      let bytes = text.utf8.count.multipliedReportingOverflow(by: parts.count)
      if bytes.overflow || bytes.partialValue > JinjaInterpreter.textLimit { throw TemplateError("a joined text is too long") }
      return value.withText(try interpreter.spend(text: parts.joined(separator: text)))
    },
    "center": { try pad("center", $0, $1, $2, $3, .center) },
    "ljust": { try pad("ljust", $0, $1, $2, $3, .left) },
    "rjust": { try pad("rjust", $0, $1, $2, $3, .right) },
    "zfill": { interpreter, value, text, arguments in
      let width = try JinjaFilters.argumentInteger("zfill", try arguments.bound("zfill", ["width"], required: 1)[0]) ?? 0
      let isSigned = text.hasPrefix("-") || text.hasPrefix("+")
      let sign = isSigned ? String(text.prefix(1)) : ""
      let digits = isSigned ? String(text.unicodeScalars.dropFirst()) : text
      return value.withText(sign + (try padded(interpreter, digits, max(0, width) - sign.count, "0", .right)))
    },
    "expandtabs": { interpreter, value, text, arguments in
      let size = try JinjaFilters.argumentInteger("expandtabs", try arguments.bound("expandtabs", ["tabsize"])[0]) ?? 8
      return value.withText(try interpreter.spend(text: expanded(text, min(max(size, 0), 1000))))
    },
    "format": { interpreter, value, text, arguments in value.withText(try interpreter.formatBraces(text, arguments)) },
    "format_map": { interpreter, value, text, arguments in
      guard case .dictionary(let dictionary)? = try arguments.bound("format_map", ["mapping"], required: 1)[0] else {
        throw TemplateError("format_map() takes a mapping")
      }
      let keywords = dictionary.entries.compactMap { entry in entry.key.text.map { (name: $0, value: entry.value) } }
      return value.withText(try interpreter.formatBraces(text, JinjaArguments(keywords: keywords)))
    },
  ]

  private static let cuts: [String: Method] = [
    "split": { try split("split", $0, $1, $2, $3, fromRight: false) },
    "rsplit": { try split("rsplit", $0, $1, $2, $3, fromRight: true) },
    "splitlines": { interpreter, value, text, arguments in
      let keeps = try arguments.bound("splitlines", ["keepends"])[0]?.isTrue ?? false
      try interpreter.spend(text.utf8.count / 4)
      return .list(try JinjaSequence(text.linesPython(keepsEnds: keeps).map { value.withText($0) }))
    },
    "partition": { try partition("partition", $0, $1, $2, $3, fromRight: false) },
    "rpartition": { try partition("rpartition", $0, $1, $2, $3, fromRight: true) },
  ]

  private static let questions: [String: Method] = [
    "startswith": { _, _, text, arguments in .bool(try anyEnd("startswith", text, arguments)) },
    "endswith": { _, _, text, arguments in .bool(try anyEnd("endswith", text, arguments)) },
    "find": { try place("find", $0, $2, $3, fromRight: false, isRequired: false) },
    "rfind": { try place("rfind", $0, $2, $3, fromRight: true, isRequired: false) },
    "index": { try place("index", $0, $2, $3, fromRight: false, isRequired: true) },
    "rindex": { try place("rindex", $0, $2, $3, fromRight: true, isRequired: true) },
    "count": { interpreter, _, text, arguments in
      let given = try arguments.bound("count", ["sub", "start", "end"], required: 1)
      let window = try JinjaStringMethods.window(interpreter, text, given[1], given[2]).text
      let part = try string("count", given[0])
      return .int(part.isEmpty ? window.unicodeScalars.count + 1 : window.places(of: part).count)
    },
    "isalpha": all { $0.properties.generalCategory.isLetter },
    "isalnum": all { CharacterClass.of($0.value) & (CharacterClass.letter | CharacterClass.number) != 0 },
    "isdigit": all { scalar in
      scalar.properties.numericType == .decimal || scalar.properties.numericType == .digit
    },
    "isdecimal": all { $0.properties.numericType == .decimal },
    "isnumeric": all { $0.properties.numericType != nil },
    "isspace": all(isPythonSpace),
    "isascii": { _, _, text, _ in .bool(text.utf8.allSatisfy { $0 < 128 }) },
    "isprintable": { _, _, text, _ in .bool(text.unicodeScalars.allSatisfy(isPythonPrintable)) },
    "islower": { _, _, text, _ in .bool(hasCase(text, isUpper: false)) },
    "isupper": { _, _, text, _ in .bool(hasCase(text, isUpper: true)) },
    "istitle": { _, _, text, _ in .bool(text.isSame(text.titlecasedPython()) && text.unicodeScalars.contains { $0.properties.isCased }) },
    "isidentifier": { _, _, text, _ in
      let isName = text.unicodeScalars.allSatisfy { $0 == "_" || $0.properties.isXIDContinue }
      return .bool(isName && text.unicodeScalars.first.map { $0 == "_" || $0.properties.isXIDStart } == true)
    },
  ]

  // MARK: Parts

  private static func string(_ method: String, _ value: JinjaValue?) throws -> String {
    guard let text = value?.text else {
      throw TemplateError("\(method) arg must be str, not \(value?.typeName ?? "NoneType")")
    }
    return text
  }

  private static func all(_ holds: @escaping @Sendable (Unicode.Scalar) -> Bool) -> Method {
    { interpreter, _, text, _ in
      try interpreter.spend(text.utf8.count / 64)
      return .bool(!text.isEmpty && text.unicodeScalars.allSatisfy(holds))
    }
  }

  static func hasCase(_ text: String, isUpper: Bool) -> Bool {
    var hasAny = false
    for scalar in text.unicodeScalars {
      let properties = scalar.properties
      let isTitle = properties.generalCategory == .titlecaseLetter
      if isTitle || (isUpper ? properties.isLowercase : properties.isUppercase) { return false }
      if isUpper ? properties.isUppercase : properties.isLowercase { hasAny = true }
    }
    return hasAny
  }

  private static func ends(_ text: String, _ suffix: String) -> Bool { text.utf8.reversed().starts(with: suffix.utf8.reversed()) }

  private static func anyEnd(_ method: String, _ text: String, _ arguments: JinjaArguments) throws -> Bool {
    let given = try arguments.bound(method, ["prefix", "start", "end"], required: 1)
    let window = given[1] == nil && given[2] == nil ? text : try self.window(nil, text, given[1], given[2]).text
    var parts = [given[0] ?? .none]
    if case .tuple(let sequence) = parts[0] { parts = sequence.items }
    for part in parts {
      guard let wanted = part.text else {
        if case .undefined(let undefined) = part { throw TemplateError(undefined.message) }
        throw TemplateError("\(method) first arg must be str or a tuple of str, not \(part.typeName)")
      }
      if method == "startswith" ? window.utf8.starts(with: wanted.utf8) : ends(window, wanted) { return true }
    }
    return false
  }

  private static func stripped(_ name: String, left: Bool, right: Bool) -> Method {
    { interpreter, value, text, arguments in
      let chars = try arguments.bound(name, ["chars"])[0]
      if let chars, !chars.isNone, chars.text == nil {
        if case .undefined(let undefined) = chars { throw TemplateError(undefined.message) }
        throw TemplateError("\(name) arg must be None or str")
      }
      return value.withText(try interpreter.spend(text: text).strippedPython(left: left, right: right, chars?.text))
    }
  }

  /// Where the text goes in a wider field.
  enum Side { case left, right, center }

  static func padded(_ interpreter: JinjaInterpreter, _ text: String, _ width: Int, _ fill: String, _ side: Side) throws -> String {
    let count = text.unicodeScalars.count
    guard width > count else { return text }
    if width > JinjaInterpreter.textLimit { throw TemplateError("a field \(width) wide is too wide") }
    try interpreter.spend(width / 64)
    let total = width - count
    // Python puts the odd blank on the left where the width is odd.
    let left = side == .left ? 0 : side == .right ? total : total / 2 + (total & width & 1)
    return String(repeating: fill, count: left) + text + String(repeating: fill, count: total - left)
  }

  private static func pad(
    _ name: String, _ interpreter: JinjaInterpreter, _ value: JinjaValue, _ text: String, _ arguments: JinjaArguments, _ side: Side
  ) throws -> JinjaValue {
    let given = try arguments.bound(name, ["width", "fillchar"], required: 1)
    let fill = try given[1].map { try string(name, $0) } ?? " "
    guard fill.unicodeScalars.count == 1 else { throw TemplateError("The fill character must be exactly one character long") }
    let width = try JinjaFilters.argumentInteger(name, given[0]) ?? 0
    return value.withText(try padded(interpreter, text, width, fill, side))
  }

  static func replaced(
    _ interpreter: JinjaInterpreter, _ text: String, _ old: String, _ new: String, _ count: Int
  ) throws -> String {
    let places = old.isEmpty ? text.unicodeScalars.count + 1 : text.places(of: old).count
    let (added, overflow) = new.utf8.count.multipliedReportingOverflow(by: places)
    if overflow || added > JinjaInterpreter.textLimit { throw TemplateError("a text of \(added) bytes is too long") }
    try interpreter.spend((text.utf8.count + added) / 64)
    return text.replacedPython(old, new, limit: count)
  }

  private static func expanded(_ text: String, _ size: Int) -> String {
    var output = ""
    var column = 0
    for scalar in text.unicodeScalars {
      if scalar == "\t" {
        let blanks = size == 0 ? 0 : size - column % size
        output += String(repeating: " ", count: blanks)
        column += blanks
      } else {
        output.unicodeScalars.append(scalar)
        column = scalar == "\n" || scalar == "\r" ? 0 : column + 1
      }
    }
    return output
  }

  private static func split(
    _ name: String, _ interpreter: JinjaInterpreter, _ value: JinjaValue, _ text: String, _ arguments: JinjaArguments, fromRight: Bool
  ) throws -> JinjaValue {
    let given = try arguments.bound(name, ["sep", "maxsplit"])
    let limit = try JinjaFilters.argumentInteger(name, given[1]) ?? -1
    try interpreter.spend(1 + text.utf8.count / 4)
    guard let separator = given[0], !separator.isNone else {
      return .list(try JinjaSequence(text.splitAtBlanks(limit: limit, fromRight: fromRight).map { value.withText($0) }))
    }
    if case .undefined(let undefined) = separator { throw TemplateError(undefined.message) }
    guard let cut = separator.text else { throw TemplateError("must be str or None, not \(separator.typeName)") }
    if cut.isEmpty { throw TemplateError("empty separator") }
    return .list(try JinjaSequence(text.splitPython(cut, limit: limit, fromRight: fromRight).map { value.withText($0) }))
  }

  private static func partition(
    _ name: String, _ interpreter: JinjaInterpreter, _ value: JinjaValue, _ text: String, _ arguments: JinjaArguments, fromRight: Bool
  ) throws -> JinjaValue {
    let separator = try string(name, try arguments.bound(name, ["sep"], required: 1)[0])
    if separator.isEmpty { throw TemplateError("empty separator") }
    try interpreter.spend(text.utf8.count / 64)
    let parts = text.splitPython(separator, limit: 1, fromRight: fromRight)
    let three = parts.count == 2 ? [parts[0], separator, parts[1]] : fromRight ? ["", "", text] : [text, "", ""]
    return .tuple(try JinjaSequence(three.map { value.withText($0) }))
  }

  /// A part of a text by code points, and how many stand before it.
  private static func window(
    _ interpreter: JinjaInterpreter?, _ text: String, _ start: JinjaValue?, _ end: JinjaValue?
  ) throws -> (text: String, offset: Int) {
    try interpreter?.spend(text.utf8.count / 64)
    let scalars = Array(text.unicodeScalars)
    let place = { (value: JinjaValue?, fallback: Int) in
      guard let index = try JinjaFilters.argumentInteger("slice", value) else { return fallback }
      return min(max(index < 0 ? index + scalars.count : index, 0), scalars.count)
    }
    let from = try place(start, 0)
    let to = try place(end, scalars.count)
    var view = String.UnicodeScalarView()
    if from < to { view.append(contentsOf: scalars[from..<to]) }
    return (String(view), from)
  }

  private static func place(
    _ name: String, _ interpreter: JinjaInterpreter, _ text: String, _ arguments: JinjaArguments, fromRight: Bool, isRequired: Bool
  ) throws -> JinjaValue {
    let given = try arguments.bound(name, ["sub", "start", "end"], required: 1)
    let part = try string(name, given[0])
    let (window, offset) = try self.window(interpreter, text, given[1], given[2])
    if part.isEmpty { return .int(offset + (fromRight ? window.unicodeScalars.count : 0)) }
    let places = fromRight ? window.splitPython(part, limit: 1, fromRight: true) : window.splitPython(part, limit: 1)
    if places.count == 2 { return .int(offset + places[0].unicodeScalars.count) }
    if isRequired { throw TemplateError("substring not found") }
    return .int(-1)
  }
}

extension Unicode.GeneralCategory {
  var isLetter: Bool {
    switch self {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: return true
    default: return false
    }
  }
}
