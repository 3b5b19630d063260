// A reference that follows its policy: it is mixed as TRL mixes it, whole or of adapters, travels in time with the policy, and forks with it.

import Foundation
import Models
import Tensors
import Training
import XCTest

final class MovingReferenceTests: XCTestCase {
  /// A loop whose reference follows every second step.
  private func following(mixup: Double = 0.6, snapshotBytes: Int = 1 << 20) throws -> (TrainLoop, BigramModel, BigramModel) {
    let (policy, shadow) = (try BigramModel(vocabulary: smallVocabulary, seed: 1), try BigramModel(vocabulary: smallVocabulary, seed: 1))
    let reference = Reference(model: shadow, sync: ReferenceSync(mixup: mixup, everySteps: 2))
    let objective = try DPO(examples: smallPairs(10), options: PreferenceOptions(), reference: reference)
    return (try TrainLoop(model: policy, objective: objective, options: smallRun { $0.snapshotBytes = snapshotBytes }), policy, shadow)
  }

  func testAReferenceThatFollowsIsMixedInAtItsSteps() throws {
    let (loop, policy, shadow) = try following()
    try loop.step()
    XCTAssertEqual(shadow.adapter.values, [Float](repeating: 0, count: smallVocabulary * smallVocabulary), "not due yet")
    try loop.step()
    let first = policy.adapter.values
    for (own, theirs) in zip(shadow.adapter.values, first) { assertClose(Double(own), 0.6 * Double(theirs), absolute: 1e-7) }
    try loop.step()
    try loop.step()
    for (own, (old, new)) in zip(shadow.adapter.values, zip(first, policy.adapter.values)) {
      assertClose(Double(own), 0.6 * Double(new) + 0.4 * 0.6 * Double(old), absolute: 1e-6)
    }
    let (jumping, leader, follower) = try following(mixup: 1)
    for _ in 0..<2 { try jumping.step() }
    XCTAssertEqual(follower.adapter.values, leader.adapter.values)
    XCTAssertEqual(try jumping.inspect().metrics["rewards/margins"], 0, "the reference has just become the policy")
  }

  func testTheReferenceTravelsInTime() throws {
    // With room for every snapshot, and for three, where the way back is computed again.
    for budget in [1 << 20, 4 * 121 * 4 * 3] {
      let (loop, policy, shadow) = try following(snapshotBytes: budget)
      var states = [(policy.adapter.values, shadow.adapter.values)]
      var reports: [StepReport] = []
      for _ in 0..<9 {
        reports.append(try loop.step())
        states.append((policy.adapter.values, shadow.adapter.values))
      }
      XCTAssertLessThanOrEqual(loop.timeline.bytes, budget)
      for target in [8, 5, 2, 6, 0, 3] {
        try loop.goto(target)
        XCTAssertEqual(policy.adapter.values, states[target].0, "policy at \(target), budget \(budget)")
        XCTAssertEqual(shadow.adapter.values, states[target].1, "reference at \(target), budget \(budget)")
        XCTAssertEqual(try loop.inspect(), reports[target], "step \(target + 1) again, budget \(budget)")
      }
    }
  }

  func testWhatIfLeavesNoTrace() throws {
    let (loop, policy, shadow) = try following()
    let (untouched, _, _) = try following()
    for _ in 0..<3 {
      try loop.step()
      try untouched.step()
    }
    let state = (policy.adapter.values, shadow.adapter.values, loop.history, loop.timeline.steps)
    var other = loop.options
    other.learningRate = 10
    var preference = PreferenceOptions()
    preference.terms = [LossTerm(.ipo), LossTerm(.sft, weight: 0.5)]
    let objective = try XCTUnwrap(loop.objective as? DPO).with(preference)
    let (report, after) = try loop.tryStep(under: objective, options: other)
    XCTAssertNotEqual(report.loss, after)
    other.optimizer = .sgd
    _ = try loop.tryStep(under: objective, options: other)
    _ = try loop.evaluate(objective)
    XCTAssertEqual(policy.adapter.values, state.0)
    XCTAssertEqual(shadow.adapter.values, state.1)
    XCTAssertEqual(loop.history, state.2)
    XCTAssertEqual(loop.timeline.steps, state.3)
    for _ in 0..<3 { XCTAssertEqual(try loop.step(), try untouched.step()) }
  }

