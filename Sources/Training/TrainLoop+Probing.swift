// Questions to a trainer that leave no trace: another objective on the next batch, the effect of other options, unseen data.

import Models
import Tensors

extension TrainLoop {
  /// The report of the next batch, without updating; its backward pass is run and dropped.
  ///
  /// - Parameter other: Another objective over the same examples, to see the same batch under other options.
  public func inspect(under other: (any Objective)? = nil, poll: () throws -> Void = {}) throws -> StepReport {
    try measure(plan.batch(step: stepCount), objective: other ?? objective, poll: poll).report
  }

  /// The report of the next batch by a forward pass alone: without a gradient norm, at a third of the cost of `inspect`.
  public func preview(poll: () throws -> Void = {}) throws -> StepReport {
    var report = try evaluate(objective, on: plan.batch(step: stepCount), poll: poll)
    report.step = stepCount + 1
    report.learningRate = schedule.rate(step: stepCount)
    return report
  }

  /// Takes the next step under other options, measures its batch once more, and takes the step back.
  ///
  /// - Returns: The report of the batch before the update, and the loss of the same batch after it.
  public func tryStep(
    under other: (any Objective)? = nil, options: TrainOptions, poll: () throws -> Void = {}
  ) throws -> (report: StepReport, lossAfter: Double) {
    let options = try options.validated()
    let objective = other ?? objective
    let batch = plan.batch(step: stepCount)
    var (report, gradients) = try measure(batch, objective: objective, poll: poll)
    report.learningRate = Schedule(options, totalSteps: totalSteps).rate(step: stepCount)
    report.metrics["learning_rate"] = report.learningRate
    let origin = try Snapshot(of: self)
    defer { origin.restore(self) }
    var optimizer = self.optimizer
    if options.optimizer != self.options.optimizer {
      optimizer = try Optimizer(kind: options.optimizer, parameters: model.trainable)
      optimizer.start = stepCount
    }
    optimizer.update(
      gradients, step: stepCount + 1, rate: report.learningRate,
      clipping: Gradients.clipping(norm: report.gradNorm, to: options.maxGradNorm), options: options)
    model.parametersChanged()
    return (report, try evaluate(objective, on: batch, poll: poll).loss)
  }

  /// Loss and metrics over all examples of an objective, without gradients: means over pairs or tokens.
  ///
  /// - Parameters:
  ///   - objective: What is measured, and on which examples.
  ///   - poll: Called between passes; whatever it throws ends the work.
  ///   - progress: Called between passes with the number of examples that are done.
  public func evaluate(
    _ objective: any Objective, poll: () throws -> Void = {}, progress: (Int) -> Void = { _ in }
  ) throws -> StepReport {
    var order = options
    order.shuffle = false
    order.gradientAccumulation = max(1, objective.exampleCount)
    let batch = BatchPlan(exampleCount: objective.exampleCount, options: order).batch(step: 0)
    return try evaluate(objective, on: batch, poll: poll, progress: progress)
  }

  private func evaluate(
    _ objective: any Objective, on batch: Batch, poll: () throws -> Void, progress: (Int) -> Void = { _ in }
  ) throws -> StepReport {
    var (value, tokens, done) = (0.0, 0, 0)
    var (pairs, rows) = ([PairReport](), [RowReport]())
    try withoutRecording {
      for indices in batch.microBatches.flatMap(objective.parts) {
        try poll()
        let part = try objective.measure(indices, of: batch, model: model, options: ForwardOptions())
        value += part.value
        tokens += part.tokens
        pairs += part.pairs
        rows += part.rows
        done += indices.count
        progress(done)
      }
    }
    var report = StepReport(step: stepCount, loss: value, gradNorm: 0, learningRate: 0, metrics: ["loss": value], pairs: pairs, rows: rows)
    for (name, value) in objective.metrics(pairs: pairs, rows: rows) { report.metrics[name] = value }
    report.metrics["num_tokens"] = Double(tokens)
    return report
  }

  /// Each parameter's gradient for the next batch, and how far the update would move it; nothing is changed.
  public func updateRatios(poll: () throws -> Void = {}) throws -> [ParameterUpdate] {
    let (report, gradients) = try measure(plan.batch(step: stepCount), objective: objective, poll: poll)
    let origin = try Snapshot(of: self)
    defer { origin.restore(self) }
    optimizer.update(
      gradients, step: stepCount + 1, rate: report.learningRate,
      clipping: Gradients.clipping(norm: report.gradNorm, to: options.maxGradNorm), options: options)
    let names = model.trainable.map(\.name)
    return try names.indices.map { index in
      let (before, after) = (origin.parameters[index], parameters[index])
      let difference = try Tensor(shape: before.shape)
      for i in 0..<before.count { difference.pointer[i] = after.pointer[i] - before.pointer[i] }
      return ParameterUpdate(
        name: names[index], gradientNorm: Gradients.norm([gradients[index]]), weightNorm: Gradients.norm([before]),
        updateNorm: Gradients.norm([difference]))
    }
  }

  /// A second trainer at the same step, on a model of the same shape that becomes a copy of this one's.
  ///
  /// - Parameters:
  ///   - other: Another objective over the same examples; nil: the same, which must then have nothing that moves.
  ///   - options: Other options; nil: the same.
  ///   - sharesPast: Whether objective and options are those of the steps before, so that these can be gone back to and taken again.
  public func fork(
    onto model: any TrainableModel, objective other: (any Objective)? = nil, options changed: TrainOptions? = nil,
    sharesPast: Bool = true
  ) throws -> TrainLoop {
    let copy = try TrainLoop(model: model, objective: other ?? objective, options: changed ?? options)
    guard zip(copy.parameters, parameters).allSatisfy({ $0.shape == $1.shape }), copy.parameters.count == parameters.count else {
      throw TrainingError("a trainer can be forked only onto a model of the same parameters")
    }
    let sameOptimizer = copy.options.optimizer == options.optimizer
    try Snapshot(of: self).restore(copy, moments: sameOptimizer)
    if !sameOptimizer { copy.optimizer.start = copy.stepCount }
    copy.history = history
    // The past is shared where its snapshots are of the same kind and fit the budget. A step that is computed again from one of them
    // is computed under the options of now, so that a past under others is closed.
    if sharesPast, sameOptimizer, copy.options.snapshotBytes >= options.snapshotBytes {
      copy.timeline = timeline
      copy.beginning = beginning
    } else {
      copy.beginning = stepCount
      try copy.timeline.keep(copy)
    }
    return copy
  }
}

/// What the next update would do to one parameter.
public struct ParameterUpdate: Sendable, Equatable {
  /// The parameter's name.
  public var name: String
  /// The norm of its gradient, before clipping.
  public var gradientNorm: Double
  /// Its own norm.
  public var weightNorm: Double
  /// The norm of the difference that the update makes.
  public var updateNorm: Double
  /// How large the update is beside the parameter; infinite where that is zero and moves.
  public var ratio: Double { updateNorm == 0 ? 0 : updateNorm / weightNorm }
}

extension TrainLoop {
  /// Puts the metrics of an evaluation into the history, beside those of the last update, as `eval_…`.
  public func recordEvaluation(_ report: StepReport) {
    history.merge(report.metrics.map { ("eval_" + $0, $1) })
  }
}
