// The numbers that make a Llama-style decoder what it is. How files spell them is in Configuration+GGUF.swift and
// Configuration+HuggingFace.swift; here they are named as in Hugging Face's config.json.

import Kernels

/// The shape of a decoder of the Llama family and the constants it computes with.
public struct Configuration: Sendable, Equatable {
  /// The family: `llama`, `mistral`, `qwen2` or `smollm3`.
  public var architecture = "llama"
  /// Tokens in the vocabulary.
  public var vocabularySize: Int
  /// Width of the residual stream.
  public var hiddenSize: Int
  /// Width inside the gated feed-forward block.
  public var intermediateSize: Int
  /// Number of blocks.
  public var numHiddenLayers: Int
  /// Query heads.
  public var numAttentionHeads: Int
  /// Key and value heads; query head h reads key-value head h / (heads / keyValueHeads).
  public var numKeyValueHeads: Int
  /// Width of one head.
  public var headDimension: Int
  /// The longest sequence the model was made for: its context.
  public var maxPositionEmbeddings: Int
  /// What is added to the mean square before its root is taken.
  public var rmsNormEpsilon: Float
  /// Base of the rotary frequencies.
  public var ropeTheta: Double
  /// How the rotary frequencies are stretched.
  public var ropeScaling: RotaryScaling = .none
  /// Which elements of a head form the rotated pairs.
  public var rotaryLayout: RotaryLayout = .halfSplit
  /// How many keys a query sees, itself included; nil: all before it.
  public var slidingWindow: Int?
  /// The projections that add a bias.
  public var biases: Set<Projection> = []
  /// The layers whose queries and keys are not turned: no position reaches them but through the order of the others.
  public var layersWithoutRotary: Set<Int> = []
  /// Whether the output matrix is the embedding itself.
  public var tieWordEmbeddings: Bool
  /// The token that begins a text, if the model has one.
  public var bosTokenID: Int?
  /// The tokens that end a text.
  public var eosTokenIDs: [Int] = []
  /// The token that fills up a batch, if the model has one.
  public var padTokenID: Int?

  /// Width of all query heads together.
  public var queryWidth: Int { numAttentionHeads * headDimension }
  /// Width of all key heads together, and of all value heads.
  public var keyValueWidth: Int { numKeyValueHeads * headDimension }

  /// The number of parameters of the weights, the tied ones counted once.
  public var parameterCount: Int {
    let attention = hiddenSize * (2 * queryWidth + 2 * keyValueWidth)
    let biasCount = biases.reduce(0) { $0 + $1.shape(self).rows }
    let block = attention + 3 * hiddenSize * intermediateSize + 2 * hiddenSize + biasCount
    return numHiddenLayers * block + hiddenSize + (tieWordEmbeddings ? 1 : 2) * vocabularySize * hiddenSize
  }

  /// One line as it stands in a model's display: `llama 30L d576 h9/kv3 ff1536 vocab 49152`.
  public var summary: String {
    "\(architecture) \(numHiddenLayers)L d\(hiddenSize) h\(numAttentionHeads)/kv\(numKeyValueHeads) ff\(intermediateSize) vocab \(vocabularySize)"
  }

  /// Refuses numbers that no decoder can have, so that nothing behind this has to doubt them.
  ///
  /// - Parameter source: The file the numbers come from, for the message.
  func validated(source: String) throws -> Configuration {
    let sizes = [
      ("vocab_size", vocabularySize, 1 << 24), ("hidden_size", hiddenSize, 1 << 20), ("intermediate_size", intermediateSize, 1 << 22),
      ("num_hidden_layers", numHiddenLayers, 1 << 12), ("num_attention_heads", numAttentionHeads, 1 << 12),
      ("num_key_value_heads", numKeyValueHeads, 1 << 12), ("head_dim", headDimension, 1 << 12),
      ("max_position_embeddings", maxPositionEmbeddings, 1 << 28), ("sliding_window", slidingWindow ?? 1, Int.max),
    ]
    for (name, value, limit) in sizes where value < 1 || value > limit {
      throw ModelError("\(source): \(name) is \(value), which no model can have", hint: "the file may be damaged; get it again")
    }
    guard numAttentionHeads % numKeyValueHeads == 0 else {
      throw ModelError("\(source): \(numAttentionHeads) query heads cannot share \(numKeyValueHeads) key-value heads evenly")
    }
    guard headDimension % 2 == 0 else { throw ModelError("\(source): rotary positions need an even head_dim, not \(headDimension)") }
    guard rmsNormEpsilon >= 0, rmsNormEpsilon < 1, ropeTheta > 0, ropeTheta.isFinite else {
      throw ModelError("\(source): rms_norm_eps \(rmsNormEpsilon) and rope_theta \(ropeTheta) make no sense")
    }
    return self
  }
}
