// A short run of the fuzzer over every parser; the long one is scripts/fuzz. What traps here ends the tests: run the Fuzzer on the
// target that is named last, and replay the file it leaves.

import Foundation
import Fuzzing
import XCTest

final class FuzzingTests: XCTestCase {
  private let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../TokenizersTests/Fixtures")
    .path

  private func run(_ target: FuzzTarget, count: Int) throws {
    print("fuzzing \(target.rawValue)")
    let mutator = try target.mutator(fixtures: fixtures)
    let runner = FuzzRunner(target, folder: NSTemporaryDirectory())
    for (index, valid) in mutator.corpus.enumerated() { XCTAssertTrue(runner.run(valid), "\(target.rawValue): valid input \(index)") }
    var accepted = 0
    for index in 0..<count {
      var random = FuzzRandom(seed: 1, input: index)
      let start = ContinuousClock.now
      if runner.run(mutator.input(&random)) { accepted += 1 }
      XCTAssertLessThan(ContinuousClock.now - start, .seconds(20), "\(target.rawValue), seed 1, input \(index)")
    }
    // Mutations that never hit, or always miss, would test nothing.
    XCTAssertGreaterThan(accepted, 0, target.rawValue)
    // The language answers with a list of problems instead of refusing.
    if target != .language { XCTAssertLessThan(accepted, count, target.rawValue) }
  }

  func testGGUF() throws { try run(.gguf, count: 3000) }
  func testSafetensors() throws { try run(.safetensors, count: 3000) }
  func testTokenizerJSON() throws { try run(.tokenizerJSON, count: 1500) }
  func testTokenizerModel() throws { try run(.tokenizerModel, count: 1500) }
  func testJinja() throws { try run(.jinja, count: 3000) }
  func testJSON() throws { try run(.json, count: 5000) }
  func testLanguage() throws { try run(.language, count: 3000) }

  /// Lines that are no JSON are problems of their own, so every file is accepted.
  func testJSONLines() throws {
    let mutator = try FuzzTarget.jsonLines.mutator(fixtures: fixtures)
    let runner = FuzzRunner(.jsonLines, folder: NSTemporaryDirectory())
    for index in 0..<5000 {
      var random = FuzzRandom(seed: 1, input: index)
      XCTAssertTrue(runner.run(mutator.input(&random)), "input \(index)")
    }
  }

  func testInputsDependOnTheSeedOnly() throws {
    let mutator = try FuzzTarget.json.mutator(fixtures: fixtures)
    func inputs(_ seed: UInt64) -> [[UInt8]] {
      (0..<200).map { index in
        var random = FuzzRandom(seed: seed, input: index)
        return mutator.input(&random)
      }
    }
    XCTAssertEqual(inputs(3), inputs(3))
    XCTAssertNotEqual(inputs(3), inputs(4))
    XCTAssertGreaterThan(Set(inputs(3)).count, 150)
    XCTAssertLessThanOrEqual(inputs(3).map(\.count).max() ?? 0, 1 << 16)
  }
}
