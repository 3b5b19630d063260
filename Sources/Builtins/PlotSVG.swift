// Plots as SVG: the same picture with the same ticks, in a file of its own that any browser shows.
import Language

let inks = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999933"]
private let width = 640.0
private let height = 360.0
private let frame = (left: 64.0, top: 32.0, right: 624.0, bottom: 312.0)

extension PlotValue {
  /// The plot as an SVG document.
  func svg() -> String {
    var body: [String] = []
    switch picture {
    case .lines(let series): body = curves(series)
    case .histogram(let edges, let counts): body = bars(edges, counts)
    case .bars(let bars): body = namedBars(bars)
    case .heat(let rows): body = heat(rows)
    }
    if !options.title.isEmpty {
      body.append("<text x=\"\(width / 2)\" y=\"20\" text-anchor=\"middle\" font-weight=\"bold\">\(escaped(options.title))</text>")
    }
    return """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Int(width)) \(Int(height))" width="\(Int(width))" height="\(Int(height))" \
      font-family="sans-serif" font-size="12" fill="#222">
      <rect width="100%" height="100%" fill="#fff"/>
      \(body.joined(separator: "\n"))
      </svg>

      """
  }

  private func curves(_ series: [Series]) -> [String] {
    let x = Ticks(series.flatMap(\.x), count: 6)
    let y = Ticks(series.flatMap(\.y), count: 5, isLog: options.isLog)
    var body = axes(x, y)
    for (index, one) in series.enumerated() {
      let ink = inks[index % inks.count]
      for run in runs(one, y) where !run.isEmpty {
        let points = run.map { "\(pixel(across: x.place($0.0))),\(pixel(up: y.place($0.1)))" }.joined(separator: " ")
        body.append("<polyline fill=\"none\" stroke=\"\(ink)\" stroke-width=\"1.5\" points=\"\(points)\"/>")
        if run.count == 1 {
          body.append("<circle cx=\"\(pixel(across: x.place(run[0].0)))\" cy=\"\(pixel(up: y.place(run[0].1)))\" r=\"2\" fill=\"\(ink)\"/>")
        }
      }
      if !one.name.isEmpty {
        let line = frame.top + 14 + 16 * Double(index)
        body.append("<rect x=\"\(frame.right - 150)\" y=\"\(line - 8)\" width=\"14\" height=\"3\" fill=\"\(ink)\"/>")
        body.append("<text x=\"\(frame.right - 130)\" y=\"\(line - 2)\">\(escaped(one.name))</text>")
      }
    }
    return body
  }

  /// Stretches of finite points; a gap in the data is a gap in the curve.
  private func runs(_ series: Series, _ y: Ticks) -> [[(Double, Double)]] {
    var result: [[(Double, Double)]] = [[]]
    for point in zip(series.x, series.y) {
      if point.0.isFinite, point.1.isFinite, !y.isLog || point.1 > 0 {
        result[result.count - 1].append(point)
      } else {
        result.append([])
      }
    }
    return result
  }

  private func bars(_ edges: [Double], _ counts: [Int]) -> [String] {
    let x = Ticks(edges, count: 6)
    let y = Ticks([0] + counts.map(Double.init), count: 5)
    var body: [String] = []
    for (index, count) in counts.enumerated() {
      let left = x.place(edges[index])
      let right = x.place(edges[index + 1])
      let top = frame.bottom - y.place(Double(count)) * (frame.bottom - frame.top)
      let wide = (right - left) * (frame.right - frame.left)
      body.append(
        "<rect x=\"\(pixel(across: left))\" y=\"\(fixed(top, 1))\" width=\"\(fixed(max(0.5, wide - 1), 1))\" height=\"\(fixed(frame.bottom - top, 1))\" fill=\"\(inks[0])\"/>"
      )
    }
    return body + axes(x, y)
  }

  private func heat(_ rows: [[Double]]) -> [String] {
    let finite = rows.joined().filter(\.isFinite)
    let low = finite.min() ?? 0
    let high = finite.max() ?? 0
    let columns = max(rows.first?.count ?? 0, 1)
    let cellWidth = (frame.right - frame.left) / Double(columns)
    let cellHeight = (frame.bottom - frame.top) / Double(max(rows.count, 1))
    var body: [String] = []
    for (row, numbers) in rows.enumerated() {
      for (column, number) in numbers.enumerated() {
        let level = number.isFinite ? place(number, from: low, to: high) : nil
        let x = fixed(frame.left + Double(column) * cellWidth, 2)
        let y = fixed(frame.top + Double(row) * cellHeight, 2)
        body.append(
          "<rect x=\"\(x)\" y=\"\(y)\" width=\"\(fixed(cellWidth, 2))\" height=\"\(fixed(cellHeight, 2))\" fill=\"\(heatInk(level))\"/>")
      }
    }
    body.append("<text x=\"\(frame.left)\" y=\"\(frame.bottom + 20)\">\(compact(low)) … \(compact(high))</text>")
    return body
  }

  /// Dark violet over teal to yellow.
  private func heatInk(_ level: Double?) -> String {
    guard let level else { return "#aaa" }
    let stops: [(Double, Double, Double)] = [(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)]
    let place = min(max(level, 0), 1) * Double(stops.count - 1)
    let index = min(stops.count - 2, Int(place))
    let rest = place - Double(index)
    let (a, b) = (stops[index], stops[index + 1])
    let mix = { (from: Double, to: Double) in Int((from + (to - from) * rest).rounded()) }
    return "rgb(\(mix(a.0, b.0)),\(mix(a.1, b.1)),\(mix(a.2, b.2)))"
  }

  private func axes(_ x: Ticks, _ y: Ticks) -> [String] {
    var body = ["<path d=\"M\(frame.left) \(frame.top)V\(frame.bottom)H\(frame.right)\" fill=\"none\" stroke=\"#222\"/>"]
    for (mark, label) in zip(x.marks, x.labels) where x.place(mark) >= -1e-9 && x.place(mark) <= 1 + 1e-9 {
      let at = pixel(across: x.place(mark))
      body.append("<path d=\"M\(at) \(frame.bottom)v4\" stroke=\"#222\"/>")
      body.append("<text x=\"\(at)\" y=\"\(frame.bottom + 18)\" text-anchor=\"middle\">\(label)</text>")
    }
    for (mark, label) in zip(y.marks, y.labels) where y.place(mark) >= -1e-9 && y.place(mark) <= 1 + 1e-9 {
      let at = pixel(up: y.place(mark))
      body.append("<path d=\"M\(frame.left) \(at)H\(frame.right)\" stroke=\"#ddd\"/>")
      body.append("<text x=\"\(frame.left - 6)\" y=\"\(at)\" text-anchor=\"end\" dominant-baseline=\"middle\">\(label)</text>")
    }
    if !options.xLabel.isEmpty {
      body.append("<text x=\"\(width / 2)\" y=\"\(height - 8)\" text-anchor=\"middle\">\(escaped(options.xLabel))</text>")
    }
    return body
  }

  private func pixel(across place: Double) -> String { fixed(frame.left + place * (frame.right - frame.left), 1) }
  private func pixel(up place: Double) -> String { fixed(frame.bottom - place * (frame.bottom - frame.top), 1) }
}

func escaped(_ text: String) -> String {
  var result = ""
  for character in text {
    switch character {
    case "<": result += "&lt;"
    case ">": result += "&gt;"
    case "&": result += "&amp;"
    case "\"": result += "&quot;"
    default: result.append(character)
    }
  }
  return result
}
