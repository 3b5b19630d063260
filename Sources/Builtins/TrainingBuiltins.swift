// Training: sft and dpo make a trainer.

import Formats
import Language
import Models
import Tokenizers
import Training

let trainingCategory = "Training"
var trainerParameter: Parameter { Parameter("t", .object("trainer"), help: "what sft or dpo gave") }

/// Rows for trainers and reports.
public func trainingBuiltins() -> [Builtin] {
  trainerBuiltins() + stepBuiltins() + reportBuiltins() + preferenceLossBuiltins() + referenceBuiltins() + labBuiltins()
    + checkpointBuiltins() + freezingBuiltins() + recipeBuiltins() + stripBuiltins() + walkBuiltins() + lintBuiltins() + pageBuiltins()
}

private func trainerBuiltins() -> [Builtin] {
  let data: ParameterType = .anyOf([.string, .list, .object("dataset")])
  return [
    Builtin(
      "dpo", category: trainingCategory,
      [
        Parameter("policy", .object("model"), help: "the model that learns: with adapters (lora), or whole"),
        Parameter("data", data, help: "preferences, or a path or list of them; with loss: \"kto\" also single answers with a label"),
        Parameter("reference", .object("model"), default: Value.none, help: "what the policy is held to; none: itself before training"),
      ] + preferenceParameters() + sharedTrainingParameters(learningRate: 5e-7, schedule: "linear") + referenceParameters()
        + [recipeParameter],
      returns: "trainer", summary: "A trainer that teaches a model to prefer the chosen answers: direct preference optimization.",
      example: "t = dpo(lora(load(\"smollm2\")), \"examples/data/preferences.jsonl\", beta: 0.1, learning_rate: 5e-5)",
      details: "Losses: " + PreferenceLoss.allCases.map { "\($0.rawValue), \($0.source)" }.joined(separator: "; ") + ".",
      body: makeDPO),
    Builtin(
      "sft", category: trainingCategory,
      [
        Parameter("model", .object("model"), help: "the model that learns: with adapters (lora), or whole"),
        Parameter("data", data, help: "conversations, or a path or list of them"),
        Parameter("assistant_only", .bool, default: true, aliases: ["assistant_only_loss"], help: "learn only what the assistant says"),
        Parameter(
          "completion_only", .bool, default: true, aliases: ["completion_only_loss"], help: "after a prompt, learn only the completion"),
        Parameter(
          "packing", .anyOf([.bool, .string]), default: false, choices: Packing.allCases.map(\.rawValue),
          help: "several documents in one row: \"bfd\" keeps them apart, \"concat\" does not"),
        Parameter(
          "neftune_alpha", .float, default: 0, range: 0...1e6, aliases: ["neftune_noise_alpha"],
          help: "strength of the noise on the embeddings in training (NEFTune); 0: none"),
      ] + sharedTrainingParameters(learningRate: 2e-5, schedule: "cosine") + [recipeParameter],
      returns: "trainer", summary: "A trainer that teaches a model conversations: supervised fine-tuning.",
      example:
        "t = sft(lora(load(\"smollm2\")), [{messages: [{role: \"user\", content: \"Ahoy\"}, {role: \"assistant\", content: \"Aye\"}]}])",
      body: makeSFT),
  ]
}

