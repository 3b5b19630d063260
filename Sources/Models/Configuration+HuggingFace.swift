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
    let reader = ConfigReader(json: config, source: source)
    let family = try Family(reader)
    if config["quantization_config"].map({ !$0.isNull }) ?? false {
      throw ModelError(
        "\(source): weights quantized inside a Hugging Face folder are not read", hint: "take the original folder, or a GGUF file of it")
    }
    let activation = config["hidden_act"]?.string ?? "silu"
    guard activation == "silu" || activation == "swish" else {
      throw ModelError("\(source): hidden_act is '\(activation)'; silu is supported")
    }
    let hiddenSize = try reader.int("hidden_size", nil)
    let heads = try reader.int("num_attention_heads", nil)
    guard heads > 0, hiddenSize > 0 else { throw ModelError("\(source): \(heads) heads over a width of \(hiddenSize) make no model") }
    let rope = config["rope_parameters"]
    let layers = try reader.int("num_hidden_layers", nil)
    self.init(
      architecture: family.name, vocabularySize: try reader.int("vocab_size", nil), hiddenSize: hiddenSize,
      intermediateSize: try reader.int("intermediate_size", nil), numHiddenLayers: layers, numAttentionHeads: heads,
      numKeyValueHeads: try reader.int("num_key_value_heads", family.keyValueHeads ?? heads),
      headDimension: try reader.int("head_dim", hiddenSize / heads),
      maxPositionEmbeddings: try reader.int("max_position_embeddings", family.context),
      rmsNormEpsilon: Float(try reader.number(config["rms_norm_eps"], "rms_norm_eps", 1e-6)),
      ropeTheta: try reader.number(rope?["rope_theta"] ?? config["rope_theta"], "rope_theta", family.theta),
      rotaryLayout: .halfSplit, slidingWindow: try family.slidingWindow(reader), biases: family.biases(reader),
      layersWithoutRotary: try family.layersWithoutRotary(reader, layers: layers),
      tieWordEmbeddings: config["tie_word_embeddings"]?.bool ?? family.isTied)
    bosTokenID = config["bos_token_id"]?.int
    padTokenID = config["pad_token_id"]?.int
    eosTokenIDs = config["eos_token_id"].map(Self.ids) ?? []
    self = try validated(source: source)
    ropeScaling = try Self.scaling(rope ?? config["rope_scaling"], self, source)
  }

  /// One id or a list of ids.
  private static func ids(_ value: JSON) -> [Int] { value.array?.compactMap(\.int) ?? value.int.map { [$0] } ?? [] }

  private static func scaling(_ rope: JSON?, _ configuration: Configuration, _ source: String) throws -> RotaryScaling {
    guard let rope, !rope.isNull else { return .none }
    let kind = rope["rope_type"]?.string ?? rope["type"]?.string ?? "default"
    let optional = { (key: String) throws -> Double? in
      guard let value = rope[key], !value.isNull else { return nil }
      guard let number = value.double, number > 0, number.isFinite else {
        throw ModelError("\(source): the rotary scaling '\(kind)' needs a positive '\(key)'")
      }
      return number
    }
    let number = { (key: String) throws -> Double in
      guard let value = try optional(key) else { throw ModelError("\(source): the rotary scaling '\(kind)' needs a positive '\(key)'") }
      return value
    }
    if let partial = rope["partial_rotary_factor"]?.double, partial != 1 {
      throw ModelError("\(source) turns only a part of each head (partial_rotary_factor \(partial)), which is not supported")
    }
    switch kind {
    case "default": return .none
    case "linear": return .linear(factor: try number("factor"))
    case "llama3":
      return .llama3(
        factor: try number("factor"), lowFrequencyFactor: try number("low_freq_factor"),
        highFrequencyFactor: try number("high_freq_factor"),
        originalContext: try number("original_max_position_embeddings"))
    case "yarn":
      let context = Double(configuration.maxPositionEmbeddings)
      let original = try optional("original_max_position_embeddings") ?? context
      let factor = try optional("factor") ?? context / original
      var attention = try optional("attention_factor")
      if attention == nil, let over = try optional("mscale"), let under = try optional("mscale_all_dim") {
        let scale = { (weight: Double) in factor <= 1 ? 1 : 1 + weight * (YarnScaling.standardAttentionFactor(factor) - 1) }
        attention = scale(over) / scale(under)
      }
      return .yarn(
        YarnScaling(
          factor: factor, originalContext: original, headDimension: configuration.headDimension, theta: configuration.ropeTheta,
          betaFast: try optional("beta_fast") ?? 32, betaSlow: try optional("beta_slow") ?? 1, attentionFactor: attention,
          truncates: rope["truncate"]?.bool ?? true))
    default:
      throw ModelError(
        "\(source) stretches its positions by '\(kind)', which is not supported", hint: "linear, llama3 and yarn are")
    }
  }
}

