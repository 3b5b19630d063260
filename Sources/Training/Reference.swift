// What a policy is held to: itself without adapters, or another model, which may follow the policy (TR-DPO). Its log-probs are
// computed once per example and kept, in memory and, where a folder is given, in a file that outlives the process.

import Models
import Tensors

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// How a reference follows its policy.
///
/// - Source: TR-DPO, Gorbatovski et al. 2024, arXiv:2404.09656.
public struct ReferenceSync: Sendable, Equatable {
  /// α in π_ref ← α·π + (1 − α)·π_ref.
  public var mixup: Double
  /// Updates between two such steps.
  public var everySteps: Int

  /// TRL's defaults mix 0.6 of the policy in every 512 updates.
  public init(mixup: Double = 0.6, everySteps: Int = 512) {
    self.mixup = mixup
    self.everySteps = everySteps
  }

  /// How many past policies a reference in a run of that many updates is made of, beside its start.
  ///
  /// The k-th last one has the share α(1 − α)^k: what is below half a unit in the last place of fp32 is not there.
  public func pastPolicies(in totalSteps: Int) -> Int {
    let last = mixup <= 0 ? 1 : mixup >= 1 ? 1 : (log(0x1p-24) / log1p(-mixup)).rounded(.up)
    return max(1, min(totalSteps / everySteps, Int(min(last, 1e9))))
  }
}

/// Who says how likely an answer was before training.
public final class Reference {
  /// The other model; nil: the policy with its adapters off.
  public let model: (any TrainableModel)?
  /// How it follows the policy; nil: it stays as it is.
  public let sync: ReferenceSync?
  /// Past policies that a mixture of adapters has room for; 1 for a model that follows as a whole.
  public let slots: Int
  /// How often it has been moved: log-probs are valid for one version.
  public private(set) var version = 0
  /// Log-probs of earlier runs, on disk.
  var file: ReferenceFile?

  /// A reference.
  ///
  /// - Parameters:
  ///   - model: Another model; nil: the policy with its adapters off.
  ///   - sync: How it follows the policy. The model then has the policy's parameters, as its own, or is a mixture of its adapters.
  ///   - slots: Past policies that such a mixture has room for.
  public init(model: (any TrainableModel)?, sync: ReferenceSync? = nil, slots: Int = 1) {
    self.model = model
    self.sync = sync
    self.slots = slots
  }

  /// The policy with its adapters off.
  public static var adaptersOff: Reference { Reference(model: nil) }
  /// Another model.
  public static func model(_ model: any TrainableModel) -> Reference { Reference(model: model) }

  /// Log-probs of both answers of each pair, without recording.
  func score(_ examples: [PreferenceExample], policy: any TrainableModel) throws -> Answers {
    try withoutRecording {
      try Answers.score(examples, model: model ?? policy, options: ForwardOptions(adapters: model != nil, sharesPrefixes: true))
    }
  }

  /// The parameters that following the policy moves.
  var movingParameters: [(name: String, tensor: Tensor)] { sync == nil ? [] : model?.trainable ?? [] }

  /// Follows the policy where the number of updates done asks for it.
  ///
  /// TRL mixes the parameters of two whole models. Of adapters it is their products that are mixed, so that the weights are TRL's: the
  /// mean of two A times the mean of two B would be another model. Frozen parameters have nothing to follow.
  func follow(_ policy: any TrainableModel, step: Int) {
    guard let sync, step % sync.everySteps == 0 else { return }
    let mixup = Float(sync.mixup)
    if let mixture = model as? LanguageModel, let policy = policy as? LanguageModel, !policy.adapters.isEmpty {
      mixture.mix(in: policy, share: mixup, slot: (step / sync.everySteps - 1) % slots)
    } else {
      let learning = Dictionary(policy.trainable.map { ($0.name, $0.tensor) }) { first, _ in first }
      for (name, own) in movingParameters {
        guard let theirs = learning[name], theirs.count == own.count else { continue }
        for i in 0..<own.count { own.pointer[i] = mixup * theirs.pointer[i] + (1 - mixup) * own.pointer[i] }
      }
    }
    model?.parametersChanged()
    version = step / sync.everySteps
  }

