// What an evaluation gives: numbers with intervals, the rows they were made of, a table and a picture.

import Distillation
import Language

/// The result of `mt_bench`, `win_rate` or `multiple_choice`.
final class EvaluationValue: ObjectValue {
  private let title: String
  private let fields: ValueMap
  private let summary: [Value]
  private let bars: [Bar]

  /// Fields of its own, beside `title`, `summary` and `plot`.
  init(_ title: String, fields: ValueMap, summary: [Value], bars: [Bar]) {
    self.title = title
    self.fields = fields
    self.summary = summary
    self.bars = bars
  }

  var typeName: String { "report" }
  var fieldNames: [String] { ["title", "summary", "plot"] + fields.keys }

  func field(_ name: String) throws -> Value? {
    switch name {
    case "title": .string(title)
    case "summary": .list(summary)
    case "plot": .object(plot)
    default: fields[name]
    }
  }

  private var plot: PlotValue {
    var options = PlotOptions()
    options.title = title
    return PlotValue(.bars(bars), options)
  }

  func plain() throws -> Value {
    var map = fields
    map["title"] = .string(title)
    map["summary"] = .list(summary)
    return .map(map)
  }

  func display(_ options: DisplayOptions) -> String {
    guard case .map(let first)? = summary.first else { return title }
    let rows = table(summary, headings: Array(first.keys)).text(width: options.width, maxRows: options.maxRows, colour: options.colour)
    return "\(title)\n\(rows)"
  }
}

extension Estimate {
  /// The estimate as a map.
  var map: ValueMap { ["value": .float(value), "low": .float(low), "high": .float(high), "interval": .string(method)] }

  /// The estimate as a bar.
  func bar(_ name: String) -> Bar { Bar(name: name, value: value, low: low, high: high) }
}
