// The options of trainers as parameters of builtins, and from the arguments of a call to the options of the loop.

import Formats
import Language
import Models
import Training

private let any = 0.0...9e15
private var none: Value { Value.none }

/// Options that `sft` and `dpo` share.
func sharedTrainingParameters(learningRate: Double, schedule: String) -> [Parameter] {
  [
    Parameter("learning_rate", .float, default: .float(learningRate), range: any, aliases: ["lr"], help: "the highest rate"),
    Parameter(
      "schedule", .string, default: .string(schedule), choices: ScheduleKind.allCases.map(\.rawValue),
      aliases: ["lr_scheduler_type", "scheduler", "lr_scheduler"], help: "the course of the rate after the warm-up"),
    Parameter("warmup_ratio", .float, default: 0.1, range: 0...1, help: "the share of the run over which the rate rises"),
    Parameter("warmup_steps", .int, default: none, range: any, help: "updates that warm up, in place of warmup_ratio"),
    Parameter("min_learning_rate", .float, default: 0, range: any, aliases: ["min_lr"], help: "the rate at the end"),
    Parameter("batch_size", .int, default: 4, range: 1...1e6, aliases: ["per_device_train_batch_size"], help: "examples computed together"),
    Parameter(
      "gradient_accumulation", .int, default: 1, range: 1...1e6, aliases: ["gradient_accumulation_steps"],
      help: "such batches per update"),
    Parameter("epochs", .float, default: 1, range: 1e-6...1e6, aliases: ["num_train_epochs", "num_epochs"], help: "passes over the data"),
    Parameter("max_steps", .int, default: none, range: 1...1e9, help: "updates in all, in place of epochs"),
    Parameter("max_length", .int, default: 1024, range: 2...1e9, aliases: ["max_seq_length"], help: "tokens; what is longer loses its end"),
    Parameter(
      "optimizer", .string, default: "adamw", choices: OptimizerKind.allCases.map(\.rawValue), aliases: ["optim"],
      help: "how parameters follow gradients"),
    Parameter("adam_beta1", .float, default: 0.9, range: 0...1, help: "decay of the mean of gradients"),
    Parameter("adam_beta2", .float, default: 0.999, range: 0...1, help: "decay of the mean of squares"),
    Parameter("adam_epsilon", .float, default: 1e-8, range: 0...1, help: "added to the root of the mean of squares"),
    Parameter("weight_decay", .float, default: 0, range: any, help: "decoupled; norm weights and biases are spared"),
    Parameter("max_grad_norm", .float, default: 1, range: any, help: "where the norm of the gradient is clipped; 0: nowhere"),
    Parameter("seed", .int, default: 42, help: "what the order of the examples derives from"),
    Parameter("shuffle", .bool, default: true, help: "whether each epoch has an order of its own"),
    Parameter("gradient_checkpointing", .bool, default: false, help: "recompute blocks to save memory"),
    Parameter(
      "bf16", .bool, default: false, help: "a model that learns whole: bf16 weights in both passes, rounded from an fp32 master copy"),
    Parameter("eval_data", .anyOf([.string, .list, .object("dataset")]), default: none, help: "what run evaluates on"),
    Parameter("eval_every", .int, default: none, range: 1...1e9, aliases: ["eval_steps"], help: "updates between evaluations"),
    Parameter("log_every", .int, default: 1, range: 1...1e9, aliases: ["logging_steps"], help: "updates between reports of run's progress"),
    Parameter(
      "snapshot_megabytes", .int, default: 512, range: 0...1e7, help: "memory that back and goto may use; older steps are recomputed"),
  ] + recordingParameters()
}

