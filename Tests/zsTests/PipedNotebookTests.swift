// The notebook fed by a pipe: cells as the parser cuts them, errors that end nothing, no escape codes.
import Foundation
import XCTest

final class PipedNotebookTests: XCTestCase {
  private func notebook(_ input: String) throws -> Outcome {
    let outcome = try Binary.run([], input: input)
    XCTAssertFalse(outcome.output.contains("\u{1B}"), outcome.output)
    XCTAssertFalse(outcome.errors.contains("\u{1B}"), outcome.errors)
    return outcome
  }

  func testValuesAreShown() throws {
    XCTAssertEqual(try notebook("1 + 2\nx = 5\nx * 2;\n\"é日本🙂\"\nans\n").output, "3\n\"é日本🙂\"\n\"é日本🙂\"\n")
    XCTAssertEqual(try notebook("40\nOut[1] + 2").output, "40\n42\n")
  }

  func testCellsOfManyLines() throws {
    XCTAssertEqual(
      try notebook("fn f(n) {\n  if n < 2 { 1 }\n\n  else { n * f(n - 1) }\n}\nf(10)\n[1,\n 2,\n]\n1 +\n 2\n").output,
      "3628800\n[1, 2]\n3\n")
  }

  func testContinuationFromTheLastValue() throws {
    XCTAssertEqual(try notebook("[3, 1, 2]\n|> sort\n").output, "[3, 1, 2]\n[1, 2, 3]\n")
  }

  func testErrorsLeaveTheSessionAlive() throws {
    let outcome = try notebook("x = 7\n1 // 0\nundefined_name\n\"abc\nx\n)\nx + 1\n")
    XCTAssertEqual(outcome.output, "7\n8\n")
    XCTAssertEqual(outcome.status, 1)
    XCTAssertEqual(outcome.errors.components(separatedBy: "error: ").count - 1, 4, outcome.errors)
  }

  func testWhatIsNeverClosedHidesNothing() throws {
    XCTAssertEqual(try notebook("fn f() {\n1 + 1\n2 + 2\n").output, "2\n4\n")
  }

  func testDirectives() throws {
    let path = NSTemporaryDirectory() + "zs-\(UUID().uuidString).zs"
    let outcome = try notebook(
      "x = 6\n:vars\n?sort\n:seed 7\na = rand(2)\n:seed 7\nclose(a, rand(2))\n!echo shell\n:time 1 + 1\n:save \(path)\n:load \(path)\n:cells\n"
    )
    for text in ["x     int   6", "sort(xs", "true", "shell", "took ", "6 cells in"] {
      XCTAssertTrue(outcome.output.contains(text), "\(text)\n\(outcome.output)")
    }
    let saved = try String(contentsOfFile: path, encoding: .utf8)
    XCTAssertTrue(saved.contains("# %% 1\nx = 6\n"), saved)
    XCTAssertEqual(try notebook(":qiut\n1").output, "1\n")
    XCTAssertTrue(try notebook(":qiut").errors.contains("did you mean ':quit'"))
    XCTAssertEqual(try notebook("1\n:quit\n2\n").output, "1\n")
  }

  func testDroppedCellsAreNotSaved() throws {
    let path = NSTemporaryDirectory() + "zs-\(UUID().uuidString).zs"
    let outcome = try notebook("x = 6\nx * 7\n1 + 1\n:drop 2-3\n:drop 2\nOut[-1]\nx\nOut[-1]\n:save \(path)\n")
    XCTAssertTrue(outcome.output.contains("42\n2\ndropped 2 cells\n6\n6\n"), outcome.output)
    for text in ["there is no cell 2", "has no result"] { XCTAssertTrue(outcome.errors.contains(text), outcome.errors) }
    let saved = try String(contentsOfFile: path, encoding: .utf8)
    XCTAssertTrue(saved.contains("# %% 1\nx = 6\n\n# %% 5\nx\n") && !saved.contains("x * 7"), saved)
  }

  func testTestBlocksAreSkipped() throws {
    XCTAssertEqual(try notebook("test \"no\" { fail \"ran\" }\n1").output, "1\n")
  }

  /// Ten thousand lines of one session, some of them programs: afterwards everything is as right as before.
  func testTenThousandLinesLeaveTheSessionRight() throws {
    let seed = UInt64.random(in: 0 ... .max)
    var random = Scrambled(state: seed)
    let good = ["x = [1, 2, 3]", "f(2)", "x[0] + 1", "m = {a: 1}", "m.a", "s = \"é日本🙂\"", "len(s)", "tensor([1, 2]).sum()", "1 / 3"]
    let characters = Array("()[]{}\"'+-*/=<>,.:;#@|&!?\\ xfms019é")
    var lines = ["fn f(n) = n * 21", "kept = 7"]
    for _ in 0..<10_000 {
      var line = Array(good.randomElement(using: &random) ?? "")
      for _ in 0..<Int.random(in: 0...4, using: &random) {
        let place = Int.random(in: 0...line.count, using: &random)
        switch Int.random(in: 0...2, using: &random) {
        case 0 where place < line.count: line.remove(at: place)
        default: line.insert(characters.randomElement(using: &random) ?? " ", at: place)
        }
      }
      // What a shell or a directive would do is no matter of the language.
      while let first = line.first, ":!? ".contains(first) { line.removeFirst() }
      let text = String(line)
      if text.contains("kept") || text.hasPrefix("f =") || text.hasPrefix("f=") { continue }
      lines.append(text)
    }
    // A bracket that was left open ends at a marker, as it would at the end of the input.
    lines += ["# %%", "f = n => n * 21", "f(kept) - 105", "[kept, 4][1] + kept", ""]
    let outcome = try Binary.run([], input: lines.joined(separator: "\n"))
    XCTAssertTrue(outcome.output.hasSuffix("42\n11\n"), "seed \(seed): \(outcome.output.suffix(200)) \(outcome.errors.suffix(400))")
    XCTAssertTrue([1, 3].contains(outcome.status), "seed \(seed): \(outcome.status)")
  }

  func testGarbageLeavesTheSessionAlive() throws {
    var random = SystemRandomNumberGenerator()
    let pieces = [
      "1", "x", "(", ")", "[", "]", "{", "}", "\"", "+", "=", ",", "fn", "if", "for", "é", "\\", "..", "|>", ":", "a.b", "#", "in", "0x",
      "1e", " ",
    ]
    for round in 0..<20 {
      var text = ""
      for _ in 0..<100 {
        text +=
          (0..<Int.random(in: 1...12, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }.joined(separator: " ") + "\n"
      }
      let outcome = try Binary.run(["-"], input: text)
      XCTAssertTrue([0, 1, 3].contains(outcome.status), "round \(round): \(outcome.status)\n\(text)")
    }
  }
}

/// Random numbers that a seed fixes.
private struct Scrambled: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state &* 0x2545_F491_4F6C_DD1D
  }
}
