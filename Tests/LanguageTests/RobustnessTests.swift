// Nothing that is typed may trap or hang: random bytes, soups of tokens, mutated programs, deep nesting. Seeds are printed
// with a failure by the program itself, which is the message.
import Language
import XCTest

/// A small generator whose numbers only depend on the seed.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

/// Raises a session's flag where one program runs for long.
final class Watchdog: @unchecked Sendable {
  private let lock = NSLock()
  private var flag: InterruptFlag?
  private var ticks = 0
  private var isDone = false

  init() {
    Thread { [self] in
      while true {
        Thread.sleep(forTimeInterval: 0.05)
        lock.lock()
        let done = isDone
        ticks += 1
        if ticks > 2, !done { flag?.raise() }
        lock.unlock()
        if done { return }
      }
    }.start()
  }

  func watch(_ flag: InterruptFlag) {
    lock.lock()
    self.flag = flag
    ticks = 0
    lock.unlock()
  }

  func stop() {
    lock.lock()
    isDone = true
    lock.unlock()
  }
}

final class RobustnessTests: XCTestCase {
  private let tokens = [
    "x", "y", "f", "m", "xs", "1", "2.5", "0", "9223372036854775807", "\"a\"", "\"\\(x)\"", "\"\"\"\n", "r\"a\"", "(", ")", "[", "]", "{",
    "}", ",", ":", ";", ".", "...",
    "..<", "=", "==", "!=", "<", "<=", "+", "-", "*", "/", "//", "%", "**", "@", "+=", "|>", "=>", "??", "\n", "\n", " ", " ", "if", "else",
    "for", "while", "in", "fn",
    "return", "break", "continue", "let", "try", "catch", "and", "or", "not", "true", "none", "fail", "assert", "test \"t\"", "run \"a\"",
    "import \"a\" as b", "# %% c\n", "#",
    "len", "map", "print", "vector([1, 2])", "{a: 1}", "[1, 2]", "e", "'", "\"", "\\", "&&", "!", "++", "é", "日", "🙂", "\t", "'a'", "elif",
  ]

  /// Rounds of each kind, more by ZS_FUZZ=100000.
  private var rounds: Int { ProcessInfo.processInfo.environment["ZS_FUZZ"].flatMap(Int.init) ?? 3_000 }

  private func survive(_ programs: (Int, inout SeededGenerator) -> String, seed: UInt64) {
    let watchdog = Watchdog()
    defer { watchdog.stop() }
    var generator = SeededGenerator(state: seed)
    var session = TestSession(isInteractive: true)
    for round in 0..<rounds {
      if round.isMultiple(of: 200) { session = TestSession(isInteractive: true, runsTests: true) }
      let text = programs(round, &generator)
      watchdog.watch(session.interpreter.interrupt)
      _ = session.interpreter.isComplete(text)
      let result = session.cell(text)
      _ = session.render(result.errors)
      for error in result.errors {
        XCTAssertFalse(error.message.isEmpty, text)
        XCTAssertNotNil(error.span, "\(error.message): \(text)")
      }
      _ = session.results.last?.value.display()
      session.results = []
      if round.isMultiple(of: 100) {
        XCTAssertEqual(session.cell("fn check_(n) = n * 2\ncheck_(21)").value, 42, "after \(text)")
      }
    }
  }

  func testRandomBytes() {
    survive(
      { _, generator in
        let count = Int.random(in: 0..<60, using: &generator)
        return String(decoding: (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }, as: UTF8.self)
      }, seed: 1)
  }

  func testRandomASCII() {
    survive(
      { _, generator in
        let count = Int.random(in: 0..<60, using: &generator)
        return String(decoding: (0..<count).map { _ in UInt8.random(in: 9...126, using: &generator) }, as: UTF8.self)
      }, seed: 2)
  }

  func testTokenSoup() {
    survive(
      { _, generator in
        (0..<Int.random(in: 1..<40, using: &generator)).map { _ in tokens.randomElement(using: &generator) ?? "" }.joined(
          separator: Bool.random(using: &generator) ? " " : "")
      }, seed: 3)
  }

