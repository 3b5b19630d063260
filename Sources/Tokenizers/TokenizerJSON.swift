// tokenizer.json, the format of Hugging Face's tokenizers library. A pipeline of normalizer, pre-tokenizer, model and
// post-processor is recognised where it is one of those that language models use; any other is refused by name.

import Formats

/// Reads a tokenizer.json that holds a BPE model.
struct TokenizerJSON {
  private let path: String
  private let json: JSON
  private let vocabulary: [(key: String, value: JSON)]
  private let configuration: TokenizerConfiguration

  init(path: String, configuration: TokenizerConfiguration) throws {
    self.path = path
    self.configuration = configuration
    let bytes = try FileContents.read(path)
    json = try bytes.withUnsafeBytes { try JSON.parse($0, source: path, allowingNonFinite: true) }
    guard let model = json["model"], model.object != nil else {
      throw TokenizerError("\(path) is no tokenizer: it has no \"model\"")
    }
    guard model["type"]?.string ?? "BPE" == "BPE" else {
      throw TokenizerError("\(path): the model type \(model["type"]?.string ?? "?") is not supported", hint: "BPE is")
    }
    // Keys that differ only in how their accents are composed are different pieces.
    vocabulary = try bytes.withUnsafeBytes { try JSON.entries(of: ["model", "vocab"], in: $0, source: path) } ?? []
  }

  func contents() throws -> Tokenizer.Contents {
    var (pieces, kinds) = try self.pieces()
    let added = (json["added_tokens"]?.array ?? []).compactMap { AddedToken(json: $0, id: nil) }
    let unknown = json["model"]?["unk_token"]?.string.flatMap { pieces.number(of: $0) }
    if let unknown { kinds[unknown] = .unknown }
    let pipeline = try TokenizerPipeline(json, path: path)
    let merges = try self.merges(pieces)
    for member in ["continuing_subword_prefix", "end_of_word_suffix"] {
      if let text = json["model"]?[member]?.string, !text.isEmpty {
        throw TokenizerError("\(path): BPE with a \(member) is not supported")
      }
    }
    let model: Tokenizer.Contents.Model
    if let preTokenizer = pipeline.byteLevel {
      model = .byteLevel(
        ByteLevelBPE(
          pieces: pieces, merges: merges, preTokenizer: preTokenizer,
          ignoresMergesOfPieces: json["model"]?["ignore_merges"]?.bool ?? false, unknownID: unknown, composes: pipeline.composes))
    } else {
      let hasBytes = json["model"]?["byte_fallback"]?.bool ?? false
      let byteIDs = hasBytes ? SentencePieceBPE.byteIDs(pieces) : nil
      for id in byteIDs ?? [] { kinds[id] = .byte }
      var options = SentencePieceBPE.Options()
      options.prefixSpace = pipeline.prefixSpace
      options.cutsAtEveryMarker = pipeline.cutsAtMarkers
      options.unknownID = unknown ?? 0
      options.byteIDs = byteIDs
      let ordinary = kinds
      options.isOrdinary = { ordinary[$0] == .normal }
      model = .sentencePiece(SentencePieceBPE(pieces: pieces, merges: merges, options: options))
    }
    var contents = Tokenizer.Contents(
      pieces: pieces, kinds: kinds, model: model, added: [], kind: pipeline.byteLevel == nil ? "SentencePiece BPE" : "byte-level BPE",
      unknownID: unknown)
    try contents.add(added, source: path)
    applyPostProcessor(json["post_processor"], to: &contents)
    contents.apply(configuration)
    return contents
  }

  private func pieces() throws -> (ByteTable, [Tokenizer.PieceKind]) {
    guard !vocabulary.isEmpty else { throw TokenizerError("\(path): model.vocab is missing or empty") }
    var byID: [Int: String] = [:]
    var highest = 0
    for (piece, value) in vocabulary {
      guard let id = value.int, id >= 0, id < 4 * vocabulary.count + 65_536 else {
        throw TokenizerError("\(path): the piece '\(piece)' has the id \(value.serialized()), which cannot be")
      }
      guard byID.updateValue(piece, forKey: id) == nil else { throw TokenizerError("\(path): two pieces have the id \(id)") }
      highest = max(highest, id)
    }
    var pieces = ByteTable()
    var kinds: [Tokenizer.PieceKind] = []
    for id in 0...highest {
      pieces.append((byID[id] ?? "").utf8)
      kinds.append(byID[id] == nil ? .unused : .normal)
    }
    return (pieces, kinds)
  }

  private func merges(_ pieces: ByteTable) throws -> MergeTable {
    let list = json["model"]?["merges"]?.array ?? []
    var table = MergeTable(capacity: list.count)
    for (rank, entry) in list.enumerated() {
      let left: ArraySlice<UInt8>
      let right: ArraySlice<UInt8>
      if let text = entry.string {
        let bytes = Array(text.utf8)
        guard let blank = bytes.dropFirst().firstIndex(of: 0x20) else {
          throw TokenizerError("\(path): merge \(rank) is no pair: '\(text)'")
        }
        (left, right) = (bytes[..<blank], bytes[(blank + 1)...])
      } else if let first = entry[0]?.string, let second = entry[1]?.string {
        (left, right) = (Array(first.utf8)[...], Array(second.utf8)[...])
      } else {
        throw TokenizerError("\(path): merge \(rank) is no pair: \(entry.serialized())")
      }
      try table.insert(left, right, rank: rank, pieces: pieces, source: path)
    }
    return table
  }

  /// Special tokens that the post-processor's template puts first and last.
  private func applyPostProcessor(_ processor: JSON?, to contents: inout Tokenizer.Contents) {
    if processor?["type"]?.string == "Sequence" {
      for inner in processor?["processors"]?.array ?? [] { applyPostProcessor(inner, to: &contents) }
    }
    guard processor?["type"]?.string == "TemplateProcessing", let single = processor?["single"]?.array else { return }
    let id = { (entry: JSON?) -> Int? in
      guard let name = entry?["SpecialToken"]?["id"]?.string else { return nil }
      return processor?["special_tokens"]?[name]?["ids"]?[0]?.int
    }
    if let first = id(single.first) {
      contents.bosID = first
      contents.addsBOS = true
    }
    if single.count > 1, let last = id(single.last) {
      contents.eosID = last
      contents.addsEOS = true
    }
  }
}
