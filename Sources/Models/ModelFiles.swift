// A model on disk in Hugging Face's layout: config.json and model.safetensors under its names and in its row order, with the
// tokenizer's files copied from the folder the model came from.

import Formats
import Kernels
import Tensors

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

extension LanguageModel {
  /// Saves the adapters of a policy in PEFT's layout, or the whole model in Hugging Face's.
  public func save(to directory: String) throws {
    if adapters.isEmpty { try saveWeights(to: directory) } else { try saveAdapter(to: directory) }
  }

  /// Writes configuration and weights; floats keep their type, quantized blocks become fp32.
  private func saveWeights(to directory: String) throws {
    if case .divisors = configuration.ropeScaling {
      throw ModelError("\(name) stretches its positions by a table that config.json has no words for, so it cannot be saved in that layout")
    }
    try makeFolder(directory)
    var owners: [AnyObject] = []
    var outputs: [SafetensorsFile.Output] = []
    for name in WeightName.all(configuration) {
      let stored = try storedMatrix(name)
      owners.append(stored.owner)
      outputs.append(.init(name: name.huggingFace, type: stored.type, shape: name.shape(configuration), data: stored.data))
    }
    try withExtendedLifetime(owners) { try SafetensorsFile.write(outputs, to: "\(directory)/model.safetensors") }
    try AtomicFile.write(configuration.huggingFace(type: outputs[0].type).serialized(pretty: true) + "\n", to: "\(directory)/config.json")
    try copyTokenizer(to: directory)
  }

  private func storedMatrix(_ name: WeightName) throws -> (type: SafetensorsType, data: UnsafeRawBufferPointer, owner: AnyObject) {
    if let vector = weights.vector(name) { return (.f32, UnsafeRawBufferPointer(start: vector.pointer, count: 4 * vector.count), vector) }
    guard let weight = weights.matrix(name) else { throw ModelError("\(self.name) has no weight '\(name.huggingFace)'") }
    let view = weight.view
    var isReordered = false
    if case .projection(let projection, _) = name {
      isReordered = projection.rotaryHeads(configuration) != nil && configuration.rotaryLayout != .halfSplit
    }
    let types: [WeightType: SafetensorsType] = [.f32: .f32, .f16: .f16, .bf16: .bf16]
    if !isReordered, let type = types[view.type] {
      return (type, UnsafeRawBufferPointer(start: view.base, count: view.rows * view.rowBytes), weight)
    }
    var floats = try Tensor(shape: [view.rows, view.columns])
    unpack(view.type, from: view.base, to: floats.pointer, count: floats.count)
    if case .projection(let projection, _) = name {
      floats = try reordered(floats, projection, configuration, from: configuration.rotaryLayout, to: .halfSplit)
    }
    return (.f32, UnsafeRawBufferPointer(start: floats.pointer, count: 4 * floats.count), floats)
  }

  private func copyTokenizer(to directory: String) throws {
    let names = [
      "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja",
      "generation_config.json",
    ]
    for name in names where access("\(path)/\(name)", F_OK) == 0 {
      let file = try MappedFile(path: "\(path)/\(name)")
      try AtomicFile.write(to: "\(directory)/\(name)") { try $0.append(file.bytes) }
    }
  }
}

extension Configuration {
  /// The configuration as config.json, in the style that both older and newer transformers read.
  func huggingFace(type: SafetensorsType) -> JSON {
    let number = { (value: Int) -> JSON in .int(Int64(value)) }
    let isMistral = slidingWindow != nil || architecture == "mistral"
    var members: [(String, JSON)] = [
      ("architectures", [.string(isMistral ? "MistralForCausalLM" : "LlamaForCausalLM")]), ("attention_bias", false),
      ("bos_token_id", bosTokenID.map(number) ?? .null),
      ("eos_token_id", eosTokenIDs.count == 1 ? number(eosTokenIDs[0]) : .array(eosTokenIDs.map(number))),
      ("head_dim", number(headDimension)),
      ("hidden_act", "silu"), ("hidden_size", number(hiddenSize)), ("intermediate_size", number(intermediateSize)),
      ("max_position_embeddings", number(maxPositionEmbeddings)), ("mlp_bias", false),
      ("model_type", .string(isMistral ? "mistral" : "llama")),
      ("num_attention_heads", number(numAttentionHeads)), ("num_hidden_layers", number(numHiddenLayers)),
      ("num_key_value_heads", number(numKeyValueHeads)), ("pad_token_id", padTokenID.map(number) ?? .null),
      ("rms_norm_eps", .double(Double("\(rmsNormEpsilon)") ?? Double(rmsNormEpsilon))), ("rope_scaling", scalingMembers),
      ("rope_theta", .double(ropeTheta)), ("tie_word_embeddings", .bool(tieWordEmbeddings)),
      ("torch_dtype", .string([.f16: "float16", .bf16: "bfloat16"][type] ?? "float32")), ("vocab_size", number(vocabularySize)),
    ]
    if isMistral { members.append(("sliding_window", slidingWindow.map(number) ?? .null)) }
    var object: JSON = [:]
    if case .object(var ordered) = object {
      for (key, value) in members { ordered[key] = value }
      object = .object(ordered)
    }
    return object
  }

  private var scalingMembers: JSON {
    switch ropeScaling {
    case .none, .divisors: .null
    case .linear(let factor): ["rope_type": "linear", "factor": .double(factor)]
    case .llama3(let factor, let low, let high, let context):
      [
        "rope_type": "llama3", "factor": .double(factor), "low_freq_factor": .double(low), "high_freq_factor": .double(high),
        "original_max_position_embeddings": .int(Int64(context)),
      ]
    }
  }
}
