// Cells that run and are recorded, a recorded session that is verified, staleness, completion without a terminal.
import Builtins
import Language
import Notebooks
import XCTest

/// A session with a recorder and no terminal.
final class RecordedSession {
  let session: Session
  let interpreter: Interpreter
  let recorder: CellRecorder

  init(seed: UInt64 = 5) {
    var heard: (String) -> Void = { _ in }
    session = Session(home: NSTemporaryDirectory(), isInteractive: true, seed: seed, output: { heard($0) })
    interpreter = Interpreter(
      table: session.table, host: session, isInteractive: true, output: { heard($0) }, describe: { Builtins.describe($0) })
    recorder = CellRecorder(interpreter: interpreter, session: session)
    heard = { [unowned recorder] in recorder.heard($0) }
  }

  @discardableResult
  func cell(_ text: String) -> RunResult { recorder.run(text, render: { $0.map(\.message).joined(separator: "\n") }) }

  func verify(_ document: NotebookDocument, _ comparison: TextComparison = TextComparison()) -> [CellVerdict] {
    var verdicts: [CellVerdict] = []
    Verification(comparison: comparison).run(document, in: recorder, render: { $0.map(\.message).joined() }) {
      verdicts.append($0)
      return true
    }
    return verdicts
  }
}

final class RecordingTests: XCTestCase {
  private func session() -> RecordedSession {
    let session = RecordedSession()
    for text in [
      "a = rand(3)", "print(\"mean\", mean(a).item)\na", "1 // 0", "plot([1, 2, 3], title: \"t\")", "b = randn(2)\nb.sum().item",
      "[{id: 1, text: \"x\"}, {id: 2, text: \"y\"}]", "print(\"~ \", now())",
    ] { session.cell(text) }
    return session
  }

  func testOutputsAreRecorded() throws {
    let cells = session().recorder.cells
    XCTAssertEqual(cells.map(\.number), Array(1...7))
    XCTAssertEqual(cells.map(\.ending), [.finished, .finished, .failed, .finished, .finished, .finished, .finished])
    guard case .stream(let printed)? = cells[1].outputs.first, case .result(let shown)? = cells[1].outputs.last else {
      return XCTFail("\(cells[1].outputs)")
    }
    XCTAssertTrue(printed.hasPrefix("mean "))
    XCTAssertTrue(shown.text.hasPrefix("f32[3]"), shown.text)
    guard case .error("arithmetic", _, _)? = cells[2].outputs.first, case .result(let plot)? = cells[3].outputs.first else {
      return XCTFail("\(cells[2].outputs)")
    }
    XCTAssertTrue(plot.svg?.contains("<svg") ?? false)
    guard case .result(let rows)? = cells[5].outputs.first else { return XCTFail("no rows") }
    XCTAssertTrue(rows.rich["text/html"]?.contains("<td class=\"number\">2</td>") ?? false, "\(rows.rich)")
  }

  func testARecordedSessionVerifies() throws {
    let document = session().recorder.document()
    for format in NotebookFile.allCases where format != .zs {
      let verdicts = RecordedSession(seed: 99).verify(try format.read(format.write(document)))
      XCTAssertEqual(verdicts.count, 7)
      XCTAssertEqual(verdicts.compactMap(\.difference), [], "\(format)")
    }
  }

  func testChangesAreFound() throws {
    var document = session().recorder.document()
    document.cells[4].text = "b = randn(2)\nb.sum().item + 0.5"
    document.cells[2].text = "1 // 1"
    let verdicts = RecordedSession().verify(document)
    XCTAssertEqual(verdicts.filter { $0.difference != nil }.map(\.number), [3, 5])
    XCTAssertEqual(RecordedSession().verify(document, TextComparison(absolute: 1)).filter { $0.difference != nil }.map(\.number), [3])
  }

  func testNumbersWithinTolerance() {
    let comparison = TextComparison()
    let same = [
      ("loss 0.6931", "loss   0.69313"), ("a\n\nb", "a\nb"), ("~ 3 s\nx", "~ 4 s\nx"), ("──── ─", "─────"), ("1e-5", "1.00001e-5"),
      ("nan 3", "nan 3"), ("pair 1: -0.0000", "pair 1: +0.0000"),
    ]
    for (old, new) in same { XCTAssertNil(comparison.difference(old, new), "\(old) ≠ \(new)") }
    let different = [("loss 0.6931", "loss 0.7"), ("a", "b"), ("x1", "x2"), ("1 2", "1"), ("a\nb", "a"), ("true", "false"), ("1", "one")]
    for (old, new) in different { XCTAssertNotNil(comparison.difference(old, new), "\(old) = \(new)") }
  }

  func testPrintedTextIsBounded() {
    let session = RecordedSession()
    session.cell("for i in 0..<100 { print(\"a\" * 50_000) }")
    guard case .stream(let text)? = session.recorder.cells[0].outputs.first else { return XCTFail("nothing") }
    XCTAssertLessThan(text.utf8.count, CellRecorder.mostPrinted + 200_000)
    XCTAssertTrue(text.hasSuffix("not kept\n"))
  }

  func testCompletion() {
    let session = RecordedSession()
    session.cell("m = {alpha: 1, beta: 2}\nfn mine(first, second = 2) = first\nt = rand(2, 2)")
    let completer = Completer(
      table: session.session.table, directives: ["save", "seed", "rerun"], modelNames: ["smollm2"],
      globals: {
        session.interpreter.names.compactMap { name in session.interpreter.value(of: name).map { (name, $0) } }
      })
    func offered(_ text: String) -> [String] { completer.complete(text, cursor: text.count).candidates }
    XCTAssertEqual(offered("m.alp"), ["alpha"])
    XCTAssertEqual(Array(offered("mine(1, se").prefix(2)), ["second: ", "seed"])
    XCTAssertEqual(offered(":sa"), ["save"])
    XCTAssertEqual(offered(":rerun st"), ["stale"])
    XCTAssertEqual(offered("?logsumex"), ["logsumexp"])
    XCTAssertEqual(offered("load(\"smol"), ["smollm2"])
    XCTAssertTrue(offered("dpo(m, d, loss: \"sigm").contains("sigmoid\""))
    XCTAssertTrue(offered("dpo(m, d, loss: ").contains("\"ipo\""))
    XCTAssertTrue(offered("dpo(m, d, label_s").contains("label_smoothing: "))
    XCTAssertTrue(offered("t.res").contains("reshape"))
    XCTAssertFalse(offered("\"text\".").contains("reshape"))
    XCTAssertTrue(offered("\"text\".up").contains("upper"))
    XCTAssertTrue(offered("randn(3).res").contains("reshape"))
    XCTAssertEqual(offered("# a comment wi"), [])
    XCTAssertEqual(offered("print(\"a\") # wi"), [])
  }

  func testPasteOfASession() {
    XCTAssertEqual(Transcript.pasted("zs[7]› a = 40\nzs[8]› a + 2\nOut[8] 42\n"), "a = 40\na + 2")
    XCTAssertEqual(Transcript.pasted("\nzs[7]·2 stale› a\n\n1\n"), "a")
    XCTAssertEqual(Transcript.pasted("a = 1\nzs[7]› b"), "a = 1\nzs[7]› b")
    let isComplete = { (text: String) in text.count { $0 == "{" } == text.count { $0 == "}" } }
    XCTAssertEqual(
      Transcript.pasted("zs[1]› fn f(x) {\n    x\n}\nzs[2]› f(1)\n1\n", isComplete: isComplete), "fn f(x) {\n    x\n}\nf(1)")
  }
}
