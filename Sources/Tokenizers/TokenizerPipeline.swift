// The normalizer and pre-tokenizer of a tokenizer.json, recognised.

import Formats

/// What normalizer and pre-tokenizer of a tokenizer.json amount to.
struct TokenizerPipeline {
  /// The rule of a byte-level model, nil for the SentencePiece kind.
  private(set) var byteLevel: PreTokenizer?
  private(set) var composes = false
  private(set) var prefixSpace = PrefixSpace.never
  private(set) var cutsAtMarkers = false
  private var words: PreTokenizer.Words?
  private var digits = PreTokenizer.Digits.together
  private var marksBlanks = false
  private let path: String

  init(_ json: JSON, path: String) throws {
    self.path = path
    try readNormalizer(json["normalizer"])
    try readPreTokenizer(json["pre_tokenizer"])
    if byteLevel == nil {
      guard marksBlanks, words == nil, digits == .together, !composes else {
        throw TokenizerError(
          "\(path): this mixture of normalizer and pre-tokenizer is not supported", hint: "byte-level BPE and SentencePiece BPE are")
      }
    }
  }

  private func refusal(_ what: String) -> TokenizerError {
    TokenizerError("\(path): \(what) is not supported", hint: "byte-level BPE and SentencePiece BPE with the usual pre-tokenizers are")
  }

  private mutating func readNormalizer(_ json: JSON?) throws {
    guard let json, !json.isNull else { return }
    switch json["type"]?.string {
    case "Sequence": for inner in json["normalizers"]?.array ?? [] { try readNormalizer(inner) }
    case "NFC": composes = true
    case "Prepend" where json["prepend"]?.string == "▁": prefixSpace = .everySegment
    case "Replace" where json["pattern"]?["String"]?.string == " " && json["content"]?.string == "▁": marksBlanks = true
    case let type: throw refusal("the normalizer \(type ?? "without a type")")
    }
  }

  private mutating func readPreTokenizer(_ json: JSON?) throws {
    guard let json, !json.isNull else { return }
    switch json["type"]?.string {
    case "Sequence": for inner in json["pretokenizers"]?.array ?? [] { try readPreTokenizer(inner) }
    case "Digits": digits = json["individual_digits"]?.bool ?? false ? .single : .runs
    case "Split": try readSplit(json)
    case "Metaspace": try readMetaspace(json)
    case "ByteLevel":
      let usesPattern = json["use_regex"]?.bool ?? true
      if usesPattern && words != nil { throw refusal("a pattern before ByteLevel with its own") }
      byteLevel = PreTokenizer(
        digits: digits, words: words ?? (usesPattern ? .gpt2 : .whole), addsPrefixSpace: json["add_prefix_space"]?.bool ?? true)
    case let type: throw refusal("the pre-tokenizer \(type ?? "without a type")")
    }
  }

  private mutating func readSplit(_ json: JSON) throws {
    let pattern = json["pattern"]?["Regex"]?.string ?? ""
    let behavior = json["behavior"]?.string ?? ""
    guard byteLevel == nil, words == nil else { throw refusal("a split after another") }
    if pattern == "\\p{N}" && behavior == "Isolated" {
      digits = .single
      return
    }
    // "Removed" with "invert" keeps just what matches, which is the same: the patterns match everything.
    let isInverted = json["invert"]?.bool ?? false
    guard (behavior == "Isolated" && !isInverted) || (behavior == "Removed" && isInverted), let rule = Self.patterns[pattern] else {
      throw refusal("the split pattern \(pattern) (\(behavior))")
    }
    words = rule
  }

  private static let patterns: [String: PreTokenizer.Words] = {
    let cased = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
    let spelled = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
    let head = "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|"
    let tail = "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
    var table: [String: PreTokenizer.Words] = [
      "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+": .gpt2
    ]
    for contractions in [cased, spelled] {
      table[contractions + head + "\\p{N}{1,3}" + tail] = .llama3(digits: 3)
      table[contractions + head + "\\p{N}" + tail] = .llama3(digits: 1)
    }
    return table
  }()

  private mutating func readMetaspace(_ json: JSON) throws {
    guard json["replacement"]?.string ?? "▁" == "▁" else { throw refusal("a Metaspace with another mark than ▁") }
    marksBlanks = true
    cutsAtMarkers = json["split"]?.bool ?? true
    let scheme = json["prepend_scheme"]?.string ?? (json["add_prefix_space"]?.bool ?? true ? "always" : "never")
    switch scheme {
    case "always": prefixSpace = .everySegmentUnlessMarked
    case "first": prefixSpace = .textStart
    case "never": prefixSpace = prefixSpace == .everySegment ? .everySegment : .never
    default: throw refusal("the Metaspace scheme \(scheme)")
    }
  }
}
