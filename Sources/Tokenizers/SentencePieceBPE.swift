// SentencePiece byte-pair encoding: blanks become ▁, characters merge by score or by rank, and what the vocabulary
// lacks is spelled in byte pieces. Pieces of ▁ and letters never cross a blank in the vocabularies met so far; where
// that holds, text is cut there, which changes nothing and lets words be remembered.

/// When a ▁ is put in front of a text.
enum PrefixSpace: Sendable, Equatable {
  case never
  /// Before each piece of text between special tokens (legacy).
  case everySegment
  /// The same, but not before a text that begins with a ▁ already.
  case everySegmentUnlessMarked
  /// Only at the very start, where the text does not begin with a ▁ already.
  case textStart
}

/// SentencePiece byte-pair encoding of text without special tokens.
struct SentencePieceBPE: Sendable {
  static let marker: [UInt8] = [0xE2, 0x96, 0x81]  // ▁

  let prefixSpace: PrefixSpace
  let removesExtraBlanks: Bool
  private let characters: ByteTable
  /// The symbol of each entry of `characters`: a piece id, or a number past the vocabulary for a character that
  /// occurs inside pieces only.
  private let characterSymbols: [Int32]
  private let asciiSymbols: [Int32]
  private let vocabularySize: Int32
  let merges: MergeTable
  let byteIDs: [Int32]?
  private let unknownID: Int
  private let userDefined: AddedTokens
  private let cutsAtMarkers: Bool
  let cutsAtEveryMarker: Bool
  /// Pieces that may be passed through but not used, with the pair they came from.
  private let unused: [Int32: (left: Int32, right: Int32)]

  private static let unknownSymbol = Int32.max

  /// What the encoder is built from.
  struct Options {
    var prefixSpace = PrefixSpace.everySegment
    var removesExtraBlanks = false
    /// Merges never cross the front of a ▁, not even between two of them.
    var cutsAtEveryMarker = false
    var unknownID = 0
    /// Ids of `<0x00>` … `<0xFF>`, nil where unknown characters become the unknown token.
    var byteIDs: [Int]?
    /// Pieces that are found in the normalized text before anything merges.
    var userDefined: [AddedToken] = []
    /// Ids that merges may make.
    var isOrdinary: (Int) -> Bool = { _ in true }
    var isUnused: (Int) -> Bool = { _ in false }
  }

  /// Makes the encoder from scores: the joined pair with the highest score merges first.
  init(pieces: ByteTable, scores: [Float], options: Options) {
    self.init(pieces: pieces, options: options) { symbols in
      Self.mergesByScore(pieces, scores, options, symbols)
    }
  }

  /// Makes the encoder from merges in order of rank.
  init(pieces: ByteTable, merges: MergeTable, options: Options) {
    self.init(pieces: pieces, options: options) { _ in (merges, [:]) }
  }

  private init(
    pieces: ByteTable, options: Options,
    merges build: (CharacterSymbols) -> (MergeTable, [Int32: (left: Int32, right: Int32)])
  ) {
    let symbols = CharacterSymbols(pieces: pieces, isOrdinary: options.isOrdinary)
    prefixSpace = options.prefixSpace
    removesExtraBlanks = options.removesExtraBlanks
    cutsAtEveryMarker = options.cutsAtEveryMarker
    userDefined = AddedTokens(options.userDefined)
    unknownID = options.unknownID
    byteIDs = options.byteIDs?.map { Int32(truncatingIfNeeded: $0) }
    characters = symbols.characters
    characterSymbols = symbols.symbols
    vocabularySize = Int32(truncatingIfNeeded: pieces.count)
    asciiSymbols = (UInt8(0)..<128).map { [symbols] in symbols.symbol(of: [$0][...]) ?? Self.unknownSymbol }
    (merges, unused) = build(symbols)
    cutsAtMarkers = (0..<pieces.count).allSatisfy { !options.isOrdinary($0) || !Self.markerFollowsOther(pieces[$0]) }
  }

  /// Appends the ids of a text between special tokens.
  func encode(_ text: UnsafeBufferPointer<UInt8>, isStart: Bool, scratch: EncoderScratch, into output: inout [Int]) {
    scratch.bytes.removeAll(keepingCapacity: true)
    normalize(text, isStart: isStart, into: &scratch.bytes)
    let bytes = scratch.bytes  // keeps the buffer while the scratch is in use
    bytes.withUnsafeBufferPointer { all in
      var start = 0
      while let found = userDefined.isEmpty ? nil : userDefined.next(in: all, from: start) {
        append(words: UnsafeBufferPointer(rebasing: all[start..<found.range.lowerBound]), scratch, &output)
        output.append(found.id)
        start = found.range.upperBound
      }
      append(words: UnsafeBufferPointer(rebasing: all[start...]), scratch, &output)
    }
  }

  private func append(words: UnsafeBufferPointer<UInt8>, _ scratch: EncoderScratch, _ output: inout [Int]) {
    guard let base = words.baseAddress else { return }
    var start = 0
    while start < words.count {
      let end = cutsAtMarkers || cutsAtEveryMarker ? wordEnd(words, start) : words.count
      append(word: UnsafeBufferPointer(start: base + start, count: end - start), scratch, &output)
      start = end
    }
  }

