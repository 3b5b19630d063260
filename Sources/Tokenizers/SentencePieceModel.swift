// A SentencePiece model file (tokenizer.model): pieces with scores and kinds, and how text is normalized.

import Formats

/// Reads a SentencePiece model of the BPE kind.
struct SentencePieceModel {
  private let path: String
  private let configuration: TokenizerConfiguration
  private var pieces = ByteTable()
  private var scores: [Float] = []
  private var kinds: [Tokenizer.PieceKind] = []
  // Defaults of sentencepiece_model.proto.
  private var modelType = 1
  private var unknownID = 0
  private var bosID = 1
  private var eosID = 2
  private var padID = -1
  private var hasByteFallback = false
  private var endsWordsWithBlanks = false
  private var addsPrefix = true
  private var removesExtraBlanks = true
  private var hasCharacterMap = false

  init(path: String, configuration: TokenizerConfiguration) throws {
    self.path = path
    self.configuration = configuration
    var reader = ProtobufReader(try FileContents.read(path)[...], source: path)
    while let (field, value) = try reader.next() {
      guard let content = value.content else { continue }
      switch field {
      case 1: try readPiece(content)
      case 2: try readTrainer(content)
      case 3: try readNormalizer(content)
      default: break
      }
    }
    guard pieces.count > 0 else { throw TokenizerError("\(path) is no SentencePiece model: it holds no pieces") }
  }

  private mutating func readPiece(_ bytes: ArraySlice<UInt8>) throws {
    var reader = ProtobufReader(bytes, source: path)
    var piece: ArraySlice<UInt8> = []
    var score: Float = 0
    var kind = Tokenizer.PieceKind.normal
    while let (field, value) = try reader.next() {
      switch field {
      case 1: piece = value.content ?? []
      case 2: score = value.float ?? 0
      case 3: kind = value.int.flatMap { UInt8(exactly: $0) }.flatMap(Tokenizer.PieceKind.init) ?? .normal
      default: break
      }
    }
    // Merging walks characters: what is no UTF-8 is replaced, once, here.
    pieces.append(String(decoding: piece, as: UTF8.self).utf8)
    scores.append(score.isNaN ? 0 : score)
    kinds.append(kind)
  }

  private mutating func readTrainer(_ bytes: ArraySlice<UInt8>) throws {
    var reader = ProtobufReader(bytes, source: path)
    while let (field, value) = try reader.next() {
      switch field {
      case 3: modelType = value.int ?? modelType
      case 24: endsWordsWithBlanks = value.bool ?? false
      case 35: hasByteFallback = value.bool ?? false
      case 40: unknownID = value.int ?? unknownID
      case 41: bosID = value.int ?? bosID
      case 42: eosID = value.int ?? eosID
      case 43: padID = value.int ?? padID
      default: break
      }
    }
  }

  private mutating func readNormalizer(_ bytes: ArraySlice<UInt8>) throws {
    var reader = ProtobufReader(bytes, source: path)
    while let (field, value) = try reader.next() {
      switch field {
      case 2: hasCharacterMap = !(value.content ?? []).isEmpty
      case 3: addsPrefix = value.bool ?? addsPrefix
      case 4: removesExtraBlanks = value.bool ?? removesExtraBlanks
      default: break
      }
    }
  }

  func contents() throws -> Tokenizer.Contents {
    let kindNames = [1: "unigram", 3: "word", 4: "character"]
    guard modelType == 2 else {
      throw TokenizerError(
        "\(path): SentencePiece models of the \(kindNames[modelType] ?? "unknown") kind are not supported", hint: "BPE is")
    }
    guard !hasCharacterMap, !endsWordsWithBlanks else {
      throw TokenizerError("\(path): its normalization (\(hasCharacterMap ? "a character map" : "blanks after words")) is not supported")
    }
    let kinds = self.kinds
    var options = SentencePieceBPE.Options()
    let isLegacy = configuration.flag("legacy") ?? true
    let wantsPrefix = addsPrefix && configuration.flag("add_prefix_space") ?? true
    options.prefixSpace = !wantsPrefix ? .never : isLegacy ? .everySegment : .textStart
    options.removesExtraBlanks = removesExtraBlanks
    options.unknownID = unknownID
    options.byteIDs = hasByteFallback ? SentencePieceBPE.byteIDs(pieces) : nil
    options.userDefined = kinds.indices.filter { kinds[$0] == .userDefined }.map { AddedToken(id: $0, content: pieces.text($0)) }
    options.isOrdinary = { kinds[$0] == .normal || kinds[$0] == .unused }
    options.isUnused = { kinds[$0] == .unused }
    let model = SentencePieceBPE(pieces: pieces, scores: scores, options: options)
    var contents = Tokenizer.Contents(
      pieces: pieces, kinds: kinds, model: .sentencePiece(model), added: [], kind: "SentencePiece BPE", bosID: bosID, eosID: eosID,
      padID: padID, unknownID: unknownID, addsBOS: true)
    contents.scores = scores
    var added = kinds.indices.compactMap { id in
      kinds[id] == .control || kinds[id] == .unknown ? AddedToken(id: id, content: pieces.text(id)) : nil
    }
    let listed = configuration.added
    added.removeAll { token in listed.contains { $0.id == token.id } }
    try contents.add(added + listed, source: path)
    contents.apply(configuration)
    return contents
  }
}
