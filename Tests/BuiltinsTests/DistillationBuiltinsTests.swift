// The builtins that make and judge data, by functions as teachers: what they give, what they write, and how they refuse.

import Builtins
import Formats
import Foundation
import Language
import XCTest

final class DistillationBuiltinsTests: XCTestCase {
  private let fake = """
    fake = r => if contains(r.prompt, "Come up with") { " Tell about \\(r.seed)a \\(r.seed)b \\(r.seed)c \\(r.seed)d\\n10. Draw it.\\n" } \
    else if contains(r.prompt, "Is it") { " No" } else { "Example 1\\nA\\nOutput: B \\(len(r.prompt))\\nExample 2\\nC\\nOutput: C" }
    seeds = ["Seed w\\(i)a w\\(i)b w\\(i)c w\\(i)d" for i in 0..<9]

    """

  func testSelfInstruct() throws {
    let folder = NSTemporaryDirectory() + "zs-si-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let session = TestSession()
    try session.run(fake + "d = self_instruct({name: \"t\", model: fake}, seeds: seeds, count: 4, folder: \"\(folder)\")")
    for (code, expected) in [
      ("len(d)", "4"), ("type(d)", "\"dataset\""), ("[f.count for f in d.funnel]", "[4, 7, 4, 4, 4, 4, 4]"),
      ("d.reasons[0]", "{stage: \"instance\", reason: \"the output equals the input\", count: 4}"),
      ("d.reasons[1]", "{stage: \"instruction\", reason: \"3 words or fewer\", count: 3}"), ("len(d.rejected)", "7"),
      ("d[0].messages[0].content == d[0].instruction + \"\\n\\nA\"", "true"), ("d.ended_early", "none"), ("type(d.plot)", "\"plot\""),
      ("len(d.examples)", "4"), ("d.tasks[0].is_classification", "false"),
      ("len(conversations(\"\(folder)/conversations.jsonl\"))", "4"), ("len(read_jsonl(\"\(folder)/rejected.jsonl\"))", "7"),
      ("len(read_jsonl(\"\(folder)/finetune.jsonl\"))", "4"),
      (
        "keys(read_jsonl(\"\(folder)/machine_generated_instructions.jsonl\")[0])",
        "[\"instruction\", \"most_similar\", \"avg_similarity_score\", \"metadata\", \"request_idx\"]"
      ),
      ("read_jsonl(\"\(folder)/is_clf_or_not.jsonl\")[0].is_classification", "\" No\""),
    ] {
      XCTAssertEqual(try session.source(code), expected, code)
    }
    // With the folder's log nothing is asked again; a teacher of that name that cannot answer is enough.
    try session.run(
      "fake = r => r.no_such_key\nagain = self_instruct({name: \"t\", model: fake}, seeds: seeds, count: 4, folder: \"\(folder)\")")
    XCTAssertEqual(try session.source("[r.instruction for r in again] == [r.instruction for r in d]"), "true")
  }

  func testRespondAndDialogues() throws {
    let session = TestSession()
    try session.run(
      "d = respond(r => if r.prompt == \"b\" { \" \" } else { \"\\(r.messages[0].content) \\(r.prompt)\" }, [\"a\", \"b\", {instruction: \"c\", input: \"d\"}], system: \"S\")"
    )
    XCTAssertEqual(try session.source("[r.messages[-1].content for r in d]"), "[\"S a\", \"S c\\n\\nd\"]")
    XCTAssertEqual(try session.source("d.rejected[0].reason"), "\"an empty answer\"")
    XCTAssertEqual(try session.source("[f.count for f in d.funnel]"), "[3, 2]")
    XCTAssertEqual(
      try session.source("[m.role for m in dialogues(r => \"Aye.\", [\"ships\"], turns: 2)[0].messages]"),
      "[\"user\", \"assistant\", \"user\", \"assistant\"]")
    try session.run("cut = r => {text: \"long\", finish_reason: \"length\"}")
    XCTAssertEqual(try session.source("len(respond(cut, [\"a\"], keep_cut: true))"), "1")
  }

