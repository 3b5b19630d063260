// What can go wrong between text and ids: a file that is no tokenizer, or one of a kind that is not supported.

/// A tokenizer that could not be read or used, with what to try.
public struct TokenizerError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What went wrong, and where.
  public let message: String
  /// What to try, if anything helps.
  public let hint: String?

  /// Makes an error from its two texts.
  public init(_ message: String, hint: String? = nil) {
    self.message = message
    self.hint = hint
  }

  /// Message and hint in one text.
  public var description: String { hint.map { "\(message) (\($0))" } ?? message }
}
