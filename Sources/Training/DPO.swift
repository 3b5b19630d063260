// Direct preference optimization as an objective: both answers of each pair under policy and reference, one preference loss.

import Models
import Tensors

/// A tokenized preference pair, cut to its length limit.
public struct PreferenceExample: Sendable, Equatable {
  /// Ids that both answers continue.
  public var prompt: [Int]
  /// Ids of the better answer.
  public var chosen: [Int]
  /// Ids of the worse answer.
  public var rejected: [Int]
  /// Σ log π_ref of the chosen answer, if the data brings it.
  public var referenceChosen: Double?
  /// Σ log π_ref of the rejected answer, if the data brings it.
  public var referenceRejected: Double?
  /// Index of the row in its dataset.
  public var row: Int

  /// A pair of tokenized answers.
  public init(prompt: [Int], chosen: [Int], rejected: [Int], row: Int = 0) {
    self.prompt = prompt
    self.chosen = chosen
    self.rejected = rejected
    self.row = row
  }

  /// The first position with something before it.
  var scoredFrom: Int { max(1, prompt.count) }
}

/// Who says how likely an answer was before training.
public enum Reference {
  /// The policy with its adapters off.
  case adaptersOff
  /// Another model.
  case model(any TrainableModel)
}

/// Log-probabilities under the reference, computed once per example.
final class ReferenceCache {
  private var scores: [Int: (chosen: [Float], rejected: [Float])] = [:]

  /// Per-token log-probs of each example's answers; computes what is missing in one pass.
  func scores(
    of indices: [Int], _ examples: [PreferenceExample], under model: any TrainableModel, adapters: Bool
  ) throws -> [Int: (chosen: [Float], rejected: [Float])] {
    let missing = indices.filter { scores[$0] == nil && examples[$0].referenceChosen == nil }
    if !missing.isEmpty {
      let answers = try withoutRecording {
        try Answers.score(missing.map { examples[$0] }, model: model, options: ForwardOptions(adapters: adapters, sharesPrefixes: true))
      }
      for (i, index) in missing.enumerated() { scores[index] = (answers.chosen(i), answers.rejected(i)) }
    }
    return scores
  }
}

/// The log-probs of both answers of several pairs: chosen answers first, then rejected, as one packed pass gives them.
struct Answers {
  let logProbs: Tensor
  /// Where each answer's log-probs lie.
  let ranges: [Range<Int>]
  let pairs: Int
  let tokens: Int

  static func score(
    _ examples: [PreferenceExample], model: any TrainableModel, options: ForwardOptions
  ) throws -> Answers {
    let sequences = examples.map { $0.prompt + $0.chosen } + examples.map { $0.prompt + $0.rejected }
    let from = examples.map(\.scoredFrom) + examples.map(\.scoredFrom)
    let logProbs = try model.tokenLogProbs(sequences, scoredFrom: from, options: options)
    var ranges: [Range<Int>] = []
    for (sequence, start) in zip(sequences, from) {
      let begin = ranges.last?.upperBound ?? 0
      ranges.append(begin..<begin + sequence.count - start)
    }
    precondition(logProbs.count == ranges.last?.upperBound ?? 0, "\(logProbs.count) log-probs for \(ranges.last?.upperBound ?? 0) tokens")
    return Answers(logProbs: logProbs, ranges: ranges, pairs: examples.count, tokens: sequences.reduce(0) { $0 + $1.count })
  }

  func chosen(_ i: Int) -> [Float] { values(ranges[i]) }
  func rejected(_ i: Int) -> [Float] { values(ranges[pairs + i]) }
  private func values(_ range: Range<Int>) -> [Float] { range.map { logProbs.pointer[$0] } }
}

/// The objective of DPO.
public final class DPO: Objective {
  /// The pairs.
  public let examples: [PreferenceExample]
  /// Loss, β and so on.
  public let options: PreferenceOptions
  /// What the policy is held to.
  public let reference: Reference
  private let cache: ReferenceCache

  /// An objective over tokenized pairs.
  public convenience init(examples: [PreferenceExample], options: PreferenceOptions, reference: Reference) throws {
    try self.init(examples: examples, options: options, reference: reference, cache: ReferenceCache())
  }

  private init(examples: [PreferenceExample], options: PreferenceOptions, reference: Reference, cache: ReferenceCache) throws {
    self.examples = examples
    self.options = try options.validated()
    self.reference = reference
    self.cache = cache
  }

  /// The same pairs and the same reference under another loss.
  public func with(_ options: PreferenceOptions) throws -> DPO {
    try DPO(examples: examples, options: options, reference: reference, cache: cache)
  }

  /// The number of pairs.
  public var exampleCount: Int { examples.count }

  /// Pairs by themselves, unless the loss sorts over the micro-batch.
  public func parts(of microBatch: [Int]) -> [[Int]] {
    if options.terms.contains(where: { $0.loss == .aot || $0.loss == .aotUnpaired }) { return [microBatch] }
    return grouped(microBatch) { examples[$0].prompt.count + examples[$0].chosen.count + examples[$0].rejected.count }
  }

