// Which format a file's name stands for, and reading and writing through it.
import Formats

/// The formats of notebooks.
public enum NotebookFile: String, CaseIterable, Sendable {
  /// A program of `# %%` cells.
  case zs
  /// Jupyter's notebooks.
  case ipynb
  /// Markdown.
  case md
  /// A page.
  case html

  /// The format that a path's ending names; nil where it names none.
  public init?(path: String) {
    guard let dot = path.lastIndex(of: "."), !path[dot...].contains("/") else { return nil }
    switch path[path.index(after: dot)...].lowercased() {
    case "zs": self = .zs
    case "ipynb": self = .ipynb
    case "md", "markdown": self = .md
    case "html", "htm": self = .html
    default: return nil
    }
  }

  /// The format that a path's ending names; an error names those there are.
  public static func format(of path: String) throws -> NotebookFile {
    guard let format = NotebookFile(path: path) else {
      throw NotebookError("the ending of '\(path)' says nothing about its format", hint: "end it in .zs, .ipynb, .md or .html")
    }
    return format
  }

  /// Reads a file.
  public static func read(path: String) throws -> NotebookDocument {
    let format = try format(of: path)
    guard let text = try FileContents.text(path) else { throw NotebookError("\(path) is not UTF-8 text") }
    do {
      return try format.read(text)
    } catch let error as NotebookError {
      throw NotebookError("\(path): \(error.message)", hint: error.hint)
    }
  }

  /// Reads a text in this format.
  public func read(_ text: String) throws -> NotebookDocument {
    switch self {
    case .zs: PercentFile.read(text)
    case .ipynb: try IpynbFile.read(text)
    case .md: try MarkdownFile.read(text)
    case .html: try HTMLPage.read(text)
    }
  }

  /// The text of a notebook in this format.
  public func write(_ document: NotebookDocument) -> String {
    switch self {
    case .zs: PercentFile.write(document)
    case .ipynb: IpynbFile.write(document)
    case .md: MarkdownFile.write(document)
    case .html: HTMLPage.write(document)
    }
  }

  /// Writes a file whole: it is the old one or the new one, never part of one.
  public static func write(_ document: NotebookDocument, path: String) throws {
    try AtomicFile.write(try format(of: path).write(document), to: path)
  }
}
