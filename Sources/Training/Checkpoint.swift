// A trainer on disk: one folder that appears whole or not at all and needs no other file but the base model. trainer.json says what
// it is and holds options, history and the hash of every other file; state.safetensors the parameters and moments; data.jsonl the
// examples. What does not change during a run is linked from the checkpoint before, not written again.

import Formats
import Kernels
import Models
import OrderedCollections
import Tensors

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// A checkpoint, read and checked.
public struct Checkpoint {
  /// Where it is.
  public let folder: String
  /// Which kind of trainer it is of: `sft`, `dpo`.
  public let kind: String
  /// Updates done.
  public let step: Int
  /// Every option of the trainer.
  public let options: JSON
  /// What else its maker wrote.
  public let extra: JSON
  /// The metrics of the updates done.
  public let history: MetricLog
  /// The frozen model under the policy.
  public let base: ModelRecord
  /// Whether all that learns began as it is in the base.
  public let startsAsBase: Bool
  /// The shape of the adapters; nil where the whole model learns.
  public let lora: LoRAOptions?
  /// Parameters that do not learn.
  public let frozen: [String]
  /// The model the policy is held to; nil where it is the base or the policy without adapters.
  public let reference: ModelRecord?
  /// The hashes of its files.
  let files: OrderedDictionary<String, JSON>

  /// Its files' names.
  enum File {
    static let manifest = "trainer.json"
    static let state = "state.safetensors"
    static let start = "start.safetensors"
    static let frozen = "frozen.safetensors"
    static let data = "data.jsonl"
    static let evaluation = "evaluation.jsonl"
    static let base = "base.safetensors"
    static let reference = "reference.safetensors"
    /// Everything that a checkpoint's folder may hold.
    static let all: Set = [
      manifest, state, start, frozen, data, evaluation, base, reference, "reference_adapter", "adapter_config.json",
      "adapter_model.safetensors",
    ]
  }

  private static let format = "zs checkpoint"
  static let version = 1

  /// Finds and reads a checkpoint: the folder itself, or the newest in a folder of autosaves.
  ///
  /// - Throws: where it is damaged, naming the file.
  public init(path: String) throws {
    folder = try Checkpoint.locate(path)
    let manifest = try JSON.read(path: "\(folder)/\(File.manifest)")
    guard manifest["format"]?.string == Checkpoint.format else { throw TrainingError("\(folder) holds no checkpoint of zs") }
    guard manifest["version"]?.int == Checkpoint.version else {
      throw TrainingError(
        "\(folder) is a checkpoint of version \(manifest["version"]?.serialized() ?? "?"), this zs reads \(Checkpoint.version)",
        hint: "resume it with the zs that wrote it")
    }
    guard let kind = manifest["kind"]?.string, let step = manifest["step"]?.int, let options = manifest["options"],
      let base = manifest["base"], let files = manifest["files"]?.object
    else { throw TrainingError("\(folder)/\(File.manifest) is incomplete") }
    self.kind = kind
    self.step = step
    self.options = options
    self.files = files
    self.base = try ModelRecord(base)
    startsAsBase = manifest["starts_as_base"]?.bool ?? false
    extra = manifest["extra"] ?? [:]
    history = MetricLog(
      rows: (manifest["history"]?.array ?? []).map { row in
        OrderedDictionary(uniqueKeysWithValues: (row.object ?? [:]).map { ($0, $1.double ?? .nan) })
      })
    reference = try manifest["reference"].flatMap { $0.isNull ? nil : try ModelRecord($0) }
    lora = try manifest["lora"].flatMap { $0.isNull ? nil : try LoRAOptions(checkpoint: $0) }
    frozen = (manifest["frozen"]?.array ?? []).compactMap(\.string)
    for (name, recorded) in files { try Checkpoint.check("\(folder)/\(name)", recorded) }
  }

  private static func check(_ path: String, _ recorded: JSON) throws {
    let found = try Digest.file(path)
    guard found == recorded.string else {
      throw TrainingError(
        "\(path) is not what the checkpoint was made with: its SHA-256 is \(found.prefix(16))…, it was \((recorded.string ?? "?").prefix(16))…",
        hint: "bring back the file as it was, or resume another checkpoint of the run")
    }
  }

  /// The path of one of its files; nil where it has none of that name.
  private func file(_ name: String) -> String? { access("\(folder)/\(name)", F_OK) == 0 ? "\(folder)/\(name)" : nil }

  /// The examples that are trained on.
  public func data() throws -> ExampleFile { try ExampleFile(path: "\(folder)/\(File.data)") }

  /// The examples that are evaluated on, if there are any.
  public func evaluation() throws -> ExampleFile? { try file(File.evaluation).map { try ExampleFile(path: $0) } }

  /// The base model, checked against what the run began with.
  ///
  /// - Parameter given: A model to take in its place of loading it; it is checked as well.
  public func loadBase(given: LanguageModel?) throws -> LanguageModel {
    let model = try given ?? Checkpoint.load(base, stored: file(File.base), role: "base model")
    try base.check(model, role: "base model")
    return model
  }

  /// The reference model, likewise; nil where it is the base or the policy without adapters.
  public func loadReference(given: LanguageModel?) throws -> LanguageModel? {
    guard let reference else { return nil }
    var model = try given ?? Checkpoint.load(reference, stored: file(File.reference), role: "reference")
    try reference.check(model, role: "reference")
    let adapter = "\(folder)/reference_adapter"
    if given == nil, access(adapter, F_OK) == 0 { model = try model.loadingAdapter(from: adapter) }
    return model
  }

