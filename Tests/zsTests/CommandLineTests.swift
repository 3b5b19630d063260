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
    let outcome = try Binary.run(["-e", "print(\"on\")\ni = 0\nwhile true { i += 1 }"], interruptAfter: 1)
    XCTAssertEqual(outcome.status, 130)
    XCTAssertEqual(outcome.output, "on\n")
    XCTAssertTrue(outcome.errors.contains("interrupted"))
    XCTAssertEqual(try Binary.run(["-e", "while true { }"], interruptAfter: 1, signal: SIGTERM).status, 130)
    XCTAssertEqual(try Binary.run(["-e", "while true { try { while true { } } catch e { } }"], interruptAfter: 1).status, 130)
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
    XCTAssertEqual(try Binary.run(["-e", "print(1)"], environment: ["ZS_THREADS": "many"]).status, 2)
  }
}
