// Small templates against jinja2 as transformers runs it: texts, generation spans, which of them fail and on which line.

import Formats
import Tokenizers
import XCTest

final class JinjaConformanceTests: XCTestCase {
  /// Failures of Python's own compiler have lines of generated code; messages of these types are part of the language.
  private static let exactTypes = ["UndefinedError: ", "TemplateError: "]

  func testEveryCaseOfTheTable() throws {
    let fixture = try Fixture.json("jinja.json")
    var variables: [String: JSON] = [:]
    for (name, value) in fixture["context"]?.object ?? [:] { variables[name] = value }
    let cases = fixture["cases"]?.array ?? []
    XCTAssertGreaterThan(cases.count, 390)
    for row in cases {
      let template = row["template"]?.string ?? ""
      do {
        let rendering = try ChatTemplate(template).rendering(variables: variables, now: 1_700_000_000)
        if let expected = row["text"]?.string {
          assertSame(rendering.text, expected, template)
          let spans = (row["generations"]?.array ?? []).map { ($0[0]?.int ?? 0)..<($0[1]?.int ?? 0) }
          XCTAssertEqual(rendering.generations, spans, template)
        } else {
          XCTFail("\(template) should fail with \(row["error"]?.string ?? ""), but gives \(rendering.text.debugDescription)")
        }
      } catch let error as TemplateError {
        check(error, row, template)
      }
    }
  }

  private func check(_ error: TemplateError, _ row: JSON, _ template: String) {
    guard let expected = row["error"]?.string else { return XCTFail("\(template): \(error)") }
    XCTAssertGreaterThan(error.line, 0, "\(template): \(error)")
    XCTAssertGreaterThan(error.column, 0, "\(template): \(error)")
    XCTAssertFalse(error.message.isEmpty)
    if let line = row["line"]?.int, !expected.hasPrefix("SyntaxError") { XCTAssertEqual(error.line, line, "\(template): \(error)") }
    for type in Self.exactTypes where expected.hasPrefix(type) {
      assertSame(error.message, String(expected.dropFirst(type.count)), template)
    }
  }

  func testPlacesOfErrors() {
    for (template, line, column) in [
      ("a\nb {{ x.y }}", 2, 8), ("{{ 'é' ~ (1 / 0) }}", 1, 13), ("\n\n  {% if %}{% endif %}", 3, 9), ("{% for i in 5 %}{% endfor %}", 1, 4),
      ("{{ a\n  + b }}", 2, 3), ("{{ name | nope }}", 1, 11), ("x\n{% endif %}", 2, 4), ("{{ 'é", 1, 4), ("a {# b", 1, 3),
    ] {
      XCTAssertThrowsError(try ChatTemplate(template).rendering(variables: ["b": 1])) { error in
        guard let error = error as? TemplateError else { return XCTFail("\(error)") }
        XCTAssertEqual([error.line, error.column], [line, column], "\(template): \(error)")
      }
    }
  }
}
