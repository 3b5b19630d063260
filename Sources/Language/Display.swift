// Values as text: `printed` as `print` and interpolation write them, `display` as the prompt shows them, bounded in
// rows and columns.

extension Value {
  /// The text that `str(x)`, `print` and interpolation give: strings as they are, other values as source.
  public var printed: String {
    switch self {
    case .string(let text): text
    default: source
    }
  }

  /// The value as the prompt shows it.
  public func display(_ options: DisplayOptions = DisplayOptions()) -> String {
    let width = max(20, options.width)
    switch self {
    case .object(let object): return object.display(options)
    case .string(let text): return Display.string(text, width: width, rows: options.maxRows)
    case .list(let values):
      if let line = Display.line(self, width: width) { return line }
      if let table = Display.table(values, width: width, rows: options.maxRows) { return table }
      return Display.flowing(values, width: width, rows: options.maxRows) ?? Display.lines(values, options: options)
    case .map(let map):
      return Display.line(self, width: width) ?? Display.lines(map, options: options)
    case .function(let function): return function.signature
    default: return source
    }
  }
}

enum Display {
  /// The value on one line, nil where it takes more columns; stops writing as soon as it is too long.
  static func line(_ value: Value, width: Int) -> String? {
    var text = ""
    return append(value, to: &text, limit: width, depth: 0) && TextWidth.of(text) <= width ? text : nil
  }

  private static func append(_ value: Value, to text: inout String, limit: Int, depth: Int) -> Bool {
    if text.utf8.count > limit * 4 || depth > 50 { return false }
    switch value {
    case .list(let values):
      text += "["
      for (index, element) in values.enumerated() {
        if index > 0 { text += ", " }
        if !append(element, to: &text, limit: limit, depth: depth + 1) { return false }
      }
      text += "]"
    case .map(let map):
      text += "{"
      for (index, element) in map.elements.enumerated() {
        if index > 0 { text += ", " }
        text += Value.key(element.key) + ": "
        if !append(element.value, to: &text, limit: limit, depth: depth + 1) { return false }
      }
      text += "}"
    case .string(let string):
      if string.utf8.count > limit * 4 { return false }
      text += Value.quote(string)
    case .object(let object):
      let shown = object.display(DisplayOptions(plain: true))
      if shown.contains("\n") { return false }
      text += shown
    default: text += value.source
    }
    return text.utf8.count <= limit * 4
  }

  /// The value in as many columns as there are.
  private static func short(_ value: Value, width: Int) -> String {
    if let line = line(value, width: width) { return line }
    switch value {
    case .string(let text): return TextWidth.cut(Value.quote(String(text.prefix(width))), to: width - 1) + "\""
    case .list(let values): return "[… \(values.count) elements]"
    case .map(let map): return "{… \(map.count) entries}"
    case .object(let object):
      let shown = object.display(DisplayOptions(width: width, plain: true))
      return TextWidth.cut(String(shown.prefix { $0 != "\n" }), to: width)
    default: return TextWidth.cut(value.source, to: width)
    }
  }

  static func string(_ text: String, width: Int, rows: Int) -> String {
    let most = width * max(1, rows)
    if text.utf8.count <= most { return Value.quote(text) }
    return Value.quote(String(text.prefix(most))) + "… (\(text.count) characters)"
  }

  /// Which rows are shown of `count`: all, or the first and the last ones around a gap.
  private static func shown(_ count: Int, rows: Int) -> (head: Int, tail: Int) {
    let rows = max(4, rows)
    if count <= rows { return (count, 0) }
    let tail = max(1, rows / 4)
    return (rows - tail - 1, tail)
  }

