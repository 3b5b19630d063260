// References: log-probs kept on disk, columns of the data, KTO's mismatched answers, and the gradient of a pair beside its batch's.

import Formats
import Foundation
import Models
import Tensors
import Training
import XCTest

final class ReferenceTests: XCTestCase {
  func testEvaluationsStayInTheHistoryOnTheWayBack() throws {
    let policy = try BigramModel(vocabulary: smallVocabulary, seed: 1)
    let objective = try DPO(examples: smallPairs(10), options: PreferenceOptions(), reference: .adaptersOff)
    // Two snapshots only: most of the way back is computed again.
    let loop = try TrainLoop(model: policy, objective: objective, options: smallRun { $0.snapshotBytes = 4 * 121 * 3 * 2 })
    for _ in 0..<8 {
      try loop.step()
      loop.recordEvaluation(try loop.evaluate(objective))
    }
    let history = loop.history
    try loop.goto(5)
    XCTAssertEqual(loop.history.rows, Array(history.rows.prefix(5)))
    XCTAssertNotNil(loop.history.rows.last?["eval_loss"])
  }

  func testLogProbsAreKeptOnDiskAndCheckable() throws {
    let folder = NSTemporaryDirectory() + "zs-reference-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let examples = smallPairs(6)
    func file() throws -> ReferenceFile { try ReferenceFile(folder: folder, fingerprint: "abc") }
    let model = try KeptModel(vocabulary: smallVocabulary, seed: 1)
    func objective() throws -> DPO { try DPO(examples: examples, options: PreferenceOptions(), reference: .model(model)) }
    let policy = try BigramModel(vocabulary: smallVocabulary, seed: 2)

    let first = try objective()
    XCTAssertFalse(try first.keepReference(in: folder, policy: policy))
    let report = try TrainLoop(model: policy, objective: first, options: smallRun { $0.batchSize = 6 }).inspect()
    XCTAssertEqual(model.inner.passes.with, 1)

    let second = try objective()
    XCTAssertTrue(try second.keepReference(in: folder, policy: policy))
    XCTAssertEqual(try TrainLoop(model: policy, objective: second, options: smallRun { $0.batchSize = 6 }).inspect(), report)
    XCTAssertEqual(model.inner.passes.with, 1, "the second run takes every log-prob from the file")
    let check = try XCTUnwrap(second.checkReference(policy: policy, cached: true))
    XCTAssertEqual(try XCTUnwrap(check.fileDifference), 0)

    // A line that a power cut left half written is as if it were not there, and what follows is not lost.
    let path = try XCTUnwrap(FileManager.default.contentsOfDirectory(atPath: folder).first.map { folder + "/" + $0 })
    let text = try String(contentsOfFile: path, encoding: .utf8)
    try String(text.dropLast(9)).write(toFile: path, atomically: true, encoding: .utf8)
    for _ in 0..<2 {
      let third = try objective()
      XCTAssertTrue(try third.keepReference(in: folder, policy: policy))
      XCTAssertEqual(try TrainLoop(model: policy, objective: third, options: smallRun { $0.batchSize = 6 }).inspect(), report)
    }
    XCTAssertEqual(model.inner.passes.with, 3, "the check, and the torn pair once")

    // Another model under the same checksum is found out.
    model.inner.adapter.pointer[3] += 1
    for index in 0..<model.inner.adapter.count { model.inner.adapter.pointer[index] += Float(index % 7) }
    let fourth = try objective()
    XCTAssertTrue(try fourth.keepReference(in: folder, policy: policy))
    XCTAssertGreaterThan(try XCTUnwrap(fourth.checkReference(policy: policy, cached: true)?.fileDifference), 0.01)
    try fourth.discardKeptReference()
    XCTAssertNil(try fourth.checkReference(policy: policy, cached: true))
  }

  func testSumsForTheDataEqualTheReports() throws {
    let policy = try BigramModel(vocabulary: smallVocabulary, seed: 1)
    var preference = PreferenceOptions()
    preference.lengthDesensitization = 0.5
    let objective = try DPO(examples: smallPairs(10), options: preference, reference: .adaptersOff)
    let loop = try TrainLoop(model: policy, objective: objective, options: smallRun { $0.batchSize = 10 })
    for _ in 0..<2 { try loop.step() }
    let report = try loop.inspect()
    let sums = try objective.referenceSums(policy: policy) { _ in }
    for pair in report.pairs {
      XCTAssertEqual(sums[pair.index].chosen, pair.chosen.referenceSum)
      XCTAssertEqual(sums[pair.index].rejected, pair.rejected.referenceSum)
    }
    // The same pairs with those sums as columns give the same losses without a pass of the reference.
    let columns = zip(smallPairs(10), sums).map { pair, sum in
      var pair = pair
      (pair.referenceChosen, pair.referenceRejected) = (sum.chosen, sum.rejected)
      return pair
    }
    policy.passes.without = 0
    let given = try DPO(examples: columns, options: preference, reference: .adaptersOff)
    let again = try loop.inspect(under: given)
    XCTAssertEqual(again.loss, report.loss)
    XCTAssertEqual(policy.passes.without, 0)
  }

