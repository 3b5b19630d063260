// Byte-level byte-pair encoding (GPT-2): every byte is a symbol, so every text can be written.
// Vocabulary files spell bytes as printable characters; `ByteSpelling` is that table.

/// GPT-2's spelling of bytes as printable characters.
enum ByteSpelling {
  /// The scalar that stands for each byte.
  static let scalars: [Unicode.Scalar] = {
    var table: [Unicode.Scalar] = []
    var next: UInt32 = 256
    for byte in UInt8.min...UInt8.max {
      switch byte {
      case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: table.append(Unicode.Scalar(byte))
      default:
        table.append(Unicode.Scalar(next) ?? " ")
        next += 1
      }
    }
    return table
  }()

  private static let bytes: [UInt32: UInt8] = {
    var table: [UInt32: UInt8] = [:]
    for (byte, scalar) in scalars.enumerated() { table[scalar.value] = UInt8(byte) }
    return table
  }()

  /// The bytes that a spelled piece stands for; a piece with a character outside the table stands for itself.
  static func decode(_ piece: String) -> [UInt8] {
    var decoded: [UInt8] = []
    for scalar in piece.unicodeScalars {
      guard let byte = bytes[scalar.value] else { return Array(piece.utf8) }
      decoded.append(byte)
    }
    return decoded
  }

  /// The spelling of bytes.
  static func encode(_ bytes: some Sequence<UInt8>) -> String {
    var text = String.UnicodeScalarView()
    for byte in bytes { text.append(scalars[Int(byte)]) }
    return String(text)
  }
}

/// Byte-level byte-pair encoding of text without special tokens.
struct ByteLevelBPE: Sendable {
  var preTokenizer: PreTokenizer
  /// The id of each byte on its own, −1 where the vocabulary lacks it.
  private let byteIDs: [Int32]
  let merges: MergeTable
  /// Decoded pieces by id, where a word that is a piece is taken whole whatever the merges say.
  private let wholeWords: ByteTable?
  private let unknownID: Int32?
  /// Whether a word that is a piece is taken whole.
  var ignoresMergesOfPieces: Bool { wholeWords != nil }
  /// Composes characters first (NFC).
  let composes: Bool

  /// Makes the encoder.
  ///
  /// - Parameters:
  ///   - pieces: Spelled pieces by id.
  ///   - merges: Pairs of ids in the order of their rank, with what they become.
  init(
    pieces: ByteTable, merges: MergeTable, preTokenizer: PreTokenizer, ignoresMergesOfPieces: Bool = false,
    unknownID: Int? = nil, composes: Bool = false
  ) {
    self.preTokenizer = preTokenizer
    self.merges = merges
    self.unknownID = unknownID.map { Int32(truncatingIfNeeded: $0) }
    self.composes = composes
    byteIDs = (UInt8.min...UInt8.max).map { byte in
      pieces.number(of: ByteSpelling.encode([byte])).map { Int32(truncatingIfNeeded: $0) } ?? -1
    }
    guard ignoresMergesOfPieces else {
      wholeWords = nil
      return
    }
    var words = ByteTable()
    for id in 0..<pieces.count { words.append(ByteSpelling.decode(pieces.text(id))) }
    wholeWords = words
  }

  /// Appends the ids of a text.
  func encode(_ text: UnsafeBufferPointer<UInt8>, scratch: EncoderScratch, into output: inout [Int]) {
    if preTokenizer.addsPrefixSpace, let first = text.first, first != 0x20 {
      let prefixed = [0x20] + Array(text)
      return prefixed.withUnsafeBufferPointer { split($0, scratch, &output) }
    }
    split(text, scratch, &output)
  }

  private func split(_ text: UnsafeBufferPointer<UInt8>, _ scratch: EncoderScratch, _ output: inout [Int]) {
    guard let base = text.baseAddress else { return }
    preTokenizer.forEachWord(in: text) { range in
      append(word: UnsafeBufferPointer(start: base + range.lowerBound, count: range.count), scratch, &output)
    }
  }

  @inline(__always)
  private func append(word: UnsafeBufferPointer<UInt8>, _ scratch: EncoderScratch, _ output: inout [Int]) {
    guard word.count <= WordCache.longestWord, let base = word.baseAddress else {
      return merge(word, scratch, &output)
    }
    let hash = hashBytes(base, word.count)
    if scratch.cache.append(word, hash: hash, to: &output) { return }
    let before = output.count
    merge(word, scratch, &output)
    scratch.cache.remember(word, hash: hash, ids: output[before...])
  }

  private func merge(_ word: UnsafeBufferPointer<UInt8>, _ scratch: EncoderScratch, _ output: inout [Int]) {
    if let id = wholeWords?.number(of: word) {
      output.append(id)
      return
    }
    scratch.merger.symbols.removeAll(keepingCapacity: true)
    for byte in word {
      let id = byteIDs[Int(byte)]
      if id >= 0 { scratch.merger.symbols.append(id) } else if let unknownID { scratch.merger.symbols.append(unknownID) }
    }
    scratch.merger.merge(merges)
    for symbol in scratch.merger.symbols { output.append(Int(symbol)) }
  }
}

/// Working memory of an encoder: one thread at a time.
final class EncoderScratch {
  var merger = PairMerger()
  var cache = WordCache()
  var bytes: [UInt8] = []
}