  private static func load(_ record: ModelRecord, stored: String?, role: String) throws -> LanguageModel {
    guard access(record.path, F_OK) == 0 else {
      throw TrainingError(
        "the \(role) of this checkpoint is not there any more: \(record.path)",
        hint: "bring it back, or load it from elsewhere and give it: resume(dir, \(role == "reference" ? "reference" : "model"): m)")
    }
    return try record.load(stored: stored)
  }

  /// The policy at the start of the run, its learning parameters still to be restored.
  public func policy(on base: LanguageModel, stored: WeightType) throws -> LanguageModel {
    let kept = try file(File.frozen).map { try SafetensorsFile(path: $0) }
    let state = try SafetensorsFile(path: "\(folder)/\(File.state)")
    let has = { (name: String) in state.tensors["parameter.\(name)"] != nil || frozen.contains(name) }
    return try base.policy(lora, stored: stored, frozen: Set(frozen), has: has) { name in
      guard let kept, let tensor = kept.tensors["parameter.\(name)"] else { return nil }
      let result = try Tensor(shape: tensor.shape)
      UnsafeMutableRawPointer(result.pointer).copyMemory(from: tensor.data, byteCount: tensor.bytes)
      return result
    }
  }

  /// Puts a fresh loop over the same model, data and options where the saved one was.
  public func restore(_ loop: TrainLoop) throws {
    let start = file(File.start)
    try loop.restore(
      state: "\(folder)/\(File.state)", start: start, knowsStart: start != nil || startsAsBase, step: step, history: history)
  }

  /// The folder of a checkpoint that a path means.
  static func locate(_ path: String) throws -> String {
    if let folder = AtomicFolder.existing(path), access("\(folder)/\(File.manifest)", F_OK) == 0 { return folder }
    guard access(path, F_OK) == 0 else {
      throw TrainingError("there is no folder '\(path)'", hint: "give what save(t, dir) or autosave wrote")
    }
    guard let newest = Autosaves(folder: path).all.last else {
      throw TrainingError("\(path) holds no checkpoint", hint: "a checkpoint has a trainer.json; save(t, dir) and autosave write one")
    }
    return newest
  }
}

/// The checkpoints that a run keeps in a folder by itself.
public struct Autosaves: Sendable {
  /// The folder.
  public let folder: String

  /// The checkpoints of a folder.
  public init(folder: String) { self.folder = folder }

  /// Where the checkpoint of a step goes.
  public func path(step: Int) -> String {
    let number = String(step)
    return "\(folder)/step-" + String(repeating: "0", count: max(0, 6 - number.count)) + number
  }

  /// Whole checkpoints, the newest last.
  public var all: [String] {
    let found = AtomicFolder.names(in: folder).filter { $0.hasPrefix("step-") }.map { "\(folder)/\($0)" }
    let dated = found.compactMap { path -> (path: String, time: (Int, Int))? in
      var status = stat()
      guard stat("\(path)/\(Checkpoint.File.manifest)", &status) == 0 else { return nil }
      #if canImport(Darwin)
        return (path, (status.st_mtimespec.tv_sec, status.st_mtimespec.tv_nsec))
      #else
        return (path, (status.st_mtim.tv_sec, status.st_mtim.tv_nsec))
      #endif
    }
    return dated.sorted { ($0.time.0, $0.time.1, $0.path) < ($1.time.0, $1.time.1, $1.path) }.map(\.path)
  }

  /// Removes all but the newest `count`.
  public func prune(keeping count: Int = 2) {
    for path in all.dropLast(count) { AtomicFolder.discard(path) }
  }

  /// Which checkpoints there are, so that those that somebody else writes later can be told from them.
  public var identities: Set<Identity> {
    Set(
      all.compactMap { path in
        var status = stat()
        return stat("\(path)/\(Checkpoint.File.manifest)", &status) == 0 ? Identity(path: path, number: UInt64(status.st_ino)) : nil
      })
  }

  /// A checkpoint as it was written once: another under the same name is another.
  public struct Identity: Hashable, Sendable {
    /// Where it is.
    public let path: String
    /// The file system's number of its manifest.
    let number: UInt64
  }

  /// Moves checkpoints of another run into a folder of their own, `earlier-1` and so on, where `resume` finds them.
  ///
  /// - Returns: The folder.
  public func setAside(_ others: Set<Identity>) throws -> String {
    var number = 1
    while access("\(folder)/earlier-\(number)", F_OK) == 0 { number += 1 }
    let target = "\(folder)/earlier-\(number)"
    try AtomicFolder.make(target)
    for other in others {
      let name = other.path.split(separator: "/").last.map(String.init) ?? "step"
      guard rename(other.path, "\(target)/\(name)") == 0 else {
        throw TrainingError("cannot move \(other.path) of an earlier run to \(target): \(String(cString: strerror(errno)))")
      }
    }
    return target
  }
}

extension LoRAOptions {
  /// The options as a checkpoint keeps them.
  var checkpoint: JSON {
    [
      "rank": .int(Int64(rank)), "alpha": .double(alpha), "targets": .array(targets.map { .string($0.rawValue) }),
      "dropout": .double(dropout), "rslora": .bool(rsLoRA), "seed": .string(String(seed)),
    ]
  }

  fileprivate init(checkpoint json: JSON) throws {
    guard let rank = json["rank"]?.int, let alpha = json["alpha"]?.double, let targets = json["targets"]?.array,
      let seed = UInt64(json["seed"]?.string ?? "")
    else { throw TrainingError("the checkpoint does not say what its adapters are like") }
    self.init(
      rank: rank, alpha: alpha, targets: try LoRAOptions.targets(named: targets.compactMap(\.string)),
      dropout: json["dropout"]?.double ?? 0,
      rsLoRA: json["rslora"]?.bool ?? false, seed: seed)
  }
}
