// The same run under several options: a fork of the trainer for each, so that the trainer itself stays where it is.

import Language
import Models
import Training

/// Options that decide how examples are made, and so cannot change under a trainer.
private let fixedOptions: Set<String> = [
  "max_length", "eval_data", "eval_every", "log_every", "snapshot_megabytes", "bf16", "autosave", "autosave_minutes", "log", "samples",
  "sample_every", "sample_tokens",
]

func sweepBuiltin(_ made: String) -> Builtin {
  Builtin(
    "sweep", category: trainingCategory,
    [
      trainerParameter, Parameter("options", .map, help: "a list of values for each option, as in {beta: [0.05, 0.1, 0.5]}"),
      Parameter("steps", .int, default: 20, range: 1...1e9, help: "updates of each run"),
      Parameter("metric", .string, default: "loss", help: "what the picture shows"),
      Parameter(
        "eval_data", .anyOf([.string, .list, .object("dataset")]), default: Value.none,
        help: "unseen data to measure each run on at its end"),
    ],
    returns: "report", summary: "The same run under several options, each from where the trainer stands; the trainer stays there.",
    example: made + "sweep(t, {beta: [0.05, 0.5]}, steps: 1).rows[1].beta",
    details: """
      Several options give every combination. Losses under different options are on different scales: compare accuracy, or eval_data.
      Fields: .rows (options, then loss, accuracy, margin of the last step; last_loss where loss is an option), .histories (one list of rows per run), .plot.
      """,
    body: sweep)
}

private func sweep(_ call: Call) throws -> Value {
  let trainer = try call.trainer()
  let runs = try combinations(call, trainer)
  let (steps, metric) = (try call.int("steps"), try call.string("metric"))
  let unseen = call["eval_data"].isNone ? nil : try evaluationObjective(of: trainer, "eval_data", call).objective
  let session = try Session.of(call)
  defer { session.progress.finish() }
  var (rows, histories, curves): ([Value], [Value], [Series]) = ([], [], [])
  for (number, run) in runs.enumerated() {
    let loop = try forked(trainer, under: run, steps: steps, call)
    let began = loop.stepCount
    while loop.stepCount < began + steps {
      let note = run.map { "\($0.key) \($0.value.source)" }.joined(separator: " · ")
      let done = number * steps + loop.stepCount - began
      session.progress.update(Progress("sweep", done: Double(done), total: Double(runs.count * steps), unit: "steps", note: note))
      try loop.step(poll: call.poll)
    }
    let taken = loop.history.rows.suffix(steps)
    guard taken.last?[metric] != nil else {
      let names = taken.last.map { Array($0.keys) } ?? []
      let meant = nearest(to: metric, among: names).map { "; did you mean \"\($0)\"?" } ?? ""
      throw ZsError("a run has no metric \"\(metric)\"\(meant)", hint: names.joined(separator: ", "), argument: "metric")
    }
    // An option may be called as a number is: sweeping over losses, the loss reached is last_loss.
    let numbers = try lastNumbers(of: loop, unseen, call).map { (run[$0.key] == nil ? $0.key : "last_\($0.key)", $0.value) }
    rows.append(.map(run.merging(numbers) { $1 }))
    histories.append(.list(taken.map { .map(metricMap($0)) }))
    let name = run.map { "\($0.key) \($0.value.isString ? $0.value.printed : $0.value.source)" }.joined(separator: ", ")
    curves.append(Series(name: name, x: taken.map { $0["step"] ?? .nan }, y: taken.map { $0[metric] ?? .nan }))
  }
  var options = PlotOptions()
  options.title = metric
  options.xLabel = "step"
  let columns = runs[0].keys + lastColumns(rows, options: runs[0])
  return .object(
    Findings(
      "\(runs.count) runs of \(steps) step\(steps == 1 ? "" : "s") from step \(trainer.loop.stepCount) of \(trainer.name)",
      ["rows": .list(rows), "histories": .list(histories)], shows: "rows", columns: columns,
      picture: PlotValue(.lines(curves), options)))
}