/// A config.json with the errors that its numbers can cause.
private struct ConfigReader {
  let json: JSON
  let source: String

  func int(_ key: String, _ standard: Int?) throws -> Int {
    guard let value = json[key], !value.isNull else {
      guard let standard else { throw ModelError("\(source) has no '\(key)'") }
      return standard
    }
    guard let number = value.int else { throw ModelError("\(source): '\(key)' is \(value.kind), not a whole number") }
    return number
  }

  func number(_ value: JSON?, _ key: String, _ standard: Double) throws -> Double {
    guard let value, !value.isNull else { return standard }
    guard let number = value.double else { throw ModelError("\(source): '\(key)' is \(value.kind), not a number") }
    return number
  }

  func flag(_ key: String) -> Bool { json[key]?.bool ?? false }
}

/// What transformers' configuration classes of the families differ in.
private struct Family {
  var name: String
  /// Defaults of keys that a file may leave out; nil: as many as query heads.
  var keyValueHeads: Int?
  var context = 32_768
  var theta = 10_000.0
  var isTied = false

  init(_ reader: ConfigReader) throws {
    name = reader.json["model_type"]?.string ?? "none"
    switch name {
    case "llama": context = 2048
    case "mistral": (keyValueHeads, context) = (8, 131_072)
    case "qwen2": break
    case "smollm3": (keyValueHeads, theta, isTied) = (4, 2_000_000, true)
    default:
      throw ModelError(
        "\(reader.source): the model_type is '\(name)'; llama, mistral, qwen2 and smollm3 models are run",
        hint: "SmolLM 2 and 3, Llama 2 and 3, Mistral 7B, Zephyr and Qwen 2.5 are of these")
    }
  }

  func slidingWindow(_ reader: ConfigReader) throws -> Int? {
    let window = reader.json["sliding_window"]
    switch name {
    case "mistral":
      // A missing key means transformers' default; null means none.
      return window == nil ? 4096 : window?.isNull == true ? nil : try reader.int("sliding_window", nil)
    case "qwen2", "smollm3":
      if reader.flag("use_sliding_window"), let window, !window.isNull {
        throw ModelError("\(reader.source): a sliding window in some of the layers only (use_sliding_window) is not supported")
      }
      return nil
    default: return nil
    }
  }

  func biases(_ reader: ConfigReader) -> Set<Projection> {
    switch name {
    case "qwen2": return [.query, .key, .value]
    case "llama", "smollm3":
      var biases: Set<Projection> = reader.flag("attention_bias") ? [.query, .key, .value, .output] : []
      if reader.flag("mlp_bias") { biases.formUnion([.gate, .up, .down]) }
      return biases
    default: return []
    }
  }

  func layersWithoutRotary(_ reader: ConfigReader, layers: Int) throws -> Set<Int> {
    guard name == "smollm3" else { return [] }
    if let list = reader.json["no_rope_layers"]?.array {
      let turned = list.compactMap(\.int)
      guard turned.count == list.count, turned.count >= layers else {
        throw ModelError("\(reader.source): no_rope_layers must be \(layers) numbers, 0 for a layer without positions")
      }
      return Set((0..<max(0, layers)).filter { turned[$0] == 0 })
    }
    let interval = try reader.int("no_rope_layer_interval", 4)
    guard interval > 0 else { throw ModelError("\(reader.source): no_rope_layer_interval must be positive, not \(interval)") }
    return Set((0..<max(0, min(layers, 1 << 12))).filter { ($0 + 1) % interval == 0 })
  }
}
