// The session at a prompt: In, Out, ans, redefinition, staleness, what is a whole cell, muted results.
import Language
import XCTest

final class CellTests: XCTestCase {
  func testResultsAndAns() {
    let session = TestSession(isInteractive: true)
    session.cell("1 + 1")
    session.cell("x = ans * 10")
    session.cell("x + Out[1]; x;")
    XCTAssertEqual(session.results.map(\.value.source), ["2", "22", "20"])
    XCTAssertEqual(session.results.map(\.isMuted), [false, false, true])
    session.cell("ans")
    XCTAssertEqual(session.results.last?.value, 22, "a muted value is not shown, so ans stays")
    session.cell("|> str")
    XCTAssertEqual(session.results.last?.value, "22")
    session.cell("In[2]")
    XCTAssertEqual(session.results.last?.value, "x = ans * 10")
    XCTAssertEqual(session.cell("Out[2]").errors.first?.kind, "key")
    XCTAssertEqual(session.cell("Out[-1]").errors.first?.kind, "key")
    XCTAssertEqual(session.cell("Out[1]").value, 2)
    XCTAssertEqual(session.interpreter.names, ["x"])
  }

  func testEverythingMayBeRedefined() {
    let session = TestSession(isInteractive: true)
    session.cell("let k = 1")
    XCTAssertEqual(session.cell("k = 2\nk").value, 2)
    session.cell("fn f(a) = a")
    session.cell("fn f(a, b) = a + b")
    XCTAssertEqual(session.cell("f(1, 2)").value, 3)
    XCTAssertEqual(session.cell("f(1)").errors.first?.kind, "argument")
    let redefined = session.cell("len = 5")
    XCTAssertEqual(redefined.notes.count, 1)
    XCTAssertTrue(redefined.notes[0].message.contains("builtin"))
    XCTAssertEqual(session.cell("len = 6\nlen").notes.count, 0)
    XCTAssertEqual(session.cell("f = 3\nf(1)").errors.first?.kind, "type")
  }

  func testAFailedCellLeavesTheSessionWhole() {
    let session = TestSession(isInteractive: true)
    XCTAssertEqual(session.cell("a = 1\nb = nope\nc = 3").status, .failed)
    XCTAssertEqual(session.cell("a").errors.first?.message, "'a' is not defined", "nothing runs where a name is wrong")
    XCTAssertEqual(session.cell("a = 1\nb = [1][3]\nc = 3").status, .failed)
    XCTAssertEqual(session.cell("a").value, 1)
    XCTAssertTrue(session.cell("c").errors.first?.message.contains("has no value") == true)
    XCTAssertEqual(session.cell("xs = [1, 2]\nxs[5] = 1").status, .failed)
    XCTAssertEqual(session.cell("xs").value, .list([1, 2]), "a failed assignment leaves the value")
    XCTAssertEqual(session.cell("m = {a: [1]}\nm.a[0].b = 1").status, .failed)
    XCTAssertEqual(session.cell("m").value?.source, "{a: [1]}")
    session.cell("fn f(a) = a")
    session.cell("1 // 0\nfn f(a, b) = a")
    XCTAssertEqual(session.cell("f(7)").value, 7, "the definition did not run")
  }

  func testStaleness() {
    let session = TestSession(isInteractive: true)
    session.cell("x = 1")
    session.cell("y = x + 1")
    session.cell("fn f() = y")
    session.cell("x += 1")
    XCTAssertEqual(session.interpreter.journal.staleCells, [2])
    session.cell("y = x + 1")
    XCTAssertEqual(session.interpreter.journal.staleCells, [3])
    let cells = session.interpreter.journal.cells
    XCTAssertEqual(cells[1].reads, ["x"])
    XCTAssertEqual(cells[1].writes, ["y"])
    XCTAssertEqual(cells[2].reads, ["y"])
    session.cell("z = [len(w) for w in [\"a\"]]")
    XCTAssertEqual(session.interpreter.journal.cells.last?.reads, [], "builtins and the names of a comprehension are no inputs")
  }

  func testOutLetsGoOfLargeResults() {
    let session = TestSession(isInteractive: true)
    session.interpreter.journal.outputBudget = 10_000
    session.cell("\"a\" * 8000")
    session.cell("\"b\" * 8000")
    XCTAssertNil(session.interpreter.journal.output(1))
    XCTAssertNotNil(session.interpreter.journal.output(2))
    let error = session.cell("Out[1]").errors.first
    XCTAssertTrue(error?.message.contains("too large") == true)
    XCTAssertTrue(error?.hint?.contains("aaa") == true)
  }

  func testWholeCells() {
    let interpreter = TestSession().interpreter
    let complete = [
      "", "1", "x = 1", "f(1)", "if x { 1 }", "fn f(x) {\n  x\n}", "x = 1;", "# only a comment", "x\n|> f", "\"\"\"\na\n\"\"\"",
    ]
    for text in complete { XCTAssertEqual(interpreter.isComplete(text), .complete, text) }
    let incomplete: [(String, Int)] = [
      ("x =", 0), ("1 +", 0), ("f(1,", 4), ("f(", 4), ("[1, 2", 4), ("{a: 1", 4), ("if x {", 4), ("fn f(x) {\n  if x {", 8), ("x |>", 0),
      ("if x { 1 } else", 0), ("try { 1 }", 0), ("\"\"\"\nabc", 0), ("x and", 0), ("let k =", 0), ("for i in", 0), ("map(xs, x => {", 4),
      ("not", 0),
      ("f(1,\n  [2,", 8), ("x.", 0), ("a ??", 0), ("fn f(x) =", 0), ("f = x =>", 0), ("import \"a.zs\" as", 0), ("test \"a\" {", 4),
    ]
    for (text, indent) in incomplete { XCTAssertEqual(interpreter.isComplete(text), .incomplete(indent: indent), text) }
    for text in [")", "x = )", "\"abc", "1 2", "x = 'a'", "if x: 1", "f(1 2", "let 3 = 4", "x = 1 +* 2", "&&"] {
      XCTAssertEqual(interpreter.isComplete(text), .invalid, text)
    }
  }

  func testCellsOfAFile() {
    let text = "a = 1\n# %% Second one\nb = 2\n\n# %% [markdown] Prose\n# Some *text*.\n# %%\nb + a\n"
    let cells = CellOutline.cells(of: text)
    XCTAssertEqual(cells.map(\.title), ["", "Second one", "Prose", ""])
    XCTAssertEqual(cells.map(\.isMarkdown), [false, false, true, false])
    XCTAssertEqual(cells.map(\.text), ["a = 1", "b = 2\n", "# Some *text*.", "b + a\n"])
    let session = TestSession()
    XCTAssertEqual(session.run(text).value, 3)
    XCTAssertEqual(session.run(text, cells: 0..<1).status, .finished)
    XCTAssertEqual(CellOutline.cells(of: "# %% One\nx = 1").map(\.title), ["One"])
    XCTAssertEqual(CellOutline.cells(of: "").count, 1)
    XCTAssertEqual(CellOutline.cells(of: "s = \"\"\"\n# %% no cell\n\"\"\"\n").count, 1)
  }

  func testAMarkerEndsAnUnclosedBlock() {
    let session = TestSession()
    let result = session.run("fn f() {\n  1\n# %% Next\nx = 2")
    XCTAssertEqual(result.errors.count, 1)
    XCTAssertTrue(result.errors[0].message.contains("not closed"))
  }
}
