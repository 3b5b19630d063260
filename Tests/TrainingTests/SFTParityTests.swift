// Fine-tuning a whole model against torch: loss, every gradient, parameters after three updates; and what must not change a bit.

import Formats
import Foundation
import Models
import Tensors
import Training
import XCTest

final class SFTParityTests: XCTestCase {
  func testLossAndEveryGradientNormEqualTorch() throws {
    let values = try TinyMistral.values()
    let loop = try TinyMistral.loop()
    assertClose(try loop.inspect().loss, values["loss"]?.double ?? .nan, relative: 1e-5, absolute: 1e-6)
    let norms = values["gradient_norms"]?.object ?? [:]
    let rows = try loop.updateRatios()
    XCTAssertEqual(Set(rows.map(\.name)), Set(norms.keys))
    for row in rows {
      assertClose(row.gradientNorm, norms[row.name]?.double ?? .nan, relative: 1e-4, absolute: 1e-6, row.name)
    }
  }

  func testThreeUpdatesEqualTorch() throws {
    for name in ["adamw", "adamw_decay_clip"] {
      let expected = try XCTUnwrap(TinyMistral.values()[name])
      let loop = try TinyMistral.loop {
        $0.weightDecay = expected["decay"]?.double ?? .nan
        $0.maxGradNorm = expected["clip"]?.double ?? 0
      }
      let reports = try (0..<3).map { _ in try loop.step() }
      let losses = reports.map(\.loss) + [try loop.inspect().loss]
      for (a, b) in zip(losses, expected["losses"]?.doubles ?? []) { assertClose(a, b, relative: 1e-4, absolute: 1e-5, name) }
      for (a, b) in zip(reports.map(\.gradNorm), expected["norms"]?.doubles ?? []) {
        assertClose(a, b, relative: 1e-3, absolute: 1e-5, name)
      }
      for (parameter, tensor) in loop.model.trainable {
        let after = try XCTUnwrap(expected["after"]?[parameter], parameter)
        let elements = tensor.values.map(Double.init)
        assertClose(elements.reduce(0, +), after["sum"]?.double ?? .nan, absolute: 1e-3, "\(name) sum of \(parameter)")
        assertClose(elements.reduce(0) { $0 + abs($1) }, after["abs_sum"]?.double ?? .nan, absolute: 1e-3, "\(name) size of \(parameter)")
        for (a, b) in zip(elements, after["first"]?.doubles ?? []) { assertClose(a, b, absolute: 3e-4, "\(name) \(parameter)") }
      }
    }
  }

  func testAccumulationEqualsOneLargeBatch() throws {
    let large = try TinyMistral.loop(8) { $0.batchSize = 4 }
    let small = try TinyMistral.loop(8) {
      $0.batchSize = 1
      $0.gradientAccumulation = 4
    }
    for _ in 0..<6 {
      let (one, four) = (try large.step(), try small.step())
      assertClose(one.loss, four.loss, relative: 1e-6, absolute: 1e-7)
      assertClose(one.gradNorm, four.gradNorm, relative: 1e-6, absolute: 1e-7)
    }
  }

  func testRecomputedBlocksGiveTheSameBits() throws {
    for adapters in [false, true] {
      func trained(_ checkpointing: Bool) throws -> ([StepReport], [[Float]]) {
        let base = try TinyMistral.load()
        let model = adapters ? try base.withLoRA(LoRAOptions(rank: 4, dropout: 0.3, seed: 2)) : try base.unfrozen()
        let loop = try TinyMistral.loop(6, model: model) {
          $0.gradientCheckpointing = checkpointing
          $0.neftuneAlpha = 3
        }
        return (try (0..<5).map { _ in try loop.step() }, loop.parameterValues)
      }
      let (kept, recomputed) = (try trained(false), try trained(true))
      XCTAssertEqual(kept.0, recomputed.0)
      XCTAssertEqual(kept.1, recomputed.1)
    }
  }

  func testPackedDocumentsSeeThemselvesOnly() throws {
    let apart = try TinyMistral.loop(6) { $0.batchSize = 6 }
    let documents = try TinyMistral.examples(6).flatMap { $0 }
    let packed = try TrainLoop(
      model: TinyMistral.load().unfrozen(),
      objective: SFT(examples: Packing.bestFitDecreasing.rows(of: documents, maxLength: 24, end: nil)),
      options: TinyMistral.options { $0.batchSize = 6 })
    XCTAssertLessThan(packed.objective.exampleCount, 4)
    let (a, b) = (try apart.inspect(), try packed.inspect())
    assertClose(a.loss, b.loss, relative: 1e-6, absolute: 0)
    assertClose(a.gradNorm, b.gradNorm, relative: 1e-5, absolute: 0)
    // Each token's log-prob is the same to the bit, whatever lies beside its document.
    let byRow = { (report: StepReport) in
      Dictionary(uniqueKeysWithValues: report.rows.flatMap(\.documents).map { ($0.ids, $0.logProbs) })
    }
    XCTAssertEqual(byRow(a), byRow(b))
  }

  func testEntropyAndAccuracyAreMeansOverTheTrainedTokens() throws {
    let loop = try TinyMistral.loop()
    let report = try loop.inspect()
    let model = try TinyMistral.load()
    var (entropy, correct, count) = (0.0, 0, 0)
    for example in try TinyMistral.examples().flatMap({ $0 }) {
      let logits = try model.logits(example.ids)
      let columns = logits.shape[1]
      for position in 1..<example.ids.count where example.trained[position] {
        let row = (0..<columns).map { Double(logits.pointer[(position - 1) * columns + $0]) }
        let top = row.max() ?? 0
        let total = row.reduce(0) { $0 + exp($1 - top) }
        entropy -= row.reduce(0) { $0 + exp($1 - top) / total * ($1 - top - log(total)) }
        correct += row.firstIndex(of: top) == example.ids[position] ? 1 : 0
        count += 1
      }
    }
    assertClose(report.metrics["entropy"] ?? .nan, entropy / Double(count), relative: 1e-5, absolute: 0)
    XCTAssertEqual(report.metrics["mean_token_accuracy"], Double(correct) / Double(count))
  }
}
