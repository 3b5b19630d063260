// Values and errors as text: formats, display, JSON, diagnostics, did-you-mean.
import Language
import XCTest

final class TextTests: XCTestCase {
  /// Expected texts are Python 3.11's `format(value, spec)`.
  func testFormatsAreThoseOfPython() throws {
    let cases: [(Value, String, String)] = [
      (3.14159, ".2f", "3.14"), (2.5, ".0f", "2"), (1e10, ".3e", "1.000e+10"), (0.5, "%", "50.000000%"), (1234.5, ",.1f", "1,234.5"),
      (12_345_678, ",", "12,345,678"), (12_345_678, "_", "12_345_678"), (255, "x", "ff"), (255, "#X", "0XFF"), (5, "b", "101"),
      (8, "o", "10"),
      (42, "6d", "    42"), (42, "<6d", "42    "), (42, "^6d", "  42  "), (42, "*^6", "**42**"), (-42, "06d", "-00042"), (42, "+d", "+42"),
      (42, " d", " 42"),
      ("ab", "5", "ab   "), ("ab", ">5", "   ab"), ("abcdef", ".3", "abc"), ("abcdef", "<8.2s", "ab      "), (1.5, "g", "1.5"),
      (1e-7, "g", "1e-07"),
      (100000, "g", "100000"), (1e6, ".3g", "1e+06"), (3, ".2f", "3.00"), (-1.5, "08.2f", "-0001.50"), (97, "c", "a"), (1.0, "", "1.0"),
      (.float(.nan), ".2f", "nan"), (.float(-.infinity), ".2f", "-inf"), (.float(.infinity), "+f", "+inf"), (true, "", "true"),
      (.none, ">6", "  none"),
    ]
    for (value, specification, expected) in cases {
      XCTAssertEqual(try FormatSpecification(specification).format(value), expected, "\(value.source) \(specification)")
    }
    XCTAssertEqual(try FormatSpecification(".2f").format(1e300).count, 304)
    XCTAssertEqual(try FormatSpecification(">4").format("日"), "  日", "widths are columns")
    for bad in ["q", ".f", "2.", "10000000", ".99999", ">>>", "d5", "é"] { XCTAssertThrowsError(try FormatSpecification(bad), bad) }
    for (value, specification) in [(Value.string("a"), "d"), (1.5, "x"), (.list([]), ".2f"), (-1, "c")] {
      XCTAssertThrowsError(try FormatSpecification(specification).format(value))
    }
  }

  func testDisplayIsBounded() {
    let options = DisplayOptions(width: 40, plain: true, maxRows: 10)
    let long = Value.list((0..<1_000).map { .int($0) })
    let lines = long.display(options).split(separator: "\n")
    XCTAssertLessThanOrEqual(lines.count, 13)
    XCTAssertTrue(long.display(options).contains("… 1000 in all"))
    XCTAssertEqual(Value.list([1, 2.5, "a", .none]).display(options), "[1, 2.5, \"a\", none]")
    XCTAssertTrue(Value.string(String(repeating: "x", count: 100_000)).display(options).hasSuffix("… (100000 characters)"))
    let rows = Value.list([.map(["id": 1, "token": "日本"]), .map(["id": 20, "token": "a"])])
    XCTAssertEqual(rows.display(DisplayOptions(width: 16)), "id  token\n──  ─────\n 1  日本\n20  a")
    let map = Value.map(["name": "zephyr", "values": long])
    XCTAssertEqual(map.display(options), "{\n  name: \"zephyr\",\n  values: [… 1000 elements],\n}")
    var deep = Value.list([])
    for _ in 0..<5_000 { deep = .list([deep]) }
    XCTAssertLessThan(deep.display(options).count, 200)
    XCTAssertLessThan(deep.source.count, 2_000)
    XCTAssertThrowsError(try deep.json())
    for width in [1, 5, 20, 300] { XCTAssertFalse(map.display(DisplayOptions(width: width, maxRows: 1)).isEmpty) }
  }