  /// Reference, policy, loss: and the derivative of the loss with respect to every token's log-prob.
  public func measure(
    _ microBatch: [Int], of batch: Batch, model: any TrainableModel, options forward: ForwardOptions
  ) throws -> Measurement {
    let referenceScores =
      switch reference {
      case .adaptersOff: try cache.scores(of: microBatch, examples, under: model, adapters: false)
      case .model(let other): try cache.scores(of: microBatch, examples, under: other, adapters: true)
      }
    // Policy and reference run without dropout, as in TRL: otherwise the first margins would not be 0.
    let policy = ForwardOptions(checkpointing: forward.checkpointing, sharesPrefixes: true)
    let answers = try Answers.score(microBatch.map { examples[$0] }, model: model, options: policy)
    let sides = microBatch.enumerated().map { i, index in
      bothSides(of: examples[index], chosen: answers.chosen(i), rejected: answers.rejected(i), reference: referenceScores[index])
    }
    let all = batch.indices
    let losses = try preferenceLosses(
      sides.map(\.logProbs), options, sftTokens: (all.reduce(0) { $0 + examples[$1].chosen.count }, all.count))

    // d loss / d log-prob of every token: the pair's derivative times the token's weight, over the number of pairs in the update.
    let share = 1 / Double(all.count)
    var slopes = [Float](repeating: 0, count: answers.logProbs.count)
    for (i, (side, loss)) in zip(sides, losses).enumerated() {
      for (k, position) in answers.ranges[i].enumerated() {
        slopes[position] = Float(share * (loss.chosen * side.chosenWeights[k] + loss.chosenUnweighted))
      }
      for (k, position) in answers.ranges[microBatch.count + i].enumerated() {
        slopes[position] = Float(share * loss.rejected * side.rejectedWeights[k])
      }
    }
    let value = share * losses.reduce(0) { $0 + $1.value }
    return Measurement(
      loss: try recordLoss(value, ofLogProbs: answers.logProbs, slopes: slopes), value: value, tokens: answers.tokens,
      pairs: zip(microBatch, zip(sides, losses)).map { report($0, $1.0, $1.1) })
  }

  /// Rewards, accuracy, margins and log-probs, averaged over the pairs.
  public func metrics(pairs: [PairReport], rows: [RowReport]) -> [(String, Double)] {
    func mean(_ value: (PairReport) -> Double) -> Double { pairs.reduce(0) { $0 + value($1) } / Double(max(1, pairs.count)) }
    return [
      ("rewards/chosen", mean(\.rewardChosen)), ("rewards/rejected", mean(\.rewardRejected)),
      ("rewards/accuracies", mean { $0.margin > 0 ? 1 : 0 }), ("rewards/margins", mean(\.margin)),
      ("logps/chosen", mean(\.chosen.sum)), ("logps/rejected", mean(\.rejected.sum)),
    ]
  }

  /// Both answers of a pair, summed.
  private struct Sides {
    var chosen: AnswerScores
    var rejected: AnswerScores
    var logProbs: PairLogProbs
    var chosenWeights: [Double]
    var rejectedWeights: [Double]
  }

  private func bothSides(
    of example: PreferenceExample, chosen: [Float], rejected: [Float], reference: (chosen: [Float], rejected: [Float])?
  ) -> Sides {
    let shared = min(chosen.count, rejected.count)
    let chosenWeights = weights(chosen.count, shared: shared)
    let rejectedWeights = weights(rejected.count, shared: shared)
    func sum(_ values: [Float], _ weights: [Double]) -> Double { zip(values, weights).reduce(0) { $0 + Double($1.0) * $1.1 } }
    let c = AnswerScores(
      ids: example.chosen, logProbs: chosen, referenceLogProbs: reference?.chosen ?? [], sum: sum(chosen, chosenWeights),
      referenceSum: example.referenceChosen ?? sum(reference?.chosen ?? [], chosenWeights))
    let r = AnswerScores(
      ids: example.rejected, logProbs: rejected, referenceLogProbs: reference?.rejected ?? [], sum: sum(rejected, rejectedWeights),
      referenceSum: example.referenceRejected ?? sum(reference?.rejected ?? [], rejectedWeights))
    var logProbs = PairLogProbs(
      chosen: c.sum, rejected: r.sum, referenceChosen: c.referenceSum, referenceRejected: r.referenceSum,
      chosenTokens: example.chosen.count, rejectedTokens: example.rejected.count)
    logProbs.chosenUnweighted = chosen.reduce(0) { $0 + Double($1) }
    return Sides(chosen: c, rejected: r, logProbs: logProbs, chosenWeights: chosenWeights, rejectedWeights: rejectedWeights)
  }

  /// LD-DPO (arXiv:2409.06411): tokens past the shorter answer's length weigh `lengthDesensitization`.
  private func weights(_ count: Int, shared: Int) -> [Double] {
    guard let tail = options.lengthDesensitization else { return Array(repeating: 1, count: count) }
    return (0..<count).map { $0 < shared ? 1 : tail }
  }

  private func report(_ index: Int, _ sides: Sides, _ loss: PairLoss) -> PairReport {
    let chosen = options.beta * (sides.logProbs.chosen - sides.logProbs.referenceChosen)
    let rejected = options.beta * (sides.logProbs.rejected - sides.logProbs.referenceRejected)
    return PairReport(
      index: index, chosen: sides.chosen, rejected: sides.rejected, loss: loss.value, weight: -loss.chosen / options.beta,
      rewardChosen: chosen, rewardRejected: rejected, margin: chosen - rejected)
  }
}

/// log π − log π_ref of an answer, summed over its tokens.
public func logRatio(of answer: [Int], after prompt: [Int], _ policy: any TrainableModel, _ reference: Reference) throws -> Double {
  let from = max(1, prompt.count)
  func sum(_ model: any TrainableModel, adapters: Bool) throws -> Double {
    try withoutRecording {
      let options = ForwardOptions(adapters: adapters)
      let logProbs = try model.tokenLogProbs([prompt + answer], scoredFrom: [from], options: options)
      return (0..<logProbs.count).reduce(0) { $0 + Double(logProbs.pointer[$1]) }
    }
  }
  switch reference {
  case .adaptersOff: return try sum(policy, adapters: true) - sum(policy, adapters: false)
  case .model(let other): return try sum(policy, adapters: true) - sum(other, adapters: true)
  }
}
