// A notebook as Markdown: prose as it is, code and output in fences, pictures inside. Comments that a reader does not see say
// which fence is what, so that `zs verify` can read the file back.
import Formats

/// Writes `.md`; reading is in MarkdownFile+Reading.swift.
public enum MarkdownFile {
  static let opening = "<!-- zs:"

  /// The text of a page.
  public static func write(_ document: NotebookDocument) -> String {
    var about: JSON = ["version": 1]
    if let seed = document.about.seed { about = merged(about, ["seed": .string("\(seed)")]) }
    if let width = document.about.width { about = merged(about, ["width": .int(Int64(width))]) }
    var blocks = [comment("notebook", about)]
    if !document.about.title.isEmpty { blocks.append("# " + oneLine(document.about.title)) }
    for cell in document.cells { blocks += self.blocks(cell) }
    return blocks.joined(separator: "\n\n") + "\n"
  }

  private static func blocks(_ cell: NotebookCell) -> [String] {
    let title: JSON = cell.title.isEmpty ? [:] : ["title": .string(cell.title)]
    guard cell.kind == .code else {
      return [comment(cell.kind.rawValue, title), cell.text]
    }
    var about = title
    if let number = cell.number { about = merged(about, ["number": .int(Int64(number))]) }
    if let ending = cell.ending { about = merged(about, ["ending": .string(ending.rawValue)]) }
    if let position = cell.randomPosition { about = merged(about, ["random": .string("\(position)")]) }
    var blocks = [comment("cell", about)]
    if !cell.title.isEmpty, Int(cell.title) == nil { blocks.append("## " + oneLine(cell.title)) }
    let label = cell.number.map { "**In[\($0)]**\n\n" } ?? ""
    blocks.append(label + fence(cell.text, "zs"))
    for output in cell.outputs {
      switch output {
      case .stream(let text): blocks.append(comment("stream", [:]) + "\n" + fence(HTMLText.withoutEscapes(text), "text"))
      case .error(let kind, let message, let text):
        blocks.append(comment("error", ["kind": .string(kind), "message": .string(message)]) + "\n" + fence(text, "text"))
      case .result(let bundle):
        let name = cell.number.map { "Out[\($0)]" } ?? "Out"
        blocks.append(comment("result", [:]) + "\n**\(name)**\n\n" + fence(bundle.text, "text"))
        if let svg = bundle.svg { blocks.append("![\(name)](data:image/svg+xml;base64,\(Base64.encode(Array(svg.utf8))))") }
      }
    }
    // A line that begins with ~ changes from run to run.
    if let seconds = cell.seconds { blocks.append("~ \(CellTime.text(seconds))") }
    return blocks
  }

  private static func comment(_ name: String, _ about: JSON) -> String {
    let text = about.object?.isEmpty ?? true ? "" : " " + about.serialized().replacing("--", with: "\\u002d\\u002d")
    return "\(opening)\(name)\(text) -->"
  }

  /// A text between fences longer than any in it.
  private static func fence(_ text: String, _ language: String) -> String {
    var longest = 0
    var run = 0
    for character in text {
      run = character == "`" ? run + 1 : 0
      longest = max(longest, run)
    }
    let mark = String(repeating: "`", count: max(3, longest + 1))
    let body = text.isEmpty || text.hasSuffix("\n") ? text : text + "\n"
    return "\(mark)\(language)\n\(body)\(mark)"
  }

  static func merged(_ left: JSON, _ right: JSON) -> JSON {
    .object((left.object ?? [:]).merging(right.object ?? [:]) { $1 })
  }
}

/// A time span for people.
enum CellTime {
  static func text(_ seconds: Double) -> String {
    func decimal(_ number: Double, _ digits: Double) -> String {
      let rounded = (number * digits).rounded() / digits
      return rounded == rounded.rounded() ? String(Int(rounded)) : "\(rounded)"
    }
    guard seconds.isFinite, seconds >= 0, seconds < 1e9 else { return "?" }
    if seconds < 1 { return decimal(seconds * 1000, seconds < 0.01 ? 100 : 1) + " ms" }
    if seconds < 60 { return decimal(seconds, 100) + " s" }
    return "\(Int(seconds) / 60) m \(Int(seconds) % 60) s"
  }
}

private func oneLine(_ text: String) -> String { text.split(whereSeparator: \.isNewline).joined(separator: " ") }
