// The escapes of string literals, as Python's unicode-escape codec reads them.

func isASCIIAlphanumeric(_ byte: UInt8) -> Bool {
  (byte >= 0x30 && byte <= 0x39) || (byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7A)
}

func isHexDigit(_ byte: UInt8) -> Bool {
  (byte >= 0x30 && byte <= 0x39) || (byte | 0x20 >= 0x61 && byte | 0x20 <= 0x66)
}

/// The value of a string literal's inside.
func unescaped(_ source: ArraySlice<UInt8>) throws -> String {
  guard source.contains(0x5C) else { return String(decoding: source, as: UTF8.self) }
  var output: [UInt8] = []
  var index = source.startIndex
  while index < source.endIndex {
    guard source[index] == 0x5C, index + 1 < source.endIndex else {
      output.append(source[index])
      index += 1
      continue
    }
    let kind = source[index + 1]
    index += 2
    if let simple = simpleEscapes[kind] {
      output.append(contentsOf: simple)
    } else if kind == 0x78 || kind == 0x75 || kind == 0x55 {
      let value = try hexEscape(source, &index, digits: kind == 0x78 ? 2 : kind == 0x75 ? 4 : 8)
      output.append(contentsOf: String(value).utf8)
    } else if kind >= 0x30 && kind <= 0x37 {
      var value = UInt32(kind - 0x30)
      var digits = 1
      while digits < 3, index < source.endIndex, source[index] >= 0x30, source[index] <= 0x37 {
        value = value * 8 + UInt32(source[index] - 0x30)
        index += 1
        digits += 1
      }
      output.append(contentsOf: String(Unicode.Scalar(value) ?? "\u{FFFD}").utf8)
    } else if kind == 0x4E {
      throw TemplateError("characters by name (\\N{…}) are not supported")
    } else {
      output.append(0x5C)
      output.append(kind)
    }
  }
  return String(decoding: output, as: UTF8.self)
}

private let simpleEscapes: [UInt8: [UInt8]] = [
  0x0A: [], 0x5C: [0x5C], 0x27: [0x27], 0x22: [0x22], 0x61: [0x07], 0x62: [0x08], 0x66: [0x0C], 0x6E: [0x0A],
  0x72: [0x0D], 0x74: [0x09], 0x76: [0x0B],
]

/// The character of `\xhh`, `\uhhhh` (two of them for a surrogate pair) or `\Uhhhhhhhh`.
private func hexEscape(_ source: ArraySlice<UInt8>, _ index: inout Int, digits: Int) throws -> Unicode.Scalar {
  let value = try hexValue(source, &index, digits)
  if digits == 4, value & 0xFC00 == 0xD800, index + 1 < source.endIndex, source[index] == 0x5C, source[index + 1] == 0x75 {
    var next = index + 2
    let low = try hexValue(source, &next, 4)
    if low & 0xFC00 == 0xDC00, let scalar = Unicode.Scalar(0x10000 + (value & 0x3FF) << 10 + (low & 0x3FF)) {
      index = next
      return scalar
    }
  }
  if value > 0x10FFFF { throw TemplateError("illegal Unicode character") }
  return Unicode.Scalar(value) ?? "\u{FFFD}"
}

private func hexValue(_ source: ArraySlice<UInt8>, _ index: inout Int, _ digits: Int) throws -> UInt32 {
  var value: UInt32 = 0
  for _ in 0..<digits {
    guard index < source.endIndex, isHexDigit(source[index]) else {
      throw TemplateError("truncated \\\(digits == 2 ? "x" : digits == 4 ? "u" : "U") escape")
    }
    let byte = source[index]
    value = value << 4 | UInt32(byte <= 0x39 ? byte - 0x30 : (byte | 0x20) - 0x57)
    index += 1
  }
  return value
}
