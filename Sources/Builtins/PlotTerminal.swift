// Plots as text: curves in braille (2 × 4 dots a cell), bars in eighths of a block, heat maps in half blocks or shades.
import Language

/// Colours of the 256-colour palette for the first series, the second, and so on.
private let palette = [39, 208, 77, 199, 220, 141, 44, 203]

extension PlotValue {
  /// The plot as lines of text.
  func terminal(_ display: DisplayOptions) -> String {
    let width = max(24, options.width ?? min(display.width, 80))
    var lines: [String]
    switch picture {
    case .lines(let series): lines = curves(series, width, max(3, options.height ?? 12), display.colour)
    case .points(let series): lines = curves(series, width, max(3, options.height ?? 12), display.colour, isPoints: true)
    case .histogram(let edges, let counts): lines = bars(edges, counts, width, max(3, options.height ?? 8), display.colour)
    case .bars(let bars): lines = namedBars(bars, width, display.colour)
    case .heat(let rows): lines = heat(rows, width, max(2, options.height ?? 24), display.colour)
    }
    if !options.title.isEmpty { lines.insert(display.colour ? "\u{1B}[1m\(options.title)\u{1B}[0m" : options.title, at: 0) }
    return lines.joined(separator: "\n")
  }

  private func curves(_ series: [Series], _ width: Int, _ height: Int, _ colour: Bool, isPoints: Bool = false) -> [String] {
    let yTicks = Ticks(series.flatMap(\.y), count: max(2, height / 3), isLog: options.isLog)
    let labels = yTicks.labels
    let gutter = labels.map { TextWidth.of($0) }.max() ?? 0
    let columnCount = max(8, width - gutter - 2)
    let xTicks = Ticks(series.flatMap(\.x), count: max(2, columnCount / 14))
    var canvas = BrailleCanvas(columns: columnCount, rows: height)
    for (index, one) in series.enumerated() {
      canvas.draw(one, xTicks, yTicks, ink: index, isDashed: !colour && series.count > 1 && !isPoints, isJoined: !isPoints)
    }
    var rowLabels: [Int: String] = [:]
    for (mark, label) in zip(yTicks.marks, labels) {
      rowLabels[Int(((1 - yTicks.place(mark)) * Double(height - 1)).rounded())] = label
    }
    var lines = (0..<height).map { row in
      TextWidth.pad(rowLabels[row] ?? "", to: gutter, right: true) + (rowLabels[row] == nil ? " │" : " ┤")
        + canvas.line(row, colour: colour ? palette : nil)
    }
    lines += horizontalAxis(xTicks, gutter: gutter + 1, columns: columnCount)
    if !options.xLabel.isEmpty { lines[lines.count - 1] += "  " + options.xLabel }
    if series.count > 1 || !(series.first?.name.isEmpty ?? true) { lines.append(legend(series, gutter + 2, colour)) }
    return lines
  }

  private func legend(_ series: [Series], _ indent: Int, _ colour: Bool) -> String {
    let strokes = ["⠤⠤⠤⠤", "⠤ ⠤ ", "⠄⠄⠄⠄"]
    let parts = series.enumerated().map { index, one in
      let stroke = colour ? "\u{1B}[38;5;\(palette[index % palette.count])m⠤⠤⠤\u{1B}[0m" : strokes[index % strokes.count]
      return "\(stroke) \(one.name)"
    }
    return String(repeating: " ", count: indent) + parts.joined(separator: "   ")
  }

