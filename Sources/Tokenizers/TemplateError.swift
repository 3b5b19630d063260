// What can go wrong in a chat template: its text cannot be read, or it stops while it is being rendered.

/// An error in a chat template, with the place in the template that caused it.
public struct TemplateError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What went wrong.
  public var message: String
  /// What to try, if anything helps.
  public var hint: String?
  /// Line of the template, from 1; 0 where the error has no place.
  public var line: Int
  /// Column of that line, from 1, counted in Unicode scalars.
  public var column: Int

  /// Makes an error.
  public init(_ message: String, hint: String? = nil, line: Int = 0, column: Int = 0) {
    self.message = message
    self.hint = hint
    self.line = line
    self.column = column
  }

  /// Place, message and hint in one text.
  public var description: String {
    let place = line > 0 ? "template line \(line), column \(column): " : ""
    return place + message + (hint.map { " (\($0))" } ?? "")
  }
}