private func makeDPO(_ call: Call) throws -> Value {
  let session = try Session.of(call)
  let recipe = try call.recipe(for: .dpo)
  let source = OptionSource(call: call, recipe: recipe)
  let given = try adapted(call.model("policy"), recipe, source)
  let options = try source.trainOptions()
  let preference = try source.preferenceOptions()
  let dataset = try datasetArgument(call, "data", .preferences)
  var encoder = try ExampleEncoder(model: given, maxLength: try source.int("max_length"))
  encoder.truncation = try truncation(source)
  let encoded = try encoder.pairs(dataset, poll: call.poll)
  let planned = try DPO(examples: encoded.examples, options: preference, reference: .adaptersOff)
  let plan = try plan(of: planned, given, call, source, options)
  let memory = try session.admit(plan)
  let policy = try learning(given, call, source, "policy")
  let totalSteps = BatchPlan(exampleCount: encoded.examples.count, options: options).totalSteps(options)
  let reference = try reference(call, source, given: given, policy: policy, totalSteps: totalSteps)
  let objective = try DPO(examples: encoded.examples, options: preference, reference: reference)
  try prepareReference(of: objective, policy: policy, call)
  let trainer = TrainerValue(
    loop: try TrainLoop(model: policy, objective: objective, options: options), policy: policy, name: "dpo#\(session.number(for: "dpo"))",
    options: resolvedOptions(source), texts: ExampleTexts(dataset: dataset, tokenizer: policy.tokenizer, pairs: encoded.examples),
    encoder: encoder, skipped: dataset.skipped + encoded.skipped, cut: encoded.cut)
  trainer.startsAsBase = given !== policy
  try setEvaluation(of: trainer, source)
  trainer.recorder = try RunRecorder(trainer, session)
  try trainer.forecast(plan, memory, call)
  return .object(trainer)
}

private func makeSFT(_ call: Call) throws -> Value {
  let session = try Session.of(call)
  let recipe = try call.recipe(for: .sft)
  let source = OptionSource(call: call, recipe: recipe)
  let given = try adapted(call.model("model"), recipe, source)
  let options = try source.trainOptions()
  let dataset = try datasetArgument(call, "data", .conversations)
  let maxLength = try source.int("max_length")
  let encoder = try ExampleEncoder(model: given, maxLength: maxLength)
  let packing = source["packing"].text.flatMap { Packing(rawValue: $0) } ?? (source.bool("packing") ? .bestFitDecreasing : nil)
  // End to end no document is too long: rows are cut where they are full.
  let whole = packing == .concatenated ? try ExampleEncoder(model: given, maxLength: nil) : encoder
  let examples = try documents(dataset, whole, source, call)
  var rows = examples.examples.map { [$0] }
  if let packing { rows = packing.rows(of: examples.examples, maxLength: maxLength, end: given.tokenizer?.eosID) }
  let objective = SFT(examples: rows)
  let plan = try plan(of: objective, given, call, source, options)
  let memory = try session.admit(plan)
  let policy = try learning(given, call, source, "model")
  let trainer = TrainerValue(
    loop: try TrainLoop(model: policy, objective: objective, options: options), policy: policy,
    name: "sft#\(session.number(for: "sft"))", options: resolvedOptions(source),
    texts: ExampleTexts(dataset: dataset, tokenizer: policy.tokenizer, documents: rows), encoder: encoder,
    skipped: dataset.skipped + examples.skipped, cut: examples.cut)
  trainer.startsAsBase = given !== policy
  try setEvaluation(of: trainer, source)
  trainer.recorder = try RunRecorder(trainer, session)
  try trainer.forecast(plan, memory, call)
  return .object(trainer)
}

/// The model with the adapters of a recipe, where it has them and the model has none and does not learn whole.
private func adapted(_ model: LanguageModel, _ recipe: Recipe?, _ source: OptionSource) throws -> LanguageModel {
  guard let lora = recipe?.lora, model.trainable.isEmpty else { return model }
  let targets = lora["targets"]?.string.map { [$0] } ?? (lora["targets"]?.array ?? []).compactMap(\.string)
  return try model.withLoRA(
    rank: lora["rank"]?.int ?? 16, alpha: lora["alpha"]?.double ?? 32,
    targets: targets.isEmpty ? ["all-linear"] : targets.map { $0.replacing("_", with: "-") == "all-linear" ? "all-linear" : $0 },
    dropout: lora["dropout"]?.double ?? 0, seed: UInt64(bitPattern: Int64(try source.int("seed"))), rsLoRA: lora["rslora"]?.bool ?? false)
}

