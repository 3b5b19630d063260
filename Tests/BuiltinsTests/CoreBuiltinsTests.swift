// Core builtins: values they give, errors they make, files they write.
import Builtins
import Foundation
import Language
import XCTest

final class CoreBuiltinsTests: XCTestCase {
  func testConversions() {
    assertPrograms([
      ("len(\"日本🙂\")", "3"), ("len({a: 1})", "1"), ("len(0..<7)", "7"), ("type(1.5)", "\"float\""), ("type(none)", "\"none\""),
      ("str([1, 2.5, \"a\"])", "\"[1, 2.5, \\\"a\\\"]\""), ("str(\"a\")", "\"a\""), ("int(\"42\")", "42"), ("int(\" -0x1f \")", "-31"),
      ("int(\"ff\", base: 16)", "255"), ("int(\"1_000\")", "1000"), ("int(3.99)", "3"), ("int(-3.99)", "-3"), ("int(true)", "1"),
      ("float(\"2.5e-7\")", "2.5e-07"), ("float(3)", "3.0"), ("bool(\"\")", "false"), ("bool([0])", "true"), ("bool(0.0)", "false"),
      ("int(tensor([4.0]))", "4"), ("float(tensor([[2.5]]))", "2.5"), ("-9223372036854775807 - 1 |> str |> int", "-9223372036854775808"),
    ])
    assertErrors([
      ("int(\"4.5\")", "cannot read"), ("int(\"\")", "cannot read"), ("int(\"+-3\")", "cannot read"), ("int(1e300)", "does not fit"),
      ("int(\"9223372036854775808\")", "cannot read"), ("float(\"abc\")", "cannot read"), ("len(5)", "int"), ("int([1])", "list"),
      ("int(5, base: 3)", "text only"),
    ])
  }

  func testValuesTooLargeAreErrors() {
    assertErrors([
      ("replace(\"a\" * 1000000, \"a\", \"b\" * 100000)", "more than"), ("join([\"a\" * 1000000] * 1000)", "more than"),
      ("x = []; for i in 0..<20000 { x = [[], x] }", "nested"), ("diag(tensor([1, 2]), -4294967296)", "memory"),
    ])
  }

  func testMapsAndRanges() {
    assertPrograms([
      ("1 // 0.1", "9.0"), ("-7.5 // 2", "-4.0"), ("7.5 // -2", "-4.0"), ("6.0 // 3", "2.0"),
      ("[0, 1, 2, 3][range(3, -1, -1)]", "[3, 2, 1, 0]"),
      ("keys({b: 1, a: 2})", "[\"b\", \"a\"]"), ("values({b: 1, a: 2})", "[1, 2]"), ("get({a: 1}, \"a\")", "1"),
      ("get({a: 1}, \"b\")", "none"),
      ("get({a: 1}, \"b\", 7)", "7"), ("get([1, 2, 3], -1)", "3"), ("get([1, 2, 3], 3, 0)", "0"), ("get(\"abc\", 1)", "\"b\""),
      ("get(none, \"a\", 1)", "1"), ("[i for i in range(3)]", "[0, 1, 2]"), ("[i for i in range(10, 0, -4)]", "[10, 6, 2]"),
      ("len(range(0, 10, 3))", "4"), ("range(5)", "0..<5"),
    ])
    assertErrors([("range(0, 3, 0)", "0"), ("keys([1])", "map"), ("get({a: 1}, 0)", "strings")])
  }

