// The stepper without a terminal: reading of lines, conditions, breakpoints, exactness, and that no line ends the walk but quit.
import Builtins
import Foundation
import Language
import XCTest

final class WalkTests: XCTestCase {
  private let metrics = ["loss", "accuracy", "margin", "rewards/margins", "step"]

  private func parser() throws -> WalkParser {
    let row = try XCTUnwrap(TestSession().session.table.lookup("what_if").first)
    return WalkParser(metrics: metrics, pairNumbers: pairNumbers.map(\.name), whatIf: row)
  }

  private func message(_ line: String) throws -> String {
    do {
      _ = try parser().action(line)
      return "none"
    } catch let error as ZsError {
      return error.message
    }
  }

  func testNamesBeginningsAndLetters() throws {
    for (word, name) in [
      ("s", "step"), ("st", "step"), ("pairs", "pairs"), ("pa", nil), ("hist", "history"), ("w", "what"), ("q", "quit"), ("rows", "pairs"),
    ] {
      if let name {
        XCTAssertEqual(try WalkCommand.named(word).name, name, word)
      } else {
        XCTAssertThrowsError(try WalkCommand.named(word))
      }
    }
    XCTAssertEqual(try message("pa"), "'pa' may be pairs, pair")
    XCTAssertEqual(try message("pari 1"), "there is no command 'pari'; did you mean 'pair'?")
    XCTAssertEqual(try message("stepp"), "there is no command 'stepp'; did you mean 'step'?")
  }

  func testArguments() throws {
    XCTAssertEqual(try message("step 0"), "step takes a number from 1 on, not '0'")
    XCTAssertEqual(try message("goto"), "goto needs the number of a step")
    XCTAssertEqual(try message("pairs now"), "pairs takes nothing, not 'now'")
    XCTAssertEqual(try message("save"), "save needs a path")
    XCTAssertEqual(try message("save \"a"), "a quote is not closed")
    XCTAssertEqual(try message("what bta 0.3"), "what knows no option 'bta'; did you mean 'beta'?")
    XCTAssertEqual(try message("what lr 0.3"), "what knows no option 'lr'; did you mean 'learning_rate'?")
    XCTAssertEqual(try message("what beta"), "'beta' has no value")
    XCTAssertEqual(try message("set bta 0.3"), "set knows no option 'bta'; did you mean 'beta'?")
    XCTAssertEqual(try message("set"), "set needs an option and a value")
    XCTAssertEqual(try message("fork now"), "fork takes nothing, not 'now'")
    XCTAssertEqual(try message("branch 0"), "branch takes a number from 1 on, not '0'")
    guard case .what(let options) = try parser().action("what beta: 0.3 loss sigmoid,sft") else { return XCTFail("no what") }
    XCTAssertEqual(Value.map(options).source, "{beta: 0.3, loss: [\"sigmoid\", \"sft\"]}")
    guard case .save("two words") = try parser().action("save \"two words\"") else { return XCTFail("no save") }
    guard case .help(let command?) = try parser().action("step ?"), command.name == "step" else { return XCTFail("no help") }
  }

  func testConditions() throws {
    let condition = try WalkCondition("accuracy>0.9 and loss <= -1e-2", names: metrics)
    XCTAssertEqual(condition.text, "accuracy > 0.9 and loss <= -0.01")
    XCTAssertTrue(condition.holds { ["accuracy": 1, "loss": -0.01][$0] })
    XCTAssertFalse(condition.holds { ["accuracy": 1, "loss": 0][$0] })
    XCTAssertFalse(condition.holds { ["accuracy": 1][$0] }, "a number that is not there satisfies nothing")
    for (comparison, expected) in [
      ("<", [true, false, false]), ("<=", [true, true, false]), (">", [false, false, true]), (">=", [false, true, true]),
      ("==", [false, true, false]), ("!=", [true, false, true]),
    ] {
      let one = try WalkCondition("loss \(comparison) 1", names: metrics)
      XCTAssertEqual([0.0, 1, 2].map { number in one.holds { _ in number } }, expected, comparison)
    }
    XCTAssertEqual(try message("until acuracy > 1"), "there is no number 'acuracy' to watch; did you mean 'accuracy'?")
    XCTAssertEqual(try message("until accuracy"), "'accuracy' compares nothing")
    XCTAssertEqual(try message("break margin < much"), "'much' is no number to compare margin with")
    XCTAssertEqual(try message("until accuracy => 1"), "there is no comparison '=>'")
    XCTAssertEqual(try message("until"), "a condition is missing")
  }

