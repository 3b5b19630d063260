// What a dpo trainer is held to: its options, the checks that a cached or quantized reference is what it seems, and `precompute`.

import Formats
import Language
import Models
import Tensors
import Training

/// Options of dpo on its reference and on how pairs are cut.
func referenceParameters() -> [Parameter] {
  [
    Parameter(
      "sync_ref_model", .bool, default: false,
      help: "let the reference follow the policy: TR-DPO, arXiv:2404.09656; of adapters the weights are mixed exactly"),
    Parameter("ref_model_mixup_alpha", .float, default: 0.6, range: 0...1, help: "the policy's share when the reference follows"),
    Parameter("ref_model_sync_steps", .int, default: 512, range: 1...1e9, help: "updates between two such steps"),
    Parameter(
      "reference_cache", .string, default: Value.none, aliases: ["precompute_ref_log_probs"],
      help: "a folder that keeps the reference's log-probs from run to run"),
    Parameter(
      "truncation", .string, default: "keep_start", choices: ["keep_start", "legacy"], aliases: ["truncation_mode"],
      help: "how a pair is cut to max_length: at its end, or as TRL did to 0.11 (the prompt's start first)"),
    Parameter("max_prompt_length", .int, default: 512, range: 1...1e9, help: "tokens of the prompt that truncation: \"legacy\" keeps"),
  ]
}

func referenceBuiltins() -> [Builtin] {
  [
    Builtin(
      "precompute", category: trainingCategory, [trainerParameter], returns: "dataset",
      summary: "The trainer's pairs with their log-probs under the reference, as columns ref_chosen_logps and ref_rejected_logps.",
      example: """
        t = dpo(lora(load("smollm2"), rank: 4), preferences("examples/data/preferences.jsonl") |> take(2))
        precompute(t)[0].ref_chosen_logps
        """,
      details: """
        A trainer on such rows never runs the reference. write_jsonl("pairs.jsonl", precompute(t)) keeps them; they hold for the same
        model, template and max_length, and a new trainer scores one pair anew to see whether they do.
        """,
      body: precompute)
  ]
}

/// How pairs are cut.
func truncation(_ source: OptionSource) throws -> Truncation {
  guard source["truncation"].text == "legacy" else { return .keepStart }
  let (whole, prompt) = (try source.int("max_length"), try source.int("max_prompt_length"))
  guard prompt < whole else {
    throw ZsError(
      "max_prompt_length \(prompt) leaves no room for an answer in max_length \(whole)",
      hint: "truncation \"legacy\" keeps that much of a long prompt", argument: "max_prompt_length")
  }
  return .legacy(maxPromptLength: prompt)
}

/// The reference of a new trainer: given, or the policy before training.
///
/// - Parameters:
///   - given: The model that the user gave as policy.
///   - policy: What is trained: `given`, or a copy of it that learns.
///   - totalSteps: Updates of the run.
func reference(
  _ call: Call, _ source: OptionSource, given: LanguageModel, policy: LanguageModel, totalSteps: Int
) throws -> Reference {
  let own = call["reference"].isNone ? nil : try call.model("reference")
  if let own { try checkSameTokens(policy, own) }
  let isFresh = policy.adapters.allSatisfy { adapter in adapter.b.values.allSatisfy { $0 == 0 } }
  if let following = try followingReference(source, own: own, given: given, policy: policy, totalSteps: totalSteps) {
    guard isFresh else {
      throw ZsError(
        "a reference that follows adapters begins as the policy without them, but these have learned before",
        hint: "merge(policy), and give the result new adapters", argument: "sync_ref_model")
    }
    return following
  }
  for name in ["ref_model_mixup_alpha", "ref_model_sync_steps"] where call.given(name) {
    throw ZsError("\(name) needs sync_ref_model: true", argument: name)
  }
  if let own { return .model(own) }
  // Fresh adapters can be switched off; what learned before is held to the weights it has now.
  if policy.adapters.isEmpty { return .model(given === policy ? try given.unfrozen() : given) }
  return isFresh ? .adaptersOff : .model(try policy.duplicated())
}

/// The reference that `sync_ref_model` asks for: a model of its own, since it moves; nil where the option is off.
func followingReference(
  _ source: OptionSource, own: LanguageModel?, given: LanguageModel, policy: LanguageModel, totalSteps: Int
) throws -> Reference? {
  guard source.bool("sync_ref_model") else { return nil }
  let sync = ReferenceSync(mixup: try source.double("ref_model_mixup_alpha"), everySteps: try source.int("ref_model_sync_steps"))
  guard !policy.adapters.isEmpty else {
    // Frozen like the policy, so that what moves is the same on both sides.
    let names = Set(policy.trainable.map(\.name))
    let model = try (own ?? given).unfrozen(freezing: { !names.contains($0) })
    guard model.trainable.elementsEqual(policy.trainable, by: { $0.name == $1.name && $0.tensor.shape == $1.tensor.shape }) else {
      throw ZsError("a reference that follows the policy must have its parameters", argument: "reference")
    }
    return Reference(model: model, sync: sync)
  }
  guard own == nil, let options = policy.loraOptions else {
    throw ZsError(
      "a reference that follows adapters begins as the policy without them, not as another model",
      hint: "leave out reference:, or train the whole model", argument: "reference")
  }
  let slots = sync.pastPolicies(in: totalSteps)
  guard slots * options.rank <= mostMixedRank else {
    throw ZsError(
      "this reference would be a sum of \(slots) past policies of rank \(options.rank) each, which is more than a rank of \(mostMixedRank)",
      hint: "a larger ref_model_mixup_alpha or ref_model_sync_steps forgets sooner; or train the whole model",
      argument: "ref_model_mixup_alpha")
  }
  return Reference(model: try policy.mixture(slots: slots), sync: sync, slots: slots)
}

