// Checkpoints in one process: exactness, what is refused and how it is said, what an interrupted write leaves.

import Formats
import Foundation
import Models
import Tensors
import Training
import XCTest

final class CheckpointTests: XCTestCase {
  private let options: JSON = ["batch_size": 2]

  private func writer(_ loop: TrainLoop, _ policy: LanguageModel, startsAsBase: Bool) throws -> CheckpointWriter {
    let base = try XCTUnwrap(policy.base ?? policy.origin)
    let rows = try TinyMistral.examples(loop.objective.exampleCount)
    let dataset = Dataset(
      .conversations,
      restoring: rows.map { DatasetRow(line: 3 * $0[0].row + 1, fields: ["input_ids": .array($0[0].ids.map { .int(Int64($0)) })]) },
      skipped: [SkippedRow(line: 2, reason: "no \"assistant\" turn")], name: "rows.jsonl")
    let data = ExampleFile(dataset: dataset, skipped: [SkippedRow(line: 2, reason: "no \"assistant\" turn")], cut: 1, documents: rows)
    return CheckpointWriter(
      loop: loop, policy: policy, base: base, startsAsBase: startsAsBase, reference: nil, data: data, evaluation: nil)
  }

  private func resumed(_ path: String, given: LanguageModel? = nil, _ change: (inout TrainOptions) -> Void = { _ in }) throws -> TrainLoop {
    let checkpoint = try Checkpoint(path: path)
    let policy = try checkpoint.policy(on: checkpoint.loadBase(given: given), stored: .f32)
    let loop = try TrainLoop(model: policy, objective: SFT(examples: checkpoint.data().documents), options: TinyMistral.options(change))
    try checkpoint.restore(loop)
    return loop
  }

  private func policies() throws -> [(String, LanguageModel, Bool)] {
    let base = try TinyMistral.load()
    return [
      ("whole", try base.unfrozen(), true), ("adapters", try base.withLoRA(LoRAOptions(rank: 2, dropout: 0.2, seed: 5)), false),
      ("partly", try base.freezing { $0.contains("embed") }, false),
      ("adapters of which some are frozen", try base.withLoRA(LoRAOptions(rank: 2, seed: 5)).freezing { $0.contains("q_proj") }, false),
      ("merged", try base.withLoRA(LoRAOptions(rank: 2, seed: 5)).merged().withLoRA(LoRAOptions(rank: 2, seed: 6)), false),
      ("quantized", try base.converted(to: .q8_0).withLoRA(LoRAOptions(rank: 2, seed: 6)), false),
    ]
  }

  func testEveryKindOfPolicyGoesOnWithTheSameBits() throws {
    let folder = try temporaryFolder(self)
    for kind in [OptimizerKind.adamw, .sgd] {
      for (name, policy, startsAsBase) in try policies() {
        let change = { (options: inout TrainOptions) in
          options.optimizer = kind
          options.shuffle = true
        }
        let loop = try TinyMistral.loop(6, model: policy, change)
        let start = loop.parameterValues
        let writer = try writer(loop, policy, startsAsBase: startsAsBase)
        let first = try (0..<5).map { _ in try loop.step() }
        let path = "\(folder)/\(name)"
        try writer.write(to: path, kind: "sft", options: options, extra: [:])
        let other = try resumed(path, change)
        XCTAssertEqual(other.stepCount, 5)
        XCTAssertEqual(other.history, loop.history)
        XCTAssertEqual(other.parameterValues, loop.parameterValues, name)
        for _ in 0..<4 { XCTAssertEqual(try other.step(), try loop.step(), name) }
        XCTAssertEqual(other.parameterValues, loop.parameterValues, name)
        // Steps from before the checkpoint can be returned to.
        try other.goto(2)
        XCTAssertEqual(try other.step(), first[2], name)
        try other.goto(0)
        XCTAssertEqual(other.parameterValues, start, name)
      }
    }
  }

  func testASecondCheckpointReplacesTheFirstAndKeepsWhatStays() throws {
    let folder = try temporaryFolder(self)
    let policy = try TinyMistral.load().withLoRA(LoRAOptions(rank: 2, seed: 5))
    let loop = try TinyMistral.loop(6, model: policy)
    let writer = try writer(loop, policy, startsAsBase: false)
    for step in 0..<3 {
      try writer.write(to: "\(folder)/run", kind: "sft", options: options, extra: ["note": .int(Int64(step))])
      XCTAssertEqual(try Checkpoint(path: "\(folder)/run").step, step)
      XCTAssertEqual(try Checkpoint(path: "\(folder)/run").extra["note"], .int(Int64(step)))
      try loop.step()
    }
    XCTAssertEqual(AtomicFolder.names(in: folder), ["run"], "no temporary folder is left")
    let other = try resumed("\(folder)/run")
    try other.goto(0)
    XCTAssertTrue(policy.adapters.contains { $0.b.values.contains { $0 != 0 } })
    XCTAssertTrue(other.model.trainable.filter { $0.name.contains("lora_B") }.allSatisfy { $0.tensor.values.allSatisfy { $0 == 0 } })
    let data = try Checkpoint(path: "\(folder)/run").data()
    XCTAssertEqual(data.dataset.rows.map(\.line), [1, 4, 7, 10, 13, 16])
    XCTAssertEqual(data.skipped.first?.reason, "no \"assistant\" turn")
    XCTAssertEqual(data.documents, try TinyMistral.examples(6))
  }

