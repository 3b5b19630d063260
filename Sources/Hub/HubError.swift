// What can go wrong between a model's name and its file, always with what to run or where to put the file.

/// A model that could not be found or fetched.
public struct HubError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What went wrong, and where.
  public let message: String
  /// What to run, or where to put the file.
  public let hint: String?

  /// Makes an error from its two texts.
  public init(_ message: String, hint: String? = nil) {
    self.message = message
    self.hint = hint
  }

  /// Message and hint in one text.
  public var description: String { hint.map { "\(message) (\($0))" } ?? message }
}

/// Thrown where the caller asked for a transfer to stop; nothing half done is left behind.
public struct TransferCancelled: Error, Sendable, Equatable {
  /// Makes the error.
  public init() {}
}

/// How far a transfer has come.
public struct TransferProgress: Sendable, Equatable {
  /// What is being done.
  public enum Stage: String, Sendable {
    /// Another process fetches the same file.
    case waiting
    case downloading
    case extracting
    case checking
  }

  /// What is being done.
  public var stage: Stage
  /// Bytes done.
  public var done: Int
  /// Bytes there are, as far as they are known.
  public var total: Int

  /// Makes a report.
  public init(stage: Stage, done: Int, total: Int) {
    self.stage = stage
    self.done = done
    self.total = total
  }
}
