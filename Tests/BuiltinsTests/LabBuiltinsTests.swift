// The lab's builtins on the real model where its file is in the cache folder: what they give, that they leave no trace, and their errors.

import Builtins
import Foundation
import Language
import XCTest

final class LabBuiltinsTests: XCTestCase {
  private let rows = """
    rows = [
      {prompt: "The sky is", chosen: " blue.", rejected: " a green kind of cheese."},
      {prompt: "Two and two are", chosen: " four, as everybody knows.", rejected: " five."},
      {prompt: "Water is", chosen: " wet.", rejected: " dry."}, {prompt: "Fire is", chosen: " hot.", rejected: " cold."}]

    """

  /// A session with `t`, a trainer that has taken two steps; skips where the model is missing, as fetching it is not a test's business.
  private func session(_ options: String = "") throws -> TestSession {
    let folder = ProcessInfo.processInfo.environment["ZS_HOME"] ?? NSHomeDirectory() + "/.cache/zs"
    let path = folder + "/models/SmolLM2-135M-Instruct.Q4_1.gguf"
    guard FileManager.default.fileExists(atPath: path) else { throw XCTSkip("\(path) is not there; load(\"smollm2\") in zs gets it") }
    let session = TestSession()
    try session.run(
      rows
        + "m = load(\"smollm2\")\nt = dpo(lora(m, rank: 2, seed: 1), rows, batch_size: 2, learning_rate: 1e-3, warmup_ratio: 0, max_steps: 4, shuffle: false\(options))\nstep(t, n: 2);"
    )
    return session
  }

  private func check(_ session: TestSession, _ cases: [(String, String)], line: UInt = #line) {
    for (code, expected) in cases {
      do {
        let found = try session.source(code)
        XCTAssertEqual(found, expected, code, line: line)
      } catch {
        XCTFail("\(code): \((error as? ZsError)?.message ?? "\(error)")", line: line)
      }
    }
  }

  private func fails(_ session: TestSession, _ cases: [(String, String)], line: UInt = #line) {
    for (code, text) in cases {
      XCTAssertThrowsError(try session.run(code), code, line: line) { error in
        let message = (error as? ZsError).map { [$0.message, $0.hint ?? ""].joined(separator: " ") } ?? "\(error)"
        XCTAssertTrue(message.contains(text), "\(code): \(message)", line: line)
      }
    }
  }

  func testMetricsUnderTheirNames() throws {
    check(
      try session(),
      [
        (
          "[x in t.history[0] for x in [\"loss\", \"grad_norm\", \"learning_rate\", \"epoch\", \"entropy\", \"num_tokens\", \"mean_token_accuracy\", \"logits/chosen\", \"logits/rejected\", \"rewards/chosen\", \"rewards/rejected\", \"rewards/accuracies\", \"rewards/margins\", \"logps/chosen\", \"logps/rejected\"]]",
          "[\(Array(repeating: "true", count: 15).joined(separator: ", "))]"
        ),
        ("t.history[0].margin", "0.0"), ("close(t.history[0].loss, 0.6931471805599453)", "true"),
        // The chosen answers' own statistics, from the whole distribution at each position.
        ("ids = tokenize(m, \"The sky is blue.<|im_end|>\", special: true)", "none"),
        ("r = inspect(dpo(lora(m, rank: 2), [rows[0]]))", "none"),
        ("x = log_softmax(logits(m, ids))[2:-1]", "none"),
        ("h = [-(exp(row) * row).sum().item for row in x]", "none"),
        ("close(r[\"logits/chosen\"], logits(m, ids)[2:-1].mean().item, rtol: 1e-4)", "true"),
        ("right = [if x[i].argmax().item == ids[i + 3] { 1.0 } else { 0.0 } for i in 0..<len(x)]", "none"),
        ("close(r.mean_token_accuracy, sum(right) / len(right))", "true"),
        ("y = log_softmax(logits(m, tokenize(m, \"The sky is a green kind of cheese.<|im_end|>\", special: true)))[2:-1]", "none"),
        ("all = h + [-(exp(row) * row).sum().item for row in y]", "none"), ("close(r.entropy, sum(all) / len(all), rtol: 1e-4)", "true"),
      ])
  }