  func testCompletion() throws {
    let parser = try parser()
    XCTAssertEqual(parser.complete("st", cursor: 2).candidates, ["step"])
    XCTAssertEqual(parser.complete("until acc", cursor: 9).candidates, ["accuracy"])
    XCTAssertEqual(parser.complete("break weig", cursor: 10).candidates, ["weight"])
    XCTAssertEqual(parser.complete("what be", cursor: 7).candidates, ["beta"])
    XCTAssertEqual(parser.complete("set be", cursor: 6).candidates, ["beta"])
    XCTAssertEqual(parser.complete("what beta 0.3 loss hin", cursor: 22).candidates, ["hinge"])
    XCTAssertEqual(parser.complete("plot rewards/m", cursor: 14).replaced, 9)
    XCTAssertEqual(parser.complete("nonsense x", cursor: 10).candidates, [])
  }

  /// A session with a trainer `t` of very short pairs; skips where the model is not in the cache.
  private func walking() throws -> TestSession {
    let environment = ProcessInfo.processInfo.environment
    let folder = environment["ZS_HOME"] ?? NSHomeDirectory() + "/.cache/zs"
    let path = folder + "/models/SmolLM2-135M-Instruct.Q4_1.gguf"
    guard FileManager.default.fileExists(atPath: path) else { throw XCTSkip("\(path) is not there; load(\"smollm2\") in zs gets it") }
    let session = TestSession()
    try session.run(
      """
      rows = [{prompt: "Say \\(i)", chosen: "Aye \\(i * 37)", rejected: "No, I will not \\(i)"} for i in 0..<8]
      t = dpo(lora(load("smollm2"), rank: 2, seed: 1, targets: ["q_proj", "v_proj"]), rows, batch_size: 2, epochs: 2, learning_rate: 2e-3,
        schedule: "constant", warmup_ratio: 0)
      """)
    return session
  }

  func testCommandsOfAList() throws {
    let session = try walking()
    XCTAssertEqual(
      try session.source(
        "walk(t, [\"step 2\", \"pairs\", \"pair 1\", \"tokens\", \"explain 0\", \"what beta 0.3 loss ipo\", \"back\", \"\", \"where\"]).step_count"
      ), "0")
    for text in [
      "walk[0/8]› step 2\nstep 1 · loss 0.6931 · accuracy 0.00 · margin +0.0000", "step 2 · loss",
      "walk[2/8]› pairs\nnext batch, step 3 · loss",
      "pair 1 of 2 · margin", "chosen  Σ", "delta", "Pair 0: the margin is", "as it is: next batch, step 3", "what if, step 3 · loss",
      "beta: 0.3, loss: \"ipo\"", "at step 1 of 8", "at step 0 of 8", "trainer dpo#1",
    ] { XCTAssertTrue(session.printed.contains(text), "no '\(text)' in:\n\(session.printed)") }
  }

  func testListsAreReadBeforeAnythingRuns() throws {
    let session = try walking()
    XCTAssertThrowsError(try session.run("walk(t, [\"step\", \"stepp\"])")) { error in
      XCTAssertEqual((error as? ZsError)?.message, "walk: \"stepp\": there is no command 'stepp'; did you mean 'step'?")
    }
    XCTAssertEqual(try session.source("t.step_count"), "0")
    XCTAssertThrowsError(try session.run("walk(t)")) { error in
      XCTAssertEqual((error as? ZsError)?.message, "there is nobody to ask for commands")
    }
    // What goes wrong on the way is shown, and the walk goes on.
    try session.run("walk(t, [\"back\", \"pair 7\", \"plot\", \"goto 99\", \"step\"])")
    XCTAssertTrue(session.printed.contains("error: cannot go back a step"), session.printed)
    XCTAssertTrue(session.printed.contains("error: there is no pair 7"), session.printed)
    XCTAssertTrue(session.printed.contains("error: there is nothing to plot yet"), session.printed)
    XCTAssertEqual(try session.source("t.step_count"), "1")
  }

