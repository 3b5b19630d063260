// A page of several parts in one HTML file: headings, prose, tables, plots, reports. What a script made, to be read by people.

import Formats
import Language

func stagePageBuiltins() -> [Builtin] {
  [
    Builtin(
      "page", category: "Looking",
      [
        Parameter("path", .string, help: "ends in .html; what was there is replaced"),
        Parameter("parts", .list, help: "texts (\"# \" and \"## \" begin headings), rows, plots, reports, datasets, in order"),
        Parameter("title", .string, default: "zs"),
      ],
      returns: "none", summary: "Writes texts, tables and plots as one HTML page.",
      example: "page(\"/tmp/zs-example.html\", [\"# Losses\", [{step: 1, loss: 0.69}], plot([0.69, 0.5])], title: \"A run\")"
    ) { call in
      let path = try call.string("path")
      guard path.hasSuffix(".html") else {
        throw ZsError("a page is written as .html, not as '\(path)'", hint: "page(\"report.html\", parts)", argument: "path")
      }
      let title = try call.string("title")
      let body = grouped(try call.list("parts").map { try part($0) })
      try AtomicFile.write(htmlPage(title: title, body: "<h1>\(escapedMarkup(title))</h1>\n\(body)"), to: path)
      return .none
    }
  ]
}

/// Pieces of a page one below the other; plots that follow each other stand side by side where there is room.
private func grouped(_ pieces: [String]) -> String {
  pieces.joined(separator: "\n").replacing("\(plotsEnd)\n\(plotsBegin)", with: "</figure><figure>")
}

private let plotsBegin = "<div class=\"plots\"><figure>"
private let plotsEnd = "</figure></div>"

/// A value as markup.
private func part(_ value: Value) throws -> String {
  switch value {
  case .string(let text):
    for (mark, level) in [("## ", "h3"), ("# ", "h2")] where text.hasPrefix(mark) {
      return "<\(level)>\(escapedMarkup(String(text.dropFirst(mark.count))))</\(level)>"
    }
    return "<p>\(escapedMarkup(text))</p>"
  case .list(let rows) where rows.contains { if case .map = $0 { true } else { false } }: return markup(rows)
  case .object(let object as PlotValue): return plotsBegin + object.svg() + plotsEnd
  case .object(let object as EvaluationValue):
    guard case .list(let rows)? = try object.field("summary"), let plot = try object.field("plot") else { return "" }
    return "<h4>\(escapedMarkup(try object.field("title")?.text ?? ""))</h4>\(markup(rows))\(try part(plot))"
  case .object(let object as DatasetValue):
    let shown = try (0..<min(object.dataset.rows.count, 8)).map { try object.element(at: $0) }
    let plot = try object.field("plot").map { try part($0) } ?? ""
    return
      "<p>\(escapedMarkup(object.display(DisplayOptions(plain: true, maxRows: 2)).split(separator: "\n").first.map(String.init) ?? ""))</p>\(plot)"
      + markup(shown)
  case .object(let object): return "<pre>\(escapedMarkup(object.display(DisplayOptions(width: 110, plain: true))))</pre>"
  default: return "<p>\(escapedMarkup(value.printed))</p>"
  }
}

/// Rows as a table under the keys that they have; columns in which nothing stands are left out.
private func markup(_ rows: [Value]) -> String {
  var headings: [String] = []
  for case .map(let row) in rows {
    for key in row.keys where !headings.contains(key) {
      if let value = row[key], !value.isNone, value.text != "" { headings.append(key) }
    }
  }
  var isWords = headings.map { _ in true }
  let lines = rows.map { row -> String in
    let cells = headings.enumerated().map { column, heading -> String in
      guard let value = cell(row, heading), !value.isNone else { return "<td></td>" }
      if let number = value.number {
        isWords[column] = false
        return "<td>\(escapedMarkup(compact(number)))</td>"
      }
      let text = words(value)
      return "<td class=\"\(text.count > 24 ? "long" : "words")\">\(text)</td>"
    }
    return "<tr>\(cells.joined())</tr>"
  }
  let head = zip(headings, isWords).map { "<th\($1 ? " class=\"words\"" : "")>\(escapedMarkup($0))</th>" }.joined()
  return "<div class=\"scroll\"><table><thead><tr>\(head)</tr></thead><tbody>\(lines.joined(separator: "\n"))</tbody></table></div>"
}

/// A cell as people read it: messages as turns under their roles, other values as in a program.
private func words(_ value: Value) -> String {
  if let text = value.text { return said(text) }
  if case .list(let items) = value {
    let turns = items.compactMap { item -> (role: String, content: String)? in
      guard case .map(let map) = item, let role = map["role"]?.text, let content = map["content"]?.text else { return nil }
      return (role, content)
    }
    if turns.count == 1, items.count == 1 { return said(turns[0].content) }
    if turns.count == items.count, !turns.isEmpty {
      return turns.map { "<div class=\"role\">\(escapedMarkup($0.role))</div>\(said($0.content))" }.joined()
    }
  }
  return escapedMarkup(value.source)
}

/// A text with its line breaks.
private func said(_ text: String) -> String {
  text.contains("\n") ? "<div class=\"said\">\(escapedMarkup(text))</div>" : escapedMarkup(text)
}
