// Rows of every form that is in use, against TRL's own functions where it has them (Fixtures/preference_rows.json, made by
// scripts/reference/preference_rows.py), and what is said of rows that cannot be used.

import Formats
import Foundation
import Models
import Training
import XCTest

final class DatasetTests: XCTestCase {
  /// Unicode scalars for tokens, `$` for the end of text, and a template that trims, as the fixture has them.
  private func encoder(_ maxLength: Int?) -> ExampleEncoder {
    ExampleEncoder(
      text: TextEncoder(encode: { $0.unicodeScalars.map { Int($0.value) } }, end: "$", beginning: nil), vocabularySize: 0x110000,
      maxLength: maxLength
    ) { messages, generationPrompt in
      messages.map { "<\($0["role"]?.string ?? "")>\(($0["content"]?.string ?? "").trimmingCharacters(in: .whitespaces))$\n" }.joined()
        + (generationPrompt ? "<assistant>" : "")
    }
  }

  func testPreferenceRowsAreSplitAndTokenizedAsByTRL() throws {
    let cases = try fixture("preference_rows.json").array ?? []
    XCTAssertEqual(cases.count, 10)
    for row in cases {
      let dataset = try Dataset(.preferences, rows: [try XCTUnwrap(row["row"])])
      for name in ["prompt", "chosen", "rejected"] {
        XCTAssertEqual(dataset.rows[0].fields[name], row["split"]?[name], "\(name) of \(row.serialized())")
      }
      for (limit, key) in [(1000, "tokens"), (14, "short")] {
        let expected = row[key] ?? .null
        guard !expected.isNull else {
          XCTAssertThrowsError(try encoder(limit).pairs(dataset)) { XCTAssertTrue("\($0)".contains("max_length 14"), "\($0)") }
          continue
        }
        let pair = try encoder(limit).pairs(dataset).examples[0]
        XCTAssertEqual(pair.prompt, expected["prompt"]?.array?.compactMap(\.int))
        XCTAssertEqual(pair.chosen, expected["chosen"]?.array?.compactMap(\.int))
        XCTAssertEqual(pair.rejected, expected["rejected"]?.array?.compactMap(\.int))
      }
    }
  }

  func testRowsThatCannotBeUsedAreListedWithReasons() throws {
    let good: JSON = ["prompt": "a", "chosen": "b", "rejected": "c"]
    let bad: [(JSON, String)] = [
      (["prompt": "a", "chosen": "b"], "no 'rejected'"), (["prompt": "a", "chosen": "b", "rejected": nil], "no 'rejected'"),
      (["prompt": "a", "chosen": "b", "rejected": 3], "'rejected' is a number"), ("text", "not an object"),
      (["prompt": 1, "chosen": "b", "rejected": "c"], "'prompt' is a number"),
      (["prompt": "a", "chosen": "b", "rejected": []], "they must be of one kind"),
      (["chosen": [["role": "user", "content": "x"]], "rejected": [["role": "assistant", "content": "y"]]], "share no prompt"),
      (["prompt": "a", "chosen": [["content": "b"]], "rejected": [["role": "assistant", "content": "c"]]], "has no 'role'"),
      (["prompt": "a", "chosen": [["role": "assistant"]], "rejected": [["role": "assistant", "content": "c"]]], "no text in 'content'"),
      (["prompt_ids": [1], "chosen_ids": [2]], "no 'rejected_ids'"), (["prompt_ids": [1], "chosen_ids": [], "rejected_ids": [1]], "empty"),
      (["prompt_ids": [1], "chosen_ids": [-2], "rejected_ids": [1]], "element 0 of 'chosen_ids'"),
      (["prompt_ids": [1], "chosen_ids": [1.5], "rejected_ids": [1]], "element 0 of 'chosen_ids'"),
      (["prompt": "a", "chosen": "b", "rejected": "c", "ref_chosen_logps": -3], "without its counterpart"),
    ]
    let dataset = try Dataset(.preferences, rows: [good] + bad.map(\.0))
    XCTAssertEqual(dataset.rows.count, 1)
    XCTAssertEqual(dataset.skipped.map(\.line), Array(2...bad.count + 1))
    for (skipped, (_, reason)) in zip(dataset.skipped, bad) { XCTAssertTrue(skipped.reason.contains(reason), "\(skipped)") }
    XCTAssertThrowsError(try Dataset(.preferences, rows: bad.map(\.0))) {
      XCTAssertTrue("\($0)".contains("line 1: no 'rejected'"), "\($0)")
    }
    XCTAssertThrowsError(try Dataset(.preferences, rows: [])) { XCTAssertTrue("\($0)".contains("no rows"), "\($0)") }
  }