  func testCollections() {
    assertPrograms([
      ("enumerate([\"a\", \"b\"], start: 1)", "[[1, \"a\"], [2, \"b\"]]"), ("zip([1, 2], \"ab\", 5..<7)", "[[1, \"a\", 5], [2, \"b\", 6]]"),
      ("[1, 2, 3] |> map(x => x * x)", "[1, 4, 9]"), ("0..<6 |> filter(x => x % 2 == 0)", "[0, 2, 4]"),
      ("reduce([1, 2, 3], (a, b) => a * b)", "6"), ("reduce([], (a, b) => a + b, 5)", "5"), ("[3, 1, 2].sort().reverse()", "[3, 2, 1]"),
      ("sort([\"b\", \"a\"])", "[\"a\", \"b\"]"), ("sort([3, 1, 2.5], reverse: true)", "[3, 2.5, 1]"),
      ("sort([[2, 1], [1, 9]])", "[[1, 9], [2, 1]]"),
      ("[\"ccc\", \"a\", \"bb\"] |> sort_by(len)", "[\"a\", \"bb\", \"ccc\"]"),
      ("[[1, \"x\"], [0, \"y\"], [1, \"a\"]] |> sort_by(p => p[0])", "[[0, \"y\"], [1, \"x\"], [1, \"a\"]]"),
      ("[[1, \"x\"], [0, \"y\"], [1, \"a\"]] |> sort_by(p => p[0], reverse: true)", "[[1, \"x\"], [1, \"a\"], [0, \"y\"]]"),
      ("reverse(\"añ🙂\")", "\"🙂ña\""), ("any([false, true])", "true"), ("all([])", "true"), ("any([])", "false"),
    ])
    assertErrors([
      ("zip([1], [1, 2])", "same length"), ("reduce([], (a, b) => a)", "initial"), ("sort([1, \"a\"])", "order"),
      ("sort([1.0, 0.0 / 0.0])", "zero"),
      ("map(5, x => x)", "int"), ("enumerate(5)", "elements"),
    ])
  }

  func testNumbers() {
    assertPrograms([
      ("sum([1, 2, 3])", "6"), ("sum([1, 2.5])", "3.5"), ("sum(0..<101)", "5050"), ("sum([])", "0"),
      ("sum([tensor([1, 2]), tensor([3, 4])]).sum().item", "10.0"),
      ("min([3, 1, 2])", "1"), ("max(3, 7.5)", "7.5"), ("min(\"b\", \"a\")", "\"a\""),
      ("max([\"a\", \"ccc\", \"bb\"], by: len)", "\"ccc\""),
      ("max([], default: 0)", "0"), ("abs(-3)", "3"), ("abs(-2.5)", "2.5"), ("round(2.5)", "2"), ("round(3.5)", "4"), ("round(-2.5)", "-2"),
      ("round(3.14159, 2)", "3.14"), ("round(2.675, 2)", "2.67"), ("round(1250, -2)", "1200"), ("round(1350, -2)", "1400"),
      ("round(1234.5, -2)", "1200.0"),
      ("round(7)", "7"), ("round(0.1 + 0.2, 15)", "0.3"),
    ])
    assertErrors([
      ("sum([\"a\"])", "join"), ("min([])", "default"), ("abs(-9223372036854775807 - 1)", "overflow"), ("round(1e300)", "does not fit"),
      ("sum([9223372036854775807, 1])", "overflow"), ("max(3)", "collection"),
    ])
  }

  func testText() {
    assertPrograms([
      ("\"a,b\".split(\",\") |> join(\"-\")", "\"a-b\""), ("split(\" a  b \")", "[\"a\", \"b\"]"),
      ("split(\"a,b,c\", \",\", max: 1)", "[\"a\", \"b,c\"]"),
      ("split(\"a b  c \", max: 1)", "[\"a\", \"b  c\"]"), ("split(\"\", \",\")", "[\"\"]"), ("split(\"日x本\", \"x\")", "[\"日\", \"本\"]"),
      ("join([1, none, \"x\"])", "\"1nonex\""), ("replace(\"a-b-c\", \"-\", \"+\")", "\"a+b+c\""),
      ("replace(\"a-b-c\", \"-\", \"\", count: 1)", "\"ab-c\""),
      ("strip(\" \\n a b \\t\")", "\"a b\""), ("strip(\"xxaxx\", \"x\")", "\"a\""), ("strip(\"   \")", "\"\""),
      ("lower(\"ÉTÉ\")", "\"été\""),
      ("upper(\"straße\")", "\"STRASSE\""), ("contains(\"pirate\", \"rat\")", "true"), ("contains([1, 2], 2.0)", "true"),
      ("contains({a: 1}, \"a\")", "true"),
      ("starts_with(\"zephyr\", \"zep\")", "true"), ("ends_with(\"model.gguf\", \".gguf\")", "true"), ("ends_with(\"a\", \"aa\")", "false"),
      ("format(3.14159, \".2f\")", "\"3.14\""), ("format(42, \">6\")", "\"    42\""), ("format(1234567, \",\")", "\"1,234,567\""),
      ("format(0.25, \".1%\")", "\"25.0%\""),
    ])
    assertErrors([("replace(\"a\", \"\", \"b\")", "empty"), ("format(1, \"qq\")", "format"), ("split(5)", "not int")])
  }

