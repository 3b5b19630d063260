// A tokenizer as Hugging Face's tokenizers library has it: tokenizer.json, tokenizer_config.json, special_tokens_map.json and the
// chat templates. For tokenizers that came from a GGUF file or a SentencePiece model; one that came from such a folder is copied.

import Formats
import OrderedCollections

extension Tokenizer {
  /// The files of this tokenizer in a Hugging Face folder, by name.
  public func huggingFaceFiles() throws -> [(name: String, text: String)] {
    var files = [
      ("tokenizer.json", tokenizerText), ("tokenizer_config.json", configurationJSON.serialized(pretty: true)),
      ("special_tokens_map.json", JSON.object(specialTokens).serialized(pretty: true)),
    ]
    if let chatTemplate { files.append(("chat_template.jinja", chatTemplate)) }
    for name in chatTemplates.keys.sorted() where name != "default" && !name.contains("/") {
      files.append(("additional_chat_templates/\(name).jinja", chatTemplates[name] ?? ""))
    }
    return files
  }

  private var specialTokens: OrderedDictionary<String, JSON> {
    var tokens: OrderedDictionary<String, JSON> = [:]
    for (name, id) in [("bos_token", bosID), ("eos_token", eosID), ("pad_token", padID), ("unk_token", unknownID)] {
      if let id { tokens[name] = .string(piece(id)) }
    }
    return tokens
  }

  private var configurationJSON: JSON {
    var members: OrderedDictionary<String, JSON> = [
      "tokenizer_class": "PreTrainedTokenizerFast", "add_bos_token": .bool(addsBOS), "add_eos_token": .bool(addsEOS),
      "clean_up_tokenization_spaces": false,
    ]
    members.merge(specialTokens) { $1 }
    var added: OrderedDictionary<String, JSON> = [:]
    for token in contents.added.sorted(by: { $0.id < $1.id }) {
      var entry = token.json
      entry.removeValue(forKey: "id")
      added["\(token.id)"] = .object(entry)
    }
    members["added_tokens_decoder"] = .object(added)
    if let chatTemplate { members["chat_template"] = .string(chatTemplate) }
    return .object(members)
  }

  /// tokenizer.json as text.
  ///
  /// The vocabulary is written by hand: a JSON object's keys are Strings, and pieces that differ only in how their accents are
  /// composed would be one key.
  private var tokenizerText: String {
    let entries = (0..<vocabularySize).filter { !piece($0).isEmpty }.map { "\(JSON.string(piece($0)).serialized()): \($0)" }
    let text = tokenizerJSON().serialized(pretty: true)
    let vocabulary = "{\n      " + entries.joined(separator: ",\n      ") + "\n    }"
    let placeholder = JSON.string(Self.vocabularyPlaceholder).serialized()
    let parts = text.split(separator: placeholder, maxSplits: 1, omittingEmptySubsequences: false)
    return parts.joined(separator: vocabulary) + "\n"
  }

  private static let vocabularyPlaceholder = "\u{1}the vocabulary\u{1}"

