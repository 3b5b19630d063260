// Tokens in running text, each on a ground whose colour says how much the policy changed it, or how likely it finds it. What is
// drawn is here; how, in TokenStrip+Terminal.swift and TokenStrip+Page.swift.

import Language

/// The tokens of a pair's answers, or of one example, with the numbers that colour them.
package struct TokenStrip {
  /// What the colour says.
  package enum Measure {
    /// log π − log π_ref: blue where the policy likes a token more than the reference does, red where less.
    case delta
    /// log π alone: the redder, the less expected.
    case logProb
    /// Whether a token is trained.
    case mask
  }

  /// One answer.
  package struct Side {
    package let title: String
    package let tokens: [TokenRow]
    /// Σ of what is shown, for `delta` and `logProb`.
    package let sum: Double?
  }

  package let sides: [Side]
  package let measure: Measure
  /// The largest absolute value: the ends of the scale.
  package let range: Double

  /// A strip of rows as `tokens` and `mask` make them.
  package init(_ rows: [TokenRow]) {
    let measure: Measure =
      rows.contains { $0.delta != nil } ? .delta : rows.contains { $0.logProb != nil } ? .logProb : .mask
    self.measure = measure
    func number(_ row: TokenRow) -> Double? { measure == .delta ? row.delta : measure == .logProb ? row.logProb : nil }
    range = rows.compactMap(number).filter(\.isFinite).map(abs).max() ?? 0
    sides = ["chosen", "rejected", "text"].compactMap { side in
      let tokens = rows.filter { $0.side == side }
      if tokens.isEmpty { return nil }
      let numbers = tokens.filter { $0.trained ?? true }.compactMap(number)
      return Side(title: side, tokens: tokens, sum: numbers.isEmpty ? nil : numbers.reduce(0, +))
    }
  }

  /// Where a token lies between the ends of the scale, from −1 to 1.
  package func tone(_ row: TokenRow) -> Double {
    switch measure {
    case .delta: range > 0 ? max(-1, min(1, (row.delta ?? 0) / range)) : 0
    case .logProb: range > 0 ? max(-1, min(1, (row.logProb ?? 0) / range)) : 0
    case .mask: row.trained ?? false ? 0.5 : 0
    }
  }

  /// What is measured, in the words of the legend.
  var caption: String {
    switch measure {
    case .delta: "log π − log π_ref of each token"
    case .logProb: "log π of each token"
    case .mask: "trained tokens"
    }
  }

  /// The ends of the scale.
  var ends: (low: String, high: String)? {
    guard range > 0 else { return nil }
    switch measure {
    case .delta:
      let end = printf(range < 0.01 ? "%.1e" : "%.3f", range)
      return ("−" + end, "+" + end)
    case .logProb: return ("−" + printf("%.2f", range), "0")
    case .mask: return nil
    }
  }

  /// Every number of a token, for hovering.
  static func details(_ row: TokenRow) -> String {
    var parts: [String] = []
    if let logProb = row.logProb { parts.append("log π \(printf("%.4f", logProb))") }
    if let reference = row.reference { parts.append("log π_ref \(printf("%.4f", reference))") }
    if let delta = row.delta { parts.append("δ \(printf("%+.4f", delta))") }
    if let trained = row.trained { parts.append(trained ? "trained" : "not trained") }
    return "token \(row.position) · " + parts.joined(separator: " · ")
  }

  /// A token's text with its white space and control characters made visible: nothing in it can move a cursor or turn a line round.
  static func visible(_ token: String) -> String {
    var result = String.UnicodeScalarView()
    for scalar in token.unicodeScalars {
      switch scalar.value {
      case 0x0A: result.append("⏎")
      case 0x09: result.append("⇥")
      case 0..<0x20: result.append(Unicode.Scalar(0x2400 + scalar.value) ?? "·")
      case 0x7F: result.append("␡")
      case 0x80...0x9F, 0x200B, 0x200E, 0x200F, 0x2028...0x202E, 0x2060...0x2069, 0xFEFF: result.append("·")
      default: result.append(scalar)
      }
    }
    return String(result)
  }
}

/// A strip as a value: shown coloured in the terminal, `.svg` and `.html` for elsewhere.
package final class TokenStripValue: ObjectValue, SVGDrawing {
  let strip: TokenStrip
  let title: String

  package init(_ strip: TokenStrip, title: String) {
    self.strip = strip
    self.title = title
  }

  package var typeName: String { "plot" }
  package var fieldNames: [String] { ["title", "svg", "html"] }

  package func field(_ name: String) throws -> Value? {
    switch name {
    case "title": .string(title)
    case "svg": .string(svg())
    case "html": .string(html())
    default: nil
    }
  }

  package func display(_ options: DisplayOptions) -> String {
    strip.terminal(width: options.width, colour: options.colour && !options.plain)
  }

  package func svg() -> String { strip.svg(title: title) }

  /// A page of its own.
  package func html() -> String { htmlPage(title: title, body: "<h1>\(escapedMarkup(title))</h1>\n" + strip.html()) }

  package func plain() throws -> Value {
    .map([
      "title": .string(title),
      "sides": .list(strip.sides.map { .map(["side": .string($0.title), "tokens": .list($0.tokens.map(\.value))]) }),
    ])
  }
}

/// A drawing that can be written as an SVG document.
package protocol SVGDrawing {
  func svg() -> String
}

extension PlotValue: SVGDrawing {}

func stripBuiltins() -> [Builtin] {
  [
    Builtin(
      "strip", category: trainingCategory,
      [
        Parameter("report", .object("report"), help: "what inspect, step or what_if gave"),
        Parameter("pair", .int, default: 0, range: -1e9...1e9, help: "its number in the report"),
      ],
      returns: "plot",
      summary: "A pair's answers as running text, each token on blue where it became likelier than under the reference, on red where less.",
      example:
        "t = dpo(lora(load(\"smollm2\"), rank: 4), preferences(\"examples/data/preferences.jsonl\") |> take(4), batch_size: 2)\nstep(t)\nprint(strip(inspect(t), 0))",
      details:
        "Of a report of sft, the redder a token, the less it was expected. save(strip, \"x.svg\") and \"x.html\" keep it; .svg and .html are its texts."
    ) { call in
      let value = try call.object("report", as: ReportValue.self)
      let number = try call.int("pair")
      let rows = try tokenRows(value, number)
      let what = value.texts.isPreference ? "pair" : "row"
      return .object(TokenStripValue(TokenStrip(rows), title: "\(what) \(number) · \(value.kind.rawValue) · step \(value.report.step)"))
    }
  ]
}
