// What a look at a run gives where it is neither a step nor a single pair: a headline, rows, perhaps a picture, and named numbers.

import Language

/// A headline with rows and named numbers; its fields are for programs, its display for people.
final class Findings: ObjectValue {
  private let headline: String
  private let fields: ValueMap
  /// The field whose rows are shown, and the columns to show.
  private let shown: (field: String, columns: [String])
  private let picture: PlotValue?

  init(_ headline: String, _ fields: ValueMap, shows field: String, columns: [String], picture: PlotValue? = nil) {
    self.headline = headline
    var fields = fields
    if let picture { fields["plot"] = .object(picture) }
    self.fields = fields
    shown = (field, columns)
    self.picture = picture
  }

  var typeName: String { "report" }
  var fieldNames: [String] { ["text"] + fields.keys }

  func field(_ name: String) throws -> Value? { name == "text" ? .string(headline) : fields[name] }

  private var rows: [Value] { if case .list(let rows)? = fields[shown.field] { rows } else { [] } }

  /// The rows that are shown, so that they can be walked and indexed.
  func elementCount() throws -> Int? { rows.count }
  func element(at index: Int) throws -> Value { rows[index] }

  func subscripted(_ index: [IndexArgument]) throws -> Value {
    guard index.count == 1, let index = index.first else { throw ZsError("a report has one axis", hint: "x[0] or x[\"name\"]") }
    switch index {
    case .at(.int(let number)): return rows[try place(Int(number), of: rows.count, "row")]
    case .at(.string(let name)):
      if let value = try field(name) { return value }
      let meant = nearest(to: name, among: fieldNames).map { "; did you mean \"\($0)\"?" } ?? ""
      throw ZsError(kind: "key", message: "this report has no \"\(name)\"\(meant)", hint: fieldNames.joined(separator: ", "))
    default: throw ZsError(kind: "type", message: "a report is indexed by a row's number or a field's name")
    }
  }

  func plain() throws -> Value {
    var result: ValueMap = [:]
    for name in fieldNames where name != "plot" { result[name] = try field(name) ?? Value.none }
    return .map(result)
  }

  func display(_ options: DisplayOptions) -> String {
    var lines = [headline]
    if !rows.isEmpty {
      lines.append(
        table(rows, headings: shown.columns).text(width: options.width, maxRows: options.maxRows, colour: options.colour))
    }
    if let picture { lines.append(picture.display(options)) }
    return lines.joined(separator: "\n")
  }
}
