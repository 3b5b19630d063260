// `str`, `repr` and JSON of values, as Python writes them.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// `left ** right` of floats.
func pythonPower(_ left: Double, _ right: Double) -> Double { pow(left, right) }

extension JinjaInterpreter {
  /// What printing a value writes.
  func string(_ value: JinjaValue) throws -> String {
    switch value {
    case .string(let text), .markup(let text): return text
    case .undefined: return ""
    default: return try repr(value)
    }
  }

  /// `repr` of a value.
  func repr(_ value: JinjaValue) throws -> String {
    var text = ""
    try appendRepr(value, to: &text, depth: 0)
    return text
  }

  private func appendRepr(_ value: JinjaValue, to text: inout String, depth: Int) throws {
    try spend()
    if text.utf8.count > Self.textLimit { throw TemplateError("a text of \(text.utf8.count) bytes is too long") }
    if depth > 2 * JinjaSequence.maximumDepth { throw TemplateError("a value holds itself") }
    switch value {
    case .undefined: text += "Undefined"
    case .none: text += "None"
    case .bool(let flag): text += flag ? "True" : "False"
    case .int(let number): text += String(number)
    case .double(let number): text += pythonRepr(number)
    case .string(let content): text += try spend(text: pythonRepr(content))
    case .markup(let content): text += "Markup(" + (try spend(text: pythonRepr(content))) + ")"
    case .list(let sequence): try appendItems(sequence.items, "[", "]", to: &text, depth)
    case .tuple(let sequence): try appendItems(sequence.items, "(", sequence.items.count == 1 ? ",)" : ")", to: &text, depth)
    case .dictionary(let dictionary): try appendEntries(dictionary.entries, to: &text, depth)
    case .range(let range):
      text += "range(\(range.start), \(range.stop)" + (range.step == 1 ? ")" : ", \(range.step))")
    case .view(let view):
      text += view.name + "("
      try appendItems(view.items, "[", "]", to: &text, depth)
      text += ")"
    case .namespace(let namespace):
      text += "<Namespace "
      let entries = zip(namespace.names, namespace.values).map { (key: JinjaValue.string($0), value: $1) }
      try appendEntries(entries, to: &text, depth)
      text += ">"
    case .macro(let macro): text += "<Macro \(pythonRepr(macro.body.name))>"
    case .loop(let loop):
      text += "<LoopContext \(loop.index0 + 1)/\(try loop.attribute("length", self)?.integer ?? 0)>"
    case .iterator(let iterator): text += "<\(iterator.name) object>"
    case .function(let function): text += "<built-in function \(function.name)>"
    case .cycler: text += "<\(value.typeName) object>"
    }
  }

  private func appendItems(_ items: [JinjaValue], _ open: String, _ close: String, to text: inout String, _ depth: Int) throws {
    text += open
    for (index, item) in items.enumerated() {
      if index > 0 { text += ", " }
      try appendRepr(item, to: &text, depth: depth + 1)
    }
    text += close
  }

  private func appendEntries(_ entries: [(key: JinjaValue, value: JinjaValue)], to text: inout String, _ depth: Int) throws {
    text += "{"
    for (index, entry) in entries.enumerated() {
      if index > 0 { text += ", " }
      try appendRepr(entry.key, to: &text, depth: depth + 1)
      text += ": "
      try appendRepr(entry.value, to: &text, depth: depth + 1)
    }
    text += "}"
  }
}

/// `tojson` with its options: `json.dumps` of Python, with nothing escaped for HTML.
struct JinjaJSONWriter {
  let interpreter: JinjaInterpreter
  var escapesNonASCII = false
  var indent: String?
  var itemSeparator: String
  var keySeparator: String
  var sortsKeys = false
  private(set) var text = ""

  init(
    _ interpreter: JinjaInterpreter, escapesNonASCII: Bool, indent: String?, itemSeparator: String?, keySeparator: String?,
    sortsKeys: Bool
  ) {
    self.interpreter = interpreter
    self.escapesNonASCII = escapesNonASCII
    self.indent = indent
    self.itemSeparator = itemSeparator ?? (indent == nil ? ", " : ",")
    self.keySeparator = keySeparator ?? ": "
    self.sortsKeys = sortsKeys
  }

  mutating func append(_ value: JinjaValue, depth: Int = 0) throws {
    try interpreter.spend()
    if text.utf8.count > JinjaInterpreter.textLimit { throw TemplateError("a text of \(text.utf8.count) bytes is too long") }
    switch value {
    case .none: text += "null"
    case .bool(let flag): text += flag ? "true" : "false"
    case .int(let number): text += String(number)
    case .double(let number): text += Self.number(number)
    case .string(let content), .markup(let content): try append(quoted: content)
    case .list(let sequence), .tuple(let sequence):
      try append("[", "]", sequence.items, depth) { writer, item in try writer.append(item, depth: depth + 1) }
    case .dictionary(let dictionary): try append(dictionary, depth)
    default: throw TemplateError("Object of type \(value.typeName) is not JSON serializable")
    }
  }

  private static func number(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
    return pythonRepr(value)
  }

  private mutating func append(_ dictionary: JinjaDictionary, _ depth: Int) throws {
    var entries = dictionary.entries
    if sortsKeys { entries = try interpreter.sorted(entries) { $0.key } }
    let keyed = try entries.map { (try key($0.key), $0.value) }
    try append("{", "}", keyed, depth) { writer, entry in
      try writer.append(quoted: entry.0)
      writer.text += writer.keySeparator
      try writer.append(entry.1, depth: depth + 1)
    }
  }

  private func key(_ value: JinjaValue) throws -> String {
    switch value {
    case .string(let text), .markup(let text): return text
    case .none: return "null"
    case .bool(let flag): return flag ? "true" : "false"
    case .int(let number): return String(number)
    case .double(let number): return Self.number(number)
    default: throw TemplateError("keys must be str, int, float, bool or None, not \(value.typeName)")
    }
  }

  private mutating func append<T>(
    _ open: String, _ close: String, _ items: [T], _ depth: Int, _ body: (inout JinjaJSONWriter, T) throws -> Void
  ) throws {
    text += open
    for (index, item) in items.enumerated() {
      if index > 0 { text += itemSeparator }
      if let indent { text += "\n" + String(repeating: indent, count: depth + 1) }
      try body(&self, item)
    }
    if let indent, !items.isEmpty { text += "\n" + String(repeating: indent, count: depth) }
    text += close
  }

  private mutating func append(quoted content: String) throws {
    try interpreter.spend(1 + content.utf8.count / 64)
    var scalars = String.UnicodeScalarView()
    scalars.append("\"")
    for scalar in content.unicodeScalars {
      switch scalar {
      case "\"": scalars.append(contentsOf: "\\\"".unicodeScalars)
      case "\\": scalars.append(contentsOf: "\\\\".unicodeScalars)
      case "\n": scalars.append(contentsOf: "\\n".unicodeScalars)
      case "\r": scalars.append(contentsOf: "\\r".unicodeScalars)
      case "\t": scalars.append(contentsOf: "\\t".unicodeScalars)
      case "\u{08}": scalars.append(contentsOf: "\\b".unicodeScalars)
      case "\u{0C}": scalars.append(contentsOf: "\\f".unicodeScalars)
      case _ where scalar.value < 0x20 || (escapesNonASCII && scalar.value > 0x7E):
        for unit in String(scalar).utf16 {
          scalars.append(contentsOf: ("\\u" + hexadecimal(UInt32(unit), digits: 4)).unicodeScalars)
        }
      default: scalars.append(scalar)
      }
    }
    scalars.append("\"")
    text += String(scalars)
  }
}
