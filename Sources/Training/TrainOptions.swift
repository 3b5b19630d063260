// The options that every trainer has, under TRL's and transformers' meanings.

/// How parameters follow their gradients.
public enum OptimizerKind: String, CaseIterable, Sendable {
  case adamw, rmsprop, sgd
}

/// Options of the loop and the optimizer.
public struct TrainOptions: Sendable, Equatable {
  /// The highest learning rate.
  public var learningRate = 5e-7
  /// Its course over the run.
  public var schedule = ScheduleKind.linear
  /// Where linear and cosine end.
  public var minLearningRate = 0.0
  /// The share of the run that warms up, where `warmupSteps` is nil.
  public var warmupRatio = 0.1
  /// Updates that warm up.
  public var warmupSteps: Int?
  /// Examples computed together.
  public var batchSize = 4
  /// Such groups per update.
  public var gradientAccumulation = 1
  /// Passes over the data.
  public var epochs = 1.0
  /// Updates in all, in place of `epochs`.
  public var maxSteps: Int?
  /// The optimizer.
  public var optimizer = OptimizerKind.adamw
  /// Decay of the first moment.
  public var adamBeta1 = 0.9
  /// Decay of the second moment.
  public var adamBeta2 = 0.999
  /// Added to the root of the second moment.
  public var adamEpsilon = 1e-8
  /// Decoupled weight decay; norm weights and biases are spared.
  public var weightDecay = 0.0
  /// Largest norm of the whole gradient; 0 clips nothing.
  public var maxGradNorm = 1.0
  /// What the order of the examples and all noise derive from.
  public var seed: UInt64 = 42
  /// Whether each epoch has an order of its own.
  public var shuffle = true
  /// Whether blocks are recomputed in the backward pass instead of kept.
  public var gradientCheckpointing = false
  /// Strength of NEFTune's noise on the embeddings in training; 0: none.
  public var neftuneAlpha = 0.0
  /// Memory for snapshots that make going back instant.
  public var snapshotBytes = 512 << 20

  /// The defaults of `dpo`.
  public init() {}

  /// Refuses values that no run can have.
  public func validated() throws -> TrainOptions {
    func require(_ holds: Bool, _ name: String, _ value: Any, _ what: String) throws {
      if !holds { throw TrainingError("\(name) is \(value), it must be \(what)") }
    }
    try require(learningRate >= 0 && learningRate.isFinite, "learning_rate", learningRate, "at least 0")
    try require((0...1e3).contains(minLearningRate), "min_learning_rate", minLearningRate, "at least 0")
    try require((0...1).contains(warmupRatio), "warmup_ratio", warmupRatio, "from 0 to 1")
    try require((warmupSteps ?? 0) >= 0, "warmup_steps", warmupSteps ?? 0, "at least 0")
    try require((1...1_000_000).contains(batchSize), "batch_size", batchSize, "from 1 to 1000000")
    try require((1...1_000_000).contains(gradientAccumulation), "gradient_accumulation", gradientAccumulation, "from 1 to 1000000")
    try require(epochs > 0 && epochs <= 1e6, "epochs", epochs, "above 0 and at most a million")
    try require((1...1_000_000_000).contains(maxSteps ?? 1), "max_steps", maxSteps ?? 1, "from 1 to 1000000000")
    try require((0..<1).contains(adamBeta1), "adam_beta1", adamBeta1, "at least 0 and below 1")
    try require((0..<1).contains(adamBeta2), "adam_beta2", adamBeta2, "at least 0 and below 1")
    try require(adamEpsilon > 0 && adamEpsilon.isFinite, "adam_epsilon", adamEpsilon, "above 0")
    try require(weightDecay >= 0 && weightDecay.isFinite, "weight_decay", weightDecay, "at least 0")
    try require(maxGradNorm >= 0 && maxGradNorm.isFinite, "max_grad_norm", maxGradNorm, "at least 0")
    try require(neftuneAlpha >= 0 && neftuneAlpha.isFinite, "neftune_alpha", neftuneAlpha, "at least 0")
    if schedule == .constant, (warmupSteps ?? 0) > 0 {
      throw TrainingError("the schedule 'constant' has no warm-up", hint: "use schedule: \"constant_with_warmup\"")
    }
    return self
  }
}