  func testTokenDifferencesAddUpToTheLogRatio() throws {
    let policy = try BigramModel(vocabulary: smallVocabulary, seed: 1)
    let objective = try DPO(examples: smallPairs(10), options: PreferenceOptions(), reference: .adaptersOff)
    let loop = try TrainLoop(model: policy, objective: objective, options: smallRun())
    for _ in 0..<5 { try loop.step() }
    for pair in try loop.inspect().pairs {
      for (answer, reward) in [(pair.chosen, pair.rewardChosen), (pair.rejected, pair.rewardRejected)] {
        let sum = zip(answer.logProbs, answer.referenceLogProbs).reduce(0) { $0 + Double($1.0) - Double($1.1) }
        assertClose(0.1 * sum, reward, absolute: 1e-5)
        let ratio = try logRatio(of: answer.ids, after: objective.examples[pair.index].prompt, policy, objective.reference)
        assertClose(sum, ratio, absolute: 1e-4)
      }
    }
  }

  /// KTO's estimate by hand: each prompt with the answers of the next pair.
  func testTheEstimateOfTheDivergenceFromMismatchedPairs() throws {
    let policy = try BigramModel(vocabulary: smallVocabulary, seed: 1)
    let examples = smallPairs(4)
    // A policy that has come to like the tokens of the answers says them more after any prompt.
    for id in examples.flatMap({ $0.chosen + $0.rejected }) {
      for row in 0..<smallVocabulary { policy.adapter.pointer[row * smallVocabulary + id] += 0.3 }
    }
    var preference = PreferenceOptions()
    preference.terms = [LossTerm(.kto)]
    let objective = try DPO(examples: examples, options: preference, reference: .adaptersOff)
    let loop = try TrainLoop(model: policy, objective: objective, options: TrainOptions(batch: 3))
    let report = try loop.inspect()
    var sum = 0.0
    for i in 0..<3 {
      let (own, next) = (examples[i], examples[i + 1])
      let room = [own, next].map { $0.prompt.count + max($0.chosen.count, $0.rejected.count) }.max() ?? 0
      for answer in [next.chosen, next.rejected] {
        sum += try logRatio(of: Array(answer.prefix(max(1, room - own.prompt.count))), after: own.prompt, policy, .adaptersOff)
      }
    }
    assertClose(try XCTUnwrap(report.metrics["kl"]), max(0, sum / 6), absolute: 1e-5)
    XCTAssertGreaterThan(try XCTUnwrap(report.metrics["kl"]), 0, "this test should not compare zeros")
    XCTAssertThrowsError(try DPO(examples: smallPairs(1), options: preference, reference: .adaptersOff)) {
      XCTAssertTrue("\($0)".contains("kto"), "\($0)")
    }
  }

  /// The same of single answers: within the micro-batch each prompt with the answer before it.
  func testTheEstimateFromSingleAnswers() throws {
    let policy = try BigramModel(vocabulary: smallVocabulary, seed: 1)
    let examples = smallPairs(5).enumerated().map { i, pair in
      PreferenceExample(prompt: pair.prompt, chosen: i % 2 == 0 ? pair.chosen : [], rejected: i % 2 == 0 ? [] : pair.rejected, row: i)
    }
    for id in examples.flatMap({ $0.chosen + $0.rejected }) {
      for row in 0..<smallVocabulary { policy.adapter.pointer[row * smallVocabulary + id] += 0.3 }
    }
    var preference = PreferenceOptions()
    preference.terms = [LossTerm(.kto)]
    preference.maxLength = 6
    let objective = try DPO(examples: examples, options: preference, reference: .adaptersOff)
    let loop = try TrainLoop(model: policy, objective: objective, options: TrainOptions(batch: 3))
    func estimate(_ couples: [(Int, Int)]) throws -> Double {
      let ratios = try couples.map { prompt, other in
        let (own, answer) = (examples[prompt].prompt, examples[other].chosen + examples[other].rejected)
        return try logRatio(of: Array(answer.prefix(max(1, 6 - own.count))), after: own, policy, .adaptersOff)
      }
      return max(0, ratios.reduce(0, +) / Double(ratios.count))
    }
    let report = try loop.inspect()
    assertClose(try XCTUnwrap(report.metrics["kl"]), try estimate([(0, 2), (1, 0), (2, 1)]), absolute: 1e-5)
    XCTAssertGreaterThan(try XCTUnwrap(report.metrics["kl"]), 0, "this test should not compare zeros")
    XCTAssertEqual(report.pairs.map(\.label), [true, false, true])
    XCTAssertEqual(
      report.metrics["num_tokens"], Double(examples[..<3].reduce(0) { $0 + $1.prompt.count + $1.chosen.count + $1.rejected.count }))
    try loop.step()
    let second = try loop.inspect()
    assertClose(try XCTUnwrap(second.metrics["kl"]), try estimate([(3, 4), (4, 3)]), absolute: 1e-5)
    // Alone in a batch an answer's neighbour in the data helps out; a batch of one kind has no margin, as in TRL.
    let alone = try TrainLoop(model: policy, objective: objective, options: TrainOptions(batch: 1)).inspect()
    assertClose(try XCTUnwrap(alone.metrics["kl"]), try estimate([(0, 4)]), absolute: 1e-5)
    XCTAssertNil(alone.metrics["rewards/margins"])
    XCTAssertNil(alone.metrics["rewards/rejected"])
    XCTAssertThrowsError(try DPO(examples: [examples[0]], options: preference, reference: .adaptersOff))
  }

