// A plot as a scene: lines, bars, dots and words at places of a page. SVG and PNG are drawn from the same one.
import Language

/// A colour.
struct Ink: Equatable {
  let red: UInt8
  let green: UInt8
  let blue: UInt8

  init(_ red: UInt8, _ green: UInt8, _ blue: UInt8) { (self.red, self.green, self.blue) = (red, green, blue) }

  static let black = Ink(34, 34, 34)
  static let faint = Ink(221, 221, 221)
  static let white = Ink(255, 255, 255)
  static let missing = Ink(170, 170, 170)
  /// Of the first series, the second, and so on: told apart also by those who see colours otherwise (Okabe and Ito).
  static let series = [
    Ink(0, 114, 178), Ink(213, 94, 0), Ink(0, 158, 115), Ink(204, 121, 167), Ink(230, 159, 0), Ink(86, 180, 233), Ink(0, 0, 0),
    Ink(153, 153, 51),
  ]

  /// Dark violet over teal to yellow; grey for what is no number.
  static func heat(_ level: Double?) -> Ink {
    guard let level else { return missing }
    let stops = [Ink(68, 1, 84), Ink(59, 82, 139), Ink(33, 145, 140), Ink(94, 201, 98), Ink(253, 231, 37)]
    let place = min(max(level, 0), 1) * Double(stops.count - 1)
    let index = min(stops.count - 2, Int(place))
    let rest = place - Double(index)
    let mix = { (from: UInt8, to: UInt8) in UInt8((Double(from) + (Double(to) - Double(from)) * rest).rounded()) }
    let (a, b) = (stops[index], stops[index + 1])
    return Ink(mix(a.red, b.red), mix(a.green, b.green), mix(a.blue, b.blue))
  }
}

/// A place on the page, in pixels from the top left.
struct PagePoint {
  let x: Double
  let y: Double
}

/// One thing on the page.
enum SceneItem {
  case line([PagePoint], Ink, width: Double)
  case bar(PagePoint, width: Double, height: Double, Ink)
  case dot(PagePoint, radius: Double, Ink)
  /// `y` is the middle of the text's height.
  case text(String, PagePoint, Anchor, isBold: Bool)

  enum Anchor: String {
    case start
    case middle
    case end
  }
}

/// A page with a plot.
struct Scene {
  let width = 640.0
  private(set) var height = 360.0
  var items: [SceneItem] = []
  private let left = 64.0
  private let top = 32.0
  private let right = 624.0
  private let bottom = 312.0

  init(_ plot: PlotValue) {
    switch plot.picture {
    case .lines(let series): curves(series, plot.options)
    case .points(let series): curves(series, plot.options, isPoints: true)
    case .histogram(let edges, let counts): bars(edges, counts)
    case .bars(let bars): height = named(bars)
    case .heat(let rows): heat(rows)
    }
    if !plot.options.title.isEmpty {
      items.append(.text(plot.options.title, PagePoint(x: width / 2, y: 16), .middle, isBold: true))
    }
    if !plot.options.xLabel.isEmpty {
      items.append(.text(plot.options.xLabel, PagePoint(x: (left + right) / 2, y: height - 12), .middle, isBold: false))
    }
  }

  private func across(_ place: Double) -> Double { left + place * (right - left) }
  private func up(_ place: Double) -> Double { bottom - place * (bottom - top) }

  private mutating func curves(_ series: [Series], _ options: PlotOptions, isPoints: Bool = false) {
    let x = Ticks(series.flatMap(\.x), count: 6)
    let y = Ticks(series.flatMap(\.y), count: 5, isLog: options.isLog)
    axes(x, y)
    for (index, one) in series.enumerated() {
      let ink = Ink.series[index % Ink.series.count]
      for run in Scene.runs(one, y) where !run.isEmpty {
        let points = run.map { PagePoint(x: across(x.place($0.0)), y: up(y.place($0.1))) }
        if isPoints {
          for point in points { items.append(.dot(point, radius: 2.5, ink)) }
        } else if points.count == 1 {
          items.append(.dot(points[0], radius: 2, ink))
        } else {
          items.append(.line(points, ink, width: 1.5))
        }
      }
    }
    legend(series)
  }

