// Rows of preference pairs or conversations, checked and brought to one form. What cannot be used is kept as a list of lines and
// reasons. Tokens come later, with a model: `ExampleEncoder.swift`.

import Formats
import OrderedCollections
import Tensors

/// What the rows of a dataset are.
public enum DatasetKind: String, Sendable {
  /// A prompt with a better and a worse answer.
  case preferences
  /// Messages, a prompt with its completion, or text.
  case conversations

  /// What one row is called.
  public var rowName: String { self == .preferences ? "pair" : "conversation" }
}

extension Dataset {
  /// Whether the rows are single answers with a label rather than pairs.
  public var isLabelled: Bool { kind == .preferences && (rows.first.map { Training.isLabelled($0.fields) } ?? false) }

  /// What one row is called.
  public var rowName: String { isLabelled ? "labelled answer" : kind.rowName }
}

/// A row that can be used.
public struct DatasetRow: Sendable, Equatable {
  /// The line of the file, or the number of the row in a list, from 1.
  public var line: Int
  /// The fields: those the kind asks for first, then whatever else the row had.
  public var fields: OrderedDictionary<String, JSON>

  /// A row from a line.
  public init(line: Int, fields: OrderedDictionary<String, JSON>) {
    self.line = line
    self.fields = fields
  }
}

/// A row that cannot be used, and why.
public struct SkippedRow: Sendable, Equatable {
  /// The line of the file, or the number of the row in a list, from 1.
  public var line: Int
  /// What was wrong with it.
  public var reason: String

  /// A line and what was wrong with it.
  public init(line: Int, reason: String) {
    self.line = line
    self.reason = reason
  }
}

/// A list of usable rows and what was left out.
public struct Dataset: Sendable, Equatable {
  /// What the rows are.
  public let kind: DatasetKind
  /// The file's name, or where else the rows came from.
  public let name: String
  /// The usable rows.
  public private(set) var rows: [DatasetRow]
  /// The others.
  public private(set) var skipped: [SkippedRow]

  /// Reads a file of JSON lines, or of one JSON array.
  ///
  /// - Throws: `FormatError` where the file cannot be read, `TrainingError` where no row can be used.
  public init(_ kind: DatasetKind, path: String) throws {
    if path.hasSuffix(".parquet") {
      throw TrainingError(
        "\(path) is a parquet file, which zs does not read",
        hint: "convert it once: pandas.read_parquet(…).to_json(…, orient=\"records\", lines=True)")
    }
    let name = String(path.split(separator: "/").last ?? Substring(path))
    let lines = try JSONLines(path: path)
    if let array = try Dataset.wholeFile(path, lines) {
      try self.init(kind, values: array.enumerated().map { ($0 + 1, $1) }, problems: [], name: name)
      return
    }
    let problems = lines.problems.map { SkippedRow(line: $0.line, reason: $0.reason) }
    try self.init(kind, values: lines.rows.map { ($0.line, $0.value) }, problems: problems, name: name)
  }

  /// Takes rows that are already there, and those that were left out before.
  public init(_ kind: DatasetKind, rows: [JSON], skipped: [SkippedRow] = [], name: String = "a list") throws {
    try self.init(kind, values: rows.enumerated().map { ($0 + 1, $1) }, problems: skipped, name: name)
  }

  /// Takes rows that were checked before, with the lines they had then.
  public init(_ kind: DatasetKind, restoring rows: [DatasetRow], skipped: [SkippedRow], name: String) {
    self.kind = kind
    self.name = name
    self.rows = rows
    self.skipped = skipped
  }

  private init(_ kind: DatasetKind, values: [(Int, JSON)], problems: [SkippedRow], name: String) throws {
    self.kind = kind
    self.name = name
    rows = []
    skipped = problems
    for (line, value) in values {
      do {
        guard let fields = value.object else { throw RowProblem("the row is \(value.kind), not an object") }
        rows.append(DatasetRow(line: line, fields: kind == .preferences ? try preferenceFields(fields) : try conversationFields(fields)))
      } catch let problem as RowProblem {
        skipped.append(SkippedRow(line: line, reason: problem.reason))
      }
    }
    skipped.sort { $0.line < $1.line }
    if kind == .preferences, let other = rows.first(where: { Training.isLabelled($0.fields) != isLabelled }) {
      throw TrainingError(
        "\(name) has pairs and single answers with a label; line \(other.line) is the first unlike line \(rows[0].line)",
        hint: "a trainer takes one kind or the other: filter the rows")
    }
    try requireRows()
  }

  /// A selection of rows, by position, in the order given.
  public func selecting(_ indices: some Sequence<Int>) -> Dataset {
    var result = self
    result.rows = indices.map { rows[$0] }
    return result
  }

  /// The rows in an order that the seed decides.
  public func shuffled(seed: UInt64) -> Dataset {
    var random = RandomSource(seed: seed).split("shuffle of a dataset")
    return selecting(rows.indices.shuffled(using: &random))
  }

  /// The dataset with each row replaced, checked again; a row that is no longer usable joins the skipped ones.
  public func mapping(_ change: (DatasetRow) throws -> JSON) throws -> Dataset {
    let values = try rows.map { ($0.line, try change($0)) }
    return try Dataset(kind, values: values, problems: skipped, name: name)
  }

  /// Names of the fields of the first row.
  public var columns: [String] { rows.first.map { Array($0.fields.keys) } ?? [] }

  /// Throws where there is nothing to use, with the first reason.
  public func requireRows() throws {
    guard rows.isEmpty else { return }
    guard let first = skipped.first else {
      throw TrainingError("\(name) has no rows", hint: "\(kind.rawValue) needs at least one; \(kind.expectation)")
    }
    throw TrainingError(
      "\(noneOf(skipped.count, name)) be used; line \(first.line): \(first.reason)", hint: kind.expectation)
  }

  /// The elements of a file that is one JSON array: on one line, or over several of which the first is no JSON by itself.
  private static func wholeFile(_ path: String, _ lines: JSONLines) throws -> [JSON]? {
    if lines.rows.count == 1, lines.problems.isEmpty { return lines.rows.first?.value.array }
    guard let first = lines.problems.first else { return nil }
    let bytes = try FileContents.read(path)
    guard bytes.first(where: { $0 > 0x20 }) == UInt8(ascii: "["), first.line == 1 else { return nil }
    return try bytes.withUnsafeBytes { try JSON.parse($0, source: path) }.array
  }
}

extension DatasetKind {
  /// What a row has to look like.
  var expectation: String {
    switch self {
    case .preferences:
      "a row has prompt, chosen and rejected, as strings or lists of {role, content}; or prompt_ids, chosen_ids, rejected_ids; or prompt, completion and label"
    case .conversations: "a row has messages, a list of {role, content}; or prompt and completion; or text; or input_ids and labels"
    }
  }
}

/// Why a row cannot be used.
struct RowProblem: Error {
  let reason: String
  init(_ reason: String) { self.reason = reason }
}
