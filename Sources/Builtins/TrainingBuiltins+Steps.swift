// Moving a trainer: step, run, inspect, back, goto, fork, what_if, evaluate.

import Language
import Models
import Training

func stepBuiltins() -> [Builtin] {
  let category = trainingCategory
  let made = "t = dpo(lora(load(\"smollm2\"), rank: 4), preferences(\"examples/data/preferences.jsonl\") |> take(4), batch_size: 2)\n"
  return [
    Builtin(
      "step", category: category, [trainerParameter, Parameter("n", .int, default: 1, range: 1...1e9, help: "how many updates")],
      returns: "report", summary: "Updates the model; the report is of the last batch used, as it was before its update.",
      example: made + "step(t).loss"
    ) { call in
      let trainer = try call.trainer()
      return .object(try advance(trainer, by: try call.int("n"), call, isRun: false))
    },
    Builtin(
      "run", category: category,
      [trainerParameter, Parameter("steps", .int, default: Value.none, range: 1...1e9, help: "how many updates; none: to the end")],
      returns: "report", summary: "Updates to the end, showing how far it is; an interrupt stops between updates and keeps what is done.",
      example: made + "run(t, steps: 1)\nt.step_count",
      details: "At the end already, `run(t)` has nothing to do and gives none, so a script that resumes need not ask."
    ) { call in
      let trainer = try call.trainer()
      let left = trainer.loop.totalSteps - trainer.loop.stepCount
      if left <= 0, try call.optionalInt("steps") == nil { return .none }
      return .object(try advance(trainer, by: try call.optionalInt("steps") ?? left, call, isRun: true))
    },
    Builtin(
      "inspect", category: category, [trainerParameter], returns: "report",
      summary: "The report of the next batch without updating: the gradient is computed and dropped.", example: made + "inspect(t).loss"
    ) { call in
      let trainer = try call.trainer()
      return .object(trainer.value(try trainer.loop.inspect(poll: call.poll), kind: .inspection))
    },
    Builtin(
      "back", category: category, [trainerParameter, Parameter("n", .int, default: 1, range: 0...1e9, help: "how many updates")],
      returns: "trainer", summary: "Undoes updates, to the bit.", example: made + "step(t, n: 2)\nback(t, 2)\nt.step_count"
    ) { call in
      let trainer = try call.trainer()
      try trainer.loop.back(try call.int("n"), poll: call.poll)
      return .object(trainer)
    },
    Builtin(
      "goto", category: category, [trainerParameter, Parameter("n", .int, range: 0...1e9, help: "the number of updates done there")],
      returns: "trainer", summary: "Goes to the state after n updates, back or on.",
      example: made + "goto(t, 2)\nt.step_count"
    ) { call in
      let trainer = try call.trainer()
      try trainer.loop.goto(try call.int("n"), poll: call.poll)
      return .object(trainer)
    },
    Builtin(
      "fork", category: category, [trainerParameter] + whatIfParameters(), returns: "trainer",
      summary: "A second trainer from the same point, with a model of its own and perhaps other options: both go on apart.",
      example: made + "u = fork(t, beta: 0.3)\nstep(u)\n[t.step_count, u.step_count]",
      details: """
        Without options both share their past. A fork under other options begins where it was made: it cannot go back further, since
        the steps before were made under the options of t.
        """, body: forkTrainer),
    Builtin(
      "what_if", category: category, [trainerParameter] + whatIfParameters(), returns: "report",
      summary: "The report of the next batch under other options of loss or optimizer; nothing is changed.",
      example: made + "what_if(t, beta: 0.3, loss: \"ipo\").loss",
      details: "With options of the optimizer the update is made, the batch measured again (.loss_after) and the update taken back.",
      body: whatIf),
    Builtin(
      "evaluate", category: category,
      [trainerParameter, Parameter("data", .anyOf([.string, .list, .object("dataset")]), help: "unseen pairs or conversations")],
      returns: "report", summary: "Loss and metrics on other data, without learning from it.",
      example: made + "evaluate(t, preferences(\"examples/data/preferences.jsonl\") |> skip(4) |> take(2)).accuracy"
    ) { call in
      let trainer = try call.trainer()
      let (objective, texts) = try evaluationObjective(of: trainer, "data", call)
      let session = try Session.of(call)
      defer { session.progress.finish() }
      let report = try trainer.loop.evaluate(objective, poll: call.poll) { done in
        session.progress.update(
          Progress("evaluate", done: Double(done), total: Double(objective.exampleCount), unit: texts.isPreference ? "pairs" : "examples"))
      }
      return .object(trainer.value(report, kind: .evaluation, texts: texts, objective: objective))
    },
  ]
}

