// The builtins of models over the real model where its file is in the cache folder, and their errors, which need none.

import Builtins
import Foundation
import Language
import XCTest

final class ModelBuiltinsTests: XCTestCase {
  /// A session with `m` loaded; skips where the file is missing, as fetching it is not a test's business.
  private func session() throws -> TestSession {
    let environment = ProcessInfo.processInfo.environment
    let folder = environment["ZS_HOME"] ?? NSHomeDirectory() + "/.cache/zs"
    let path = folder + "/models/SmolLM2-135M-Instruct.Q4_1.gguf"
    guard FileManager.default.fileExists(atPath: path) else { throw XCTSkip("\(path) is not there; load(\"smollm2\") in zs gets it") }
    let session = TestSession()
    try session.run("m = load(\"smollm2\")")
    return session
  }

  private func check(_ cases: [(String, String)], line: UInt = #line) throws {
    let session = try session()
    for (code, expected) in cases {
      do {
        let found = try session.source(code)
        XCTAssertEqual(found, expected, code, line: line)
      } catch {
        XCTFail("\(code): \(error)", line: line)
      }
    }
  }

  func testFields() throws {
    try check([
      ("type(m)", "\"model\""), ("m.name", "\"smollm2\""), ("m.parameters", "134515008"), ("m.dtype", "\"q4_1\""),
      ("m.config.num_hidden_layers", "30"), ("m.config.rms_norm_eps", "1e-05"), ("m.adapters", "[]"), ("m.trainable", "0"),
      ("type(m.tokenizer)", "\"tokenizer\""), ("m.tokenizer.vocab_size", "49152"), ("contains(m.template, \"im_start\")", "true"),
      ("m == m", "true"), ("m.base", "none"), ("[x.cached for x in models() if x.name == \"smollm2\"]", "[true]"),
      ("type(tokenizer(\"smollm2\"))", "\"tokenizer\""),
    ])
    let display = try session().run("str(m)").text ?? ""
    XCTAssertTrue(display.hasPrefix("model smollm2#1 · llama 30L d576 h9/kv3 ff1536 vocab 49152 · 134.5M q4_1 ("), display)
  }

  func testTextsAndTokens() throws {
    try check([
      ("tokenize(m, \"Hello world 1234\")", "[19556, 905, 216, 33, 34, 35, 36]"),
      ("tokenize(m.tokenizer, \"<|im_end|>\", special: true)", "[2]"), ("len(tokenize(m, \"<|im_end|>\")) > 1", "true"),
      ("tokenize(m, \"a\", bos: true)[0]", "1"), ("detokenize(m, [1, 57, 3060, 2], skip_special: true)", "\"I'll\""),
      ("pieces(m, \"Hello world\")", "[\"Hello\", \"Ġworld\"]"),
      (
        "render(m, [{role: \"system\", content: \"S\"}, {role: \"user\", content: \"U\"}])",
        "\"<|im_start|>system\\nS<|im_end|>\\n<|im_start|>user\\nU<|im_end|>\\n<|im_start|>assistant\\n\""
      ),
      ("tokenize(m, [{role: \"user\", content: \"U\"}])[0:2]", "[1, 9690]"),
      (
        "render(none, [{role: \"user\", content: \"A\"}], template: \"{{ bos_token }}{{ messages[0].content }}\", bos_token: \"<s>\")",
        "\"<s>A\""
      ),
    ])
  }

  func testScoring() throws {
    try check([
      ("logits(m, \"Hello world\").shape", "[2, 49152]"), ("len(logprobs(m, \"The capital of France is\"))", "4"),
      (
        "close(logprobs(m, \"The capital\", \" of France\").sum().item, logprobs(m, \"The capital of France\")[1:].sum().item, atol: 1e-4)",
        "true"
      ),
      ("close(log(perplexity(m, \"a b c\")), -logprobs(m, \"a b c\").mean().item, atol: 1e-4)", "true"),
      ("next_tokens(m, \"The capital of France is\", top: 2)[0].token", "\" Paris\""),
      ("next_tokens(m, tokenize(m, \"The capital of France is\"), top: 2)[0].id", "7042"),
    ])
  }