  func testGradientCompareAndExplain() throws {
    let session = try session()
    check(
      session,
      [
        ("r = inspect(t)", "none"), ("g = gradient(r, 1)", "none"), ("len(g.layers)", "30"), ("g.layers[0].layer", "0"),
        ("close(sqrt(sum([x.norm ** 2 for x in g.layers])), g.norm)", "true"), ("close(g.batch_norm, r.grad_norm, rtol: 1e-5)", "true"),
        ("abs(g.cosine) <= 1", "true"), ("close(sum([x.share for x in g.layers]), 1)", "true"),
        ("close(gradient(inspect(dpo(t.policy, [rows[0]])), 0).cosine, 1)", "true"),
        ("c = compare(r, what_if(t, beta: 0.2))", "none"), ("len(c.rows)", "2"),
        ("close(c.rows[0].margin_b, 2 * c.rows[0].margin_a)", "true"), ("c[1].pair", "1"), ("[c.mended, c.broken]", "[0, 0]"),
        ("e = explain(r, 0)", "none"), ("close(e.from_chosen + e.from_rejected, e.margin, rtol: 1e-5)", "true"),
        ("s = tokens(r, 0)", "none"),
        ("close(0.1 * sum([x.delta for x in s if x.side == \"chosen\"]), r.pairs[0].reward_chosen, atol: 1e-5)", "true"),
        ("t.step_count", "2"),
      ])
    fails(
      session,
      [("gradient(r, 2)", "no pair 2"), ("compare(r, evaluate(t, [{prompt: \"a\", chosen: \"b\", rejected: \"c\"}]))", "in common")])
  }

  func testDistanceRewardAndAnswers() throws {
    let session = try session()
    check(
      session,
      [
        ("k = kl(t.policy, none, [\"The sky is\", \"Fire\"], max_tokens: 5, seed: 3, beta: 0.5)", "none"), ("len(k.answers)", "2"),
        ("len(k.tokens) == sum([a.tokens for a in k.answers])", "true"), ("k.mean > 0", "true"),
        ("close(sum([x.kl for x in k.tokens]) / len(k.tokens), k.mean)", "true"),
        ("a = k.answers[0]", "none"), ("close(a.reward, 0.5 * sum([x.delta for x in k.tokens if x.answer == 0]), rtol: 1e-6)", "true"),
        // By hand: the whole distributions after the prompt.
        (
          "p, q = [log_softmax(logits(x, \"The sky is\"))[-1] for x in [t.policy, m]]\nclose((exp(p) * (p - q)).sum().item, k.tokens[0].kl, rtol: 2e-3, atol: 1e-6)",
          "true"
        ),
        ("close(kl(m, m, [\"The sky\"], max_tokens: 2).mean, 0, atol: 1e-9)", "true"),
        ("len(kl(t.policy, none, preferences(rows), n: 1, max_tokens: 1, chat: true, seed: 1).answers)", "4"),
        ("b = best_of(t.policy, \"The sky is\", n: 3, max_tokens: 4, seed: 1)", "none"),
        ("[x.reward for x in b] == reverse(sort([x.reward for x in b]))", "true"),
        ("len(best_of(t.policy, \"The sky\", n: 2, max_tokens: 2, sample_from: \"reference\", seed: 1))", "2"),
        ("f = before_after(t, [\"The sky is\"], max_tokens: 5, temperature: 0.7, seed: 4)", "none"),
        ("f[0].before == generate(m, \"The sky is\", max_tokens: 1).text", "false"),
        ("g = before_after(lora(m, rank: 2), [\"The sky is\", \"Fire\"], max_tokens: 5, temperature: 1, seed: 4)", "none"),
        ("[x.same for x in g]", "[true, true]"), ("[x.reward_after for x in g]", "[0.0, 0.0]"),
        ("close(reward(t.policy, \"The sky is\", \" blue.\"), inspect(t).pairs[0].reward_chosen, atol: 1e-5)", "true"),
      ])
    fails(
      session,
      [
        ("kl(m, none, [\"a\"])", "needs a reference"), ("best_of(m, \"a\")", "needs a reference"),
        ("kl(t.policy, none, [])", "at least one prompt"),
      ])
  }

