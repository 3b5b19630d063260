// The configuration as GGUF metadata has it, under `<architecture>.…`: reading here, writing in Configuration+Writing.swift.
// Llama and Mistral both call themselves `llama` there.

import Formats
import Kernels

extension Configuration {
  /// Reads the configuration of a GGUF model of the llama architecture.
  ///
  /// - Throws: `ModelError` if the architecture is another one or a number is missing or impossible.
  public init(gguf file: GGUFFile) throws {
    let path = file.path
    let architecture = file.metadata["general.architecture"]?.string ?? "none"
    guard ["llama", "mistral", "qwen2", "smollm3"].contains(architecture) else {
      throw ModelError(
        "\(path) is a model of the architecture '\(architecture)'; llama, mistral, qwen2 and smollm3 models are run",
        hint: "SmolLM 2 and 3, Llama 2 and 3, Mistral 7B, Zephyr and Qwen 2.5 are of these")
    }
    let value = { (key: String) in file.metadata["\(architecture).\(key)"] }
    let int = { (key: String) throws -> Int in
      guard let found = value(key) else {
        throw ModelError(
          "\(path) has no metadata '\(architecture).\(key)'", hint: "the file may be incomplete; convert or download it again")
      }
      // Some architectures give one number per layer; only equal ones make a decoder as it is built here.
      if let list = found.ints, let first = list.first, list.allSatisfy({ $0 == first }) { return first }
      guard let number = found.int else { throw ModelError("\(path): '\(architecture).\(key)' is no whole number") }
      return number
    }
    if let experts = value("expert_count")?.int, experts > 0 {
      throw ModelError("\(path) is a mixture of \(experts) experts; only dense models are run")
    }
    let hiddenSize = try int("embedding_length")
    let heads = try int("attention.head_count")
    guard heads > 0, hiddenSize > 0 else { throw ModelError("\(path): \(heads) heads over a width of \(hiddenSize) make no model") }
    let headDimension = try value("attention.key_length") == nil ? hiddenSize / heads : int("attention.key_length")
    if let valueLength = value("attention.value_length")?.int, valueLength != headDimension {
      throw ModelError("\(path): keys of width \(headDimension) and values of width \(valueLength) are not supported together")
    }
    if let rotated = value("rope.dimension_count")?.int, rotated != headDimension {
      throw ModelError("\(path) turns only \(rotated) of the \(headDimension) elements of a head, which is not supported")
    }
    guard let embedding = file.tensors["token_embd.weight"], embedding.dimensions.count == 2 else {
      throw ModelError("\(path) has no tensor 'token_embd.weight'", hint: "the file holds no language model, or only a part of one")
    }
    self.init(
      architecture: architecture, vocabularySize: embedding.dimensions[1], hiddenSize: hiddenSize,
      intermediateSize: try int("feed_forward_length"), numHiddenLayers: try int("block_count"), numAttentionHeads: heads,
      numKeyValueHeads: value("attention.head_count_kv") == nil ? heads : try int("attention.head_count_kv"),
      headDimension: headDimension, maxPositionEmbeddings: try int("context_length"),
      rmsNormEpsilon: Float(value("attention.layer_norm_rms_epsilon")?.double ?? 1e-5),
      ropeTheta: value("rope.freq_base")?.double ?? 10_000,
      rotaryLayout: Self.ggufRotaryLayout(architecture),
      slidingWindow: value("attention.sliding_window")?.int.flatMap { $0 > 0 ? $0 : nil },
      biases: Set(Projection.allCases.filter { file.tensors[WeightName.bias($0, layer: 0).gguf] != nil }),
      tieWordEmbeddings: file.tensors["output.weight"] == nil)
    let token = { (name: String) in file.metadata["tokenizer.ggml.\(name)_token_id"]?.int }
    bosTokenID = token("bos")
    padTokenID = token("padding")
    for name in ["eos", "eot", "eom"] {
      if let id = token(name), !eosTokenIDs.contains(id) { eosTokenIDs.append(id) }
    }
    self = try validated(source: path)
    ropeScaling = try Self.scaling(file, architecture, self)
    // llama.cpp has the same rule built in; files have no key for it.
    if architecture == "smollm3" { layersWithoutRotary = Set((0..<numHiddenLayers).filter { ($0 + 1) % 4 == 0 }) }
  }

  /// In which order GGUF files of an architecture have the rows of q and k.
  static func ggufRotaryLayout(_ architecture: String) -> RotaryLayout { architecture == "qwen2" ? .halfSplit : .interleaved }

  private static func scaling(_ file: GGUFFile, _ architecture: String, _ configuration: Configuration) throws -> RotaryScaling {
    let value = { (key: String) in file.metadata["\(architecture).rope.scaling.\(key)"]?.double }
    if let factors = file.tensors["rope_freqs.weight"] {
      guard factors.type == .f32 else { throw ModelError("\(file.path): rope_freqs.weight is of type \(factors.type.name), not f32") }
      let divisors = (0..<factors.count).map { Double(factors.data.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self)) }
      guard divisors.allSatisfy({ $0 > 0 && $0.isFinite }) else {
        throw ModelError("\(file.path): rope_freqs.weight holds numbers that are not positive", hint: "convert the model again")
      }
      return .divisors(divisors)
    }
    switch file.metadata["\(architecture).rope.scaling.type"]?.string ?? "none" {
    case "none": return .none
    case "linear":
      guard let factor = file.metadata["\(architecture).rope.scaling.factor"]?.double, factor > 0 else { return .none }
      return .linear(factor: factor)
    case "yarn":
      guard let factor = value("factor"), factor > 0 else { return .none }
      let original = value("original_context_length") ?? Double(configuration.maxPositionEmbeddings) / factor
      let extra = value("yarn_attn_factor") ?? value("attn_factor") ?? 1
      return .yarn(
        YarnScaling(
          factor: factor, originalContext: original, headDimension: configuration.headDimension, theta: configuration.ropeTheta,
          betaFast: value("yarn_beta_fast") ?? 32, betaSlow: value("yarn_beta_slow") ?? 1,
          attentionFactor: extra * YarnScaling.standardAttentionFactor(factor)))
    case let other:
      throw ModelError("\(file.path) stretches its positions by '\(other)', which is not supported", hint: "linear and yarn are")
    }
  }
}
