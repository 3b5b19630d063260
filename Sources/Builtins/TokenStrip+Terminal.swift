// Strips in the terminal: two columns where there is room, else one above the other; colours of the 256, or marks where there are none.

import Language

/// Columns from which on two answers stand side by side.
private let sideBySideWidth = 88

/// Grounds from faint to strong, all light enough for black ink.
private let blues = [153, 117, 75, 69, 33]
private let reds = [224, 217, 210, 203, 197]
private let black = 16

extension TokenStrip {
  /// The strip as lines.
  ///
  /// - Parameters:
  ///   - width: Columns to fill.
  ///   - colour: Whether escape codes may be used; without, `⁺⁺ ⁺ ⁻ ⁻⁻` after a token say where it lies.
  ///   - maxRows: Lines of text for each side; more are counted instead of shown.
  package func terminal(width: Int, colour: Bool, maxRows: Int = 10_000) -> String {
    let width = max(20, width)
    var lines: [String] = []
    if sides.count == 2, width >= sideBySideWidth {
      let column = (width - 3) / 2
      let left = block(sides[0], width: column, colour: colour, maxRows: maxRows)
      let right = block(sides[1], width: column, colour: colour, maxRows: maxRows)
      for index in 0..<max(left.count, right.count) {
        let cell = index < left.count ? left[index] : Line()
        let other = index < right.count ? right[index].text : ""
        lines.append(cell.text + String(repeating: " ", count: column - cell.width) + " │" + (other.isEmpty ? "" : " " + other))
      }
    } else {
      for side in sides { lines += block(side, width: width, colour: colour, maxRows: maxRows).map(\.text) }
    }
    lines += colour ? [legend(colour: true)] : wrapped(legend(colour: false), width: width)
    return lines.joined(separator: "\n") + "\n"
  }

  /// A line and the columns it takes, which escape codes do not count towards.
  private struct Line {
    var text = ""
    var width = 0
  }

  private func block(_ side: Side, width: Int, colour: Bool, maxRows: Int) -> [Line] {
    var heading = side.title
    if let sum = side.sum {
      heading += measure == .delta ? "  Σ \(printf("%+.4f", sum))" : "  Σ \(printf("%.2f", sum))"
    }
    heading += "  \(side.tokens.count) token\(side.tokens.count == 1 ? "" : "s")"
    heading = TextWidth.cut(heading, to: width)
    var lines = [Line(text: colour ? "\u{1B}[1m\(heading)\u{1B}[0m" : heading, width: TextWidth.of(heading))]
    lines += text(of: side, width: width, colour: colour)
    guard lines.count > maxRows + 1 else { return lines }
    let note = "… \(lines.count - maxRows) more lines"
    return Array(lines.prefix(maxRows)) + [Line(text: note, width: TextWidth.of(note))]
  }

  private func text(of side: Side, width: Int, colour: Bool) -> [Line] {
    var lines = [Line()]
    for row in side.tokens {
      let tone = tone(row)
      let isDim = measure == .logProb && row.trained == false
      let marks = colour || isDim ? "" : TokenStrip.marks(tone)
      for piece in TokenStrip.pieces(TokenStrip.visible(row.token) + marks, width: width) {
        let columns = TextWidth.of(piece)
        if lines[lines.count - 1].width + columns > width { lines.append(Line()) }
        lines[lines.count - 1].text += colour ? (isDim ? "\u{1B}[2m\(piece)\u{1B}[0m" : TokenStrip.paint(piece, tone)) : piece
        lines[lines.count - 1].width += columns
      }
      if row.token.hasSuffix("\n") { lines.append(Line()) }
    }
    if lines.last?.width == 0 { lines.removeLast() }
    return lines
  }

  /// A token in pieces that fit on a line each.
  private static func pieces(_ token: String, width: Int) -> [String] {
    if TextWidth.of(token) <= width { return [token] }
    var pieces = [""]
    var used = 0
    for character in token {
      let columns = TextWidth.of(character)
      if used + columns > width {
        pieces.append("")
        used = 0
      }
      pieces[pieces.count - 1].append(character)
      used += columns
    }
    return pieces
  }

  private static func marks(_ tone: Double) -> String {
    switch tone {
    case 0.5...: "⁺⁺"
    case 0.2...: "⁺"
    case ...(-0.5): "⁻⁻"
    case ...(-0.2): "⁻"
    default: ""
    }
  }

  private static func paint(_ text: String, _ tone: Double) -> String {
    let level = Int((min(1, abs(tone)) * Double(blues.count)).rounded())
    if level == 0 { return text }
    return "\u{1B}[48;5;\((tone > 0 ? blues : reds)[level - 1])m\u{1B}[38;5;\(black)m\(text)\u{1B}[0m"
  }

  private func legend(colour: Bool) -> String {
    guard let ends else {
      switch measure {
      case .delta: return "\(caption): all 0, the policy equals the reference"
      case .logProb: return caption
      case .mask: return colour ? "on a ground: \(caption)" : "⁺⁺ \(caption)"
      }
    }
    if !colour {
      func bound(_ share: Double) -> String { printf("%.3g", share * range) }
      let below = "⁻⁻ below −\(bound(0.5))  ⁻ below −\(bound(0.2))"
      return measure == .delta
        ? "\(caption), \(ends.low) … \(ends.high): \(below)  ⁺ above \(bound(0.2))  ⁺⁺ above \(bound(0.5))"
        : "\(caption), \(ends.low) … \(ends.high): \(below)"
    }
    let steps = stride(from: -1.0, through: measure == .delta ? 1.0 : 0.0, by: 0.2)
    return "\(caption)  \(ends.low) " + steps.map { TokenStrip.paint("  ", $0) }.joined() + " \(ends.high)"
  }
}
