// Rows of any kind as a table: maps by their keys, objects by their fields.
import Language

/// Rows, maps or objects with fields, under headings.
func table(_ rows: [Value], headings: [String]) -> TextTable {
  let isNumeric = headings.map { heading in
    rows.prefix(200).allSatisfy { cell($0, heading).map { $0.isNone || $0.number != nil } ?? true }
  }
  let digits = headings.map { heading in rows.prefix(200).contains { if case .float? = cell($0, heading) { true } else { false } } }
  let texts = rows.map { row in
    headings.indices.map { column -> String in
      guard let value = cell(row, headings[column]), !value.isNone else { return "" }
      if digits[column], isNumeric[column], let number = value.number { return compact(number) }
      return value.isString ? value.printed : value.source
    }
  }
  return TextTable(headings: headings, rows: texts, numeric: isNumeric)
}

/// The cell of a row under a heading, nil where it has none.
func cell(_ row: Value, _ heading: String) -> Value? {
  switch row {
  case .map(let map): map[heading]
  case .object(let object): objectCell(object, heading)
  default: nil
  }
}

private func objectCell(_ object: any ObjectValue, _ heading: String) -> Value? {
  do {
    if let value = try object.field(heading) { return value }
    return try object.subscripted([.at(.string(heading))])
  } catch {
    // A row without this cell leaves it blank.
    return nil
  }
}

/// A number in few digits, as tables and axes show it.
public func compact(_ number: Double) -> String {
  if number.isNaN { return "nan" }
  if number.isInfinite { return number < 0 ? "-inf" : "inf" }
  if number == 0 { return "0" }
  let size = abs(number)
  if size >= 1e6 || size < 1e-4 { return printf("%.3e", number) }
  if number == number.rounded(), size < 1e6 { return String(Int(number)) }
  return size >= 1000 ? printf("%.1f", number) : size >= 10 ? printf("%.3f", number) : printf("%.4f", number)
}
