// A dataset as a zs value: rows that can be walked, indexed and sliced, and what was left out of it.

import Formats
import Language
import Training

/// A dataset of the language.
public final class DatasetValue: ObjectValue {
  /// The rows.
  public let dataset: Dataset
  /// What else is known of how it was made: more fields, such as the rejections of a pipeline.
  let extras: ValueMap
  private let note: String

  /// Wraps a dataset.
  public init(_ dataset: Dataset, extras: ValueMap = [:], note: String = "") {
    self.dataset = dataset
    self.extras = extras
    self.note = note
  }

  /// The name that `type(x)` gives.
  public var typeName: String { "dataset" }

  /// What is known of it as a whole.
  public var fieldNames: [String] { ["name", "kind", "columns", "skipped"] + extras.keys }

  /// A field by name.
  public func field(_ name: String) throws -> Value? {
    switch name {
    case "name": .string(dataset.name)
    case "kind": .string(dataset.kind.rawValue)
    case "columns": .list(dataset.columns.map { .string($0) })
    case "skipped": skippedValue(dataset.skipped)
    default: extras[name]
    }
  }

  /// `d[i]` is a row as a map, `d[a:b]` a dataset.
  public func subscripted(_ index: [IndexArgument]) throws -> Value {
    guard index.count == 1, let index = index.first else { throw ZsError("a dataset has one axis", hint: "d[0] or d[10:20]") }
    switch index {
    case .at(.int(let number)):
      let count = dataset.rows.count
      let place = number < 0 ? Int(number) + count : Int(number)
      guard dataset.rows.indices.contains(place) else {
        throw ZsError(kind: "index", message: "row \(number) of a dataset with \(count) rows", hint: "rows go from 0 to \(count - 1)")
      }
      return try element(at: place)
    case .slice(let lower, let upper, let step):
      let bounds = try SliceBounds(lower, upper, step, length: dataset.rows.count)
      return .object(DatasetValue(dataset.selecting(bounds.positions)))
    case .at(let value): throw ZsError(kind: "type", message: "a dataset is indexed by an int, not \(value.typeName)")
    case .ellipsis: throw ZsError("a dataset has one axis", hint: "d[0] or d[10:20]")
    }
  }

  /// The number of rows.
  public func elementCount() throws -> Int? { dataset.rows.count }

  /// A row as a map.
  public func element(at index: Int) throws -> Value { Value(.object(dataset.rows[index].fields)) }

  /// The rows as a list of maps.
  public func plain() throws -> Value { .list(try dataset.rows.indices.map { try element(at: $0) }) }

  /// Whether both hold the same rows.
  public func isEqual(to other: any ObjectValue) -> Bool { (other as? DatasetValue)?.dataset == dataset }

  /// Counts, what was skipped and why, and the first rows.
  public func display(_ options: DisplayOptions) -> String {
    let count = dataset.rows.count
    var lines = [
      "dataset \(dataset.name) · \(count) \(dataset.rowName)\(count == 1 ? "" : "s") · \(dataset.columns.joined(separator: " "))"
    ]
    if !note.isEmpty { lines.append(note) }
    lines += skippedLines(dataset.skipped)
    let shown = min(count, 5, max(1, options.maxRows - lines.count))
    let columns = Array(dataset.columns.filter { $0 != "prompt_id" && $0 != "messages" || dataset.kind == .conversations }.prefix(4))
    let rows = (0..<shown).map { index in
      ["\(index)"] + columns.map { name in shortText(dataset.rows[index].fields[name] ?? .null) }
    }
    let table = TextTable(headings: [""] + columns, rows: rows, numeric: [true] + columns.map { _ in false })
    lines.append(table.text(width: options.width, maxRows: options.maxRows, colour: options.colour))
    if count > shown { lines.append("… \(count - shown) more") }
    return lines.joined(separator: "\n")
  }
}

/// Rows left out, as maps of line and reason.
func skippedValue(_ skipped: [SkippedRow]) -> Value {
  .list(skipped.map { .map(["line": .int(Int64($0.line)), "reason": .string($0.reason)]) })
}

/// At most four lines on the rows left out.
func skippedLines(_ skipped: [SkippedRow]) -> [String] {
  guard !skipped.isEmpty else { return [] }
  var lines = ["\(skipped.count) row\(skipped.count == 1 ? "" : "s") skipped:"]
  lines += skipped.prefix(skipped.count > 3 ? 2 : 3).map { "  line \($0.line): \($0.reason)" }
  if skipped.count > 3 { lines.append("  … \(skipped.count - 2) more in .skipped") }
  return lines
}

/// The words of a field, for a cell of a table: of messages, what the last one says.
func shortText(_ value: JSON) -> String {
  if let text = value.string { return String(text.prefix(200)) }
  if let last = value.array?.last, let text = last["content"]?.string { return String(text.prefix(200)) }
  return String(value.serialized().prefix(200))
}
