// What loading and training will take: asked before anything is allocated, said where somebody watches, refused where it cannot fit.

import Kernels
import Language
import Models
import Tensors
import Training

/// A trainer's forecast, and its plan, from which seconds are measured when somebody asks.
final class Expectation {
  let plan: RunPlan
  let memory: RunForecast
  private var seconds: Double?

  init(plan: RunPlan, memory: RunForecast) {
    self.plan = plan
    self.memory = memory
  }

  /// Seconds of a mean update, the reference included, at the rate of a first measurement.
  func secondsPerStep(of policy: LanguageModel) throws -> Double {
    if let seconds { return seconds }
    // What the measurement took is of no use to the run.
    defer { Arena.shared.trim() }
    let measured = plan.secondsPerStep(try plan.measureRate(policy: policy))
    seconds = measured
    return measured
  }

  /// The forecast as a map.
  func map(of policy: LanguageModel) throws -> ValueMap {
    var parts: ValueMap = [:]
    for part in memory.parts { parts[part.name] = .int(Int64(part.bytes)) }
    return [
      "peak_bytes": .int(Int64(memory.peakBytes)), "new_bytes": .int(Int64(memory.newBytes)), "parts": .map(parts),
      "seconds_per_step": .float(try secondsPerStep(of: policy)), "steps": .int(Int64(plan.totalSteps)),
    ]
  }
}

/// The plan of a trainer that a call asks for, before the policy exists.
func plan(
  of objective: any MeasurableObjective, _ given: LanguageModel, _ call: Call, _ source: OptionSource, _ options: TrainOptions
) throws -> RunPlan {
  let learning = given.learningPlan(stored: source.bool("bf16") ? .bf16 : .f32)
  var plan = RunPlan(model: given, learning: learning, objective: objective, options: options)
  guard let dpo = objective as? DPO, !dpo.options.isReferenceFree else { return plan }
  if !dpo.examples.allSatisfy({ $0.referenceChosen != nil }) {
    plan.reference = call["reference"].isNone ? given : try call.model("reference")
  }
  if source.bool("sync_ref_model") {
    (plan.referenceCopies, plan.referenceMoves) = (1, true)
  } else if call["reference"].isNone, given.adapters.isEmpty, !learning.areNew {
    plan.referenceCopies = 1  // a model that learns already is held to a copy of itself
  }
  return plan
}

extension Session {
  /// The memory of a run; one that cannot fit is refused, with what would.
  package func admit(_ plan: RunPlan, now: ProcessMemory? = .now()) throws -> RunForecast {
    let threads = ThreadPool.shared.threadCount
    let forecast = plan.forecast(now: now, threads: threads)
    guard let free = now?.availableBytes, forecast.newBytes > free else { return forecast }
    let what = forecast.parts.prefix(4).map { "\($0.name) \(megabytes($0.bytes))" }.joined(separator: ", ")
    let remedies = plan.remedies(fitting: free, now: now, threads: threads)
    throw ZsError(
      kind: "memory",
      message: "this run would take \(megabytes(forecast.newBytes)) more memory at its peak (\(what)); \(megabytes(free)) are free",
      hint: remedies.isEmpty
        ? "a smaller model, or a machine with more memory"
        : "these fit: " + remedies.map { "\($0.change) (\(megabytes($0.peakBytes)) at the peak)" }.joined(separator: ", "))
  }

  /// Says what loading takes, and refuses what cannot fit; warns of a file that memory cannot hold.
  func admit(_ forecast: LoadForecast, name: String, isConverted: Bool) throws {
    guard let now = ProcessMemory.now() else { return }
    let free = now.availableBytes ?? .max
    if forecast.copiedBytes > free {
      throw ZsError(
        kind: "memory", message: "loading \(name) takes \(megabytes(forecast.copiedBytes)) of memory; \(megabytes(free)) are free",
        hint: "a smaller model, or one that is quantized further")
    }
    if forecast.mappedBytes > free, !isConverted {
      warn(
        "warning: the \(megabytes(forecast.mappedBytes)) of \(name) are more than the \(megabytes(free)) of memory that are free: every "
          + "token will wait for the disk. Quantized, it would be smaller: export(…, type: \"q4_k_m\")\n")
    }
    if showsForecasts, !isConverted {
      let (loaded, used) = (now.residentBytes + forecast.loadingBytes, now.residentBytes + forecast.usedBytes)
      warn("forecast: \(megabytes(loaded)) of memory when loaded, \(megabytes(max(loaded, used))) when all of it is in use\n")
    }
  }

  /// The same for weights that are stored in another type as they are loaded.
  func admit(conversionOf model: LanguageModel, to type: StoredType) throws {
    guard let now = ProcessMemory.now() else { return }
    let stored =
      switch type {
      case .plain(let type): model.bytes(storedAs: type)
      case .mixture(let type): model.bytes(storedAs: type)
      }
    let unread = max(0, model.mappedBytes - ProcessMemory.residentBytes(ofFilesUnder: model.path))
    if let free = now.availableBytes, stored > free {
      throw ZsError(
        kind: "memory", message: "\(model.name) in that type takes \(megabytes(stored)) of memory; \(megabytes(free)) are free",
        hint: "dtype: \"q8_0\" or \"q4_k_m\" take less; without dtype the file is mapped, not copied", argument: "dtype")
    }
    if showsForecasts { warn("forecast: \(megabytes(now.residentBytes + stored + unread)) of memory when converted\n") }
  }
}

extension TrainerValue {
  /// Keeps what was planned, and says it where somebody watches.
  func forecast(_ plan: RunPlan, _ memory: RunForecast, _ call: Call) throws {
    let session = try Session.of(call)
    let expectation = Expectation(plan: plan, memory: memory)
    expected = expectation
    guard session.showsForecasts else { return }
    let seconds = try expectation.secondsPerStep(of: policy)
    let steps = plan.totalSteps
    session.warn(
      "forecast: \(megabytes(expectation.memory.peakBytes)) of memory at the peak · \(span(seconds)) a step, "
        + "\(steps) step\(steps == 1 ? "" : "s") in \(span(seconds * Double(steps)))\n")
  }
}

/// Seconds as people say them: 40 ms, 5.8 s, 12 min, 3.5 h.
private func span(_ seconds: Double) -> String {
  switch seconds {
  case ..<1: "\(decimal(1000 * seconds, 0)) ms"
  case ..<100: "\(decimal(seconds, 1)) s"
  case ..<6000: "\(decimal(seconds / 60, 0)) min"
  default: "\(decimal(seconds / 3600, 1)) h"
  }
}
