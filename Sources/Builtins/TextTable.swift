// Rows under headings, laid out in columns for a terminal: numbers to the right, long texts cut to what the width allows.

import Language

/// A table of texts.
public struct TextTable {
  private let headings: [String]
  private let rows: [[String]]
  private let isNumeric: [Bool]

  /// A table; every row has as many cells as there are headings.
  public init(headings: [String], rows: [[String]], numeric: [Bool]) {
    self.headings = headings
    self.rows = rows
    isNumeric = numeric
  }

  /// The table as lines of at most `width` columns; after `maxRows` rows it says how many more there are.
  public func text(width: Int, maxRows: Int = 40, colour: Bool = false) -> String {
    let isCut = rows.count > maxRows
    let shown = rows.prefix(isCut ? max(1, maxRows - 1) : maxRows).map { row in row.map(TextTable.oneLine) }
    let widths = fittingWidths(shown, width: width)
    var lines = [line(headings, widths)]
    if colour { lines[0] = "\u{1B}[1m" + lines[0] + "\u{1B}[0m" }
    lines += shown.map { line($0, widths) }
    if isCut { lines.append("… \(rows.count - shown.count) more rows") }
    return lines.joined(separator: "\n")
  }

  private func line(_ cells: [String], _ widths: [Int]) -> String {
    let parts = zip(cells, widths).enumerated().map { index, cell in
      TextWidth.pad(TextWidth.cut(cell.0, to: cell.1), to: cell.1, right: isNumeric[index])
    }
    let text = parts.joined(separator: "  ")
    return String(text.reversed().drop { $0 == " " }.reversed())
  }

  /// Natural widths, the widest texts cut first until all fit.
  private func fittingWidths(_ shown: [[String]], width: Int) -> [Int] {
    var widths = headings.indices.map { column in
      max(TextWidth.of(headings[column]), shown.map { TextWidth.of($0[column]) }.max() ?? 0)
    }
    var excess = widths.reduce(0, +) + 2 * (widths.count - 1) - width
    while excess > 0 {
      guard let widest = widths.indices.filter({ !isNumeric[$0] && widths[$0] > 6 }).max(by: { widths[$0] < widths[$1] }) else { break }
      let second = widths.indices.filter { $0 != widest && !isNumeric[$0] }.map { widths[$0] }.max() ?? 6
      let cut = min(excess, max(1, widths[widest] - max(second, 6)))
      widths[widest] -= cut
      excess -= cut
    }
    return widths
  }

  private static func oneLine(_ text: String) -> String {
    guard text.utf8.contains(where: { $0 < 0x20 }) else { return text }
    var result = ""
    for character in text { result += character.isNewline ? "⏎" : character == "\t" ? "⇥" : String(character) }
    return result
  }
}

/// Text broken at blanks into lines of at most `width` columns; lines after the first begin with `indent`.
func wrapped(_ text: String, width: Int, indent: String = "") -> [String] {
  var lines: [String] = []
  var line = ""
  for word in text.split(separator: " ", omittingEmptySubsequences: true) {
    if !line.isEmpty, line != indent, TextWidth.of(line) + 1 + TextWidth.of(word) > max(20, width) {
      lines.append(line)
      line = indent
    }
    line += (line.isEmpty || line == indent ? "" : " ") + word
  }
  lines.append(line)
  return lines
}
