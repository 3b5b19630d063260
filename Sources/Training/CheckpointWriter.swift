// Writing checkpoints of one trainer, again and again: what stays the same is looked at and written once.

import Formats
import Models
import OrderedCollections
import Tensors

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// Writes the checkpoints of a trainer.
public final class CheckpointWriter {
  private let loop: TrainLoop
  private let policy: LanguageModel
  private let base: LanguageModel
  private let startsAsBase: Bool
  private let reference: LanguageModel?
  private let data: ExampleFile
  private let evaluation: ExampleFile?
  private lazy var baseRecord = ModelRecord(base)
  private lazy var referenceRecord = reference.map { ModelRecord($0.base ?? $0) }
  /// The last checkpoint, and the hashes of those of its files that stay the same.
  private var last: String?
  private var hashes: OrderedDictionary<String, JSON> = [:]
  /// Which files those were: another trainer may have replaced the folder since.
  private var identities: [String: FileIdentity] = [:]

  /// A writer for a trainer.
  ///
  /// - Parameters:
  ///   - policy: The model that moves; the loop's.
  ///   - base: The frozen model under it: that of the adapters, or what was unfrozen.
  ///   - startsAsBase: Whether all that learns began as it is in `base`, so that no copy of the start is needed.
  ///   - reference: A model of its own that the policy is held to; nil where it is `base` or the policy without adapters.
  ///   - resumed: The checkpoint that the trainer was made from: what stays the same is linked from there.
  public init(
    loop: TrainLoop, policy: LanguageModel, base: LanguageModel, startsAsBase: Bool, reference: LanguageModel?, data: ExampleFile,
    evaluation: ExampleFile?, resumed: Checkpoint? = nil
  ) {
    self.loop = loop
    self.policy = policy
    self.base = base
    self.startsAsBase = startsAsBase
    self.reference = reference
    self.data = data
    self.evaluation = evaluation
    last = resumed?.folder
    hashes = resumed?.files.filter { $0.key != Checkpoint.File.state } ?? [:]
    if let resumed { for name in hashes.keys { identities[name] = FileIdentity("\(resumed.folder)/\(name)") } }
  }

  /// Writes a checkpoint, which replaces the folder's former one when it is whole.
  public func write(to path: String, kind: String, options: JSON, extra: JSON) throws {
    // The folder is replaced as a whole: what is not a checkpoint's must not go with it.
    if let other = AtomicFolder.names(in: path).first(where: { !Checkpoint.File.all.contains($0) }) {
      throw TrainingError(
        "\(path) holds '\(other)', which is not of a checkpoint", hint: "give a folder of its own: it is replaced as a whole")
    }
    AtomicFolder.removeLeftovers(in: AtomicFolder.parent(of: path))
    try AtomicFolder.write(to: path) { folder in
      let needed = loop.stateBytes + (1 << 22)
      if let free = AtomicFolder.freeBytes(at: folder), free < needed {
        throw TrainingError(
          "a checkpoint takes \(needed >> 20) MB, \(free >> 20) MB are free at \(path)", hint: "free some disk space, or save elsewhere")
      }
      try writeConstants(to: folder)
      var files = hashes.filter { access("\(folder)/\($0.key)", F_OK) == 0 }
      try loop.saveState(to: "\(folder)/\(Checkpoint.File.state)")
      files[Checkpoint.File.state] = .string(try Digest.file("\(folder)/\(Checkpoint.File.state)"))
      // Others can load the adapter as it is from here.
      if policy.loraOptions != nil { try policy.saveAdapter(to: folder) }
      try manifest(kind, options, extra, files).write(to: "\(folder)/\(Checkpoint.File.manifest)")
    }
    last = path
  }

