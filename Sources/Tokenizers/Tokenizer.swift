// A tokenizer: text ↔ ids, whatever file it came from. Readers for each kind of file are in Tokenizer+….swift.
//
// Text is cut at added tokens first; what lies between goes to the byte-pair model. A control token's text counts as
// that token only where the caller says `special: true`; otherwise it is text like any other.

import Synchronization

/// Turns text into ids and back.
public final class Tokenizer: Sendable {
  /// The number of ids.
  public let vocabularySize: Int
  /// The id that begins a text, if the model has one.
  public let bosID: Int?
  /// The id that ends a text, if the model has one.
  public let eosID: Int?
  /// The id that fills up batches, if the model has one.
  public let padID: Int?
  /// The id of what the vocabulary cannot spell, if the model has one.
  public let unknownID: Int?
  /// Whether the model expects `bosID` before a plain text.
  public let addsBOS: Bool
  /// Whether the model expects `eosID` after a plain text.
  public let addsEOS: Bool
  /// The chat templates that came with the tokenizer, by name; the usual one is `default`.
  public let chatTemplates: [String: String]
  /// What kind of tokenizer this is, for people: `byte-level BPE, smollm`.
  public let kind: String

  let contents: Contents
  private let decodedBytes: [UInt8]
  private let decodedOffsets: [Int]
  private let controlAndAdded: AddedTokens
  private let addedOnly: AddedTokens
  private let scratch: Mutex<EncoderScratch>

  init(_ contents: Contents) throws {
    let count = contents.pieces.count
    guard count > 0 else { throw TokenizerError("the tokenizer has no pieces") }
    self.contents = contents
    vocabularySize = count
    let valid = { (id: Int?) in id.flatMap { $0 >= 0 && $0 < count ? $0 : nil } }
    bosID = valid(contents.bosID)
    eosID = valid(contents.eosID)
    padID = valid(contents.padID)
    unknownID = valid(contents.unknownID)
    addsBOS = contents.addsBOS && valid(contents.bosID) != nil
    addsEOS = contents.addsEOS && valid(contents.eosID) != nil
    chatTemplates = contents.chatTemplates
    kind = contents.kind
    controlAndAdded = AddedTokens(contents.added)
    addedOnly = AddedTokens(contents.added.filter { !$0.isSpecial })
    scratch = Mutex(EncoderScratch())
    (decodedBytes, decodedOffsets) = contents.decodedPieces()
  }

  /// The usual chat template, if the tokenizer came with one.
  public var chatTemplate: String? { chatTemplates["default"] }

  /// The text of `bosID`.
  public var bosToken: String? { bosID.map(piece) }

  /// The text of `eosID`.
  public var eosToken: String? { eosID.map(piece) }

  /// The ids of a text; nothing is added before or after.
  ///
  /// - Parameter special: Whether texts of control tokens inside the text count as those tokens.
  public func encode(_ text: String, special: Bool = false) -> [Int] {
    scratch.withLockIfAvailable { encode(text, special, $0) } ?? encode(text, special, EncoderScratch())
  }

  private func encode(_ text: String, _ special: Bool, _ scratch: EncoderScratch) -> [Int] {
    var ids: [Int] = []
    var text = text
    let added = special ? controlAndAdded : addedOnly
    text.withUTF8 { bytes in
      ids.reserveCapacity(bytes.count / 3 + 4)
      var start = 0
      while start < bytes.count {
        let found = added.isEmpty ? nil : added.next(in: bytes, from: start)
        let end = found?.range.lowerBound ?? bytes.count
        if end > start {
          encode(segment: UnsafeBufferPointer(rebasing: bytes[start..<end]), isStart: start == 0, scratch, &ids)
        }
        guard let found else { break }
        ids.append(found.id)
        start = found.range.upperBound
      }
    }
    return ids
  }

  private func encode(
    segment: UnsafeBufferPointer<UInt8>, isStart: Bool, _ scratch: EncoderScratch, _ ids: inout [Int]
  ) {
    switch contents.model {
    case .byteLevel(let model):
      if model.composes && segment.contains(where: { $0 >= 0x80 }) {
        var composed = String(decoding: segment, as: UTF8.self).composed
        composed.withUTF8 { model.encode($0, scratch: scratch, into: &ids) }
      } else {
        model.encode(segment, scratch: scratch, into: &ids)
      }
    case .sentencePiece(let model): model.encode(segment, isStart: isStart, scratch: scratch, into: &ids)
    }
  }

