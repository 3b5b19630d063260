// The page of a run, read as a browser would: balanced, nothing loaded from elsewhere, everything from data escaped, all parts there.
// scripts/page-in-browser opens one in Chromium too.
import Builtins
import Foundation
import Language
import XCTest

final class PageTests: XCTestCase {
  private let folder = NSTemporaryDirectory() + "zs-page-\(UUID().uuidString)"

  override func setUpWithError() throws { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }
  override func tearDown() { try? FileManager.default.removeItem(atPath: folder) }

  /// A session with the model in it; skips where its file is not in the cache.
  private func session() throws -> TestSession {
    let environment = ProcessInfo.processInfo.environment
    let path = (environment["ZS_HOME"] ?? NSHomeDirectory() + "/.cache/zs") + "/models/SmolLM2-135M-Instruct.Q4_1.gguf"
    guard FileManager.default.fileExists(atPath: path) else { throw XCTSkip("\(path) is not there; load(\"smollm2\") in zs gets it") }
    return TestSession()
  }

  func testPageOfARun() throws {
    let session = try session()
    session.session.version = "9.8.7"
    try session.run(
      """
      rows = [{prompt: "Say <script>alert(\\(i))</script> & \\"quit\\"", chosen: "Aye <b>\\(i)</b>", rejected: "No\\u{1B}[2J"} for i in 0..<6]
      t = dpo(lora(load("smollm2"), rank: 2, seed: 1, targets: ["q_proj"]), rows, batch_size: 2, epochs: 2, learning_rate: 1e-3)
      report_html(t, "\(folder)/empty.html")
      step(t, n: 3)
      tokens(inspect(t), 1);
      strip(what_if(t, beta: 0.4), 0);
      back(t)
      report_html(t, "\(folder)/run.html")
      """)
    let page = try String(contentsOfFile: folder + "/run.html", encoding: .utf8)
    let html = Markup(page)
    XCTAssertEqual(html.problems, [])
    XCTAssertEqual(html.count("h1"), 1)
    XCTAssertEqual(html.count("figure"), 7, "loss, margin, rewards, accuracy, log-probs, gradient norm, learning rate")
    XCTAssertGreaterThanOrEqual(html.count("polyline"), 7)
    XCTAssertEqual(html.count("script"), 0)
    for text in ["<script>", "http:", "https:", "src=", "@import", "url(", "\u{1B}"] { XCTAssertFalse(page.contains(text), text) }
    for text in [
      "&lt;script&gt;alert(", "&amp; &quot;quit&quot;", "step 2 of 6", "pair 1 · inspection 4", "pair 0 · what if 4",
      "beta: 0.4",
      "title=\"token 0 · log π", "step 2 · loss", "step 1 · loss", "SHA-256", "zs 9.8.7", "learning_rate", "a list, 6 rows",
    ] { XCTAssertTrue(page.contains(text), text) }
    XCTAssertFalse(page.contains("<summary>step 3 ·"), "a step that was taken back is no part of the run")
    let empty = try String(contentsOfFile: folder + "/empty.html", encoding: .utf8)
    XCTAssertEqual(Markup(empty).problems, [])
    XCTAssertTrue(empty.contains("No step has been taken yet"))
  }

  func testPageOfSFT() throws {
    let session = try session()
    try session.run(
      """
      t = sft(lora(load("smollm2"), rank: 2, seed: 1, targets: ["q_proj"]), [{prompt: "Ahoy", completion: "Aye <\\(i)>"} for i in 0..<4], batch_size: 2)
      step(t, n: 2)
      u = fork(t)
      tokens(inspect(t), 0);
      report_html(u, "\(folder)/run.html")
      report_html(t, "\(folder)/run.html")
      """)
    let page = try String(contentsOfFile: folder + "/run.html", encoding: .utf8)
    XCTAssertEqual(Markup(page).problems, [])
    XCTAssertTrue(page.contains("Rows that were looked into"))
    XCTAssertTrue(page.contains("class=\"down\""), "tokens are coloured by log π")
  }

