// A notebook as a value: cells of code and prose with what they gave. Files in several formats are read into it and written
// from it; it knows no terminal and runs nothing.
import Formats

/// A sequence of cells.
public struct NotebookDocument: Equatable, Sendable {
  /// The cells from first to last.
  public var cells: [NotebookCell]
  /// What is known of the whole: who made it, what its numbers depend on.
  public var about: About
  /// Members of a notebook file that zs has no use for, kept for the way back.
  public var metadata: JSON

  /// What a run needs to be repeated.
  public struct About: Equatable, Sendable {
    /// The heading of a page.
    public var title: String
    /// The seed that random numbers of the session started from; nil where nothing was run.
    public var seed: UInt64?
    /// Columns that output was laid out for.
    public var width: Int?
    /// Whether the text that the notebook was read from ended without a newline.
    public var lacksFinalNewline: Bool

    /// What is known; without arguments nothing.
    public init(title: String = "", seed: UInt64? = nil, width: Int? = nil, lacksFinalNewline: Bool = false) {
      self.title = title
      self.seed = seed
      self.width = width
      self.lacksFinalNewline = lacksFinalNewline
    }
  }

  /// A notebook of cells.
  public init(_ cells: [NotebookCell] = [], about: About = About(), metadata: JSON = [:]) {
    self.cells = cells
    self.about = about
    self.metadata = metadata
  }
}

/// One cell.
public struct NotebookCell: Equatable, Sendable {
  /// What a cell holds.
  public enum Kind: String, Equatable, Sendable {
    case code
    case markdown
    /// Text that neither runs nor is laid out.
    case raw
  }

  /// How a cell that ran ended.
  public enum Ending: String, Equatable, Sendable {
    case finished
    case failed
    case interrupted
  }

  /// What it holds.
  public var kind: Kind
  /// What follows `# %%`.
  public var title: String
  /// The program or the prose, without newlines at its end.
  public var text: String
  /// The number in `In[n]`; nil where it did not run.
  public var number: Int?
  /// What it gave, in order.
  public var outputs: [CellOutput]
  /// How long it ran.
  public var seconds: Double?
  /// How it ended; nil where it did not run.
  public var ending: Ending?
  /// Blocks of random numbers drawn before it ran, under the notebook's seed.
  public var randomPosition: UInt64?
  /// The name by which notebook files know the cell.
  public var identifier: String?
  /// The marker's line as it was written; nil for a cell before the first marker, or where it is to be written anew.
  public var marker: String?
  /// The lines of a percent file as they stood there, where the text alone would not give them back.
  public var source: String?
  /// Newlines after the text in a percent file; nil where it is to be written anew.
  public var newlines: Int?
  /// Members of a notebook file's cell that zs has no use for.
  public var metadata: JSON

  /// Pictures and the like that the prose of a notebook file refers to.
  public var attachments: JSON?

  /// A cell that has not run.
  public init(_ kind: Kind = .code, _ text: String, title: String = "") {
    self.kind = kind
    self.title = title
    self.text = text
    outputs = []
    metadata = [:]
  }
}

/// One thing that a cell gave.
public enum CellOutput: Equatable, Sendable {
  /// What it printed, escape codes included.
  case stream(String)
  /// A value that was shown.
  case result(DisplayBundle)
  /// What ended it, as it was shown; `kind` is a word such as `name`.
  case error(kind: String, message: String, text: String)
}

/// A file of a notebook that cannot be read or written, and why.
public struct NotebookError: Error, Equatable, Sendable {
  /// What was wrong.
  public let message: String
  /// What to try.
  public let hint: String?

  init(_ message: String, hint: String? = nil) {
    self.message = message
    self.hint = hint
  }
}
