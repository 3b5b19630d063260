// The error of this target: what a person or a file can cause.

/// What went wrong in training or with its data, and what to try.
public struct TrainingError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What was wrong, where, and why.
  public let message: String
  /// What to try.
  public let hint: String?

  /// An error with its hint.
  public init(_ message: String, hint: String? = nil) {
    self.message = message
    self.hint = hint
  }

  /// The message, with the hint if there is one.
  public var description: String { hint.map { "\(message) (\($0))" } ?? message }
}