  /// Its parameters have been set to those after `step` updates.
  func returned(to step: Int) {
    guard let sync else { return }
    model?.parametersChanged()
    version = step / sync.everySteps
  }

  /// A reference of its own for a second trainer: the same, unless it moves.
  func forked(onto model: (any TrainableModel)?) -> Reference {
    guard sync != nil, let model else { return self }
    let copy = Reference(model: model, sync: sync, slots: slots)
    copy.version = version
    for (from, to) in zip(movingParameters, copy.movingParameters) {
      to.tensor.pointer.update(from: from.tensor.pointer, count: to.tensor.count)
    }
    model.parametersChanged()
    return copy
  }
}

/// An example's log-probs under a reference, token by token.
struct ReferenceScores: Sendable, Equatable {
  var chosen: [Float]
  var rejected: [Float]
}

/// A prompt and the answers of another example.
struct Mismatch: Hashable {
  /// Index of the example with the prompt.
  var prompt: Int
  /// Index of the example with the answers.
  var answers: Int
}

/// Log-probabilities under the reference, computed once per example.
final class ReferenceCache {
  private var scores: [Int: ReferenceScores] = [:]
  private var mismatched: [Mismatch: Double] = [:]
  private var version = 0

  /// Per-token log-probs of each example's answers; computes what is missing in one pass.
  func scores(
    of indices: [Int], _ examples: [PreferenceExample], under reference: Reference, policy: any TrainableModel
  ) throws -> [Int: ReferenceScores] {
    forget(unless: reference.version)
    let wanted = indices.filter { scores[$0] == nil && examples[$0].referenceChosen == nil }
    if let file = reference.file {
      for index in wanted { scores[index] = file.scores(of: examples[index]) }
    }
    let missing = wanted.filter { scores[$0] == nil }
    if !missing.isEmpty {
      let answers = try reference.score(missing.map { examples[$0] }, policy: policy)
      for (i, index) in missing.enumerated() {
        let found = ReferenceScores(chosen: answers.chosen(i), rejected: answers.rejected(i))
        scores[index] = found
        try reference.file?.append(found, of: examples[index])
      }
    }
    return scores
  }

  /// Σ log π_ref of the answers of one example after the prompt of another, for each such couple.
  func mismatched(
    of couples: [Mismatch], _ examples: [PreferenceExample], under reference: Reference, policy: any TrainableModel
  ) throws -> [Double] {
    forget(unless: reference.version)
    let missing = couples.indices.filter { mismatched[couples[$0]] == nil }
    if !missing.isEmpty {
      let answers = try reference.score(missing.map { examples[$0] }, policy: policy)
      for (i, place) in missing.enumerated() { mismatched[couples[place]] = answers.sum(ofPair: i) }
    }
    return couples.map { mismatched[$0] ?? .nan }
  }

  private func forget(unless version: Int) {
    guard version != self.version else { return }
    self.version = version
    scores = [:]
    mismatched = [:]
  }
}

extension Answers {
  /// Σ log p over the tokens of both answers of a pair.
  func sum(ofPair i: Int) -> Double { (chosen(i) + rejected(i)).reduce(0) { $0 + Double($1) } }
}

/// log π − log π_ref of an answer, summed over its tokens.
public func logRatio(of answer: [Int], after prompt: [Int], _ policy: any TrainableModel, _ reference: Reference) throws -> Double {
  func sum(_ model: any TrainableModel, adapters: Bool) throws -> Double {
    try withoutRecording {
      let options = ForwardOptions(adapters: adapters)
      let logProbs = try model.tokenLogProbs([prompt + answer], scoredFrom: [max(1, prompt.count)], options: options)
      return (0..<logProbs.count).reduce(0) { $0 + Double(logProbs.pointer[$1]) }
    }
  }
  return try sum(policy, adapters: true) - sum(reference.model ?? policy, adapters: reference.model != nil)
}
