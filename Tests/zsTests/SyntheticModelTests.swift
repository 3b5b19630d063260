// `scripts/make-7b` at a small shape: every type is read back, and the weights are as it promises.
import Foundation
import XCTest

final class SyntheticModelTests: XCTestCase {
  private static let shape = [
    "--layers", "2", "--hidden", "256", "--intermediate", "512", "--heads", "4", "--kv-heads", "2", "--vocabulary", "2000",
  ]

  private func make(_ folder: String, _ arguments: [String]) throws -> Outcome {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3", Binary.root + "/scripts/make-7b", folder] + arguments
    let (output, errors) = (Pipe(), Pipe())
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    let outputData = output.fileHandleForReading.readDataToEndOfFile()
    let errorData = errors.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return Outcome(
      status: process.terminationStatus, output: String(decoding: outputData, as: UTF8.self),
      errors: String(decoding: errorData, as: UTF8.self))
  }

  private func folder() throws -> String {
    let path = NSTemporaryDirectory() + "zs-make-7b-\(UUID().uuidString)"
    addTeardownBlock { try? FileManager.default.removeItem(atPath: path) }
    return path
  }

  func testEveryTypeIsReadBack() throws {
    let folder = try folder()
    let made = try make(folder, ["all"] + Self.shape)
    XCTAssertEqual(made.status, 0, made.errors)
    let types = [
      ("synthetic-7b.Q4_0.gguf", "q4_0"), ("synthetic-7b.Q8_0.gguf", "q8_0"), ("synthetic-7b.Q4_K_M.gguf", "q4_K"),
      ("synthetic-7b.Q5_K_M.gguf", "q5_K"), ("synthetic-7b.BF16.gguf", "bf16"), ("synthetic-7b", "bf16"),
    ]
    // Greedy decoding must choose as the whole forward pass does; a fresh model is a little worse than one that knows nothing.
    let program = """
      for path in args {
        m = load(path)
        ids = tokenize(m, "Hello world, this is it.")
        assert detokenize(m, ids) == "Hello world, this is it."
        p = perplexity(m, ids)
        assert p > 1500 and p < 5000, p
        first = generate(m, ids, max_tokens: 4).tokens
        for i in range(len(first)) { assert first[i] == logits(m, ids + first[:i])[-1].argmax().item }
        print(m.dtype, m.parameters, len(ids))
      }
      """
    let outcome = try Binary.run(["-e", program] + types.map { "\(folder)/\($0.0)" })
    XCTAssertEqual(outcome.status, 0, outcome.errors)
    let lines = outcome.output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
    XCTAssertEqual(lines.map { $0.first }, types.map { $0.1 })
    XCTAssertEqual(Set(lines.map { $0.dropFirst() }).count, 1, "the same parameters and the same tokens: \(outcome.output)")
  }

  func testASeedDecidesEveryByte() throws {
    let folder = try folder()
    let path = "\(folder)/synthetic-7b.Q4_K_M.gguf"
    XCTAssertEqual(try make(folder, Self.shape).status, 0)
    let first = try Data(contentsOf: URL(fileURLWithPath: path))
    XCTAssertEqual(try make(folder, Self.shape).status, 0)
    XCTAssertEqual(try Data(contentsOf: URL(fileURLWithPath: path)), first)
    XCTAssertEqual(try make(folder, ["q4_k", "--seed", "1"] + Self.shape).status, 0)
    XCTAssertNotEqual(try Data(contentsOf: URL(fileURLWithPath: path)), first)
  }

  func testBadArgumentsAreRefusedBeforeAnythingIsWritten() throws {
    let folder = try folder()
    for (arguments, message) in [
      (["q3_x"], "there is no type q3_x"), (["--layers", "0"], "--layers must be 1 or more"),
      (["--hidden", "100"], "--hidden must be a multiple"), (["--vocabulary", "100"], "--vocabulary must be 300 to 32000"),
    ] {
      let outcome = try make(folder, arguments)
      XCTAssertNotEqual(outcome.status, 0)
      XCTAssertTrue(outcome.errors.contains(message), outcome.errors)
    }
    let odd = try make(folder, ["q4_k", "--layers", "1", "--hidden", "192", "--heads", "4", "--kv-heads", "2"])
    XCTAssertNotEqual(odd.status, 0)
    XCTAssertTrue(odd.errors.contains("no multiple of 256"), odd.errors)
    XCTAssertEqual((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [], [])
  }
}