/// The columns after the options, without those that no run has.
private func lastColumns(_ rows: [Value], options: ValueMap) -> [String] {
  ["loss", "accuracy", "margin", "grad_norm", "eval_loss", "eval_accuracy", "eval_margin"].map { options[$0] == nil ? $0 : "last_\($0)" }
    .filter { name in rows.contains { cell($0, name) != nil } }
}

private func lastNumbers(of loop: TrainLoop, _ unseen: (any Objective)?, _ call: Call) throws -> ValueMap {
  var result: ValueMap = [:]
  func add(_ metrics: OrderedDictionary<String, Double>, prefix: String) {
    for (name, key) in [("loss", "loss"), ("accuracy", "rewards/accuracies"), ("margin", "rewards/margins"), ("grad_norm", "grad_norm")] {
      if let value = metrics[key] { result[prefix + name] = .float(value) }
    }
  }
  if let last = loop.history.rows.last { add(last, prefix: "") }
  if let unseen {
    var objective = unseen
    if let data = unseen as? DPO, let own = loop.objective as? DPO {
      objective = try DPO(examples: data.examples, options: own.options, reference: own.reference)
    }
    add(try loop.evaluate(objective, poll: call.poll).metrics, prefix: "eval_")
  }
  return result
}

/// Every combination of the values given, each checked as `dpo` or `sft` would.
private func combinations(_ call: Call, _ trainer: TrainerValue) throws -> [ValueMap] {
  let known = (trainer.texts.isPreference ? preferenceParameters() : []) + sharedTrainingParameters(learningRate: 0, schedule: "linear")
  let parameters = known.filter { !fixedOptions.contains($0.name) }
  var runs: [ValueMap] = [[:]]
  for (name, values) in try call.map("options") {
    guard let parameter = parameters.first(where: { $0.name == name }) else {
      let isFixed = fixedOptions.contains(name)
      let meant = nearest(to: name, among: parameters.map(\.name)).map { "; did you mean '\($0)'?" } ?? ""
      throw ZsError(
        isFixed ? "'\(name)' cannot change under a trainer" : "there is no option '\(name)' to sweep\(meant)",
        hint: parameters.map(\.name).joined(separator: ", "), argument: "options")
    }
    let list: [Value]
    if case .list(let given) = values { list = given } else { list = [values] }
    guard !list.isEmpty else { throw ZsError("'\(name)' has no values to sweep over", argument: "options") }
    for value in list { try parameter.check(value, of: "sweep") }
    runs = runs.flatMap { run in list.map { run.merging([name: $0]) { $1 } } }
  }
  guard runs.count > 1 || !runs[0].isEmpty else {
    throw ZsError("sweep needs an option", hint: "{beta: [0.05, 0.1, 0.5]}", argument: "options")
  }
  guard runs.count <= 1000 else { throw ZsError("\(runs.count) runs are more than sweep makes in one go", argument: "options") }
  return runs
}

/// A second trainer under other options, at the step of the first, that keeps no snapshots.
private func forked(_ trainer: TrainerValue, under run: ValueMap, steps: Int, _ call: Call) throws -> TrainLoop {
  let source = OptionSource(call: call, fallback: trainer.options, overrides: run)
  var options = try source.trainOptions()
  options.snapshotBytes = 0
  let needed = trainer.loop.stepCount + steps
  // A run longer than its own options ask for stretches its schedule.
  let own = BatchPlan(exampleCount: trainer.loop.objective.exampleCount, options: options).totalSteps(options)
  if own < needed { options.maxSteps = needed }
  var objective = try ownObjective(of: trainer)
  if let reference = (objective as? DPO)?.reference, let sync = reference.sync, !trainer.policy.adapters.isEmpty,
    sync.pastPolicies(in: needed) > reference.slots
  {
    throw ZsError(
      "the reference follows the policy, and has no room for what it would become after step \(trainer.loop.totalSteps)",
      hint: "sweep over fewer steps, or make the trainer with that many: max_steps", argument: "steps")
  }
  if let dpo = objective as? DPO { objective = try dpo.with(try source.preferenceOptions()) }
  return try trainer.loop.fork(onto: try trainer.policy.duplicated(), objective: objective, options: options)
}
