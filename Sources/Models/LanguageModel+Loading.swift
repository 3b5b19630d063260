// From a path to a model: a GGUF file, or a Hugging Face folder of safetensors.

import Formats
import Tokenizers

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

extension LanguageModel {
  /// Models up to this many bytes get a second copy of their weights in the order that decoding reads fastest.
  static let interleaveLimit = 1 << 30

  /// Loads a `.gguf` file or a Hugging Face folder.
  ///
  /// - Parameters:
  ///   - path: The file or folder.
  ///   - name: What the model is called in displays and messages; without one, the last part of the path.
  ///   - approve: Told what loading takes before it is taken; what it throws ends the loading.
  /// - Throws: `FormatError`, `ModelError` or `TokenizerError`, naming the file and what is wrong with it.
  public static func load(
    path: String, name: String? = nil, approve: (LoadForecast) throws -> Void = { _ in }
  ) throws -> LanguageModel {
    let path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    let name = name ?? path.split(separator: "/").last.map(String.init) ?? path
    var status = stat()
    guard stat(path, &status) == 0 else {
      throw FormatError("there is no file or folder '\(path)'", hint: "models() lists the models that can be loaded by name")
    }
    if status.st_mode & S_IFMT == S_IFDIR { return try load(directory: path, name: name, approve) }
    guard !path.hasSuffix(".safetensors") else {
      throw FormatError("\(path) holds weights without a configuration", hint: "give the folder that holds it and config.json")
    }
    return try load(gguf: GGUFFile(path: path), name: name, approve)
  }

  private static func load(
    gguf file: GGUFFile, name: String, _ approve: (LoadForecast) throws -> Void
  ) throws -> LanguageModel {
    let configuration = try Configuration(gguf: file)
    try approve(LoadForecast(gguf: file))
    let weights = try DecoderWeights(gguf: file, configuration, interleave: file.bytes <= interleaveLimit)
    let tokenizer = file.metadata["tokenizer.ggml.tokens"] == nil ? nil : try Tokenizer(gguf: file)
    return LanguageModel(
      name: name, path: file.path, configuration: configuration, weights: weights, tokenizer: tokenizer,
      chatTemplate: tokenizer?.chatTemplate)
  }

  private static func load(
    directory: String, name: String, _ approve: (LoadForecast) throws -> Void
  ) throws -> LanguageModel {
    guard access("\(directory)/config.json", F_OK) == 0 else {
      let adapter = access("\(directory)/adapter_config.json", F_OK) == 0
      throw FormatError(
        adapter ? "\(directory) holds an adapter, not a model" : "the folder \(directory) has no config.json",
        hint: adapter
          ? "load its base model, then load_adapter(model, \"\(directory)\")" : "give a .gguf file, or the folder of a Hugging Face model")
    }
    let configuration = try Configuration(directory: directory)
    let files = try SafetensorsDirectory(path: directory)
    let bytes = files.files.reduce(0) { $0 + $1.file.count }
    try approve(LoadForecast(mappedBytes: bytes, copiedBytes: 0, touchedBytes: 0, vocabularySize: configuration.vocabularySize))
    let weights = try DecoderWeights(safetensors: files, configuration, interleave: bytes <= interleaveLimit)
    let hasTokenizer = ["tokenizer.json", "tokenizer.model"].contains { access("\(directory)/\($0)", F_OK) == 0 }
    let tokenizer = hasTokenizer ? try Tokenizer(directory: directory) : nil
    return LanguageModel(
      name: name, path: directory, configuration: configuration, weights: weights, tokenizer: tokenizer,
      chatTemplate: tokenizer?.chatTemplate)
  }
}
