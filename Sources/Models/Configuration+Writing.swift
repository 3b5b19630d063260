// The configuration on its way out: as config.json in the style that both older and newer transformers read, and as the
// `<architecture>.…` metadata of a GGUF file.

import Formats
import Kernels
import OrderedCollections

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

extension Configuration {
  /// The configuration as config.json.
  ///
  /// - Throws: `ModelError` where transformers has no class for this mixture.
  func huggingFace(type: SafetensorsType) throws -> JSON {
    let number = { (value: Int) -> JSON in .int(Int64(value)) }
    let family = huggingFaceFamily
    let scaling = try scalingMembers()
    var members: OrderedDictionary<String, JSON> = [
      "architectures": [.string(family.className)], "bos_token_id": bosTokenID.map(number) ?? .null,
      "eos_token_id": eosTokenIDs.count == 1 ? number(eosTokenIDs[0]) : eosTokenIDs.isEmpty ? .null : .array(eosTokenIDs.map(number)),
      "head_dim": number(headDimension), "hidden_act": "silu", "hidden_size": number(hiddenSize),
      "intermediate_size": number(intermediateSize), "max_position_embeddings": number(maxPositionEmbeddings),
      "model_type": .string(family.name), "num_attention_heads": number(numAttentionHeads), "num_hidden_layers": number(numHiddenLayers),
      "num_key_value_heads": number(numKeyValueHeads), "pad_token_id": padTokenID.map(number) ?? .null,
      "rms_norm_eps": .double(Double("\(rmsNormEpsilon)") ?? Double(rmsNormEpsilon)), "rope_scaling": scaling,
      "rope_theta": .double(ropeTheta), "tie_word_embeddings": .bool(tieWordEmbeddings),
      "torch_dtype": .string([.f16: "float16", .bf16: "bfloat16"][type] ?? "float32"), "vocab_size": number(vocabularySize),
    ]
    let attention = biases.intersection([.query, .key, .value, .output])
    let feedForward = biases.intersection([.gate, .up, .down])
    switch family.name {
    case "mistral":
      members["sliding_window"] = slidingWindow.map(number) ?? .null
      guard biases.isEmpty else { throw ModelError("a Mistral model with biases has no form in Hugging Face's layout") }
    case "qwen2":
      members["use_sliding_window"] = false
      guard attention == [.query, .key, .value], feedForward.isEmpty, slidingWindow == nil else {
        throw ModelError("a Qwen 2 model with these biases has no form in Hugging Face's layout")
      }
    default:
      guard [0, 4].contains(attention.count), [0, 3].contains(feedForward.count), slidingWindow == nil else {
        throw ModelError("a \(family.name) model with biases in some projections only has no form in Hugging Face's layout")
      }
      members["attention_bias"] = .bool(!attention.isEmpty)
      members["mlp_bias"] = .bool(!feedForward.isEmpty)
    }
    if family.name == "smollm3" {
      members["no_rope_layers"] = .array((0..<numHiddenLayers).map { layersWithoutRotary.contains($0) ? 0 : 1 })
      members["use_sliding_window"] = false
    }
    members.sort { $0.key < $1.key }
    return .object(members)
  }

  /// GGUF files call Mistral models llama: there a sliding window tells them apart.
  private var huggingFaceFamily: (name: String, className: String) {
    switch architecture {
    case "qwen2": ("qwen2", "Qwen2ForCausalLM")
    case "smollm3": ("smollm3", "SmolLM3ForCausalLM")
    case "mistral": ("mistral", "MistralForCausalLM")
    default: slidingWindow == nil ? ("llama", "LlamaForCausalLM") : ("mistral", "MistralForCausalLM")
    }
  }

  private func scalingMembers() throws -> JSON {
    switch ropeScaling {
    case .none: return .null
    case .linear(let factor): return ["rope_type": "linear", "factor": .double(factor)]
    case .llama3(let factor, let low, let high, let context):
      return [
        "rope_type": "llama3", "factor": .double(factor), "low_freq_factor": .double(low), "high_freq_factor": .double(high),
        "original_max_position_embeddings": .int(Int64(context)),
      ]
    case .yarn(let yarn):
      return [
        "rope_type": "yarn", "factor": .double(yarn.factor), "original_max_position_embeddings": .int(Int64(yarn.originalContext)),
        "attention_factor": .double(yarn.attentionFactor), "beta_fast": .double(yarn.betaFast), "beta_slow": .double(yarn.betaSlow),
        "truncate": .bool(yarn.truncates),
      ]
    case .divisors(let divisors):
      guard let found = llama3Scaling(divisors) else {
        throw ModelError(
          "the positions are stretched by a table that config.json has no words for", hint: "export(m, \"model.gguf\") keeps it")
      }
      var copy = self
      copy.ropeScaling = found
      return try copy.scalingMembers()
    }
  }

