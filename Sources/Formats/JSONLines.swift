// One JSON value per line (.jsonl). A bad line is reported with its number and does not spoil the others.

/// The rows of a JSON-lines file and the lines that could not be read.
public struct JSONLines: Sendable {
  /// A value and the line it stood on, counted from 1.
  public struct Row: Sendable, Equatable {
    /// Line number from 1.
    public let line: Int
    /// What the line holds.
    public let value: JSON
  }

  /// A line that is no JSON, and why.
  public struct Problem: Sendable, Equatable {
    /// Line number from 1.
    public let line: Int
    /// What was wrong, with line and column.
    public let reason: String
  }

  /// The file's path.
  public let path: String
  /// The rows in order; blank lines are no rows.
  public let rows: [Row]
  /// The lines that are no JSON.
  public let problems: [Problem]

  /// Reads the file at `path`.
  ///
  /// - Throws: `FormatError` only if the file itself cannot be read.
  public init(path: String) throws {
    self = try FileContents.read(path).withUnsafeBytes { JSONLines($0, path: path) }
  }

  /// Reads bytes; `path` is used in messages only.
  public init(_ bytes: UnsafeRawBufferPointer, path: String) {
    var rows: [Row] = []
    var problems: [Problem] = []
    var start = 0
    var line = 0
    while start < bytes.count {
      line += 1
      let end = bytes[start...].firstIndex(of: 0x0A) ?? bytes.count
      let slice = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
      start = end + 1
      if slice.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) { continue }
      do {
        rows.append(Row(line: line, value: try JSON.parse(slice, source: path, firstLine: line, allowingNonFinite: true)))
      } catch {
        problems.append(Problem(line: line, reason: (error as? FormatError)?.message ?? "\(error)"))
      }
    }
    self.path = path
    self.rows = rows
    self.problems = problems
  }

  /// Writes one value per line, the file appearing whole.
  public static func write(_ values: some Sequence<JSON>, to path: String) throws {
    try AtomicFile.write(to: path) { file in
      for value in values { try file.append(value.serialized() + "\n") }
    }
  }
}