  /// Data, models that no file gives back, and the parameters of the start.
  private func writeConstants(to folder: String) throws {
    try constant(Checkpoint.File.data, folder) { try data.write(to: $0) }
    if let evaluation { try constant(Checkpoint.File.evaluation, folder) { try evaluation.write(to: $0) } }
    if !baseRecord.isReproducible {
      try constant(Checkpoint.File.base, folder) { try base.saveStoredWeights(to: $0) }
    }
    if let reference, let record = referenceRecord {
      if !record.isReproducible {
        try constant(Checkpoint.File.reference, folder) { try (reference.base ?? reference).saveStoredWeights(to: $0) }
      }
      if !reference.adapters.isEmpty { try reference.saveAdapter(to: "\(folder)/reference_adapter") }
    }
    let frozen = try policy.frozenState()
    if !frozen.isEmpty {
      try constant(Checkpoint.File.frozen, folder) { try TrainLoop.write(frozen.map { ("parameter.\($0.name)", $0.tensor) }, to: $0) }
    }
    if !startsAsBase { try writeStart(to: folder) }
  }

  /// The parameters before the first update: linked, or written while they are known.
  private func writeStart(to folder: String) throws {
    let name = Checkpoint.File.start
    if isLinked(name, folder) { return }
    hashes[name] = try loop.saveStart(to: "\(folder)/\(name)") ? .string(try Digest.file("\(folder)/\(name)")) : nil
    identities[name] = FileIdentity("\(folder)/\(name)")
  }

  /// Links a file that is still the one this trainer wrote or read.
  private func isLinked(_ name: String, _ folder: String) -> Bool {
    guard let last, hashes[name] != nil, let known = identities[name], FileIdentity("\(last)/\(name)") == known else { return false }
    return link("\(last)/\(name)", "\(folder)/\(name)") == 0
  }

  /// A file that is the same in every checkpoint: linked from the last one, or written.
  private func constant(_ name: String, _ folder: String, _ write: (String) throws -> Void) throws {
    if isLinked(name, folder) { return }
    try write("\(folder)/\(name)")
    hashes[name] = .string(try Digest.file("\(folder)/\(name)"))
    identities[name] = FileIdentity("\(folder)/\(name)")
  }

  private func manifest(_ kind: String, _ options: JSON, _ extra: JSON, _ files: OrderedDictionary<String, JSON>) -> CheckpointManifest {
    let history = loop.history.rows.map { row in JSON.object(row.mapValues { .double($0) }) }
    let trainable = Set(policy.trainable.map(\.name))
    return CheckpointManifest(members: [
      "format": "zs checkpoint", "version": .int(Int64(Checkpoint.version)), "kind": .string(kind), "step": .int(Int64(loop.stepCount)),
      "total_steps": .int(Int64(loop.totalSteps)), "options": options, "extra": extra,
      "policy": ["path": .string(policy.path), "name": .string(policy.name)], "base": baseRecord.json,
      "starts_as_base": .bool(startsAsBase),
      "lora": policy.loraOptions?.checkpoint ?? .null,
      "frozen": .array(policy.learnable.filter { !trainable.contains($0) }.map { .string($0) }),
      "reference": referenceRecord?.json ?? .null,
      "data": ["name": .string(data.dataset.name), "examples": .int(Int64(loop.objective.exampleCount))], "files": .object(files),
      "history": .array(history),
    ])
  }
}

/// What tells a file from another that has its name later; the same for its links.
private struct FileIdentity: Equatable {
  let number: UInt64
  let bytes: Int64
  let seconds: Int
  let nanoseconds: Int

  init?(_ path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    number = UInt64(status.st_ino)
    bytes = Int64(status.st_size)
    #if canImport(Darwin)
      (seconds, nanoseconds) = (status.st_mtimespec.tv_sec, status.st_mtimespec.tv_nsec)
    #else
      (seconds, nanoseconds) = (status.st_mtim.tv_sec, status.st_mtim.tv_nsec)
    #endif
  }
}

/// trainer.json, one member a line and one step of the history a line.
private struct CheckpointManifest {
  let members: OrderedDictionary<String, JSON>

  func write(to path: String) throws {
    let lines = members.map { name, value -> String in
      let text: String
      if name == "history", let rows = value.array, !rows.isEmpty {
        text = "[\n" + rows.map { "    " + $0.serialized() }.joined(separator: ",\n") + "\n  ]"
      } else {
        text = value.serialized()
      }
      return "  \(JSON.string(name).serialized()): \(text)"
    }
    try AtomicFile.write("{\n" + lines.joined(separator: ",\n") + "\n}\n", to: path)
  }
}
