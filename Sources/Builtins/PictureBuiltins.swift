// Looking: curves, histograms, heat maps, sparklines and tables.
import Formats
import Language

private let numbersHelp = "a list, range or tensor of numbers"

func pictureBuiltins() -> [Builtin] {
  [
    Builtin(
      "plot", category: "Looking",
      [
        Parameter("data", .any, help: "numbers, or rows such as t.history"),
        Parameter("more", .any, variadic: true, help: "more numbers against the first, or the names to draw"),
        Parameter("title", .string, default: ""), Parameter("x_label", .string, default: ""),
        Parameter("width", .int, default: Value.none, range: 24...400, help: "columns"),
        Parameter("height", .int, default: Value.none, range: 3...200, help: "rows"),
        Parameter("log", .bool, default: false, help: "a logarithmic y axis"),
      ],
      returns: "plot", summary: "Curves: plot(y), plot(x, y), plot(rows, \"loss\", …).",
      example: "print(plot([x * x for x in 0...20], title: \"squares\"))",
      details: "A plot is shown at the prompt; in a script print it, or save(plot, \"x.svg\") or \"x.png\"."
    ) { call in
      let series = try allSeries(call["data"], call.variadic)
      var options = try plotOptions(call)
      options.isLog = try call.bool("log")
      if options.isLog, !series.contains(where: { $0.y.contains { $0 > 0 } }) {
        throw ZsError("a logarithmic axis needs a number above 0", argument: "log")
      }
      return .object(PlotValue(.lines(series), options))
    },
    Builtin(
      "scatter", category: "Looking",
      [
        Parameter("x", .any, help: numbersHelp),
        Parameter("y", .any, variadic: true, help: "as many numbers; several lists are several colours"),
        Parameter("title", .string, default: ""), Parameter("x_label", .string, default: ""),
        Parameter("width", .int, default: Value.none, range: 24...400, help: "columns"),
        Parameter("height", .int, default: Value.none, range: 3...200, help: "rows"),
        Parameter("log", .bool, default: false, help: "a logarithmic y axis"),
      ],
      returns: "plot", summary: "Points that no line joins.", example: "print(scatter([1, 2, 3, 4], [1, 4, 2, 3]))"
    ) { call in
      if call.variadic.isEmpty { throw ZsError("scatter needs y as well as x", hint: "scatter(x, y)", argument: "y") }
      let series = try allSeries(call["x"], call.variadic)
      var options = try plotOptions(call)
      options.isLog = try call.bool("log")
      if options.isLog, !series.contains(where: { $0.y.contains { $0 > 0 } }) {
        throw ZsError("a logarithmic axis needs a number above 0", argument: "log")
      }
      return .object(PlotValue(.points(series), options))
    },
    Builtin(
      "hist", category: "Looking",
      [
        Parameter("x", .any, help: numbersHelp), Parameter("bins", .int, default: Value.none, range: 1...1000),
        Parameter("title", .string, default: ""),
        Parameter("x_label", .string, default: ""), Parameter("width", .int, default: Value.none, range: 24...400, help: "columns"),
        Parameter("height", .int, default: Value.none, range: 3...200, help: "rows"),
      ],
      returns: "plot", summary: "How often numbers fall between edges.", example: "print(hist([1, 2, 2, 3, 3, 3], bins: 3))"
    ) { call in
      let all = try flat(call["x"], for: "hist").filter(\.isFinite)
      if all.isEmpty { throw ZsError("hist needs at least one finite number", argument: "x") }
      let (edges, counts) = binned(all, bins: try call.optionalInt("bins"))
      return .object(PlotValue(.histogram(edges: edges, counts: counts), try plotOptions(call)))
    },
    Builtin(
      "heatmap", category: "Looking",
      [
        Parameter("x", .any, help: "a tensor of two axes, or a list of rows"), Parameter("title", .string, default: ""),
        Parameter("x_label", .string, default: ""),
        Parameter("width", .int, default: Value.none, range: 24...400, help: "columns"),
        Parameter("height", .int, default: Value.none, range: 2...200, help: "rows"),
      ],
      returns: "plot", summary: "A grid of numbers as colours.", example: "print(heatmap([[1, 2], [3, 4]]))"
    ) { call in .object(PlotValue(.heat(try grid(call["x"])), try plotOptions(call))) },
    Builtin(
      "sparkline", category: "Looking", [Parameter("y", .any, help: numbersHelp)],
      returns: "str", summary: "A curve within a line of text.", example: "sparkline([3, 2, 1.5, 1.2, 1.1])"
    ) { call in .string(sparkline(try numbers(of: call["y"], what: "sparkline"))) },
    Builtin(
      "table", category: "Looking",
      [
        Parameter("rows", .any, help: "maps, or objects with fields"),
        Parameter("columns", .list, default: Value.none, help: "which entries; none: those of the first row"),
      ],
      returns: "none", summary: "Writes rows under headings.", example: "table([{id: 1, text: \"aye\"}, {id: 2, text: \"nay\"}])"
    ) { call in try writeTable(call) },
    Builtin(
      "save", category: "Looking",
      [Parameter("plot", .object("plot")), Parameter("path", .string, help: "ends in .svg or .png; a strip's in .svg or .html")],
      returns: "none", summary: "Writes a plot as SVG or PNG, a strip of tokens as SVG or HTML.",
      example: "save(plot([1, 3, 2]), \"/tmp/zs-example.svg\")"
    ) { call in
      try savePicture(try call.object("plot", as: (any ObjectValue).self), to: try call.string("path"))
      return .none
    },
  ]
}

