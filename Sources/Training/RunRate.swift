// How long an update will take, from what a few passes through the first layers take now: a pass costs the same for every layer, so
// one layer and a few scored tokens tell the rest in a fraction of an update's time. Nothing is changed by measuring.

import Models
import Tensors

/// Seconds of the pieces that an update is made of.
public struct RunRate: Sendable, Equatable {
  /// A token through a layer and back.
  public var tokenAndLayer: Double
  /// A scored token through the output layer and back.
  public var scoredToken: Double
  /// A token through a layer of the reference.
  public var referenceTokenAndLayer: Double
  /// A scored token through the output layer of the reference.
  public var referenceScoredToken: Double
  /// Updating one parameter: norm of the gradient, moments, step.
  public var parameter: Double
}

extension RunPlan {
  /// Measures the rate of a run whose policy exists.
  ///
  /// - Complexity: About the arithmetic of `budget` floating-point operations, a few times.
  public func measureRate(policy: LanguageModel, budget: Double = 2e10) throws -> RunRate {
    let c = policy.configuration
    let perLayer = Double(max(1, c.parameterCount - 2 * c.vocabularySize * c.hiddenSize) / max(1, c.numHiddenLayers))
    let most = max(2, min(widest.tokens, c.maxPositionEmbeddings))
    let tokens = max(2, min(most, max(64, Int(budget / (6 * max(perLayer, 1))))))
    let scored = max(1, min(tokens - 1, max(16, Int(budget / (8 * Double(c.vocabularySize * c.hiddenSize))))))
    func measure(_ model: LanguageModel, records: Bool) throws -> (layer: Double, scored: Double) {
      var found = try pieces(model, tokens: tokens, scored: scored, records: records)
      if tokens < most {
        // Few tokens pay more than their part of what a pass costs whatever its length: unpacking weights, packing them for products.
        let more = min(most, 5 * tokens / 2)
        let longer = try pieces(model, tokens: more, scored: 1, records: records).layer
        let perToken = max(0, longer * Double(more) - found.layer * Double(tokens)) / Double(more - tokens)
        found.layer = perToken + max(0, longer - perToken) * Double(more) / Double(most)
      }
      return found
    }
    let own = try measure(policy, records: true)
    let other = try reference.map { try measure($0.adapters.isEmpty ? $0 : $0.base ?? $0, records: false) }
    return RunRate(
      tokenAndLayer: own.layer, scoredToken: own.scored, referenceTokenAndLayer: other?.layer ?? 0,
      referenceScoredToken: other?.scored ?? 0, parameter: try parameterSeconds(policy))
  }

  /// Seconds that a mean update takes at a rate.
  ///
  /// - Parameter withReference: Whether the reference is run, as for pairs that were not scored before.
  public func secondsPerStep(_ rate: RunRate, withReference: Bool = true) -> Double {
    let layers = Double(model.configuration.numHiddenLayers)
    // A block is computed once more: a third of what it costs, or half where its weights are frozen.
    let again = !options.gradientCheckpointing ? 1 : learning.ranks.isEmpty ? 4.0 / 3 : 1.5
    var seconds = tokensPerUpdate * layers * rate.tokenAndLayer * again + scoredPerUpdate * rate.scoredToken
    seconds += Double(learning.count) * rate.parameter
    if withReference, reference != nil {
      seconds += tokensPerUpdate * layers * rate.referenceTokenAndLayer + scoredPerUpdate * rate.referenceScoredToken
    }
    return seconds
  }

  /// Seconds of a token through one layer, and of a scored token.
  private func pieces(
    _ model: LanguageModel, tokens: Int, scored: Int, records: Bool
  ) throws -> (layer: Double, scored: Double) {
    let layers = model.configuration.numHiddenLayers
    let (short, long) = (try model.truncated(layers: 1), try model.truncated(layers: min(3, layers)))
    let few = min(scored, max(1, scored / 8))
    _ = try seconds(long, tokens, scored, records)  // takes memory, fills caches
    let base = try seconds(short, tokens, few, records)
    let deeper = try seconds(long, tokens, few, records)
    let more = scored > few ? try seconds(short, tokens, scored, records) : base
    let between = long.configuration.numHiddenLayers - 1
    let perScored = scored > few ? max(0, more - base) / Double(scored - few) : base / Double(scored)
    let perLayer = between > 0 ? max(0, deeper - base) / Double(between) : max(0, base - perScored * Double(few))
    return (perLayer / Double(tokens), perScored)
  }

  private func seconds(_ model: LanguageModel, _ tokens: Int, _ scored: Int, _ records: Bool) throws -> Double {
    let vocabulary = model.configuration.vocabularySize
    let ids = (0..<tokens).map { $0 * 7919 % vocabulary }
    let clock = ContinuousClock()
    let began = clock.now
    if records {
      var forward = ForwardOptions(statistics: TokenStatisticsLog())
      let slopes = [Float](repeating: 1e-3, count: scored)
      if knowsSlopes { forward.slopes = slopes }
      let logProbs = try model.tokenLogProbs([ids], scoredFrom: [tokens - scored], options: forward)
      let loss = try recordLoss(0, ofLogProbs: logProbs, slopes: slopes)
      _ = try gradients(of: loss, with: model.trainable.map(\.tensor))
    } else {
      _ = try withoutRecording { try model.tokenLogProbs([ids], scoredFrom: [tokens - scored], options: ForwardOptions(adapters: false)) }
    }
    return (clock.now - began) / .seconds(1)
  }

  /// Seconds of an update per parameter, on copies of a layer's.
  private func parameterSeconds(_ policy: LanguageModel) throws -> Double {
    let some = try policy.truncated(layers: 1).trainable.suffix(12).map { (name: $0.name, tensor: try $0.tensor.copied()) }
    let count = some.reduce(0) { $0 + $1.tensor.count }
    guard count > 0 else { return 0 }
    let optimizer = try Optimizer(kind: options.optimizer, parameters: some)
    let slopes = try some.map { try Tensor.zeros($0.tensor.shape) }
    let clock = ContinuousClock()
    var best = Double.infinity
    for step in 1...2 {
      let began = clock.now
      _ = Gradients.norm(slopes)
      optimizer.update(slopes, step: step, rate: 0, options: options)
      best = min(best, (clock.now - began) / .seconds(1))
    }
    return best / Double(count)
  }
}
