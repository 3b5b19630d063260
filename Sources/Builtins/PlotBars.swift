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

  /// One line per bar: name, bar in eighths of a block, number; bars of negative numbers stand left of the others' beginning.
  func namedBars(_ bars: [Bar], _ width: Int, _ colour: Bool) -> [String] {
    let span = bars.extent
    let names = min(bars.map { TextWidth.of($0.name) }.max() ?? 0, width / 2)
    let numbers = bars.map(\.number)
    let room = max(8, width - names - 3 - (numbers.map { TextWidth.of($0) }.max() ?? 0))
    func eighths(_ value: Double) -> Int { Int((abs(value) / (span.high - span.low) * Double(room * 8)).rounded()) }
    let margin = (eighths(span.low) + 7) / 8
    return zip(bars, numbers).map { bar, number in
      let length = eighths(bar.value)
      let drawn: String
      if bar.value < 0 {
        let blocks = (length + 4) / 8
        drawn = String(repeating: " ", count: max(0, margin - blocks)) + String(repeating: "█", count: blocks)
      } else {
        let partial = length % 8 == 0 ? "" : String("▏▎▍▌▋▊▉"["▏▎▍▌▋▊▉".index("▏▎▍▌▋▊▉".startIndex, offsetBy: length % 8 - 1)])
        drawn = String(repeating: " ", count: margin) + String(repeating: "█", count: length / 8) + partial
      }
      let painted = colour ? "\u{1B}[38;5;39m\(drawn)\u{1B}[0m" : drawn
      return "\(TextWidth.pad(TextWidth.cut(bar.name, to: names), to: names, right: false)) │\(painted) \(number)"
    }
  }
}

extension Scene {
  /// The bars as lying rectangles from 0 with their intervals as whiskers; names and numbers get the room that the longest takes.
  ///
  /// - Returns: The height of the page that they need.
  mutating func named(_ bars: [Bar]) -> Double {
    let span = bars.extent
    let letter = 6.8
    let names = min(Double(bars.map { TextWidth.of($0.name) }.max() ?? 0) * letter, 280)
    let numbers = Double(bars.map { TextWidth.of($0.number) }.max() ?? 0) * letter
    let (left, right, first) = (names + 18, width - numbers - 18, 36.0)
    let step = min((348 - first) / Double(max(1, bars.count)), 40)
    func across(_ value: Double) -> Double { left + (right - left) * (value - span.low) / (span.high - span.low) }
    for (index, bar) in bars.enumerated() {
      let y = first + step * Double(index)
      let middle = y + step / 2
      let ends = [across(0), across(bar.value)].sorted()
      items.append(.bar(PagePoint(x: ends[0], y: y + step * 0.15), width: ends[1] - ends[0], height: step * 0.7, Ink.series[5]))
      items.append(.text(TextWidth.cut(bar.name, to: 41), PagePoint(x: left - 8, y: middle), .end, isBold: false))
      items.append(.text(bar.number, PagePoint(x: across(max(0, bar.value, bar.high ?? 0)) + 6, y: middle), .start, isBold: false))
      guard let low = bar.low, let high = bar.high else { continue }
      items.append(.line([PagePoint(x: across(low), y: middle), PagePoint(x: across(high), y: middle)], .black, width: 1.5))
      for end in [across(low), across(high)] {
        items.append(.line([PagePoint(x: end, y: middle - step * 0.15), PagePoint(x: end, y: middle + step * 0.15)], .black, width: 1.5))
      }
    }
    let foot = first + step * Double(bars.count)
    items.append(.line([PagePoint(x: across(0), y: first), PagePoint(x: across(0), y: foot)], .black, width: 1))
    return foot + 12
  }
}

extension [Bar] {
  /// From the smallest to the largest number or end of an interval, 0 among them.
  fileprivate var extent: (low: Double, high: Double) {
    let low = map { Swift.min($0.value, $0.low ?? 0, 0) }.min() ?? 0
    let high = map { Swift.max($0.value, $0.high ?? 0, 0) }.max() ?? 0
    return high > low ? (low, high) : (0, 1)
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
        Parameter("values", .anyOf([.map, .list]), help: "a map of names and numbers, or rows; low and high are drawn as an interval"),
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
    var bar = Bar(name: name.printed, value: try barNumber(value, name.printed))
    if let low = map["low"]?.number, let high = map["high"]?.number, low.isFinite, high.isFinite { (bar.low, bar.high) = (low, high) }
    return bar
  }
}

private func barNumber(_ value: Value, _ name: String) throws -> Double {
  guard let number = value.number, number.isFinite else {
    throw ZsError(kind: "type", message: "the bar '\(name)' is no finite number", argument: "values")
  }
  return number
}
