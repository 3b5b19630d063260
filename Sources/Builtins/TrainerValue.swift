// A trainer as a zs value: the loop, the model it moves, and the data behind its examples.

import Language
import Models
import Training

/// A trainer of the language, made by `sft` or `dpo`.
public final class TrainerValue: ObjectValue {
  /// The loop.
  public let loop: TrainLoop
  /// The model that moves.
  public let policy: LanguageModel
  /// `dpo` or `sft`, with a number.
  public let name: String
  /// Every option as it is in force.
  let options: ValueMap
  let texts: ExampleTexts
  let encoder: ExampleEncoder
  /// Rows of the data that gave no example.
  let skipped: [SkippedRow]
  /// Examples that were cut to the limit.
  let cut: Int
  /// The reports it gave.
  let memory: ReportMemory
  /// What `run` evaluates now and then.
  var evaluation: (objective: any Objective, texts: ExampleTexts, every: Int)?
  /// DPO: what was evaluated last, with what its reference said.
  var unseen: (objective: any Objective, texts: ExampleTexts)?
  /// Whether the model that moves was made from a frozen one by this trainer, so that the start needs no copy of its own.
  var startsAsBase = false
  /// The checkpoint it was made from.
  var resumed: Checkpoint?
  /// What `run` and `step` leave behind; nil where nothing is asked for.
  var recorder: RunRecorder?
  /// What it was expected to take before it was made; nil for one that goes on or was forked.
  var expected: Expectation?
  private var madeWriter: CheckpointWriter?

  init(
    loop: TrainLoop, policy: LanguageModel, name: String, options: ValueMap, texts: ExampleTexts, encoder: ExampleEncoder,
    skipped: [SkippedRow], cut: Int, memory: ReportMemory = ReportMemory()
  ) {
    self.loop = loop
    self.policy = policy
    self.name = name
    self.options = options
    self.texts = texts
    self.encoder = encoder
    self.skipped = skipped
    self.cut = cut
    self.memory = memory
  }

  /// Which builtin makes such a trainer.
  var kind: String { texts.isPreference ? "dpo" : "sft" }

  /// What writes its checkpoints; one for the trainer's life, since it remembers what stays the same.
  func checkpointWriter() throws -> CheckpointWriter {
    if let madeWriter { return madeWriter }
    guard let base = policy.base ?? policy.origin else {
      throw ZsError(kind: "training", message: "\(name) moves a model without a base, which no checkpoint can name")
    }
    var reference: LanguageModel?
    // One that follows the policy is part of the loop's state.
    if let held = (loop.objective as? DPO)?.reference, held.sync == nil, let other = held.model as? LanguageModel, other !== base {
      reference = other
    }
    let data = ExampleFile(dataset: texts.dataset, skipped: skipped, cut: cut, pairs: texts.pairs, documents: texts.documents)
    let unseen = evaluation.map { ExampleFile(dataset: $0.texts.dataset, pairs: $0.texts.pairs, documents: $0.texts.documents) }
    let writer = CheckpointWriter(
      loop: loop, policy: policy, base: base, startsAsBase: startsAsBase, reference: reference, data: data, evaluation: unseen,
      resumed: resumed)
    madeWriter = writer
    return writer
  }

  /// The name that `type(x)` gives.
  public var typeName: String { "trainer" }

  /// Where it is, what it did, and what it was made of.
  public var fieldNames: [String] {
    ["step_count", "total_steps", "epoch", "history", "policy", "options", "examples", "skipped", "samples", "data", "forecast", "name"]
  }

  /// A field by name.
  public func field(_ name: String) throws -> Value? {
    switch name {
    case "step_count": .int(Int64(loop.stepCount))
    case "total_steps": .int(Int64(loop.totalSteps))
    case "epoch": .float(loop.epoch)
    case "history": .list(loop.history.rows.map { .map(metricMap($0)) })
    case "policy": .object(ModelValue(policy))
    case "options": .map(options)
    case "examples": .int(Int64(loop.objective.exampleCount))
    case "skipped": skippedValue(skipped)
    case "samples": .list((recorder?.samples ?? []).map(\.value))
    case "data": .map(DataCounts(self).map)
    case "forecast": try expected.map { .map(try $0.map(of: policy)) } ?? Value.none
    case "name": .string(self.name)
    default: nil
    }
  }

  /// Where it is and what it did, as a map.
  public func plain() throws -> Value {
    var result: ValueMap = [:]
    for name in ["name", "step_count", "total_steps", "epoch", "examples", "options", "history"] {
      result[name] = try field(name) ?? Value.none
    }
    return .map(result)
  }

  /// Where it is, its options, its loss so far.
  public func display(_ options: DisplayOptions) -> String {
    let unit = texts.unit
    let count = loop.objective.exampleCount
    var first = "trainer \(name) · \(policy.name)"
    if let lora = policy.loraOptions { first += " + LoRA r\(lora.rank)" }
    first += " · \(count) \(unit)\(count == 1 ? "" : "s") · step \(loop.stepCount)/\(loop.totalSteps) · epoch \(compact(loop.epoch))"
    var lines = [first, "  " + summary(), "  " + DataCounts(self).line]
    if cut > 0 { lines.append("  \(cut) \(unit)\(cut == 1 ? "" : "s") cut to \(self.options["max_length"]?.source ?? "") tokens") }
    lines += skippedLines(skipped).map { "  " + $0 }
    if let frozen = frozenLine() { lines.append("  " + frozen) }
    if let recipe = self.options["recipe"]?.text { lines.append("  recipe \(recipe)") }
    if let folder = recorder?.folders { lines.append("  " + folder) }
    let losses = loop.history.column("loss")
    if let start = losses.first, let end = losses.last {
      lines.append("  loss \(printf("%.4f", start)) → \(printf("%.4f", end))  \(sparkline(Array(losses.suffix(60))))")
    }
    return lines.map { TextWidth.cut($0, to: options.width) }.joined(separator: "\n")
  }

  private func frozenLine() -> String? {
    let learning = Set(policy.trainable.map(\.name))
    let frozen = policy.learnable.filter { !learning.contains($0) }
    guard let first = frozen.first else { return nil }
    return "\(frozen.count) of \(policy.learnable.count) tensors frozen: \(first)\(frozen.count > 1 ? " …" : "")"
  }

  private func summary() -> String {
    let o = loop.options
    var parts: [String] = []
    if texts.isPreference { parts = ["loss \(options["loss"]?.printed ?? "")", "beta \(options["beta"]?.source ?? "")"] }
    parts.append(
      "lr \(compact(o.learningRate)) \(o.schedule.rawValue)\(loop.schedule.warmupSteps > 0 ? ", warm-up \(loop.schedule.warmupSteps)" : "")"
    )
    parts.append("batch \(o.batchSize)\(o.gradientAccumulation > 1 ? " × \(o.gradientAccumulation)" : "")")
    parts.append(o.optimizer.rawValue)
    let moving = policy.trainable.reduce(0) { $0 + $1.tensor.count }
    parts.append("\(moving) parameters\(policy.storageType == .f32 ? "" : " in \(policy.storageType.name), fp32 master")")
    if o.neftuneAlpha > 0 { parts.append("neftune \(compact(o.neftuneAlpha))") }
    return parts.joined(separator: " · ")
  }
}