  func testSavedRows() throws {
    let session = TestSession()
    try session.run(
      """
      rows = [{a: 1, text: "x, \\"y\\"\\nz"}, {a: 2.5, b: [1, none]}]
      for ending in ["csv", "tsv", "jsonl", "json", "md"] { save(rows, "\(folder)/rows." + ending) }
      save([1, 2], "\(folder)/plain.csv")
      save(preferences([{prompt: "p", chosen: "c", rejected: "r"}]), "\(folder)/data.csv")
      save(lint([{prompt: "p", chosen: "c", rejected: "c"}]), "\(folder)/lint.csv")
      """)
    func read(_ name: String) throws -> String { try String(contentsOfFile: folder + "/" + name, encoding: .utf8) }
    XCTAssertEqual(try read("rows.csv"), "a,text,b\r\n1,\"x, \"\"y\"\"\nz\",\r\n2.5,,\"[1,null]\"\r\n")
    XCTAssertEqual(try read("rows.md"), "| a | text | b |\n| --- | --- | --- |\n| 1 | x, \"y\"<br>z |  |\n| 2.5 |  | [1,null] |\n")
    XCTAssertEqual(try read("rows.jsonl").split(separator: "\n").count, 2)
    XCTAssertEqual(try session.source("from_json(read(\"\(folder)/rows.json\")) == rows"), "true")
    XCTAssertEqual(try read("plain.csv"), "value\r\n1\r\n2\r\n")
    XCTAssertEqual(try read("data.csv"), "prompt,chosen,rejected\r\np,c,r\r\n")
    XCTAssertTrue(try read("lint.csv").contains("identical_pair,error,1,[0]"))
    assertErrors([
      ("save([1], \"x.xlsx\")", "not saved as 'x.xlsx'"), ("save([{a: 1}, 2], \"\(folder)/x.csv\")", "rows of one kind"),
    ])
  }

  func testLintAtThePrompt() throws {
    assertPrograms([
      ("lint([{prompt: \"a\", chosen: \"b\", rejected: \"b\"}])[0].check", "\"identical_pair\""),
      ("lint([{prompt: \"a\", chosen: \"b\", rejected: \"b\"}]).ok", "false"),
      ("lint([{prompt: \"a\", chosen: \"b\", rejected: \"c\"}]).ok", "true"),
      (
        "[f.rows for f in lint([{prompt: \"a\", chosen: \"b\", rejected: \"c\"}, {prompt: \"A\", chosen: \"c\", rejected: \"b\"}]) if f.severity == \"error\"]",
        "[[1]]"
      ),
      ("lint([{messages: [{role: \"user\", content: \"a\"}, {role: \"assistant\", content: \"b\"}]}]) |> len", "0"),
      ("lint([{prompt: \"a\", completions: [{text: \"x\", score: 1}, {text: \"y\", score: 1}]}])[\"equal_scores\"].rows", "[0]"),
      ("str(lint([{prompt: \"a\", chosen: \"b\", rejected: \"c\"}]))", "\"nothing wrong found in 1 pair\""),
    ])
    assertErrors([("lint([])", "no rows"), ("lint(\"/no/such.jsonl\")", "/no/such.jsonl"), ("lint([{a: 1}])", "none of")])
  }
}

/// The tags of a page, in order, and what is wrong with their nesting.
private struct Markup {
  private(set) var problems: [String] = []
  private var counts: [String: Int] = [:]
  private static let void: Set = ["meta", "br", "!DOCTYPE"]

  init(_ page: String) {
    var open: [String] = []
    for piece in page.split(separator: "<").dropFirst(page.hasPrefix("<") ? 0 : 1) {
      guard let end = piece.firstIndex(of: ">") else {
        problems.append("a tag is not closed: \(piece.prefix(30))")
        continue
      }
      if piece[piece.index(after: end)...].contains(">") { problems.append("a bare > after \(piece.prefix(20))") }
      let tag = piece[..<end]
      if tag.hasPrefix("/") {
        let name = String(tag.dropFirst())
        if open.last == name { open.removeLast() } else { problems.append("</\(name)> closes \(open.last ?? "nothing")") }
      } else {
        let name = String(tag.prefix { $0 != " " && $0 != "/" })
        counts[name, default: 0] += 1
        if !tag.hasSuffix("/"), !Markup.void.contains(name) { open.append(name) }
        if tag.filter({ $0 == "\"" }).count % 2 == 1 { problems.append("an open quote in <\(tag.prefix(40))>") }
      }
    }
    problems += open.map { "<\($0)> is never closed" }
  }

  func count(_ name: String) -> Int { counts[name] ?? 0 }
}
