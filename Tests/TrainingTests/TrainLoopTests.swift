// The loop on a model that can be checked by hand: exactness of going back, of interrupts and of accumulation.

import Foundation
import Models
import Tensors
import Training
import XCTest

final class TrainLoopTests: XCTestCase {
  private let vocabulary = 11

  private func pairs(_ count: Int) -> [PreferenceExample] {
    var random = RandomSource(seed: 5)
    func ids(_ range: ClosedRange<Int>) -> [Int] {
      (0..<Int.random(in: range, using: &random)).map { _ in Int.random(in: 0..<vocabulary, using: &random) }
    }
    return (0..<count).map { PreferenceExample(prompt: ids(1...4), chosen: ids(1...6), rejected: ids(1...6), row: $0) }
  }

  private func loop(
    pairs count: Int = 10, loss: PreferenceLoss = .sigmoid, change: (inout TrainOptions) -> Void = { _ in }
  ) throws -> (TrainLoop, BigramModel) {
    var options = TrainOptions()
    options.learningRate = 0.05
    options.batchSize = 2
    options.epochs = 4
    change(&options)
    let model = try BigramModel(vocabulary: vocabulary, seed: 1)
    var preference = PreferenceOptions()
    preference.terms = [LossTerm(loss)]
    let objective = try DPO(examples: pairs(count), options: preference, reference: .adaptersOff)
    return (try TrainLoop(model: model, objective: objective, options: options), model)
  }

  func testFirstLossIsLogTwoAndMarginsAreExactlyZero() throws {
    let (loop, _) = try loop()
    let report = try loop.inspect()
    assertClose(report.loss, log(2), absolute: 1e-12)
    XCTAssertEqual(report.pairs.map(\.margin), [0, 0])
    XCTAssertEqual(report.metrics["rewards/accuracies"], 0, "accuracy asks for a margin above 0")
    XCTAssertEqual(report.pairs.map(\.weight), [0.5, 0.5])
    XCTAssertEqual(report.step, 1)
    XCTAssertEqual(loop.stepCount, 0)
  }

  func testInspectShowsWhatStepThenDoes() throws {
    let (loop, _) = try loop()
    for _ in 0..<4 {
      let seen = try loop.inspect()
      XCTAssertEqual(try loop.step(), seen)
    }
  }

  func testOverfitsOneBatch() throws {
    let (loop, _) = try loop(pairs: 2) {
      $0.epochs = 200
      $0.learningRate = 0.2
    }
    while loop.stepCount < loop.totalSteps { try loop.step() }
    let losses = loop.history.column("loss")
    XCTAssertEqual(losses.count, 200)
    XCTAssertLessThan(try XCTUnwrap(losses.last), 0.1)
    XCTAssertEqual(loop.history.rows.last?["rewards/accuracies"], 1)
    XCTAssertThrowsError(try loop.step()) { XCTAssertTrue("\($0)".contains("complete"), "\($0)") }
  }

  func testTheReferenceIsComputedOncePerExample() throws {
    let (loop, model) = try loop()
    for _ in 0..<loop.totalSteps { try loop.step() }
    XCTAssertEqual(model.passes.without, loop.plan.stepsPerEpoch)
    XCTAssertEqual(model.passes.with, loop.totalSteps)
  }

  func testGoingBackAndOnRepeatsTheSameBits() throws {
    for (kind, budget) in [(OptimizerKind.adamw, 1 << 20), (.adamw, 4 * 3 * 121 * 3), (.rmsprop, 1 << 20), (.sgd, 4 * 121 * 2)] {
      let (loop, model) = try loop {
        $0.optimizer = kind
        $0.snapshotBytes = budget
        $0.weightDecay = 0.01
      }
      var states = [model.adapter.values]
      var reports: [StepReport] = []
      for _ in 0..<12 {
        reports.append(try loop.step())
        states.append(model.adapter.values)
      }
      XCTAssertLessThanOrEqual(loop.timeline.bytes, budget)
      for target in [11, 7, 3, 0] {
        try loop.goto(target)
        XCTAssertEqual(loop.stepCount, target)
        XCTAssertEqual(model.adapter.values, states[target], "\(kind) at \(target)")
        XCTAssertEqual(loop.history.rows.count, target)
      }
      try loop.goto(5)
      XCTAssertEqual(model.adapter.values, states[5])
      XCTAssertEqual(try loop.step(), reports[5])
      XCTAssertEqual(model.adapter.values, states[6])
      try loop.back(2)
      XCTAssertEqual(model.adapter.values, states[4])
    }
  }

  func testBackBeyondTheBeginningOrTheBudgetIsRefused() throws {
    let (loop, model) = try loop { $0.snapshotBytes = 100 }
    try loop.step()
    let state = model.adapter.values
    XCTAssertThrowsError(try loop.back(2)) { XCTAssertTrue("\($0)".contains("1 step has been done"), "\($0)") }
    XCTAssertThrowsError(try loop.back(1)) { XCTAssertTrue("\($0)".contains("snapshot"), "\($0)") }
    XCTAssertThrowsError(try loop.goto(1000))
    XCTAssertEqual(model.adapter.values, state)
    XCTAssertEqual(loop.stepCount, 1)
  }

