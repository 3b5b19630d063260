// Numbers: 1_000, 0xff, 0b1010, 0o17, 2.5e-7.

extension Lexer {
  mutating func number() -> TokenKind {
    let start = offset
    if peek() == UInt8(ascii: "0"), let radix = [120: 16, 98: 2, 111: 8][Int(peek(1) | 32)] {
      offset += 2
      return integer(from: start, digitsFrom: offset, radix: UInt64(radix))
    }
    skipDigits()
    var isFloat = false
    if peek() == UInt8(ascii: "."), isDigit(peek(1)) {
      isFloat = true
      offset += 1
      skipDigits()
    }
    if peek() | 32 == UInt8(ascii: "e") {
      let signed = peek(1) == UInt8(ascii: "-") || peek(1) == UInt8(ascii: "+")
      if isDigit(peek(signed ? 2 : 1)) {
        isFloat = true
        offset += signed ? 2 : 1
        skipDigits()
      }
    }
    guard isFloat else {
      let end = offset
      offset = start
      let token = integer(from: start, digitsFrom: start, radix: 10)
      if offset < end { offset = end }
      return token
    }
    let text = String(decoding: bytes[start..<offset].filter { $0 != UInt8(ascii: "_") }, as: UTF8.self)
    rejectTail(from: start)
    return .float(Double(text) ?? 0)
  }

  private func isDigit(_ byte: UInt8) -> Bool { byte >= 48 && byte <= 57 }

  private mutating func skipDigits() {
    while isDigit(peek()) || (peek() == UInt8(ascii: "_") && isDigit(peek(1))) { offset += 1 }
  }

  private mutating func integer(from start: Int, digitsFrom first: Int, radix: UInt64) -> TokenKind {
    var value: UInt64 = 0
    var overflow = false
    var count = 0
    while offset < limit {
      let byte = bytes[offset]
      if byte == UInt8(ascii: "_"), count > 0, digit(peek(1), radix) != nil {
        offset += 1
        continue
      }
      guard let digit = digit(byte, radix) else { break }
      let (product, high) = value.multipliedReportingOverflow(by: radix)
      let (sum, carry) = product.addingReportingOverflow(digit)
      if high || carry { overflow = true }
      value = sum
      count += 1
      offset += 1
    }
    if count == 0 { fail("digits are missing after \(String(decoding: bytes[start..<first], as: UTF8.self))", from: start) }
    if overflow {
      fail("this number does not fit into 64 bits", from: start, hint: "ints end at 9223372036854775807; write a float such as 1e19")
      value = 0
    }
    rejectTail(from: start)
    return .integer(value)
  }

  private func digit(_ byte: UInt8, _ radix: UInt64) -> UInt64? {
    let value: UInt64
    switch byte {
    case 48...57: value = UInt64(byte - 48)
    case 97...102: value = UInt64(byte - 87)
    case 65...70: value = UInt64(byte - 55)
    default: return nil
    }
    return value < radix ? value : nil
  }

  /// Letters directly after a number are an error: neither a unit nor a name.
  private mutating func rejectTail(from start: Int) {
    let tail = offset
    while offset < limit, peek() == UInt8(ascii: "_") || isDigit(peek()) || (peek() | 32 >= 97 && peek() | 32 <= 122) { offset += 1 }
    if offset > tail {
      let text = String(decoding: bytes[start..<offset], as: UTF8.self)
      fail("'\(text)' is neither a number nor a name", from: start, hint: "a name cannot begin with a digit; * multiplies")
    }
  }
}