  func testMutatedPrograms() throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: CaseFile.folder.path).filter { $0.hasSuffix(".cases") }.sorted()
    // Programs that fill the memory on purpose are run once, as golden errors, and not by the thousand.
    let programs = try names.flatMap { try CaseFile($0).cases.map(\.program) }.filter { program in
      !["0000000", "000_000", "xs += xs", "s += s", "xs = [xs]"].contains { program.contains($0) }
    }
    survive(
      { _, generator in
        var characters = Array(programs.randomElement(using: &generator) ?? "")
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
          let position = Int.random(in: 0...characters.count, using: &generator)
          switch Int.random(in: 0..<4, using: &generator) {
          case 0: if position < characters.count { characters.remove(at: position) }
          case 1: characters.insert(contentsOf: tokens.randomElement(using: &generator) ?? "", at: position)
          case 2: if position < characters.count { characters.removeSubrange(position..<min(characters.count, position + 5)) }
          default:
            let other = Array(programs.randomElement(using: &generator) ?? "")
            characters.insert(contentsOf: other.prefix(Int.random(in: 0...other.count, using: &generator)), at: position)
          }
        }
        // No numbers large enough to fill the memory.
        return String(characters).replacing("**", with: "*")
      }, seed: 4)
  }

  func testDeepNestingIsAnError() {
    let deep = 100_000
    let programs = [
      String(repeating: "(", count: deep), String(repeating: "(", count: deep) + "1" + String(repeating: ")", count: deep),
      String(repeating: "[", count: deep), String(repeating: "{a: ", count: deep), String(repeating: "-", count: deep) + "1",
      String(repeating: "not ", count: deep) + "true", String(repeating: "x => ", count: deep) + "1",
      "1" + String(repeating: " + 1", count: deep),
      "1" + String(repeating: " ** 1", count: deep), "none" + String(repeating: " ?? none", count: deep),
      "1" + String(repeating: " |> str", count: deep),
      "x = 1\nx" + String(repeating: ".a", count: deep), "f" + String(repeating: "()", count: deep),
      "x" + String(repeating: "[0]", count: deep),
      String(repeating: "if true { ", count: deep), String(repeating: "while true { ", count: deep),
      String(repeating: "fn f() { ", count: deep),
      String(repeating: "try { ", count: deep), String(repeating: "\"\\(", count: deep),
      "true" + String(repeating: " and true", count: deep),
      String(repeating: "if true { 1 } else ", count: deep) + "{ 2 }", String(repeating: "x = if true { ", count: deep),
      String(repeating: "f(() => { ", count: deep),
    ]
    for program in programs {
      let session = TestSession()
      let result = session.run(program)
      XCTAssertFalse(session.render(result.errors).count > 20_000, String(program.prefix(30)))
      if !program.hasPrefix("if true { 1 } else") { XCTAssertEqual(result.status, .failed, String(program.prefix(30))) }
    }
    XCTAssertEqual(TestSession().run("1" + String(repeating: " + 1", count: 900)).value, 901)
    XCTAssertEqual(TestSession().run("1 == 1" + String(repeating: " == 1", count: 50_000)).value, true)
  }

  func testDeepRecursionIsAnError() {
    for program in [
      "fn f(n) = f(n + 1)\nf(0)", "fn f(n) { return 1 + f(n) }\nf(0)", "fn f(n) { [f(n)] }\nf(0)", "fn f(n) = map([n], f)\nf(0)",
      "fn f(n) = g(n)\nfn g(n) = f(n)\nf(1)",
      "f = x => x(x)\nf(f)", "fn f() { try { f() } catch e { f() } }\nraises(() => f())\nf()",
    ] {
      let session = TestSession()
      let watchdog = Watchdog()
      watchdog.watch(session.interpreter.interrupt)
      let result = session.run(program)
      watchdog.stop()
      session.interpreter.interrupt.clear()
      XCTAssertNotEqual(result.status, .finished, program)
      XCTAssertEqual(session.run("1 + 1").value, 2)
    }
  }

  func testLargeTexts() {
    let session = TestSession()
    let many = (0..<20_000).map { "x\($0) = \($0)" }.joined(separator: "\n")
    XCTAssertEqual(session.run(many + "\nx19999").value, 19_999)
    XCTAssertEqual(session.run("[" + (0..<100_000).map(String.init).joined(separator: ", ") + "][-1]").value, 99_999)
    XCTAssertEqual(session.run("# " + String(repeating: "x", count: 1_000_000) + "\n1").value, 1)
    XCTAssertEqual(session.run("x = \"" + String(repeating: "é", count: 200_000) + "\"\nlen(x)").value, 200_000)
    XCTAssertEqual(session.run(String(repeating: ")\n", count: 5_000)).errors.count, 5_000)
  }
}