  func testForksFollowApart() throws {
    let (loop, policy, shadow) = try following()
    for _ in 0..<3 { try loop.step() }
    let objective = try XCTUnwrap(loop.objective as? DPO)
    let twin = try BigramModel(vocabulary: smallVocabulary, seed: 1)
    let other = try BigramModel(vocabulary: smallVocabulary, seed: 1)
    let fork = try loop.fork(onto: twin, objective: objective.forked(reference: other))
    XCTAssertEqual(other.adapter.values, shadow.adapter.values)
    let before = shadow.adapter.values
    for _ in 0..<3 { try fork.step() }
    XCTAssertEqual(shadow.adapter.values, before, "the fork's steps moved the reference of the trainer it came from")
    for _ in 0..<3 { try loop.step() }
    XCTAssertEqual(policy.adapter.values, twin.adapter.values)
    XCTAssertEqual(shadow.adapter.values, other.adapter.values)
    try fork.goto(1)
    XCTAssertEqual(loop.stepCount, 6)
  }

  /// What is frozen in the policy has nothing to be followed by, and what learns is found by its name.
  func testAReferenceOfMoreParametersThanThePolicyTrains() throws {
    final class Wider: TrainableModel {
      let inner: BigramModel
      let frozen: Tensor
      init(_ inner: BigramModel) throws {
        self.inner = inner
        frozen = try Tensor(parameter: [1000], values: Array(repeating: 7, count: 1000))
      }
      var trainable: [(name: String, tensor: Tensor)] { [("frozen.weight", frozen)] + inner.trainable }
      func tokenLogProbs(_ sequences: [[Int]], scoredFrom: [Int], options: ForwardOptions) throws -> Tensor {
        try inner.tokenLogProbs(sequences, scoredFrom: scoredFrom, options: options)
      }
    }
    let policy = try BigramModel(vocabulary: smallVocabulary, seed: 1)
    let shadow = try Wider(BigramModel(vocabulary: smallVocabulary, seed: 1))
    let reference = Reference(model: shadow, sync: ReferenceSync(mixup: 0.5, everySteps: 1))
    let objective = try DPO(examples: smallPairs(10), options: PreferenceOptions(), reference: reference)
    let loop = try TrainLoop(model: policy, objective: objective, options: smallRun())
    try loop.step()
    XCTAssertEqual(shadow.frozen.values, Array(repeating: 7, count: 1000))
    for (own, theirs) in zip(shadow.inner.adapter.values, policy.adapter.values) {
      assertClose(Double(own), 0.5 * Double(theirs), absolute: 1e-7)
    }
  }