  private func tokenizerJSON() -> JSON {
    let model: JSON
    var members: OrderedDictionary<String, JSON> = [
      "version": "1.0", "truncation": nil, "padding": nil,
      "added_tokens": .array(contents.added.sorted { $0.id < $1.id }.map { .object($0.json) }),
    ]
    switch contents.model {
    case .byteLevel(let bpe):
      members["normalizer"] = bpe.composes ? ["type": "NFC"] : nil as JSON
      members["pre_tokenizer"] = bpe.preTokenizer.json
      members["post_processor"] =
        postProcessor ?? ["type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true]
      members["decoder"] = ["type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true]
      model = modelJSON(
        mergePairs(bpe.merges, limit: vocabularySize), unknown: nil, byteFallback: false, ignoresMerges: bpe.ignoresMergesOfPieces)
    case .sentencePiece(let bpe):
      let replace: JSON = ["type": "Replace", "pattern": ["String": " "], "content": "▁"]
      let prepend: JSON = ["type": "Prepend", "prepend": "▁"]
      let hasPrefix = bpe.prefixSpace != .never
      switch bpe.prefixSpace {
      case .never, .everySegment:
        members["normalizer"] = ["type": "Sequence", "normalizers": .array(hasPrefix ? [prepend, replace] : [replace])]
        members["pre_tokenizer"] = nil as JSON
      case .textStart, .everySegmentUnlessMarked:
        members["normalizer"] = nil as JSON
        members["pre_tokenizer"] = [
          "type": "Metaspace", "replacement": "▁", "prepend_scheme": bpe.prefixSpace == .textStart ? "first" : "always",
          "split": .bool(bpe.cutsAtEveryMarker),
        ]
      }
      members["post_processor"] = postProcessor ?? .null
      let strip: [JSON] = hasPrefix ? [["type": "Strip", "content": " ", "start": 1, "stop": 0]] : []
      let decoders: [JSON] = [
        ["type": "Replace", "pattern": ["String": "▁"], "content": " "], ["type": "ByteFallback"], ["type": "Fuse"],
      ]
      members["decoder"] = ["type": "Sequence", "decoders": .array(decoders + strip)]
      model = modelJSON(
        sentencePieceMerges(bpe), unknown: unknownID.map(piece), byteFallback: bpe.byteIDs != nil, ignoresMerges: false)
    }
    members["model"] = model
    return .object(members)
  }

  private func modelJSON(
    _ merges: [(left: String, right: String)], unknown: String?, byteFallback: Bool, ignoresMerges: Bool
  ) -> JSON {
    [
      "type": "BPE", "dropout": nil, "unk_token": unknown.map { .string($0) } ?? .null, "continuing_subword_prefix": nil,
      "end_of_word_suffix": nil, "fuse_unk": .bool(byteFallback), "byte_fallback": .bool(byteFallback),
      "ignore_merges": .bool(ignoresMerges), "vocab": .string(Self.vocabularyPlaceholder),
      "merges": .array(merges.map { [.string($0.left), .string($0.right)] }),
    ]
  }

  /// Merges in the order of the library's own conversion: by the score of what they make, then by the ids of the two.
  private func sentencePieceMerges(_ bpe: SentencePieceBPE) -> [(left: String, right: String)] {
    mergePairs(bpe.merges, limit: vocabularySize)
  }

  private var postProcessor: JSON? {
    guard addsBOS || addsEOS else { return nil }
    let special = { (id: Int, type: Int64) -> JSON in ["SpecialToken": ["id": .string(self.piece(id)), "type_id": .int(type)]] }
    let first = { (type: Int64) -> [JSON] in self.addsBOS ? self.bosID.map { [special($0, type)] } ?? [] : [] }
    let last = { (type: Int64) -> [JSON] in self.addsEOS ? self.eosID.map { [special($0, type)] } ?? [] : [] }
    let a: [JSON] = [["Sequence": ["id": "A", "type_id": 0]]]
    let b: [JSON] = [["Sequence": ["id": "B", "type_id": 1]]]
    var tokens: OrderedDictionary<String, JSON> = [:]
    for id in [addsBOS ? bosID : nil, addsEOS ? eosID : nil] {
      guard let id else { continue }
      tokens[piece(id)] = ["id": .string(piece(id)), "ids": [.int(Int64(id))], "tokens": [.string(piece(id))]]
    }
    return [
      "type": "TemplateProcessing", "single": .array(first(0) + a + last(0)),
      "pair": .array(first(0) + a + last(0) + first(1) + b + last(1)), "special_tokens": .object(tokens),
    ]
  }
}

extension AddedToken {
  /// The token as tokenizer.json lists it.
  var json: OrderedDictionary<String, JSON> {
    [
      "id": .int(Int64(id)), "content": .string(content), "single_word": .bool(isSingleWord), "lstrip": .bool(stripsLeft),
      "rstrip": .bool(stripsRight), "normalized": false, "special": .bool(isSpecial),
    ]
  }
}

extension PreTokenizer {
  /// The rule as tokenizer.json has it.
  fileprivate var json: JSON {
    var parts: [JSON] = []
    switch digits {
    case .together: break
    case .runs: parts.append(["type": "Digits", "individual_digits": false])
    case .single: parts.append(["type": "Digits", "individual_digits": true])
    }
    var usesPattern = false
    switch words {
    case .gpt2: usesPattern = true
    case .whole: break
    case .llama3(let digits):
      let numbers = digits == 1 ? "\\p{N}" : "\\p{N}{1,3}"
      let pattern =
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" + numbers
        + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
      parts.append(["type": "Split", "pattern": ["Regex": .string(pattern)], "behavior": "Isolated", "invert": false])
    }
    parts.append([
      "type": "ByteLevel", "add_prefix_space": .bool(addsPrefixSpace), "trim_offsets": true, "use_regex": .bool(usesPattern),
    ])
    return parts.count == 1 ? parts[0] : ["type": "Sequence", "pretokenizers": .array(parts)]
  }
}
