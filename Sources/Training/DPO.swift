// Direct preference optimization as an objective: both answers of each pair under policy and reference, one preference loss.

import Kernels
import Models
import Tensors

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// The objective of DPO.
public final class DPO: Objective {
  /// The pairs, or single answers with labels.
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
    if options.needsKL, examples.count < 2 {
      let (what, which) = isLabelled ? ("answer", "the one before") : ("pair", "the next one")
      throw TrainingError("the loss 'kto' compares each \(what) with \(which) and needs two, not \(examples.count)")
    }
    if isLabelled { try options.checkForSingleAnswers() }
  }

  /// The same pairs and the same reference under another loss.
  public func with(_ options: PreferenceOptions) throws -> DPO {
    try DPO(examples: examples, options: options, reference: reference, cache: cache)
  }

  /// The same for a second trainer: with a reference of its own where that moves.
  ///
  /// - Parameter model: A model of the reference's shape, that becomes a copy of it; needed only where the reference follows the policy.
  public func forked(reference model: (any TrainableModel)? = nil) throws -> DPO {
    let own = reference.forked(onto: model)
    return try DPO(examples: examples, options: options, reference: own, cache: own === reference ? cache : ReferenceCache())
  }

  /// Whether the examples are single answers with labels.
  public var isLabelled: Bool { examples.first?.label != nil }
  /// The number of pairs.
  public var exampleCount: Int { examples.count }
  /// The reference's parameters, where it follows the policy.
  public var state: [(name: String, tensor: Tensor)] { reference.movingParameters.map { ("reference.\($0.name)", $0.tensor) } }
  /// The reference follows, where it is due.
  public func updated(_ model: any TrainableModel, step: Int) { reference.follow(model, step: step) }
  /// The reference is where it was then.
  public func returned(to step: Int) { reference.returned(to: step) }

  /// Pairs by themselves, unless the loss looks over the micro-batch.
  public func parts(of microBatch: [Int]) -> [[Int]] {
    options.needsWholeBatch ? [microBatch] : parts(ofAll: microBatch)
  }

  /// Reference, policy, loss: and the derivative of the loss with respect to every token's log-prob.
  public func measure(
    _ microBatch: [Int], of batch: Batch, model: any TrainableModel, options forward: ForwardOptions
  ) throws -> Measurement {
    let referenceScores = options.isReferenceFree ? [:] : try referenceScores(of: microBatch, policy: model)
    let kl = options.needsKL ? try klEstimate(microBatch, policy: model) : 0
    // Policy and reference run without dropout, as in TRL: otherwise the first margins would not be 0.
    let policy = ForwardOptions(checkpointing: forward.checkpointing, sharesPrefixes: true, statistics: TokenStatisticsLog())
    let answers = try Answers.score(microBatch.map { examples[$0] }, model: model, options: policy)
    let sides = try microBatch.enumerated().map { i, index in try bothSides(of: examples[index], answers, i, referenceScores[index]) }
    let all = batch.indices
    let losses = try preferenceLosses(
      sides.map(\.logProbs), options,
      batch: PreferenceBatch(pairs: all.count, chosenTokens: all.reduce(0) { $0 + examples[$1].scoredChosen }, klEstimate: kl))

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
      pairs: zip(microBatch, zip(sides, losses)).map { report($0, $1.0, $1.1, kl: options.needsKL ? kl : nil) })
  }

  /// KTO's z₀ (arXiv:2402.01306): the mean log-ratio of answers to other prompts, at least 0, without a gradient.
  private func klEstimate(_ microBatch: [Int], policy: any TrainableModel) throws -> Double {
    let couples = mismatches(of: microBatch)
    let pairs = couples.map { examples[$0.prompt].mismatched(with: examples[$0.answers], maxLength: options.maxLength) }
    let reference = try cache.mismatched(of: couples, pairs, under: reference, policy: policy)
    let answers = try withoutRecording { try Answers.score(pairs, model: policy, options: ForwardOptions(sharesPrefixes: true)) }
    let sum = pairs.indices.reduce(0) { $0 + answers.sum(ofPair: $1) - reference[$1] }
    return max(0, sum / Double(pairs.reduce(0) { $0 + ($1.label == nil ? 2 : 1) }))
  }

  /// Whose answers each prompt is met with.
  ///
  /// Single answers go round within their micro-batch, as in TRL's KTOTrainer: each prompt gets the answer before it, the first one the
  /// last; one that is alone gets its neighbour's in the data. Of pairs each prompt gets the answers of the next pair in the data, so
  /// that the reference scores them once.
  private func mismatches(of microBatch: [Int]) -> [Mismatch] {
    guard isLabelled, microBatch.count > 1, let last = microBatch.last else {
      let step = isLabelled ? examples.count - 1 : 1
      return microBatch.map { Mismatch(prompt: $0, answers: ($0 + step) % examples.count) }
    }
    return zip(microBatch, [last] + microBatch.dropLast()).map { Mismatch(prompt: $0, answers: $1) }
  }

  /// Rewards, accuracy, margins and log-probs, averaged over the pairs; entropy, logits and token accuracy, over the tokens.
  ///
  /// Of single answers a side is only a part of the batch: what it says is left out where there is none of it, as in TRL, and the margin
  /// is the difference of the sides' mean rewards. TRL averages over micro-batches first, which is the same unless gradients are accumulated.
  public func metrics(pairs: [PairReport], rows: [RowReport]) -> [(String, Double)] {
    func mean<T>(_ items: [T], _ value: (T) -> Double) -> Double? {
      // Without pairs only the names are wanted.
      if items.isEmpty { return pairs.isEmpty ? 0 : nil }
      return items.reduce(0) { $0 + value($1) } / Double(items.count)
    }
    let (good, bad) = (pairs.filter { $0.label != false }, pairs.filter { $0.label != true })
    let (chosen, rejected) = (good.flatMap(\.chosen.statistics), bad.flatMap(\.rejected.statistics))
    let rewards = (chosen: mean(good, \.rewardChosen), rejected: mean(bad, \.rewardRejected))
    var margin = mean(pairs, \.margin)
    if isLabelled, !pairs.isEmpty { margin = rewards.chosen.flatMap { chosen in rewards.rejected.map { chosen - $0 } } }
    var metrics: [(String, Double?)] = [
      ("entropy", mean(chosen + rejected) { Double($0.entropy) }), ("mean_token_accuracy", mean(chosen) { $0.isTargetLikeliest ? 1 : 0 }),
      ("logits/chosen", mean(chosen) { Double($0.meanLogit) }), ("logits/rejected", mean(rejected) { Double($0.meanLogit) }),
      ("rewards/chosen", rewards.chosen), ("rewards/rejected", rewards.rejected),
      ("rewards/accuracies", mean(pairs) { $0.margin > 0 ? 1 : 0 }), ("rewards/margins", margin),
      ("logps/chosen", mean(good, \.chosen.sum)), ("logps/rejected", mean(bad, \.rejected.sum)),
    ]
    if options.needsKL { metrics.append(("kl", mean(pairs) { $0.kl ?? 0 })) }
    return metrics.compactMap { name, value in value.map { (name, $0) } }
  }

  /// Both answers of a pair, summed.
  private struct Sides {
    var chosen: AnswerScores
    var rejected: AnswerScores
    var logProbs: PairLogProbs
    var chosenWeights: [Double]
    var rejectedWeights: [Double]
  }

  /// Per-token log-probs under the reference, cached.
  func referenceScores(of indices: [Int], policy: any TrainableModel) throws -> [Int: ReferenceScores] {
    try cache.scores(of: indices, examples, under: reference, policy: policy)
  }

  /// Pairs in groups that one pass takes.
  func parts(ofAll indices: [Int]) -> [[Int]] {
    grouped(indices) { examples[$0].prompt.count + examples[$0].chosen.count + examples[$0].rejected.count }
  }

  /// Σ log π_ref of both answers as the loss sums them.
  func referenceSum(of example: PreferenceExample, _ scores: ReferenceScores?) -> (chosen: Double, rejected: Double) {
    let (chosen, rejected) = (scores?.chosen ?? [], scores?.rejected ?? [])
    let shared = min(chosen.count, rejected.count)
    func sum(_ values: [Float]) -> Double { zip(values, weights(values.count, shared: shared)).reduce(0) { $0 + Double($1.0) * $1.1 } }
    return (example.referenceChosen ?? sum(chosen), example.referenceRejected ?? sum(rejected))
  }

  private func bothSides(
    of example: PreferenceExample, _ answers: Answers, _ i: Int, _ reference: ReferenceScores?
  ) throws -> Sides {
    let (chosen, rejected) = (answers.chosen(i), answers.rejected(i))
    let shared = min(chosen.count, rejected.count)
    let chosenWeights = weights(chosen.count, shared: shared)
    let rejectedWeights = weights(rejected.count, shared: shared)
    func sum(_ values: [Float], _ weights: [Double]) -> Double { zip(values, weights).reduce(0) { $0 + Double($1.0) * $1.1 } }
    let sums = options.isReferenceFree ? (.nan, .nan) : referenceSum(of: example, reference)
    let c = AnswerScores(
      ids: example.chosen, logProbs: chosen, referenceLogProbs: reference?.chosen ?? [], statistics: answers.chosenStatistics(i),
      sum: sum(chosen, chosenWeights),
      referenceSum: sums.0)
    let r = AnswerScores(
      ids: example.rejected, logProbs: rejected, referenceLogProbs: reference?.rejected ?? [], statistics: answers.rejectedStatistics(i),
      sum: sum(rejected, rejectedWeights),
      referenceSum: sums.1)
    var logProbs = PairLogProbs(
      chosen: c.sum, rejected: r.sum, referenceChosen: c.referenceSum, referenceRejected: r.referenceSum,
      chosenTokens: chosen.count, rejectedTokens: rejected.count)
    logProbs.chosenUnweighted = chosen.reduce(0) { $0 + Double($1) }
    logProbs.label = example.label
    if options.useWeighting { logProbs.importance = exp(try alignment(c) + alignment(r)) }
    return Sides(chosen: c, rejected: r, logProbs: logProbs, chosenWeights: chosenWeights, rejectedWeights: rejectedWeights)
  }

  /// Half of the exponent of WPO's weight (arXiv:2406.11827): how likely, per token, the policy is to say an answer, against how likely two draws agree.
  ///
  /// - Source: Eq. 2 there.
  private func alignment(_ answer: AnswerScores) throws -> Double {
    guard answer.statistics.count == answer.logProbs.count else {
      throw TrainingError("use_weighting needs a model that tells the distribution of each token")
    }
    let sum = zip(answer.logProbs, answer.statistics).reduce(0) { $0 + Double($1.0) - Double($1.1.logSquareSum) }
    return sum / Double(max(1, answer.logProbs.count))
  }

  /// LD-DPO (arXiv:2409.06411): tokens past the shorter answer's length weigh `lengthDesensitization`.
  private func weights(_ count: Int, shared: Int) -> [Double] {
    guard let tail = options.lengthDesensitization else { return Array(repeating: 1, count: count) }
    return (0..<count).map { $0 < shared ? 1 : tail }
  }

  private func report(_ index: Int, _ sides: Sides, _ loss: PairLoss, kl: Double?) -> PairReport {
    let (chosen, rejected) = rewards(sides.logProbs)
    var report = PairReport(
      index: index, chosen: sides.chosen, rejected: sides.rejected, loss: loss.value, weight: -loss.chosen / options.beta,
      rewardChosen: chosen, rewardRejected: rejected, margin: chosen - rejected, kl: kl)
    guard let label = sides.logProbs.label else { return report }
    report.label = label
    let absent: WritableKeyPath<PairReport, AnswerScores> = label ? \.rejected : \.chosen
    report[keyPath: absent].sum = .nan
    report[keyPath: absent].referenceSum = .nan
    report[keyPath: label ? \PairReport.rewardRejected : \PairReport.rewardChosen] = .nan
    report.margin = label ? chosen : -rejected
    if !label { report.weight = loss.rejected / options.beta }
    return report
  }

  /// β log π/π_ref of both answers; without a reference β log π, per token where the loss counts so.
  private func rewards(_ pair: PairLogProbs) -> (chosen: Double, rejected: Double) {
    guard options.isReferenceFree else {
      return (options.beta * (pair.chosen - pair.referenceChosen), options.beta * (pair.rejected - pair.referenceRejected))
    }
    let perToken = options.rewardsPerToken
    let lengths = (perToken ? pair.chosenTokens : 1, perToken ? pair.rejectedTokens : 1)
    return (options.beta * pair.chosen / Double(max(1, lengths.0)), options.beta * pair.rejected / Double(max(1, lengths.1)))
  }
}