private let optimizerOptions = [
  "learning_rate", "schedule", "min_learning_rate", "warmup_ratio", "warmup_steps", "optimizer", "adam_beta1", "adam_beta2",
  "adam_epsilon", "weight_decay", "max_grad_norm",
]

/// Options of loss and optimizer, each none where the trainer's own is meant.
private func whatIfParameters() -> [Parameter] {
  let shared = sharedTrainingParameters(learningRate: 0, schedule: "linear").filter { optimizerOptions.contains($0.name) }
  return (preferenceParameters() + shared).map {
    Parameter($0.name, $0.type, default: Value.none, range: $0.range, choices: $0.choices, aliases: $0.aliases, help: $0.help)
  }
}

private func whatIf(_ call: Call) throws -> Value {
  let trainer = try call.trainer()
  let source = OptionSource(call: call, fallback: trainer.options)
  let objective = try underOptions(trainer.loop.objective, source)
  let note = call.options.map { "\($0.key): \($0.value.source)" }.joined(separator: ", ")
  guard optimizerOptions.contains(where: { call.given($0) }) else {
    let report = try trainer.loop.inspect(under: objective, poll: call.poll)
    return .object(trainer.value(report, kind: .whatIf, note: note, objective: objective))
  }
  let (report, after) = try trainer.loop.tryStep(under: objective, options: try source.trainOptions(), poll: call.poll)
  return .object(trainer.value(report, kind: .whatIf, note: note, lossAfter: after, objective: objective))
}

/// An objective under the options of loss that a call gives.
private func underOptions(_ objective: any Objective, _ source: OptionSource) throws -> any Objective {
  if let dpo = objective as? DPO { return try dpo.with(try source.preferenceOptions()) }
  if let name = preferenceParameters().map(\.name).first(where: source.call.given) {
    throw ZsError("'\(name)' is an option of preference losses; this trainer is sft", argument: name)
  }
  return objective
}

private func forkTrainer(_ call: Call) throws -> Value {
  let trainer = try call.trainer()
  let source = OptionSource(call: call, fallback: trainer.options)
  let given = whatIfParameters().map(\.name).filter { call.given($0) }
  var options = trainer.options
  for name in given { options[name] = call[name] }
  // Weights of another list of losses say nothing about this one.
  if call.given("loss"), !call.given("loss_weights") { options["loss_weights"] = Value.none }
  let objective = try underOptions(try ownObjective(of: trainer), source)
  let model = try trainer.policy.duplicated()
  let loop = try trainer.loop.fork(onto: model, objective: objective, options: try source.trainOptions(), sharesPast: given.isEmpty)
  let session = try Session.of(call)
  let kind = trainer.kind
  let fork = TrainerValue(
    loop: loop, policy: model, name: "\(kind)#\(session.number(for: kind))", options: options, texts: trainer.texts,
    encoder: trainer.encoder, skipped: trainer.skipped, cut: trainer.cut, memory: trainer.memory.copy())
  fork.evaluation = trainer.evaluation
  if let unseen = trainer.evaluation?.objective as? DPO, let own = objective as? DPO {
    fork.evaluation?.objective = try DPO(examples: unseen.examples, options: own.options, reference: own.reference)
  }
  return .object(fork)
}

/// The trainer's objective for a second trainer: a reference that follows the policy must follow only one.
func ownObjective(of trainer: TrainerValue) throws -> any Objective {
  guard let dpo = trainer.loop.objective as? DPO, dpo.reference.sync != nil, let moving = dpo.reference.model as? LanguageModel else {
    return trainer.loop.objective
  }
  return try dpo.forked(reference: try moving.duplicated())
}

extension Call {
  /// The trainer that is the first argument.
  func trainer() throws -> TrainerValue { try object("t", as: TrainerValue.self) }
}
