// Strips of tokens: where they lie on the scale, how they wrap, and that nothing in a token can disturb what shows it.
import Builtins
import Language
import XCTest

final class TokenStripTests: XCTestCase {
  private func row(_ side: String, _ position: Int, _ token: String, _ logProb: Double, _ reference: Double?) -> TokenRow {
    TokenRow(side: side, position: position, token: token, logProb: logProb, reference: reference, trained: nil)
  }

  private var pair: TokenStrip {
    TokenStrip([
      row("chosen", 0, "Aye", -1, -3), row("chosen", 1, " cap", -2, -2.5), row("chosen", 2, "tain", -1, -1),
      row("rejected", 0, "No", -4, -2), row("rejected", 1, "\u{1B}[2J<b>", -1.2, -1),
    ])
  }

  func testToneIsTheShareOfTheLargestChange() {
    let strip = pair
    XCTAssertEqual(strip.range, 2)
    XCTAssertEqual(strip.sides.map(\.title), ["chosen", "rejected"])
    XCTAssertEqual(strip.sides[0].sum ?? 0, 2.5, accuracy: 1e-12)
    XCTAssertEqual(strip.sides[0].tokens.map(strip.tone), [1, 0.25, 0])
    XCTAssertEqual(strip.tone(strip.sides[1].tokens[0]), -1)
  }

  func testMarksWithoutColour() {
    let text = pair.terminal(width: 60, colour: false)
    XCTAssertTrue(text.contains("Aye⁺⁺ cap⁺tain\n"), text)
    XCTAssertTrue(text.contains("No⁻⁻␛[2J<b>"), text)
    XCTAssertTrue(text.contains("−2.000 … +2.000"), text)
    XCTAssertFalse(text.contains("\u{1B}"), "a token's own escape codes must not reach the terminal")
  }

  func testColoursAndColumns() {
    let narrow = pair.terminal(width: 60, colour: true)
    XCTAssertTrue(narrow.contains("\u{1B}[48;5;33m\u{1B}[38;5;16mAye\u{1B}[0m"), narrow)
    XCTAssertTrue(narrow.contains("\u{1B}[48;5;197m\u{1B}[38;5;16mNo\u{1B}[0m"), narrow)
    let wide = pair.terminal(width: 100, colour: false).split(separator: "\n").map(String.init)
    XCTAssertTrue(wide[0].hasPrefix("chosen  Σ +2.5000  3 tokens"), wide[0])
    XCTAssertTrue(wide[0].contains("│ rejected  Σ -2.2000  2 tokens"), wide[0])
    XCTAssertEqual(TextWidth.of(wide[0].prefix { $0 != "│" }), TextWidth.of(wide[1].prefix { $0 != "│" }))
  }

  func testLongTextsWrapAndAreCut() {
    let rows = (0..<200).map { row("chosen", $0, $0 == 3 ? String(repeating: "日", count: 70) : " word\($0)", -1, -1.1) }
    let lines = TokenStrip(rows).terminal(width: 40, colour: false, maxRows: 8).split(separator: "\n").prefix { !$0.hasPrefix("log π") }
    XCTAssertTrue(lines.allSatisfy { TextWidth.of($0) <= 40 }, lines.joined(separator: "\n"))
    XCTAssertTrue(lines.last?.contains("more lines") ?? false)
    XCTAssertEqual(lines.count, 9)
  }

  func testLogProbsOfOneText() {
    var rows = [row("text", 1, "likely", -0.1, nil), row("text", 2, "odd", -9, nil), row("text", 3, "masked", -20, nil)]
    for index in rows.indices { rows[index].trained = index < 2 }
    let strip = TokenStrip(rows)
    XCTAssertEqual(strip.measure, .logProb)
    XCTAssertEqual(strip.sides[0].sum ?? 0, -9.1, accuracy: 1e-12, "only trained tokens count")
    XCTAssertTrue(strip.terminal(width: 60, colour: true).contains("\u{1B}[2mmasked"))
  }

  func testEverythingAtZero() {
    let strip = TokenStrip([row("chosen", 0, "a", -1, -1), row("rejected", 0, "b", -1, -1)])
    XCTAssertTrue(strip.terminal(width: 60, colour: true).contains("all 0, the policy equals the reference"))
    XCTAssertFalse(strip.html().contains("class=\"up\""))
  }

  func testMarkupIsEscaped() {
    let value = TokenStripValue(pair, title: "a < b")
    for text in [value.html(), value.svg()] {
      XCTAssertTrue(text.contains("␛[2J&lt;b&gt;"), text)
      XCTAssertFalse(text.contains("<b>\u{1B}"))
      XCTAssertFalse(text.contains("\u{1B}"))
      XCTAssertTrue(text.contains("a &lt; b"))
    }
    XCTAssertTrue(value.html().contains("title=\"token 0 · log π -1.0000 · log π_ref -3.0000 · δ +2.0000\""))
    XCTAssertEqual(escapedMarkup("\u{0}'\"\u{FFFE}"), "\u{FFFD}&#39;&quot;\u{FFFD}")
  }
}
