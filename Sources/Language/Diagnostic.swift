// Errors as text: the message, where, the line with a caret under the span, and a hint. The one format of all errors.

/// Turns errors into text for people, and into JSON for editors.
public struct DiagnosticRenderer {
  private let sources: SourceMap
  private let colour: Bool
  private let tabWidth = 4
  /// Bytes of a line that are looked at on either side of a span.
  private let reach = 800

  /// A renderer over the texts that errors point into.
  public init(sources: SourceMap, colour: Bool = false) {
    self.sources = sources
    self.colour = colour
  }

  /// The whole message, without a newline at its end.
  public func render(_ error: ZsError, severity: String = "error") -> String {
    var lines = [paint(severity + ":", severity == "error" ? "1;31" : "1;33") + " " + paint(error.message, "1")]
    if let span = error.span, let source = sources.source(of: span) {
      lines += excerpt(source, span: span, note: nil, mark: "^")
      for label in error.labels.prefix(4) {
        guard let other = sources.source(of: label.span) else { continue }
        lines += excerpt(other, span: label.span, note: label.message, mark: "-")
      }
    }
    if let hint = error.hint, !hint.isEmpty {
      lines += hint.split(separator: "\n", omittingEmptySubsequences: false).enumerated().map { index, line in
        index == 0 ? paint("hint:", "36") + " " + line : "      " + line
      }
    }
    return (lines + trace(error.trace)).joined(separator: "\n")
  }

  /// The calls, innermost first; a function that calls itself from one place takes one line.
  private func trace(_ steps: [Label]) -> [String] {
    var lines: [String] = []
    var index = 0
    while index < steps.count, lines.count < 8 {
      var repeats = 1
      while index + repeats < steps.count, steps[index + repeats] == steps[index] { repeats += 1 }
      let note = repeats == 1 ? "" : repeats >= ZsError.maximumTrace - 1 ? ", again and again" : ", \(repeats) times"
      lines.append("  " + describe(steps[index]) + note)
      index += repeats
    }
    return lines
  }

  /// Several errors: the first few in full, the rest counted.
  public func render(_ errors: [ZsError], most: Int = 3) -> String {
    var parts = errors.prefix(most).map { render($0) }
    if errors.count > most {
      let rest = errors.count - most
      parts.append("… and \(rest) more error\(rest == 1 ? "" : "s")")
    }
    return parts.joined(separator: "\n\n")
  }

  private func describe(_ step: Label) -> String {
    guard let source = sources.source(of: step.span) else { return step.message }
    return "\(step.message), called at \(location(source, step.span))"
  }

  private func location(_ source: Source, _ span: Span) -> String {
    let (line, column) = source.position(of: Int(span.start))
    return "\(source.name):\(line):\(column)"
  }

  /// The place, the line, and marks under the span, by the columns that characters take.
  private func excerpt(_ source: Source, span: Span, note: String?, mark: String) -> [String] {
    let start = min(Int(span.start), source.bytes.count)
    let line = source.line(at: start)
    let range = source.lineRange(line)
    let end = min(max(Int(span.end), start), range.upperBound)
    let number = String(line)
    let margin = String(repeating: " ", count: number.count)
    // A line may be a megabyte long: only what can be seen of it is measured.
    let first = source.characterStart(max(range.lowerBound, start - reach))
    let last = source.characterStart(min(range.upperBound, end + reach))
    let shownEnd = source.characterStart(min(end, start + reach))
    let lead = (first > range.lowerBound ? "…" : "") + expand(source.slice(first, start), from: 0)
    let leadWidth = TextWidth.of(lead)
    let marked = expand(source.slice(start, shownEnd), from: leadWidth)
    let rest = shownEnd < end ? "" : expand(source.slice(end, last), from: leadWidth + TextWidth.of(marked))
    let (text, shift) = window(lead: lead, marked: marked, rest: rest)
    let continues = Int(span.end) > range.upperBound + 1
    let width = min(max(1, TextWidth.of(marked)), max(1, TextWidth.of(text) - (leadWidth - shift)))
    let marks = String(repeating: mark, count: width) + (continues ? "…" : "")
    let place = note == nil ? "\(margin) \(location(source, span))" : "\(margin) \(location(source, span)): \(note ?? "")"
    return [
      paint(place, "2"),
      paint("\(number) │ ", "2") + text,
      paint("\(margin) │ ", "2") + String(repeating: " ", count: max(0, leadWidth - shift)) + paint(marks, note == nil ? "1;31" : "1;34"),
    ]
  }

  /// A long line is shown from a little before the span; gives the columns that were left out.
  private func window(lead: String, marked: String, rest: String) -> (String, Int) {
    let whole = lead + marked + rest
    let most = 160
    if TextWidth.of(whole) <= most { return (whole, 0) }
    let leadWidth = TextWidth.of(lead)
    guard leadWidth > 60 else { return (TextWidth.cut(whole, to: most), 0) }
    var kept = ""
    var width = 0
    for character in lead.reversed() where width < 40 {
      kept = String(character) + kept
      width += TextWidth.of(character)
    }
    let text = "…" + kept + marked + rest
    return (TextWidth.cut(text, to: most), leadWidth - width - 1)
  }

  /// Tabs as blanks up to the next stop, other control characters as a sign.
  private func expand(_ text: String, from column: Int) -> String {
    var result = ""
    var width = column
    for character in text {
      if character == "\t" {
        let blanks = tabWidth - width % tabWidth
        result += String(repeating: " ", count: blanks)
        width += blanks
      } else if let scalar = character.unicodeScalars.first, scalar.value < 32 || scalar.value == 127 {
        result += "�"
        width += 1
      } else {
        result.append(character)
        width += TextWidth.of(character)
      }
    }
    return result
  }

  private func paint(_ text: String, _ code: String) -> String {
    colour ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
  }

  /// The error as a map for editors: lines from 1, columns as characters before the place.
  public func record(_ error: ZsError, severity: String = "error") -> Value {
    var map: ValueMap = ["severity": .string(severity), "kind": .string(error.kind), "message": .string(error.message)]
    map["hint"] = error.hint.map { Value.string($0) } ?? Value.none
    if let span = error.span, let place = place(span) {
      map.merge(place) { $1 }
    }
    map["labels"] = .list(
      error.labels.compactMap { label in
        guard var map = place(label.span) else { return nil }
        map["message"] = .string(label.message)
        return .map(map)
      })
    return .map(map)
  }

  private func place(_ span: Span) -> ValueMap? {
    guard let source = sources.source(of: span) else { return nil }
    let start = source.position(of: Int(span.start))
    let end = source.position(of: Int(span.end))
    return [
      "file": .string(source.path ?? source.name), "line": .int(Int64(start.line)), "column": .int(Int64(start.column)),
      "end_line": .int(Int64(end.line)), "end_column": .int(Int64(end.column)),
    ]
  }
}
