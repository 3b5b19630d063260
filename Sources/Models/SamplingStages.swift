// What each stage of sampling does to the next tokens: the sampler itself, run with one more stage each time, so that what is
// shown is what is drawn from.

import Tensors

/// A token that may come next, and what became of it on its way to the draw.
public struct StagedToken: Sendable, Equatable {
  /// The token under the model itself.
  public var next: NextToken
  /// Its logit after the repetition penalty.
  public var penalized: Double
  /// Its probability after the repetition penalty and the temperature.
  public var probability: Double
  /// The stage that removed it: `top_k`, `top_p`, `min_p`, or `temperature` where that is 0; nil if it may be drawn.
  public var removedBy: String?
  /// The probability with which it is drawn.
  public var final: Double
}

extension LanguageModel {
  /// The likeliest next tokens and their way through the stages of sampling, in transformers' order.
  ///
  /// - Parameters:
  ///   - ids: The text; its tokens are those that occurred for the repetition penalty.
  ///   - options: As for a generation; the seed and what ends it play no part.
  public func stagedTokens(_ ids: [Int], top: Int, options: SamplingOptions) throws -> [StagedToken] {
    try options.validate()
    let decoder = try read(ids)
    let candidates = try nextTokens(after: decoder, top: top)
    func distribution(_ options: SamplingOptions) throws -> [Int: Double] {
      let sampler = try Sampler(vocabularySize: configuration.vocabularySize, options: options, random: RandomSource(seed: 0))
      for id in ids { sampler.observe(id) }
      return Dictionary(uniqueKeysWithValues: try sampler.distribution(decoder.logits).map { ($0.id, $0.probability) })
    }
    var stage = SamplingOptions(
      temperature: options.temperature > 0 ? options.temperature : 1, repetitionPenalty: options.repetitionPenalty)
    let tempered = try distribution(stage)
    var kept = tempered
    var removed: [Int: String] = [:]
    func apply(_ name: String, _ change: (inout SamplingOptions) -> Void) throws {
      change(&stage)
      let next = try distribution(stage)
      for id in kept.keys where next[id] == nil { removed[id] = name }
      kept = next
    }
    if options.topK > 0 { try apply("top_k") { $0.topK = options.topK } }
    if options.topP < 1 { try apply("top_p") { $0.topP = options.topP } }
    if options.minP > 0 { try apply("min_p") { $0.minP = options.minP } }
    if options.temperature == 0 {
      let best = kept.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key
      for id in kept.keys where id != best { removed[id] = "temperature" }
      kept = best.map { [$0: 1] } ?? [:]
    }
    let occurred = Set(ids)
    return candidates.map { next in
      let penalty = occurred.contains(next.id) ? options.repetitionPenalty : 1
      return StagedToken(
        next: next, penalized: next.logit < 0 ? next.logit * penalty : next.logit / penalty, probability: tempered[next.id] ?? 0,
        removedBy: removed[next.id], final: kept[next.id] ?? 0)
    }
  }
}
