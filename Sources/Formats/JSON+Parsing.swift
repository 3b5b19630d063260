// Reading JSON (RFC 8259): one pass over the bytes, line and column in every message, a depth limit instead of a
// stack overflow.

import OrderedCollections

extension JSON {
  /// How deeply arrays and objects may nest.
  public static let depthLimit = 512

  /// Reads a text that is one JSON value.
  ///
  /// - Throws: `FormatError` with line and column.
  public static func parse(_ text: String) throws -> JSON {
    var text = text
    return try text.withUTF8 { try parse(UnsafeRawBufferPointer($0)) }
  }

  /// Reads bytes that are one JSON value.
  public static func parse(_ bytes: [UInt8], source: String? = nil) throws -> JSON {
    try bytes.withUnsafeBytes { try parse($0, source: source) }
  }

  /// Reads bytes that are one JSON value.
  ///
  /// - Parameters:
  ///   - source: The file's name, for messages.
  ///   - firstLine: The number of the first line, for messages.
  ///   - allowingNonFinite: Whether `NaN`, `Infinity` and `-Infinity`, which Python writes, are numbers.
  /// - Throws: `FormatError` with line and column.
  public static func parse(
    _ bytes: UnsafeRawBufferPointer, source: String? = nil, firstLine: Int = 1, allowingNonFinite: Bool = false
  ) throws -> JSON {
    var parser = JSONParser(bytes, source: source, firstLine: firstLine, allowingNonFinite: allowingNonFinite)
    let value = try parser.value(depth: 0)
    parser.skipBlanks()
    guard parser.position == bytes.count else { throw parser.error("more text after the end of the value") }
    return value
  }

  /// The members of one object inside a JSON text, in order and with keys told apart by their bytes.
  ///
  /// `OrderedDictionary<String, _>` takes "é" and "e\u{301}" for one key, as Swift compares strings; a vocabulary must not.
  ///
  /// - Parameter path: The keys that lead to the object, outermost first.
  /// - Returns: nil if there is no such member, or it is no object.
  public static func entries(of path: [String], in bytes: UnsafeRawBufferPointer, source: String? = nil) throws -> [(
    key: String, value: JSON
  )]? {
    var parser = JSONParser(bytes, source: source, firstLine: 1, allowingNonFinite: true)
    return try parser.entries(of: path[...], depth: 0)
  }
}

struct JSONParser {
  private let bytes: UnsafeRawBufferPointer
  private let source: String?
  private let firstLine: Int
  private let allowingNonFinite: Bool
  private(set) var position = 0

  init(_ bytes: UnsafeRawBufferPointer, source: String?, firstLine: Int, allowingNonFinite: Bool) {
    self.bytes = bytes
    self.source = source
    self.firstLine = firstLine
    self.allowingNonFinite = allowingNonFinite
    if bytes.count >= 3, bytes[0] == 0xEF, bytes[1] == 0xBB, bytes[2] == 0xBF { position = 3 }
  }

  func error(_ what: String, at place: Int? = nil) -> FormatError {
    let place = min(place ?? position, bytes.count)
    var line = firstLine
    var start = 0
    for index in 0..<place where bytes[index] == 0x0A {
      line += 1
      start = index + 1
    }
    let column = String(decoding: bytes[start..<place], as: UTF8.self).unicodeScalars.count + 1
    return FormatError("JSON: \(what) at \(source.map { "\($0):" } ?? "line ")\(line)\(source == nil ? ", column " : ":")\(column)")
  }

  private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

  mutating func skipBlanks() {
    while position < bytes.count {
      switch bytes[position] {
      case 0x20, 0x0A, 0x0D, 0x09: position += 1
      default: return
      }
    }
  }

