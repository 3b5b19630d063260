// A tokenizer from a Hugging Face folder: tokenizer.json, else tokenizer.model, with what tokenizer_config.json says about
// special tokens, and the chat templates in their three homes (the configuration, chat_template.jinja, a folder of more).

import Formats

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

extension Tokenizer {
  /// Reads the tokenizer of a Hugging Face folder.
  ///
  /// - Throws: `TokenizerError` where there is none, or one of a kind that is not supported; `FormatError` for damaged JSON.
  public convenience init(directory: String) throws {
    let folder = directory.count > 1 && directory.hasSuffix("/") ? String(directory.dropLast()) : directory
    let configuration = try TokenizerConfiguration(folder: folder)
    if isFile("\(folder)/tokenizer.json") {
      try self.init(TokenizerJSON(path: "\(folder)/tokenizer.json", configuration: configuration).contents())
    } else if isFile("\(folder)/tokenizer.model") {
      try self.init(SentencePieceModel(path: "\(folder)/tokenizer.model", configuration: configuration).contents())
    } else {
      throw TokenizerError(
        "\(folder) has no tokenizer: neither tokenizer.json nor tokenizer.model is there",
        hint: "give the folder of a Hugging Face model, or a .gguf file")
    }
  }

  /// Reads a tokenizer from a folder, a .gguf file, a tokenizer.json or a SentencePiece .model file.
  public convenience init(path: String) throws {
    if path.hasSuffix(".gguf") {
      try self.init(gguf: GGUFFile(path: path))
    } else if path.hasSuffix(".json") {
      try self.init(TokenizerJSON(path: path, configuration: TokenizerConfiguration(besides: path)).contents())
    } else if path.hasSuffix(".model") {
      try self.init(SentencePieceModel(path: path, configuration: TokenizerConfiguration(besides: path)).contents())
    } else {
      try self.init(directory: path)
    }
  }
}

/// Whether a regular file is there.
func isFile(_ path: String) -> Bool {
  var status = stat()
  return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
}

/// What tokenizer_config.json and its neighbours say.
struct TokenizerConfiguration {
  private let json: JSON
  private let specialTokens: JSON
  var chatTemplates: [String: String] = [:]

  init(folder: String) throws {
    json = try Self.read("\(folder)/tokenizer_config.json")
    specialTokens = try Self.read("\(folder)/special_tokens_map.json")
    switch json["chat_template"] {
    case .string(let template)?: chatTemplates["default"] = template
    case .array(let named)?:
      for entry in named {
        if let name = entry["name"]?.string, let template = entry["template"]?.string { chatTemplates[name] = template }
      }
    default: break
    }
    if isFile("\(folder)/chat_template.jinja") { chatTemplates["default"] = try Self.text("\(folder)/chat_template.jinja") }
    for file in Self.files(in: "\(folder)/additional_chat_templates") where file.hasSuffix(".jinja") {
      chatTemplates[String(file.dropLast(6))] = try Self.text("\(folder)/additional_chat_templates/\(file)")
    }
  }

  init(besides path: String) throws {
    let slash = path.lastIndex(of: "/")
    try self.init(folder: slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? ".")
  }

  private static func read(_ path: String) throws -> JSON { isFile(path) ? try JSON.read(path: path) : .null }

  private static func text(_ path: String) throws -> String {
    String(decoding: try FileContents.read(path), as: UTF8.self)
  }

  private static func files(in folder: String) -> [String] {
    guard let directory = opendir(folder) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      names.append(
        withUnsafePointer(to: &entry.pointee.d_name) { pointer in
          pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        })
    }
    return names.sorted()
  }

  /// The text of `bos_token`, `eos_token`, `pad_token` or `unk_token`.
  func token(_ name: String) -> String? {
    for source in [json[name], specialTokens[name]] {
      if let text = source?.string ?? source?["content"]?.string { return text }
    }
    return nil
  }

  func flag(_ name: String) -> Bool? { json[name]?.bool }

  /// The added tokens that tokenizer_config.json lists, by id.
  var added: [AddedToken] {
    (json["added_tokens_decoder"]?.object ?? [:]).compactMap { key, value in
      Int(key).flatMap { AddedToken(json: value, id: $0) }
    }.sorted { $0.id < $1.id }
  }
}

extension AddedToken {
  /// An added token as tokenizer.json and tokenizer_config.json write it.
  init?(json: JSON, id: Int?) {
    guard let id = id ?? json["id"]?.int, id >= 0, let content = json["content"]?.string else { return nil }
    self.init(
      id: id, content: content, isSpecial: json["special"]?.bool ?? true, stripsLeft: json["lstrip"]?.bool ?? false,
      stripsRight: json["rstrip"]?.bool ?? false, isSingleWord: json["single_word"]?.bool ?? false)
  }
}

extension Tokenizer.Contents {
  /// Takes special tokens and templates from a configuration.
  mutating func apply(_ configuration: TokenizerConfiguration) {
    let id = { [pieces] (name: String) in configuration.token(name).flatMap { pieces.number(of: $0) } }
    bosID = id("bos_token") ?? bosID
    eosID = id("eos_token") ?? eosID
    padID = id("pad_token") ?? padID
    unknownID = id("unk_token") ?? unknownID
    addsBOS = configuration.flag("add_bos_token") ?? addsBOS
    addsEOS = configuration.flag("add_eos_token") ?? addsEOS
    chatTemplates = configuration.chatTemplates
  }

  /// Puts added tokens into pieces and kinds, past the end where their ids are.
  mutating func add(_ tokens: [AddedToken], source: String) throws {
    for token in tokens.sorted(by: { $0.id < $1.id }) {
      guard token.id <= pieces.count + 65_536 else {
        throw TokenizerError("\(source): the added token '\(token.content)' has the id \(token.id), far past the vocabulary")
      }
      while pieces.count < token.id {
        pieces.append([])
        kinds.append(.unused)
      }
      if token.id == pieces.count {
        pieces.append(token.content.utf8)
        kinds.append(.normal)
      }
      if kinds[token.id] != .unknown { kinds[token.id] = token.isSpecial ? .control : .userDefined }
    }
    added = tokens
  }
}
