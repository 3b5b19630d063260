// Named bars: how many are left after each step of a pipeline, a score per category with its interval.

import Language

/// A named number.
struct Bar {
  let name: String
  let value: Double
  /// Ends of an interval around it.
  var low: Double?
  var high: Double?
}

extension PlotValue {
  func barsValue(_ bars: [Bar]) -> Value {
    .map([
      "title": .string(options.title), "names": .list(bars.map { .string($0.name) }), "values": list(bars.map(\.value)),
      "low": .list(bars.map { $0.low.map { .float($0) } ?? .none }), "high": .list(bars.map { $0.high.map { .float($0) } ?? .none }),
    ])
  }

  /// One line per bar: name, bar in eighths of a block, number.
  func namedBars(_ bars: [Bar], _ width: Int, _ colour: Bool) -> [String] {
    let top = bars.flatMap { [$0.value, $0.high ?? 0] }.max() ?? 1
    let names = min(bars.map { TextWidth.of($0.name) }.max() ?? 0, width / 2)
    let numbers = bars.map(\.number)
    let room = max(8, width - names - 3 - (numbers.map { TextWidth.of($0) }.max() ?? 0))
    return zip(bars, numbers).map { bar, number in
      let eighths = top > 0 ? Int((max(0, bar.value) / top * Double(room * 8)).rounded()) : 0
      let partial = eighths % 8 == 0 ? "" : String("▏▎▍▌▋▊▉"["▏▎▍▌▋▊▉".index("▏▎▍▌▋▊▉".startIndex, offsetBy: eighths % 8 - 1)])
      let drawn = String(repeating: "█", count: eighths / 8) + partial
      let painted = colour ? "\u{1B}[38;5;39m\(drawn)\u{1B}[0m" : drawn
      return "\(TextWidth.pad(TextWidth.cut(bar.name, to: names), to: names, right: false)) │\(painted) \(number)"
    }
  }
}

extension Scene {
  /// The bars as lying rectangles with their intervals as whiskers.
  mutating func named(_ bars: [Bar]) {
    let top = max(bars.flatMap { [$0.value, $0.high ?? 0] }.max() ?? 1, 1e-12)
    let (left, right, first, last) = (190.0, 560.0, 36.0, 348.0)
    let step = (last - first) / Double(max(1, bars.count))
    func across(_ value: Double) -> Double { left + (right - left) * max(0, value) / top }
    for (index, bar) in bars.enumerated() {
      let y = first + step * Double(index)
      let middle = y + step / 2
      items.append(.bar(PagePoint(x: left, y: y + step * 0.15), width: across(bar.value) - left, height: step * 0.7, Ink.series[0]))
      items.append(.text(bar.name, PagePoint(x: left - 8, y: middle), .end, isBold: false))
      items.append(.text(bar.number, PagePoint(x: across(bar.high ?? bar.value) + 6, y: middle), .start, isBold: false))
      if let low = bar.low, let high = bar.high {
        items.append(.line([PagePoint(x: across(low), y: middle), PagePoint(x: across(high), y: middle)], .black, width: 1.5))
      }
    }
  }
}

extension Bar {
  /// The value, and its interval where there is one.
  fileprivate var number: String {
    guard let low, let high else { return compact(value) }
    return "\(compact(value)) [\(compact(low)), \(compact(high))]"
  }
}

func barBuiltins() -> [Builtin] {
  [
    Builtin(
      "bars", category: "Looking",
      [
        Parameter("values", .anyOf([.map, .list]), help: "a map of names and numbers, or rows"),
        Parameter("name", .string, default: Value.none, help: "of rows: the column with names; none: the first"),
        Parameter("value", .string, default: Value.none, help: "of rows: the column with numbers; none: the second"),
        Parameter("title", .string, default: ""), Parameter("width", .int, default: Value.none, range: 24...400, help: "columns"),
      ],
      returns: "plot", summary: "Named numbers as bars.", example: "print(bars({chosen: 0.8, rejected: 0.3}, title: \"rewards\"))"
    ) { call in
      var options = PlotOptions()
      options.title = try call.string("title")
      options.width = try call.optionalInt("width")
      return .object(PlotValue(.bars(try barsArgument(call)), options))
    }
  ]
}

private func barsArgument(_ call: Call) throws -> [Bar] {
  if case .map(let map) = call["values"] {
    return try map.map { name, value in Bar(name: name, value: try barNumber(value, name)) }
  }
  return try call.list("values").enumerated().map { index, row in
    guard case .map(let map) = row, map.count >= 2 || (call.given("name") && call.given("value")) else {
      throw ZsError(kind: "type", message: "bars needs rows of a name and a number", hint: "bars({a: 1, b: 2})", argument: "values")
    }
    let nameKey = try call.optionalString("name") ?? map.keys[0]
    let valueKey = try call.optionalString("value") ?? map.keys[1]
    guard let name = map[nameKey], let value = map[valueKey] else {
      throw ZsError(kind: "key", message: "row \(index) has no '\(map[nameKey] == nil ? nameKey : valueKey)'", argument: "values")
    }
    return Bar(name: name.printed, value: try barNumber(value, name.printed))
  }
}

private func barNumber(_ value: Value, _ name: String) throws -> Double {
  guard let number = value.number, number.isFinite else {
    throw ZsError(kind: "type", message: "the bar '\(name)' is no finite number", argument: "values")
  }
  return number
}