  func testSingleAnswersWithLabels() throws {
    let rows: [JSON] = [
      ["prompt": "ab", "completion": "cd", "label": true], ["prompt": "ab", "completion": "e", "label": 0, "source": "x"],
      ["prompt": [["role": "user", "content": "q"]], "completion": [["role": "assistant", "content": "a"]], "label": false],
      ["prompt": [["role": "user", "content": "q"]], "completion": "a", "label": true],
      ["prompt_ids": [1, 2], "completion_ids": [3], "label": false],
      ["prompt": "a", "completion": "b", "label": "good"], ["prompt": "a", "label": true],
      ["prompt": "a", "completion": "", "label": true],
      ["prompt": "far too long for the limit", "completion": "b", "label": true],
    ]
    let dataset = try Dataset(.preferences, rows: rows)
    XCTAssertTrue(dataset.isLabelled)
    XCTAssertEqual(dataset.rowName, "labelled answer")
    XCTAssertEqual(dataset.rows.map(\.line), [1, 2, 3, 4, 5, 9])
    XCTAssertEqual(dataset.skipped.map(\.line), [6, 7, 8])
    XCTAssertTrue(dataset.skipped[0].reason.contains("'label' is a string"), dataset.skipped[0].reason)
    let encoded = try encoder(24).pairs(dataset)
    XCTAssertEqual(encoded.examples.map(\.label), [true, false, false, true, false])
    XCTAssertEqual(encoded.skipped.map(\.line), [9])
    func ids(_ text: String) -> [Int] { text.unicodeScalars.map { Int($0.value) } }
    XCTAssertEqual(encoded.examples[0], PreferenceExample(prompt: ids("ab"), chosen: ids("cd$"), rejected: [], row: 0))
    XCTAssertEqual(encoded.examples[1].rejected, ids("e$"))
    XCTAssertEqual(encoded.examples[2].prompt, ids("<user>q$\n<assistant>"))
    XCTAssertEqual(encoded.examples[2].rejected + encoded.examples[3].chosen, encoded.examples[3].chosen + encoded.examples[2].rejected)
    XCTAssertEqual(encoded.examples[4], PreferenceExample(prompt: [1, 2], chosen: [], rejected: [3], row: 4))
    XCTAssertThrowsError(try Dataset(.preferences, rows: rows + [["prompt": "a", "chosen": "b", "rejected": "c"]])) {
      XCTAssertTrue("\($0)".contains("pairs and single answers"), "\($0)")
    }
    // A pair may have a field of that name.
    XCTAssertFalse(try Dataset(.preferences, rows: [["prompt": "a", "chosen": "b", "rejected": "c", "label": true]]).isLabelled)
  }

  func testConversationRows() throws {
    let user: JSON = ["role": "user", "content": "Hi"]
    let bot: JSON = ["role": "assistant", "content": "Yo"]
    let good: [JSON] = [
      ["messages": [user, bot]], ["conversations": [["from": "human", "value": "Hi"], ["from": "gpt", "value": "Yo"]]],
      ["prompt": "a", "completion": "b"], ["prompt": [user], "completion": [bot]], ["text": "abc"],
      ["input_ids": [1, 2], "labels": [-100, 2]],
      ["prompt": "x", "messages": [["role": "system", "content": ""], user, bot]],
    ]
    let dataset = try Dataset(.conversations, rows: good)
    XCTAssertEqual(dataset.skipped, [])
    XCTAssertEqual(dataset.rows[1].fields["messages"], [user, bot])
    let bad: [(JSON, String)] = [
      (["messages": [user]], "no assistant turn"), (["messages": [user, ["role": "assistant", "content": " "]]], "message 2 is empty"),
      (["text": ""], "empty"), (["input_ids": [1], "labels": [1]], "nothing to predict"),
      (["input_ids": [1, 2], "labels": [1]], "1 labels for 2"), (["prompt": "a", "completion": [bot]], "both must be"),
      (["question": "a"], "only 'question'"),
    ]
    let skipped = try Dataset(.conversations, rows: [good[0]] + bad.map(\.0)).skipped
    XCTAssertEqual(skipped.count, bad.count)
    for (skipped, (_, reason)) in zip(skipped, bad) { XCTAssertTrue(skipped.reason.contains(reason), "\(skipped)") }
  }

