// The Markdown that notes are written in, as HTML: headings, paragraphs, lists, quotes, fences, emphasis, code and links.
// HTML inside of it is shown as text.

enum MarkdownText {
  /// Quotes within quotes are followed this far; further marks are text.
  private static let deepestQuote = 16

  static func html(_ text: String, depth: Int = 0) -> String {
    var lines = text.replacing("\r\n", with: "\n").split(separator: "\n", omittingEmptySubsequences: false)[...]
    var blocks: [String] = []
    while let line = lines.first {
      let trimmed = line.drop { $0 == " " }
      if trimmed.isEmpty {
        lines.removeFirst()
      } else if trimmed.hasPrefix("```") {
        blocks.append(fence(&lines))
      } else if let heading = heading(trimmed) {
        lines.removeFirst()
        blocks.append(heading)
      } else if item(line) != nil {
        blocks.append(list(&lines))
      } else if trimmed.hasPrefix(">"), depth < deepestQuote {
        let quoted = lines.prefix { $0.drop { $0 == " " }.hasPrefix(">") }
        lines = lines.dropFirst(quoted.count)
        let inner = quoted.map { $0.drop { $0 == " " }.dropFirst().drop { $0 == " " } }.joined(separator: "\n")
        blocks.append("<blockquote>\(html(inner, depth: depth + 1))</blockquote>")
      } else {
        let paragraph = lines.prefix { line in
          let start = line.drop { $0 == " " }
          let isQuote = start.hasPrefix(">") && depth < deepestQuote
          return !start.isEmpty && !start.hasPrefix("```") && heading(start) == nil && item(line) == nil && !isQuote
        }
        lines = lines.dropFirst(max(1, paragraph.count))
        blocks.append("<p>\(inline(paragraph.joined(separator: "\n")))</p>")
      }
    }
    return blocks.joined(separator: "\n")
  }

  private static func heading(_ line: Substring) -> String? {
    let level = line.prefix { $0 == "#" }.count
    guard (1...6).contains(level), line.dropFirst(level).first == " " else { return nil }
    return "<h\(level)>\(inline(String(line.dropFirst(level + 1))))</h\(level)>"
  }

  private static func fence(_ lines: inout ArraySlice<Substring>) -> String {
    lines.removeFirst()
    let body = lines.prefix { !$0.drop { $0 == " " }.hasPrefix("```") }
    lines = lines.dropFirst(body.count + 1)
    return "<pre><code>\(HTMLText.escaped(body.joined(separator: "\n")))</code></pre>"
  }

  /// The text of a list's item, and whether the list is numbered.
  private static func item(_ line: Substring) -> (text: Substring, isNumbered: Bool)? {
    let start = line.drop { $0 == " " }
    if start.hasPrefix("- ") || start.hasPrefix("* ") { return (start.dropFirst(2), false) }
    let digits = start.prefix { $0.isNumber }
    guard !digits.isEmpty, start.dropFirst(digits.count).hasPrefix(". ") else { return nil }
    return (start.dropFirst(digits.count + 2), true)
  }

  private static func list(_ lines: inout ArraySlice<Substring>) -> String {
    var items: [String] = []
    var isNumbered = false
    while let line = lines.first {
      if let item = item(line) {
        isNumbered = items.isEmpty ? item.isNumbered : isNumbered
        items.append(String(item.text))
      } else if line.hasPrefix("  "), !items.isEmpty {
        items[items.count - 1] += " " + line.drop { $0 == " " }
      } else {
        break
      }
      lines.removeFirst()
    }
    let tag = isNumbered ? "ol" : "ul"
    return "<\(tag)>\n" + items.map { "<li>\(inline($0))</li>" }.joined(separator: "\n") + "\n</\(tag)>"
  }

  /// Code, strong, emphasis and links within a line.
  private static func inline(_ text: String) -> String {
    var result = ""
    var rest = text[...]
    while let first = rest.first {
      if first == "`", let code = between(rest, "`", "`") {
        result += "<code>\(HTMLText.escaped(code.inner))</code>"
        rest = code.rest
      } else if rest.hasPrefix("**"), let strong = between(rest, "**", "**") {
        result += "<strong>\(inline(String(strong.inner)))</strong>"
        rest = strong.rest
      } else if first == "*", let emphasis = between(rest, "*", "*"), emphasis.inner.first != " " {
        result += "<em>\(inline(String(emphasis.inner)))</em>"
        rest = emphasis.rest
      } else if first == "[", let name = between(rest, "[", "]"), name.rest.first == "(", let target = between(name.rest, "(", ")") {
        let isSafe = ["http://", "https://", "#", "mailto:"].contains { target.inner.hasPrefix($0) } || !target.inner.contains(":")
        result += isSafe ? "<a href=\"\(HTMLText.escaped(target.inner))\">\(inline(String(name.inner)))</a>" : inline(String(name.inner))
        rest = target.rest
      } else {
        result += HTMLText.escaped(rest.prefix(1))
        rest = rest.dropFirst()
      }
    }
    return result
  }

  private static func between(_ text: Substring, _ open: String, _ close: String) -> (inner: Substring, rest: Substring)? {
    let inner = text.dropFirst(open.count)
    guard let end = inner.firstRange(of: close), end.lowerBound > inner.startIndex else { return nil }
    return (inner[..<end.lowerBound], inner[end.upperBound...])
  }
}
