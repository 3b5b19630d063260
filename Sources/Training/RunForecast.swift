// How much memory a run will take, told from sizes before anything of it exists, and what would make one fit that does not.

import Kernels
import Models
import Tensors

/// The memory of a run.
public struct RunForecast: Sendable, Equatable {
  /// One thing that takes memory.
  public struct Part: Sendable, Equatable {
    /// What it is: weights, moments, gradients, activations, snapshots, files.
    public var name: String
    /// Its bytes.
    public var bytes: Int
  }

  /// What the process will have at the most, what it has now included.
  public var peakBytes: Int
  /// What it will take beyond what it has now.
  public var newBytes: Int
  /// What the new bytes are for, the largest first.
  public var parts: [Part]
}

extension RunPlan {
  /// The memory of this run in this process, as it is now.
  public func forecast(now: ProcessMemory?, threads: Int) -> RunForecast {
    let named = demands
    // Models on one file touch the same pages.
    let files = Dictionary([model, reference].compactMap { $0 }.map { ($0.path, $0.mappedBytes) }, uniquingKeysWith: max)
    let mapped = files.reduce(0) { $0 + max(0, $1.value - ProcessMemory.residentBytes(ofFilesUnder: $1.key)) }
    let keepsLogits = knowsSlopes && learning.ranks.isEmpty
    let scratch = model.configuration.scratchBytes(widest, keepsLogits: keepsLogits, threads: threads)
    var all = ArenaDemand()
    for (_, demand) in named { all.add(demand) }
    let new = all.newBytes + mapped + scratch + reportBytes
    let parts = named.map { RunForecast.Part(name: $0.0, bytes: $0.1.bytes) } + [.init(name: "files", bytes: mapped)]
    return RunForecast(
      peakBytes: (now?.residentBytes ?? 0) + new, newBytes: new, parts: parts.filter { $0.bytes > 0 }.sorted { $0.bytes > $1.bytes })
  }

  /// What the run needs of the arena, by what it is for.
  package var demands: [(name: String, demand: ArenaDemand)] {
    func set(_ copies: Int) -> ArenaDemand {
      var demand = ArenaDemand()
      for size in learning.sizes { demand.add(size, times: copies) }
      return demand
    }
    var weights = set((learning.areNew ? 1 : 0) + referenceCopies)
    if learning.areNew, learning.storage != .f32 {
      for size in learning.sizes { weights.add(learning.storage.rowBytes(columns: size) / 4) }
    }
    let momentCount = options.optimizer == .sgd ? 1 : 2
    return [
      ("weights", weights), ("moments", set(momentCount)), ("gradients", set(1)), ("activations", activations),
      ("snapshots", set(snapshotCopies(momentCount))),
    ]
  }

  private var activations: ArenaDemand {
    model.configuration.passDemand(
      widest, learning, checkpointing: options.gradientCheckpointing, noise: options.neftuneAlpha > 0, knowsSlopes: knowsSlopes)
  }

  /// Copies of what learns that snapshots hold at the most: one more than fits, until an old one has gone.
  private func snapshotCopies(_ momentCount: Int) -> Int {
    let copies = 1 + momentCount + (referenceMoves ? 1 : 0)
    let bytes = 4 * learning.count * copies
    guard bytes > 0, bytes <= options.snapshotBytes else { return 0 }
    return copies * min(totalSteps, options.snapshotBytes / bytes + 1)
  }

  /// What reports keep of each scored token.
  private var reportBytes: Int {
    Int(min(Double(64 << 20), 32 * scoredPerUpdate * Double(totalSteps)))
  }

  /// Changes that would make the run fit into `bytes`, as one writes them, with the peak that each leads to.
  ///
  /// Single changes where they suffice, else all of them together; empty where even those do not.
  public func remedies(fitting bytes: Int, now: ProcessMemory?, threads: Int) -> [(change: String, peakBytes: Int)] {
    typealias Change = (inout RunPlan) -> Void
    var changes: [(String, Change)] = []
    if learning.ranks.isEmpty {
      let adapters = model.adapterPlan(rank: 16)
      let adapt: Change = {
        $0.learning = adapters
        ($0.referenceCopies, $0.referenceMoves) = (0, false)
      }
      changes.append(("lora(model)", adapt))
    }
    if !options.gradientCheckpointing { changes.append(("gradient_checkpointing: true", { $0.options.gradientCheckpointing = true })) }
    if snapshotCopies(2) > 0 { changes.append(("snapshot_megabytes: 0", { $0.options.snapshotBytes = 0 })) }
    func forecast(_ change: Change) -> RunForecast {
      var plan = self
      change(&plan)
      return plan.forecast(now: now, threads: threads)
    }
    let shorter = [512, 256].filter { widest.tokens >= 2 * $0 }.map { tokens -> (String, Change) in
      ("max_length: \(tokens / 2)", { $0 = $0.narrowed(to: tokens) })
    }
    let single = (changes + shorter).compactMap { name, change in
      let changed = forecast(change)
      return changed.newBytes <= bytes ? (change: name, peakBytes: changed.peakBytes) : nil
    }
    if !single.isEmpty { return single }
    changes += shorter.suffix(1)
    let together = forecast { plan in for (_, change) in changes { change(&plan) } }
    guard together.newBytes <= bytes else { return [] }
    return [(changes.map(\.0).joined(separator: " with "), together.peakBytes)]
  }
}
