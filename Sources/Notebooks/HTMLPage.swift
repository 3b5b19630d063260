// A notebook as one HTML file that needs nothing else: styles, pictures and tables inside, no script. What `zs verify` needs
// stands in it as a notebook file, in an element that browsers do not show.
import Language

/// Writes `.html`, and finds the notebook in what it wrote.
public enum HTMLPage {
  private static let opening = "<script type=\"application/json\" id=\"zs-notebook\">"
  private static let closing = "</script>"

  /// The text of a page.
  public static func write(_ document: NotebookDocument) -> String {
    let title = document.about.title.isEmpty ? "zs session" : document.about.title
    let cells = document.cells.map(section).joined(separator: "\n")
    // Within the element only "</" could end it early, and JSON may write it with a backslash.
    let data = IpynbFile.write(plain(document)).replacing("</", with: "<\\/")
    return """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <meta name="generator" content="zs">
      <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data: https:">
      <title>\(HTMLText.escaped(title))</title>
      <style>
      \(style)
      </style>
      </head>
      <body>
      <main>
      \(document.about.title.isEmpty ? "" : "<h1>\(HTMLText.escaped(title))</h1>")
      \(cells)
      </main>
      \(opening)
      \(data)\(closing)
      </body>
      </html>

      """
  }

  /// The notebook in a page that zs wrote.
  public static func read(_ text: String) throws -> NotebookDocument {
    guard let start = text.firstRange(of: opening), let end = text[start.upperBound...].firstRange(of: closing) else {
      throw NotebookError("this page holds no notebook of zs", hint: "only pages that :export or zs convert wrote can be read")
    }
    return try IpynbFile.read(String(text[start.upperBound..<end.lowerBound]).replacing("<\\/", with: "</"))
  }

  /// The notebook with the plain text of its results alone: the pictures stand in the page already.
  private static func plain(_ document: NotebookDocument) -> NotebookDocument {
    var document = document
    for cell in document.cells.indices {
      document.cells[cell].outputs = document.cells[cell].outputs.map { output in
        switch output {
        case .result(let bundle): .result(DisplayBundle(text: bundle.text))
        case .stream(let text): .stream(HTMLText.withoutEscapes(text))
        default: output
        }
      }
    }
    return document
  }

  private static func section(_ cell: NotebookCell) -> String {
    guard cell.kind == .code else {
      let heading = cell.title.isEmpty ? "" : "<h2>\(HTMLText.escaped(cell.title))</h2>\n"
      let body = cell.kind == .markdown ? MarkdownText.html(cell.text) : "<pre>\(HTMLText.escaped(cell.text))</pre>"
      return "<section class=\"prose\">\n\(heading)\(body)\n</section>"
    }
    let heading = cell.title.isEmpty || Int(cell.title) != nil ? "" : "<h2>\(HTMLText.escaped(cell.title))</h2>\n"
    let number = cell.number.map(String.init) ?? " "
    let time = cell.seconds.map { "<span class=\"time\">\(CellTime.text($0))</span>" } ?? ""
    let outputs = cell.outputs.map { self.output($0, number: cell.number) }.joined(separator: "\n")
    return """
      <section class="cell">
      \(heading)<div class="in"><span class="label">In[\(number)]</span><pre><code>\(SourceColours.html(cell.text))</code></pre>\(time)</div>
      \(outputs)
      </section>
      """
  }

  private static func output(_ output: CellOutput, number: Int?) -> String {
    switch output {
    case .stream(let text):
      return "<div class=\"out\"><span class=\"label\"></span><pre>\(HTMLText.coloured(text))</pre></div>"
    case .error(_, _, let text):
      return "<div class=\"out error\"><span class=\"label\"></span><pre>\(HTMLText.escaped(text))</pre></div>"
    case .result(let bundle):
      let label = number.map { "Out[\($0)]" } ?? "Out"
      let body =
        bundle.svg.map { "<div class=\"picture\">\($0)</div>" } ?? picture(bundle) ?? bundle.rich["text/html"].map {
          "<div class=\"table\">\($0)</div>"
        }
        ?? "<pre>\(HTMLText.coloured(bundle.terminal ?? bundle.text))</pre>"
      return "<div class=\"out\"><span class=\"label\">\(label)</span>\(body)</div>"
    }
  }