/// Options of what a run leaves behind: checkpoints, logs, samples.
private func recordingParameters() -> [Parameter] {
  [
    Parameter(
      "autosave", .string, default: none, help: "a folder for checkpoints by time, on interrupt, error and at the end; the last 2 stay"),
    Parameter("autosave_minutes", .float, default: 5, range: 0...1e6, help: "minutes between autosaves; 0: after each update"),
    Parameter(
      "log", .string, default: none, aliases: ["logging_dir"],
      help: "a folder for metrics.jsonl, metrics.csv and TensorBoard events; none: that of autosave"),
    Parameter("samples", .list, default: none, help: "prompts that run answers now and then, greedily; see t.samples"),
    Parameter("sample_every", .int, default: none, range: 1...1e9, help: "updates between samples; none: an epoch"),
    Parameter("sample_tokens", .int, default: 48, range: 1...1e6, help: "the most tokens of a sample"),
  ]
}

/// Options of the preference loss.
func preferenceParameters() -> [Parameter] {
  [
    Parameter("beta", .float, default: 0.1, range: any, help: "strength of the pull to the reference"),
    Parameter(
      "loss", .anyOf([.string, .list]), default: "sigmoid", choices: PreferenceLoss.allCases.map(\.rawValue), aliases: ["loss_type"],
      help: "a loss, or a list of losses to add up"),
    Parameter("label_smoothing", .float, default: 0, range: 0...0.5, help: "probability that a pair is labelled the wrong way round"),
    Parameter("loss_weights", .list, default: none, help: "the share of each loss of a list"),
    Parameter(
      "f_divergence", .string, default: "reverse_kl", choices: FDivergence.allCases.map(\.rawValue), aliases: ["f_divergence_type"],
      help: "the divergence from the reference"),
    Parameter("f_alpha", .float, default: 0.5, aliases: ["f_alpha_divergence_coef"], help: "the α of the α-divergence"),
    Parameter("discopop_tau", .float, default: 0.05, range: 1e-6...1e6, help: "width of DiscoPOP's blend"),
    Parameter("ld_alpha", .float, default: none, range: 0...1, help: "weight of tokens past the shorter answer's length"),
    Parameter("use_weighting", .bool, default: false, help: "weigh pairs by how the policy itself would say them: WPO"),
    Parameter("simpo_gamma", .float, default: 0.5, range: any, help: "SimPO's target margin"),
    Parameter("cpo_alpha", .float, default: 1, range: any, help: "share of the chosen answers' likelihood in CPO"),
    Parameter("desirable_weight", .float, default: 1, range: any, help: "KTO's weight of the chosen answers"),
    Parameter("undesirable_weight", .float, default: 1, range: any, help: "KTO's weight of the rejected answers"),
  ]
}

/// Options by name, from a call's arguments or, where they are not given, from a trainer's.
struct OptionSource {
  let call: Call
  var fallback: ValueMap?
  /// Values that go before both.
  var overrides: ValueMap = [:]
  /// Where options come from that were not given.
  var recipe: Recipe?

  subscript(_ name: String) -> Value {
    if let value = overrides[name] { return value }
    // Of two options that say one thing the one given counts, not the other of a recipe or trainer.
    if let rival = ["max_steps": "epochs", "warmup_steps": "warmup_ratio"][name], !call.given(name),
      call.given(rival) || overrides[rival] != nil
    {
      return none
    }
    if let fallback, !call.given(name) { return fallback[name] ?? none }
    if !call.given(name), let value = recipe?.options[name] { return Value(value) }
    return call[name]
  }

  func double(_ name: String) throws -> Double {
    guard let value = self[name].number else { throw ZsError(kind: "type", message: "'\(name)' must be a number", argument: name) }
    return value
  }

  /// An int, or nil where the option is none.
  func optionalInt(_ name: String) throws -> Int? { self[name].isNone ? nil : try int(name) }

  func int(_ name: String) throws -> Int {
    guard case .int(let value) = self[name] else { throw ZsError(kind: "type", message: "'\(name)' must be an int", argument: name) }
    return Int(value)
  }

  func bool(_ name: String) -> Bool { if case .bool(true) = self[name] { true } else { false } }

