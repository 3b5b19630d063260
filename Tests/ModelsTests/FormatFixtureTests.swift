// Tiny models in every format that is read, against transformers' logits; then each of them written in both layouts and read again.
// The files are made by scripts/reference/tiny_models.py.

import Formats
import Foundation
import Kernels
import Models
import Tensors
import XCTest

final class FormatFixtureTests: XCTestCase {
  private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Fixtures"

  private struct Fixture {
    let name: String
    let model: LanguageModel
    let logits: [Double]
  }

  private static func expected() throws -> JSON { try JSON.read(path: "\(folder)/expected.json") }

  private func fixtures() throws -> (ids: [Int], models: [Fixture]) {
    let expected = try Self.expected()
    let ids = expected["ids"]?.ints ?? []
    XCTAssertEqual(expected["positions"]?.ints, [4, ids.count - 1])
    return (
      ids,
      try (expected["logits"]?.object ?? [:]).map { name, logits in
        Fixture(name: name, model: try LanguageModel.load(path: "\(Self.folder)/\(name)"), logits: logits.doubles)
      }
    )
  }

  private func rows(_ model: LanguageModel, _ ids: [Int]) throws -> [Float] {
    let all = try model.logits(ids).values
    let columns = model.configuration.vocabularySize
    return Array(all[4 * columns..<5 * columns]) + all.suffix(columns)
  }

  func testEveryFormatGivesTheLogitsOfTransformers() throws {
    let (ids, models) = try fixtures()
    XCTAssertGreaterThanOrEqual(models.count, 29)
    for fixture in models {
      assertClose(try rows(fixture.model, ids), fixture.logits, absolute: 5e-5, relative: 1e-5, fixture.name)
    }
    let types = Set(models.map(\.model.weightType))
    XCTAssertEqual(types, Set(WeightType.allCases), "a type without a fixture")
  }

  /// The cache's path has biases, unturned layers and stretched positions too.
  func testDecodingEqualsTheWholeText() throws {
    let (ids, models) = try fixtures()
    for fixture in models where !fixture.name.hasPrefix("mistral-") || fixture.name.contains("yarn") {
      let decoder = try Decoder(fixture.model)
      try decoder.read(ids.prefix(5).map(Int32.init))
      for id in ids.dropFirst(5) { try decoder.step(Int32(id)) }
      let columns = fixture.model.configuration.vocabularySize
      let last = Array(UnsafeBufferPointer(start: decoder.logits, count: columns))
      assertClose(last, Array(fixture.logits.suffix(columns)), absolute: 5e-5, relative: 1e-5, fixture.name)
    }
  }

  func testEveryModelIsWrittenInBothLayouts() throws {
    let (ids, models) = try fixtures()
    let temporary = try TemporaryFolder()
    for fixture in models where !fixture.name.hasPrefix("parts-0000") {
      let before = try rows(fixture.model, ids)
      let folder = "\(temporary.path)/\(fixture.name)-saved"
      try fixture.model.save(to: folder)
      let saved = try LanguageModel.load(path: folder)
      assertClose(try rows(saved, ids), before, absolute: 2e-5, relative: 1e-5, "\(fixture.name) saved")
      XCTAssertEqual(saved.endTokens, fixture.model.endTokens, fixture.name)
      guard fixture.name != "mistral-yarn-factor-bf16" else {
        assertThrows("not rounded") { try fixture.model.export(to: "\(temporary.path)/x.gguf", type: .f32) }
        continue
      }
      let file = "\(temporary.path)/\(fixture.name)-exported.gguf"
      try fixture.model.export(to: file, type: .f32)
      let exported = try LanguageModel.load(path: file)
      assertClose(try rows(exported, ids), before, absolute: 2e-5, relative: 1e-5, "\(fixture.name) exported")
      XCTAssertEqual(exported.configuration.slidingWindow, fixture.model.configuration.slidingWindow)
      XCTAssertEqual(exported.endTokens, fixture.model.endTokens, fixture.name)
    }
  }

  /// Training a model with biases changes them, and what is learned is saved.
  func testBiasesAreTrained() throws {
    let model = try LanguageModel.load(path: "\(Self.folder)/qwen2-bf16").unfrozen()
    let ids = try Self.expected()["ids"]?.ints ?? []
    let names = model.trainable.map(\.name)
    XCTAssertTrue(names.contains("model.layers.0.self_attn.q_proj.bias"))
    XCTAssertFalse(names.contains("model.layers.0.self_attn.o_proj.bias"))
    let bias = try XCTUnwrap(model.trainable.first { $0.name.hasSuffix("v_proj.bias") }?.tensor)
    let total = { (checkpointing: Bool) throws -> Tensor in
      try model.tokenLogProbs([ids], scoredFrom: [1], checkpointing: checkpointing).sum()
    }
    for checkpointing in [false, true] {
      let slope = try gradients(of: total(checkpointing), with: [bias])[0].values[3]
      bias.pointer[3] += 1e-2
      let above = try total(false).values[0]
      bias.pointer[3] -= 2e-2
      let below = try total(false).values[0]
      bias.pointer[3] += 1e-2
      XCTAssertEqual(Double(above - below) / 2e-2, Double(slope), accuracy: 0.02 * abs(Double(slope)) + 0.01)
      XCTAssertNotEqual(slope, 0)
    }
  }
}
