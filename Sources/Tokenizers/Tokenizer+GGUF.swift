// A tokenizer from the metadata of a GGUF file: `tokenizer.ggml.*`. The names of pre-tokenizers are llama.cpp's.

import Formats

extension Tokenizer {
  /// Reads the tokenizer inside a GGUF file.
  ///
  /// - Throws: `TokenizerError` where the file has none, or one of a kind that is not supported.
  public convenience init(gguf file: GGUFFile) throws {
    try self.init(GGUFTokenizer(file).contents())
  }
}

private struct GGUFTokenizer {
  let file: GGUFFile
  let pieces: ByteTable
  let kinds: [Tokenizer.PieceKind]

  init(_ file: GGUFFile) throws {
    self.file = file
    guard let tokens = file.metadata["tokenizer.ggml.tokens"]?.strings else {
      throw TokenizerError(
        "\(file.path) has no tokenizer: tokenizer.ggml.tokens is missing", hint: "use a GGUF file that holds a whole model")
    }
    var pieces = ByteTable()
    for token in tokens { pieces.append(token.utf8) }
    self.pieces = pieces
    let types = file.metadata["tokenizer.ggml.token_type"]?.ints
    if let types, types.count != tokens.count {
      throw TokenizerError("\(file.path): \(tokens.count) tokens but \(types.count) token types")
    }
    kinds = tokens.indices.map { index in
      types.flatMap { UInt8(exactly: $0[index]) }.flatMap(Tokenizer.PieceKind.init) ?? .normal
    }
  }

  func contents() throws -> Tokenizer.Contents {
    let name = file.metadata["tokenizer.ggml.model"]?.string ?? ""
    switch name {
    case "gpt2": return try filled(byteLevel())
    case "llama": return try filled(sentencePiece())
    default:
      throw TokenizerError(
        "\(file.path): the tokenizer kind '\(name)' is not supported", hint: "byte-level BPE (gpt2) and SentencePiece BPE (llama) are")
    }
  }

  private func filled(_ contents: Tokenizer.Contents) -> Tokenizer.Contents {
    var contents = contents
    contents.bosID = id("bos_token_id")
    contents.eosID = id("eos_token_id")
    contents.padID = id("padding_token_id")
    contents.unknownID = id("unknown_token_id")
    contents.addsBOS = flag("add_bos_token") ?? contents.addsBOS
    contents.addsEOS = flag("add_eos_token") ?? false
    let prefix = "tokenizer.chat_template"
    for (key, value) in file.metadata where key.hasPrefix(prefix) {
      guard let template = value.string else { continue }
      if key == prefix { contents.chatTemplates["default"] = template }
      if key.hasPrefix(prefix + ".") { contents.chatTemplates[String(key.dropFirst(prefix.count + 1))] = template }
    }
    return contents
  }

  private func id(_ key: String) -> Int? { file.metadata["tokenizer.ggml.\(key)"]?.int }
  private func flag(_ key: String) -> Bool? { file.metadata["tokenizer.ggml.\(key)"]?.bool }

  private func added() -> [AddedToken] {
    kinds.indices.compactMap { id in
      switch kinds[id] {
      case .control, .unknown: return AddedToken(id: id, content: pieces.text(id))
      case .userDefined: return AddedToken(id: id, content: pieces.text(id), isSpecial: false)
      default: return nil
      }
    }
  }

  private func byteLevel() throws -> Tokenizer.Contents {
    let name = file.metadata["tokenizer.ggml.pre"]?.string ?? "gpt-2"
    guard let rule = Self.preTokenizers[name] else {
      throw TokenizerError(
        "\(file.path): the pre-tokenizer '\(name)' is not supported",
        hint: "supported: \(Self.preTokenizers.keys.sorted().joined(separator: ", "))")
    }
    let lines = file.metadata["tokenizer.ggml.merges"]?.strings ?? []
    let merges = try MergeTable(lines: lines, pieces: pieces, source: file.path)
    let isLlama3 = rule == .llama3
    let model = ByteLevelBPE(pieces: pieces, merges: merges, preTokenizer: rule, ignoresMergesOfPieces: isLlama3)
    return Tokenizer.Contents(
      pieces: pieces, kinds: kinds, model: .byteLevel(model), added: added(), kind: "byte-level BPE, \(name)", addsBOS: isLlama3)
  }

