// Saving a trainer and going on with it, in this process or another.

import Formats
import Kernels
import Language
import Models
import Training

func checkpointBuiltins() -> [Builtin] {
  let made =
    "t = sft(lora(load(\"smollm2\"), rank: 2, targets: [\"q_proj\"]), [{prompt: \"Ahoy\", completion: \"Aye\"}], max_steps: 4)\n"
  let model: Parameter = Parameter(
    "model", .object("model"), default: Value.none, help: "the base model, where it is not to be loaded from where it was")
  return [
    Builtin(
      "save", category: trainingCategory,
      [trainerParameter, Parameter("dir", .string, help: "the folder; an older checkpoint is replaced")],
      returns: "none", summary: "Saves a trainer with everything it needs to go on exactly; the folder appears whole or not at all.",
      example: made + "step(t);\nsave(t, \"/tmp/zs-example-run\")\nresume(\"/tmp/zs-example-run\").step_count",
      details: """
        The folder holds parameters, moments, options, history, the examples as ids and the rows they come from; of the base model its
        path and the hash of every weight. Adapters are there in PEFT's layout too: load_adapter(m, dir) takes them.
        """
    ) { call in
      try call.trainer().save(to: try call.string("dir"))
      return .none
    },
    Builtin(
      "resume", category: trainingCategory,
      [
        Parameter("dir", .string, help: "what save(t, dir) wrote, or a folder of autosaves: the newest is taken"), model,
        Parameter("reference", .object("model"), default: Value.none, help: "the reference model, likewise"),
      ],
      returns: "trainer", summary: "The trainer of a checkpoint, at the step it was saved at; it goes on with the same bits.",
      example: made + "step(t, n: 2);\nsave(t, \"/tmp/zs-example-run\")\nu = resume(\"/tmp/zs-example-run\")\nstep(u).loss == step(t).loss",
      body: resumeTrainer),
  ]
}

private func resumeTrainer(_ call: Call) throws -> Value {
  let session = try Session.of(call)
  let path = try call.string("dir")
  let checkpoint = try Checkpoint(path: path)
  guard case .map(let options) = Value(checkpoint.options) else {
    throw ZsError(kind: "file", message: "\(checkpoint.folder) has no options", argument: "dir")
  }
  let source = OptionSource(call: call, fallback: options)
  let base = try checkpoint.loadBase(given: call["model"].isNone ? nil : try call.model("model"))
  let policy = try checkpoint.policy(on: base, stored: source.bool("bf16") ? .bf16 : .f32)
  let reference = try checkpoint.loadReference(given: call["reference"].isNone ? nil : try call.model("reference"))
  let data = try checkpoint.data()
  // One reference for training and evaluation: it may move.
  let held: Reference
  let train = try source.trainOptions()
  let totalSteps = BatchPlan(exampleCount: data.pairs?.count ?? 0, options: train).totalSteps(train)
  if let following = try followingReference(source, own: reference, given: base, policy: policy, totalSteps: totalSteps) {
    held = following
  } else if let reference {
    held = .model(reference)
  } else {
    held = checkpoint.extra["reference"]?.string == "a model" ? .model(base) : .adaptersOff
  }
  func objective(_ file: ExampleFile) throws -> any Objective {
    guard let pairs = file.pairs else { return SFT(examples: file.documents) }
    return try DPO(examples: pairs, options: try source.preferenceOptions(), reference: held)
  }
  func texts(_ file: ExampleFile) -> ExampleTexts {
    if let pairs = file.pairs { return ExampleTexts(dataset: file.dataset, tokenizer: policy.tokenizer, pairs: pairs) }
    return ExampleTexts(dataset: file.dataset, tokenizer: policy.tokenizer, documents: file.documents)
  }
  let loop = try TrainLoop(model: policy, objective: try objective(data), options: train)
  try checkpoint.restore(loop)
  var encoder = try ExampleEncoder(model: policy, maxLength: try source.int("max_length"))
  encoder.truncation = try truncation(source)
  let trainer = TrainerValue(
    loop: loop, policy: policy, name: "\(checkpoint.kind)#\(session.number(for: checkpoint.kind))", options: options, texts: texts(data),
    encoder: encoder, skipped: data.skipped, cut: data.cut)
  trainer.startsAsBase = checkpoint.startsAsBase
  trainer.resumed = checkpoint
  if let unseen = try checkpoint.evaluation() {
    trainer.evaluation = (try objective(unseen), texts(unseen), checkpoint.extra["eval_every"]?.int ?? loop.plan.stepsPerEpoch)
  }
  let samples = (checkpoint.extra["samples"]?.array ?? []).map { row in
    Sample(step: row["step"]?.int ?? 0, prompt: Value(row["prompt"] ?? .null), text: row["text"]?.string ?? "")
  }
  trainer.recorder = try RunRecorder(trainer, session, autosave: autosaveFolder(of: checkpoint, options), samples: samples)
  return .object(trainer)
}

/// Where a resumed run keeps its checkpoints: beside the one it came from, wherever that folder is now.
private func autosaveFolder(of checkpoint: Checkpoint, _ options: ValueMap) -> String? {
  guard options["autosave"]?.text != nil, let slash = checkpoint.folder.lastIndex(of: "/"),
    checkpoint.folder[slash...].hasPrefix("/step-")
  else { return nil }
  return String(checkpoint.folder[..<slash])
}