  func testSweepLeavesNoTrace() throws {
    let session = try session()
    check(
      session,
      [
        ("state = [[sum(x.a ** 2).item, sum(x.b ** 2).item] for x in t.policy.adapters]", "none"), ("history = t.history", "none"),
        ("next = inspect(t)", "none"),
        ("s = sweep(t, {beta: [0.1, 0.5], loss: [\"sigmoid\", \"ipo\"]}, steps: 1, eval_data: rows)", "none"), ("len(s.rows)", "4"),
        ("[s.rows[1].beta, s.rows[1].loss, type(s.rows[1].last_loss)]", "[0.1, \"ipo\", \"float\"]"),
        ("s.histories[0][0].loss == next.loss", "true"), ("s.rows[0].eval_accuracy >= 0", "true"),
        ("state == [[sum(x.a ** 2).item, sum(x.b ** 2).item] for x in t.policy.adapters]", "true"), ("t.history == history", "true"),
        ("inspect(t).loss == next.loss", "true"), ("type(s.plot)", "\"plot\""),
        ("u = sweep(t, {learning_rate: [1e-4, 1e-3], optimizer: [\"sgd\"]}, steps: 3, metric: \"rewards/margins\")", "none"),
        ("[len(h) for h in u.histories]", "[3, 3]"), ("t.step_count", "2"),
      ])
    fails(
      session,
      [
        ("sweep(t, {betta: [1]})", "did you mean 'beta'"), ("sweep(t, {max_length: [64]})", "cannot change under a trainer"),
        ("sweep(t, {beta: []})", "no values"), ("sweep(t, {})", "needs an option"), ("sweep(t, {loss: [\"sigmoyd\"]})", "sigmoid"),
        ("sweep(t, {beta: [0.1]}, steps: 1, metric: \"margins\")", "no metric"),
      ])
  }