  /// Numbers and other short values side by side; nil where one of them is long or has parts.
  static func flowing(_ values: [Value], width: Int, rows: Int) -> String? {
    // Two columns are the least that a value takes.
    let most = width * max(4, rows) / 2
    let (head, tail) = values.count > most ? (most - 8, 8) : (values.count, 0)
    var texts: [String] = []
    for value in values.prefix(head) + values.suffix(tail) {
      switch value {
      case .none, .bool, .int, .float: texts.append(value.source)
      case .string(let text) where text.utf8.count <= 24: texts.append(Value.quote(text))
      default: return nil
      }
    }
    var lines: [String] = []
    var line = "["
    for (index, text) in texts.enumerated() {
      let piece = text + (index == texts.count - 1 ? "]" : ",")
      if TextWidth.of(line) + TextWidth.of(piece) + 1 > width {
        lines.append(line)
        line = ""
      }
      line += (line == "[" ? "" : " ") + piece
    }
    lines.append(line)
    let kept = shown(lines.count, rows: rows)
    if kept.tail == 0, tail == 0 { return lines.joined(separator: "\n") }
    let middle = kept.tail == 0 ? lines.count : kept.head
    return (lines.prefix(middle) + [" … \(values.count) in all"] + lines.suffix(kept.tail)).joined(separator: "\n")
  }

  static func lines(_ values: [Value], options: DisplayOptions) -> String {
    let (head, tail) = shown(values.count, rows: options.maxRows)
    let width = max(16, options.width - 4)
    var lines = ["["]
    for value in values.prefix(head) { lines.append("  " + short(value, width: width) + ",") }
    if tail > 0 {
      lines.append("  … \(values.count - head - tail) more")
      for value in values.suffix(tail) { lines.append("  " + short(value, width: width) + ",") }
    }
    return (lines + ["]"]).joined(separator: "\n")
  }

  static func lines(_ map: ValueMap, options: DisplayOptions) -> String {
    let (head, tail) = shown(map.count, rows: options.maxRows)
    var lines = ["{"]
    func line(_ key: String, _ value: Value) -> String {
      let key = TextWidth.cut(Value.key(key), to: max(8, options.width / 2))
      return "  \(key): " + short(value, width: max(16, options.width - 5 - TextWidth.of(key))) + ","
    }
    for (key, value) in map.elements.prefix(head) { lines.append(line(key, value)) }
    if tail > 0 {
      lines.append("  … \(map.count - head - tail) more")
      for (key, value) in map.elements.suffix(tail) { lines.append(line(key, value)) }
    }
    return (lines + ["}"]).joined(separator: "\n")
  }

  /// A list of maps with the same keys as a table; nil where the values are no such rows.
  static func table(_ values: [Value], width: Int, rows: Int) -> String? {
    guard values.count > 1, case .map(let first) = values[0], !first.isEmpty, first.count <= 24 else { return nil }
    let keys = Array(first.keys)
    let (head, tail) = shown(values.count, rows: rows)
    var cells: [[String]] = []
    for value in values.prefix(head) + values.suffix(tail) {
      guard case .map(let map) = value, map.keys.elementsEqual(keys) else { return nil }
      cells.append(map.values.map { cell($0) })
    }
    let isNumeric = keys.indices.map { column in first.values[column].number != nil }
    var widths = keys.indices.map { column in
      max(TextWidth.of(keys[column]), cells.reduce(0) { max($0, TextWidth.of($1[column])) })
    }
    let gaps = 2 * (keys.count - 1)
    while widths.reduce(gaps, +) > width, let widest = widths.indices.max(by: { widths[$0] < widths[$1] }), widths[widest] > 8 {
      widths[widest] -= 1
    }
    guard widths.reduce(gaps, +) <= width else { return nil }
    func row(_ texts: [String]) -> String {
      let line = texts.indices.map { TextWidth.pad(TextWidth.cut(texts[$0], to: widths[$0]), to: widths[$0], right: isNumeric[$0]) }
        .joined(separator: "  ")
      return String(line.reversed().drop { $0 == " " }.reversed())
    }
    var lines = [row(keys), widths.map { String(repeating: "─", count: $0) }.joined(separator: "  ")]
    lines += cells.prefix(head).map(row)
    if tail > 0 {
      lines.append("… \(values.count - head - tail) more rows")
      lines += cells.suffix(tail).map(row)
    }
    return lines.joined(separator: "\n")
  }

  private static func cell(_ value: Value) -> String {
    switch value {
    case .string(let text): String(Value.quote(text).dropFirst().dropLast())
    case .float(let number): abs(number) >= 1e-4 && abs(number) < 1e6 ? rounded(number) : value.source
    default: short(value, width: 60)
    }
  }

  /// Six significant digits, as tables show numbers.
  private static func rounded(_ number: Double) -> String {
    (try? FormatSpecification(".6g").format(.float(number))) ?? "\(number)"
  }
}
