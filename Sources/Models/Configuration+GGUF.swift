// The configuration as GGUF metadata has it, under `<architecture>.…`. Llama and Mistral both call themselves `llama` there.

import Formats
import Kernels

extension Configuration {
  /// Reads the configuration of a GGUF model of the llama architecture.
  ///
  /// - Throws: `ModelError` if the architecture is another one or a number is missing or impossible.
  public init(gguf file: GGUFFile) throws {
    let path = file.path
    let architecture = file.metadata["general.architecture"]?.string ?? "none"
    guard architecture == "llama" || architecture == "mistral" else {
      throw ModelError(
        "\(path) is a model of the architecture '\(architecture)'; llama and mistral models are run",
        hint: "SmolLM2, Llama 2 and 3, Mistral 7B and Zephyr are of these")
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
      ropeTheta: value("rope.freq_base")?.double ?? 10_000, ropeScaling: try Self.scaling(file, architecture),
      rotaryLayout: .interleaved, slidingWindow: value("attention.sliding_window")?.int.flatMap { $0 > 0 ? $0 : nil },
      tieWordEmbeddings: file.tensors["output.weight"] == nil)
    let token = { (name: String) in file.metadata["tokenizer.ggml.\(name)_token_id"]?.int }
    bosTokenID = token("bos")
    padTokenID = token("padding")
    for name in ["eos", "eot", "eom"] {
      if let id = token(name), !eosTokenIDs.contains(id) { eosTokenIDs.append(id) }
    }
    self = try validated(source: path)
  }

  private static func scaling(_ file: GGUFFile, _ architecture: String) throws -> RotaryScaling {
    if let factors = file.tensors["rope_freqs.weight"] {
      guard factors.type == .f32 else { throw ModelError("\(file.path): rope_freqs.weight is of type \(factors.type.name), not f32") }
      return .divisors((0..<factors.count).map { Double(factors.data.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self)) })
    }
    switch file.metadata["\(architecture).rope.scaling.type"]?.string ?? "none" {
    case "none": return .none
    case "linear":
      guard let factor = file.metadata["\(architecture).rope.scaling.factor"]?.double, factor > 0 else { return .none }
      return .linear(factor: factor)
    case let other: throw ModelError("\(file.path) stretches its positions by '\(other)', which is not supported")
    }
  }
}