  /// A picture of another program's notebook.
  private static func picture(_ bundle: DisplayBundle) -> String? {
    for type in ["image/png", "image/jpeg", "image/gif"] {
      guard let data = bundle.rich[type] else { continue }
      let digits = data.filter { $0.isASCII && ($0.isLetter || $0.isNumber || "+/=".contains($0)) }
      return "<div class=\"picture\"><img alt=\"\(HTMLText.escaped(bundle.text))\" src=\"data:\(type);base64,\(digits)\"></div>"
    }
    return nil
  }

  private static let style = """
    :root { color-scheme: light dark; --ink: #1f2328; --paper: #fff; --soft: #f5f6f8; --dim: #6b7280; --line: #d8dce2; --bad: #b42318;
      --word: #8250df; --text: #0a6640; --number: #0550ae; }
    @media (prefers-color-scheme: dark) { :root { --ink: #e4e6ea; --paper: #16181c; --soft: #20242a; --dim: #9aa3af; --line: #363b43;
      --bad: #ff8a80; --word: #c8a1ff; --text: #7fd6a5; --number: #79b8ff; } .picture svg { border-radius: 4px; } }
    body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
    main { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
    pre, code { font: 13px/1.45 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
    pre { margin: 0; overflow-x: auto; white-space: pre; min-width: 0; }
    .cell { margin: 1.2rem 0; }
    .in, .out { display: grid; grid-template-columns: 4.5rem minmax(0, 1fr) auto; gap: .5rem; align-items: start; }
    .in pre { background: var(--soft); border: 1px solid var(--line); border-radius: 4px; padding: .5rem .7rem; }
    .out { margin-top: .4rem; } .out > pre, .out > .picture, .out > .table { padding: 0 .7rem; overflow-x: auto; }
    .label, .time { color: var(--dim); font: 12px/1.6 ui-monospace, monospace; padding-top: .45rem; } .label { text-align: right; }
    .out > .label { padding-top: 0; } .time { min-width: 4.5rem; }
    .error pre { color: var(--bad); } .prose { margin: 1.2rem 0; }
    .prose pre { background: var(--soft); border-radius: 4px; padding: .5rem .7rem; }
    table { border-collapse: collapse; font-size: 13px; } th, td { padding: .2rem .6rem; border-bottom: 1px solid var(--line); text-align: left; }
    td.number { text-align: right; font-variant-numeric: tabular-nums; } .picture svg { max-width: 100%; height: auto; }
    .k { color: var(--word); } .s { color: var(--text); } .n { color: var(--number); } .c { color: var(--dim); font-style: italic; }
    """
}

/// Program text with words, strings, numbers and comments as spans.
enum SourceColours {
  private static let words: Set = [
    "if", "else", "for", "while", "in", "fn", "return", "break", "continue", "let", "try", "catch", "and", "or", "not", "true", "false",
    "none", "import", "as", "run", "fail", "assert", "test",
  ]

  static func html(_ text: String) -> String {
    var result = ""
    var rest = text[...]
    while let first = rest.first {
      let (piece, style) = next(rest, first)
      rest = rest[piece.endIndex...]
      result += style.isEmpty ? HTMLText.escaped(piece) : "<span class=\"\(style)\">\(HTMLText.escaped(piece))</span>"
    }
    return result
  }

  private static func next(_ rest: Substring, _ first: Character) -> (Substring, String) {
    if first == "#" { return (rest.prefix { !$0.isNewline }, "c") }
    if first == "\"" { return (string(rest), "s") }
    if first.isLetter || first == "_" {
      let word = rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
      return (word, words.contains(String(word)) ? "k" : "")
    }
    if first.isNumber { return (rest.prefix { $0.isNumber || $0.isLetter || $0 == "." || $0 == "_" }, "n") }
    return (rest.prefix(1), "")
  }

  /// A string to its closing quotes, or to the end of the line where it has none.
  private static func string(_ rest: Substring) -> Substring {
    if rest.hasPrefix("\"\"\"") {
      guard let end = rest.dropFirst(3).firstRange(of: "\"\"\"") else { return rest }
      return rest[..<end.upperBound]
    }
    var index = rest.index(after: rest.startIndex)
    // Within an interpolation a quote begins a string of its own.
    var depth = 0
    while index < rest.endIndex, !rest[index].isNewline {
      let character = rest[index]
      index = rest.index(after: index)
      if depth > 0 {
        depth += character == "(" ? 1 : character == ")" ? -1 : 0
      } else if character == "\"" {
        break
      } else if character == "\\", index < rest.endIndex {
        if rest[index] == "(" { depth = 1 }
        index = rest.index(after: index)
      }
    }
    return rest[..<index]
  }
}