  func testColumnsAndCacheOfTheReference() throws {
    let folder = NSTemporaryDirectory() + "zs-lab-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let session = try session(", reference_cache: \"\(folder)\"")
    var warnings: [String] = []
    session.session.warn = { warnings.append($0) }
    check(
      session,
      [
        ("d = precompute(t)", "none"), ("len(d)", "4"), ("close(d[0].ref_chosen_logps, inspect(t).pairs[0].ref_logp_chosen)", "true"),
        ("write_jsonl(\"\(folder)/pairs.jsonl\", d)", "none"),
        ("u = dpo(t.policy, preferences(\"\(folder)/pairs.jsonl\"), reference: m, batch_size: 2, shuffle: false)", "none"),
        ("[p.margin for p in inspect(u).pairs] == [p.margin for p in inspect(t).pairs]", "true"),
        ("len(list_files(\"\(folder)\", \"reference-*.jsonl\"))", "1"),
        ("v = dpo(t.policy, rows, reference: m, batch_size: 2, reference_cache: \"\(folder)\", shuffle: false)", "none"),
        ("inspect(v).loss == inspect(u).loss", "true"),
      ])
    XCTAssertEqual(warnings, [])
    try session.run(
      "dpo(lora(m, rank: 2), [{prompt: \"a\", chosen: \"b\", rejected: \"c\", ref_chosen_logps: -1.0, ref_rejected_logps: -2.0}]);")
    XCTAssertTrue(warnings.first?.contains("ref_chosen_logps") ?? false, "\(warnings)")
    fails(
      session,
      [
        ("dpo(lora(m), rows, ref_model_sync_steps: 4)", "sync_ref_model"),
        ("dpo(lora(m), rows, sync_ref_model: true, reference: m)", "leave out reference:"),
        (
          "dpo(lora(m, rank: 64), rows, sync_ref_model: true, ref_model_mixup_alpha: 0.01, ref_model_sync_steps: 1, epochs: 100)",
          "forgets sooner"
        ),
        ("dpo(lora(m), d, sync_ref_model: true, ref_model_mixup_alpha: 1)", "columns"),
        ("dpo(lora(m), rows, truncation: \"legacy\", max_length: 100)", "max_prompt_length"),
        ("dpo(lora(m), take(rows, 1), loss: \"kto\")", "needs two"),
      ])
  }

  func testAReferenceThatJumpsToTheAdapters() throws {
    let session = try session(", sync_ref_model: true, ref_model_mixup_alpha: 1, ref_model_sync_steps: 2")
    check(
      session,
      [
        ("[p.margin for p in inspect(t).pairs]", "[0.0, 0.0]"), ("step(t).margin", "0.0"), ("step(t).margin != 0", "true"),
        ("f = fork(goto(t, 3))", "none"), ("step(f).loss == step(t).loss", "true"),
        ("[p.margin for p in inspect(goto(t, 2)).pairs]", "[0.0, 0.0]"),
        ("goto(t, 1)\ninspect(t).margin != 0", "true"),
      ])
  }

  func testAReferenceOfMixedAdapters() throws {
    let session = try session(", sync_ref_model: true, ref_model_mixup_alpha: 0.5, ref_model_sync_steps: 1")
    check(
      session,
      [
        // After each step the reference is half way: what the policy gained on the same batch, by half.
        ("a = inspect(goto(t, 1)).pairs[0]", "none"), ("a.margin != 0", "true"),
        ("f = fork(goto(t, 2))", "none"),
        ("x = step(t)\ny = step(f)\n[x.loss == y.loss, inspect(t).loss == inspect(f).loss]", "[true, true]"),
        ("z = inspect(goto(t, 1)).pairs[0]\nz.margin == a.margin", "true"),
      ])
    fails(session, [("sweep(t, {beta: [0.1]}, steps: 9)", "no room")])
    // Frozen halves of adapters are followed as they are.
    check(
      session,
      [
        (
          "u = dpo(freeze(lora(m, rank: 2, seed: 2), \"lora_A\"), rows, sync_ref_model: true, ref_model_mixup_alpha: 1, ref_model_sync_steps: 1, learning_rate: 1e-3, warmup_ratio: 0)",
          "none"
        ), ("step(u);\n[p.margin for p in inspect(goto(u, 0)).pairs]", "[0.0, 0.0, 0.0, 0.0]"),
        ("step(u);\nu.step_count", "1"),
      ])
  }

  func testSingleAnswersWithLabels() throws {
    let session = try session()
    check(
      session,
      [
        (
          "single = [{prompt: r.prompt, completion: if i % 2 == 0 { r.chosen } else { r.rejected }, label: i % 2 == 0} for i, r in enumerate(rows)]",
          "none"
        ),
        (
          "k = dpo(lora(m, rank: 2, seed: 1), single, loss: \"kto\", batch_size: 2, learning_rate: 1e-3, warmup_ratio: 0, epochs: 3, shuffle: false)",
          "none"
        ),
        ("r = inspect(k)", "none"), ("close(r.loss, 0.5)", "true"), ("[r.margin, r.accuracy, r.kl]", "[0.0, 0.0, 0.0]"),
        ("p = r.pairs[1]", "none"),
        ("[p.label, p.chosen, p.reward_chosen, p.tokens_chosen, p.rejected]", "[false, none, none, 0, \" five.\"]"),
        ("s = inspect(goto(k, 5))", "none"), ("s.margin > 0 and s.kl >= 0", "true"),
        ("close(s.pairs[0].margin, reward(k.policy, rows[2].prompt, rows[2].chosen), atol: 1e-5)", "true"),
        ("close(s.pairs[1].margin, -reward(k.policy, rows[3].prompt, rows[3].rejected), atol: 1e-5)", "true"),
        ("[x.side for x in tokens(s, 1)][0]", "\"rejected\""), ("contains(explain(s, 1).text, \"labelled undesirable\")", "true"),
        ("close(sum([x.adds for x in explain(s, 0).tokens]), s.pairs[0].margin, rtol: 0.5)", "true"),
        ("evaluate(k, single).accuracy > 0.4", "true"), ("what_if(k, loss: \"apo_zero\").loss > 0", "true"),
        ("compare(r, what_if(goto(k, 0), beta: 0.3)).broken", "0"), ("lint(single).ok", "true"),
        ("preferences(single).kind", "\"preferences\""),
        ("gradient(s, 1).norm > 0", "true"), ("c = walk(k, [\"pairs\", \"pair 1\", \"explain\"])", "none"),
      ])
    XCTAssertTrue(session.printed.contains("answer 1 of 2 · undesirable · reward"), session.printed)
    XCTAssertTrue(session.printed.contains("label"), session.printed)
    XCTAssertFalse(session.printed.contains("nan"), session.printed)
    fails(
      session,
      [
        ("dpo(lora(m), single)", "compares the two answers of a pair"), ("what_if(k, loss: \"ipo\")", "\"kto\""),
        ("precompute(k)", "reference_cache"),
        ("preferences(single + rows)", "pairs and single answers"), ("dpo(lora(m), single[:1], loss: \"kto\")", "needs two"),
      ])
  }

  func testLossesWithoutAReference() throws {
    let session = try session(", loss: \"simpo\", beta: 2, simpo_gamma: 1")
    check(
      session,
      [
        ("p = inspect(t).pairs[0]", "none"), ("p.ref_logp_chosen", "none"),
        ("close(p.reward_chosen, 2 * p.logp_chosen / p.tokens_chosen)", "true"),
        (
          "close(p.loss, dpo_loss(p.logp_chosen, p.logp_rejected, 0, 0, loss: \"simpo\", beta: 2, simpo_gamma: 1, lengths_chosen: p.tokens_chosen, lengths_rejected: p.tokens_rejected).item, rtol: 1e-6)",
          "true"
        ), ("what_if(t, loss: \"orpo\", beta: 0.1).loss > 0", "true"), ("what_if(t, loss: \"kto\").kl >= 0", "true"),
        ("what_if(t, loss: \"sigmoid\", use_weighting: true).loss > 0", "true"),
      ])
  }

  func testLossesAsFunctions() {
    assertPrograms([
      ("close(dpo_loss(1, 0, 0, 0, beta: 1).item, 0.3132616875, rtol: 1e-6)", "true"),
      (
        "close(dpo_loss(-8, -30, 0, 0, loss: \"cpo\", cpo_alpha: 0.5, lengths_chosen: 4).item, 0.5 * 2 + log(1 + exp(-2.2)), rtol: 1e-6)",
        "true"
      ),
      (
        "close(dpo_loss(0, 0, 0, 0, loss: \"kto\", kl: 2, beta: 1, desirable_weight: 2).item, 0.5 * (2 * sigmoid(2.0) + sigmoid(-2.0)), rtol: 1e-6)",
        "true"
      ),
      (
        "dpo_loss([1e4, -1e4], 0, 0, 0, loss: [\"kto\", \"orpo\", \"simpo\", \"cpo\"], lengths_chosen: 1, lengths_rejected: 1).shape", "[2]"
      ),
    ])
    assertErrors([
      ("dpo_loss(1, 0, 0, 0, loss: \"orpo\")", "lengths_chosen"), ("dpo_loss(1, 0, 0, 0, loss: \"smpo\")", "simpo"),
      ("dpo_loss(1, 0, 0, 0, loss: \"kto\", f_divergence: \"forward_kl\")", "no form under"),
    ])
  }
}