/// The model itself where it can learn, else a copy that learns whole.
private func learning(_ given: LanguageModel, _ call: Call, _ source: OptionSource, _ argument: String) throws -> LanguageModel {
  guard source.bool("bf16") else { return given.trainable.isEmpty ? try given.unfrozen() : given }
  guard given.trainable.isEmpty else {
    throw ZsError(
      "bf16 is for a model that begins to learn whole; this one learns already",
      hint: given.adapters.isEmpty
        ? "give the model as load gave it" : "adapters stay fp32; load(…, dtype: \"bf16\") stores the base in bf16", argument: argument)
  }
  return try given.unfrozen(stored: .bf16)
}

/// The documents of a dataset under the mask options of a trainer.
func documents(
  _ dataset: Dataset, _ encoder: ExampleEncoder, _ options: OptionSource, _ call: Call
) throws -> EncodedDataset<SFTExample> {
  try encoder.documents(
    dataset, assistantOnly: options.bool("assistant_only"), completionOnly: options.bool("completion_only"), poll: call.poll)
}

/// An objective over unseen data, under the trainer's options.
func evaluationObjective(
  of trainer: TrainerValue, _ name: String, _ call: Call
) throws -> (objective: any Objective, texts: ExampleTexts) {
  let tokenizer = trainer.policy.tokenizer
  if let dpo = trainer.loop.objective as? DPO {
    let dataset = try datasetArgument(call, name, .preferences)
    // The same data again: what the reference says of it is known already.
    if let unseen = trainer.unseen, unseen.texts.dataset == dataset { return unseen }
    let encoded = try trainer.encoder.pairs(dataset, poll: call.poll)
    try tellSkipped(dataset.skipped + encoded.skipped, of: dataset, call)
    let pairs = encoded.examples
    let objective = try DPO(examples: pairs, options: dpo.options, reference: dpo.reference)
    let unseen = (objective: objective as any Objective, texts: ExampleTexts(dataset: dataset, tokenizer: tokenizer, pairs: pairs))
    trainer.unseen = unseen
    return unseen
  }
  let dataset = try datasetArgument(call, name, .conversations)
  let source = OptionSource(call: call, fallback: trainer.options)
  let encoded = try documents(dataset, trainer.encoder, source, call)
  try tellSkipped(dataset.skipped + encoded.skipped, of: dataset, call)
  let rows = encoded.examples.map { [$0] }
  return (SFT(examples: rows), ExampleTexts(dataset: dataset, tokenizer: tokenizer, documents: rows))
}

/// Says which rows an evaluation leaves out.
private func tellSkipped(_ skipped: [SkippedRow], of dataset: Dataset, _ call: Call) throws {
  guard let first = skipped.first else { return }
  let rows = "\(skipped.count) row\(skipped.count == 1 ? "" : "s")"
  try Session.of(call).warn("note: \(rows) of \(dataset.name) cannot be evaluated on; line \(first.line): \(first.reason)")
}

private func setEvaluation(of trainer: TrainerValue, _ source: OptionSource) throws {
  let call = source.call
  guard !call["eval_data"].isNone else {
    if call.given("eval_every") { throw ZsError("eval_every needs eval_data", argument: "eval_every") }
    return
  }
  let (objective, texts) = try evaluationObjective(of: trainer, "eval_data", call)
  trainer.evaluation = (objective, texts, try source.optionalInt("eval_every") ?? trainer.loop.plan.stepsPerEpoch)
}

/// Every option as it is in force, without the objects.
private func resolvedOptions(_ source: OptionSource) -> ValueMap {
  var options: ValueMap = [:]
  for parameter in source.call.builtin.parameters where !["policy", "model", "data", "reference", "eval_data"].contains(parameter.name) {
    options[parameter.name] = source[parameter.name]
  }
  options["recipe"] = source.recipe.map { .string($0.name) } ?? Value.none
  return options
}

extension Call {
  /// Throws where the user asked to stop.
  var poll: () throws -> Void {
    let context = context
    return { if context.isInterrupted { throw Interrupted() } }
  }
}
