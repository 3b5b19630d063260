// The notebook at a terminal: editing, recall, completion, paste, interrupts, leaving.
import Foundation
import XCTest

final class TerminalTests: XCTestCase {
  func testTypingAndEditingWideCharacters() throws {
    let window = try Tmux()
    window.openNotebook()
    window.type("x = \"é日本🙂\"")
    for key in ["Left", "Left", "BSpace", "End", "Enter"] { window.press(key) }
    window.waitFor("zs[2]›")
    window.type("x", then: "Enter")
    window.waitFor("Out[2] \"é日🙂\"")
    window.type("len(x)", then: "Enter")
    window.waitFor("Out[3] 3")
  }

  func testWithoutALocale() throws {
    let window = try Tmux(environment: "LANG= LC_ALL= LC_CTYPE=")
    window.openNotebook()
    window.type("upper(\"é日本🙂\")", then: "Enter")
    window.waitFor("Out[1] \"É日本🙂\"")
  }

  func testCellsOfManyLinesAreRecalledWhole() throws {
    let window = try Tmux()
    window.openNotebook()
    window.type("fn twice(n) {", then: "Enter")
    window.type("n * 2", then: "Enter")
    window.type("}", then: "Enter")
    window.waitFor("zs[2]›")
    window.press("Up")
    window.waitFor("zs[2]› fn twice(n) {\n    n * 2\n}")
    for key in ["Up", "End", "BSpace", "3", "Enter"] { window.press(key) }
    window.waitFor("zs[3]›")
    window.type("twice(7)", then: "Enter")
    window.waitFor("Out[3] 21")
  }

  func testCompletion() throws {
    let window = try Tmux()
    window.openNotebook()
    window.type("learning_rate_of_mine = 3", then: "Enter")
    window.type("learning_r", then: "Tab", "Enter")
    window.waitFor("Out[2] 3")
    window.type("print(1, se", then: "Tab")
    window.waitFor("sep:")
    window.press("C-c")
    window.type("{alpha: 1}", then: "Enter")
    window.type("m = ans", then: "Enter")
    window.type("m.alp", then: "Tab", "Enter")
    window.waitFor("Out[5] 1")
  }

  func testPasteOfThousandsOfLinesIsOneCell() throws {
    let window = try Tmux()
    window.openNotebook()
    try window.paste((["total = 0"] + (0..<5000).map { "total += \($0)  # é" }).joined(separator: "\n"))
    window.waitFor("total += 4999")
    XCTAssertFalse(window.screen.contains("zs[2]"))
    window.press("Enter")
    window.waitFor("zs[2]›")
    window.type("total", then: "Enter")
    window.waitFor("Out[2] 12497500")
  }

  /// Ctrl-C within a paste drops all of it: what comes after must not run as if it had been typed.
  func testAnInterruptWithinAPasteDropsIt() throws {
    let window = try Tmux()
    window.openNotebook()
    try window.paste("\u{1B}[200~x = 1\n\u{3}print(\"ran\")\n\u{1B}[201~", isRaw: true)
    window.type("6 * 7", then: "Enter")
    window.waitFor("Out[1] 42")
    XCTAssertFalse(window.screen.contains("ran"), window.screen)
    // A paste that never ends is over when nothing more comes.
    try window.paste("\u{1B}[200~y = 1\u{3}", isRaw: true)
    // On a busy machine what is typed too early still counts as part of it.
    for _ in 0..<30 where !window.screen.contains("Out[2] 48") {
      Thread.sleep(forTimeInterval: 1)
      window.type("6 * 8", then: "Enter")
    }
    window.waitFor("Out[2] 48")
  }

  func testPasteOfASessionDropsPromptsAndOutput() throws {
    let window = try Tmux()
    window.openNotebook()
    try window.paste("zs[7]› a = 40\nzs[8]› a + 2\nOut[8] 42\n")
    window.press("Enter")
    window.waitFor("Out[1] 42")
  }

  func testInterrupts() throws {
    let window = try Tmux()
    window.openNotebook()
    window.type("x = 5", then: "Enter")
    window.type("half a tho", then: "C-c")
    window.waitFor("Ctrl-D leaves")
    // What the cell prints first shows that it runs: before, Ctrl-C would be a key of the prompt.
    window.type("print(\"be\" + \"gun\"); while true { x += 1 }", then: "Enter")
    window.waitFor("begun")
    print("a loop stopped after \(window.interrupt(until: "interrupted")) s")
    window.type("x > 5", then: "Enter")
    window.waitFor("true")
    window.press("C-c")
    window.press("C-c")
    window.type("1 + 1", then: "Enter")
    window.waitFor("2\nzs[")
  }

  func testLeavingAndHistoryBetweenRuns() throws {
    let window = try Tmux()
    window.openNotebook()
    window.type("\"from the first run\"", then: "Enter")
    window.waitFor("Out[1]")
    window.press("C-d")
    window.waitFor("ready$")
    window.type("clear", then: "Enter")
    window.openNotebook()
    window.press("Up")
    window.press("Enter")
    window.waitFor("Out[1] \"from the first run\"")
    window.type(":quit", then: "Enter")
    window.waitFor("ready$")
  }

  func testSuspendAndResize() throws {
    let window = try Tmux()
    window.openNotebook()
    window.type("y = 41")
    window.press("C-z")
    window.waitFor("Stopped")
    window.type("fg", then: "Enter")
    window.waitFor("y = 41", after: "Stopped")
    window.resize(columns: 40, rows: 20)
    window.resize(columns: 80, rows: 24)
    window.type(" + 1", then: "Enter")
    window.waitFor("zs[2]›")
    window.type("y", then: "Enter")
    window.waitFor("Out[2] 42")
  }

  func testPlainTerminals() throws {
    for environment in ["TERM=dumb", "NO_COLOR=1", "TERM="] {
      let window = try Tmux(environment: environment)
      window.openNotebook()
      window.type("1 + 2", then: "Enter")
      window.waitFor("Out[1] 3")
      window.type("no_such_name", then: "Enter")
      window.waitFor("'no_such_name' is not defined")
      window.press("C-d")
      window.waitFor("ready$")
    }
  }

  func testGenerationIsInterruptedBetweenTokens() throws {
    let model =
      (ProcessInfo.processInfo.environment["ZS_HOME"] ?? NSHomeDirectory() + "/.cache/zs") + "/models/SmolLM2-135M-Instruct.Q4_1.gguf"
    guard FileManager.default.fileExists(atPath: model) else { throw XCTSkip("the model is not in the cache") }
    let window = try Tmux()
    window.openNotebook()
    window.type("m = load(\"\(model)\")", then: "Enter")
    window.waitFor("zs[2]›")
    window.type("generate(m, \"Once upon a time\", max_tokens: 4000)", then: "Enter")
    window.waitFor("the city", seconds: 120)
    print("a generation stopped after \(window.interrupt(until: "zs[3]›")) s")
    window.type("6 * 7", then: "Enter")
    window.waitFor("Out[3] 42")
  }
}
