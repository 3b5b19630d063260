// Ids → text as they come, a whole character at a time. Decoding a list is the same walk, so both agree always.
//
// Byte-level models: one U+FFFD for each maximal part of bytes that is no UTF-8 (Unicode's recommended practice).
// SentencePiece: one for each such byte of a run of byte pieces, and the blank that encoding put in front is dropped.

/// Decodes ids one by one; what it gives out never ends in half a UTF-8 character.
public struct StreamDecoder: Sendable {
  private let tokenizer: Tokenizer
  private let skipSpecial: Bool
  private let isSentencePiece: Bool
  private var dropsBlank: Bool
  private let dropsAllBlanks: Bool
  private var pending: [UInt8] = []

  /// Makes a decoder.
  ///
  /// - Parameters:
  ///   - skipSpecial: Whether control tokens are left out.
  ///   - continuesText: Whether text stands before the first id, so that its leading blank is kept.
  public init(_ tokenizer: Tokenizer, skipSpecial: Bool = true, continuesText: Bool = false) {
    self.tokenizer = tokenizer
    self.skipSpecial = skipSpecial
    isSentencePiece = tokenizer.contents.isSentencePiece
    dropsBlank = tokenizer.contents.dropsFirstBlank && !continuesText
    dropsAllBlanks = tokenizer.contents.dropsAllBlanks
  }

  /// Takes one id and gives the text that is now complete.
  public mutating func append(_ id: Int) -> String {
    var bytes: [UInt8] = []
    append(id, to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Gives what is left: an unfinished character as U+FFFD.
  public mutating func finish() -> String {
    var bytes: [UInt8] = []
    finish(into: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  mutating func append(_ id: Int, to output: inout [UInt8]) {
    guard id >= 0 && id < tokenizer.vocabularySize else { return }
    if skipSpecial && tokenizer.isSpecial(id) { return }
    if isSentencePiece && tokenizer.contents.kinds[id] != .byte {
      drain(isFinal: true, into: &output)
      let before = output.count
      tokenizer.appendBytes(of: id, to: &output)
      dropFirstBlank(before, &output)
      return
    }
    let before = output.count
    tokenizer.appendBytes(of: id, to: &pending)
    drain(isFinal: false, into: &output)
    dropFirstBlank(before, &output)
  }

  mutating func finish(into output: inout [UInt8]) { drain(isFinal: true, into: &output) }

  private mutating func dropFirstBlank(_ start: Int, _ output: inout [UInt8]) {
    guard dropsBlank, output.count > start else { return }
    if output[start] == 0x20 { output.remove(at: start) }
    if dropsAllBlanks && output.count == start { return }
    dropsBlank = false
  }

  /// Moves whole characters, and U+FFFD for what can never become one, from `pending` to `output`.
  private mutating func drain(isFinal: Bool, into output: inout [UInt8]) {
    var index = 0
    while index < pending.count {
      let (length, isWhole) = Self.sequence(pending, index)
      if isWhole {
        output.append(contentsOf: pending[index..<(index + length)])
        index += length
      } else if !isFinal && index + length == pending.count && Self.isUnfinished(pending, index) {
        break
      } else {
        output.append(contentsOf: [0xEF, 0xBF, 0xBD])
        index += isSentencePiece ? 1 : length
      }
    }
    pending.removeFirst(index)
  }

  /// The length of the character at `index`, or of the longest part that could begin one (at least 1).
  private static func sequence(_ bytes: [UInt8], _ index: Int) -> (length: Int, isWhole: Bool) {
    let first = bytes[index]
    if first < 0x80 { return (1, true) }
    let wanted = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0
    if wanted == 0 { return (1, false) }
    var length = 1
    while length < wanted, index + length < bytes.count, continues(first, length, bytes[index + length]) { length += 1 }
    return (length, length == wanted)
  }

  /// Whether `byte` may stand at place `place` of a character that begins with `first`.
  private static func continues(_ first: UInt8, _ place: Int, _ byte: UInt8) -> Bool {
    guard place == 1 else { return byte & 0xC0 == 0x80 }
    switch first {
    case 0xE0: return byte >= 0xA0 && byte <= 0xBF
    case 0xED: return byte >= 0x80 && byte <= 0x9F
    case 0xF0: return byte >= 0x90 && byte <= 0xBF
    case 0xF4: return byte >= 0x80 && byte <= 0x8F
    default: return byte & 0xC0 == 0x80
    }
  }

  /// Whether more bytes could make the rest a character.
  private static func isUnfinished(_ bytes: [UInt8], _ index: Int) -> Bool {
    bytes[index] >= 0xC2 && bytes[index] < 0xF5
  }
}
