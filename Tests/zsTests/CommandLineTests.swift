// The command line: ways to run a program, what goes to which stream, exit codes.
import Foundation
import XCTest

final class CommandLineTests: XCTestCase {
  func testVersionAndUsage() throws {
    XCTAssertEqual(try Binary.run(["--version"]).status, 0)
    let unknown = try Binary.run(["--no-such-option"])
    XCTAssertEqual(unknown.status, 2, unknown.errors)
    XCTAssertTrue(try Binary.run(["--help"]).output.contains("zs FILE.zs"))
  }

  func testCodeFromTheCommandLine() throws {
    let quiet = try Binary.run(["-e", "1 + 1"])
    XCTAssertEqual(quiet.output, "")
    XCTAssertEqual(quiet.status, 0)
    XCTAssertEqual(try Binary.run(["-e", "print(-2 ** 2)"]).output, "-4\n")
    XCTAssertEqual(try Binary.run(["-e", "print(args)", "a", "-b"]).output, "[\"a\", \"-b\"]\n")
  }

  func testJSONIsTheOnlyOutput() throws {
    let outcome = try Binary.run(["--json", "-e", "print(\"aside\")\n{a: [1, 2.5, none, 0.0 / 1], t: tensor([[1, 2]])}"])
    XCTAssertEqual(outcome.output.split(separator: "\n").count, 1, outcome.output)
    let value = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
    XCTAssertEqual((value?["t"] as? [[Double]])?.first, [1, 2])
    XCTAssertTrue(outcome.errors.contains("aside"))
    XCTAssertEqual(try Binary.run(["--json", "-e", "x = 1"]).output, "null\n")
  }

  func testScriptWithArguments() throws {
    let path = try Binary.file("print(len(args), args[0])\n5\n")
    XCTAssertEqual(try Binary.run([path, "--first", "second"]).output, "2 --first\n")
    XCTAssertEqual(try Binary.run(["--json", path, "x"]).output, "5\n")
    XCTAssertEqual(try Binary.run(["-"], input: "print(1)\nprint(2)").output, "1\n2\n")
  }

  func testCells() throws {
    let path = try Binary.file("# %% one\nprint(1)\n# %% two\nprint(2)\n# %% three\nprint(3)\n")
    XCTAssertEqual(try Binary.run(["--cell", "2", path]).output, "2\n")
    XCTAssertEqual(try Binary.run(["--from", "2", path]).output, "2\n3\n")
    XCTAssertEqual(try Binary.run(["--to", "2", path]).output, "1\n2\n")
    XCTAssertEqual(try Binary.run(["--cell", "7", path]).status, 2)
    // Behind the file too, where the script's own arguments follow.
    XCTAssertEqual(try Binary.run([path, "--cell", "2"]).output, "2\n")
    XCTAssertEqual(try Binary.run([path, "--from=2", "--to", "2", "other"]).output, "2\n")
    XCTAssertEqual(try Binary.run([path, "--cell", "x"]).status, 2)
  }

  func testExitCodes() throws {
    XCTAssertEqual(try Binary.run(["-e", "1 // 0"]).status, 1)
    XCTAssertEqual(try Binary.run(["-e", "x = "]).status, 1)
    XCTAssertEqual(try Binary.run(["-e", "assert 1 == 2, \"nope\""]).status, 3)
    XCTAssertEqual(try Binary.run(["no/such/file.zs"]).status, 1)
    XCTAssertEqual(try Binary.run(["test"]).status, 2)
  }

  func testErrorsGoToStandardErrorWithACaret() throws {
    let outcome = try Binary.run(["-e", "x = 1\nfoo(x)"])
    XCTAssertEqual(outcome.output, "")
    XCTAssertTrue(outcome.errors.hasPrefix("error: "), outcome.errors)
    XCTAssertTrue(outcome.errors.contains("^"))
    XCTAssertFalse(outcome.errors.contains("\u{1B}"))
    XCTAssertTrue(outcome.errors.contains("-e:2:0"))
  }

  func testErrorsOfFilesNameTheFile() throws {
    let outcome = try Binary.run(["no/such/file.zs"])
    XCTAssertTrue(outcome.errors.contains("no/such/file.zs"), outcome.errors)
    XCTAssertTrue(outcome.errors.hasPrefix("error: "))
  }

  func testCheckFindsAllProblemsWithoutRunning() throws {
    let path = try Binary.file("print(\"ran\")\nfoo(1)\nbar(2)\nprint(3, ending: 1)\n")
    let outcome = try Binary.run(["check", path])
    XCTAssertEqual(outcome.status, 1)
    XCTAssertEqual(outcome.output, "")
    for word in ["foo", "bar", "ending"] { XCTAssertTrue(outcome.errors.contains(word), outcome.errors) }
    let json = try Binary.run(["check", "--diagnostics", "json", path])
    XCTAssertEqual(json.output.split(separator: "\n").count, 3, json.output)
    XCTAssertEqual(try Binary.run(["check", try Binary.file("print(args)\n")]).status, 0)
  }

