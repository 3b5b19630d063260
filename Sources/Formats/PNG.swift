// PNG files of 24-bit colour (W3C PNG specification): each row as its difference to the row above, deflated with the fixed
// Huffman code of RFC 1951 and matches that repeat the last byte, which is what pictures of flat colour need.

/// Writes PNG files.
public enum PNG {
  /// The bytes of a file.
  ///
  /// - Parameter rgb: Red, green and blue of each pixel, row by row from the top. Shape (height, width, 3).
  public static func encode(rgb: [UInt8], width: Int, height: Int) -> [UInt8] {
    precondition(rgb.count == width * height * 3, "\(rgb.count) bytes for \(width) × \(height) pixels")
    var file: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
    // 8 bits a channel, colour, deflate, filters by row, not interlaced.
    chunk("IHDR", bigEndian(UInt32(width)) + bigEndian(UInt32(height)) + [8, 2, 0, 0, 0], &file)
    let raw = filtered(rgb, rowBytes: width * 3)
    // A zlib stream: 32 KB window, no dictionary.
    chunk("IDAT", [0x78, 0x01] + Deflate.compress(raw) + bigEndian(adler32(raw)), &file)
    chunk("IEND", [], &file)
    return file
  }

  /// Rows by the filter "up": what is the same as above becomes zeros.
  private static func filtered(_ rgb: [UInt8], rowBytes: Int) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(rgb.count + rgb.count / max(1, rowBytes))
    for start in stride(from: 0, to: rgb.count, by: max(1, rowBytes)) {
      result.append(2)
      for index in start..<start + rowBytes { result.append(start == 0 ? rgb[index] : rgb[index] &- rgb[index - rowBytes]) }
    }
    return result
  }

  private static func chunk(_ name: String, _ body: [UInt8], _ file: inout [UInt8]) {
    let content = Array(name.utf8) + body
    file += bigEndian(UInt32(body.count)) + content + bigEndian(crc32(content))
  }

  private static func bigEndian(_ value: UInt32) -> [UInt8] {
    [UInt8(value >> 24), UInt8(value >> 16 & 255), UInt8(value >> 8 & 255), UInt8(value & 255)]
  }

  private static let crcTable: [UInt32] = (0..<256).map { index in
    (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? 0xEDB8_8320 ^ (value >> 1) : value >> 1 }
  }

  static func crc32(_ bytes: [UInt8]) -> UInt32 {
    ~bytes.reduce(~UInt32(0)) { crcTable[Int(($0 ^ UInt32($1)) & 255)] ^ ($0 >> 8) }
  }

  private static func adler32(_ bytes: [UInt8]) -> UInt32 {
    var (a, b) = (UInt32(1), UInt32(0))
    for byte in bytes {
      a = (a + UInt32(byte)) % 65521
      b = (b + a) % 65521
    }
    return b << 16 | a
  }
}

/// One block of deflate with the fixed code; its only matches repeat the byte before.
private struct Deflate {
  private var bytes: [UInt8] = []
  private var bits: UInt64 = 0
  private var count: UInt64 = 0

  static func compress(_ input: [UInt8]) -> [UInt8] {
    var stream = Deflate()
    stream.put(1, 1)  // the last block
    stream.put(1, 2)  // of the fixed code
    var index = 0
    while index < input.count {
      stream.literal(Int(input[index]))
      index += 1
      var run = 0
      while run < 258, index + run < input.count, input[index + run] == input[index - 1] { run += 1 }
      if run >= 3 {
        stream.match(run)
        index += run
      }
    }
    stream.literal(256)
    if stream.count > 0 { stream.put(0, 8 - stream.count % 8) }
    return stream.bytes
  }

  /// Bits from the lowest on.
  private mutating func put(_ value: UInt64, _ length: UInt64) {
    bits |= value << count
    count += length
    while count >= 8 {
      bytes.append(UInt8(bits & 255))
      bits >>= 8
      count -= 8
    }
  }

  /// A code word, which goes from the highest bit on.
  private mutating func word(_ value: UInt64, _ length: UInt64) {
    var reversed: UInt64 = 0
    for bit in 0..<length where value & (1 << bit) != 0 { reversed |= 1 << (length - 1 - bit) }
    put(reversed, length)
  }

  /// A symbol of the fixed code (RFC 1951, 3.2.6).
  private mutating func literal(_ symbol: Int) {
    switch symbol {
    case 0...143: word(UInt64(0x30 + symbol), 8)
    case 144...255: word(UInt64(0x190 + symbol - 144), 9)
    case 256...279: word(UInt64(symbol - 256), 7)
    default: word(UInt64(0xC0 + symbol - 280), 8)
    }
  }

  /// The byte before, 3 to 258 times more.
  private mutating func match(_ length: Int) {
    if length == 258 {
      literal(285)
    } else if length <= 10 {
      literal(254 + length)
    } else {
      // Groups of four symbols, each with one extra bit more than the last.
      var extra = 1
      while (length - 3) >> (extra + 3) > 0 { extra += 1 }
      let base = 3 + (4 << extra)
      literal(261 + 4 * extra + (length - base) >> extra)
      put(UInt64((length - base) & ((1 << extra) - 1)), UInt64(extra))
    }
    word(0, 5)  // distance 1
  }
}
