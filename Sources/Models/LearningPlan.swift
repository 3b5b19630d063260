// What of a model learns, said by sizes alone: enough to tell what its training takes before any of it exists.

import Kernels
import Tensors

/// The tensors that learn, and how they come to be.
public struct LearningPlan: Sendable, Equatable {
  /// Elements of each tensor that learns.
  public var sizes: [Int]
  /// Whether they are made for the training, as fp32 copies of frozen weights; false: they are there.
  public var areNew: Bool
  /// What the passes read of a whole model that learns, where that is apart from the fp32 copies.
  public var storage: WeightType = .f32
  /// The rank of the adapter on each projection that has one.
  public var ranks: [Projection: Int] = [:]
  /// Whether adapters drop inputs in passes that allow it.
  public var hasDropout = false

  /// Elements in all.
  public var count: Int { sizes.reduce(0, +) }
}

extension LanguageModel {
  /// What learns when this model is given to a trainer: what learns already, or all of it.
  ///
  /// - Parameter storage: What the passes read of a frozen model that becomes one that learns.
  public func learningPlan(stored storage: WeightType = .f32) -> LearningPlan {
    let learning = trainable
    guard learning.isEmpty else {
      var plan = LearningPlan(sizes: learning.map(\.tensor.count), areNew: false)
      for adapter in adapters {
        plan.ranks[adapter.projection] = adapter.a.shape[0]
        plan.hasDropout = plan.hasDropout || adapter.dropout > 0
      }
      return plan
    }
    let sizes = WeightName.all(configuration).map { $0.shape(configuration).reduce(1, *) }
    return LearningPlan(sizes: sizes, areNew: true, storage: storage)
  }

  /// What learns on adapters of a rank on all projections.
  public func adapterPlan(rank: Int) -> LearningPlan {
    let shapes = Projection.allCases.map { $0.shape(configuration) }
    let sizes = (0..<configuration.numHiddenLayers).flatMap { _ in shapes.flatMap { [$0.rows * rank, $0.columns * rank] } }
    return LearningPlan(sizes: sizes, areNew: false, ranks: Dictionary(uniqueKeysWithValues: Projection.allCases.map { ($0, rank) }))
  }

  /// Bytes of the weights that lie in the pages of files.
  public var mappedBytes: Int {
    WeightName.all(configuration).reduce(0) { sum, name in
      guard let matrix = weights.matrix(name), matrix.isMapped else { return sum }
      return sum + matrix.bytes
    }
  }

  /// The first layers of this model as a model of their own, with the same output layer: it shares all weights.
  ///
  /// What a pass costs can be measured on it in a fraction of the time.
  public func truncated(layers: Int) throws -> LanguageModel {
    var shorter = configuration
    shorter.numHiddenLayers = min(max(1, layers), configuration.numHiddenLayers)
    let weights = try DecoderWeights(
      shorter,
      matrix: { name in
        guard let matrix = self.weights.matrix(name) else { throw ModelError("\(self.name) has no matrix '\(name.huggingFace)'") }
        return matrix
      },
      vector: { name in
        guard let vector = self.weights.vector(name) else { throw ModelError("\(self.name) has no norm '\(name.huggingFace)'") }
        return vector
      })
    return LanguageModel(
      name: name, path: path, configuration: shorter, weights: weights, tokenizer: nil, chatTemplate: nil,
      adapters: adapters.filter { $0.layer < shorter.numHiddenLayers }, loraOptions: loraOptions)
  }
}

/// The size of one pass over packed sequences.
public struct PassShape: Sendable, Hashable {
  /// Tokens that are computed; a beginning that sequences share counts once.
  public var tokens: Int
  /// Keys with copies of what is shared in front of each sequence that shares it.
  public var keys: Int
  /// Tokens whose log-probabilities are wanted.
  public var scored: Int

  /// A pass.
  public init(tokens: Int, keys: Int, scored: Int) {
    self.tokens = tokens
    self.keys = keys
    self.scored = scored
  }

  /// The pass over these sequences, as `tokenLogProbs` packs them.
  public init(_ sequences: [[Int]], scoredFrom: [Int], sharesPrefixes: Bool) {
    scored = zip(sequences, scoredFrom).reduce(0) { $0 + $1.0.count - $1.1 }
    keys = sequences.reduce(0) { $0 + $1.count }
    tokens = sharesPrefixes ? PackedSequences(sequences.map { $0.map { Int32(clamping: $0) } }, sharesPrefixes: true).ids.count : keys
  }
}

extension Configuration {
  /// What the tape of a pass and its way back hold at the same time, without the gradients of what learns.
  ///
  /// It follows Transformer.swift line by line: what a block records stays until the whole pass has been walked back.
  public func passDemand(
    _ pass: PassShape, _ learning: LearningPlan, checkpointing: Bool, noise: Bool = false, knowsSlopes: Bool = false
  ) -> ArenaDemand {
    let (tokens, keys, scored) = (pass.tokens, pass.keys, pass.scored)  // T, T with copies, S
    var block = ArenaDemand()
    block.add(tokens * hiddenSize, times: 4)  // both norms, both sums in the memory of o and down
    block.add(tokens * queryWidth, times: 2)  // q, what attention gives
    block.add(tokens * keyValueWidth, times: 2)  // k, v
    block.add(tokens * intermediateSize, times: 3)  // gate, up, their product
    block.add(tokens * numAttentionHeads)
    block.add(tokens, times: 2)
    for projection in biases { block.add(tokens * projection.shape(self).rows) }
    for (projection, rank) in learning.ranks {
      block.add(tokens * rank)
      if learning.hasDropout { block.add(tokens * projection.shape(self).columns, times: 2) }
    }

    // The way back through a block: gradients of the three wide tensors, of the stream, of queries, keys and values.
    var back = ArenaDemand()
    back.add(tokens * intermediateSize, times: 3)
    back.add(tokens * hiddenSize, times: 4)
    back.add(tokens * queryWidth, times: 1)
    back.add((keys > tokens ? keys : tokens) * keyValueWidth, times: 4)

    var all = back
    all.add(tokens * hiddenSize, times: noise ? 3 : 2)  // the embedding, the last norm
    if scored < tokens { all.add(scored * hiddenSize) }
    all.add(scored * hiddenSize)  // the gradient of what is scored
    all.add(scored, times: 2)
    let logits = scored * keptLogitStride(vocabulary: vocabularySize)
    if learning.ranks.isEmpty, !knowsSlopes, logits <= largestKeptLogits { all.add(logits) }
    if checkpointing {
      all.add(block)
      all.add(tokens * hiddenSize, times: numHiddenLayers + 1)
    } else {
      for _ in 0..<numHiddenLayers { all.add(block) }
    }
    return all
  }

  /// What kernels keep for themselves in a pass: packed operands, a tile of logits or all logits of a block of rows.
  public func scratchBytes(_ pass: PassShape, keepsLogits: Bool, threads: Int) -> Int {
    let packed = [hiddenSize, queryWidth, intermediateSize].map { packedLeftFloats(rows: pass.tokens, depth: $0) }.max() ?? 0
    let kept = min(keptLogitRows(vocabulary: vocabularySize), pass.scored) * vocabularySize
    let logits = keepsLogits ? kept : logitTileFloats(rows: pass.scored, vocabulary: vocabularySize)
    return 4 * (packed + logits) + threads << 20
  }
}
