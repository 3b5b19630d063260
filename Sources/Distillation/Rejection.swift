// What a pipeline did not keep, and why: nothing is dropped without a word.

/// Something a pipeline did not keep.
public struct Rejection: Sendable, Equatable {
  /// Where: `instruction`, `instance`, `example`, `dialogue`, `answer`, `score`.
  public var stage: String
  /// Why, in the same words for the same rule, so that they can be counted.
  public var reason: String
  /// What was rejected.
  public var text: String
  /// More about it: the text it is too close to, the word that was found.
  public var detail: String
  /// The request it came from, from 0.
  public var request: Int

  /// A rejection.
  public init(stage: String, reason: String, text: String, detail: String = "", request: Int) {
    self.stage = stage
    self.reason = reason
    self.text = text
    self.detail = detail
    self.request = request
  }
}

/// How many came out of each step of a pipeline.
public struct FunnelStep: Sendable, Equatable {
  /// What was done: `replies`, `parsed`, `not too similar`.
  public var step: String
  /// How many are left.
  public var count: Int

  /// A step and what it left.
  public init(_ step: String, _ count: Int) {
    self.step = step
    self.count = count
  }
}

/// How a pipeline tells how far it is, and hears that it should stop.
public struct PipelineWatch {
  /// Told the stage, how much is done, how much there is to do, and a note.
  public var progress: (_ stage: String, _ done: Int, _ total: Int, _ note: String) -> Void
  /// Asked often.
  public var shouldStop: () -> Bool

  /// Watches with both; without arguments it hears and stops nothing.
  public init(
    progress: @escaping (_ stage: String, _ done: Int, _ total: Int, _ note: String) -> Void = { _, _, _, _ in },
    shouldStop: @escaping () -> Bool = { false }
  ) {
    self.progress = progress
    self.shouldStop = shouldStop
  }
}

/// Thrown by a pipeline that was asked to stop; what its teachers replied is in the log, if it has one.
public struct PipelineStopped: Error, Sendable {
  /// The one kind of stop.
  public init() {}
}