  mutating func value(depth: Int) throws -> JSON {
    skipBlanks()
    guard let byte = current else {
      throw error(bytes.isEmpty ? "nothing to read: the text is empty" : "the text ends where a value belongs")
    }
    switch byte {
    case UInt8(ascii: "{"):
      var members: OrderedDictionary<String, JSON> = [:]
      try object(depth: depth) { parser, key in members[key] = try parser.value(depth: depth + 1) }
      return .object(members)
    case UInt8(ascii: "["): return try array(depth: depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case UInt8(ascii: "N"): return try nonFinite("NaN", .nan)
    case UInt8(ascii: "I"): return try nonFinite("Infinity", .infinity)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
    default: throw error("unexpected \(shown(byte)) where a value belongs")
    }
  }

  private func shown(_ byte: UInt8) -> String {
    byte >= 0x21 && byte < 0x7F ? "'\(Character(UnicodeScalar(byte)))'" : "byte 0x" + String(byte, radix: 16)
  }

  private mutating func word(_ text: String, _ value: JSON) throws -> JSON {
    for byte in text.utf8 {
      guard current == byte else { throw error("unexpected text where \(text) seemed to begin") }
      position += 1
    }
    return value
  }

  private mutating func nonFinite(_ text: String, _ value: Double) throws -> JSON {
    guard allowingNonFinite else { throw error("\(text) is no JSON number; write null") }
    return try word(text, .double(value))
  }

  private mutating func array(depth: Int) throws -> JSON {
    guard depth < JSON.depthLimit else { throw error("nested deeper than \(JSON.depthLimit) levels") }
    position += 1
    var elements: [JSON] = []
    skipBlanks()
    if current == UInt8(ascii: "]") {
      position += 1
      return .array(elements)
    }
    while true {
      elements.append(try value(depth: depth + 1))
      skipBlanks()
      if current == UInt8(ascii: "]") { break }
      guard current == UInt8(ascii: ",") else { throw error("expected ',' or ']' in an array\(found())") }
      position += 1
    }
    position += 1
    return .array(elements)
  }

  private mutating func object(depth: Int, _ member: (inout JSONParser, String) throws -> Void) throws {
    guard depth < JSON.depthLimit else { throw error("nested deeper than \(JSON.depthLimit) levels") }
    position += 1
    skipBlanks()
    if current == UInt8(ascii: "}") {
      position += 1
      return
    }
    while true {
      skipBlanks()
      guard current == UInt8(ascii: "\"") else { throw error("expected a key in double quotes\(found())") }
      let key = try string()
      skipBlanks()
      guard current == UInt8(ascii: ":") else { throw error("expected ':' after the key\(found())") }
      position += 1
      try member(&self, key)
      skipBlanks()
      if current == UInt8(ascii: "}") { break }
      guard current == UInt8(ascii: ",") else { throw error("expected ',' or '}' in an object\(found())") }
      position += 1
    }
    position += 1
  }

  private func found() -> String { current.map { ", found \(shown($0))," } ?? ", found the end of the text," }

  mutating func entries(of path: ArraySlice<String>, depth: Int) throws -> [(key: String, value: JSON)]? {
    skipBlanks()
    guard current == UInt8(ascii: "{") else { return nil }
    var result: [(key: String, value: JSON)]?
    if let wanted = path.first {
      try object(depth: depth) { parser, key in
        parser.skipBlanks()
        if key == wanted, parser.current == UInt8(ascii: "{") {
          result = try parser.entries(of: path.dropFirst(), depth: depth + 1)
        } else {
          _ = try parser.value(depth: depth + 1)
        }
      }
    } else {
      var members: [(key: String, value: JSON)] = []
      try object(depth: depth) { parser, key in members.append((key, try parser.value(depth: depth + 1))) }
      result = members
    }
    return result
  }
}

extension JSONParser {
  private mutating func number() throws -> JSON {
    let start = position
    if current == UInt8(ascii: "-") { position += 1 }
    if current == UInt8(ascii: "I") {
      guard case .double = try nonFinite("Infinity", -.infinity) else { return .null }
      return .double(-.infinity)
    }
    if current == UInt8(ascii: "0") {
      position += 1
      if let next = current, isDigit(next) { throw error("a number must not begin with 0", at: start) }
    } else {
      try digits(from: start)
    }
    var isWhole = true
    if current == UInt8(ascii: ".") {
      isWhole = false
      position += 1
      try digits(from: start)
    }
    if let byte = current, byte | 0x20 == UInt8(ascii: "e") {
      isWhole = false
      position += 1
      if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { position += 1 }
      try digits(from: start)
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if isWhole, let value = Int64(text) { return .int(value) }
    guard let value = Double(text), value.isFinite else { throw error("the number \(text.prefix(40)) is too large", at: start) }
    return .double(value)
  }

  private func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }

  private mutating func digits(from start: Int) throws {
    let first = position
    while let byte = current, isDigit(byte) { position += 1 }
    guard position > first else { throw error("a digit is missing in a number") }
  }

  /// A string; the opening quote is the current byte.
  ///
  /// Escapes are rare, so runs between them are copied whole.
  private mutating func string() throws -> String {
    let start = position
    position += 1
    var run = position
    var decoded: [UInt8]?
    while let byte = current {
      if byte == UInt8(ascii: "\"") {
        let tail = bytes[run..<position]
        position += 1
        if var all = decoded {
          all.append(contentsOf: tail)
          return try text(all, start)
        }
        return try text(tail, start)
      }
      guard byte >= 0x20 else {
        throw error(byte == 0x0A ? "a line ends inside a string" : "\(shown(byte)) inside a string must be escaped")
      }
      if byte == UInt8(ascii: "\\") {
        decoded = (decoded ?? []) + bytes[run..<position]
        decoded?.append(contentsOf: try escape())
        run = position
      } else {
        position += 1
      }
    }
    throw error("the string that begins here has no end", at: start)
  }

  private func text(_ bytes: some Collection<UInt8>, _ start: Int) throws -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else { throw error("the string that begins here is not UTF-8", at: start) }
    return text
  }

  private mutating func escape() throws -> [UInt8] {
    position += 1
    guard let byte = current else { throw error("the text ends inside a string") }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
    case UInt8(ascii: "n"): return [0x0A]
    case UInt8(ascii: "t"): return [0x09]
    case UInt8(ascii: "r"): return [0x0D]
    case UInt8(ascii: "b"): return [0x08]
    case UInt8(ascii: "f"): return [0x0C]
    case UInt8(ascii: "u"):
      var scalar = try hex()
      if scalar & 0xFC00 == 0xD800, position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
        bytes[position + 1] == UInt8(ascii: "u")
      {
        let mark = position
        position += 2
        let low = try hex()
        if low & 0xFC00 == 0xDC00 {
          scalar = 0x10000 + (scalar - 0xD800) << 10 + (low - 0xDC00)
        } else {
          position = mark
        }
      }
      // A surrogate without its partner is no character; U+FFFD stands for it, as in every decoder of broken text.
      return Array(String(UnicodeScalar(scalar) ?? "\u{FFFD}").utf8)
    default: throw error("'\\\(UnicodeScalar(byte))' is no JSON escape", at: position - 2)
    }
  }

  private mutating func hex() throws -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = current, let digit = Character(UnicodeScalar(byte)).hexDigitValue, byte < 0x80 else {
        throw error("four hexadecimal digits belong after \\u")
      }
      value = value << 4 | UInt32(digit)
      position += 1
    }
    return value
  }
}
