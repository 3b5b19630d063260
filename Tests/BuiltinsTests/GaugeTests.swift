// Gauges speak when there is something to say, and only then; what a trainer remembers stays within its budget.
import Builtins
import Language
import Training
import XCTest

final class GaugeTests: XCTestCase {
  private func pair(_ index: Int, margin: Double, weight: Double, chosen: Double = 0, tokens: (Int, Int) = (3, 3)) -> PairReport {
    func answer(_ count: Int, _ ratio: Double) -> AnswerScores {
      var scores = AnswerScores(
        ids: Array(0..<count), logProbs: Array(repeating: -1, count: count), referenceLogProbs: Array(repeating: -1, count: count))
      scores.sum += ratio
      return scores
    }
    return PairReport(
      index: index, chosen: answer(tokens.0, chosen), rejected: answer(tokens.1, 0), loss: 0.1, weight: weight, rewards: (0, -margin))
  }

  private func report(_ step: Int, _ pairs: [PairReport]) -> StepReport { StepReport(step: step, loss: 0.5, gradNorm: 1, pairs: pairs) }

  private func names(_ pairs: [PairReport], history: MetricLog = MetricLog(), earlier: [PairReport] = []) -> [String] {
    gauges(report(9, pairs), earlier: earlier, history: history, kind: .step).map(\.name)
  }

  func testQuietWhileAllIsWell() {
    XCTAssertEqual(names([pair(0, margin: 0, weight: 0.5), pair(1, margin: 0.3, weight: 0.4)]), [])
  }

  func testSaturation() {
    let found = gauges(
      report(9, [pair(0, margin: 15, weight: 1e-6), pair(1, margin: 0.1, weight: 0.4)]), earlier: [], history: MetricLog(), kind: .step)
    XCTAssertEqual(found.map(\.name), ["saturation"])
    XCTAssertEqual(found.first?.number, 0.5)
    XCTAssertTrue(found.first?.says.contains("1 of 2 pairs have a weight below 0.01") ?? false)
  }

  func testFallingChosen() {
    XCTAssertEqual(names([pair(0, margin: 1, weight: 0.3, chosen: -4)]), ["falling_chosen"])
    XCTAssertEqual(names([pair(0, margin: 1, weight: 0.3, chosen: -0.5)]), [])
    XCTAssertEqual(names([pair(0, margin: 1, weight: 0.3, chosen: 4)]), [])
  }

  func testLengthBias() {
    let biased = (0..<20).map { pair($0, margin: Double($0) * 0.1, weight: 0.4, tokens: (3 + $0, 5)) }
    XCTAssertEqual(names([biased[0]], earlier: biased), ["length_bias"])
    let mixed = (0..<20).map { pair($0, margin: Double($0 * 7 % 20) * 0.1, weight: 0.4, tokens: (3 + $0, 5)) }
    XCTAssertEqual(names([mixed[0]], earlier: mixed), [])
    XCTAssertEqual(names(Array(biased.prefix(4))), [], "four pairs say nothing")
  }

  func testMemoryStaysWithinItsBudget() throws {
    let memory = ReportMemory(budget: 90_000)
    let texts = ExampleTexts(
      dataset: try Dataset(.preferences, rows: [["prompt": "a", "chosen": "b", "rejected": "c"]]), tokenizer: nil, pairs: [])
    var looked: RememberedReport?
    for step in 1...40 {
      let entry = memory.remember(
        report(step, (0..<4).map { pair($0, margin: 0, weight: 0.5, tokens: (100, 100)) }), kind: .step, note: "", texts: texts)
      if step == 2 {
        entry.look(at: 1)
        looked = entry
      }
    }
    XCTAssertLessThanOrEqual(memory.bytes, 90_000)
    XCTAssertEqual(memory.entries.last?.report.step, 40)
    XCTAssertTrue(memory.entries.contains { $0 === looked && $0.hasTokens }, "what was looked at is kept longest")
    XCTAssertFalse(memory.entries.first { $0.report.step == 10 }?.hasTokens ?? false)
    XCTAssertEqual(memory.entries.first { $0.report.step == 10 }?.report.pairs.count, 4, "the table outlives the tokens")
    _ = memory.remember(report(35, []), kind: .step, note: "", texts: texts)
    XCTAssertEqual(memory.steps(upTo: 100).last?.report.step, 35, "steps that were undone are forgotten once they are taken again")
  }
}