  func testTestsAreCounted() throws {
    let good = try Binary.file("test \"adds\" { assert 1 + 1 == 2 }\ntest \"strings\" { assert \"a\" != \"b\" }\n")
    let bad = try Binary.file("test \"fails\" { assert 1 + 1 == 3 }\n")
    let passed = try Binary.run(["test", good])
    XCTAssertEqual(passed.status, 0, passed.errors)
    XCTAssertTrue(passed.output.hasSuffix("2 passed, 0 failed\n"), passed.output)
    let failed = try Binary.run(["test", good, bad])
    XCTAssertEqual(failed.status, 3)
    XCTAssertTrue(failed.output.hasSuffix("2 passed, 1 failed\n"), failed.output)
    XCTAssertEqual(try Binary.run([bad]).status, 0)
  }

  func testHelp() throws {
    XCTAssertTrue(try Binary.run(["help", "sort_by"]).output.contains("sort_by(xs, f, reverse: false)"))
    XCTAssertTrue(try Binary.run(["help"]).output.contains("Core"))
    let unknown = try Binary.run(["help", "sortby"])
    XCTAssertEqual(unknown.status, 1)
    XCTAssertTrue(unknown.errors.contains("sort_by"), unknown.errors)
  }

  func testImportIsRelativeToTheFile() throws {
    let path = try Binary.file("import \"part.zs\" as part\nprint(part.twice(4))\n")
    let part = URL(fileURLWithPath: path).deletingLastPathComponent().appendingPathComponent("part.zs")
    try Data("fn twice(x) = 2 * x\n".utf8).write(to: part)
    XCTAssertEqual(try Binary.run([path]).output, "8\n")
  }

  func testInterruptStopsALoop() throws {
    func interrupted(_ program: String, signal: Int32 = SIGINT) throws -> Outcome {
      let mark = NSTemporaryDirectory() + "zs-begun-\(UUID().uuidString)"
      return try Binary.run(["-e", "print(\"on\")\nwrite(args[0], \"\")\n" + program, mark], interruptAt: mark, signal: signal)
    }
    let outcome = try interrupted("i = 0\nwhile true { i += 1 }")
    XCTAssertEqual(outcome.status, 130)
    XCTAssertEqual(outcome.output, "on\n")
    XCTAssertTrue(outcome.errors.contains("interrupted"))
    XCTAssertEqual(try interrupted("while true { }", signal: SIGTERM).status, 130)
    XCTAssertEqual(try interrupted("while true { try { while true { } } catch e { } }").status, 130)
  }

  func testClosedPipeEndsQuietly() throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", "\(Binary.path) -e 'for i in 0..<200000 { print(i) }' | head -n 1"]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    process.waitUntilExit()
    XCTAssertEqual(String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self), "0\n")
  }

  func testThreadsVariable() throws {
    XCTAssertEqual(try Binary.run(["-e", "print(1)"], environment: ["ZS_THREADS": "1"]).output, "1\n")
    // More threads than cores are slow, not wrong.
    XCTAssertEqual(try Binary.run(["-e", "print(ones(64, 64).sum().item)"], environment: ["ZS_THREADS": "37"]).output, "4096.0\n")
    for wrong in ["many", "0", "-1", "257", "1.5"] {
      let outcome = try Binary.run(["-e", "print(1)"], environment: ["ZS_THREADS": wrong])
      XCTAssertEqual(outcome.status, 2)
      XCTAssertTrue(outcome.errors.contains("ZS_THREADS is '\(wrong)'; it should be a number from 1 to 256"), outcome.errors)
    }
  }
}

/// Notebooks from the command line: converting, verifying, running by cell.
final class NotebookCommandTests: XCTestCase {
  private let program =
    "# %% Numbers\nx = [1, 2, 3]\nx\n\n# %% [markdown] Why\n# Some *prose*.\n\n# %% Sum\nsum(x) / 7\n\n# %%\n|> round(2)\n"

  func testConvertBothWays() throws {
    let path = try Binary.file(program)
    let notebook = path.replacingOccurrences(of: ".zs", with: ".ipynb")
    XCTAssertEqual(try Binary.run(["convert", path, notebook]).status, 0)
    let back = path.replacingOccurrences(of: ".zs", with: "-back.zs")
    XCTAssertEqual(try Binary.run(["convert", notebook, back]).status, 0)
    XCTAssertEqual(try String(contentsOfFile: back, encoding: .utf8), program)
    XCTAssertEqual(try Binary.run(["--json", notebook]).output, "0.86\n", "a notebook runs as the program it stands for")
    XCTAssertEqual(try Binary.run(["convert", path, "/tmp/no-ending"]).status, 1)
    XCTAssertEqual(try Binary.run(["convert", "no/such.ipynb", notebook]).status, 1)
    XCTAssertTrue(try Binary.run(["convert", path, "x.pdf"]).errors.contains(".ipynb"))
  }

