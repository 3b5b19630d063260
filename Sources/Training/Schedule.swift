// The learning rate over the steps of a run, as transformers' schedules compute it.

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// How the learning rate moves between the end of the warm-up and the end of the run.
public enum ScheduleKind: String, CaseIterable, Sendable {
  /// The base rate from the first step on: as in transformers, without a warm-up.
  case constant
  /// The base rate after the warm-up.
  case constantWithWarmup = "constant_with_warmup"
  /// A straight line down to the least rate.
  case linear
  /// Half a cosine down to the least rate.
  case cosine
}

/// The learning rate of each update of a run.
public struct Schedule: Sendable, Equatable {
  /// The shape.
  public var kind: ScheduleKind
  /// The highest rate.
  public var baseRate: Double
  /// The rate at the end, for linear and cosine.
  public var minRate: Double
  /// Updates of the whole run.
  public var totalSteps: Int
  /// Updates over which the rate rises from 0 to the base.
  public var warmupSteps: Int
  /// Half-waves × 2 of the cosine: 0.5 goes down once.
  public var cycles = 0.5

  /// A schedule over `totalSteps` updates.
  public init(kind: ScheduleKind, baseRate: Double, minRate: Double = 0, totalSteps: Int, warmupSteps: Int) {
    self.kind = kind
    self.baseRate = baseRate
    self.minRate = minRate
    self.totalSteps = totalSteps
    self.warmupSteps = warmupSteps
  }

  /// The schedule of a run of `totalSteps` updates under these options.
  public init(_ options: TrainOptions, totalSteps: Int) {
    self.init(
      kind: options.schedule, baseRate: options.learningRate, minRate: options.minLearningRate, totalSteps: totalSteps,
      warmupSteps: options.warmupSteps ?? Schedule.warmupSteps(ratio: options.warmupRatio, totalSteps: totalSteps))
  }

  /// The warm-up of a share of the run: ⌈ratio · steps⌉.
  public static func warmupSteps(ratio: Double, totalSteps: Int) -> Int { Int((ratio * Double(totalSteps)).rounded(.up)) }

  /// The rate of update number `step`, counted from 0.
  ///
  /// With a warm-up the first update has rate 0.
  public func rate(step: Int) -> Double {
    if kind == .constant { return baseRate }
    if step < warmupSteps { return baseRate * Double(step) / Double(max(1, warmupSteps)) }
    let span = Double(max(1, totalSteps - warmupSteps))
    let factor: Double
    switch kind {
    case .constant, .constantWithWarmup: return baseRate
    case .linear: factor = max(0, Double(totalSteps - step) / span)
    case .cosine: factor = max(0, 0.5 * (1 + cos(.pi * cycles * 2 * (Double(step - warmupSteps) / span))))
    }
    let floor = baseRate == 0 ? 0 : minRate / baseRate
    return baseRate * (factor * (1 - floor) + floor)
  }
}
