// The one error of this target: a model that cannot be built, or cannot do what was asked of it.

/// A model that could not be loaded or used: what was wrong where, and what to try.
public struct ModelError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What was wrong.
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