  func testReferenceFreeLossesRunNoReference() throws {
    for kind in [PreferenceLoss.orpo, .simpo, .cpo] {
      let policy = try BigramModel(vocabulary: smallVocabulary, seed: 1)
      var preference = PreferenceOptions()
      preference.terms = [LossTerm(kind), LossTerm(.sft, weight: 0.1)]
      let objective = try DPO(examples: smallPairs(4), options: preference, reference: .adaptersOff)
      let report = try TrainLoop(model: policy, objective: objective, options: TrainOptions(batch: 4)).step()
      XCTAssertEqual(policy.passes.without, 0)
      let pair = report.pairs[0]
      let length = kind == .cpo ? 1 : Double(pair.chosen.ids.count)
      assertClose(pair.rewardChosen, 0.1 * pair.chosen.sum / length, absolute: 1e-9)
      XCTAssertTrue(pair.chosen.referenceSum.isNaN)
    }
  }

  func testGradientsOfPairsAddUpToTheBatch() throws {
    let policy = try BigramModel(vocabulary: smallVocabulary, seed: 1)
    let objective = try DPO(examples: smallPairs(6), options: PreferenceOptions(), reference: .adaptersOff)
    let loop = try TrainLoop(model: policy, objective: objective, options: smallRun())
    for _ in 0..<3 { try loop.step() }
    let all = Array(0..<6)
    let alone = try loop.layerGradients(of: 2, in: [2])
    XCTAssertEqual(alone.map(\.layer), ["table"])
    assertClose(alone[0].cosine, 1, absolute: 1e-9)
    assertClose(alone[0].norm, alone[0].batchNorm, absolute: 1e-12)
    // |mean|² = mean of ⟨pair, mean⟩.
    let each = try all.map { try loop.layerGradients(of: $0, in: all)[0] }
    assertClose(each.reduce(0) { $0 + $1.dot } / 6, each[0].batchNorm * each[0].batchNorm, relative: 1e-5, absolute: 1e-12)
    XCTAssertEqual(loop.stepCount, 3)
  }

  /// The rule of TRL to 0.11, worked out by hand: the prompt keeps its end first, then both answers their start.
  func testLegacyTruncation() throws {
    var encoder = ExampleEncoder(text: nil, vocabularySize: 100, maxLength: 8, render: nil)
    encoder.truncation = .legacy(maxPromptLength: 3)
    func cut(_ prompt: Int, _ chosen: Int, _ rejected: Int) throws -> [[Int]] {
      func ids(_ from: Int, _ count: Int) -> JSON { .array((0..<count).map { .int(Int64(from + $0)) }) }
      let row: JSON = .object(["prompt_ids": ids(0, prompt), "chosen_ids": ids(20, chosen), "rejected_ids": ids(40, rejected)])
      let pair = try encoder.pairs(Dataset(.preferences, rows: [row])).examples[0]
      return [pair.prompt, pair.chosen, pair.rejected]
    }
    XCTAssertEqual(try cut(5, 3, 2), [[0, 1, 2, 3, 4], [20, 21, 22], [40, 41]], "8 tokens fit")
    XCTAssertEqual(try cut(5, 4, 2), [[2, 3, 4], [20, 21, 22, 23], [40, 41]], "the prompt loses its start")
    XCTAssertEqual(try cut(5, 7, 2), [[2, 3, 4], [20, 21, 22, 23, 24], [40, 41]], "then the answers their end, to 8 − 3")
    XCTAssertEqual(try cut(2, 7, 6), [[0, 1], [20, 21, 22, 23, 24], [40, 41, 42, 43, 44]], "to 8 − 3 also after a short prompt")
    encoder.truncation = .keepStart
    XCTAssertEqual(try cut(5, 7, 2), [[0, 1, 2, 3, 4], [20, 21, 22], [40, 41]])
  }
}

/// A bigram model with a checksum that never changes, whatever its numbers.
private final class KeptModel: TrainableModel {
  let inner: BigramModel
  init(vocabulary: Int, seed: UInt64) throws { inner = try BigramModel(vocabulary: vocabulary, seed: seed) }
  var trainable: [(name: String, tensor: Tensor)] { inner.trainable }
  func tokenLogProbs(_ sequences: [[Int]], scoredFrom: [Int], options: ForwardOptions) throws -> Tensor {
    try inner.tokenLogProbs(sequences, scoredFrom: scoredFrom, options: options)
  }
  func fingerprint(adapters: Bool) -> String? { "unchanging" }
}
