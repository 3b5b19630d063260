// A tokenizer on its way out: as the `tokenizer.*` metadata of a GGUF file, and as Hugging Face's tokenizer.json with its
// neighbours. What one format has no words for is refused by name or told in the documentation of the function.

import Formats

extension Tokenizer {
  /// The metadata that llama.cpp reads a tokenizer from.
  ///
  /// A file has one piece for each row of the embedding: missing ones are filled up as unused.
  ///
  /// - Parameters:
  ///   - vocabularySize: Rows of the model's embedding.
  ///   - endTokens: Tokens that end an answer besides the tokenizer's own, at most two of which are kept.
  /// - Throws: `TokenizerError` for a tokenizer that llama.cpp has no name for.
  public func ggufMetadata(vocabularySize: Int, endTokens: [Int] = []) throws -> [(key: String, value: GGUFValue)] {
    var entries: [(key: String, value: GGUFValue)] = []
    func add(_ key: String, _ value: GGUFValue?) { if let value { entries.append(("tokenizer.\(key)", value)) } }
    let pieces = (0..<vocabularySize).map { id in
      let text = id < self.vocabularySize ? piece(id) : ""
      return text.isEmpty ? "[PAD\(id)]" : text
    }
    let kinds = (0..<vocabularySize).map { id -> PieceKind in
      id < self.vocabularySize && !piece(id).isEmpty ? contents.kinds[id] : .unused
    }
    switch contents.model {
    case .byteLevel(let model):
      add("ggml.model", .string("gpt2"))
      add("ggml.pre", .string(try preTokenizerName(model)))
      add("ggml.tokens", .strings(pieces))
      add("ggml.token_type", .array(.int32, kinds.map { .int32(Int32($0.rawValue)) }))
      add("ggml.merges", .strings(mergeLines(model.merges, limit: vocabularySize)))
    case .sentencePiece(let model):
      add("ggml.model", .string("llama"))
      add("ggml.pre", .string("default"))
      add("ggml.tokens", .strings(pieces))
      add("ggml.scores", .array(.float32, scores(model, count: vocabularySize).map { .float32($0) }))
      add("ggml.token_type", .array(.int32, kinds.map { .int32(Int32($0.rawValue)) }))
      add("ggml.add_space_prefix", .bool(model.prefixSpace != .never))
      if model.removesExtraBlanks { add("ggml.remove_extra_whitespaces", .bool(true)) }
    }
    let id = { (id: Int?) -> GGUFValue? in id.flatMap { $0 < vocabularySize ? .uint32(UInt32($0)) : nil } }
    add("ggml.bos_token_id", id(bosID))
    add("ggml.eos_token_id", id(eosID ?? endTokens.first))
    for (name, end) in zip(["eot", "eom"], endTokens.filter { $0 != eosID ?? endTokens.first }) { add("ggml.\(name)_token_id", id(end)) }
    add("ggml.padding_token_id", id(padID))
    add("ggml.unknown_token_id", id(unknownID))
    add("ggml.add_bos_token", .bool(addsBOS))
    add("ggml.add_eos_token", .bool(addsEOS))
    add("chat_template", chatTemplate.map { .string($0) })
    let named = chatTemplates.keys.filter { $0 != "default" }.sorted()
    if !named.isEmpty { add("chat_templates", .strings(named)) }
    for name in named { add("chat_template.\(name)", chatTemplates[name].map { .string($0) }) }
    return entries
  }

  /// What llama.cpp calls the rule that cuts words.
  private func preTokenizerName(_ model: ByteLevelBPE) throws -> String {
    var rule = model.preTokenizer
    guard !rule.addsPrefixSpace else {
      throw TokenizerError("a GGUF file cannot say that a byte-level tokenizer puts a blank in front of texts", hint: "save(m, dir) can")
    }
    rule.addsPrefixSpace = false
    switch rule {
    case .gpt2: return "gpt-2"
    case .smollm: return "smollm"
    case .llama3: return "llama-bpe"
    case .qwen2: return "qwen2"
    default:
      throw TokenizerError("llama.cpp has no name for the way in which this tokenizer cuts words (\(kind))", hint: "save(m, dir) keeps it")
    }
  }

  /// `left right` for each merge whose pieces are all within the vocabulary, best first.
  private func mergeLines(_ merges: MergeTable, limit: Int) -> [String] {
    mergePairs(merges, limit: limit).map { "\($0.left) \($0.right)" }
  }

  func mergePairs(_ merges: MergeTable, limit: Int) -> [(left: String, right: String)] {
    merges.inOrder.compactMap { merge in
      guard max(merge.left, merge.right, merge.merged) < limit, min(merge.left, merge.right) >= 0 else { return nil }
      return (piece(Int(merge.left)), piece(Int(merge.right)))
    }
  }

  /// The pieces' scores; of a tokenizer that has only merges, minus the place of the first merge that makes the piece.
  private func scores(_ model: SentencePieceBPE, count: Int) -> [Float] {
    if !contents.scores.isEmpty { return (0..<count).map { $0 < contents.scores.count ? contents.scores[$0] : 0 } }
    var scores = [Float](repeating: 0, count: count)
    var place: Float = 0
    for merge in model.merges.inOrder where Int(merge.merged) < count && merge.merged >= 0 && scores[Int(merge.merged)] == 0 {
      place -= 1
      scores[Int(merge.merged)] = place
    }
    for id in 0..<count where scores[id] == 0 && id < vocabularySize && contents.kinds[id] == .normal { scores[id] = place - 1 }
    return scores
  }
}
