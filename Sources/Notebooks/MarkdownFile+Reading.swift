// Markdown as a notebook: pages that zs wrote, cell by cell; any other page with its `zs` fences as code and the rest as prose.
import Formats

extension MarkdownFile {
  /// The notebook in a page's text.
  public static func read(_ text: String) throws -> NotebookDocument {
    var reader = MarkdownReader(text.replacing("\r\n", with: "\n"))
    return try reader.read()
  }
}

private struct MarkdownReader {
  private let lines: [Substring]
  private var next = 0
  private var document = NotebookDocument()
  /// Prose that has no cell yet.
  private var prose: [Substring] = []
  /// What the next fence is.
  private var expected = "cell"
  private var expectedAbout: JSON = [:]
  private let isExport: Bool

  init(_ text: String) {
    lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    isExport = text.contains(MarkdownFile.opening + "notebook")
  }

  mutating func read() throws -> NotebookDocument {
    while next < lines.count {
      let line = lines[next]
      next += 1
      if isExport, line.hasPrefix(MarkdownFile.opening) {
        try take(comment: line)
      } else if let fence = Fence(line) {
        take(fence)
      } else if isExport, let svg = MarkdownReader.picture(line) {
        attach(svg)
      } else {
        prose.append(line)
      }
    }
    endProse()
    return document
  }

  private mutating func take(comment line: Substring) throws {
    endProse()
    let inner = line.dropFirst(MarkdownFile.opening.count)
    guard let end = inner.range(of: "-->") else {
      throw NotebookError("line \(next) of the page begins a comment of zs that does not end")
    }
    let content = inner[..<end.lowerBound]
    let name = String(content.prefix { $0 != " " })
    let rest = content.dropFirst(name.count).drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()
    var about: JSON = [:]
    if !rest.isEmpty {
      do {
        about = try JSON.parse(String(rest))
      } catch {
        throw NotebookError("line \(next) of the page is a comment of zs that cannot be read", hint: "export the session again")
      }
    }
    expected = name
    expectedAbout = about
    switch name {
    case "notebook":
      document.about.seed = about["seed"]?.string.flatMap { UInt64($0) }
      document.about.width = about["width"]?.int
    case "cell": document.cells.append(cell(.code, about))
    case "markdown", "raw": document.cells.append(cell(name == "raw" ? .raw : .markdown, about))
    default: break
    }
  }

  private func cell(_ kind: NotebookCell.Kind, _ about: JSON) -> NotebookCell {
    var cell = NotebookCell(kind, "", title: about["title"]?.string ?? "")
    cell.number = about["number"]?.int
    cell.ending = about["ending"]?.string.flatMap { NotebookCell.Ending(rawValue: $0) }
    cell.randomPosition = about["random"]?.string.flatMap { UInt64($0) }
    return cell
  }

  private mutating func take(_ fence: Fence) {
    let start = next
    while next < lines.count, !fence.isClosed(by: lines[next]) { next += 1 }
    let body = lines[start..<next].joined(separator: "\n")
    let isProse = isExport ? expected == "markdown" || expected == "raw" : fence.language != "zs"
    next += 1
    if isProse {
      prose += lines[start - 1..<min(next, lines.count)]
      return
    }
    if !isExport {
      endProse()
      document.cells.append(NotebookCell(.code, body))
      return
    }
    guard let last = document.cells.indices.last else { return }
    switch expected {
    case "cell": document.cells[last].text = body
    case "stream": document.cells[last].outputs.append(.stream(body.isEmpty ? "" : body + "\n"))
    case "result": document.cells[last].outputs.append(.result(DisplayBundle(text: body)))
    case "error":
      document.cells[last].outputs.append(
        .error(kind: expectedAbout["kind"]?.string ?? "", message: expectedAbout["message"]?.string ?? "", text: body))
    default: break
    }
  }

  private mutating func attach(_ svg: String) {
    guard let last = document.cells.indices.last, let output = document.cells[last].outputs.indices.last,
      case .result(var bundle) = document.cells[last].outputs[output]
    else { return }
    bundle.rich["image/svg+xml"] = svg
    document.cells[last].outputs[output] = .result(bundle)
  }

  /// Prose goes to the prose cell that an export opened; elsewhere it makes one.
  private mutating func endProse() {
    let text = prose.drop { $0.isEmpty }.reversed().drop { $0.isEmpty }.reversed().joined(separator: "\n")
    prose = []
    if text.isEmpty { return }
    if !isExport {
      document.cells.append(NotebookCell(.markdown, text))
    } else if let last = document.cells.indices.last {
      if document.cells[last].kind != .code { document.cells[last].text = text }
    } else if text.hasPrefix("# "), document.about.title.isEmpty {
      document.about.title = String(text.dropFirst(2).prefix { $0 != "\n" })
    }
  }

  private static func picture(_ line: Substring) -> String? {
    guard line.hasPrefix("!["), line.hasSuffix(")"), let start = line.range(of: "](data:image/svg+xml;base64,") else { return nil }
    return Base64.decode(line[start.upperBound...].dropLast()).map { String(decoding: $0, as: UTF8.self) }
  }
}

/// The line that opens a fence.
private struct Fence {
  let language: Substring
  private let count: Int

  init?(_ line: Substring) {
    count = line.prefix { $0 == "`" }.count
    if count < 3 { return nil }
    language = line.dropFirst(count).prefix { $0 != " " }
  }

  func isClosed(by line: Substring) -> Bool {
    line.prefix { $0 == "`" }.count >= count && line.drop { $0 == "`" }.allSatisfy(\.isWhitespace)
  }
}

extension Substring {
  /// Where a text first occurs.
  func range(of text: String) -> Range<Index>? { firstRange(of: text) }
}
