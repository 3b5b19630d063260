// Runs in the language on the tiny model of TrainingTests: evaluation, samples, logs, checkpoints, recipes, frozen parameters.

import Foundation
import Language
import XCTest

final class RunTests: XCTestCase {
  private func session() throws -> (TestSession, String) {
    let model = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("TrainingTests/Fixtures/tiny").path
    let folder = NSTemporaryDirectory() + "zs-run-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    addTeardownBlock { try? FileManager.default.removeItem(atPath: folder) }
    let session = TestSession()
    try session.run(
      """
      m = load("\(model)")
      rows = [{input_ids: [1, 5 + i, 9, 30 + i, 7, 3 * i + 3, 2], labels: [-100, -100, 9, 30 + i, 7, 3 * i + 3, 2]} for i in 0..<12]
      p = lora(m, rank: 4, seed: 1)
      """)
    return (session, folder)
  }

  private func check(_ session: TestSession, _ cases: [(String, String)], line: UInt = #line) {
    for (code, expected) in cases {
      do {
        let found = try session.source(code)
        XCTAssertEqual(found, expected, code, line: line)
      } catch {
        XCTFail("\(code): \(error)", line: line)
      }
    }
  }

  func testARunLeavesEvaluationsSamplesLogsAndCheckpoints() throws {
    let (session, folder) = try session()
    try session.run(
      """
      t = sft(p, rows, batch_size: 2, epochs: 1, learning_rate: 1e-2, eval_data: rows[0:3], eval_every: 2, autosave: "\(folder)/run",
        autosave_minutes: 0, samples: [[1, 5, 9]], sample_every: 3)
      run(t);
      u = resume("\(folder)/run")
      """)
    check(
      session,
      [
        ("[r.step for r in t.history if get(r, \"eval_loss\", none) != none]", "[2, 4, 6]"),
        ("[s.step for s in t.samples]", "[0, 3, 6]"), ("t.samples[0].prompt", "[1, 5, 9]"),
        (
          "[f |> split(\"/\") |> reverse |> take(1) for f in list_files(\"\(folder)/run\") if contains(f, \"step-\")]",
          "[[\"step-000005\"], [\"step-000006\"]]"
        ),
        ("[r.step for r in read_jsonl(\"\(folder)/run/metrics.jsonl\")]", "[1, 2, 3, 4, 5, 6]"),
        ("read(\"\(folder)/run/metrics.csv\") |> split(\"\\n\") |> len", "8"),
        ("contains(read(\"\(folder)/run/metrics.csv\"), \"eval_mean_token_accuracy\")", "true"),
        (
          "[u.step_count, u.total_steps, u.examples, len(u.samples), u.history == t.history, u.options == t.options]",
          "[6, 6, 12, 3, true, true]"
        ),
        ("evaluate(u, rows[0:3]).loss == evaluate(t, rows[0:3]).loss", "true"),
        ("[run(u), u.step_count, raises(() => run(u, steps: 1)), raises(() => step(u))]", "[none, 6, true, true]"),
        ("back(u, 4); step(u).loss == t.history[2].loss", "true"),
        ("t.data", "{rows: 12, examples: 12, documents: 12, tokens: 84, trained_tokens: 60, padding_saved: 0, cut: 0, skipped: 0}"),
        ("save(t.history, \"\(folder)/h.csv\"); read(\"\(folder)/h.csv\") |> split(\"\\n\") |> len", "8"),
        ("save(t.history, \"\(folder)/h.jsonl\"); len(read_jsonl(\"\(folder)/h.jsonl\"))", "6"),
      ])
    XCTAssertTrue(try session.run("str(u)").text?.contains("autosave \(folder)/run") ?? false)
  }

