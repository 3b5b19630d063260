// What a tensor operation throws: the sentence a person reads, and what to try.

/// An operation that cannot be done: shapes that do not fit, an index out of range, memory that is not there.
public struct TensorError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What was wrong, with both operands and their shapes.
  public let message: String
  /// What to try, if there is something.
  public let hint: String?

  /// Makes an error of a message and a hint.
  public init(_ message: String, hint: String? = nil) {
    self.message = message
    self.hint = hint
  }

  /// The message, and the hint in parentheses.
  public var description: String { hint.map { "\(message) (\($0))" } ?? message }
}
