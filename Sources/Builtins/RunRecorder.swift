// What a run leaves behind: checkpoints by time and when it stops, logs of every update, answers to sample prompts.

import Formats
import Language
import Models
import Tensors
import Tokenizers
import Training

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// The answer to a sample prompt at some step.
struct Sample {
  var step: Int
  var prompt: Value
  var text: String

  var value: Value { .map(["step": .int(Int64(step)), "prompt": prompt, "text": .string(text)]) }
}

/// Keeps checkpoints, logs and samples of one trainer.
final class RunRecorder {
  private unowned let trainer: TrainerValue
  private let session: Session
  private let autosaves: Autosaves?
  private let secondsBetween: Double
  private let logFolder: String?
  private var log: RunLog?
  /// The last update that is in the log.
  private var loggedStep: Int
  private var savedStep: Int?
  /// The checkpoints in the folder that are of this run; others are never overwritten or pruned.
  private var own: Set<Autosaves.Identity> = []
  private var lastSave = ContinuousClock.now
  /// Whether writing failed before: a run says so once and goes on.
  private var hasWarned = false
  private let prompts: [Value]
  private let sampleEvery: Int
  private let sampleTokens: Int
  /// Answers so far.
  private(set) var samples: [Sample]

  /// The recorder of a trainer, by its options; nil where they ask for nothing.
  init?(_ trainer: TrainerValue, _ session: Session, autosave: String? = nil, samples: [Sample] = []) throws {
    let options = trainer.options
    let folder = autosave ?? options["autosave"]?.text
    logFolder = options["log"]?.text ?? folder
    if case .list(let given)? = options["samples"] { prompts = given } else { prompts = [] }
    guard folder != nil || logFolder != nil || !prompts.isEmpty else { return nil }
    autosaves = folder.map { Autosaves(folder: $0) }
    secondsBetween = 60 * (options["autosave_minutes"]?.number ?? 5)
    sampleEvery = Int(options["sample_every"]?.number ?? Double(trainer.loop.plan.stepsPerEpoch))
    sampleTokens = Int(options["sample_tokens"]?.number ?? 48)
    self.trainer = trainer
    self.session = session
    self.samples = samples
    loggedStep = trainer.loop.stepCount
    // A checkpoint saved elsewhere, such as a fork's, says nothing of whose the autosaves are.
    if let resumed = trainer.resumed, let autosaves, resumed.folder.hasPrefix(autosaves.folder + "/") { own = autosaves.identities }
    // A folder that cannot be made is said now, not after five minutes.
    if let folder { try AtomicFolder.make(folder) }
    if let logFolder { try AtomicFolder.make(logFolder) }
  }

  /// Where it writes, for the trainer's display.
  var folders: String? {
    var parts: [String] = []
    if let autosaves { parts.append("autosave \(autosaves.folder)") }
    if let logFolder, logFolder != autosaves?.folder { parts.append("log \(logFolder)") }
    return parts.isEmpty ? nil : parts.joined(separator: " · ")
  }

  /// Called before the updates of a `step` or `run`.
  func begin(_ poll: () throws -> Void) throws {
    let step = trainer.loop.stepCount
    if step < loggedStep {
      loggedStep = step
      try opened()?.note(["event": "back", "step": .int(Int64(step))], time: wallSeconds())
    }
    samples.removeAll { $0.step > step }
    if step == 0 { try sample(poll) }
  }

  /// Called after an update and its evaluation.
  func stepped(_ poll: () throws -> Void) throws {
    try flush()
    let loop = trainer.loop
    if loop.stepCount % sampleEvery == 0 || loop.stepCount == loop.totalSteps { try sample(poll) }
    if autosaves != nil, (ContinuousClock.now - lastSave) / .seconds(1) >= secondsBetween { save() }
  }

  /// Called when a `run` has reached its end.
  func finished() { if autosaves != nil { save() } }

  /// Called when an interrupt or an error ends it: what is done is kept.
  func stopped() {
    do {
      try flush()
    } catch {
      warn("the log", error)
    }
    guard let autosaves, trainer.loop.stepCount > 0 else { return }
    if save() { session.warn("step \(trainer.loop.stepCount) is saved; resume(\"\(autosaves.folder)\") goes on from there") }
  }

