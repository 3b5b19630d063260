// The decoder as the paper's figure has it: embedding, blocks of attention and gated feed-forward on a residual stream, norm.
// Operations are the fused ones of Tensors, so this is at once inference over whole texts and what training differentiates.

import Kernels
import Tensors

/// What a forward pass runs over.
public struct ForwardOptions: Sendable {
  /// Whether the model's adapters take part.
  public var adapters = true
  /// Whether blocks are recomputed in the backward pass instead of kept.
  public var checkpointing = false
  /// Which pass of a training this is; nil switches dropout off.
  public var dropout: DropoutPass?
  /// Whether sequences that begin alike are computed as one up to where they part.
  ///
  /// Each token's result is the same to the bit;
  /// gradients differ by the order of their sums. Not together with dropout: what is shared would be dropped alike.
  public var sharesPrefixes = false
  /// Strength of NEFTune's noise on the embeddings in a pass of a training; 0: none.
  public var neftuneAlpha = 0.0
  /// Where log-probabilities leave what else is seen of each scored token: entropy, mean logit; nil if nobody asks.
  public var statistics: TokenStatisticsLog?
  /// The derivative of the loss by each log-probability of the pass, where it does not depend on them.
  ///
  /// Forward and backward pass of the output layer are then one, which computes no logit twice.
  public var slopes: [Float]?

  /// Options; without arguments: with adapters, nothing recomputed, no dropout, nothing shared, no statistics.
  public init(
    adapters: Bool = true, checkpointing: Bool = false, dropout: DropoutPass? = nil, sharesPrefixes: Bool = false,
    statistics: TokenStatisticsLog? = nil
  ) {
    self.adapters = adapters
    self.sharesPrefixes = sharesPrefixes
    self.checkpointing = checkpointing
    self.dropout = dropout
    self.statistics = statistics
  }
}

extension LanguageModel {
  /// The residual stream after the final norm, for tokens of one or more documents laid end to end.
  ///
  /// - Parameters:
  ///   - ids: Tokens of all documents. Shape (T,).
  ///   - documents: Which tokens belong together; they see only each other and their prefix, behind which positions go on.
  ///     Nil: one document.
  /// - Returns: Shape (T, hiddenSize), on the tape.
  public func hiddenStates(_ ids: [Int32], documents: [AttentionDocument]? = nil, options: ForwardOptions = .init()) throws -> Tensor {
    let documents = documents ?? [AttentionDocument(0..<ids.count)]
    let batch = try PackedTokens(ids, documents, self)
    // transformers makes pad_token_id the embedding's padding_idx: as an input that token does not learn. It is often the end of a turn.
    let embedded = try embedding(weights.embedding, ids, paddingID: configuration.padTokenID.flatMap(Int32.init(exactly:)))
    var x = try noisy(embedded, documents.map(\.tokens), options)  // (T, C)
    for layer in 0..<configuration.numHiddenLayers {
      try SafePoint.pass()
      if options.checkpointing {
        x = try checkpoint([x], parameters: parameters(ofLayer: layer, options)) { try self.block(layer, $0[0], batch, options) }
      } else {
        x = try block(layer, x, batch, options)
      }
    }
    return try rmsNorm(x, weights.finalNorm, epsilon: configuration.rmsNormEpsilon)
  }

  private func block(_ layer: Int, _ x: Tensor, _ batch: PackedTokens, _ options: ForwardOptions) throws -> Tensor {
    let c = configuration
    let normed = try rmsNorm(x, weights.layers[layer].attentionNorm, epsilon: c.rmsNormEpsilon)
    let q = try turned(project(.query, layer, normed, options), layer, heads: c.numAttentionHeads, batch)
    let k = try turned(project(.key, layer, normed, options), layer, heads: c.numKeyValueHeads, batch)
    let v = try project(.value, layer, normed, options)
    let mixed = try causalAttention(
      q, k, v, heads: c.numAttentionHeads, keyValueHeads: c.numKeyValueHeads, headDimension: c.headDimension, documents: batch.documents,
      slidingWindow: c.slidingWindow)
    // No gradient needs what a projection gave, so sums and turned vectors take its memory.
    let attended = try x.added(into: project(.output, layer, mixed, options))

    let inner = try rmsNorm(attended, weights.layers[layer].feedForwardNorm, epsilon: c.rmsNormEpsilon)
    let gated = try swiglu(project(.gate, layer, inner, options), project(.up, layer, inner, options))  // (T, F)
    return try attended.added(into: project(.down, layer, gated, options))
  }

  private func project(_ projection: Projection, _ layer: Int, _ x: Tensor, _ options: ForwardOptions) throws -> Tensor {
    let weight = weights.layers[layer][projection]
    let output: Tensor
    if options.adapters, let adapter = adapter(projection, layer: layer) {
      output = try linear(x, weight, adapter, mask: adapter.dropoutMask(options.dropout, shape: x.shape))
    } else {
      output = try linear(x, weight)
    }
    return try weights.layers[layer].bias(projection).map { try output + $0 } ?? output
  }

  private func turned(_ x: Tensor, _ layer: Int, heads: Int, _ batch: PackedTokens) throws -> Tensor {
    guard !configuration.layersWithoutRotary.contains(layer) else { return x }
    return try rotary(
      x, heads: heads, headDimension: configuration.headDimension, positions: batch.positions, table: batch.rotary,
      layout: configuration.rotaryLayout, inPlace: true)
  }

  /// What of a block is trained: a recomputed block must name it.
  private func parameters(ofLayer layer: Int, _ options: ForwardOptions) -> [Tensor] {
    let own = weights.layers[layer]
    var found = [own.attentionNorm, own.feedForwardNorm] + own.projections.compactMap(\.tensor) + own.biases.compactMap { $0 }
    if options.adapters {
      for projection in Projection.allCases {
        if let adapter = adapter(projection, layer: layer) { found += [adapter.a, adapter.b] }
      }
    }
    return found.filter(\.requiresGradient)
  }
}

/// Tokens of several documents laid end to end, checked, with the position of each in its own document, prefix included.
struct PackedTokens: Sendable {
  let documents: [AttentionDocument]
  let positions: [Int32]
  let rotary: RotaryTable

  init(_ ids: [Int32], _ documents: [AttentionDocument], _ model: LanguageModel) throws {
    let limit = model.configuration.maxPositionEmbeddings
    var positions: [Int32] = []
    positions.reserveCapacity(ids.count)
    var longest = 1
    for document in documents {
      precondition(document.tokens.lowerBound == positions.count, "documents must lie end to end")
      let length = document.prefix.count + document.tokens.count
      guard length <= limit else { throw ModelError.tooLong(length, model) }
      longest = max(longest, length)
      positions.append(contentsOf: (Int32(document.prefix.count)..<Int32(length)))
    }
    precondition(positions.count == ids.count, "documents cover \(positions.count) of \(ids.count) tokens")
    try model.checkVocabulary(ids)
    self.documents = documents
    self.positions = positions
    rotary = model.rotaryTables.table(positions: longest)
  }
}

extension ModelError {
  static func tooLong(_ count: Int, _ model: LanguageModel) -> ModelError {
    ModelError(
      "\(count) tokens are more than the context of \(model.configuration.maxPositionEmbeddings) that \(model.name) was made for",
      hint: "shorten the text, or drop the oldest messages")
  }
}