  func testDamageAndAChangedBaseAreNamed() throws {
    let folder = try temporaryFolder(self)
    let model = "\(folder)/model"
    try FileManager.default.copyItem(atPath: TinyMistral.folder, toPath: model)
    let policy = try LanguageModel.load(path: model).withLoRA(LoRAOptions(rank: 2, seed: 5))
    let loop = try TinyMistral.loop(6, model: policy)
    try loop.step()
    let path = "\(folder)/run"
    let writer = try writer(loop, policy, startsAsBase: false)
    try writer.write(to: path, kind: "sft", options: options, extra: [:])

    func assertRefused(_ words: String..., line: UInt = #line) {
      XCTAssertThrowsError(try resumed(path), line: line) { error in
        for word in words { XCTAssertTrue("\(error)".contains(word), "\(error)", line: line) }
      }
    }
    for (file, words) in [("state.safetensors", "state.safetensors"), ("data.jsonl", "data.jsonl")] {
      let good = try Data(contentsOf: URL(fileURLWithPath: "\(path)/\(file)"))
      var bad = good
      bad[bad.count - 9] ^= 1
      try bad.write(to: URL(fileURLWithPath: "\(path)/\(file)"))
      assertRefused(words, "SHA-256")
      try good.write(to: URL(fileURLWithPath: "\(path)/\(file)"))
    }
    let weights = "\(model)/model.safetensors"
    let good = try Data(contentsOf: URL(fileURLWithPath: weights))
    var bad = good
    bad[bad.count - 1] ^= 0x40
    try bad.write(to: URL(fileURLWithPath: weights))
    assertRefused("base model", model, "differs", "resume(dir, model: m)")
    try FileManager.default.moveItem(atPath: model, toPath: model + "2")
    assertRefused("not there any more", model)
    XCTAssertEqual(try resumed(path, given: try TinyMistral.load()).stepCount, 1, "the same weights from elsewhere will do")
    XCTAssertThrowsError(try resumed(path, given: try TinyMistral.load().converted(to: .bf16))) {
      XCTAssertTrue("\($0)".contains("bf16, they were f32"), "\($0)")
    }
    XCTAssertThrowsError(try resumed(folder)) { XCTAssertTrue("\($0)".contains("holds no checkpoint"), "\($0)") }
    XCTAssertThrowsError(try resumed("\(folder)/nowhere")) { XCTAssertTrue("\($0)".contains("there is no folder"), "\($0)") }
  }

  func testAFailedWriteLeavesTheOldFolder() throws {
    struct Stop: Error {}
    let folder = try temporaryFolder(self)
    let path = "\(folder)/a/b"
    try AtomicFolder.write(to: path) { try AtomicFile.write("old", to: "\($0)/x") }
    XCTAssertThrowsError(
      try AtomicFolder.write(to: path) {
        try AtomicFile.write("new", to: "\($0)/x")
        throw Stop()
      })
    XCTAssertEqual(try String(contentsOfFile: "\(path)/x", encoding: .utf8), "old")
    try AtomicFolder.write(to: path + "/") { try AtomicFile.write("new", to: "\($0)/y") }
    XCTAssertEqual(AtomicFolder.names(in: path), ["y"])
    XCTAssertEqual(AtomicFolder.names(in: "\(folder)/a"), ["b"])
    try AtomicFile.write("file", to: "\(folder)/file")
    XCTAssertThrowsError(try AtomicFolder.write(to: "\(folder)/file") { _ in }) { XCTAssertTrue("\($0)".contains("not a folder"), "\($0)") }
    // What a killed process left goes with the next write; what a running one writes stays.
    for process in ["999999999", "1"] { try AtomicFolder.make("\(folder)/a/.b.\(process)-7.tmp") }
    AtomicFolder.removeLeftovers(in: AtomicFolder.parent(of: path))
    XCTAssertEqual(AtomicFolder.names(in: "\(folder)/a"), [".b.1-7.tmp", "b"])
    try AtomicFolder.make("\(folder)/a/c.d/e")
    AtomicFolder.discard("\(folder)/a/c.d")
    XCTAssertEqual(AtomicFolder.names(in: "\(folder)/a"), [".b.1-7.tmp", "b"])
    // A file system without exchange shows the old folder under another name for an instant.
    XCTAssertEqual(rename(path, "\(folder)/a/.b.previous"), 0)
    XCTAssertEqual(AtomicFolder.existing(path), "\(folder)/a/.b.previous")
  }

  func testAutosavesKeepTheNewestTwo() throws {
    let folder = try temporaryFolder(self)
    let autosaves = Autosaves(folder: folder)
    let policy = try TinyMistral.load().unfrozen()
    let loop = try TinyMistral.loop(6, model: policy)
    let writer = try writer(loop, policy, startsAsBase: true)
    for _ in 0..<4 {
      try loop.step()
      try writer.write(to: autosaves.path(step: loop.stepCount), kind: "sft", options: options, extra: [:])
      autosaves.prune()
    }
    XCTAssertEqual(AtomicFolder.names(in: folder), ["step-000003", "step-000004"])
    // After a step back the newest is not the furthest.
    try loop.back(3)
    try writer.write(to: autosaves.path(step: loop.stepCount), kind: "sft", options: options, extra: [:])
    autosaves.prune()
    XCTAssertEqual(try Checkpoint(path: folder).step, 1)
    XCTAssertEqual(AtomicFolder.names(in: folder), ["step-000001", "step-000004"])
  }
}
