// Strings: "…" with escapes and interpolation, """…""" as in Swift, r"…" raw.

extension Lexer {
  private static let quote = UInt8(ascii: "\"")
  private static let newline = UInt8(ascii: "\n")
  private static let backslash = UInt8(ascii: "\\")

  /// A string whose first quote is at the offset; the `r` of a raw one lies behind.
  mutating func string(isRaw: Bool) -> TokenKind {
    let start = isRaw ? offset - 1 : offset
    if peek(1) == Lexer.quote, peek(2) == Lexer.quote { return multilineString(from: start, isRaw: isRaw) }
    offset += 1
    var segments: [StringSegment] = []
    var text: [UInt8] = []
    while true {
      if offset >= limit || peek() == Lexer.newline {
        fail("this string is not closed", from: start, hint: "close it with \" on the same line, or use \"\"\" for several lines")
        break
      }
      let byte = bytes[offset]
      if byte == Lexer.quote {
        offset += 1
        break
      }
      if byte == Lexer.backslash, !isRaw {
        escape(into: &text, segments: &segments, onOneLine: true)
      } else {
        text.append(byte)
        offset += 1
      }
    }
    appendText(&text, to: &segments)
    return .string(segments)
  }

  private func appendText(_ text: inout [UInt8], to segments: inout [StringSegment]) {
    if !text.isEmpty { segments.append(.text(String(decoding: text, as: UTF8.self))) }
    text = []
  }

  /// Reads what begins with a backslash: an escape into `text`, or an interpolation into `segments`.
  mutating func escape(into text: inout [UInt8], segments: inout [StringSegment], onOneLine: Bool) {
    let start = offset
    let byte = peek(1)
    let plain: [UInt8: UInt8] = [
      UInt8(ascii: "n"): 10, UInt8(ascii: "t"): 9, UInt8(ascii: "r"): 13, UInt8(ascii: "0"): 0, Lexer.backslash: Lexer.backslash,
      Lexer.quote: Lexer.quote,
    ]
    if byte == UInt8(ascii: "(") {
      appendText(&text, to: &segments)
      offset += 2
      interpolation(from: start, into: &segments, onOneLine: onOneLine)
    } else if byte == UInt8(ascii: "u") {
      unicodeEscape(into: &text)
    } else if offset + 1 < limit, let value = plain[byte] {
      text.append(value)
      offset += 2
    } else if offset + 1 >= limit || byte == Lexer.newline {
      offset += 1
      fail("a backslash cannot end the line here", from: start, hint: "write \\\\ for a backslash")
    } else {
      offset += 1
      var length = 1
      while length < 4, byte >= 0x80, peek(length) & 0xC0 == 0x80 { length += 1 }
      offset = min(offset + length, limit)
      let shown = String(decoding: bytes[start..<offset], as: UTF8.self)
      fail(
        "\(shown) is no escape", from: start,
        hint: "there are \\n \\t \\r \\0 \\\\ \\\" \\u{1F600} and \\(value); r\"…\" takes backslashes as they are")
    }
  }

  private mutating func unicodeEscape(into text: inout [UInt8]) {
    let start = offset
    offset += 2
    guard peek() == UInt8(ascii: "{") else {
      fail("\\u needs its number in braces", from: start, hint: "as in \\u{1F600}")
      return
    }
    offset += 1
    let first = offset
    while offset < limit, offset - first <= 8, peek() != UInt8(ascii: "}"), peek() != Lexer.quote, peek() != Lexer.newline { offset += 1 }
    let digits = String(decoding: bytes[first..<offset], as: UTF8.self)
    if peek() == UInt8(ascii: "}") { offset += 1 }
    guard let value = UInt32(digits, radix: 16), !digits.hasPrefix("+"), let scalar = Unicode.Scalar(value) else {
      fail("\\u{\(digits)} is no Unicode character", from: start, hint: "hexadecimal digits up to 10FFFF, as in \\u{1F600}")
      return
    }
    text.append(contentsOf: Array(String(Character(scalar)).utf8))
  }

  private mutating func interpolation(from start: Int, into segments: inout [StringSegment], onOneLine: Bool) {
    guard interpolationDepth < Lexer.maximumInterpolationDepth else {
      fail("strings are nested too deeply", from: start, hint: "give the inner text a name first")
      offset = limit
      return
    }
    interpolationDepth += 1
    let inner = tokens(insideInterpolation: true, onOneLine: onOneLine)
    interpolationDepth -= 1
    if peek() == UInt8(ascii: ")") {
      offset += 1
    } else {
      fail("this \\( in the string is not closed", from: start, hint: "close it with )")
    }
    segments.append(.interpolation(inner))
  }

  /// Skips a 'text' as other languages write it, which becomes a string after the error.
  mutating func singleQuoted() -> TokenKind {
    let start = offset
    offset += 1
    while offset < limit, peek() != UInt8(ascii: "'"), peek() != Lexer.newline { offset += peek() == Lexer.backslash ? 2 : 1 }
    offset = min(offset, limit)
    let text = String(decoding: bytes[start + 1..<max(start + 1, offset)], as: UTF8.self)
    if peek() == UInt8(ascii: "'") { offset += 1 }
    fail("strings stand between double quotes in zs", from: start, hint: "write \(Value.quote(text))")
    return .string([.text(text)])
  }
}