  /// Llama 3's rule with its published borders, if it gives these divisors: GGUF files keep only the table.
  private func llama3Scaling(_ divisors: [Double]) -> RotaryScaling? {
    let factor = (divisors.max() ?? 1).rounded()
    let rule = RotaryScaling.llama3(factor: factor, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 8192)
    let isSame = rotaryDivisors(rule).elementsEqual(divisors) { abs($0 - $1) <= 1e-4 * $1 }
    return isSame && factor > 1 ? rule : nil
  }

  /// What a scaling divides each frequency by.
  func rotaryDivisors(_ scaling: RotaryScaling) -> [Double] {
    (0..<headDimension / 2).map { pair in
      let frequency = pow(ropeTheta, -2 * Double(pair) / Double(headDimension))
      return frequency / scaling.scaled(frequency, pair: pair)
    }
  }

  /// The name of this family in GGUF files.
  var ggufArchitecture: String { architecture == "mistral" ? "llama" : architecture }

  /// The metadata under `<architecture>.…`.
  ///
  /// - Throws: `ModelError` for what llama.cpp has no key for.
  func ggufMetadata() throws -> [(key: String, value: GGUFValue)] {
    var entries: [(key: String, value: GGUFValue)] = []
    let add = { (key: String, value: GGUFValue) in entries.append(("\(self.ggufArchitecture).\(key)", value)) }
    let number = { (value: Int) -> GGUFValue in .uint32(UInt32(clamping: value)) }
    add("block_count", number(numHiddenLayers))
    add("context_length", number(maxPositionEmbeddings))
    add("embedding_length", number(hiddenSize))
    add("feed_forward_length", number(intermediateSize))
    add("vocab_size", number(vocabularySize))
    add("attention.head_count", number(numAttentionHeads))
    add("attention.head_count_kv", number(numKeyValueHeads))
    add("attention.key_length", number(headDimension))
    add("attention.value_length", number(headDimension))
    add("attention.layer_norm_rms_epsilon", .float32(rmsNormEpsilon))
    if let slidingWindow { add("attention.sliding_window", number(slidingWindow)) }
    add("rope.dimension_count", number(headDimension))
    add("rope.freq_base", .float32(Float(ropeTheta)))
    switch ropeScaling {
    case .none, .llama3, .divisors: break
    case .linear(let factor):
      add("rope.scaling.type", .string("linear"))
      add("rope.scaling.factor", .float32(Float(factor)))
    case .yarn(let yarn):
      guard yarn.truncates else { throw ModelError("a GGUF file cannot say that the borders of YaRN are not rounded") }
      add("rope.scaling.type", .string("yarn"))
      add("rope.scaling.factor", .float32(Float(yarn.factor)))
      add("rope.scaling.original_context_length", number(Int(yarn.originalContext)))
      let extra = yarn.attentionFactor / YarnScaling.standardAttentionFactor(yarn.factor)
      if abs(extra - 1) > 1e-6 { add("rope.scaling.yarn_attn_factor", .float32(Float(extra))) }
      if yarn.betaFast != 32 { add("rope.scaling.yarn_beta_fast", .float32(Float(yarn.betaFast))) }
      if yarn.betaSlow != 1 { add("rope.scaling.yarn_beta_slow", .float32(Float(yarn.betaSlow))) }
    }
    guard architecture != "smollm3" || layersWithoutRotary == Set((0..<numHiddenLayers).filter { ($0 + 1) % 4 == 0 }) else {
      throw ModelError("llama.cpp takes every fourth layer of a SmolLM 3 model for one without positions; this model has others")
    }
    return entries
  }

  /// The table of `rope_freqs.weight`, where positions are stretched by one.
  var ggufRotaryTable: [Float]? {
    switch ropeScaling {
    case .llama3: rotaryDivisors(ropeScaling).map(Float.init)
    case .divisors(let divisors): divisors.map(Float.init)
    case .none, .linear, .yarn: nil
    }
  }
}
