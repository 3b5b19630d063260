// What learns and what does not: frozen parameters, master copies over bf16, noise on embeddings.

import Foundation
import Models
import Tensors
import Training
import XCTest

final class LearningTests: XCTestCase {
  func testFrozenParametersStayAndTheOthersLearn() throws {
    let base = try TinyMistral.load()
    let whole = try TinyMistral.loop(4, model: base.unfrozen())
    for model in [
      try base.freezing { isParameterName($0, matching: "model.layers.0.*") },
      try base.unfrozen().freezing { isParameterName($0, matching: "model.layers.0.*") },
    ] {
      XCTAssertEqual(model.trainable.count, model.learnable.count - 9)
      let before = try model.frozenState().map(\.tensor.values)
      let logitsBefore = try base.logits([1, 2, 3]).values
      XCTAssertEqual(try model.logits([1, 2, 3]).values, logitsBefore)
      let loop = try TinyMistral.loop(4, model: model)
      XCTAssertEqual(try loop.step().loss, try whole.inspect().loss)
      try loop.step()
      XCTAssertEqual(try model.frozenState().map(\.tensor.values), before)
      XCTAssertNotEqual(try model.logits([1, 2, 3]).values, logitsBefore)
    }
  }

  func testFrozenAdaptersStay() throws {
    let policy = try TinyMistral.load().withLoRA(LoRAOptions(rank: 4, seed: 1))
    let frozen = try policy.freezing { $0.contains("lora_A") }
    XCTAssertEqual(frozen.trainable.map(\.name), policy.learnable.filter { $0.contains("lora_B") })
    let before = policy.adapters.map(\.a.values)
    let loop = try TinyMistral.loop(4, model: frozen)
    for _ in 0..<3 { try loop.step() }
    XCTAssertEqual(frozen.adapters.map(\.a.values), before)
    XCTAssertTrue(frozen.adapters.allSatisfy { $0.b.values.contains { $0 != 0 } })
    XCTAssertEqual(policy.adapters.map(\.b.values), frozen.adapters.map(\.b.values), "what learns is shared with the model given")
    let copy = try frozen.duplicated()
    XCTAssertEqual(copy.trainable.map(\.name), frozen.trainable.map(\.name))
    XCTAssertEqual(copy.adapters.map(\.a.values), before)
  }

  func testPatternsAreGlobsOrPartsOfNames() {
    let name = "model.layers.10.mlp.up_proj.weight"
    for (pattern, expected) in [
      ("mlp", true), ("layers.1", true), ("*layers.1.*", false), ("model.layers.1?.*", true), ("q_proj", false), ("*up_proj.weight", true),
    ] {
      XCTAssertEqual(isParameterName(name, matching: pattern), expected, pattern)
    }
  }

  /// The passes read bf16, the optimizer moves fp32: small updates add up where bf16 alone would lose them.
  func testMasterCopiesKeepWhatStorageRoundsAway() throws {
    let base = try TinyMistral.load()
    let model = try base.unfrozen(stored: .bf16)
    XCTAssertEqual(model.storageType, .bf16)
    XCTAssertEqual(model.weightBytes, base.weightBytes / 2 + 2 * 5 * 32, "matrices take half, the five norms stay fp32")
    let rounded = try base.converted(to: .bf16)
    XCTAssertEqual(try model.logits([1, 2, 3]).values, try rounded.logits([1, 2, 3]).values)

    let loop = try TinyMistral.loop(4, model: model) { $0.learningRate = 1e-5 }
    let before = loop.parameterValues
    for _ in 0..<3 { try loop.step() }
    let name = "model.layers.0.mlp.up_proj.weight"
    let index = try XCTUnwrap(model.trainable.firstIndex { $0.name == name })
    let (start, master) = (before[index], loop.parameterValues[index])
    let moved = zip(start, master).count { $0 != $1 }
    XCTAssertGreaterThan(moved, start.count * 9 / 10)
    let stored = try XCTUnwrap(model.storedWeights.first { $0.name == name })
    XCTAssertEqual(stored.type, .bf16)
    let halves = Array(stored.bytes.bindMemory(to: UInt16.self))
    // To the nearest, ties to even: what bf16 makes of the master copy.
    let rounds = { (value: Float) in UInt16((value.bitPattern + 0x7FFF + (value.bitPattern >> 16 & 1)) >> 16) }
    for (half, value) in zip(halves, master) {
      XCTAssertEqual(half, rounds(value))
    }
    let unchanged = zip(halves, start).count { $0 == rounds($1) }
    XCTAssertGreaterThan(unchanged, start.count / 2, "three steps of 1e-5 are below what bf16 can hold of most weights")
    try loop.back(3)
    XCTAssertEqual(loop.parameterValues, before)
    XCTAssertEqual(try model.logits([1, 2, 3]).values, try rounded.logits([1, 2, 3]).values, "going back rounds anew")
  }

  func testNoiseIsBoundedAndOnlyInTraining() throws {
    let base = try TinyMistral.load()
    let ids: [Int] = [1, 17, 95, 3, 3]
    let alpha = 4.0
    func embedded(_ seed: UInt64, _ alpha: Double) throws -> [Float] {
      var options = ForwardOptions(dropout: DropoutPass(seed: seed, number: 1))
      options.neftuneAlpha = alpha
      return try base.tokenLogProbs([ids], scoredFrom: [1], options: options).values
    }
    let plain = try base.tokenLogProbs([ids], scoredFrom: [1], options: ForwardOptions()).values
    XCTAssertEqual(try embedded(1, 0), plain)
    XCTAssertNotEqual(try embedded(1, alpha), plain)
    XCTAssertEqual(try embedded(1, alpha), try embedded(1, alpha))
    XCTAssertNotEqual(try embedded(1, alpha), try embedded(2, alpha))
    // Without a pass of training there is no noise, whatever the option says.
    var evaluation = ForwardOptions()
    evaluation.neftuneAlpha = alpha
    XCTAssertEqual(try base.tokenLogProbs([ids], scoredFrom: [1], options: evaluation).values, plain)
    // A trainer sees noise in its steps, none in its evaluation, and repeats both.
    let loop = try TinyMistral.loop(4) { $0.neftuneAlpha = alpha }
    let quiet = try TinyMistral.loop(4)
    XCTAssertEqual(try loop.evaluate(loop.objective).loss, try quiet.evaluate(quiet.objective).loss)
    let seen = try loop.inspect()
    XCTAssertNotEqual(seen.loss, try quiet.inspect().loss)
    XCTAssertEqual(try loop.step(), seen)
    try loop.back()
    XCTAssertEqual(try loop.step(), seen)
  }
}
