// THE loop: batch → log-probs → loss → gradients → clip → update. SFT and DPO share it; saving, printing and evaluating are
// its callers. Until the update nothing but scratch has changed, so an interrupt or an error leaves the trainer as it was.

import Models
import OrderedCollections
import Tensors

/// A model, an objective and an optimizer at a certain step.
public final class TrainLoop {
  /// The model that moves.
  public let model: any TrainableModel
  /// What it is trained for.
  public let objective: any Objective
  /// How it moves.
  public let options: TrainOptions
  /// The learning rate over the run.
  public let schedule: Schedule
  /// Which examples each update uses.
  public let plan: BatchPlan
  /// Updates done.
  public internal(set) var stepCount = 0
  /// The step before which there is no way back: where a fork under other options was made.
  public internal(set) var beginning = 0
  /// The metrics of the updates done.
  public internal(set) var history = MetricLog()
  /// Parameters and moments at earlier steps.
  public internal(set) var timeline: Timeline
  let parameters: [Tensor]
  let optimizer: Optimizer

  /// A loop at its beginning.
  public init(model: any TrainableModel, objective: any Objective, options: TrainOptions) throws {
    let trainable = model.trainable
    guard !trainable.isEmpty else {
      throw TrainingError("the model has no parameters to train", hint: "give it adapters first: lora(model)")
    }
    guard objective.exampleCount > 0 else { throw TrainingError("there are no examples to train on") }
    self.model = model
    self.objective = objective
    self.options = try options.validated()
    plan = BatchPlan(exampleCount: objective.exampleCount, options: options)
    schedule = Schedule(options, totalSteps: plan.totalSteps(options))
    parameters = trainable.map(\.tensor)
    optimizer = try Optimizer(kind: options.optimizer, parameters: trainable)
    timeline = Timeline(budget: options.snapshotBytes)
  }

  /// Updates in the run.
  public var totalSteps: Int { schedule.totalSteps }
  /// Passes over the data so far.
  public var epoch: Double { Double(stepCount) / Double(plan.stepsPerEpoch) }

  /// One update.
  ///
  /// - Parameter poll: Called between micro-batches; whatever it throws abandons the step and leaves everything as it was.
  /// - Returns: The report of the batch, as it was before the update.
  @discardableResult
  public func step(poll: () throws -> Void = {}) throws -> StepReport {
    guard stepCount < totalSteps else {
      throw TrainingError(
        "the run is complete: step \(totalSteps) of \(totalSteps) is done",
        hint: "start another trainer with more epochs or max_steps, or go back")
    }
    let batch = plan.batch(step: stepCount)
    let (report, gradients) = try measure(batch, objective: objective, poll: poll)
    let clipping = Gradients.clipping(norm: report.gradNorm, to: options.maxGradNorm)
    try timeline.keep(self)
    optimizer.update(gradients, step: stepCount + 1, rate: report.learningRate, clipping: clipping, options: options)
    model.parametersChanged()
    stepCount += 1
    objective.updated(model, step: stepCount)
    history.record(report)
    return report
  }

  /// The gradients that the next update would follow, before clipping.
  package func inspectGradients() throws -> [Tensor] {
    try measure(plan.batch(step: stepCount), objective: objective, poll: {}).gradients
  }

  /// Loss, metrics and gradients of one update's batch.
  func measure(
    _ batch: Batch, objective: any Objective, poll: () throws -> Void
  ) throws -> (report: StepReport, gradients: [Tensor]) {
    var sum: [Tensor] = []
    var (value, tokens) = (0.0, 0)
    var (pairs, rows) = ([PairReport](), [RowReport]())
    for (number, indices) in batch.microBatches.flatMap(objective.parts).enumerated() {
      try poll()
      let pass = DropoutPass(seed: options.seed, number: stepCount << 20 + number)
      var forward = ForwardOptions(checkpointing: options.gradientCheckpointing, dropout: pass)
      forward.neftuneAlpha = options.neftuneAlpha
      let part = try objective.measure(indices, of: batch, model: model, options: forward)
      // Into the sum itself: a second set of gradients is as large as the model where all of it learns.
      sum = try gradients(of: part.loss, with: parameters, addingTo: sum)
      value += part.value
      tokens += part.tokens
      pairs += part.pairs
      rows += part.rows
    }
    try poll()
    let norm = Gradients.norm(sum)
    guard value.isFinite, norm.isFinite else {
      throw TrainingError(
        "step \(stepCount + 1) has a loss of \(value) and a gradient norm of \(norm); nothing was changed",
        hint: "lower the learning rate, or go back a few steps and look at the batch with inspect")
    }
    var report = StepReport(
      step: stepCount + 1, loss: value, gradNorm: norm, learningRate: schedule.rate(step: stepCount), metrics: [:], pairs: pairs, rows: rows
    )
    report.metrics = ["loss": value, "grad_norm": norm, "learning_rate": report.learningRate]
    for (name, value) in objective.metrics(pairs: pairs, rows: rows) { report.metrics[name] = value }
    report.metrics["num_tokens"] = Double(tokens) + (history.rows.last?["num_tokens"] ?? 0)
    report.metrics["epoch"] = Double(stepCount + 1) / Double(plan.stepsPerEpoch)
    return (report, sum)
  }

  private func gradients(of loss: Tensor, with parameters: [Tensor], addingTo sums: [Tensor]) throws -> [Tensor] {
    try Tensors.gradients(of: loss, with: parameters, addingTo: sums)
  }
}