  func testPackingPaddingAndSkippedRowsAreCounted() throws {
    let (session, _) = try session()
    try session.run(
      """
      long = [{input_ids: [1] + [5 for i in 0..<30]}, {input_ids: [1, 2, 3]}, {input_ids: [4, 5, 6, 7]}, {input_ids: [1, 200]}, {text: " "}]
      t = sft(p, long, max_length: 16, packing: "bfd")
      u = sft(p, long, max_length: 16, batch_size: 3, shuffle: false)
      """)
    check(
      session,
      [
        ("[t.data.documents, t.data.examples, t.data.cut, t.data.skipped, t.data.rows]", "[3, 2, 1, 2, 5]"),
        ("[r.line for r in t.skipped]", "[5, 4]"), ("contains(t.skipped[1].reason, \"200 is no token id\")", "true"),
        ("u.data.padding_saved", "\(3 * 16 - 16 - 3 - 4)"),
      ])
    XCTAssertTrue(try session.run("str(t)").text?.contains("3 documents in 2 packed rows") ?? false)
  }

  func testFrozenParametersAndUpdateRatios() throws {
    let (session, _) = try session()
    check(
      session,
      [
        ("freeze(p, \"lora_A\").trainable < p.trainable", "true"),
        ("t = sft(freeze(p, [\"*layers.0.*\", \"lora_A\"]), rows, warmup_ratio: 0, learning_rate: 1e-3); len(grad_norms(t))", "7"),
        ("[keys(r) for r in grad_norms(t)][0]", "[\"name\", \"norm\", \"weight_norm\", \"update_norm\", \"ratio\"]"),
        ("all([r.update_norm > 0 for r in grad_norms(t)])", "true"),
        (
          "w = sft(freeze(m, \"embed\"), rows, warmup_ratio: 0, learning_rate: 1e-3); all([r.ratio > 0 and r.ratio < 0.1 for r in grad_norms(w)])",
          "true"
        ),
        ("f = fork(w); step(f); step(w); f.history == w.history", "true"),
        ("sft(m, rows, bf16: true).policy.dtype", "\"bf16\""),
      ])
    assertFails(session, "freeze(p, \"lora_C\")", "no parameter of")
    assertFails(session, "freeze(p, \"lora\")", "nothing would be left")
    assertFails(session, "sft(p, rows, bf16: true)", "begins to learn whole")
  }

  func testRecipesGiveOptionsAndExplicitOnesWin() throws {
    let (session, folder) = try session()
    try "learning_rate: 3.0e-4\nmax_seq_length: 64\nper_device_train_batch_size: 3\nuse_peft: true\nlora_r: 2\n".write(
      toFile: folder + "/c.yaml", atomically: true, encoding: .utf8)
    check(
      session,
      [
        ("r = recipe(\"\(folder)/c.yaml\"); [r.method, r[\"learning_rate\"], r.lora]", "[\"sft\", 0.0003, {rank: 2}]"),
        (
          "t = sft(m, rows, recipe: r, batch_size: 2); [t.options.learning_rate, t.options.batch_size, t.options.max_length]",
          "[0.0003, 2, 64]"
        ),
        ("t.options.assistant_only", "false"), ("len(t.policy.adapters)", "14"),
        ("sft(p, rows, recipe: r).policy.trainable == p.trainable", "true"),
        ("recipe(\"zephyr-7b-beta/dpo/paper\").global_batch", "32"),
      ])
    assertFails(session, "sft(m, rows, recipe: \"zephyr-7b-beta/dpo/paper\")", "for dpo, not for sft")
    assertFails(session, "recipe(\"zephyr-7b-beta/sft/papr\")", "zephyr-7b-beta/sft/paper")
  }

  private func assertFails(_ session: TestSession, _ code: String, _ words: String, line: UInt = #line) {
    XCTAssertThrowsError(try session.run(code), code, line: line) { error in
      let message = (error as? ZsError).map { $0.message + " " + ($0.hint ?? "") } ?? "\(error)"
      XCTAssertTrue(message.contains(words), message, line: line)
    }
  }
}
