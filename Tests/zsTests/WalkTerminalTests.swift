// `walk` at a terminal and over a pipe: its prompt, Enter, Tab, Ctrl-C, Ctrl-D, and that the notebook's own editor comes back.
import Foundation
import XCTest

final class WalkTerminalTests: XCTestCase {
  private func setUpCode() throws -> String {
    let model =
      (ProcessInfo.processInfo.environment["ZS_HOME"] ?? NSHomeDirectory() + "/.cache/zs") + "/models/SmolLM2-135M-Instruct.Q4_1.gguf"
    guard FileManager.default.fileExists(atPath: model) else { throw XCTSkip("the model is not in the cache") }
    return """
      t = dpo(lora(load("\(model)"), rank: 2, targets: ["q_proj"]), [{prompt: "Say \\(i)", chosen: "Aye", rejected: "No <\\(i)>"} for i in 0..<60], batch_size: 2, epochs: 9)
      """
  }

  func testAtATerminal() throws {
    let code = try setUpCode()
    let window = try Tmux(columns: 110, rows: 36)
    window.openNotebook()
    try window.paste(code)
    window.press("Enter")
    window.waitFor("zs[2]›", seconds: 60)
    window.type("walk(t)", then: "Enter")
    window.waitFor("walk[0/270]›", seconds: 60)
    window.waitFor("pair 0 of 2 · margin +0.0000")
    window.type("st", then: "Tab")
    window.press("Enter")
    window.waitFor("walk[1/270]›", seconds: 60)
    window.press("Enter")
    window.waitFor("walk[2/270]›", seconds: 60)
    window.type("half a line", then: "C-c")
    window.type("pari", then: "Enter")
    window.waitFor("did you mean 'pair'?")
    window.type("until loss < 0", then: "Enter")
    window.waitFor("loss 0.6", seconds: 60)
    Thread.sleep(forTimeInterval: 1)
    window.press("C-c")
    window.waitFor("interrupted", seconds: 30)
    window.type("goto 1; help quit", then: "Enter")
    window.waitFor("ends the walk; the trainer stays where it is", seconds: 60)
    window.press("C-d")
    window.waitFor("zs[3]›")
    window.type("tokens_of = 6", then: "Enter")
    window.waitFor("zs[4]›")
    window.type("tokens_o", then: "Tab")
    window.type(" * 7", then: "Enter")
    window.waitFor("Out[4] 42")
    window.press("Up")
    window.press("Enter")
    window.waitFor("Out[5] 42")
  }

  func testOverAPipe() throws {
    let code = try setUpCode()
    let outcome = try Binary.run([], input: code + "\nwalk(t);\nstep 2\nnonsense\nquit\nt.step_count\n")
    XCTAssertEqual(outcome.status, 0, outcome.errors)
    XCTAssertTrue(outcome.output.contains("step 2 · loss"), outcome.output)
    XCTAssertTrue(outcome.output.contains("there is no command 'nonsense'"), outcome.output)
    XCTAssertTrue(outcome.output.hasSuffix("2\n"), outcome.output)
    XCTAssertFalse(outcome.output.contains("\u{1B}"))
  }
}
