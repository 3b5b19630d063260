// The builtin `walk`: a person at a prompt, lines of a pipe, or a list of commands.

import Language

func walkBuiltins() -> [Builtin] {
  [
    Builtin(
      "walk", category: trainingCategory,
      [
        trainerParameter,
        Parameter(
          "commands", .list, default: Value.none, help: "what to do, such as [\"step 2\", \"pairs\"]; none: ask for it line by line"),
      ],
      returns: "trainer",
      summary: "A debugger over batches: see each pair's tokens, ask what if, step on and back, stop at conditions.",
      example:
        "t = dpo(lora(load(\"smollm2\"), rank: 4), preferences(\"examples/data/preferences.jsonl\") |> take(6), batch_size: 2)\nwalk(t, [\"pairs\", \"step 2\", \"what beta 0.3\", \"back\"])",
      details: "It gives the trainer it ends on: t, or a branch that fork or set made. Commands:\n"
        + WalkCommand.all.map { "  \(TextWidth.pad($0.usage, to: 20))\($0.summary)" }.joined(separator: "\n"),
      body: walk)
  ]
}

private func walk(_ call: Call) throws -> Value {
  let trainer = try call.trainer()
  let last = call["commands"].isNone ? try converse(trainer, call) : try follow(try call.list("commands"), trainer, call)
  return .object(last)
}

/// Does a list of commands, and gives the trainer it ends on; what cannot be read is found before anything runs.
private func follow(_ commands: [Value], _ trainer: TrainerValue, _ call: Call) throws -> TrainerValue {
  let session = try Session.of(call)
  let screen = WalkScreen(width: session.width, rows: { 40 }, colour: session.colour, showsPair: false)
  let stepper = try Stepper(trainer, screen: screen, call: call)
  let lines = try commands.enumerated().flatMap { index, value -> [String] in
    guard let text = value.text else {
      throw ZsError(kind: "type", message: "command \(index) of walk is \(value.described), not a str", argument: "commands")
    }
    // An empty line repeats, as Enter does.
    return text.trimmingBlanks().isEmpty ? [""] : text.split(separator: ";").map { $0.trimmingBlanks() }
  }
  for line in lines {
    do {
      _ = try stepper.parser.action(line)
    } catch let error as ZsError {
      throw ZsError(kind: "argument", message: "walk: \"\(line)\": \(error.message)", hint: error.hint, argument: "commands")
    }
  }
  for line in lines {
    try call.poll()
    stepper.say(stepper.prompt + line)
    if !stepper.perform(line) { return stepper.trainer }
  }
  try call.poll()
  return stepper.trainer
}

/// Asks for lines until there are no more, and gives the trainer it ends on.
private func converse(_ trainer: TrainerValue, _ call: Call) throws -> TrainerValue {
  let session = try Session.of(call)
  guard let openDialogue = session.openDialogue else {
    throw ZsError("there is nobody to ask for commands", hint: "walk(t, [\"step 2\", \"pairs\"])", argument: "commands")
  }
  let screen = WalkScreen(width: session.width, rows: session.height, colour: session.colour, showsPair: true)
  let stepper = try Stepper(trainer, screen: screen, call: call)
  let dialogue = openDialogue { [stepper] text, cursor in stepper.parser.complete(text, cursor: cursor) }
  _ = stepper.perform(trainer.loop.stepCount < trainer.loop.totalSteps ? "pair" : "where")
  while true {
    switch dialogue.next(stepper.prompt) {
    case .end: return stepper.trainer
    case .cancelled: continue
    case .line(let text):
      for line in text.trimmingBlanks().isEmpty ? [""] : text.split(separator: ";").map(String.init) where !stepper.perform(line) {
        return stepper.trainer
      }
    }
  }
}
