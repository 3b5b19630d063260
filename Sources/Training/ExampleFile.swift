// Examples on disk: the rows a trainer was given, what was left out, and the ids it trains on, so that a checkpoint needs no other
// file. JSON lines: a head, then one line per row, then one per example.

import Formats
import OrderedCollections

/// What a trainer trains on, or is evaluated on.
public struct ExampleFile {
  /// The rows the examples were made from.
  public var dataset: Dataset
  /// Rows that gave no example.
  public var skipped: [SkippedRow]
  /// Examples that lost their end.
  public var cut: Int
  /// DPO: the pairs; nil for SFT.
  public var pairs: [PreferenceExample]?
  /// SFT: the documents of each example.
  public var documents: [[SFTExample]]

  /// Examples with the rows they come from.
  public init(
    dataset: Dataset, skipped: [SkippedRow] = [], cut: Int = 0, pairs: [PreferenceExample]? = nil, documents: [[SFTExample]] = []
  ) {
    self.dataset = dataset
    self.skipped = skipped
    self.cut = cut
    self.pairs = pairs
    self.documents = documents
  }

  /// Writes the file, which appears whole.
  public func write(to path: String) throws {
    try AtomicFile.write(to: path) { file in
      let head: JSON = [
        "kind": .string(dataset.kind.rawValue), "name": .string(dataset.name), "rows": .int(Int64(dataset.rows.count)),
        "examples": .int(Int64(pairs?.count ?? documents.count)), "cut": .int(Int64(cut)),
        "dataset_skipped": .array(dataset.skipped.map(\.json)), "skipped": .array(skipped.map(\.json)),
      ]
      try file.append(head.serialized() + "\n")
      for row in dataset.rows {
        try file.append((["line": .int(Int64(row.line)), "fields": .object(row.fields)] as JSON).serialized() + "\n")
      }
      if let pairs {
        for pair in pairs { try file.append(pair.json.serialized() + "\n") }
      } else {
        for row in documents { try file.append(JSON.array(row.map(\.json)).serialized() + "\n") }
      }
    }
  }

  /// Reads what `write` wrote.
  public init(path: String) throws {
    let lines = try JSONLines(path: path)
    let damaged = TrainingError("\(path) is damaged", hint: "resume an older checkpoint of the run")
    guard lines.problems.isEmpty, let head = lines.rows.first?.value, let kind = DatasetKind(rawValue: head["kind"]?.string ?? ""),
      let rows = head["rows"]?.int, let count = head["examples"]?.int, rows >= 0, count >= 0, lines.rows.count == 1 + rows + count
    else { throw damaged }
    let given = try lines.rows[1..<1 + rows].map { line in
      guard let number = line.value["line"]?.int, let fields = line.value["fields"]?.object else { throw damaged }
      return DatasetRow(line: number, fields: fields)
    }
    func list(_ name: String) -> [SkippedRow] { (head[name]?.array ?? []).compactMap { SkippedRow($0) } }
    dataset = Dataset(kind, restoring: given, skipped: list("dataset_skipped"), name: head["name"]?.string ?? "")
    skipped = list("skipped")
    cut = head["cut"]?.int ?? 0
    let examples = lines.rows[(1 + rows)...].map(\.value)
    if kind == .preferences {
      pairs = try examples.map { json in
        guard let pair = PreferenceExample(json) else { throw damaged }
        return pair
      }
      documents = []
    } else {
      pairs = nil
      documents = try examples.map { json in
        try (json.array ?? []).map { document in
          guard let document = SFTExample(document) else { throw damaged }
          return document
        }
      }
    }
  }
}

extension SkippedRow {
  fileprivate var json: JSON { ["line": .int(Int64(line)), "reason": .string(reason)] }
  fileprivate init?(_ json: JSON) {
    guard let line = json["line"]?.int, let reason = json["reason"]?.string else { return nil }
    self.init(line: line, reason: reason)
  }
}

extension PreferenceExample {
  /// The pair as JSON.
  public var json: JSON {
    var object: JSON = ["row": .int(Int64(row)), "prompt": list(prompt), "chosen": list(chosen), "rejected": list(rejected)]
    if case .object(var members) = object {
      if let referenceChosen { members["ref_chosen"] = .double(referenceChosen) }
      if let referenceRejected { members["ref_rejected"] = .double(referenceRejected) }
      object = .object(members)
    }
    return object
  }

  /// A pair from its JSON; nil where that is none.
  public init?(_ json: JSON) {
    guard let row = json["row"]?.int, let prompt = json["prompt"]?.array, let chosen = json["chosen"]?.array,
      let rejected = json["rejected"]?.array
    else { return nil }
    self.init(prompt: prompt.compactMap(\.int), chosen: chosen.compactMap(\.int), rejected: rejected.compactMap(\.int), row: row)
    referenceChosen = json["ref_chosen"]?.double
    referenceRejected = json["ref_rejected"]?.double
  }
}

extension SFTExample {
  /// The document as JSON: ids, and the trained tokens as ranges.
  var json: JSON {
    var ranges: [JSON] = []
    var start: Int?
    for (position, isTrained) in (trained + [false]).enumerated() {
      if isTrained, start == nil { start = position }
      if !isTrained, let first = start {
        ranges.append([.int(Int64(first)), .int(Int64(position))])
        start = nil
      }
    }
    return ["row": .int(Int64(row)), "ids": list(ids), "trained": .array(ranges)]
  }

  init?(_ json: JSON) {
    guard let row = json["row"]?.int, let ids = json["ids"]?.array, let ranges = json["trained"]?.array else { return nil }
    var trained = [Bool](repeating: false, count: ids.count)
    for range in ranges {
      guard let first = range[0]?.int, let end = range[1]?.int, first >= 0, end >= first, end <= ids.count else { return nil }
      for position in first..<end { trained[position] = true }
    }
    self.init(ids: ids.compactMap(\.int), trained: trained, row: row)
    guard self.ids.count == trained.count else { return nil }
  }
}

private func list(_ ids: [Int]) -> JSON { .array(ids.map { .int(Int64($0)) }) }