  /// The axis with its marks, and the numbers under it.
  private func horizontalAxis(_ ticks: Ticks, gutter: Int, columns count: Int) -> [String] {
    var axis = [Character](repeating: "─", count: count)
    var numbers = [Character](repeating: " ", count: count + gutter + 12)
    var free = 0
    for (mark, label) in zip(ticks.marks, ticks.labels) {
      let place = ticks.place(mark)
      guard place >= -1e-9, place <= 1 + 1e-9 else { continue }
      let column = min(count - 1, max(0, Int((place * Double(count - 1)).rounded())))
      axis[column] = "┬"
      let start = max(0, gutter + 1 + column - label.count / 2)
      guard start >= free, start + label.count <= numbers.count else { continue }
      for (offset, character) in label.enumerated() { numbers[start + offset] = character }
      free = start + label.count + 1
    }
    let trimmedNumbers = String(String(numbers).reversed().drop { $0 == " " }.reversed())
    return [String(repeating: " ", count: gutter) + "└" + String(axis), trimmedNumbers]
  }

  private func bars(_ edges: [Double], _ counts: [Int], _ width: Int, _ height: Int, _ colour: Bool) -> [String] {
    let most = max(counts.max() ?? 0, 1)
    let gutter = String(most).count
    let columns = max(1, width - gutter - 2)
    // More bins than columns: neighbours share one, which shows the fuller.
    let share = (counts.count + columns - 1) / columns
    let counts =
      share <= 1 ? counts : stride(from: 0, to: counts.count, by: share).map { counts[$0..<min($0 + share, counts.count)].max() ?? 0 }
    let each = max(1, columns / max(counts.count, 1))
    let eighths = Array(" ▁▂▃▄▅▆▇█")
    var lines = (0..<height).map { row -> String in
      let cells = counts.map { count -> String in
        let filled = Double(count) / Double(most) * Double(height * 8)
        let here = Int(filled.rounded()) - (height - 1 - row) * 8
        // A bin that holds something is never drawn as empty.
        let level = min(8, max(row == height - 1 && count > 0 ? 1 : 0, here))
        return String(repeating: eighths[level], count: each)
      }.joined()
      let label = row == 0 ? String(most) : row == height - 1 ? "0" : ""
      let ink = colour ? "\u{1B}[38;5;\(palette[0])m\(cells)\u{1B}[0m" : cells
      return TextWidth.pad(label, to: gutter, right: true) + (label.isEmpty ? " │" : " ┤") + ink
    }
    lines += horizontalAxis(Ticks(edges, count: max(2, each * counts.count / 14)), gutter: gutter + 1, columns: each * counts.count)
    return lines
  }

  private func heat(_ rows: [[Double]], _ width: Int, _ height: Int, _ colour: Bool) -> [String] {
    let finite = rows.joined().filter(\.isFinite)
    let low = finite.min() ?? 0
    let high = finite.max() ?? 0
    let scale = { (number: Double) -> Double? in number.isFinite ? place(number, from: low, to: high) : nil
    }
    let shown = averaged(rows, rows: colour ? height * 2 : height, columns: colour ? width : width / 2)
    var lines: [String] = []
    if colour {
      for top in stride(from: 0, to: shown.count, by: 2) {
        var line = ""
        for column in shown[top].indices {
          line += "\u{1B}[38;5;\(heatColour(scale(shown[top][column])))m"
          line += top + 1 < shown.count ? "\u{1B}[48;5;\(heatColour(scale(shown[top + 1][column])))m▀" : "\u{1B}[49m▀"
        }
        lines.append(line + "\u{1B}[0m")
      }
    } else {
      let shades = Array("·░▒▓█")
      for row in shown {
        lines.append(row.map { number in scale(number).map { String(repeating: shades[min(4, Int($0 * 5))], count: 2) } ?? "??" }.joined())
      }
    }
    let size = "\(rows.count) × \(rows.first?.count ?? 0)"
    lines.append("\(compact(low)) … \(compact(high))  (\(size))")
    return lines
  }
}

/// A curve as lines of text, for progress that is redrawn in place.
public func curveText(_ numbers: [Double], width: Int, height: Int, colour: Bool) -> [String] {
  let series = Series(name: "", x: numbers.indices.map { Double($0 + 1) }, y: numbers)
  let plot = PlotValue(.lines([series]), PlotOptions(width: max(24, width), height: max(3, height)))
  return plot.terminal(DisplayOptions(width: width, colour: colour, plain: !colour)).split(separator: "\n").map(String.init)
}