  func testUntilAndBreakpoints() throws {
    let session = try walking()
    try session.run("u = fork(t)\nwalk(t, [\"until accuracy >= 1\", \"history\"])")
    let reached = try XCTUnwrap(try session.run("t.history[-1].accuracy").number)
    XCTAssertEqual(reached, 1)
    XCTAssertTrue(session.printed.contains("accuracy >= 1.0 holds"), session.printed)
    XCTAssertEqual(try session.source("max([0] + [r.accuracy for r in t.history[:-1]]) < 1"), "true", "it should have stopped at the first")

    // The stop is before the update, on its batch, and the next step passes it; the run's bits are those of one without stops.
    try session.run("walk(u, [\"break tokens_chosen > 1\", \"breaks\", \"step 5\", \"pairs\", \"step\", \"clear\", \"run\"])")
    XCTAssertTrue(session.printed.contains("stopped before step 1: pair 0 has tokens_chosen"), session.printed)
    try session.run("run(t)")
    XCTAssertEqual(try session.source("[t.step_count, u.step_count]"), "[8, 8]")
    XCTAssertEqual(try session.source("[r.loss for r in t.history] == [r.loss for r in u.history]"), "true")
    try session.run("walk(t, [\"until loss < 0\", \"pair\", \"run\"])")
    XCTAssertTrue(session.printed.contains("error: the run is complete"), session.printed)
  }

  func testBranches() throws {
    let session = try walking()
    try session.run(
      "u = walk(t, [\"step 2\", \"gradient 1\", \"fork\", \"step\", \"set beta 0.3 learning_rate 1e-3\", \"step\", \"back\", \"back\", \"branch\", \"branch 7\"])"
    )
    for text in [
      "pair 1 · gradient norm", "walk[2/8]› fork\nbranch 2 · dpo#2 from step 2 · branch 1 is dpo#1, as it was",
      "walk dpo#2[2/8]› step\nstep 3 · loss",
      "branch 3 · dpo#3 from step 3 with beta 0.3, learning_rate 0.001 · branch 2 is dpo#2, as it was",
      "error: cannot go back to step 2: this trainer was forked under options of its own at step 3", "  1  dpo#1 · step 2/8",
      "  2  dpo#2 · step 3/8",
      "▸ 3  dpo#3 · step 3/8", "beta 0.3 · learning_rate 0.001", "error: there is no branch 7",
    ] { XCTAssertTrue(session.printed.contains(text), "no '\(text)' in:\n\(session.printed)") }
    XCTAssertEqual(
      try session.source("[t.step_count, u.step_count, u.name, u.options.beta, t.options.beta]"), "[2, 3, \"dpo#3\", 0.3, 0.1]")
    // The first trainer goes on as if there had been no branches, and the branch back at its beginning as that was.
    try session.run("v = fork(t)\nrun(v);\nw = walk(u, [\"branch 1\", \"fork\", \"branch 1\", \"step\"])\nrun(t);")
    XCTAssertEqual(try session.source("[r.loss for r in t.history] == [r.loss for r in v.history]"), "true")
    XCTAssertEqual(try session.source("[w.name, w.step_count]"), "[\"dpo#3\", 4]")
    XCTAssertEqual(try session.source("close(3 * t.history[3].margin, w.history[3].margin, rtol: 1e-6)"), "true")
    // A branch after a breakpoint, whose report has a trainer to ask for gradients.
    try session.run("walk(fork(t) |> goto(0), [\"break tokens_chosen > 0\", \"step\", \"gradient\"])")
    XCTAssertFalse(session.printed.contains("gradient needs"), session.printed)
  }

  func testADialogue() throws {
    final class Typed: Dialogue {
      var events: [DialogueEvent]
      var prompts: [String] = []
      init(_ events: [DialogueEvent]) { self.events = events }
      func next(_ prompt: String) -> DialogueEvent {
        prompts.append(prompt)
        return events.isEmpty ? .end : events.removeFirst()
      }
    }
    let session = try walking()
    let typed = Typed([.line("step"), .line(""), .cancelled, .line("nonsense"), .line("back 2; goto 1"), .line("q"), .line("step")])
    session.session.openDialogue = { _ in typed }
    try session.run("walk(t)")
    XCTAssertEqual(typed.prompts, ["walk[0/8]› ", "walk[1/8]› ", "walk[2/8]› ", "walk[2/8]› ", "walk[2/8]› ", "walk[1/8]› "])
    XCTAssertEqual(try session.source("t.step_count"), "1", "after quit nothing is done")
    XCTAssertTrue(session.printed.contains("pair 0 of 2 · margin +0.0000"), session.printed)
    XCTAssertTrue(session.printed.contains("error: there is no command 'nonsense'"), session.printed)
  }
}
