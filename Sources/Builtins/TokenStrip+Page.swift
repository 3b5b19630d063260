// Strips for a page: HTML that flows with its window and shows each token's numbers when pointed at, and SVG of a fixed width.

import Language

private let columns = 92
private let advance = 7.25
private let lineHeight = 19.0
private let margin = 12.0

extension TokenStrip {
  /// The strip as part of a page made by `htmlPage`.
  package func html() -> String {
    let blocks = sides.map { side -> String in
      let sum = side.sum.map { " <span class=\"sum\">Σ \(printf(measure == .delta ? "%+.4f" : "%.2f", $0))</span>" } ?? ""
      let tokens = side.tokens.map(htmlToken).joined()
      return """
        <div class="side"><h4>\(escapedMarkup(side.title))\(sum) <span class="note">\(side.tokens.count) tokens</span></h4>
        <p class="text">\(tokens)</p></div>
        """
    }
    return "<div class=\"strip\">\n<div class=\"sides\">\n\(blocks.joined(separator: "\n"))\n</div>\n\(htmlLegend())\n</div>\n"
  }

  private func htmlToken(_ row: TokenRow) -> String {
    let tone = tone(row)
    let text = escapedMarkup(TokenStrip.visible(row.token)) + (row.token.hasSuffix("\n") ? "<br>" : "")
    let isDim = measure == .logProb && row.trained == false
    let kind = isDim ? "dim" : tone > 0 ? "up" : tone < 0 ? "down" : "same"
    let strength = isDim || tone == 0 ? "" : " style=\"--a:\(printf("%.2f", 0.08 + 0.8 * abs(tone)))\""
    return "<span class=\"\(kind)\"\(strength) title=\"\(escapedMarkup(TokenStrip.details(row)))\">\(text)</span>"
  }

  private func htmlLegend() -> String {
    guard let ends else {
      return "<p class=\"legend\">\(escapedMarkup(caption))\(measure == .delta ? ": all 0, the policy equals the reference" : "")</p>"
    }
    let steps = stride(from: -1.0, through: measure == .delta ? 1.0 : 0.0, by: 0.25).map { tone in
      "<i class=\"\(tone > 0 ? "up" : "down")\" style=\"--a:\(printf("%.2f", tone == 0 ? 0 : 0.08 + 0.8 * abs(tone)))\"></i>"
    }
    return
      "<p class=\"legend\">\(escapedMarkup(caption)) <b>\(ends.low)</b> <span class=\"scale\">\(steps.joined())</span> <b>\(ends.high)</b></p>"
  }

  /// The strip as an SVG document.
  func svg(title: String) -> String {
    var body: [String] = []
    var y = margin + lineHeight
    func heading(_ text: String) {
      body.append(
        "<text x=\"\(margin)\" y=\"\(fixed(y, 1))\" font-weight=\"bold\" font-family=\"sans-serif\">\(escapedMarkup(text))</text>")
      y += lineHeight
    }
    if !title.isEmpty { heading(title) }
    for side in sides {
      y += 4
      heading(side.title + (side.sum.map { "  Σ " + printf(measure == .delta ? "%+.4f" : "%.2f", $0) } ?? ""))
      var x = 0
      for row in side.tokens {
        let text = TokenStrip.visible(row.token)
        let width = TextWidth.of(text)
        if x > 0, x + width > columns { (x, y) = (0, y + lineHeight) }
        body.append(svgToken(row, text, x: margin + Double(x) * advance, y: y, width: Double(width) * advance))
        x += width
        if row.token.hasSuffix("\n") { (x, y) = (0, y + lineHeight) }
      }
      y += lineHeight
    }
    y += 6
    body.append(svgLegend(y: y))
    let (w, h) = (Double(columns) * advance + 2 * margin, y + margin)
    return """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(fixed(w, 0)) \(fixed(h, 0))" width="\(fixed(w, 0))" height="\(fixed(h, 0))" \
      font-family="ui-monospace, 'DejaVu Sans Mono', monospace" font-size="12" fill="#1b1b1b">
      <rect width="100%" height="100%" fill="#fff"/>
      \(body.joined(separator: "\n"))
      </svg>

      """
  }

  private func svgToken(_ row: TokenRow, _ text: String, x: Double, y: Double, width: Double) -> String {
    if text.isEmpty { return "" }
    let ink = measure == .logProb && row.trained == false ? " fill=\"#999\"" : ""
    // The text is stretched to its columns, so that it fits its ground in any font.
    return """
      <g><title>\(escapedMarkup(TokenStrip.details(row)))</title>\
      <rect x="\(fixed(x, 2))" y="\(fixed(y - 13, 1))" width="\(fixed(width, 2))" height="17" fill="\(ground(tone(row), row))"/>\
      <text x="\(fixed(x, 2))" y="\(fixed(y, 1))" textLength="\(fixed(width, 2))" lengthAdjust="spacingAndGlyphs" xml:space="preserve"\(ink)>\
      \(escapedMarkup(text))</text></g>
      """
  }

  private func ground(_ tone: Double, _ row: TokenRow) -> String {
    if measure == .logProb && row.trained == false { return "#fff" }
    // Towards ColorBrewer's strong blue or red from white.
    let end = tone > 0 ? (33, 113, 213) : (214, 47, 39)
    func mix(_ channel: Int) -> Int { Int((255 + (Double(channel) - 255) * min(1, abs(tone)) * 0.8).rounded()) }
    return "rgb(\(mix(end.0)),\(mix(end.1)),\(mix(end.2)))"
  }

  private func svgLegend(y: Double) -> String {
    let words = ends.map { "\(caption)  \($0.low) … \($0.high)" } ?? caption
    return "<text x=\"\(margin)\" y=\"\(fixed(y, 1))\" font-family=\"sans-serif\" fill=\"#555\">\(escapedMarkup(words))</text>"
  }
}
