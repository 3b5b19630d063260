// The one error of this target: a file is not what it claims to be, or cannot be read or written.

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// A file that could not be read, written or believed: what was found where, and what to try.
public struct FormatError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What was wrong, with the file's name and what was found in it.
  public let message: String
  /// What to try, when there is something to try.
  public let hint: String?

  /// An error with a message and perhaps a hint.
  public init(_ message: String, hint: String? = nil) {
    self.message = message
    self.hint = hint
  }

  /// Message and hint on one line.
  public var description: String { hint.map { "\(message) (\($0))" } ?? message }
}

extension FormatError {
  /// The system's own words for a failed call on a file.
  public static func system(_ action: String, _ path: String, code: Int32) -> FormatError {
    let reason = String(cString: strerror(code))
    var hint: String?
    if code == ENOENT { hint = "check the path; relative paths start at the current folder" }
    if code == EACCES || code == EPERM { hint = "check the permissions of the file and its folders" }
    if code == ENOSPC { hint = "free some disk space" }
    return FormatError("cannot \(action) \(path): \(reason)", hint: hint)
  }
}

/// The beginning of an error about data of which nothing is of use; "be used" goes on.
package func noneOf(_ rows: Int, _ name: String) -> String {
  rows == 1 ? "the one row of \(name) cannot" : "none of the \(rows) rows of \(name) can"
}