  func testJSON() throws {
    let value = Value.map([
      "a": .list([1, 2.5, .none, true, "é\"\n\u{1}"]), "b": .range(ValueRange(lower: 0, upper: 3)), "c": .float(.nan),
      "d": .object(Vector([1, 2])),
    ])
    XCTAssertEqual(try value.json(), #"{"a": [1, 2.5, null, true, "é\"\n\u0001"], "b": [0, 1, 2], "c": null, "d": [1.0, 2.0]}"#)
    XCTAssertEqual(try Value.float(1e20).json(), "1e+20")
    XCTAssertThrowsError(try Value.range(ValueRange(lower: 0, upper: .max)).json())
  }

  func testSourceReadsBack() {
    for text in [
      "{a: 1, \"b c\": [none, true, -1.5e-10, \"x\\n\\\"\\u{7}\"], if: {}}", "[9223372036854775807, 1e+300, 0.1]", "0...3", "\"日本🙂\"",
    ] {
      let session = TestSession()
      let first = session.run(text).value
      XCTAssertEqual(session.run(first?.source ?? "").value, first, text)
    }
  }

  func testCaretsStandUnderWideCharacters() {
    let session = TestSession()
    let errors = session.run("a = \"日本\" \t+ missing").errors
    XCTAssertEqual(
      session.render(errors),
      "error: 'missing' is not defined\n  test.zs:1:12\n1 │ a = \"日本\"  + missing\n  │               ^^^^^^^")
  }

  func testLongLinesAreCutAroundTheSpan() {
    let session = TestSession()
    let errors = session.run("x = [" + String(repeating: "1, ", count: 500) + "nope, " + String(repeating: "2, ", count: 500) + "]").errors
    let lines = session.render(errors).split(separator: "\n")
    XCTAssertTrue(lines.allSatisfy { $0.count < 180 })
    let line = Array(lines[2])
    let marks = Array(lines[3])
    let caret = marks.firstIndex(of: "^") ?? 0
    XCTAssertEqual(String(line[caret..<min(caret + 4, line.count)]), "nope")
  }

  func testRecordsForEditors() {
    let session = TestSession()
    let errors = session.run("x = 1\nlet k = nope").errors
    let record = DiagnosticRenderer(sources: session.interpreter.sources).record(errors[0])
    guard case .map(let map) = record else { return XCTFail("no map") }
    XCTAssertEqual(map["line"], 2)
    XCTAssertEqual(map["column"], 8)
    XCTAssertEqual(map["end_column"], 12)
    XCTAssertEqual(map["kind"], "name")
    XCTAssertEqual(map["hint"], Value.none)
    XCTAssertTrue(DiagnosticRenderer(sources: session.interpreter.sources, colour: true).render(errors[0]).contains("\u{1B}[1;31m"))
  }

  func testManyErrorsAreCounted() {
    let session = TestSession()
    let errors = session.run((0..<9).map { "x\($0) = nope\($0)" }.joined(separator: "\n")).errors
    XCTAssertEqual(errors.count, 9)
    XCTAssertTrue(DiagnosticRenderer(sources: session.interpreter.sources).render(errors).hasSuffix("… and 6 more errors"))
  }

  func testNearestNames() {
    XCTAssertEqual(nearest(to: "lenght", among: ["length", "light"]), "length")
    XCTAssertEqual(nearest(to: "max_token", among: ["max_tokens", "min_tokens"]), "max_tokens")
    XCTAssertEqual(nearest(to: "ab", among: ["ba", "xyz"]), "ba")
    XCTAssertNil(nearest(to: "x", among: ["y", "z"]))
    XCTAssertNil(nearest(to: "", among: ["a"]))
    XCTAssertEqual(nearestNames(to: "softmx", among: ["softmax", "softmin", "log_softmax"]), ["softmax", "softmin"])
  }

  func testWidths() {
    XCTAssertEqual(TextWidth.of("abc"), 3)
    XCTAssertEqual(TextWidth.of("日本"), 4)
    XCTAssertEqual(TextWidth.of("é"), 1)
    XCTAssertEqual(TextWidth.of("e\u{301}"), 1)
    XCTAssertEqual(TextWidth.of("🙂👩‍💻"), 4)
    XCTAssertEqual(TextWidth.of("❤️"), 2)
    XCTAssertEqual(TextWidth.cut("日本語", to: 4), "日…")
  }

  func testSliceBoundsAreThoseOfPython() throws {
    // Every combination of small bounds against the definition: walk, and keep what lies within.
    let bounds: [Int?] = [nil] + Array(-7...7)
    for length in 0...5 {
      for lower in bounds {
        for upper in bounds {
          for step in [nil, 1, 2, 3, -1, -2, -3] as [Int?] {
            func value(_ number: Int?) -> Value? { number.map { .int(Int64($0)) } }
            let found = Array(try SliceBounds(value(lower), value(upper), value(step), length: length).positions)
            XCTAssertEqual(found, naiveSlice(lower, upper, step ?? 1, length), "\(String(describing: (lower, upper, step, length)))")
          }
        }
      }
    }
    for extreme in [Int64.min, .max] {
      for step in [Int64.min, .max, 1, -1] {
        XCTAssertNoThrow(try SliceBounds(.int(extreme), .int(extreme), .int(step), length: 5))
        XCTAssertNoThrow(try SliceBounds(nil, .int(extreme), .int(step), length: 5).positions.map { $0 })
      }
    }
  }

  private func naiveSlice(_ lower: Int?, _ upper: Int?, _ step: Int, _ length: Int) -> [Int] {
    func place(_ index: Int) -> Int { index < 0 ? index + length : index }
    var position = lower.map(place) ?? (step > 0 ? 0 : length - 1)
    let end = upper.map(place) ?? (step > 0 ? Int.max : Int.min)
    if step > 0 { position = max(position, 0) } else { position = min(position, length - 1) }
    var positions: [Int] = []
    while step > 0 ? position < min(end, length) : position > max(end, -1) {
      positions.append(position)
      position += step
    }
    return positions
  }
}
