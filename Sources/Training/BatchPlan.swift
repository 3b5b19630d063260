// Which examples each update uses: a function of the step number alone, so that going back or resuming needs no cursor.

import Tensors

/// The examples of one update, in the groups that are computed together.
public struct Batch: Sendable, Equatable {
  /// Indices of examples, one list per micro-batch.
  public let microBatches: [[Int]]
  /// All indices in order.
  public var indices: [Int] { microBatches.flatMap { $0 } }
}

/// How examples are dealt out to updates.
public struct BatchPlan: Sendable, Equatable {
  /// Examples in the data.
  public let exampleCount: Int
  let batchSize: Int
  let gradientAccumulation: Int
  let shuffle: Bool
  let seed: UInt64

  /// A plan; the last update of an epoch may be smaller than the others.
  public init(exampleCount: Int, options: TrainOptions) {
    self.exampleCount = exampleCount
    batchSize = options.batchSize
    gradientAccumulation = options.gradientAccumulation
    shuffle = options.shuffle
    seed = options.seed
  }

  private var updateSize: Int {
    let (size, overflow) = batchSize.multipliedReportingOverflow(by: gradientAccumulation)
    return overflow ? exampleCount : min(size, max(1, exampleCount))
  }

  /// Updates in one pass over the data.
  public var stepsPerEpoch: Int { max(1, (exampleCount + updateSize - 1) / updateSize) }

  /// Updates in a run.
  public func totalSteps(_ options: TrainOptions) -> Int {
    options.maxSteps ?? max(1, Int(min(1e15, (options.epochs * Double(stepsPerEpoch)).rounded(.up))))
  }

  /// The batch of update number `step`, counted from 0.
  public func batch(step: Int) -> Batch { batch(step % stepsPerEpoch, in: order(epoch: step / stepsPerEpoch)) }

  /// All batches of an epoch, in order.
  package func batches(epoch: Int) -> [Batch] {
    let order = order(epoch: epoch)
    return (0..<stepsPerEpoch).map { batch($0, in: order) }
  }

  private func batch(_ number: Int, in order: [Int]) -> Batch {
    let start = number * updateSize
    let indices = order[start..<min(start + updateSize, exampleCount)]
    let starts = stride(from: indices.startIndex, to: indices.endIndex, by: min(batchSize, updateSize))
    return Batch(microBatches: starts.map { Array(indices[$0..<min($0 + batchSize, indices.endIndex)]) })
  }

  /// The order of the examples in an epoch: a Fisher–Yates shuffle seeded by run and epoch.
  public func order(epoch: Int) -> [Int] {
    var order = Array(0..<exampleCount)
    if shuffle {
      var random = RandomSource(seed: seed).split("order of epoch \(epoch)")
      order.shuffle(using: &random)
    }
    return order
  }
}