  func testJSONAndFiles() throws {
    let folder = NSTemporaryDirectory() + "zs-core-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { XCTAssertNoThrow(try FileManager.default.removeItem(atPath: folder)) }
    assertPrograms([
      ("from_json(to_json({a: [1, 2.5, none, true, \"é\"]}))", "{a: [1, 2.5, none, true, \"é\"]}"),
      ("to_json([1.5, 0..<3])", "\"[1.5,[0,1,2]]\""),
      (
        "write(\"\(folder)/a.txt\", \"aye\\n\")\nwrite(\"\(folder)/a.txt\", \"nay\", append: true)\nread(\"\(folder)/a.txt\")",
        "\"aye\\nnay\""
      ),
      ("write_jsonl(\"\(folder)/b.jsonl\", [{a: 1}, {a: none}])\nread_jsonl(\"\(folder)/b.jsonl\")", "[{a: 1}, {a: none}]"),
      ("[{a: 1}] |> write_jsonl(\"\(folder)/c.jsonl\")\nread(\"\(folder)/c.jsonl\")", "\"{\\\"a\\\":1}\\n\""),
      ("exists(\"\(folder)/b.jsonl\")", "true"), ("exists(\"\(folder)/none\")", "false"),
      ("list_files(\"\(folder)\", \"*.jsonl\") |> map(p => p.split(\"/\")[-1])", "[\"b.jsonl\", \"c.jsonl\"]"),
      ("env(\"ZS_NO_SUCH_VARIABLE\", \"d\")", "\"d\""),
    ])
    assertErrors([
      ("from_json(\"{\")", "line 1"), ("read(\"\(folder)/gone.txt\")", "gone.txt"), ("read(\"\(folder)\")", "folder"),
      ("list_files(\"\(folder)/gone\")", "gone"),
      ("write(\"\(folder)/no/such/x\", \"a\")", "no/such"),
    ])
    try Data([0xFF, 0xFE, 0x00]).write(to: URL(fileURLWithPath: folder + "/binary"))
    assertErrors([("read(\"\(folder)/binary\")", "UTF-8"), ("read_jsonl(\"\(folder)/a.txt\")", "a.txt:1:1")])
  }

  func testSessionBuiltins() {
    assertPrograms([
      ("now() > 1.7e9", "true"), ("time(() => 1) < 5", "true"), ("close(0.1 + 0.2, 0.3)", "true"),
      ("close([1, {a: 2.0}], [1.0, {a: 2}])", "true"),
      ("close(1, 1.1)", "false"), ("close(1, 1.1, rtol: 0.2)", "true"), ("close(tensor([1.0, 2.0]), [1, 2])", "true"),
      ("close([1], [1, 2])", "false"),
      ("raises(() => [1][5])", "true"), ("raises(() => 1)", "false"),
      ("seed(7)\na = rand(3)\nseed(7)\nclose(a, rand(3), rtol: 0, atol: 0)", "true"),
    ])
  }

  func testPrintAndTable() throws {
    let session = TestSession()
    try session.run(
      "print(\"a\", 1, [2.5, \"x\"])\nprint(1, 2, sep: \"-\", end: \"!\")\ntable([{id: 1, text: \"aye\"}, {id: 10, text: \"nay\"}])")
    XCTAssertEqual(session.printed, "a 1 [2.5, \"x\"]\n1-2!id  text\n 1  aye\n10  nay\n")
  }

  func testHelpNamesTheNearest() throws {
    let session = TestSession()
    try session.run("help(\"split\")\nhelp(split)")
    XCTAssertTrue(session.printed.contains("split(s, sep: none, max: none)"), session.printed)
    assertErrors([("help(\"splitt\")", "did you mean 'split'")])
  }

  func testEveryBuiltinHasHelpAndAnExampleThatRuns() {
    let rows = allBuiltins()
    XCTAssertGreaterThan(rows.count, 100)
    let session = TestSession()
    for row in rows {
      XCTAssertFalse(row.summary.isEmpty, row.name)
      XCTAssertFalse(row.category.isEmpty, row.name)
      XCTAssertFalse(row.example.isEmpty, "\(row.name) has no example")
      let start = ContinuousClock.now
      do {
        try session.run(row.example)
      } catch {
        XCTFail("\(row.name): \(row.example): \((error as? ZsError)?.message ?? "\(error)")")
      }
      let seconds = ContinuousClock.now - start
      XCTAssertLessThan(seconds, .seconds(60), "\(row.name): its example takes too long")
    }
  }
}