/// A grid made no larger than a number of rows and columns by averaging neighbours.
func averaged(_ grid: [[Double]], rows: Int, columns: Int) -> [[Double]] {
  let height = min(rows, grid.count)
  let width = min(columns, grid.first?.count ?? 0)
  guard height > 0, width > 0 else { return [] }
  return (0..<height).map { row in
    let sourceRows = grid[row * grid.count / height..<max(row * grid.count / height + 1, (row + 1) * grid.count / height)]
    return (0..<width).map { column in
      var sum = 0.0
      var count = 0
      for source in sourceRows {
        let first = column * source.count / width
        for number in source[first..<max(first + 1, (column + 1) * source.count / width)] where number.isFinite {
          sum += number
          count += 1
        }
      }
      return count == 0 ? .nan : sum / Double(count)
    }
  }
}

/// From dark violet over green to yellow; grey for what is no number.
private func heatColour(_ level: Double?) -> Int {
  guard let level else { return 240 }
  let steps = [53, 54, 55, 61, 60, 66, 67, 30, 36, 35, 41, 77, 76, 112, 148, 184, 220, 226]
  return steps[min(steps.count - 1, max(0, Int(level * Double(steps.count))))]
}

/// Dots two wide and four high in each cell.
private struct BrailleCanvas {
  let columns: Int
  let rows: Int
  private var dots: [UInt8]
  private var inks: [Int]

  init(columns: Int, rows: Int) {
    self.columns = columns
    self.rows = rows
    dots = Array(repeating: 0, count: columns * rows)
    inks = Array(repeating: -1, count: columns * rows)
  }

  mutating func draw(_ series: Series, _ xTicks: Ticks, _ yTicks: Ticks, ink: Int, isDashed: Bool, isJoined: Bool = true) {
    var last: (x: Int, y: Int)?
    var drawn = 0
    for (x, y) in zip(series.x, series.y) {
      guard x.isFinite, y.isFinite, !yTicks.isLog || y > 0 else {
        last = nil
        continue
      }
      let point = (
        x: Int((xTicks.place(x) * Double(columns * 2 - 1)).rounded()), y: Int(((1 - yTicks.place(y)) * Double(rows * 4 - 1)).rounded())
      )
      let from = last ?? point
      let steps = max(abs(point.x - from.x), abs(point.y - from.y), 1)
      for step in (last == nil ? 0 : 1)...steps {
        drawn += 1
        if isDashed, !isInked(drawn, ink) { continue }
        set(from.x + (point.x - from.x) * step / steps, from.y + (point.y - from.y) * step / steps, ink)
      }
      last = isJoined ? point : nil
    }
  }

  /// Without colour the second curve is dashed and the third dotted.
  private func isInked(_ position: Int, _ ink: Int) -> Bool {
    switch ink % 3 {
    case 1: position % 6 < 3
    case 2: position % 3 == 0
    default: true
    }
  }

  private mutating func set(_ x: Int, _ y: Int, _ ink: Int) {
    guard x >= 0, y >= 0, x < columns * 2, y < rows * 4 else { return }
    let bits: [[UInt8]] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]]
    let cell = (y / 4) * columns + x / 2
    dots[cell] |= bits[y % 4][x % 2]
    inks[cell] = ink
  }

  func line(_ row: Int, colour: [Int]?) -> String {
    var text = ""
    var current = -1
    let end = dots[row * columns..<(row + 1) * columns].lastIndex { $0 != 0 } ?? row * columns - 1
    for cell in row * columns..<end + 1 {
      if let colour, inks[cell] >= 0, inks[cell] != current {
        current = inks[cell]
        text += "\u{1B}[38;5;\(colour[current % colour.count])m"
      }
      text.unicodeScalars.append(dots[cell] == 0 ? " " : Unicode.Scalar(0x2800 + UInt32(dots[cell])) ?? " ")
    }
    return current >= 0 ? text + "\u{1B}[0m" : text
  }
}
