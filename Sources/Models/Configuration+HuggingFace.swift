// The configuration as a Hugging Face folder has it: config.json in the older style (`rope_theta`, `torch_dtype`) and in that of
// transformers 5 (`rope_parameters`, `dtype`), and the end tokens of generation_config.json.

import Formats
import Kernels

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

extension Configuration {
  /// Reads `config.json`, and `generation_config.json` if there is one, of a model folder.
  ///
  /// - Throws: `FormatError` or `ModelError` naming the file and the key at fault.
  public init(directory: String) throws {
    let path = "\(directory)/config.json"
    try self.init(huggingFace: try JSON.read(path: path), source: path)
    let generation = "\(directory)/generation_config.json"
    if access(generation, F_OK) == 0, let more = try JSON.read(path: generation)["eos_token_id"] {
      for id in Self.ids(more) where !eosTokenIDs.contains(id) { eosTokenIDs.append(id) }
    }
  }

  /// Reads a `config.json` that was parsed already; what is missing has transformers' default.
  public init(huggingFace config: JSON, source: String) throws {
    let family = config["model_type"]?.string ?? "none"
    guard family == "llama" || family == "mistral" else {
      throw ModelError(
        "\(source): the model_type is '\(family)'; llama and mistral models are run",
        hint: "SmolLM2, Llama 2 and 3, Mistral 7B and Zephyr are of these")
    }
    if config["quantization_config"].map({ !$0.isNull }) ?? false {
      throw ModelError(
        "\(source): weights quantized inside a Hugging Face folder are not read", hint: "take the original folder, or a GGUF file of it")
    }
    for key in ["attention_bias", "mlp_bias"] where config[key]?.bool == true {
      throw ModelError("\(source): \(key) is true; projections with biases are not supported")
    }
    let activation = config["hidden_act"]?.string ?? "silu"
    guard activation == "silu" || activation == "swish" else {
      throw ModelError("\(source): hidden_act is '\(activation)'; silu is supported")
    }
    let int = { (key: String, standard: Int?) throws -> Int in
      guard let value = config[key], !value.isNull else {
        guard let standard else { throw ModelError("\(source) has no '\(key)'") }
        return standard
      }
      guard let number = value.int else { throw ModelError("\(source): '\(key)' is \(value.kind), not a whole number") }
      return number
    }
    let number = { (value: JSON?, key: String, standard: Double) throws -> Double in
      guard let value, !value.isNull else { return standard }
      guard let number = value.double else { throw ModelError("\(source): '\(key)' is \(value.kind), not a number") }
      return number
    }
    let hiddenSize = try int("hidden_size", nil)
    let heads = try int("num_attention_heads", nil)
    guard heads > 0, hiddenSize > 0 else { throw ModelError("\(source): \(heads) heads over a width of \(hiddenSize) make no model") }
    let rope = config["rope_parameters"]
    let isMistral = family == "mistral"
    var window: Int?
    if isMistral {
      // A missing key means transformers' default; null means none.
      window = config["sliding_window"] == nil ? 4096 : config["sliding_window"]?.isNull == true ? nil : try int("sliding_window", nil)
    }
    self.init(
      architecture: family, vocabularySize: try int("vocab_size", nil), hiddenSize: hiddenSize,
      intermediateSize: try int("intermediate_size", nil), numHiddenLayers: try int("num_hidden_layers", nil), numAttentionHeads: heads,
      numKeyValueHeads: try int("num_key_value_heads", isMistral ? 8 : heads), headDimension: try int("head_dim", hiddenSize / heads),
      maxPositionEmbeddings: try int("max_position_embeddings", isMistral ? 131_072 : 2048),
      rmsNormEpsilon: Float(try number(config["rms_norm_eps"], "rms_norm_eps", 1e-6)),
      ropeTheta: try number(rope?["rope_theta"] ?? config["rope_theta"], "rope_theta", 10_000),
      ropeScaling: try Self.scaling(rope ?? config["rope_scaling"], source), rotaryLayout: .halfSplit, slidingWindow: window,
      tieWordEmbeddings: config["tie_word_embeddings"]?.bool ?? false)
    bosTokenID = config["bos_token_id"]?.int
    padTokenID = config["pad_token_id"]?.int
    eosTokenIDs = config["eos_token_id"].map(Self.ids) ?? []
    self = try validated(source: source)
  }

  /// One id or a list of ids.
  private static func ids(_ value: JSON) -> [Int] { value.array?.compactMap(\.int) ?? value.int.map { [$0] } ?? [] }

  private static func scaling(_ rope: JSON?, _ source: String) throws -> RotaryScaling {
    guard let rope, !rope.isNull else { return .none }
    let kind = rope["rope_type"]?.string ?? rope["type"]?.string ?? "default"
    let number = { (key: String) throws -> Double in
      guard let value = rope[key]?.double, value > 0, value.isFinite else {
        throw ModelError("\(source): the rotary scaling '\(kind)' needs a positive '\(key)'")
      }
      return value
    }
    switch kind {
    case "default": return .none
    case "linear": return .linear(factor: try number("factor"))
    case "llama3":
      return .llama3(
        factor: try number("factor"), lowFrequencyFactor: try number("low_freq_factor"),
        highFrequencyFactor: try number("high_freq_factor"),
        originalContext: try number("original_max_position_embeddings"))
    default: throw ModelError("\(source) stretches its positions by '\(kind)', which is not supported")
    }
  }
}