  func testFeedbackToPairs() throws {
    let folder = NSTemporaryDirectory() + "zs-feedback-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let session = TestSession()
    try session.run(
      """
      fn fixed(word) = {name: word, model: r => "answer " + word}
      pool = [fixed("low"), fixed("mid"), fixed("high")]
      pool[1].system = "Own."
      fn grade(r) {
        for word, score in {low: 2, mid: 5, high: 9} { if contains(r.prompt, "answer " + word) { return "Because.\\nOverall Score: \\(score)" } }
        "?"
      }
      rows = feedback(["p", "q"], models: pool, judge: grade, folder: "\(folder)")
      d = binarize(rows, rejected: "worst", messages: true, path: "\(folder)/pairs.jsonl")
      """)
    for (code, expected) in [
      ("[c.score for c in rows[0].completions]", "[2.0, 5.0, 9.0]"), ("rows[0].completions[2].critique", "\"Because.\""),
      ("starts_with(rows[0].completions[1].system, \"Own. \")", "true"),
      ("d[0].chosen", "[{role: \"assistant\", content: \"answer high\"}]"),
      ("d.margins", "[7.0, 7.0]"), ("d.mended", "0"), ("len(read_jsonl(\"\(folder)/feedback.jsonl\"))", "2"),
      ("preferences(\"\(folder)/pairs.jsonl\")[0].rejected[0].content", "\"answer low\""),
      ("len(read_jsonl(\"\(folder)/pairs.jsonl\")[0].prompt_id)", "64"),
      ("read_jsonl(\"\(folder)/ultrafeedback.jsonl\")[0].completions[2].overall_score", "9.0"),
      ("binarize(\"\(folder)/ultrafeedback.jsonl\")[0].score_chosen", "9.0"),
      ("feedback([\"p\"], models: pool, judge: r => \"no\", attempts: 1)[0].completions", "[]"),
    ] { XCTAssertEqual(try session.source(code), expected, code) }
  }

  func testTenfoldScoresAreMended() throws {
    func completion(_ text: String, _ overall: Int, _ rating: String) -> String {
      "{response: \"\(text)\", overall_score: \(overall), annotations: {helpfulness: {Rating: \"\(rating)\"}, honesty: {Rating: \"N/A\"}}}"
    }
    let session = TestSession()
    try session.run(
      "rows = [{instruction: \"p\", completions: [\(completion("bad", 10, "1")), \(completion("good", 8, "5"))]}]\nd = binarize(rows)")
    XCTAssertEqual(try session.source("[d[0].chosen, d[0].score_rejected, d.mended]"), "[\"good\", 1.0, 1]")
    XCTAssertEqual(try session.source("binarize(rows, score: \"mean\")[0].score_chosen"), "5.0")
    assertErrors([
      ("binarize([{instruction: \"p\", completions: [\(completion("odd", 10, "3")), \(completion("good", 8, "5"))]}])", "multiplied by ten")
    ])
  }

  func testJudging() throws {
    assertPrograms([
      ("judge(r => \"Fine [[8]]\", \"q\", \"a\").score", "8.0"), ("judge(r => \"Fine\", \"q\", \"a\", attempts: 2).attempts", "2"),
      ("judge(r => \"Fine\", \"q\", \"a\", attempts: 2).score", "none"),
      ("judge(r => \"[[A]]\", \"q\", \"a\", other: \"b\").winner", "\"tie\""),
      (
        "judge(r => if contains(r.prompt, \"Answer]\\nbest\\n[The End of Assistant A\") { \"[[A]]\" } else { \"[[B]]\" }, \"q\", \"a\", other: \"best\").winner",
        "\"other\""
      ),
      ("w = win_rate([\"x\", \"y\"], [\"x\", \"z\"], [\"p\", \"q\"], judge: r => \"M\")\nw.wins + w.losses + w.draws", "2"),
      ("w = win_rate([\"x\"], [\"x\"], [\"p\"], judge: r => \"M\")\n[w.win_rate, w.draws, w.length_controlled]", "[50.0, 1, none]"),
      ("type(win_rate([\"x\"], [\"y\"], [\"p\"], judge: r => \"M\"))", "\"report\""),
      ("mt_bench(r => \"a\", [{question_id: 1, category: \"math\", turns: [\"t\"]}], judge: r => \"[[3]]\").categories[1].score", "3.0"),
      ("mt_bench(r => \"a\", [{turns: [\"t\"]}], judge: r => \"x\").rows[0].score", "-1.0"),
      ("mt_bench(r => \"a\", [{turns: [\"t\"]}], judge: r => \"[[B]]\", baseline: r => \"b\").score", "0.5"),
      ("b = bars({a: 1, b: 2})\nlen(split(str(b), \"\\n\"))", "2"),
      ("split(str(bars([{n: \"a\", v: 2, low: 1, high: 3}, {n: \"b\", v: -1}])), \"\\n\")[0] |> ends_with(\"2 [1, 3]\")", "true"),
      // A negative bar ends where the others begin.
      ("ls = split(str(bars({a: 3, b: -1})), \"\\n\")\n[len(split(l, \"█\")[0]) for l in ls] |> (x => x[1] < x[0])", "true"),
    ])
    assertErrors([
      ("self_instruct(r => \"x\", seeds: [\"only one seed task\"], count: 2)", "there are 1 seed tasks"),
      ("self_instruct(1, seeds: [], count: 2)", "teacher"), ("respond(r => 1, [\"a\"])", "not a text"),
      ("respond(r => \"a\", [])", "no prompt"),
      ("respond(r => \" \", [\"a\"])", "an empty answer"), ("feedback([\"p\"], models: [r => \"a\"], judge: r => \"b\")", "two models"),
      ("feedback([\"p\"], models: [{model: r => \"a\", temp: 1}, r => \"b\"], judge: r => \"b\")", "no option 'temp'"),
      ("judge(r => \"a\", \"q\", \"a\", method: \"expected\")", "no loaded model"),
      ("judge(r => \"a\", [\"q\", \"r\"], \"a\")", "2 questions and 1 answers"),
      ("win_rate([\"a\"], [\"b\"], [\"p\", \"q\"], judge: r => \"m\")", "2 prompts and 1 answers"),
      ("mt_bench(r => \"a\", [{category: \"x\"}], judge: r => \"b\")", "no turns"), ("bars([1, 2])", "rows of a name and a number"),
      ("page(\"/tmp/x.txt\", [])", ".html"), ("respond(r => \"a\", \"/no/such.jsonl\")", "No such file"),
    ])
  }