  func testAnInterruptBetweenMicroBatchesLeavesNothingBehind() throws {
    struct Stop: Error {}
    let (loop, model) = try loop { $0.gradientAccumulation = 3 }
    let (whole, _) = try self.loop { $0.gradientAccumulation = 3 }
    try loop.step()
    try whole.step()
    let state = model.adapter.values
    for allowed in 0..<3 {
      var calls = 0
      XCTAssertThrowsError(
        try loop.step {
          if calls == allowed { throw Stop() }
          calls += 1
        })
      XCTAssertEqual(model.adapter.values, state)
      XCTAssertEqual(loop.stepCount, 1)
      XCTAssertEqual(loop.history.rows.count, 1)
    }
    XCTAssertEqual(try loop.step(), try whole.step())
  }

  func testAccumulationEqualsOneLargeBatch() throws {
    for loss in [PreferenceLoss.sigmoid, .ipo, .sft] {
      let (large, a) = try loop(loss: loss) { $0.batchSize = 4 }
      let (small, b) = try loop(loss: loss) {
        $0.batchSize = 1
        $0.gradientAccumulation = 4
      }
      XCTAssertEqual(large.totalSteps, small.totalSteps)
      for _ in 0..<6 {
        let (one, four) = (try large.step(), try small.step())
        assertClose(one.loss, four.loss, relative: 1e-6, absolute: 1e-7, "\(loss)")
        assertClose(one.gradNorm, four.gradNorm, relative: 1e-5, absolute: 1e-7, "\(loss)")
      }
      for (x, y) in zip(a.adapter.values, b.adapter.values) { assertClose(Double(x), Double(y), absolute: 1e-4) }
    }
  }

  func testClippingLimitsTheUpdateAndReportsTheWholeNorm() throws {
    func firstMove(_ most: Double) throws -> (norm: Double, moved: Double) {
      let (loop, model) = try loop {
        $0.optimizer = .sgd
        $0.maxGradNorm = most
        $0.warmupRatio = 0
        $0.schedule = .constant
      }
      let report = try loop.step()
      return (report.gradNorm, model.adapter.values.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot())
    }
    let (free, clipped) = (try firstMove(0), try firstMove(1e-3))
    XCTAssertEqual(free.norm, clipped.norm)
    assertClose(free.moved, 0.05 * free.norm, relative: 1e-5, absolute: 0)
    assertClose(clipped.moved, 0.05 * 1e-3 * free.norm / (free.norm + 1e-6), relative: 1e-4, absolute: 0)
  }

  func testBatchesCoverEachEpochOnceInAnOrderOfItsOwn() {
    var options = TrainOptions()
    options.batchSize = 3
    options.gradientAccumulation = 2
    let plan = BatchPlan(exampleCount: 20, options: options)
    XCTAssertEqual(plan.stepsPerEpoch, 4)
    XCTAssertEqual(plan.batch(step: 0).microBatches.map(\.count), [3, 3])
    XCTAssertEqual(plan.batch(step: 3).microBatches.map(\.count), [2])
    let epochs = (0..<3).map { epoch in (0..<4).flatMap { plan.batch(step: 4 * epoch + $0).indices } }
    for epoch in epochs { XCTAssertEqual(epoch.sorted(), Array(0..<20)) }
    XCTAssertNotEqual(epochs[0], epochs[1])
    options.shuffle = false
    XCTAssertEqual(BatchPlan(exampleCount: 20, options: options).batch(step: 5).indices, [6, 7, 8, 9, 10, 11])
    options.batchSize = 1_000_000
    options.gradientAccumulation = 1_000_000
    XCTAssertEqual(BatchPlan(exampleCount: 20, options: options).batch(step: 0).indices.count, 20)
  }

  func testSupervisedLossIsTheMeanOverTheTrainedTokensOfTheUpdate() throws {
    let model = try BigramModel(vocabulary: vocabulary, seed: 1)
    let documents = [
      SFTExample(ids: [1, 2, 3, 4, 5], trained: [true, false, true, true, false]),
      SFTExample(ids: [4, 4, 2], trained: [false, true, true]),
      SFTExample(ids: [7, 1], trained: [true, true]),
    ]
    let scores = try model.tokenLogProbs(documents.map(\.ids), scoredFrom: [1, 1, 1], options: ForwardOptions()).values
    let expected = -[1, 2, 4, 5, 6].reduce(0.0) { $0 + Double(scores[$1]) } / 5
    for (size, accumulation) in [(3, 1), (1, 3), (2, 2)] {
      var options = TrainOptions(batch: size)
      options.gradientAccumulation = accumulation
      let loop = try TrainLoop(model: model, objective: SFT(examples: documents.map { [$0] }), options: options)
      let report = try loop.inspect()
      assertClose(report.loss, expected, absolute: 1e-7)
      XCTAssertEqual(report.rows.map(\.trainedTokens), [2, 2, 1])
      XCTAssertEqual(report.metrics["num_tokens"], 10)
    }
    let packed = try TrainLoop(model: model, objective: SFT(examples: [documents]), options: TrainOptions(batch: 1))
    assertClose(try packed.inspect().loss, expected, absolute: 1e-7)
  }
}