  private static let preTokenizers: [String: PreTokenizer] = {
    var table: [String: PreTokenizer] = [:]
    for name in ["gpt-2", "default", "phi-2", "olmo", "mpt", "jina-es", "jina-de", "roberta-bpe"] { table[name] = .gpt2 }
    for name in ["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"] { table[name] = .smollm }
    for name in ["llama-bpe", "llama3", "llama-v3", "falcon3", "smaug-bpe", "dbrx"] { table[name] = .llama3 }
    for name in ["qwen2", "deepseek-r1-qwen", "stablelm2"] { table[name] = .qwen2 }
    return table
  }()

  private func sentencePiece() throws -> Tokenizer.Contents {
    guard let scores = file.metadata["tokenizer.ggml.scores"]?.doubles, scores.count == pieces.count else {
      throw TokenizerError("\(file.path): a SentencePiece tokenizer needs one score per token (tokenizer.ggml.scores)")
    }
    let kinds = self.kinds
    var options = SentencePieceBPE.Options()
    options.prefixSpace = flag("add_space_prefix") ?? true ? .everySegment : .never
    options.removesExtraBlanks = flag("remove_extra_whitespaces") ?? false
    options.unknownID = id("unknown_token_id") ?? 0
    options.byteIDs = SentencePieceBPE.byteIDs(pieces)
    options.isOrdinary = { kinds[$0] == .normal || kinds[$0] == .userDefined || kinds[$0] == .unused }
    options.isUnused = { kinds[$0] == .unused }
    let model = SentencePieceBPE(pieces: pieces, scores: scores.map(Float.init), options: options)
    var contents = Tokenizer.Contents(
      pieces: pieces, kinds: kinds, model: .sentencePiece(model), added: added(), kind: "SentencePiece BPE", addsBOS: true)
    contents.scores = scores.map(Float.init)
    return contents
  }
}

extension SentencePieceBPE {
  /// Ids of the 256 byte pieces, nil where one is missing.
  static func byteIDs(_ pieces: ByteTable) -> [Int]? {
    var ids: [Int] = []
    for byte in UInt32(0)..<256 {
      let digits = hexadecimalByte(byte)
      guard let id = pieces.number(of: "<0x\(digits)>") else { return nil }
      ids.append(id)
    }
    return ids
  }

  private static func hexadecimalByte(_ byte: UInt32) -> String {
    let text = String(byte, radix: 16, uppercase: true)
    return text.count == 1 ? "0" + text : text
  }
}

extension MergeTable {
  /// Merges written as `left right`, best first.
  init(lines: [String], pieces: ByteTable, source: String) throws {
    self.init(capacity: lines.count)
    for (rank, line) in lines.enumerated() {
      let bytes = Array(line.utf8)
      guard let blank = bytes.dropFirst().firstIndex(of: 0x20) else {
        throw TokenizerError("\(source): merge \(rank) is no pair: '\(line)'")
      }
      try insert(bytes[..<blank], bytes[(blank + 1)...], rank: rank, pieces: pieces, source: source)
    }
  }

  /// Adds the merge of two pieces.
  mutating func insert(
    _ left: ArraySlice<UInt8>, _ right: ArraySlice<UInt8>, rank: Int, pieces: ByteTable, source: String
  ) throws {
    guard let first = pieces.number(ofSlice: left), let second = pieces.number(ofSlice: right),
      let merged = pieces.number(ofSlice: (Array(left) + Array(right))[...])
    else {
      let text = { String(decoding: $0 as ArraySlice<UInt8>, as: UTF8.self) }
      throw TokenizerError("\(source): merge \(rank) ('\(text(left))' with '\(text(right))') names a piece that is not in the vocabulary")
    }
    insert(
      Int32(truncatingIfNeeded: first), Int32(truncatingIfNeeded: second), rank: UInt32(truncatingIfNeeded: rank),
      merged: Int32(truncatingIfNeeded: merged))
  }
}