/// Beyond this a sum of adapters costs more than whole matrices would.
private let mostMixedRank = 2048

private func checkSameTokens(_ policy: LanguageModel, _ reference: LanguageModel) throws {
  let (a, b) = (policy.configuration.vocabularySize, reference.configuration.vocabularySize)
  guard a == b else {
    throw ZsError(
      "the policy has \(a) tokens and the reference \(b); their log-probs cannot be compared", hint: "use two models of one family",
      argument: "reference")
  }
}

/// Opens the folder of log-probs, and warns where the reference is not what it seems: columns or files of another model, other precision.
func prepareReference(of objective: DPO, policy: LanguageModel, _ call: Call) throws {
  let session = try Session.of(call)
  let hasColumns = objective.examples.contains { $0.referenceChosen != nil }
  if hasColumns, objective.reference.sync != nil {
    throw ZsError("the data brings log-probs of a reference that stays as it is", hint: "leave out sync_ref_model, or the columns")
  }
  var isKept = false
  if let folder = try call.optionalString("reference_cache") { isKept = try objective.keepReference(in: folder, policy: policy) }
  if isKept, let check = try objective.checkReference(policy: policy, cached: true), let difference = check.fileDifference,
    difference > 1e-3
  {
    try objective.discardKeptReference()
    warn(
      session,
      "the log-probs in reference_cache are off by up to \(compact(difference)) nats a token from what the reference says now; they are computed anew"
    )
  }
  if hasColumns, let check = try objective.checkReference(policy: policy, cached: true), let columns = check.columns {
    let (c, r) = (abs(columns.chosen - check.chosen), abs(columns.rejected - check.rejected))
    if max(c, r) > 1e-2 + 1e-3 * max(abs(check.chosen), abs(check.rejected)) {
      warn(
        session,
        "ref_chosen_logps and ref_rejected_logps of pair \(check.index) are \(decimals(columns.chosen)) and \(decimals(columns.rejected)), but the reference says "
          + "\(decimals(check.chosen)) and \(decimals(check.rejected)): they are of another model, template or max_length")
    }
  }
  guard let other = objective.reference.model as? LanguageModel, other.weightType != policy.weightType,
    other.configuration == policy.configuration, !objective.options.isReferenceFree,
    let check = try objective.checkReference(policy: policy, cached: false)
  else { return }
  let beta = objective.options.beta
  let (chosen, rejected) = (beta * (check.policyChosen - check.chosen), beta * (check.policyRejected - check.rejected))
  if max(abs(chosen), abs(rejected)) > 1e-4 {
    warn(
      session,
      "the policy is \(policy.weightType.name) and the reference \(other.weightType.name): before the first step the rewards of pair \(check.index) are "
        + "\(printf("%+.4f", chosen)) and \(printf("%+.4f", rejected)) instead of 0")
  }
}

private func warn(_ session: Session, _ text: String) { session.warn("warning: \(text)\n") }

private func decimals(_ number: Double) -> String { printf("%.3f", number) }

private func precompute(_ call: Call) throws -> Value {
  let trainer = try call.trainer()
  guard let objective = trainer.loop.objective as? DPO, let pairs = trainer.texts.pairs else {
    throw ZsError("precompute needs a trainer of dpo; this one is of sft")
  }
  guard objective.reference.sync == nil else {
    throw ZsError("a reference that follows the policy has no log-probs to keep", hint: "train without sync_ref_model")
  }
  guard !objective.isLabelled else {
    throw ZsError(
      "precompute gives columns for pairs; these rows are single answers with a label",
      hint: "reference_cache: \"folder\" keeps the reference's log-probs of any rows")
  }
  let session = try Session.of(call)
  defer { session.progress.finish() }
  let sums = try objective.referenceSums(policy: trainer.policy) { done in
    try call.poll()
    session.progress.update(Progress("reference", done: Double(done), total: Double(pairs.count), unit: "pairs"))
  }
  var rows = sums.makeIterator()
  let data = try trainer.texts.dataset.selecting(pairs.map(\.row)).mapping { row in
    var fields = row.fields
    if let sum = rows.next() {
      fields["ref_chosen_logps"] = .double(sum.chosen)
      fields["ref_rejected_logps"] = .double(sum.rejected)
    }
    return .object(fields)
  }
  return .object(DatasetValue(data))
}