  private mutating func legend(_ series: [Series]) {
    let named = series.enumerated().filter { !$0.element.name.isEmpty }
    guard let longest = named.map({ TextWidth.of($0.element.name) }).max() else { return }
    let width = min(Double(longest) * 7 + 34, right - left)
    items.append(.bar(PagePoint(x: right - width, y: top), width: width, height: Double(named.count) * 16 + 6, .white))
    for (line, (index, one)) in named.enumerated() {
      let y = top + 11 + 16 * Double(line)
      items.append(.bar(PagePoint(x: right - width + 6, y: y - 1.5), width: 14, height: 3, Ink.series[index % Ink.series.count]))
      items.append(.text(one.name, PagePoint(x: right - width + 26, y: y), .start, isBold: false))
    }
  }

  /// Stretches of finite points; a gap in the data is a gap in the curve.
  private static func runs(_ series: Series, _ y: Ticks) -> [[(Double, Double)]] {
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

  private mutating func bars(_ edges: [Double], _ counts: [Int]) {
    let x = Ticks(edges, count: 6)
    let y = Ticks([0] + counts.map(Double.init), count: 5)
    axes(x, y)
    for (index, count) in counts.enumerated() {
      let (from, to) = (across(x.place(edges[index])), across(x.place(edges[index + 1])))
      let high = up(y.place(Double(count)))
      items.append(.bar(PagePoint(x: from, y: high), width: max(0.5, to - from - 1), height: bottom - high, Ink.series[0]))
    }
  }

  private mutating func heat(_ rows: [[Double]]) {
    let finite = rows.joined().filter(\.isFinite)
    let size = "\(rows.count) × \(rows.first?.count ?? 0)"
    let (low, high) = (finite.min() ?? 0, finite.max() ?? 0)
    // The page has no more room to tell cells apart.
    let rows = averaged(rows, rows: 140, columns: 160)
    let scaleWidth = 14.0
    let end = right - 70
    let cell = (width: (end - left) / Double(max(rows.first?.count ?? 0, 1)), height: (bottom - top) / Double(max(rows.count, 1)))
    for (row, numbers) in rows.enumerated() {
      for (column, number) in numbers.enumerated() {
        let level = number.isFinite ? place(number, from: low, to: high) : nil
        let corner = PagePoint(x: left + Double(column) * cell.width, y: top + Double(row) * cell.height)
        items.append(.bar(corner, width: cell.width, height: cell.height, .heat(level)))
      }
    }
    for step in 0..<50 {
      let y = bottom - Double(step + 1) / 50 * (bottom - top)
      items.append(
        .bar(PagePoint(x: end + 14, y: y), width: scaleWidth, height: (bottom - top) / 50 + 0.5, .heat(Double(step) / 49)))
    }
    items.append(.text(compact(high), PagePoint(x: end + 18 + scaleWidth, y: top + 5), .start, isBold: false))
    items.append(.text(compact(low), PagePoint(x: end + 18 + scaleWidth, y: bottom - 5), .start, isBold: false))
    items.append(.text(size, PagePoint(x: (left + end) / 2, y: bottom + 14), .middle, isBold: false))
  }

  private mutating func axes(_ x: Ticks, _ y: Ticks) {
    for (mark, label) in zip(y.marks, y.labels) where y.place(mark) >= -1e-9 && y.place(mark) <= 1 + 1e-9 {
      let at = up(y.place(mark))
      items.append(.line([PagePoint(x: left, y: at), PagePoint(x: right, y: at)], .faint, width: 1))
      items.append(.text(label, PagePoint(x: left - 6, y: at), .end, isBold: false))
    }
    for (mark, label) in zip(x.marks, x.labels) where x.place(mark) >= -1e-9 && x.place(mark) <= 1 + 1e-9 {
      let at = across(x.place(mark))
      items.append(.line([PagePoint(x: at, y: bottom), PagePoint(x: at, y: bottom + 4)], .black, width: 1))
      items.append(.text(label, PagePoint(x: at, y: bottom + 14), .middle, isBold: false))
    }
    let corner = [PagePoint(x: left, y: top), PagePoint(x: left, y: bottom), PagePoint(x: right, y: bottom)]
    items.append(.line(corner, .black, width: 1))
  }
}
