// The linter finds what was planted, by row, and nothing in clean data; its statistics against numbers from SciPy 1.x.

import Formats
import Training
import XCTest

final class DatasetLintTests: XCTestCase {
  private func pair(_ prompt: String, _ chosen: String, _ rejected: String, _ more: [String: JSON] = [:]) -> JSON {
    var row: [String: JSON] = ["prompt": .string(prompt), "chosen": .string(chosen), "rejected": .string(rejected)]
    row.merge(more) { $1 }
    return .object(.init(uniqueKeysWithValues: row.sorted { $0.key < $1.key }))
  }

  private func found(_ rows: [JSON], _ kind: DatasetKind = .preferences, test: [JSON]? = nil) throws -> [String: [Int]] {
    let findings = try DatasetLint.findings(
      in: try Dataset(kind, rows: rows), test: try test.map { try Dataset(kind, rows: $0) })
    return Dictionary(findings.map { ($0.check, $0.rows) }) { a, _ in a }
  }

  func testNothingInCleanData() throws {
    let rows = (0..<12).map {
      pair("Question number \($0), asked plainly?", $0 % 2 == 0 ? "yes \($0)" : "no, \($0)", $0 % 2 == 0 ? "not \($0)" : "ok \($0)")
    }
    XCTAssertEqual(try found(rows), [:])
  }

  func testSingleRows() throws {
    let prompt = "What is the capital of France, and why?"
    let rows = [
      pair("a question", "same", "same"),
      pair("another question", "Same  text", "same text"),
      pair("third", "good", "  "),
      pair(prompt, "what is the capital of  France, and why? Paris.", "Rome"),
      pair(prompt + " Once more?", "You ask \"\(prompt) Once more?\" Well.", "Rome"),
      pair("marks", "Paris</s>", "Rome"),
      pair("turns", "Paris\nHuman: and Italy?", "Rome"),
      pair("broken", "Un cafÃ© noir", "Rome"),
      pair("words", "As an AI language model, I cannot.", "Rome"),
    ]
    let found = try found(rows)
    XCTAssertEqual(
      found,
      [
        "identical_pair": [0], "nearly_identical_pair": [1], "empty_answer": [2], "prompt_in_answer": [3], "prompt_quoted": [4],
        "special_token_text": [5], "invented_turn": [6], "broken_text": [7], "model_words": [8],
      ])
  }

  func testSingleAnswersWithLabels() throws {
    func answer(_ prompt: String, _ text: String, _ label: Bool) -> JSON {
      ["prompt": .string(prompt), "completion": .string(text), "label": .bool(label)]
    }
    let rows = [
      answer("a long question, is it not?", "A long question, is it not? Yes.", true), answer("b", "same", true),
      answer("b", "same", false),
      answer("c", "fine</s>", true), answer("d", "   ", true), answer("e", "five", true),
    ]
    XCTAssertEqual(
      try found(rows),
      [
        "prompt_in_answer": [0], "contradicting_pairs": [2], "duplicate_prompt": [2], "special_token_text": [3], "empty_answer": [4],
        "label_balance": [],
      ])
    let says = try DatasetLint.findings(in: Dataset(.preferences, rows: rows)).first { $0.check == "label_balance" }
    XCTAssertEqual(says?.advice, "with loss \"kto\", undesirable_weight from 3.75 to 5.0 weighs both alike")
    XCTAssertEqual(try found([answer("a", "b", true), answer("c", "d", true)]).keys.sorted(), ["one_label"])
  }

  func testRepetitionsContradictionsOverlap() throws {
    let rows = [
      pair("Same  Question", "a", "b"), pair("same question", "A", "B"), pair("same question", "b", "a"), pair("other", "c", "d"),
    ]
    let found = try found(rows, test: [pair("OTHER", "x", "y")])
    XCTAssertEqual(found, ["duplicate_pair": [1], "contradicting_pairs": [2], "duplicate_prompt": [1, 2], "test_overlap": [3]])
  }

  func testScoresOfPairs() throws {
    let poor: JSON = ["helpfulness": ["Rating": "1"], "honesty": ["Rating": "2"]]
    let rows = [
      pair("q1", "a", "b", ["score_chosen": 3, "score_rejected": 3]), pair("q2", "a", "b", ["score_chosen": 2, "score_rejected": 3]),
      pair("q3", "a", "b", ["score_chosen": 10, "score_rejected": 3, "chosen_annotations": poor]),
      pair("q4", "a", "b", ["score_chosen": 9, "score_rejected": 3, "chosen_annotations": poor]),
    ]
    XCTAssertEqual(try found(rows), ["tie": [0], "score_order": [1], "score_ten": [2]])
  }

