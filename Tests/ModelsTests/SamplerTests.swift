// The sampler against transformers' processors, and its own promises: seeds, ties, bad logits.

import Formats
import Models
import Tensors
import XCTest

final class SamplerTests: XCTestCase {
  private var logits: [Float] {
    var logits = formula("sampling", 60, scale: 4)
    logits[11] = logits[30]
    return logits
  }

  func testDistributionsEqualTransformers() throws {
    let previous = try reference("sampling", "previous").ints
    let cases = try XCTUnwrap(reference("sampling", "cases").array)
    XCTAssertGreaterThan(cases.count, 15)
    for example in cases {
      var options = SamplingOptions(temperature: 1)
      options.temperature = example["temperature"]?.double ?? 1
      options.topK = example["top_k"]?.int ?? 0
      options.topP = example["top_p"]?.double ?? 1
      options.minP = example["min_p"]?.double ?? 0
      options.repetitionPenalty = example["repetition_penalty"]?.double ?? 1
      let sampler = try Sampler(vocabularySize: 60, options: options, random: RandomSource(seed: 1))
      for id in previous { sampler.observe(id) }
      var probabilities = [Double](repeating: 0, count: 60)
      for (id, probability) in try sampler.distribution(logits) { probabilities[id] = probability }
      let expected = example["probabilities"]?.doubles ?? []
      assertClose(probabilities, expected, absolute: 1e-7, relative: 1e-5, "\(options)")
      XCTAssertEqual(probabilities.map { $0 > 0 }, expected.map { $0 > 0 }, "\(options)")
    }
  }

  func testGreedyTakesTheFirstOfTheLikeliest() throws {
    let sampler = try Sampler(vocabularySize: 4, options: .init(), random: RandomSource(seed: 0))
    XCTAssertEqual(try sampler.next([1, 3, 3, -.infinity]), 1)
  }

  func testDrawsFollowTheDistributionAndTheSeed() throws {
    let options = SamplingOptions(temperature: 0.9, topK: 9, topP: 0.9)
    let draw = { (seed: UInt64) throws -> [Int] in
      let sampler = try Sampler(vocabularySize: 60, options: options, random: RandomSource(seed: seed))
      return try (0..<20_000).map { _ in try sampler.next(self.logits) }
    }
    let first = try draw(7)
    XCTAssertEqual(first, try draw(7))
    XCTAssertNotEqual(first, try draw(8))
    let sampler = try Sampler(vocabularySize: 60, options: options, random: RandomSource(seed: 0))
    for (id, probability) in try sampler.distribution(logits) {
      let share = Double(first.count { $0 == id }) / 20_000
      XCTAssertEqual(share, probability, accuracy: 0.02, "token \(id)")
    }
  }

  func testWholeVocabularyWithTopP() throws {
    let many = formula("many", 50_000, scale: 6)
    let sampler = try Sampler(vocabularySize: many.count, options: .init(temperature: 1, topP: 0.9), random: RandomSource(seed: 3))
    let kept = try sampler.distribution(many)
    let weights = many.map { exp(Double($0)) }
    let total = weights.reduce(0, +)
    var mass = 0.0
    var count = 0
    for weight in weights.sorted(by: >) {
      mass += weight
      count += 1
      if mass >= 0.9 * total { break }
    }
    XCTAssertEqual(Double(kept.count), Double(count), accuracy: 2)
  }

  func testBadInput() throws {
    let sampler = try Sampler(vocabularySize: 2, options: .init(temperature: 1), random: RandomSource(seed: 0))
    assertThrows("not finite") { try sampler.next([1, .nan]) }
    assertThrows("not finite") { try sampler.next([.infinity, 1]) }
    assertThrows("not finite") { try sampler.next([-.infinity, -.infinity]) }
    assertThrows("top_p") { try SamplingOptions(topP: 1.5).validate() }
    assertThrows("temperature") { try SamplingOptions(temperature: .nan).validate() }
    assertThrows("max_tokens") { try SamplingOptions(maxTokens: -1).validate() }
    assertThrows("stop text") { try SamplingOptions(stop: [""]).validate() }
  }
}
