// A picture as a value: what is drawn, apart from how. Terminal and SVG renderings are in files of their own.
import Formats
import Language
import OrderedCollections

/// One curve.
struct Series {
  let name: String
  let x: [Double]
  let y: [Double]
}

/// What a plot shows.
enum Picture {
  case lines([Series])
  /// Points that no line joins.
  case points([Series])
  /// Counts between edges; one edge more than counts.
  case histogram(edges: [Double], counts: [Int])
  /// Rows from the top, all of one length.
  case heat([[Double]])
  /// Named numbers from 0, each with an interval where one is known.
  case bars([Bar])
}

/// Words and sizes of a plot.
struct PlotOptions {
  var title = ""
  var xLabel = ""
  var width: Int?
  var height: Int?
  var isLog = false
}

/// A plot: shown at the prompt, printed by `print`, saved as SVG by `save`.
final class PlotValue: ObjectValue {
  let picture: Picture
  let options: PlotOptions

  init(_ picture: Picture, _ options: PlotOptions) {
    self.picture = picture
    self.options = options
  }

  var typeName: String { "plot" }
  var fieldNames: [String] { ["svg", "title"] }

  func field(_ name: String) throws -> Value? {
    switch name {
    case "svg": .string(svg())
    case "title": .string(options.title)
    default: nil
    }
  }

  func display(_ display: DisplayOptions) -> String { terminal(display) }

  var richForms: [String: String] { ["image/svg+xml": svg()] }

  func plain() throws -> Value {
    switch picture {
    case .lines(let series), .points(let series):
      return .map([
        "title": .string(options.title),
        "series": .list(series.map { .map(["name": .string($0.name), "x": list($0.x), "y": list($0.y)]) }),
      ])
    case .histogram(let edges, let counts):
      return .map(["title": .string(options.title), "edges": list(edges), "counts": .list(counts.map { .int(Int64($0)) })])
    case .bars(let bars): return barsValue(bars)
    case .heat(let rows): return .map(["title": .string(options.title), "rows": .list(rows.map(list))])
    }
  }

  func list(_ numbers: [Double]) -> Value { .list(numbers.map { .float($0) }) }
}

/// Round numbers on an axis.
struct Ticks {
  let low: Double
  let high: Double
  let marks: [Double]
  let isLog: Bool

  /// About `count` marks over the finite numbers; the ends are the numbers' own with a margin where there is no extent.
  init(_ numbers: [Double], count: Int, isLog: Bool = false) {
    let finite = numbers.filter { $0.isFinite && (!isLog || $0 > 0) }
    var low = finite.min() ?? 0
    var high = finite.max() ?? 1
    self.isLog = isLog && !finite.isEmpty
    if self.isLog {
      if low == high { (low, high) = (low / 2, high * 2) }
      (self.low, self.high) = (low, high)
      marks = Ticks.decades(low, high, count)
      return
    }
    if low == high {
      let margin = low == 0 ? 1 : abs(low) * 0.05
      (low, high) = (low - margin, high + margin)
    }
    (self.low, self.high) = (low, high)
    let rough = (high / 2 - low / 2) / Double(max(count, 1)) * 2
    let step = Ticks.niceStep(rough)
    guard step.isFinite, step > 0 else {
      marks = [low, high]
      return
    }
    let first = (low / step - 1e-9).rounded(.up)
    let last = (high / step + 1e-9).rounded(.down)
    guard (last - first).isFinite else {
      marks = [low, high]
      return
    }
    let number = Int(min(max(last - first, 0), 50))
    marks = (0...number).map { (first + Double($0)) * step }
  }

  /// Where a number lies, 0 at the low end and 1 at the high end.
  func place(_ number: Double) -> Double {
    if isLog { return Builtins.place(logarithm(number), from: logarithm(low), to: logarithm(high)) }
    return Builtins.place(number, from: low, to: high)
  }

  /// The marks' texts, all with the digits that tell neighbours apart.
  var labels: [String] {
    if isLog { return marks.map { compact($0) } }
    let step = marks.count > 1 ? abs(marks[1] - marks[0]) : max(abs(marks.first ?? 0) / 10, 1e-12)
    let largest = marks.map { abs($0) }.max() ?? 0
    if largest >= 1e6 || (largest > 0 && largest < 1e-3) { return marks.map { $0 == 0 ? "0" : printf("%.3g", $0) } }
    var digits = 0
    var unit = 1.0
    while digits < 8, step < unit * 0.999 || abs(step / unit - (step / unit).rounded()) > 1e-6 {
      digits += 1
      unit /= 10
    }
    return marks.map { fixed($0 == 0 ? 0 : $0, digits) }
  }

  private static func niceStep(_ rough: Double) -> Double {
    let scale = power(10, floorLog10(rough))
    let factor = rough / scale
    return (factor < 1.5 ? 1 : factor < 3 ? 2 : factor < 7 ? 5 : 10) * scale
  }

  private static func decades(_ low: Double, _ high: Double, _ count: Int) -> [Double] {
    let first = floorLog10(low)
    let last = floorLog10(high) + 1
    let every = max(1, Int((last - first) / Double(max(count, 1))))
    let marks = stride(from: first, through: last, by: Double(every)).map { power(10, $0) }.filter {
      $0 >= low * 0.999 && $0 <= high * 1.001
    }
    return marks.count >= 2 ? marks : [low, high]
  }
}
