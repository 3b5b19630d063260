// Letter, number, white space or other: the classes that pre-tokenizer patterns ask for, by table.

/// Unicode classes of scalars as the patterns' `\p{L}`, `\p{N}` and `\s` see them.
enum CharacterClass {
  static let letter: UInt8 = 1
  static let number: UInt8 = 2
  static let space: UInt8 = 4
  /// `\r` and `\n`, which are white space too.
  static let newline: UInt8 = 8

  /// Past this scalar nothing is a letter, a number or white space.
  private static let limit = 0x33480

  /// Filled at the first scalar beyond ASCII (a few milliseconds).
  private static let table: [UInt8] = (0..<limit).map { value in
    guard let scalar = Unicode.Scalar(UInt32(value)) else { return 0 }
    return classify(scalar)
  }

  private static let ascii: [UInt8] = (0..<128).map { classify(Unicode.Scalar(UInt8($0))) }

  private static func classify(_ scalar: Unicode.Scalar) -> UInt8 {
    if scalar == "\r" || scalar == "\n" { return space | newline }
    if scalar.properties.isWhitespace { return space }
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: return letter
    case .decimalNumber, .letterNumber, .otherNumber: return number
    default: return 0
    }
  }

  /// The class of a scalar value.
  @inline(__always)
  static func of(_ value: UInt32) -> UInt8 {
    if value < 128 { return ascii[Int(value)] }
    return value < UInt32(limit) ? table[Int(value)] : 0
  }
}

/// The scalar that begins at `index` of valid UTF-8, and its length in bytes.
@inline(__always)
func decodeScalar(_ text: UnsafeBufferPointer<UInt8>, _ index: Int) -> (value: UInt32, length: Int) {
  let first = UInt32(text[index])
  if first < 0x80 { return (first, 1) }
  let second = UInt32(text[index &+ 1]) & 0x3F
  if first < 0xE0 { return ((first & 0x1F) << 6 | second, 2) }
  let third = UInt32(text[index &+ 2]) & 0x3F
  if first < 0xF0 { return ((first & 0x0F) << 12 | second << 6 | third, 3) }
  return ((first & 0x07) << 18 | second << 12 | third << 6 | UInt32(text[index &+ 3]) & 0x3F, 4)
}