  func testScoredAnswers() throws {
    func row(_ answers: [(String, JSON, JSON)]) -> JSON {
      ["instruction": "q", "completions": .array(answers.map { ["response": .string($0.0), "overall_score": $0.1, "critique": $0.2] })]
    }
    let rows = [
      row([("a", 10, "Poor work.\nOverall Score: 1"), ("bb", 4, "")]), row([("a", 10, "Overall Score: 10"), ("b", 4, "")]),
      row([("a", 4, ""), ("b", 4, "")]), row([("a", 11, ""), ("b", 4, "")]), row([("a", "bad", ""), ("b", 4, "")]),
      row([("a", 5, ""), ("A ", 4, ""), (" ", 3, "")]),
    ]
    let findings = try DatasetLint.findings(inScored: rows)
    XCTAssertEqual(
      Dictionary(uniqueKeysWithValues: findings.map { ($0.check, $0.rows) }),
      ["score_ten": [0], "equal_scores": [2], "score_range": [3], "no_score": [4], "same_answer": [5], "empty_answer": [5]])
    XCTAssertEqual(findings.map(\.severity), findings.map(\.severity).sorted(by: >), "the worst first")
  }

  func testConversations() throws {
    func talk(_ turns: [(String, String)]) -> JSON {
      ["messages": .array(turns.map { ["role": .string($0.0), "content": .string($0.1)] })]
    }
    let rows = [
      talk([("user", "a"), ("assistant", "b")]), talk([("user", "a2"), ("user", "more"), ("assistant", "b")]),
      talk([("user", "a3"), ("assistant", "b"), ("user", "c")]), talk([("system", " "), ("user", "a4"), ("assistant", "<|im_end|>")]),
      talk([("user", "a5")]),
    ]
    let found = try found(rows, .conversations)
    XCTAssertEqual(
      found,
      ["consecutive_roles": [1], "no_last_answer": [2], "empty_message": [3], "special_token_text": [3], "unusable": []])
  }

  func testLengthBias() throws {
    let biased = (0..<30).map { pair("q\($0)", String(repeating: "word ", count: 10 + $0), "short \($0)") }
    let findings = try DatasetLint.findings(in: try Dataset(.preferences, rows: biased))
    XCTAssertEqual(findings.map(\.check), ["length_bias"])
    XCTAssertEqual(findings[0].severity, .warning)
    XCTAssertTrue(findings[0].says.contains("longer in 30 of 30 pairs (100 %)"), findings[0].says)
    XCTAssertTrue(findings[0].says.contains("sign test p = 2e-9"), findings[0].says)
    let even = (0..<30).map { pair("q\($0)", String(repeating: "x", count: $0 % 2 == 0 ? 9 : 5), String(repeating: "y", count: 7)) }
    XCTAssertEqual(try found(even), [:])
  }

  func testStatistics() throws {
    XCTAssertEqual(PairedTests.signTest(positive: 17, negative: 3), 0.002_576_828_002_929_687_5, accuracy: 1e-12)
    XCTAssertEqual(PairedTests.signTest(positive: 5, negative: 5), 1)
    XCTAssertEqual(PairedTests.signTest(positive: 0, negative: 0), 1)
    XCTAssertGreaterThan(PairedTests.signTest(positive: 900, negative: 1100), 0)
    let p = try XCTUnwrap(PairedTests.signedRank([1, 2, 3, -1, 4, 5, 6, -2, 7, 8]))
    XCTAssertEqual(p, 0.024_744_672_046_398_936, accuracy: 1e-9)
    XCTAssertNil(PairedTests.signedRank([0, 0, 1, 2]))
    let x = (1...10).map(Double.init)
    let (rho, q) = try XCTUnwrap(PairedTests.rankCorrelation(x, [2, 1, 4, 3, 6, 5, 8, 7, 10, 9]))
    XCTAssertEqual(rho, 0.939_393_939, accuracy: 1e-8)
    XCTAssertLessThan(q, 1e-4)
    XCTAssertNil(PairedTests.rankCorrelation(x, Array(repeating: 1, count: 10)))
  }
}