  func testPage() throws {
    let path = NSTemporaryDirectory() + "zs-page-\(UUID().uuidString).html"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try TestSession().run(
      "page(\"\(path)\", [\"# One & two\", \"<prose>\", [{a: 1, b: \"x<y\"}], \"## Three\", [{said: [{role: \"user\", content: \"v\"}, {role: \"assistant\", content: \"w\"}], empty: \"\"}], bars({k: 3}), plot([1, 2]), mt_bench(r => \"a\", [{turns: [\"t\"]}], judge: r => \"[[5]]\")], title: \"T\")"
    )
    let text = try String(contentsOfFile: path, encoding: .utf8)
    for part in [
      "<h2>One &amp; two</h2>", "<p>&lt;prose&gt;</p>", ">x&lt;y</td>", "<svg", "MT-Bench over 1 question", "<h3>Three</h3>",
      ">user</div>v", "</svg>\n</figure><figure><svg",
    ] {
      XCTAssertTrue(text.contains(part), part)
    }
    XCTAssertFalse(text.contains("empty"), "a column in which nothing stands is left out")
  }

  func testALoadedModelJudgesByProbabilities() throws {
    let environment = ProcessInfo.processInfo.environment
    let file = (environment["ZS_HOME"] ?? NSHomeDirectory() + "/.cache/zs") + "/models/SmolLM2-135M-Instruct.Q4_1.gguf"
    guard FileManager.default.fileExists(atPath: file) else { throw XCTSkip("\(file) is not there; load(\"smollm2\") in zs gets it") }
    let session = TestSession()
    try session.run("m = load(\"smollm2\")\nr = judge(m, \"What is 2 + 2?\", \"4\")")
    XCTAssertEqual(
      try session.source("[len(r.probabilities), close(sum(r.probabilities), 1, atol: 1e-9), r.score > 1 and r.score < 10]"),
      "[10, true, true]")
    // The probabilities are those of the texts: 10 begins with the token of 1.
    try session.run(
      "p = render(m, [{role: \"user\", content: \"Rate it.\"}]) + \"[[\"\na = exp(logprobs(m, p, \"1\", special: true).sum().item)\nb = exp(logprobs(m, p, \"10\", special: true).sum().item)"
    )
    XCTAssertEqual(try session.source("a > b"), "true")
    try session.run(
      "rows = [{question: \"The capital of France is\", choices: [\"Paris\", \"a soup\"], context: \"The capital of France is\", answer: 0}]\nc = multiple_choice(m, rows)"
    )
    XCTAssertEqual(try session.source("[c.acc, c.acc_norm, c.count]"), "[1.0, 1.0, 1]")
    XCTAssertEqual(
      try session.source("close(c.rows[0].logprobs[1], logprobs(m, \"The capital of France is\", \" a soup\").sum().item, atol: 1e-3)"),
      "true")
  }
}
