// Whether a text at the prompt is a whole cell: asked of the parser, not of brackets or error texts.

/// What the parser says about a text that may still grow.
public enum Completeness: Equatable, Sendable {
  /// It can run.
  case complete
  /// It ends too early; the next line begins with that many blanks.
  case incomplete(indent: Int)
  /// More text would not mend it.
  case invalid
}

extension Parser {
  /// Lexes and parses a source.
  static func parse(_ source: Source) -> (program: Program, errors: [ZsError], completeness: Completeness) {
    guard source.bytes.count < Int(UInt32.max) else {
      let error = ZsError(kind: "syntax", message: "this text is larger than 4 GB")
      return (Program(cells: [], source: source), [error], .invalid)
    }
    var lexer = Lexer(source)
    let tokens = lexer.tokenize()
    var parser = Parser(source, tokens: tokens, errors: lexer.errors)
    let program = parser.file()
    var completeness = Completeness.complete
    if lexer.endsInsideString, lexer.errors.count == 1 {
      completeness = .incomplete(indent: 0)
    } else if parser.failedAtEnd, lexer.errors.isEmpty {
      completeness = .incomplete(indent: 4 * parser.openAtEnd)
    } else if !parser.errors.isEmpty {
      completeness = .invalid
    }
    return (program, readable(lexical: lexer.errors, all: parser.errors, source), completeness)
  }

  /// Errors in the order of the text; where the characters of a line are wrong already, its grammar is not judged.
  private static func readable(lexical: [ZsError], all: [ZsError], _ source: Source) -> [ZsError] {
    func line(_ error: ZsError) -> Int { source.line(at: Int(error.span?.start ?? 0)) }
    var firstOfLine: [Int: UInt32] = [:]
    for error in lexical {
      let start = error.span?.start ?? 0
      firstOfLine[line(error)] = min(firstOfLine[line(error)] ?? start, start)
    }
    let lexicalPlaces = Set(lexical.map(\.span))
    return all.filter { error in
      guard let first = firstOfLine[line(error)] else { return true }
      return error.span?.start == first && lexicalPlaces.contains(error.span)
    }.sorted { ($0.span?.start ?? 0) < ($1.span?.start ?? 0) }
  }

  /// How many lines of brackets are open at the end: brackets opened on one line count once.
  private var openAtEnd: Int {
    var lines = Set<Int>()
    for (index, token) in tokens.enumerated() where closers[index] < 0 {
      guard case .symbol(let symbol) = token.kind, [.leftParenthesis, .leftBracket, .leftBrace].contains(symbol) else { continue }
      lines.insert(source.line(at: Int(token.span.start)))
    }
    return min(lines.count, 20)
  }
}

/// What a file's cells are, without running them.
public struct CellOutline: Sendable, Equatable {
  /// What follows `# %%`.
  public let title: String
  /// Whether it is prose.
  public let isMarkdown: Bool
  /// The cell's lines, the marker's own not among them; empty where the cell is.
  public let lines: Range<Int>
  /// The text of those lines.
  public let text: String

  /// The cells of a file: what stands before the first marker is a cell too, unless it is blank.
  public static func cells(of text: String) -> [CellOutline] {
    let map = SourceMap()
    let source = map.add(name: "", text: text)
    var lexer = Lexer(source)
    let markers = lexer.tokenize().filter { token in
      if case .marker = token.kind { return true }
      return false
    }
    var starts: [(line: Int, title: String, isMarkdown: Bool)] = [(0, "", false)]
    for marker in markers {
      let (title, isMarkdown) = CellMarker.parse(source.text(of: marker.span))
      starts.append((source.line(at: Int(marker.span.start)), title, isMarkdown))
    }
    var cells: [CellOutline] = []
    for (index, start) in starts.enumerated() {
      let first = start.line + 1
      let end = index + 1 < starts.count ? starts[index + 1].line : source.lineCount + 1
      let text = first < end ? source.slice(source.lineRange(first).lowerBound, source.lineRange(end - 1).upperBound) : ""
      // Comments alone are no cell, as the parser sees it.
      let isBare = text.split(whereSeparator: \.isNewline).allSatisfy { ($0.first { !$0.isWhitespace } ?? "#") == "#" }
      if index == 0, !markers.isEmpty, isBare { continue }
      cells.append(CellOutline(title: start.title, isMarkdown: start.isMarkdown, lines: first..<max(first, end), text: text))
    }
    return cells
  }
}