  func testLabelMasks() throws {
    func trained(_ row: JSON, assistantOnly: Bool = true, completionOnly: Bool = true, maxLength: Int? = nil) throws -> String {
      let documents = try encoder(maxLength).documents(
        try Dataset(.conversations, rows: [row]), assistantOnly: assistantOnly, completionOnly: completionOnly)
      let example = documents.examples[0]
      return zip(example.ids, example.trained).map { id, isTrained in
        isTrained ? String(Character(Unicode.Scalar(UInt32(id)) ?? "?")) : "·"
      }.joined()
    }
    let dialogue: JSON = [
      "messages": [
        ["role": "user", "content": "U"], ["role": "assistant", "content": "A"], ["role": "user", "content": "V"],
        ["role": "assistant", "content": "B"],
      ]
    ]
    let header = String(repeating: "·", count: "<user>U$\n<assistant>".count)
    XCTAssertEqual(try trained(dialogue), header + "A$\n" + header + "B$\n")
    XCTAssertEqual(try trained(dialogue, maxLength: 26), header + "A$\n" + "···")
    XCTAssertFalse(try trained(dialogue, assistantOnly: false).contains("·"))
    XCTAssertEqual(try trained(["prompt": "ab", "completion": "cd"]), "··cd$")
    XCTAssertEqual(try trained(["prompt": "ab", "completion": "cd"], completionOnly: false), "abcd$")
    XCTAssertEqual(try trained(["text": "abc"]), "abc$")
    XCTAssertEqual(try trained(["input_ids": [97, 98, 99], "labels": [-100, 98, -100]]), "·b·")
    XCTAssertThrowsError(try trained(dialogue, maxLength: 10)) { XCTAssertTrue("\($0)".contains("max_length 10"), "\($0)") }
  }

  func testAModelWithoutTokenizerOrTemplateSaysSo() throws {
    let text = try Dataset(.preferences, rows: [["prompt": "a", "chosen": "b", "rejected": "c"]])
    let bare = ExampleEncoder(text: nil, vocabularySize: 10, maxLength: nil, render: nil)
    XCTAssertThrowsError(try bare.pairs(text)) { XCTAssertTrue("\($0)".contains("no tokenizer"), "\($0)") }
    let ids = try Dataset(
      .preferences,
      rows: [
        ["prompt_ids": [1, 2], "chosen_ids": [3], "rejected_ids": [4, 5]], ["prompt_ids": [1], "chosen_ids": [10], "rejected_ids": [4]],
        ["prompt_ids": [1], "chosen_ids": [3], "rejected_ids": [4], "ref_chosen_logps": -1.5, "ref_rejected_logps": -2],
      ])
    let encoded = try bare.pairs(ids)
    XCTAssertEqual(encoded.examples.map(\.row), [0, 2])
    XCTAssertEqual(encoded.skipped.map(\.line), [2])
    XCTAssertTrue(encoded.skipped[0].reason.contains("10 is no token id"), "\(encoded.skipped)")
    XCTAssertEqual(encoded.examples[1].referenceRejected, -2)
  }

  func testFilesOfLinesAndOfOneArray() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("zs-dataset-\(ProcessInfo.processInfo.processIdentifier)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    func write(_ text: String, _ name: String) throws -> String {
      let path = folder.appendingPathComponent(name).path
      try text.write(toFile: path, atomically: true, encoding: .utf8)
      return path
    }
    let row = "{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"c\"}"
    let lines = try Dataset(.preferences, path: try write("\(row)\n\n{broken\n\(row)\n{\"prompt\": \"a\"}\n", "pairs.jsonl"))
    XCTAssertEqual(lines.rows.map(\.line), [1, 4])
    XCTAssertEqual(lines.skipped.map(\.line), [3, 5])
    XCTAssertEqual(lines.name, "pairs.jsonl")
    XCTAssertEqual(try Dataset(.preferences, path: try write("[\(row), \(row)]", "one-line.json")).rows.count, 2)
    XCTAssertEqual(try Dataset(.preferences, path: try write("[\n  \(row),\n  \(row)\n]\n", "pretty.json")).rows.count, 2)
    XCTAssertThrowsError(try Dataset(.preferences, path: try write("", "empty.jsonl"))) { XCTAssertTrue("\($0)".contains("no rows")) }
    XCTAssertThrowsError(try Dataset(.preferences, path: try write("{\"prompt\": \"a\", \"chosen\": \"b\"}\n", "bad.jsonl"))) {
      XCTAssertTrue("\($0)".contains("line 1: no 'rejected'"), "\($0)")
    }
    XCTAssertThrowsError(try Dataset(.preferences, path: folder.appendingPathComponent("missing.jsonl").path))
    XCTAssertThrowsError(try Dataset(.preferences, path: "x.parquet")) { XCTAssertTrue("\($0)".contains("parquet")) }
  }

  func testPacking() {
    func document(_ length: Int, _ row: Int) -> SFTExample {
      SFTExample(ids: Array(repeating: row + 1, count: length), trained: Array(repeating: true, count: length), row: row)
    }
    let documents = [3, 7, 5, 2, 6, 4].enumerated().map { document($1, $0) }
    let packed = Packing.bestFitDecreasing.rows(of: documents, maxLength: 10, end: nil)
    XCTAssertEqual(packed.map { $0.map(\.ids.count) }, [[7, 3], [6, 4], [5, 2]])
    let whole = Packing.concatenated.rows(of: documents, maxLength: 10, end: 0)
    XCTAssertEqual(whole.flatMap { $0 }.map(\.ids.count), [10, 10, 10, 3])
    XCTAssertEqual(whole.flatMap { $0 }.flatMap(\.ids), documents.flatMap { $0.ids + [0] })
  }
}