private func plotOptions(_ call: Call) throws -> PlotOptions {
  PlotOptions(
    title: try call.string("title"), xLabel: try call.string("x_label"), width: try call.optionalInt("width"),
    height: try call.optionalInt("height"))
}

private func allSeries(_ data: Value, _ more: [Value]) throws -> [Series] {
  let names = more.compactMap(\.text)
  if !names.isEmpty || isRows(data) {
    guard names.count == more.count else {
      throw ZsError(kind: "type", message: "plot of rows takes names only", hint: "plot(t.history, \"loss\")")
    }
    return try series(ofRows: try elements(of: data, for: "plot"), names)
  }
  let first = try numbers(of: data, what: "plot")
  if first.isEmpty { throw ZsError("plot needs at least one number", argument: "data") }
  if more.isEmpty { return [Series(name: "", x: first.indices.map(Double.init), y: first)] }
  return try more.enumerated().map { index, value in
    let y = try numbers(of: value, what: "plot")
    guard y.count == first.count else { throw ZsError("plot needs as many y as x: \(first.count) and \(y.count)", argument: "more") }
    return Series(name: more.count > 1 ? "y\(index + 1)" : "", x: first, y: y)
  }
}

private func isRows(_ data: Value) -> Bool {
  switch data {
  case .list(let list):
    switch list.first {
    case .map?: return true
    case .object(let object)?: return !object.fieldNames.isEmpty && object.typeName != "tensor"
    default: return false
    }
  case .object(let object): return object.typeName != "tensor"
  default: return false
  }
}

private func series(ofRows rows: [Value], _ wanted: [String]) throws -> [Series] {
  guard let first = rows.first else { throw ZsError("there are no rows to plot yet", hint: "take a step first", argument: "data") }
  let steps = rows.enumerated().map { index, row in cell(row, "step")?.number ?? Double(index) }
  var names = wanted
  if names.isEmpty, cell(first, "loss")?.number != nil { names = ["loss"] }
  if names.isEmpty, case .map(let map) = first { names = map.keys.filter { map[$0]?.number != nil && $0 != "step" } }
  if names.isEmpty { throw ZsError("the rows have no numbers to plot", argument: "data") }
  return try names.map { name in
    let y = try rows.map { row -> Double in
      guard let value = cell(row, name), !value.isNone else { return .nan }
      return try orderedNumber(value) ?? .nan
    }
    guard y.contains(where: \.isFinite) else {
      let known = keys(of: first)
      let near = nearest(to: name, among: known).map { "; did you mean '\($0)'?" } ?? ""
      throw ZsError(
        kind: "key", message: "the rows have no numbers under '\(name)'\(near)",
        hint: known.isEmpty ? nil : "there are: " + known.joined(separator: ", "))
    }
    return Series(name: name, x: steps, y: y)
  }
}