  /// A reference of adapters is the mixture of the weights that TRL would mix, and goes through time with its policy.
  func testAMixtureOfAdapters() throws {
    let base = try TinyMistral.load()
    let policy = try base.withLoRA(LoRAOptions(rank: 2, alpha: 8, seed: 3))
    let sync = ReferenceSync(mixup: 0.4, everySteps: 2)
    XCTAssertEqual(sync.pastPolicies(in: 8), 4)
    XCTAssertEqual(sync.pastPolicies(in: 1), 1)
    XCTAssertEqual(sync.pastPolicies(in: 1000), 33, "0.6 to the power of 33 is below half a unit of fp32")
    XCTAssertEqual(ReferenceSync(mixup: 1, everySteps: 1).pastPolicies(in: 1000), 1)
    let mixture = try policy.mixture(slots: 4)
    XCTAssertEqual(try mixture.logits([1, 2, 3]).values, try base.logits([1, 2, 3]).values)
    let objective = try DPO(
      examples: (0..<8).map { PreferenceExample(prompt: [1, 2 + $0], chosen: [3, 4, 5], rejected: [6, 7 + $0]) },
      options: PreferenceOptions(),
      reference: Reference(model: mixture, sync: sync, slots: 4))
    let loop = try TrainLoop(
      model: policy, objective: objective,
      options: TinyMistral.options {
        $0.maxSteps = 8
        $0.learningRate = 1e-2
      })
    // By hand on whole matrices, as TRL does it: W_ref ← α·W + (1 − α)·W_ref.
    let name = "model.layers.1.mlp.down_proj.weight"
    func matrix(_ model: LanguageModel) throws -> [Double] {
      let learning = try (model.adapters.isEmpty ? model : model.merged()).unfrozen().trainable
      return try XCTUnwrap(learning.first { $0.name == name }).tensor.values.map(Double.init)
    }
    var expected = try matrix(base)
    let start = expected
    var states: [[[Float]]] = [mixture.trainable.map(\.tensor.values)]
    for step in 1...8 {
      try loop.step()
      if step % 2 == 0 { expected = zip(expected, try matrix(policy)).map { 0.6 * $0 + 0.4 * $1 } }
      states.append(mixture.trainable.map(\.tensor.values))
    }
    XCTAssertGreaterThan(zip(expected, start).map { abs($0 - $1) }.max() ?? 0, 1e-4, "nothing was mixed")
    for (found, wanted) in zip(try matrix(mixture), expected) { assertClose(found, wanted, absolute: 2e-7) }
    try loop.goto(3)
    XCTAssertEqual(mixture.trainable.map(\.tensor.values), states[3])
    for step in 4...8 {
      try loop.step()
      XCTAssertEqual(mixture.trainable.map(\.tensor.values), states[step], "step \(step) again")
    }
    let copy = try objective.forked(reference: mixture.duplicated())
    XCTAssertEqual(copy.reference.slots, 4)
  }

  func testAForkUnderOtherOptionsHasNoWayBackBeyondItself() throws {
    let (loop, policy, _) = try following()
    for _ in 0..<4 { try loop.step() }
    let objective = try XCTUnwrap(loop.objective as? DPO)
    var preference = PreferenceOptions()
    preference.beta = 0.5
    func copies() throws -> (TrainLoop, BigramModel) {
      let twin = try BigramModel(vocabulary: smallVocabulary, seed: 1)
      let moving = try BigramModel(vocabulary: smallVocabulary, seed: 1)
      let other = try objective.forked(reference: moving).with(preference)
      return (try loop.fork(onto: twin, objective: other, sharesPast: false), twin)
    }
    let (fork, twin) = try copies()
    let state = policy.adapter.values
    XCTAssertEqual(twin.adapter.values, state)
    XCTAssertEqual(fork.history, loop.history)
    let first = try fork.step()
    XCTAssertNotEqual(first.pairs[0].margin, try loop.inspect().pairs[0].margin)
    assertClose(first.pairs[0].margin, 5 * (try loop.inspect().pairs[0].margin), relative: 1e-9, absolute: 1e-12)
    let ahead = twin.adapter.values
    try fork.step()
    try fork.goto(4)
    XCTAssertEqual(twin.adapter.values, state)
    XCTAssertThrowsError(try fork.back()) { XCTAssertTrue("\($0)".contains("forked under options of its own at step 4"), "\($0)") }
    XCTAssertEqual(fork.stepCount, 4)
    try fork.step()
    XCTAssertEqual(twin.adapter.values, ahead)
    XCTAssertEqual(policy.adapter.values, state)
    try loop.goto(1)
    // A fork of the fork, of its own options, keeps that border.
    let again = try fork.fork(onto: BigramModel(vocabulary: smallVocabulary, seed: 1), objective: fork.objective)
    XCTAssertThrowsError(try again.goto(2))
  }
}
