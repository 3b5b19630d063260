// The names of a decoder's weights: as Hugging Face checkpoints have them, which are the names used everywhere here, and as
// GGUF files have them.

/// One of the seven matrices of a block that a low-rank adapter can sit on.
public enum Projection: String, Sendable, CaseIterable {
  case query = "q_proj"
  case key = "k_proj"
  case value = "v_proj"
  case output = "o_proj"
  case gate = "gate_proj"
  case up = "up_proj"
  case down = "down_proj"

  /// The module it belongs to.
  var module: String {
    switch self {
    case .query, .key, .value, .output: "self_attn"
    case .gate, .up, .down: "mlp"
    }
  }

  /// Its name in a GGUF block.
  var ggufName: String {
    switch self {
    case .query: "attn_q"
    case .key: "attn_k"
    case .value: "attn_v"
    case .output: "attn_output"
    case .gate: "ffn_gate"
    case .up: "ffn_up"
    case .down: "ffn_down"
    }
  }

  /// Outputs and inputs under a configuration.
  func shape(_ configuration: Configuration) -> (rows: Int, columns: Int) {
    let c = configuration
    switch self {
    case .query: return (c.queryWidth, c.hiddenSize)
    case .key, .value: return (c.keyValueWidth, c.hiddenSize)
    case .output: return (c.hiddenSize, c.queryWidth)
    case .gate, .up: return (c.intermediateSize, c.hiddenSize)
    case .down: return (c.hiddenSize, c.intermediateSize)
    }
  }

  /// The Hugging Face path of this matrix in a layer, without `.weight`.
  func path(layer: Int) -> String { "model.layers.\(layer).\(module).\(rawValue)" }
}

/// A weight of the decoder, wherever it is stored.
enum WeightName: Hashable {
  case embedding
  case head
  case finalNorm
  case attentionNorm(layer: Int)
  case feedForwardNorm(layer: Int)
  case projection(Projection, layer: Int)
  case bias(Projection, layer: Int)

  /// The name in a Hugging Face checkpoint.
  var huggingFace: String {
    switch self {
    case .embedding: "model.embed_tokens.weight"
    case .head: "lm_head.weight"
    case .finalNorm: "model.norm.weight"
    case .attentionNorm(let layer): "model.layers.\(layer).input_layernorm.weight"
    case .feedForwardNorm(let layer): "model.layers.\(layer).post_attention_layernorm.weight"
    case .projection(let projection, let layer): projection.path(layer: layer) + ".weight"
    case .bias(let projection, let layer): projection.path(layer: layer) + ".bias"
    }
  }

  /// The name in a GGUF file.
  var gguf: String {
    switch self {
    case .embedding: "token_embd.weight"
    case .head: "output.weight"
    case .finalNorm: "output_norm.weight"
    case .attentionNorm(let layer): "blk.\(layer).attn_norm.weight"
    case .feedForwardNorm(let layer): "blk.\(layer).ffn_norm.weight"
    case .projection(let projection, let layer): "blk.\(layer).\(projection.ggufName).weight"
    case .bias(let projection, let layer): "blk.\(layer).\(projection.ggufName).bias"
    }
  }

  /// All weights of a decoder, in the order data passes through them.
  static func all(_ configuration: Configuration) -> [WeightName] {
    var names: [WeightName] = [.embedding]
    for layer in 0..<configuration.numHiddenLayers {
      names.append(.attentionNorm(layer: layer))
      names += [Projection.query, .key, .value, .output].flatMap { projection(configuration, $0, layer) }
      names.append(.feedForwardNorm(layer: layer))
      names += [Projection.gate, .up, .down].flatMap { projection(configuration, $0, layer) }
    }
    names.append(.finalNorm)
    if !configuration.tieWordEmbeddings { names.append(.head) }
    return names
  }

  /// A matrix, and its bias if it has one.
  private static func projection(_ configuration: Configuration, _ projection: Projection, _ layer: Int) -> [WeightName] {
    [.projection(projection, layer: layer)] + (configuration.biases.contains(projection) ? [.bias(projection, layer: layer)] : [])
  }

  /// The shape under a configuration: (rows, columns) of a matrix, (elements) of a norm or bias.
  func shape(_ configuration: Configuration) -> [Int] {
    switch self {
    case .embedding, .head: return [configuration.vocabularySize, configuration.hiddenSize]
    case .finalNorm, .attentionNorm, .feedForwardNorm: return [configuration.hiddenSize]
    case .projection(let projection, _):
      let shape = projection.shape(configuration)
      return [shape.rows, shape.columns]
    case .bias(let projection, _): return [projection.shape(configuration).rows]
    }
  }
}
