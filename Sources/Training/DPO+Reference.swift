// What can be asked of an objective's reference apart from a step: sums for a data set's columns, and whether what is cached is true.

import Models
import Tensors

/// A pair scored anew under its reference, beside what the data or a file says of it.
public struct ReferenceCheck: Sendable, Equatable {
  /// Index of the pair.
  public var index: Int
  /// Σ log π_ref of the chosen answer, computed now.
  public var chosen: Double
  /// The same of the rejected answer.
  public var rejected: Double
  /// Σ log π of the chosen answer under the policy.
  public var policyChosen: Double
  /// The same of the rejected answer.
  public var policyRejected: Double
  /// What the data's columns say; nil without columns.
  public var columns: (chosen: Double, rejected: Double)?
  /// The largest difference of a token's log-prob from the file; nil where the pair is not in one.
  public var fileDifference: Double?

  /// Whether the parts that can be compared are.
  public static func == (a: ReferenceCheck, b: ReferenceCheck) -> Bool {
    a.index == b.index && a.chosen == b.chosen && a.rejected == b.rejected && a.fileDifference == b.fileDifference
  }
}

extension DPO {
  /// Scores the cheapest pair under reference and policy.
  ///
  /// - Parameter cached: Whether to look only at pairs whose reference log-probs come from the data or a file.
  /// - Returns: Nil where there is no such pair.
  public func checkReference(policy: any TrainableModel, cached: Bool) throws -> ReferenceCheck? {
    func isCached(_ pair: PreferenceExample) -> Bool { pair.referenceChosen != nil || reference.file?.scores(of: pair) != nil }
    let candidates = examples.indices.filter { !cached || isCached(examples[$0]) }
    func size(_ index: Int) -> Int { examples[index].prompt.count + examples[index].chosen.count + examples[index].rejected.count }
    guard let index = candidates.min(by: { size($0) < size($1) }) else { return nil }
    let pair = examples[index]
    let now = try reference.score([pair], policy: policy)
    let own = try withoutRecording { try Answers.score([pair], model: policy, options: ForwardOptions(sharesPrefixes: true)) }
    func sum(_ values: [Float]) -> Double { values.reduce(0) { $0 + Double($1) } }
    var check = ReferenceCheck(
      index: index, chosen: sum(now.chosen(0)), rejected: sum(now.rejected(0)), policyChosen: sum(own.chosen(0)),
      policyRejected: sum(own.rejected(0)))
    if let chosen = pair.referenceChosen, let rejected = pair.referenceRejected { check.columns = (chosen, rejected) }
    if let kept = reference.file?.scores(of: pair) {
      check.fileDifference = zip(kept.chosen + kept.rejected, now.chosen(0) + now.rejected(0)).map { Double(abs($0 - $1)) }.max()
    }
    return check
  }

  /// Σ log π_ref of both answers of every pair, in order: the columns `ref_chosen_logps` and `ref_rejected_logps`.
  ///
  /// - Parameter poll: Called between passes with the number of pairs done; whatever it throws ends the work, and what is done stays cached.
  public func referenceSums(policy: any TrainableModel, poll: (Int) throws -> Void) throws -> [(chosen: Double, rejected: Double)] {
    var sums: [(chosen: Double, rejected: Double)] = []
    for group in parts(ofAll: Array(examples.indices)) {
      try poll(sums.count)
      let scores = try referenceScores(of: group, policy: policy)
      for index in group { sums.append(referenceSum(of: examples[index], scores[index])) }
    }
    return sums
  }

  /// Keeps log-probs of the reference in a folder, and takes from it what is there.
  ///
  /// - Returns: Whether pairs of this objective were found.
  public func keepReference(in folder: String, policy: any TrainableModel) throws -> Bool {
    guard reference.sync == nil else {
      throw TrainingError(
        "a reference that follows the policy has no log-probs to keep", hint: "leave out reference_cache or sync_ref_model")
    }
    guard let fingerprint = (reference.model ?? policy).fingerprint(adapters: reference.model != nil) else {
      throw TrainingError("this reference has no checksum, so its log-probs cannot be kept")
    }
    let file = try ReferenceFile(folder: folder, fingerprint: fingerprint)
    reference.file = file
    return file.count > 0 && examples.contains { file.scores(of: $0) != nil }
  }

  /// Throws away the file that `keepReference` opened, and begins it anew.
  public func discardKeptReference() throws { try reference.file?.discard() }
}
