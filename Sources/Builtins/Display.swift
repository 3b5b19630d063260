// How the prompt shows a value: bounded in rows and columns, lists of like maps as tables, objects as they show themselves.
import Language
import OrderedCollections

/// The text that the prompt shows for a value.
public func displayText(_ value: Value, _ options: DisplayOptions) -> String {
  switch value {
  case .string(let text): displayed(text, options)
  case .object(let object): object.display(options)
  case .list(let list): displayed(list, options)
  case .map(let map): displayed(map, options)
  default: value.source
  }
}

private func displayed(_ text: String, _ options: DisplayOptions) -> String {
  let quoted = Value.string(text).source
  if columns(of: quoted) <= options.width && !text.contains("\n") { return quoted }
  if !text.contains("\n") { return wrapped(quoted, options) }
  // Text of several lines is shown as it reads, between the quotes that a program would use.
  let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { shownControls(String($0)) }
  return cut(["\"\"\""] + lines + ["\"\"\""], options)
}

/// A line with its control characters made visible, so that text cannot move the cursor.
private func shownControls(_ line: String) -> String {
  guard line.unicodeScalars.contains(where: { $0.properties.generalCategory == .control && $0 != "\t" }) else { return line }
  return String(Value.string(line).source.dropFirst().dropLast())
}

private func wrapped(_ text: String, _ options: DisplayOptions) -> String {
  var lines: [String] = []
  var line = ""
  var used = 0
  for character in text {
    let next = columns(of: character)
    if used + next > options.width {
      lines.append(line)
      line = ""
      used = 0
      if lines.count > options.maxRows { break }
    }
    line.append(character)
    used += next
  }
  return cut(lines + [line], options)
}

private func cut(_ lines: [String], _ options: DisplayOptions) -> String {
  if lines.count <= options.maxRows { return lines.joined(separator: "\n") }
  let head = options.maxRows - 4
  let more = lines.count - head - 3
  return (lines.prefix(head) + ["… \(more) more lines"] + lines.suffix(3)).joined(separator: "\n")
}

private func displayed(_ list: [Value], _ options: DisplayOptions) -> String {
  if let table = tableOfMaps(list) { return table.text(width: options.width, maxRows: options.maxRows, colour: options.colour) }
  let short = shortSource(.list(list), limit: options.width)
  if let short { return short }
  if list.contains(where: isDeep) { return displayedTall(list, options) }
  return flowed(list.lazy.map { inline($0, options) }, count: list.count, options)
}

private func isDeep(_ value: Value) -> Bool {
  switch value {
  case .list, .map, .object: true
  case .string(let text): text.utf8.count > 40
  default: false
  }
}

/// One element a line.
private func displayedTall(_ list: [Value], _ options: DisplayOptions) -> String {
  let shown = list.count > options.maxRows ? options.maxRows - 1 : list.count
  var lines = list.prefix(shown).enumerated().map { index, value in clipped("\(index)  " + inline(value, options), to: options.width) }
  if shown < list.count { lines.append("… \(list.count - shown) more of \(list.count)") }
  return lines.joined(separator: "\n")
}

/// Elements side by side over as many lines as needed, within the budget of rows.
private func flowed(_ items: some Sequence<String>, count: Int, _ options: DisplayOptions) -> String {
  var lines: [String] = []
  var line = "["
  var number = 0
  for item in items {
    number += 1
    let piece = item + (number < count ? "," : "]")
    if columns(of: line) + columns(of: piece) + 1 > options.width, line != "[" {
      lines.append(line)
      line = " "
      if lines.count >= options.maxRows - 1 {
        return (lines + [" … \(count - number + 1) more of \(count)]"]).joined(separator: "\n")
      }
    }
    line += (line == "[" || line == " " ? "" : " ") + piece
  }
  return (lines + [count == 0 ? "[]" : line]).joined(separator: "\n")
}

private func displayed(_ map: ValueMap, _ options: DisplayOptions) -> String {
  if let short = shortSource(.map(map), limit: options.width) { return short }
  let keyWidth = min(map.keys.map { columns(of: $0) }.max() ?? 0, options.width / 3)
  let shown = map.count > options.maxRows ? options.maxRows - 1 : map.count
  var lines = map.elements.prefix(shown).map { key, value in
    clipped(padded(clipped(key, to: keyWidth), to: keyWidth) + "  " + inline(value, options), to: options.width)
  }
  if shown < map.count { lines.append("… \(map.count - shown) more of \(map.count)") }
  return lines.joined(separator: "\n")
}

/// A value on one line, within what a line can hold.
private func inline(_ value: Value, _ options: DisplayOptions) -> String {
  switch value {
  case .object(let object):
    let text = object.display(DisplayOptions(width: options.width, plain: options.plain, maxRows: 4))
    return String(text.prefix { !$0.isNewline })
  case .list(let list):
    if let short = shortSource(value, limit: options.width) { return short }
    let head = list.prefix(6).map { inline($0, options) }.joined(separator: ", ")
    return "[\(head)\(list.count > 6 ? ", … \(list.count - 6) more" : "")]"
  case .map(let map):
    if let short = shortSource(value, limit: options.width) { return short }
    return "{" + map.elements.prefix(8).map { "\($0): \(inline($1, options))" }.joined(separator: ", ") + (map.count > 8 ? ", …}" : "}")
  case .string(let text) where text.utf8.count > 4 * options.width:
    return Value.string(String(text.prefix(options.width))).source
  default: return value.source
  }
}

/// The value as a program would write it if that is short and holds no object; nil otherwise, found without writing all of a long one.
private func shortSource(_ value: Value, limit: Int) -> String? {
  var budget = limit
  guard isShort(value, &budget) else { return nil }
  let source = value.source
  return columns(of: source) <= limit ? source : nil
}

private func isShort(_ value: Value, _ budget: inout Int) -> Bool {
  budget -= 1
  if budget < 0 { return false }
  switch value {
  case .list(let list): return list.allSatisfy { isShort($0, &budget) }
  case .map(let map):
    return map.allSatisfy { key, value in
      budget -= key.utf8.count
      return isShort(value, &budget)
    }
  case .string(let text):
    budget -= text.utf8.count / 4
    return budget >= 0 && !text.contains("\n")
  case .object: return false
  default: return true
  }
}

/// A list of at least two maps with the same keys as a table; nil for anything else.
func tableOfMaps(_ list: [Value], atLeast: Int = 2) -> TextTable? {
  guard list.count >= atLeast, case .map(let first)? = list.first, !first.isEmpty, first.count <= 16 else { return nil }
  for case .map(let map) in list.prefix(200) where map.keys != first.keys { return nil }
  guard list.prefix(200).allSatisfy({ if case .map = $0 { true } else { false } }) else { return nil }
  return table(list, headings: Array(first.keys))
}

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
      return value.isString ? value.printed() : inline(value, DisplayOptions(plain: true))
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
