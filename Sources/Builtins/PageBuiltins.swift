// The builtin `report_html`, with the facts of its last section; and rows saved as tables of other programs.

import Formats
import Glibc
import Language
import Models
import Training

func pageBuiltins() -> [Builtin] {
  [
    Builtin(
      "report_html", category: trainingCategory,
      [trainerParameter, Parameter("path", .string, help: "the page; what was there is replaced")],
      returns: "none",
      summary: "Writes a run as one page: curves, every pair that was looked into token by token, tables of steps, options, hashes.",
      example:
        "t = dpo(lora(load(\"smollm2\"), rank: 4), preferences(\"examples/data/preferences.jsonl\") |> take(4), batch_size: 2)\nstep(t)\ntokens(inspect(t), 0);\nreport_html(t, \"/tmp/zs-example-run.html\")",
      details:
        "The page is one file that loads nothing and needs no script; it opens offline and can be mailed. Light or dark as the reader's system has it."
    ) { call in
      let trainer = try call.trainer()
      let page = RunPage(trainer: trainer, session: try Session.of(call), provenance: try provenance(of: trainer, call))
      try AtomicFile.write(page.html(), to: try call.string("path"))
      return .none
    }
  ] + rowSavingBuiltins()
}

/// What a run was made of: data and model with their hashes, versions, dates.
private func provenance(of trainer: TrainerValue, _ call: Call) throws -> [(String, String)] {
  let session = try Session.of(call)
  var facts: [(String, String)] = []
  let dataset = trainer.texts.dataset
  facts.append(("data", "\(dataset.name), \(dataset.rows.count) rows"))
  let lines = dataset.rows.lazy.map { JSON.object($0.fields).serialized() + "\n" }
  facts.append(("data, SHA-256 of the rows as JSON lines", Digest.texts(lines)))
  let base = trainer.policy.base ?? trainer.policy
  facts += [("model", base.name), ("weights", "\(base.weightType.name), \(base.parameterCount) parameters")]
  var status = stat()
  if stat(base.path, &status) == 0, status.st_mode & S_IFMT == S_IFREG {
    facts.append(("model file", String(base.path.split(separator: "/").last ?? "")))
    facts.append(("model, SHA-256 of the file", try Digest.file(base.path)))
  }
  if let lora = trainer.policy.loraOptions {
    facts.append(("adapters", "rank \(lora.rank), alpha \(compact(lora.alpha)), \(lora.targets.map(\.rawValue).joined(separator: " "))"))
  }
  let moving = trainer.policy.trainable.reduce(0) { $0 + $1.tensor.count }
  facts.append(("parameters that move", "\(moving)"))
  if let first = trainer.memory.entries.first { facts.append(("first report", dateText(first.time))) }
  facts.append(("written", dateText(time(nil))))
  facts.append(("written by", session.version.isEmpty ? "zs" : "zs \(session.version)"))
  return facts
}

private let endings = [".csv", ".tsv", ".jsonl", ".json", ".md"]

/// `save` for whatever has rows.
private func rowSavingBuiltins() -> [Builtin] {
  func row(_ name: String, _ type: ParameterType, help: String, summary: String, example: String) -> Builtin {
    Builtin(
      "save", category: "Looking",
      [Parameter(name, type, help: help), Parameter("path", .string, help: "ends in " + endings.joined(separator: ", "))], returns: "none",
      summary: summary, example: example
    ) { call in
      try saveRows(try savedRows(call[name]), to: try call.string("path"))
      return .none
    }
  }
  return [
    row(
      "rows", .list, help: "maps, or objects with fields", summary: "Writes rows as a table: CSV, TSV, Markdown, JSON or JSON lines.",
      example: "save([{id: 1, text: \"aye, aye\"}], \"/tmp/zs-example.csv\")"),
    row(
      "data", .object("dataset"), help: "a dataset", summary: "Writes a dataset's rows as a table or JSON lines.",
      example: "save(preferences([{prompt: \"a\", chosen: \"b\", rejected: \"c\"}]), \"/tmp/zs-example.jsonl\")"),
    row(
      "report", .object("report"), help: "what step, inspect, evaluate or lint gave",
      summary: "Writes a report's pairs or rows as a table.",
      example: "save(lint([{prompt: \"2 + 2?\", chosen: \"4\", rejected: \"4\"}]), \"/tmp/zs-example.md\")"),
  ]
}

private func savedRows(_ value: Value) throws -> [Value] {
  if case .object(let object) = value, try object.elementCount() == nil {
    for name in ["pairs", "rows", "tokens"] {
      if case .list(let rows)? = try object.field(name) { return rows }
    }
    return [try object.plain()]
  }
  return try elements(of: value, for: "save")
}

private func saveRows(_ rows: [Value], to path: String) throws {
  let ending = endings.first { path.lowercased().hasSuffix($0) }
  switch ending {
  case ".jsonl": return try JSONLines.write(try rows.map { try $0.asJSON() }, to: path)
  case ".json": return try AtomicFile.write(JSON.array(try rows.map { try $0.asJSON() }).serialized(pretty: true) + "\n", to: path)
  case nil:
    throw ZsError("rows are not saved as '\(path)'", hint: "the path ends in " + endings.joined(separator: ", "), argument: "path")
  default: break
  }
  let plain = try rows.map { try $0.plain() }
  var headings: [String] = []
  for row in plain {
    guard case .map(let map) = row else {
      if plain.allSatisfy({ if case .map = $0 { false } else { true } }) { break }
      throw ZsError(kind: "type", message: "a table needs rows of one kind; there are maps and \(row.typeName)")
    }
    headings += map.keys.filter { !headings.contains($0) }
  }
  let isPlain = headings.isEmpty
  if isPlain { headings = ["value"] }
  let cells = try plain.map { row in try headings.map { try cellText(isPlain ? row : cell(row, $0) ?? Value.none) } }
  let text =
    switch ending {
    case ".csv": separated([headings] + cells, by: ",")
    case ".tsv": separated([headings] + cells, by: "\t")
    default: markdown(headings, cells)
    }
  try AtomicFile.write(text, to: path)
}

/// Strings as they are, none as nothing, what has parts as JSON.
private func cellText(_ value: Value) throws -> String {
  switch value {
  case .none: ""
  case .string(let text): text
  case .list, .map: try value.asJSON().serialized()
  default: value.source
  }
}

/// RFC 4180: quotes around what holds the separator, a quote or a line's end.
private func separated(_ rows: [[String]], by separator: Character) -> String {
  rows.map { row in
    row.map { text in
      let isQuoted = text.contains { $0 == separator || $0 == "\"" || $0.isNewline }
      return isQuoted ? "\"" + text.replacing("\"", with: "\"\"") + "\"" : text
    }.joined(separator: String(separator)) + "\r\n"
  }.joined()
}

private func markdown(_ headings: [String], _ rows: [[String]]) -> String {
  func line(_ cells: [String]) -> String {
    "| " + cells.map { $0.replacing("\\", with: "\\\\").replacing("|", with: "\\|").replacing("\n", with: "<br>") }.joined(separator: " | ")
      + " |\n"
  }
  return line(headings) + "|" + headings.map { _ in " --- |" }.joined() + "\n" + rows.map(line).joined()
}
