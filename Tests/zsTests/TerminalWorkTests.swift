// The notebook at a terminal while it works: Ctrl-C in a run and a step, redrawn curves, the editor, running again, talking.
import Foundation
import XCTest

final class TerminalWorkTests: XCTestCase {
  /// A trainer whose steps take seconds, made in the window; skips where the model is not in the cache.
  private func trainer(_ window: Tmux, repeats: Int = 250) throws {
    let model =
      (ProcessInfo.processInfo.environment["ZS_HOME"] ?? NSHomeDirectory() + "/.cache/zs") + "/models/SmolLM2-135M-Instruct.Q4_1.gguf"
    guard FileManager.default.fileExists(atPath: model) else { throw XCTSkip("the model is not in the cache") }
    window.openNotebook()
    window.type("m = lora(load(\"\(model)\"), rank: 4, seed: 1)", then: "Enter")
    window.waitFor("zs[2]›")
    window.type(
      "t = sft(m, [{messages: [{role: \"user\", content: \"Hi\"}, {role: \"assistant\", content: \"so it goes on \" * \(repeats)}]}], max_steps: 99, batch_size: 1)",
      then: "Enter")
    window.waitFor("zs[3]›")
  }

  func testASecondPressDropsTheStepThatRuns() throws {
    let window = try Tmux(columns: 150)
    try trainer(window)
    window.type("print(\"be\" + \"gun\"); step(t)", then: "Enter")
    window.waitFor("begun")
    // A step takes several seconds, on a slow machine more: both presses fall into it.
    print("answered after \(window.interrupt(until: "finishing step 1")) s")
    print("dropped after \(window.interrupt(until: "zs[4]›")) s")
    window.type("t.step_count", then: "Enter")
    window.waitFor("Out[4] 0")
  }

  /// One press stops what has nothing to lose: a long prompt between the matrices of its layers, a text that is scored likewise.
  func testReadingALongTextIsLeftAtOnce() throws {
    let window = try Tmux(columns: 150)
    try trainer(window)
    window.type("p = \"the cat sat on the mat and \" * 1000; base = t.policy", then: "Enter")
    window.waitFor("zs[4]›")
    for (cell, work) in [(4, "generate(base, p, max_tokens: 5)"), (5, "perplexity(base, p)"), (6, "logprobs(base, p)")] {
      window.type("print(\"begun \" + str(\(cell))); \(work)", then: "Enter")
      window.waitFor("begun \(cell)")
      print("\(work) left after \(window.interrupt(until: "zs[\(cell + 1)]›")) s")
    }
    window.type("t.step_count", then: "Enter")
    window.waitFor("Out[7] 0")
  }

  func testARunStopsAfterItsStepAndGoesOn() throws {
    let window = try Tmux(columns: 150)
    try trainer(window, repeats: 20)
    window.type("run(t, steps: 50)", then: "Enter")
    window.waitFor("/50 ", seconds: 240)
    window.press("C-c")
    window.waitFor("stopped after step", seconds: 120)
    window.waitFor("interrupted")
    window.type("t.step_count < 50", then: "Enter")
    window.waitFor("Out[4] true")
  }

  func testTheEditor() throws {
    let window = try Tmux(environment: "EDITOR='sed -i s/40/41/'")
    window.openNotebook()
    window.type("40 + 1", then: "Enter")
    window.waitFor("Out[1] 41")
    window.type(":edit 1", then: "Enter")
    window.waitFor("zs[2]› 41 + 1\nOut[2] 42")
    window.type("40 * 2")
    window.press("C-x")
    window.press("C-e")
    window.waitFor("Out[3] 82")
    window.type(":edit 9", then: "Enter")
    window.waitFor("there is no cell 9")
  }

  func testStaleCellsShowInThePrompt() throws {
    let window = try Tmux()
    window.openNotebook()
    window.type("x = 1", then: "Enter")
    window.type("y = x + 1", then: "Enter")
    window.type("x = 2", then: "Enter")
    window.waitFor("zs[4]·1 stale›")
    window.type(":rerun stale", then: "Enter")
    window.waitFor("zs[4]› y = x + 1\nzs[5]›")
    window.type("y", then: "Enter")
    window.waitFor("Out[5] 3")
  }

  func testSearchAndWordKeys() throws {
    let window = try Tmux()
    window.openNotebook()
    window.type("alpha = 11", then: "Enter")
    window.type("beta = 22", then: "Enter")
    window.waitFor("zs[3]›")
    window.press("C-r")
    window.type("alph")
    window.waitFor("alpha = 11")
    window.press("C-e")
    window.type(" + 1", then: "Enter")
    window.waitFor("zs[4]›")
    window.type("one two three")
    for key in ["M-b", "M-b", "C-k"] { window.press(key) }
    window.waitFor("zs[4]› one\n".trimmingCharacters(in: .newlines))
    for key in ["C-a", "C-k"] { window.press(key) }
    window.type("alpha", then: "M-Enter")
    window.type("+ 1", then: "Enter")
    window.waitFor("Out[4]")
  }

  func testTwoSessionsShareTheHistory() throws {
    let first = try Tmux()
    first.openNotebook()
    let second = try Tmux(home: first.home)
    second.openNotebook()
    first.type("\"of the first\"", then: "Enter")
    second.type("\"of the second\"", then: "Enter")
    first.waitFor("Out[1]")
    second.waitFor("Out[1]")
    let kept = try String(contentsOfFile: first.home + "/history.jsonl", encoding: .utf8)
    XCTAssertTrue(kept.contains("of the first") && kept.contains("of the second"), kept)
    XCTAssertEqual(kept.split(separator: "\n").count, 2)
  }
}
