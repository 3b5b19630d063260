// import, run, tests, interrupts, calls from outside, and what the host gives a session.
import Language
import XCTest

final class ImportTests: XCTestCase {
  private let files = [
    "lib/math.zs":
      "import \"more/base.zs\" as base\nlet unit = 1\nfn double(x) = x * 2 * unit\nfn quad(x) = double(double(x)) + base.zero\nprint(\"loaded\")",
    "lib/more/base.zs": "zero = 0", "defs.zs": "fn helper(x) = x + 1\ncount = 5", "broken.zs": "x = 1 +\n",
    "wrong.zs": "y = undefined_name",
    "loop.zs": "import \"loop.zs\" as me", "a.zs": "import \"b.zs\" as b", "b.zs": "import \"a.zs\" as a", "self.zs": "run \"self.zs\"",
    "fails.zs": "x = [1][5]",
  ]

  func testImportRunsAFileOnceIntoItsOwnNamespace() {
    let session = TestSession(files: files)
    let result = session.run(
      "import \"lib/math.zs\" as m\nimport \"lib/math.zs\" as again\nunit = 9\n[m.quad(3), again.unit, 3 |> m.double, m.unit]")
    XCTAssertEqual(session.render(result.errors), "")
    XCTAssertEqual(result.value?.source, "[12, 1, 6, 1]")
    XCTAssertEqual(session.written, "loaded\n")
    XCTAssertEqual(session.run("m").value?.typeName, "module")
  }

  func testAFailedImportIsNotDone() {
    let session = TestSession(files: ["half.zs": "a = 1\nfail \"boom\"\nb = 2"])
    for _ in 0..<2 { XCTAssertEqual(session.run("import \"half.zs\" as m").errors.first?.message, "boom") }
  }

  func testMembersAreCheckedBeforeRunning() {
    let session = TestSession(files: files)
    let errors = session.run("print(\"ran\")\nimport \"lib/math.zs\" as m\nm.dubble(3)\nm.double(1, 2)\nm.unti").errors
    XCTAssertEqual(
      errors.map(\.message),
      ["m has no 'dubble'; did you mean 'double'?", "double takes 1 argument, not 2", "m has no 'unti'; did you mean 'unit'?"])
    XCTAssertEqual(session.written, "")
  }

  func testRunDefinesInTheSession() {
    let session = TestSession(files: files)
    XCTAssertEqual(session.run("run \"defs.zs\"\nhelper(count)").value, 6)
    XCTAssertEqual(session.run("helper(1, 2)").errors.first?.message, "helper takes 1 argument, not 2")
  }

  func testErrorsOfOtherFilesShowBeforeRunning() {
    for (file, message) in [
      ("broken.zs", "an expression is missing here"), ("wrong.zs", "'undefined_name' is not defined"),
      ("gone.zs", "there is no file 'gone.zs'"),
      ("loop.zs", "'loop.zs' imports itself"), ("a.zs", "'a.zs' imports itself"),
    ] {
      let session = TestSession(files: files)
      let result = session.run("print(\"ran\")\nimport \"\(file)\" as x")
      XCTAssertEqual(result.errors.map(\.message), [message], file)
      XCTAssertEqual(session.written, "")
    }
    let session = TestSession(files: files)
    XCTAssertEqual(session.run("run \"self.zs\"").errors.map(\.message), ["'self.zs' runs itself"])
    let failing = session.run("import \"fails.zs\" as f").errors
    XCTAssertTrue(session.render(failing).contains("fails.zs:1:4"))
  }

  func testTestBlocks() {
    let program =
      "x = 1\ntest \"good\" { y = x + 1\n assert y == 2 }\ntest \"bad\" { assert x == 2, \"no\" }\ntest \"late\" { assert true }\nx"
    XCTAssertEqual(TestSession().run(program).value, 1)
    let session = TestSession(runsTests: true)
    XCTAssertEqual(session.run(program).value, 1)
    XCTAssertEqual(session.tests.map(\.name), ["good", "bad", "late"])
    XCTAssertEqual(session.tests.map { $0.error?.message }, [nil, "assertion failed: no", nil])
  }

  func testInterruptsAreNotCaught() {
    let session = TestSession()
    let result = session.run("try { interrupt()\n x = 1\n while true { x += 1 } } catch e { print(\"caught\") }\nprint(\"after\")")
    XCTAssertEqual(result.status, .interrupted)
    XCTAssertEqual(session.written, "")
    XCTAssertEqual(session.run("raises(() => interrupt())\n1").status, .interrupted)
    XCTAssertEqual(session.run("1 + 1").value, 2, "the next program runs")
  }

  func testLoopsStopSoonAfterAnInterrupt() {
    for program in [
      "while true { }", "for i in 0..<9223372036854775807 { }", "x = [1 for i in 0..<9223372036854775807 if false]",
      "fn f(n) { while true { n += 1 } }\nf(0)",
      "fn f(n) = if n == 0 { 0 } else { f(n - 1) + f(n - 1) }\nf(200)",
    ] {
      let session = TestSession()
      let flag = session.interpreter.interrupt
      let timer = Thread {
        Thread.sleep(forTimeInterval: 0.1)
        flag.raise()
      }
      timer.start()
      let start = ContinuousClock().now
      XCTAssertEqual(session.run(program).status, .interrupted, program)
      XCTAssertLessThan(ContinuousClock().now - start, .seconds(2), program)
    }
  }

  func testCallsFromOutside() throws {
    let session = TestSession()
    session.run("fn add(a, b = 10) = a + b\nn = 3\nfn read() = n")
    let interpreter = session.interpreter
    let add = try XCTUnwrap(interpreter.value(of: "add"))
    XCTAssertEqual(try interpreter.call(add, [1, 2]), 3)
    XCTAssertEqual(try interpreter.call(add, [1]), 11)
    XCTAssertThrowsError(try interpreter.call(add, [1, 2, 3]))
    XCTAssertThrowsError(try interpreter.call(1, []))
    interpreter.define("n", 8)
    XCTAssertEqual(try interpreter.call(try XCTUnwrap(interpreter.value(of: "read")), []), 8)
    interpreter.define("args", .list(["a"]))
    XCTAssertEqual(session.run("args[0]").value, "a")
    interpreter.remove("n")
    XCTAssertEqual(session.run("n").status, .failed)
  }

  func testCheckFindsAllProblemsWithoutRunning() {
    let interpreter = TestSession().interpreter
    let errors = interpreter.check("print(1)\nx = foo\ny = generate(1, \"a\", max_token: 3)\nlen()\n", name: "file.zs")
    XCTAssertEqual(errors.count, 3)
    XCTAssertEqual(interpreter.check("x = 1\nx + 1", name: "good.zs").count, 0)
    XCTAssertEqual(interpreter.check("x = (\ny = 1", name: "syntax.zs").count, 1)
  }

  func testNothingLeaksBetweenSessions() {
    weak var box: Vector?
    do {
      let session = TestSession()
      session.run("v = vector([1])\nfn f() = v\ng = () => f()")
      if case .object(let object)? = session.interpreter.value(of: "v") { box = object as? Vector }
      XCTAssertNotNil(box)
    }
    XCTAssertNil(box)
  }
}
