// ROUGE-L against hand-computed values and its plain twin; binarize's rules.

import Distillation
import Tensors
import XCTest

final class DistillationTests: XCTestCase {
  func testRougeOfKnownPairs() {
    // Six and six words, five in common order: "the cat was the mat".
    let score = rougeL(prediction: "The cat was on the mat.", target: "the cat was under the mat")
    XCTAssertEqual(score.fMeasure, 5.0 / 6, accuracy: 1e-12)
    XCTAssertEqual(rougeL(prediction: "café", target: "caf").fMeasure, 1, "é separates: the word is caf")
    XCTAssertEqual(rougeL(prediction: "日本", target: "日本").fMeasure, 0, "no word of a-z or digits")
    XCTAssertEqual(rougeL(prediction: "", target: "a").fMeasure, 0)
    let halves = rougeL(prediction: "a b", target: "a x b y")
    XCTAssertEqual(halves.precision, 1)
    XCTAssertEqual(halves.recall, 0.5)
  }

  func testIndexEqualsThePlainScan() {
    var random = RandomSource(seed: 5)
    let words = (0..<12).map { "w\($0)" }
    func text() -> String {
      let count = Int.random(in: 0...90, using: &random)
      return (0..<count).map { _ in words.randomElement(using: &random) ?? "" }.joined(separator: " ")
    }
    var index = RougeIndex()
    var texts: [String] = []
    for _ in 0..<120 {
      let new = text()
      let plain = texts.enumerated().filter { rougeL(prediction: new, target: $0.element).fMeasure > 0.5 }.map(\.offset)
      XCTAssertEqual(index.matches(new, above: 0.5).map(\.text).sorted(), plain, "seed 5, text \(texts.count)")
      index.add(new)
      texts.append(new)
    }
  }

  func testBitParallelLengthEqualsTheTable() {
    var random = RandomSource(seed: 6)
    for _ in 0..<300 {
      let a = (0..<Int.random(in: 0...140, using: &random)).map { _ in Int.random(in: 0..<9, using: &random) }
      let b = (0..<Int.random(in: 0...140, using: &random)).map { _ in Int.random(in: 0..<9, using: &random) }
      XCTAssertEqual(longestCommonSubsequence(a, b), naiveLongestCommonSubsequence(a, b), "seed 6: \(a) \(b)")
    }
  }

  func testBinarizeTakesTheBestAgainstOneScoredBelow() {
    let prompts = (0..<200).map { place in
      ScoredPrompt(
        prompt: "p\(place)",
        answers: [("a", 7.0), ("b", 9), ("c", 9), ("d", 2), ("e", 5)].map { ScoredAnswer(model: $0.0, text: $0.0, score: $0.1) })
    }
    let random = binarize(prompts, rejected: .random, seed: 1)
    XCTAssertEqual(random, binarize(prompts, rejected: .random, seed: 1))
    XCTAssertNotEqual(random, binarize(prompts, rejected: .random, seed: 2))
    XCTAssertTrue(random.pairs.allSatisfy { $0.chosen.model == "b" && $0.rejected.score < 9 })
    XCTAssertEqual(Set(random.pairs.map(\.rejected.model)), ["a", "d", "e"], "uniform draws reach every lower answer")
    XCTAssertTrue(binarize(prompts, rejected: .worst, seed: 1).pairs.allSatisfy { $0.rejected.model == "d" })
  }

  func testPromptsWithoutDifferenceAreCounted() {
    let answers = ["a", "b"].map { ScoredAnswer(model: $0, text: $0, score: 4) }
    let equal = ScoredPrompt(prompt: "p", answers: answers)
    let empty = ScoredPrompt(prompt: "q", answers: [])
    let result = binarize([equal, empty], rejected: .random, seed: 1)
    XCTAssertEqual(result.pairs, [])
    XCTAssertEqual(result.equalScores, [0, 1])
  }
}