  /// The text of ids; bytes that are no UTF-8 become U+FFFD as the tokenizer's family replaces them.
  ///
  /// - Parameter skipSpecial: Whether control tokens are left out.
  public func decode(_ ids: [Int], skipSpecial: Bool = false) -> String {
    var decoder = StreamDecoder(self, skipSpecial: skipSpecial)
    var bytes: [UInt8] = []
    for id in ids { decoder.append(id, to: &bytes) }
    decoder.finish(into: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The bytes that an id stands for, alone; empty where there is no such id.
  public func bytes(of id: Int) -> [UInt8] {
    guard id >= 0 && id < vocabularySize else { return [] }
    return Array(decodedBytes[decodedOffsets[id]..<decodedOffsets[id + 1]])
  }

  func appendBytes(of id: Int, to output: inout [UInt8]) {
    guard id >= 0 && id < vocabularySize else { return }
    output.append(contentsOf: decodedBytes[decodedOffsets[id]..<decodedOffsets[id + 1]])
  }

  /// An id's piece as the vocabulary spells it; empty where there is no such id.
  public func piece(_ id: Int) -> String {
    id >= 0 && id < vocabularySize ? contents.pieces.text(id) : ""
  }

  /// The id of a piece as the vocabulary spells it.
  public func id(of token: String) -> Int? { contents.pieces.number(of: token) }

  /// Whether an id is a control token (or the unknown token).
  public func isSpecial(_ id: Int) -> Bool {
    guard id >= 0 && id < vocabularySize else { return false }
    return contents.kinds[id] == .control || contents.kinds[id] == .unknown
  }

  /// Ids whose text stands for itself inside a text: control tokens and added ones.
  public var addedTokens: [(id: Int, text: String, isSpecial: Bool)] {
    contents.added.map { ($0.id, $0.content, $0.isSpecial) }
  }

  /// What a piece is, under GGUF's numbers.
  enum PieceKind: UInt8, Sendable {
    case normal = 1
    case unknown = 2
    case control = 3
    case userDefined = 4
    case unused = 5
    case byte = 6
  }

  /// What readers of tokenizer files fill in.
  struct Contents: Sendable {
    enum Model: Sendable {
      case byteLevel(ByteLevelBPE)
      case sentencePiece(SentencePieceBPE)
    }

    var pieces: ByteTable
    var kinds: [PieceKind]
    var model: Model
    var added: [AddedToken]
    var kind = ""
    var bosID: Int?
    var eosID: Int?
    var padID: Int?
    var unknownID: Int?
    var addsBOS = false
    var addsEOS = false
    var chatTemplates: [String: String] = [:]
    /// The scores of the pieces, where the file had them.
    var scores: [Float] = []

    var isSentencePiece: Bool {
      if case .sentencePiece = model { return true }
      return false
    }

    /// Whether decoding drops the blank that encoding put in front.
    var dropsFirstBlank: Bool {
      if case .sentencePiece(let model) = model { return model.prefixSpace != .never }
      return false
    }

    /// Whether it drops further blanks at the start too, as encoding keeps none.
    var dropsAllBlanks: Bool {
      if case .sentencePiece(let model) = model { return model.removesExtraBlanks }
      return false
    }

    func decodedPieces() -> ([UInt8], [Int]) {
      var bytes: [UInt8] = []
      var offsets = [0]
      for id in 0..<pieces.count {
        switch (kinds[id], model) {
        case (.control, _), (.unknown, _), (.userDefined, .byteLevel): bytes.append(contentsOf: pieces[id])
        case (.byte, .sentencePiece): bytes.append(byteOfPiece(pieces.text(id)) ?? 0)
        case (_, .byteLevel): bytes.append(contentsOf: ByteSpelling.decode(pieces.text(id)))
        case (_, .sentencePiece): appendWithBlanks(pieces[id], &bytes)
        }
        offsets.append(bytes.count)
      }
      return (bytes, offsets)
    }

    private func appendWithBlanks(_ piece: ArraySlice<UInt8>, _ bytes: inout [UInt8]) {
      var index = piece.startIndex
      while index < piece.endIndex {
        if piece[index...].starts(with: SentencePieceBPE.marker) {
          bytes.append(0x20)
          index += 3
        } else {
          bytes.append(piece[index])
          index += 1
        }
      }
    }
  }
}

/// The byte of a piece such as `<0x0A>`.
func byteOfPiece(_ piece: String) -> UInt8? {
  guard piece.utf8.count == 6, piece.hasPrefix("<0x"), piece.hasSuffix(">") else { return nil }
  return UInt8(piece.dropFirst(3).dropLast(), radix: 16)
}