  /// Blanks to ▁, with the prefix that the model wants.
  private func normalize(_ text: UnsafeBufferPointer<UInt8>, isStart: Bool, into bytes: inout [UInt8]) {
    var text = text[...]
    if removesExtraBlanks { text = text.drop { $0 == 0x20 } }
    guard !text.isEmpty else { return }
    let beginsMarked = text.first == 0x20 || text.starts(with: Self.marker)
    let prefixes: Bool
    switch prefixSpace {
    case .never: prefixes = false
    case .everySegment: prefixes = true
    case .everySegmentUnlessMarked: prefixes = !beginsMarked
    case .textStart: prefixes = isStart && !beginsMarked
    }
    if prefixes { bytes.append(contentsOf: Self.marker) }
    var previousWasBlank = false
    for byte in text {
      if byte == 0x20 {
        if removesExtraBlanks && previousWasBlank { continue }
        bytes.append(contentsOf: Self.marker)
      } else {
        bytes.append(byte)
      }
      previousWasBlank = byte == 0x20
    }
    while removesExtraBlanks && bytes.suffix(3).elementsEqual(Self.marker) { bytes.removeLast(3) }
  }

  /// The end of the word at `start`: the next ▁ that follows anything else.
  private func wordEnd(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
    var end = start
    while end + 2 < text.count && Self.isMarker(text, end) {
      end += 3
      if cutsAtEveryMarker { break }
    }
    while end < text.count {
      if text[end] == 0xE2 && end + 2 < text.count && Self.isMarker(text, end) { return end }
      end += 1
    }
    return end
  }

  @inline(__always)
  private static func isMarker(_ text: UnsafeBufferPointer<UInt8>, _ index: Int) -> Bool {
    text[index] == 0xE2 && text[index + 1] == 0x96 && text[index + 2] == 0x81
  }

  private static func markerFollowsOther(_ piece: ArraySlice<UInt8>) -> Bool {
    var index = piece.startIndex
    while piece[index...].starts(with: marker) { index += 3 }
    while index < piece.endIndex {
      if piece[index...].starts(with: marker) { return true }
      index += 1
    }
    return false
  }

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
    scratch.merger.symbols.removeAll(keepingCapacity: true)
    var index = 0
    while index < word.count {
      if word[index] < 128 {
        scratch.merger.symbols.append(asciiSymbols[Int(word[index])])
        index += 1
        continue
      }
      let length = decodeScalar(word, index).length
      let number = characters.number(of: UnsafeBufferPointer(rebasing: word[index..<(index + length)]))
      scratch.merger.symbols.append(number.map { characterSymbols[$0] } ?? Self.unknownSymbol)
      index += length
    }
    scratch.merger.merge(merges)
    emit(word, scratch, &output)
  }

  /// Writes the merged symbols as ids; characters without a piece become bytes or the unknown token.
  private func emit(_ word: UnsafeBufferPointer<UInt8>, _ scratch: EncoderScratch, _ output: inout [Int]) {
    let symbols = scratch.merger.symbols
    var place = 0  // characters passed
    var index = 0  // bytes passed
    var lastWasUnknown = false
    for (number, symbol) in symbols.enumerated() {
      let nextPlace = number + 1 < symbols.count ? Int(scratch.merger.starts[number + 1]) : Int.max
      let start = index
      while place < nextPlace && index < word.count {
        index += decodeScalar(word, index).length
        place += 1
      }
      let isUnknown = symbol >= vocabularySize
      if !isUnknown {
        appendUsed(symbol, &output)
      } else if let byteIDs {
        for byte in word[start..<index] { output.append(Int(byteIDs[Int(byte)])) }
      } else if !lastWasUnknown {
        output.append(unknownID)
      }
      lastWasUnknown = isUnknown
    }
  }

  private func appendUsed(_ symbol: Int32, _ output: inout [Int]) {
    guard !unused.isEmpty, let parts = unused[symbol] else {
      output.append(Int(symbol))
      return
    }
    appendUsed(parts.left, &output)
    appendUsed(parts.right, &output)
  }
}

/// The symbols that single characters start as.
struct CharacterSymbols {
  private(set) var characters = ByteTable()
  private(set) var symbols: [Int32] = []

  init(pieces: ByteTable, isOrdinary: (Int) -> Bool) {
    var extra = Int32(truncatingIfNeeded: pieces.count)
    for id in 0..<pieces.count where isOrdinary(id) {
      let piece = pieces[id]
      var index = piece.startIndex
      while index < piece.endIndex {
        let length = Self.length(piece[index])
        let end = min(index + length, piece.endIndex)
        let character = piece[index..<end]
        index = end
        guard symbol(of: character) == nil else { continue }
        characters.append(character)
        let whole = pieces.number(ofSlice: character).flatMap { isOrdinary($0) ? $0 : nil }
        symbols.append(whole.map { Int32(truncatingIfNeeded: $0) } ?? extra)
        if whole == nil { extra += 1 }
      }
    }
  }

  static func length(_ first: UInt8) -> Int { first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4 }

  func symbol(of character: ArraySlice<UInt8>) -> Int32? {
    characters.number(ofSlice: character).map { symbols[$0] }
  }
}

extension ByteTable {
  func number(ofSlice bytes: ArraySlice<UInt8>) -> Int? {
    bytes.withUnsafeBufferPointer { number(of: $0) }
  }
}
