// A `.zs` file of `# %%` cells as a notebook, and back. What is read is written back byte for byte: markers, blank lines and
// a missing last newline are remembered where they are not as zs would write them. A line of code or prose that looks like a
// marker gets a backslash, which reading takes away again.
import Language

/// Programs cut into cells by lines that begin with `# %%`.
public enum PercentFile {
  /// The cells of a program's text.
  public static func read(_ text: String) -> NotebookDocument {
    var lines = PercentFile.lines(of: text)
    var document = NotebookDocument()
    if lines.last == "" { lines.removeLast() } else { document.about.lacksFinalNewline = true }
    let markers = CellOutline.cells(of: text).filter { $0.lines.lowerBound > 1 }
    // Lines are counted from 1, and a cell's first line follows its marker.
    let starts = markers.map { $0.lines.lowerBound - 2 }
    if let first = starts.first ?? (lines.isEmpty ? nil : lines.count), first > 0 {
      var cell = cell(.code, lines[..<first], title: "")
      cell.marker = ""
      document.cells.append(cell)
    }
    for (index, outline) in markers.enumerated() {
      let end = index + 1 < starts.count ? starts[index + 1] : lines.count
      let isRaw = outline.title.hasPrefix("[raw]")
      let title = isRaw ? String(outline.title.dropFirst(5).drop { $0 == " " }) : outline.title
      var cell = cell(isRaw ? .raw : outline.isMarkdown ? .markdown : .code, lines[min(starts[index] + 1, end)..<end], title: title)
      let marker = lines[starts[index]]
      if marker != self.marker(of: cell) { cell.marker = marker }
      document.cells.append(cell)
    }
    for index in document.cells.indices where document.cells[index].newlines == standardNewlines(after: index, of: document.cells.count) {
      document.cells[index].newlines = nil
    }
    return document
  }

  /// Lines without their newlines; a carriage return, which Swift takes for one character with the newline, stays.
  private static func lines(of text: String) -> [String] {
    text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { String(Substring($0)) }
  }

  private static func cell(_ kind: NotebookCell.Kind, _ lines: ArraySlice<String>, title: String) -> NotebookCell {
    let body = lines.reversed().drop { $0.isEmpty }.reversed()
    var cell = NotebookCell(kind, body.joined(separator: "\n"), title: title)
    cell.newlines = lines.count - body.count
    guard kind != .code else {
      cell.text = code(cell.text, isEscaped: true)
      return cell
    }
    let source = cell.text
    cell.text = body.map { uncommented($0) }.joined(separator: "\n")
    if commented(cell.text) != source { cell.source = source }
    return cell
  }

  /// The text of a notebook as a program; what cells gave is left out.
  public static func write(_ document: NotebookDocument) -> String {
    var lines: [String] = []
    for (index, cell) in document.cells.enumerated() {
      if let marker = marker(toWrite: cell, isFirst: index == 0) { lines.append(marker) }
      let body = self.body(of: cell)
      if !body.isEmpty { lines += self.lines(of: body) }
      let newlines = cell.newlines ?? standardNewlines(after: index, of: document.cells.count)
      lines += Array(repeating: "", count: max(0, newlines))
    }
    return lines.joined(separator: "\n") + (document.about.lacksFinalNewline || lines.isEmpty ? "" : "\n")
  }

  private static func standardNewlines(after index: Int, of count: Int) -> Int { index == count - 1 ? 0 : 1 }

  private static func marker(toWrite cell: NotebookCell, isFirst: Bool) -> String? {
    guard let marker = cell.marker else { return self.marker(of: cell) }
    if marker.isEmpty { return isFirst && cell.kind == .code && cell.title.isEmpty ? nil : self.marker(of: cell) }
    // An editor may have changed title or kind since.
    let read = CellOutline.cells(of: marker)
    guard let outline = read.last, outline.isMarkdown == (cell.kind == .markdown) else { return self.marker(of: cell) }
    let title = cell.kind == .raw ? outline.title.dropFirst(5).drop { $0 == " " } : outline.title[...]
    return title == cell.title ? marker : self.marker(of: cell)
  }

  private static func marker(of cell: NotebookCell) -> String {
    // A title of several lines, as other programs may write one, must not become code.
    let title = cell.title.split(whereSeparator: \.isNewline).joined(separator: " ")
    return "# %%" + (cell.kind == .code ? "" : " [\(cell.kind.rawValue)]") + (title.isEmpty ? "" : " " + title)
  }

  private static func body(of cell: NotebookCell) -> String {
    if cell.kind == .code { return code(cell.text, isEscaped: false) }
    if let source = cell.source {
      if lines(of: source).map({ uncommented($0) }).joined(separator: "\n") == cell.text { return source }
    }
    return commented(cell.text)
  }

  /// Code with a backslash more, or one less, in each comment that would begin a cell without any: `# \%% part two`.
  private static func code(_ text: String, isEscaped: Bool) -> String {
    guard text.contains("%%"), text.contains("#") else { return text }
    var lines = lines(of: text)
    let bare = lines.map { line in
      let start = line.prefix { $0 == "#" || $0 == " " }
      let rest = line[start.endIndex...].drop { $0 == "\\" }
      return start.first == "#" && rest.hasPrefix("%%") ? String(start + rest) : line
    }
    // In a string of several lines nothing is a marker, which the lexer knows.
    for outline in CellOutline.cells(of: bare.joined(separator: "\n")) where outline.lines.lowerBound > 1 {
      let index = outline.lines.lowerBound - 2
      guard let place = lines[index].firstIndex(where: { $0 == "\\" || $0 == "%" }) else { continue }
      if !isEscaped { lines[index].insert("\\", at: place) } else if lines[index][place] == "\\" { lines[index].remove(at: place) }
    }
    return lines.joined(separator: "\n")
  }

  /// Prose as comments; a line that would then look like a marker gets a backslash.
  private static func commented(_ text: String) -> String {
    if text.isEmpty { return "" }
    return lines(of: text).map { line in
      if line.isEmpty { return "#" }
      return (line.drop { $0 == "\\" }.hasPrefix("%%") ? "# \\" : "# ") + line
    }.joined(separator: "\n")
  }

  private static func uncommented(_ line: String) -> String {
    if line == "#" { return "" }
    guard line.hasPrefix("# ") else { return line.hasPrefix("#") ? String(line.dropFirst()) : line }
    let rest = line.dropFirst(2)
    return String(rest.hasPrefix("\\") && rest.drop { $0 == "\\" }.hasPrefix("%%") ? rest.dropFirst() : rest)
  }
}
