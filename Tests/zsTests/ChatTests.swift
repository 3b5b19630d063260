// `zs chat` without a terminal: messages and commands from a pipe, over the real model where it is in the cache.
import Foundation
import XCTest

final class ChatTests: XCTestCase {
  private func requireModel() throws {
    let folder = ProcessInfo.processInfo.environment["ZS_HOME"] ?? NSHomeDirectory() + "/.cache/zs"
    let path = folder + "/models/SmolLM2-135M-Instruct.Q4_1.gguf"
    guard FileManager.default.fileExists(atPath: path) else { throw XCTSkip("\(path) is not there; load(\"smollm2\") in zs gets it") }
  }

  func testMessagesAndCommands() throws {
    try requireModel()
    let saved = NSTemporaryDirectory() + "zs-chat-\(UUID().uuidString).jsonl"
    defer { try? FileManager.default.removeItem(atPath: saved) }
    let outcome = try Binary.run(
      ["chat", "smollm2", "--temperature", "0", "--max-tokens", "6"],
      input: "Say one\n/undo\n/system Be brief.\n//Say two\n/resume\n/save \(saved)\n/exit\nnever\n")
    XCTAssertEqual(outcome.status, 0, outcome.errors)
    XCTAssertEqual(outcome.output.split(separator: "\n", omittingEmptySubsequences: true).isEmpty, false)
    let line = try String(contentsOfFile: saved, encoding: .utf8)
    XCTAssertEqual(line.split(separator: "\n").count, 1)
    let row = try XCTUnwrap(JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: [[String: String]]])
    let messages = try XCTUnwrap(row["messages"])
    XCTAssertEqual(messages.map { $0["role"] }, ["system", "user", "assistant"])
    XCTAssertEqual(messages[0]["content"], "Be brief.")
    XCTAssertEqual(messages[1]["content"], "/Say two")
    // What was resumed belongs to the answer.
    XCTAssertTrue(
      outcome.output.replacingOccurrences(of: "\n", with: "").hasSuffix(
        messages[2]["content"]?.replacingOccurrences(of: "\n", with: "") ?? "?"))
  }

  func testUnknownCommandsAndErrorsDoNotEndIt() throws {
    try requireModel()
    let outcome = try Binary.run(["chat", "smollm2", "--temperature", "0", "--max-tokens", "2"], input: "/nope\n/undo\n/save\nHi\n")
    XCTAssertEqual(outcome.status, 1)
    XCTAssertTrue(outcome.errors.contains("no command /nope"), outcome.errors)
    XCTAssertTrue(outcome.errors.contains("nothing to undo"), outcome.errors)
    XCTAssertFalse(outcome.output.isEmpty)
  }
}
