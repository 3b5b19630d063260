// JSON: what is read, what is refused and where, and that writing reads back.

import Formats
import XCTest

final class JSONTests: XCTestCase {
  func testValues() throws {
    let text = #" {"b": [1, -2.5e3, 1e2, true, false, null], "a": {"x": "q\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"}, "empty": [[], {}]} "#
    let value = try JSON.parse(text)
    XCTAssertEqual(value.object.map { Array($0.keys) }, ["b", "a", "empty"])
    XCTAssertEqual(value["b"], [1, .double(-2500), .double(100), true, false, nil])
    XCTAssertEqual(value["a"]?["x"]?.string, "q\"\\/\u{8}\u{C}\n\r\té😀")
    XCTAssertEqual(value["empty"], [[], [:]])
  }

  func testNumbers() throws {
    XCTAssertEqual(try JSON.parse("9223372036854775807"), .int(.max))
    XCTAssertEqual(try JSON.parse("9223372036854775808"), .double(9.223372036854775808e18))
    XCTAssertEqual(try JSON.parse("-0"), .int(0))
    XCTAssertEqual(try JSON.parse("1.0"), .double(1))
    XCTAssertEqual(try JSON.parse("1e-05").double, 1e-5)
    for bad in ["01", "1.", ".5", "+1", "1e", "--1", "0x10", "1e999", "-"] { assertFormatError("JSON") { try JSON.parse(bad) } }
    assertFormatError("NaN", "null") { try JSON.parse("NaN") }
    let lenient = try Array("[NaN, Infinity, -Infinity]".utf8).withUnsafeBytes { try JSON.parse($0, allowingNonFinite: true) }
    XCTAssertEqual(lenient.serialized(), "[null,null,null]")
  }

  func testErrorsSayWhere() {
    assertFormatError("line 2, column 8") { try JSON.parse("{\n  \"é\": x}") }
    assertFormatError("expected ',' or '}'", "line 1, column 9") { try JSON.parse(#"{"a": 1 "b": 2}"#) }
    assertFormatError("empty") { try JSON.parse("") }
    assertFormatError("after the end") { try JSON.parse("1 2") }
    assertFormatError("no end") { try JSON.parse("[\"abc") }
    assertFormatError("line ends inside a string") { try JSON.parse("\"a\nb\"") }
    assertFormatError("escape") { try JSON.parse(#""\x""#) }
    assertFormatError("hexadecimal") { try JSON.parse(#""\u12g4""#) }
    assertFormatError("data.json:3:1") { try JSON.parse(Array("[1,\n2,\n]".utf8), source: "data.json") }
    assertFormatError("UTF-8") { try JSON.parse([0x22, 0xFF, 0x22]) }
    for bad in ["[1,]", "{\"a\":1,}", "{a:1}", "{'a':1}", "tru", "[", "{", "]", "{\"a\"", "nul", "[1 2]", "\u{0}"] {
      assertFormatError("JSON") { try JSON.parse(bad) }
    }
  }

  func testDepthIsLimited() throws {
    let deep = { (n: Int) in String(repeating: "[", count: n) + String(repeating: "]", count: n) }
    XCTAssertNoThrow(try JSON.parse(deep(JSON.depthLimit)))
    assertFormatError("nested deeper") { try JSON.parse(deep(JSON.depthLimit + 1)) }
    assertFormatError("nested deeper") { try JSON.parse(String(repeating: "[", count: 1_000_000)) }
    assertFormatError("nested deeper") { try JSON.parse(String(repeating: "{\"a\":", count: 1_000_000)) }
  }

  func testSurrogatesWithoutPartner() throws {
    XCTAssertEqual(try JSON.parse(#""\ud83d!""#).string, "\u{FFFD}!")
    XCTAssertEqual(try JSON.parse(#""\ude00\ud83d\u0041""#).string, "\u{FFFD}\u{FFFD}A")
  }

  func testWriting() throws {
    let value: JSON = [
      "s": "a\"b\\\n\u{1}é😀/", "n": [1, .double(0.1), .double(1e300), .double(.nan), .double(-.infinity)], "o": [:], "l": [],
    ]
    XCTAssertEqual(value.serialized(), "{\"s\":\"a\\\"b\\\\\\n\\u0001é😀/\",\"n\":[1,0.1,1e+300,null,null],\"o\":{},\"l\":[]}")
    XCTAssertEqual(JSON.string("é😀").serialized(ascii: true), #""\u00e9\ud83d\ude00""#)
    XCTAssertEqual((["a": [1, 2]] as JSON).serialized(pretty: true), "{\n  \"a\": [\n    1,\n    2\n  ]\n}")
    let finite: JSON = ["s": "a\u{2028}\u{7F}", "n": [.int(.min), .double(.leastNonzeroMagnitude), .double(-0.0)]]
    XCTAssertEqual(try JSON.parse(finite.serialized()), finite)
    XCTAssertEqual(try JSON.parse(finite.serialized(pretty: true, ascii: true)), finite)
  }

  func testEntriesTellKeysApartByBytes() throws {
    let text = "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"\u{C5}\": 1, \"\u{212B}\": 2, \"A\u{30A}\": 3}}}"
    let entries = try Array(text.utf8).withUnsafeBytes { try JSON.entries(of: ["model", "vocab"], in: $0) }
    XCTAssertEqual(entries?.map(\.value), [1, 2, 3])
    XCTAssertEqual(entries?.map { Array($0.key.unicodeScalars).count }, [1, 1, 2])
    XCTAssertNil(try Array(text.utf8).withUnsafeBytes { try JSON.entries(of: ["model", "merges"], in: $0) })
  }

  func testLines() throws {
    let folder = try TemporaryFolder()
    let path = try folder.file("rows.jsonl", "{\"a\": 1}\r\n\n{\"a\": \n  {\"a\": 2}\n[1,")
    let lines = try JSONLines(path: path)
    XCTAssertEqual(lines.rows.map(\.line), [1, 4])
    XCTAssertEqual(lines.rows.map(\.value), [["a": 1], ["a": 2]])
    XCTAssertEqual(lines.problems.map(\.line), [3, 5])
    XCTAssertTrue(lines.problems[0].reason.contains("rows.jsonl:3:"), lines.problems[0].reason)
    assertFormatError("missing.jsonl", "No such file") { try JSONLines(path: folder.path + "/missing.jsonl") }
    try JSONLines.write([1, ["x": "y\n"]], to: path)
    XCTAssertEqual(try JSONLines(path: path).rows.map(\.value), [1, ["x": "y\n"]])
  }
}