  func choice<T: RawRepresentable>(_ name: String, _ type: T.Type) throws -> T where T.RawValue == String {
    guard let value = self[name].text.flatMap({ T(rawValue: $0) }) else {
      throw ZsError("'\(name)' cannot be \(self[name].source)", argument: name)
    }
    return value
  }

  /// The options of the loop.
  func trainOptions() throws -> TrainOptions {
    var options = TrainOptions()
    options.learningRate = try double("learning_rate")
    options.schedule = try choice("schedule", ScheduleKind.self)
    options.minLearningRate = try double("min_learning_rate")
    options.warmupRatio = try double("warmup_ratio")
    options.warmupSteps = self["warmup_steps"].isNone ? nil : try int("warmup_steps")
    options.batchSize = try int("batch_size")
    options.gradientAccumulation = try int("gradient_accumulation")
    options.epochs = try double("epochs")
    options.maxSteps = self["max_steps"].isNone ? nil : try int("max_steps")
    options.optimizer = try choice("optimizer", OptimizerKind.self)
    options.adamBeta1 = try double("adam_beta1")
    options.adamBeta2 = try double("adam_beta2")
    options.adamEpsilon = try double("adam_epsilon")
    options.weightDecay = try double("weight_decay")
    options.maxGradNorm = try double("max_grad_norm")
    options.seed = UInt64(bitPattern: Int64(try int("seed")))
    options.shuffle = bool("shuffle")
    options.gradientCheckpointing = bool("gradient_checkpointing")
    options.neftuneAlpha = self["neftune_alpha"].number ?? 0
    options.snapshotBytes = try int("snapshot_megabytes") << 20
    return try options.validated()
  }

  /// The options of the loss.
  func preferenceOptions() throws -> PreferenceOptions {
    var options = PreferenceOptions()
    options.terms = try lossTerms()
    options.beta = try double("beta")
    options.labelSmoothing = try double("label_smoothing")
    options.divergence = try choice("f_divergence", FDivergence.self)
    options.alphaCoefficient = try double("f_alpha")
    options.discopopTau = try double("discopop_tau")
    options.lengthDesensitization = self["ld_alpha"].isNone ? nil : try double("ld_alpha")
    options.useWeighting = bool("use_weighting")
    options.simpoGamma = try double("simpo_gamma")
    options.cpoAlpha = try double("cpo_alpha")
    options.desirableWeight = try double("desirable_weight")
    options.undesirableWeight = try double("undesirable_weight")
    if case .int(let limit) = self["max_length"] { options.maxLength = Int(limit) }
    return try options.validated()
  }

  private func lossTerms() throws -> [LossTerm] {
    let names: [Value]
    if case .list(let list) = self["loss"] { names = list } else { names = [self["loss"]] }
    var weights = [Double](repeating: 1, count: names.count)
    // Weights of another list of losses than the one given say nothing about it.
    let isFromOneSource =
      overrides["loss"] == nil ? fallback == nil || call.given("loss_weights") || !call.given("loss") : overrides["loss_weights"] != nil
    if case .list(let given) = self["loss_weights"], isFromOneSource {
      weights = given.compactMap(\.number)
      guard weights.count == given.count, weights.count == names.count else {
        throw ZsError("\(given.count) loss_weights for \(names.count) losses", hint: "one number per loss", argument: "loss_weights")
      }
    }
    return try zip(names, weights).map { name, weight in
      if let loss = name.text.flatMap({ PreferenceLoss(rawValue: $0) }) { return LossTerm(loss, weight: weight) }
      let known = PreferenceLoss.allCases.map(\.rawValue)
      let meant = name.text.flatMap { nearest(to: $0, among: known) }.map { "; did you mean \"\($0)\"?" } ?? ""
      throw ZsError("there is no loss \(name.source)\(meant)", hint: "one of " + known.joined(separator: ", "), argument: "loss")
    }
  }
}
