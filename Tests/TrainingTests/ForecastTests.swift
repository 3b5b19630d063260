// What a run is said to take beside what it takes: memory of the arena on tiny models, in every way of learning.

import Kernels
import Models
import Tensors
import Training
import XCTest

final class ForecastTests: XCTestCase {
  /// Documents of some lengths, every token a label.
  private func documents(_ lengths: [Int]) -> [[SFTExample]] {
    lengths.enumerated().map { row, length in
      [SFTExample(ids: (0..<length).map { ($0 * 7 + row) % 96 }, trained: Array(repeating: true, count: length), row: row)]
    }
  }

  private func pairs(_ count: Int, prompt: Int, answer: Int) -> [PreferenceExample] {
    (0..<count).map { row in
      func ids(_ count: Int, _ factor: Int) -> [Int] { (0..<count).map { ($0 * factor + row) % 96 } }
      return PreferenceExample(prompt: ids(prompt, 5), chosen: ids(answer, 7), rejected: ids(answer, 11), row: row)
    }
  }

  /// Bytes that the arena holds after some updates beyond what it held before, and those that were foretold.
  private func measured(
    _ model: LanguageModel, _ objective: any MeasurableObjective, steps: Int = 2, stored: WeightType = .f32,
    _ change: (inout TrainOptions) -> Void = { _ in }
  ) throws -> (foretold: Int, taken: Int) {
    let options = TinyMistral.options {
      $0.maxSteps = steps
      change(&$0)
    }
    let plan = RunPlan(model: model, learning: model.learningPlan(stored: stored), objective: objective, options: options)
    var demand = ArenaDemand()
    for (_, need) in plan.demands { demand.add(need) }
    Arena.shared.trim()
    let before = Arena.shared.usage.live
    let policy = model.trainable.isEmpty ? try model.unfrozen(stored: stored) : model
    let loop = try TrainLoop(model: policy, objective: objective, options: options)
    for _ in 0..<steps { try loop.step() }
    let usage = Arena.shared.usage
    Arena.shared.trim()
    return (demand.blockBytes, usage.live + usage.cached - before)
  }

  private func assertNear(
    _ bytes: (foretold: Int, taken: Int), _ what: String, file: StaticString = #filePath, line: UInt = #line
  ) {
    let ratio = Double(bytes.foretold) / Double(max(1, bytes.taken))
    XCTAssert((0.85...1.15).contains(ratio), "\(what): foretold \(bytes.foretold), taken \(bytes.taken)", file: file, line: line)
  }

  func testMemoryOfRunsIsForetold() throws {
    let model = try TinyMistral.load()
    let adapted = try model.withLoRA(rank: 8, alpha: 16, seed: 1)
    let dropping = try model.withLoRA(rank: 8, alpha: 16, dropout: 0.5, seed: 1)
    // The model's context is 64 tokens; documents share a pass up to 512.
    let short = SFT(examples: documents([48, 48]))
    let many = SFT(examples: documents(Array(repeating: 60, count: 8)))
    let more = SFT(examples: documents(Array(repeating: 60, count: 16)))
    assertNear(try measured(model, short) { $0.snapshotBytes = 0 }, "whole, one part")
    assertNear(try measured(model, short), "whole, with snapshots")
    assertNear(
      try measured(model, more) {
        $0.snapshotBytes = 0
        $0.batchSize = 16
      }, "whole, two parts")
    assertNear(
      try measured(model, many, stored: .bf16) {
        $0.snapshotBytes = 0
        $0.batchSize = 8
      }, "bf16")
    assertNear(try measured(adapted, many) { $0.batchSize = 8 }, "adapters")
    assertNear(try measured(dropping, many) { $0.batchSize = 8 }, "adapters with dropout")
    assertNear(
      try measured(adapted, many) {
        $0.batchSize = 8
        $0.gradientCheckpointing = true
      }, "adapters, blocks recomputed")
    let mixed = SFT(examples: documents(Array(repeating: 60, count: 8) + Array(repeating: 25, count: 8)))
    assertNear(try measured(adapted, mixed) { $0.batchSize = 8 }, "passes of two sizes")
    assertNear(
      try measured(model, many) {
        $0.optimizer = .sgd
        $0.batchSize = 8
      }, "sgd")
    let dpo = try DPO(examples: pairs(5, prompt: 20, answer: 40), options: PreferenceOptions(), reference: .adaptersOff)
    assertNear(try measured(adapted, dpo) { $0.batchSize = 5 }, "dpo")
  }

  func testPassIsThatOfTheWidestPart() throws {
    let model = try TinyMistral.load()
    let options = TinyMistral.options { $0.batchSize = 2 }
    let dpo = try DPO(examples: pairs(3, prompt: 40, answer: 60), options: PreferenceOptions(), reference: .adaptersOff)
    let plan = RunPlan(model: model, learning: model.learningPlan(), objective: dpo, options: options)
    XCTAssertEqual(plan.widest, PassShape(tokens: 318, keys: 400, scored: 240), "prompts, and first tokens that are alike, once")
    XCTAssertEqual(plan.tokensPerUpdate, 240, "three pairs of 160 tokens in two updates")
  }

  func testWhatWouldFitIsNamed() throws {
    let model = try TinyMistral.load()
    let plan = RunPlan(
      model: model, learning: model.learningPlan(), objective: SFT(examples: documents([512, 512])), options: TinyMistral.options())
    let all = plan.forecast(now: nil, threads: 1)
    XCTAssertEqual(plan.remedies(fitting: all.newBytes, now: nil, threads: 1).map(\.change).first, "lora(model)")
    XCTAssertEqual(plan.remedies(fitting: 1000, now: nil, threads: 1).count, 0)
    let least = (1...20).first { !plan.remedies(fitting: all.newBytes * $0 / 20, now: nil, threads: 1).isEmpty } ?? 0
    let remedies = plan.remedies(fitting: all.newBytes * least / 20, now: nil, threads: 1)
    XCTAssertTrue(remedies.first?.change.contains("gradient_checkpointing: true") ?? false, "\(remedies)")
  }

  func testRatesAreMeasuredWithoutATrace() throws {
    let model = try TinyMistral.load()
    for policy in [try model.unfrozen(), try model.withLoRA(rank: 4, alpha: 8, seed: 1)] {
      let dpo = try DPO(examples: pairs(2, prompt: 20, answer: 30), options: PreferenceOptions(), reference: .adaptersOff)
      var plan = RunPlan(model: model, learning: policy.learningPlan(), objective: dpo, options: TinyMistral.options())
      plan.reference = model
      let before = policy.trainable.map { $0.tensor.values }
      let rate = try plan.measureRate(policy: policy, budget: 1e8)
      XCTAssertEqual(policy.trainable.map { $0.tensor.values }, before)
      XCTAssert(rate.tokenAndLayer >= 0 && rate.scoredToken >= 0 && rate.parameter > 0, "\(rate)")
      let (with, without) = (plan.secondsPerStep(rate), plan.secondsPerStep(rate, withReference: false))
      XCTAssert(without > 0 && with >= without && with < 60, "\(with) \(without)")
    }
  }

  func testBatchesOfAnEpochAreThoseOfItsSteps() {
    for (count, size, accumulation) in [(1, 4, 1), (7, 2, 2), (10, 3, 1), (3, 8, 5)] {
      var options = TrainOptions()
      (options.batchSize, options.gradientAccumulation) = (size, accumulation)
      let plan = BatchPlan(exampleCount: count, options: options)
      XCTAssertEqual(plan.batches(epoch: 0), (0..<plan.stepsPerEpoch).map { plan.batch(step: $0) })
    }
  }
}