private func keys(of row: Value) -> [String] {
  switch row {
  case .map(let map): Array(map.keys)
  case .object(let object): object.fieldNames
  default: []
  }
}

/// All numbers of nested lists or a tensor of any shape.
private func flat(_ value: Value, for function: String) throws -> [Double] {
  let plain = try value.plain()
  if let number = plain.number { return [number] }
  guard case .list(let list) = plain else {
    return plain.isNone ? [.nan] : try numbers(of: plain, what: function)
  }
  return try list.flatMap { try flat($0, for: function) }
}

func binned(_ numbers: [Double], bins wanted: Int?) -> (edges: [Double], counts: [Int]) {
  var low = numbers.min() ?? 0
  var high = numbers.max() ?? 1
  if low == high { (low, high) = (low - 0.5, high + 0.5) }
  let bins = wanted ?? min(60, max(5, Int(2 * power(Double(numbers.count), 1 / 3.0))))
  let width = (high / Double(bins) - low / Double(bins))
  var counts = [Int](repeating: 0, count: bins)
  for number in numbers { counts[min(bins - 1, Int(place(number, from: low, to: high) * Double(bins)))] += 1 }
  return ((0...bins).map { $0 == bins ? high : low + Double($0) * width }, counts)
}

private func grid(_ value: Value) throws -> [[Double]] {
  let shapeError = ZsError(kind: "shape", message: "heatmap needs a grid: a tensor of two axes, or rows of one length", argument: "x")
  guard case .list(let rows) = try value.plain(), !rows.isEmpty else { throw shapeError }
  let result = try rows.map { row -> [Double] in
    guard case .list(let cells) = row else { throw shapeError }
    return try cells.map { cell in
      if cell.isNone { return .nan }
      guard let number = cell.number else { throw shapeError }
      return number
    }
  }
  guard !result[0].isEmpty, result.allSatisfy({ $0.count == result[0].count }) else { throw shapeError }
  return result
}

/// A curve in eighths of a block; numbers that are none leave a gap.
func sparkline(_ numbers: [Double]) -> String {
  let finite = numbers.filter(\.isFinite)
  guard let low = finite.min(), let high = finite.max() else { return String(repeating: " ", count: numbers.count) }
  let blocks = Array("▁▂▃▄▅▆▇█")
  return String(
    numbers.map { number -> Character in
      if !number.isFinite { return " " }
      return high > low ? blocks[min(7, Int(place(number, from: low, to: high) * 8))] : blocks[3]
    })
}

private func writeTable(_ call: Call) throws -> Value {
  let rows = try elements(of: call["rows"], for: "table")
  guard let first = rows.first else {
    call.context.write("(no rows)\n")
    return .none
  }
  var headings = keys(of: first)
  if !call["columns"].isNone { headings = try call.list("columns").map { $0.printed } }
  if headings.isEmpty {
    throw ZsError(kind: "type", message: "table needs rows with names, such as maps, not \(first.typeName)", argument: "rows")
  }
  let session = try? Session.of(call)
  let text = table(rows, headings: headings).text(width: session?.width() ?? 100, maxRows: 200, colour: session?.colour ?? false)
  call.context.write(text + "\n")
  return .none
}

private func savePicture(_ picture: any ObjectValue, to path: String) throws {
  let ending = path.lowercased()
  if ending.hasSuffix(".html"), let strip = picture as? TokenStripValue { return try AtomicFile.write(strip.html(), to: path) }
  if ending.hasSuffix(".png"), let plot = picture as? PlotValue { return try AtomicFile.write(plot.png(), to: path) }
  guard ending.hasSuffix(".svg"), let drawing = picture as? any SVGDrawing else {
    throw ZsError(
      "a plot is saved as .svg or .png, a strip of tokens as .svg or .html, not as '\(path)'", hint: "save(plot, \"x.svg\")",
      argument: "path")
  }
  try AtomicFile.write(drawing.svg(), to: path)
}