  func testGeneration() throws {
    try check([
      ("a = generate(m, \"The capital of France is\", max_tokens: 6)\na.finish_reason", "\"length\""), ("len(a.tokens)", "6"),
      ("len(a.logprobs)", "6"),
      ("a.text == detokenize(m, a.tokens)", "true"),
      ("generate(m, \"The capital of France is\", max_tokens: 6, stop: \".\").text + \".\" == a.text[:7]", "true"),
      ("b = generate(m, \"Once\", max_tokens: 5, temperature: 1, seed: 3, n: 2)\nlen(b)", "2"), ("b[0].tokens == b[1].tokens", "false"),
      ("b[0].tokens == generate(m, \"Once\", max_tokens: 5, temperature: 1, seed: 3).tokens", "true"),
      ("c = conversation(m, system: \"Be brief.\")\nx = say(c, \"What is 2 + 2?\", max_tokens: 4)\nlen(c)", "3"),
      ("x.text == chat(m, \"What is 2 + 2?\", system: \"Be brief.\", max_tokens: 4).text", "true"),
      ("y = resume(c, max_tokens: 3)\nc.messages[2].content == x.text + y.text", "true"), ("len(undo(c))", "1"),
      ("p = lora(m, rank: 2, targets: [\"q_proj\"], seed: 1)\np.trainable", "69120"), ("len(p.adapters)", "30"), ("p.base == m", "true"),
      ("(logits(p, \"Hi there\") - logits(m, \"Hi there\")).abs().max().item", "0.0"),
    ])
  }

  func testStatementsShowTheirText() throws {
    let session = try session()
    let text = try session.run("generate(m, \"The capital of France is\", max_tokens: 6)")
    guard case .object(let completion) = text else { return XCTFail("no completion") }
    XCTAssertEqual(session.printed, (try completion.field("text")?.text ?? "") + "\n")
    try session.run("generate(m, \"Once\", max_tokens: 2);\nx = generate(m, \"Once\", max_tokens: 2)")
    XCTAssertEqual(session.printed, (try completion.field("text")?.text ?? "") + "\n")
  }

  func testErrors() throws {
    assertErrors([
      ("load(\"smolm2\")", "did you mean \"smollm2\"?"), ("load(\"/no/such/model.gguf\")", "no file or folder"),
      ("load(\"hf://a//b\")", "no address of the Hub"), ("load(\"smollm2\", dtype: \"q9\")", "cannot be \"q9\""),
      ("render(none, [])", "no chat template"), ("render(none, [], template: \"{% for %}\")", "template"), ("chat(1, \"a\")", "model"),
    ])
    let session = try session()
    for (code, text) in [
      ("generate(m, \"a\", max_token: 3)", "did you mean 'max_tokens'?"), ("generate(m, \"a\", max_new_tokens: 3)", "'max_tokens'"),
      ("generate(m, \"a\", top_p: 2)", "top_p"), ("generate(m, \"\")", "no tokens"), ("generate(m, [1, 99999999])", "no token id"),
      ("generate(m, [1, \"a\"])", "index 1"), ("generate(m, [0 for i in 0..<9000])", "context of 8192"),
      ("chat(m, [{role: \"user\"}])", "no message at index 0"), ("detokenize(m, [-1])", "no token id"),
      ("pieces(m, [49152])", "no token id"),
      ("lora(m, targets: [\"w_proj\"])", "'w_proj'"), ("lora(lora(m, rank: 1))", "adapters already"), ("merge(m)", "no adapters"),
      ("load_adapter(m, \"/no/such\")", "No such file"), ("logprobs(m, \"a\")", "no second one"), ("perplexity(m, \"a\")", "at least two"),
      ("resume(conversation(m))", "nothing was said"), ("undo(conversation(m))", "nothing to undo"),
      ("generate(m, \"a\", stop: [1])", "texts"),
    ] {
      do {
        XCTFail("\(code) gave \(try session.source(code))")
      } catch {
        XCTAssertTrue("\((error as? ZsError)?.message ?? "\(error)")".contains(text), "\(code): \(error)")
      }
    }
  }
}