  /// Writes the updates that are not in the log yet.
  private func flush() throws {
    guard logFolder != nil else { return }
    for row in trainer.loop.history.rows where Int(row["step"] ?? 0) > loggedStep {
      try opened()?.record(row, time: wallSeconds())
      loggedStep = Int(row["step"] ?? 0)
    }
  }

  private func opened() throws -> RunLog? {
    if let log { return log }
    guard let logFolder else { return nil }
    var columns = trainer.loop.history.names
    if trainer.evaluation != nil {
      let unseen = columns.filter { !$0.hasPrefix("eval_") && !["step", "grad_norm", "learning_rate", "epoch"].contains($0) }
      columns += unseen.map { "eval_" + $0 }.filter { !columns.contains($0) }
    }
    log = try RunLog(folder: logFolder, columns: columns, time: wallSeconds())
    return log
  }

  /// Saves, unless that step is saved; a failure is said and the run goes on.
  @discardableResult
  private func save() -> Bool {
    guard let autosaves else { return false }
    let step = trainer.loop.stepCount
    lastSave = ContinuousClock.now
    if savedStep == step { return true }
    do {
      let others = autosaves.identities.subtracting(own)
      if !others.isEmpty {
        session.warn("note: \(autosaves.folder) holds checkpoints of another run; they are in \(try autosaves.setAside(others)) now")
      }
      try trainer.save(to: autosaves.path(step: step))
      autosaves.prune()
      own = autosaves.identities
      savedStep = step
      lastSave = ContinuousClock.now
      return true
    } catch {
      warn("a checkpoint", error)
      return false
    }
  }

  private func warn(_ what: String, _ error: any Error) {
    if hasWarned { return }
    hasWarned = true
    let error = describe(error)
    session.warn("note: \(what) could not be written: \(error.message)" + (error.hint.map { " (\($0))" } ?? ""))
  }

  /// Answers the sample prompts, if this step has none yet.
  private func sample(_ poll: () throws -> Void) throws {
    let step = trainer.loop.stepCount
    guard !prompts.isEmpty, !samples.contains(where: { $0.step == step }) else { return }
    let model = trainer.policy
    var answers: [Sample] = []
    for prompt in prompts {
      try poll()
      let ids: [Int]
      switch try ModelInput(prompt, "samples") {
      case .ids(let given): ids = given
      case .messages(let messages): ids = try model.encode(messages: messages, generationPrompt: true)
      case .text(let text):
        let message = Message(role: "user", content: text).json
        ids =
          model.chatTemplate == nil ? try model.encode(text, special: false) : try model.encode(messages: [message], generationPrompt: true)
      }
      let completion = try Generator(model).generate(
        ids, options: SamplingOptions(maxTokens: sampleTokens), random: RandomSource(seed: 0), isAnswer: true, onText: { _ in },
        shouldStop: { false })
      answers.append(Sample(step: step, prompt: prompt, text: completion.text))
    }
    samples += answers
  }
}

extension TrainerValue {
  /// Writes a checkpoint.
  func save(to path: String) throws {
    var extra: JSON = [
      "eval_every": evaluation.map { .int(Int64($0.every)) } ?? .null,
      "samples": .array(try (recorder?.samples ?? []).map { try $0.value.asJSON() }),
    ]
    if case .object(var members) = extra, let dpo = loop.objective as? DPO {
      members["reference"] = dpo.reference.model == nil ? "adapters off" : "a model"
      extra = .object(members)
    }
    let options = try Value.map(self.options).asJSON()
    try checkpointWriter().write(to: path, kind: kind, options: options, extra: extra)
  }
}

/// Seconds since 1970.
func wallSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_REALTIME, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec / 1_000_000) / 1e3
}

/// The most memory that this process has had so far, in bytes.
func peakResidentBytes() -> Int {
  var usage = rusage()
  #if canImport(Darwin)
    getrusage(RUSAGE_SELF, &usage)
    return Int(usage.ru_maxrss)
  #else
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return Int(usage.ru_maxrss) << 10
  #endif
}
