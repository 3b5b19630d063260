// Lists of prompts, what sampling removes, and conversations as tables of tokens, over the real model where it is in the cache.

import Builtins
import Foundation
import Language
import XCTest

final class GenerationBuiltinsTests: XCTestCase {
  private func session() throws -> TestSession {
    let folder = ProcessInfo.processInfo.environment["ZS_HOME"] ?? NSHomeDirectory() + "/.cache/zs"
    let path = folder + "/models/SmolLM2-135M-Instruct.Q4_1.gguf"
    guard FileManager.default.fileExists(atPath: path) else { throw XCTSkip("\(path) is not there; load(\"smollm2\") in zs gets it") }
    let session = TestSession()
    try session.run("m = load(\"smollm2\")")
    return session
  }

  private func check(_ setup: String, _ cases: [(String, String)], line: UInt = #line) throws {
    let session = try session()
    try session.run(setup)
    for (code, expected) in cases {
      do {
        let found = try session.source(code)
        XCTAssertEqual(found, expected, code, line: line)
      } catch {
        XCTFail("\(code): \(error)", line: line)
      }
    }
  }

  func testListsOfPrompts() throws {
    try check(
      """
      ps = ["Once upon", "The capital of France is", [504, 3575, 282], [{role: "user", content: "Hi"}]]
      all = generate(m, ps, max_tokens: 6)
      drawn = generate(m, ps, max_tokens: 6, temperature: 1, seed: 3)
      many = generate(m, ps[:2], max_tokens: 4, temperature: 1, n: 2, seed: 1)
      """,
      [
        ("len(all)", "4"), ("[x.tokens for x in all] == [generate(m, p, max_tokens: 6).tokens for p in ps]", "true"),
        ("[x.text for x in all] == [generate(m, p, max_tokens: 6).text for p in ps]", "true"),
        ("[x.logprobs for x in drawn] == [generate(m, p, max_tokens: 6, temperature: 1, seed: 3).logprobs for p in ps]", "true"),
        ("[len(x) for x in many]", "[2, 2]"),
        ("[x.tokens for x in many[1]] == [x.tokens for x in generate(m, ps[1], max_tokens: 4, temperature: 1, n: 2, seed: 1)]", "true"),
        ("many[0][0].tokens == generate(m, ps[0], max_tokens: 4, temperature: 1, seed: 1).tokens", "true"),
        ("many[0][0].tokens == many[0][1].tokens", "false"), ("generate(m, [])", "[]"),
        ("type(generate(m, [ps[0]], max_tokens: 1))", "\"list\""),
        ("generate(m, ps[0], max_tokens: 6, cache: \"f16\").tokens == all[0].tokens", "true"),
      ])
    let session = try session()
    for (code, text) in [
      ("generate(m, [\"a\", \"\"])", "at index 1"), ("generate(m, [\"a\", [1, \"b\"]])", "index 1"),
      ("generate(m, \"a\", cache: \"q8\")", "cannot be \"q8\""),
    ] {
      XCTAssertThrowsError(try session.run(code), code) { XCTAssertTrue("\(($0 as? ZsError)?.message ?? "")".contains(text), "\($0)") }
    }
  }

  /// A list that stands as a statement shows the texts one after the other.
  func testStatementsShowTheirTexts() throws {
    let session = try session()
    try session.run("generate(m, [\"The capital of France is\", \"Once upon\"], max_tokens: 5)")
    let texts = try session.run("[x.text for x in generate(m, [\"The capital of France is\", \"Once upon\"], max_tokens: 5)]")
    guard case .list(let items) = texts else { return XCTFail("no texts") }
    XCTAssertEqual(session.printed, items.map { ($0.text ?? "") + (($0.text ?? "").hasSuffix("\n") ? "" : "\n") }.joined())
  }

  func testStagesOfSampling() throws {
    try check(
      """
      text = "The capital of France is"
      rows = next_tokens(m, text, top: 49152, stages: true, temperature: 0.8, top_k: 20, top_p: 0.9, min_p: 0.01, repetition_penalty: 1.3)
      fn count(name) = len([r for r in rows if r.removed == name])
      """,
      [
        ("len(rows)", "49152"), ("count(\"top_k\")", "49132"), ("count(\"top_p\") > 5", "true"),
        ("count(none) + count(\"min_p\") + count(\"top_p\") + count(\"top_k\")", "49152"),
        ("close(sum([r.final for r in rows]), 1)", "true"), ("close(sum([r.probability for r in rows]), 1, atol: 1e-4)", "true"),
        ("[r.id for r in rows if r.final > 0] == [r.id for r in rows if r.removed == none]", "true"),
        ("[r.penalized == r.logit for r in rows if r.token == \" France\"]", "[false]"), ("rows[0].penalized == rows[0].logit", "true"),
        ("[r.final for r in next_tokens(m, text, top: 2, stages: true, temperature: 0)]", "[1.0, 0.0]"),
        ("keys(next_tokens(m, text)[0])", "[\"id\", \"token\", \"logit\", \"logprob\"]"),
        ("next_tokens(m, text, top: 1, stages: true)[0].logit == next_tokens(m, text, top: 1)[0].logit", "true"),
      ])
    let session = try session()
    XCTAssertThrowsError(try session.run("next_tokens(m, \"a\", top_p: 0.5)")) {
      XCTAssertTrue("\(($0 as? ZsError)?.message ?? "")".contains("stages"), "\($0)")
    }
  }

  func testRenderedTokens() throws {
    try check(
      """
      talk = [{role: "system", content: "S"}, {role: "user", content: "U"}, {role: "assistant", content: "Aye, sir."}]
      rows = render(m, talk, tokens: true, generation_prompt: false)
      open = render(m, talk[:2], tokens: true)
      """,
      [
        ("[r.id for r in rows] == tokenize(m, talk)", "true"), ("[r.position for r in rows] == [i for i in 0..<len(rows)]", "true"),
        ("join([r.piece for r in rows if r.trained], \"\")", "\"Aye,Ġsir.<|im_end|>Ċ\""),
        ("[r.turn for r in rows if r.piece == \"<|im_start|>\"]", "[0, 1, 2]"),
        ("[r.role for r in rows if r.piece == \"<|im_start|>\"]", "[\"system\", \"user\", \"assistant\"]"),
        ("[r.turn for r in open][-1]", "none"), ("len([r for r in open if r.trained])", "0"),
        (
          "render(m, [{role: \"system\", content: \"S\"}, {role: \"assistant\", content: \"Aye\"}], continue_final_message: true)",
          "\"<|im_start|>system\\nS<|im_end|>\\n<|im_start|>assistant\\nAye\""
        ),
        (
          "marked = \"{% for m in messages %}<{{ m.role }}>{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}\"\n[r.piece for r in render(m, talk, template: marked, tokens: true) if r.trained]",
          "[\"A\", \"ye\", \",\", \"Ġsir\", \".\"]"
        ),
        ("render(none, talk, template: \"{{ tools[0].name }}{{ x }}\", tools: [{name: \"f\"}], options: {x: 3})", "\"f3\""),
      ])
  }

  func testRenderErrorsHaveTheirPlace() {
    assertErrors([
      ("render(none, [], template: \"a\\n{{ x.y.z }}\")", "line 2, column"),
      ("render(none, [{role: \"user\", content: \"a\"}], template: \"\", continue_final_message: true)", "cannot be continued"),
      ("render(none, [], template: \"\", continue_final_message: true, generation_prompt: true)", "continue"),
      ("render(none, [], template: \"a\", tokens: true)", "model or a tokenizer"),
    ])
  }
}