  func testVerifyFindsWhatChanged() throws {
    let path = try Binary.file(program)
    for ending in ["md", "ipynb", "html"] {
      let page = path.replacingOccurrences(of: ".zs", with: "." + ending)
      XCTAssertEqual(try Binary.run(["convert", "--run", path, page]).status, 0)
      let same = try Binary.run(["verify", page])
      XCTAssertEqual(same.status, 0, same.output + same.errors)
      XCTAssertTrue(same.output.contains("3 cells as recorded, 0 different"), same.output)
      let text = try String(contentsOfFile: page, encoding: .utf8)
      let changed = text.replacingOccurrences(of: "0.857142857142857", with: "0.95")
      XCTAssertNotEqual(changed, text, ending)
      try Data(changed.utf8).write(to: URL(fileURLWithPath: page))
      let different = try Binary.run(["verify", page])
      XCTAssertEqual(different.status, 3, ending)
      XCTAssertTrue(different.output.contains("≠ In[2] sum(x) / 7"), different.output)
      XCTAssertEqual(try Binary.run(["verify", "--rtol", "0.2", page]).status, 0, ending)
    }
    XCTAssertEqual(try Binary.run(["verify", path]).status, 1, "a program has no results to compare with")
    XCTAssertEqual(try Binary.run(["verify", "no/such.md"]).status, 1)
  }

  func testASavedSessionRunsAgain() throws {
    let folder = URL(fileURLWithPath: try Binary.file("")).deletingLastPathComponent().path
    let saved = folder + "/saved.zs"
    let session = try Binary.run([], input: "[3, 1, 2]\n|> sort\nnope(1)\nOut[1] == ans\n:save \(saved)\n:save \(saved)\n")
    XCTAssertTrue(session.output.contains("3 cells in \(saved); 1 that did not finish is left out"), session.output)
    let again = try Binary.run(["--json", saved])
    XCTAssertEqual(again.output, "false\n", again.errors)
    XCTAssertEqual(try Binary.run([], input: ":load \(saved)\nlen(In[1])\n").output, "[3, 1, 2]\n[1, 2, 3]\nfalse\n9\n")
    let refused = try Binary.run([], input: "1\n:save \(saved)\n:save! \(saved)\n")
    XCTAssertTrue(refused.errors.contains("is there already"), refused.errors)
    XCTAssertTrue(refused.output.contains("1 cell in"), refused.output)
  }

  func testDirectivesOnCells() throws {
    let stale = try Binary.run([], input: "x = 1\ny = x + 1\nx = 5\n:rerun stale\ny\n:rerun 2-3 9\n:rerun 1\nx\n:reset\nx\n1\n")
    XCTAssertTrue(stale.output.hasPrefix("zs[4]› y = x + 1\n6\n"), stale.output)
    XCTAssertTrue(stale.errors.contains("there is no cell 9"), stale.errors)
    XCTAssertTrue(stale.output.contains("zs[6]› x = 1\n1\n"), stale.output)
    XCTAssertTrue(stale.output.contains("forgot 2 names and 7 cells"), stale.output)
    XCTAssertTrue(stale.errors.contains("'x' is not defined"), stale.errors)
    XCTAssertTrue(stale.output.hasSuffix("\n1\n"))
  }

  func testDiagnosticsAsJSONForEveryKind() throws {
    let cases: [(arguments: [String], kind: String)] = [
      (["-e", "x ="], "syntax"), (["-e", "nope"], "name"), (["-e", "1 // 0"], "arithmetic"), (["-e", "fail \"a\""], "fail"),
      (["-e", "assert 1 == 2"], "assertion"), (["no/such.zs"], "file"), (["-e", "import \"gone.zs\" as g"], "file"),
      (["-e", "zeros(2) + zeros(3)"], "shape"), (["-e", "print(1, ends: 2)"], "argument"),
    ]
    for (arguments, kind) in cases {
      let outcome = try Binary.run(["--diagnostics", "json"] + arguments)
      let lines = outcome.errors.split(separator: "\n")
      XCTAssertEqual(lines.count, 1, outcome.errors)
      let record = try JSONSerialization.jsonObject(with: Data((lines.first ?? "").utf8)) as? [String: Any]
      XCTAssertEqual(record?["kind"] as? String, kind, outcome.errors)
      XCTAssertEqual(record?["severity"] as? String, "error")
    }
  }

  func testAnUnclosedBracketInALongInputIsNoTrouble() throws {
    let input = "f(\n" + String(repeating: "1 + 1;\n", count: 2_000) + "2 + 2\n"
    let start = Date()
    let outcome = try Binary.run([], input: input)
    XCTAssertTrue(outcome.output.hasSuffix("4\n"))
    XCTAssertLessThan(Date().timeIntervalSince(start), 20)
  }
}
