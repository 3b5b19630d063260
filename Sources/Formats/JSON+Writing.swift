// Writing JSON: shortest numbers that read back the same, NaN and infinities as null, escapes only where JSON demands them.

extension JSON {
  /// The value as JSON text.
  ///
  /// - Parameters:
  ///   - pretty: One member per line, indented by two blanks.
  ///   - ascii: Write everything beyond ASCII as `\uXXXX`.
  public func serialized(pretty: Bool = false, ascii: Bool = false) -> String {
    var writer = JSONWriter(pretty: pretty, ascii: ascii)
    writer.write(self, indent: 0)
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  /// Reads the file at `path`.
  ///
  /// - Throws: `FormatError` with file, line and column.
  public static func read(path: String, allowingNonFinite: Bool = true) throws -> JSON {
    try FileContents.read(path).withUnsafeBytes { try parse($0, source: path, allowingNonFinite: allowingNonFinite) }
  }
}

private struct JSONWriter {
  let pretty: Bool
  let ascii: Bool
  var bytes: [UInt8] = []

  mutating func write(_ value: JSON, indent: Int) {
    switch value {
    case .null: text("null")
    case .bool(let value): text(value ? "true" : "false")
    case .int(let value): text(String(value))
    case .double(let value): text(value.isFinite ? value.description : "null")
    case .string(let value): string(value)
    case .array(let elements):
      list(open: "[", close: "]", elements, indent) { writer, element in writer.write(element, indent: indent + 1) }
    case .object(let members):
      list(open: "{", close: "}", members.elements, indent) { writer, member in
        writer.string(member.key)
        writer.text(writer.pretty ? ": " : ":")
        writer.write(member.value, indent: indent + 1)
      }
    }
  }

  private mutating func list<Elements: Collection>(
    open: String, close: String, _ elements: Elements, _ indent: Int, _ each: (inout JSONWriter, Elements.Element) -> Void
  ) {
    text(open)
    var first = true
    for element in elements {
      if !first { text(",") }
      first = false
      newline(indent + 1)
      each(&self, element)
    }
    if !first { newline(indent) }
    text(close)
  }

  private mutating func newline(_ indent: Int) {
    guard pretty else { return }
    bytes.append(UInt8(ascii: "\n"))
    bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: 2 * indent))
  }

  private mutating func text(_ text: String) { bytes.append(contentsOf: text.utf8) }

  private mutating func string(_ value: String) {
    bytes.append(UInt8(ascii: "\""))
    if ascii {
      for unit in value.utf16 {
        if unit < 0x80 { character(UInt8(unit)) } else { escape(unit) }
      }
    } else {
      for byte in value.utf8 { character(byte) }
    }
    bytes.append(UInt8(ascii: "\""))
  }

  private mutating func character(_ byte: UInt8) {
    switch byte {
    case UInt8(ascii: "\""): text("\\\"")
    case UInt8(ascii: "\\"): text("\\\\")
    case 0x0A: text("\\n")
    case 0x0D: text("\\r")
    case 0x09: text("\\t")
    case 0x08: text("\\b")
    case 0x0C: text("\\f")
    case 0..<0x20, 0x7F: escape(UInt16(byte))
    default: bytes.append(byte)
    }
  }

  private mutating func escape(_ unit: UInt16) {
    text("\\u")
    for shift in [12, 8, 4, 0] as [UInt16] {
      bytes.append(Array("0123456789abcdef".utf8)[Int((unit >> shift) & 15)])
    }
  }
}
