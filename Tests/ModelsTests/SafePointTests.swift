// Long computations can be left between layers, matrices and tiles, and what they were working on is as it was before.

import Models
import Synchronization
import Tensors
import XCTest

/// How often safe points were passed, and at which of them the computation is left.
private final class Passes: Sendable {
  private let count = Atomic<Int>(0)
  private let limit: Int

  init(limit: Int = .max) { self.limit = limit }

  var total: Int { count.load(ordering: .relaxed) }

  func pass() throws { if count.wrappingAdd(1, ordering: .relaxed).oldValue >= limit { throw Left() } }
}

private struct Left: Error {}

final class SafePointTests: XCTestCase {
  override func tearDown() { SafePoint.install(nil) }

  /// Every pass asks the same check: a million leave neither a longer chain of calls nor a deeper stack behind.
  func testPassesDoNotAddUp() throws {
    XCTAssertEqual(try passes { for _ in 0..<1_000_000 { try SafePoint.pass() } }, 1_000_000)
  }

  private let text = (0..<40).map { Int32($0 * 37 % 96) }

  private func model() throws -> LanguageModel {
    let folder = try TemporaryFolder()
    return try LanguageModel.load(path: try TinyModel().huggingFaceFolder(in: folder))
  }

  private func logits(_ decoder: Decoder) -> [Float] {
    Array(UnsafeBufferPointer(start: decoder.logits, count: decoder.model.configuration.vocabularySize))
  }

  /// What a run passes when nothing stops it.
  private func passes(_ body: () throws -> Void) rethrows -> Int {
    let passes = Passes()
    SafePoint.install { try passes.pass() }
    defer { SafePoint.install(nil) }
    try body()
    return passes.total
  }

  func testAPromptIsLeftBetweenItsMatrices() throws {
    let model = try model()
    let whole = try Decoder(model)
    let count = try passes { try whole.read(text) }
    XCTAssertEqual(count, model.configuration.numHiddenLayers * (1 + 7), "each layer, and each of its seven matrices")
    let expected = logits(whole)
    for limit in 0..<count {
      let decoder = try Decoder(model)
      try decoder.read(Array(text[..<7]))
      let passes = Passes(limit: limit)
      SafePoint.install { try passes.pass() }
      XCTAssertThrowsError(try decoder.read(Array(text[7...])))
      SafePoint.install(nil)
      XCTAssertEqual(decoder.cache.count, 7, "left at \(limit)")
      try decoder.read(Array(text[7...]))
      XCTAssertEqual(logits(decoder), expected, "left at \(limit)")
    }
  }

  func testATokenIsLeftBetweenLayers() throws {
    let model = try model()
    let decoder = try Decoder(model)
    try decoder.read(text)
    let count = try passes { try decoder.step(5) }
    XCTAssertEqual(count, model.configuration.numHiddenLayers)
    let expected = logits(decoder)
    decoder.cache.truncate(to: text.count)
    let passes = Passes(limit: count - 1)
    SafePoint.install { try passes.pass() }
    XCTAssertThrowsError(try decoder.step(5))
    SafePoint.install(nil)
    XCTAssertEqual(decoder.cache.count, text.count)
    try decoder.step(5)
    XCTAssertEqual(logits(decoder), expected)
  }

  /// What was asked to stop gives what it has, as it does between tokens.
  func testGenerationThatIsLeftIsInterrupted() throws {
    let model = try model()
    let prompt = text.map(Int.init)
    let whole = try Generator(model).generate(prompt, options: SamplingOptions(maxTokens: 6))
    let count = try passes { _ = try Generator(model).generate(prompt, options: SamplingOptions(maxTokens: 6)) }
    for limit in stride(from: 0, to: count, by: 3) {
      let passes = Passes(limit: limit)
      SafePoint.install { try passes.pass() }
      let generator = try Generator(model)
      let part = try generator.generate(prompt, options: SamplingOptions(maxTokens: 6), shouldStop: { passes.total > limit })
      SafePoint.install(nil)
      if part.tokens != whole.tokens { XCTAssertEqual(part.finishReason, .interrupted, "left at \(limit)") }
      XCTAssertTrue(whole.tokens.starts(with: part.tokens), "left at \(limit): \(part.tokens)")
      let rest = try generator.generate(prompt + part.tokens, options: SamplingOptions(maxTokens: 6 - part.tokens.count))
      XCTAssertEqual(part.tokens + rest.tokens, whole.tokens, "left at \(limit)")
    }
  }

  func testABatchThatIsLeftGivesWhatItHas() throws {
    let model = try model()
    let requests = [3, 9, 20].map { GenerationRequest(text[..<$0].map(Int.init), random: RandomSource(seed: 1)) }
    let options = SamplingOptions(maxTokens: 5)
    let whole = try BatchGenerator(model).generate(requests, options: options).map(\.tokens)
    let count = try passes { _ = try BatchGenerator(model).generate(requests, options: options) }
    for limit in stride(from: 0, to: count, by: 5) {
      let passes = Passes(limit: limit)
      SafePoint.install { try passes.pass() }
      let parts = try BatchGenerator(model).generate(requests, options: options, shouldStop: { passes.total > limit })
      SafePoint.install(nil)
      for (part, whole) in zip(parts, whole) { XCTAssertTrue(whole.starts(with: part.tokens), "left at \(limit): \(part.tokens)") }
    }
  }

  /// A vocabulary is worked off in tiles; the loss and its gradients can be left before each.
  func testTheLossIsLeftBetweenTiles() throws {
    let (columns, vocabulary, rows) = (8, 9000, 3)
    let weight = try Tensor(parameter: [vocabulary, columns], values: (0..<vocabulary * columns).map { Float($0 % 13) / 13 })
    let x = try Tensor(parameter: [rows, columns], values: (0..<rows * columns).map { Float($0 % 7) / 7 })
    func loss() throws -> Tensor { try linearLogProbs(x, Weight(tensor: weight), rows: [0, 1, 2], targets: [1, 8999, 2500]).sum() }
    var kept: Tensor?
    XCTAssertGreaterThanOrEqual(try passes { kept = try loss() }, 5)
    let first = try XCTUnwrap(kept)
    XCTAssertGreaterThanOrEqual(try passes { _ = try gradients(of: first, with: [x, weight]) }, 5)
    let expected = try gradients(of: try loss(), with: [x, weight]).map(\.values)
    let slopes: [Float] = [1, 1, 1]
    func atOnce() throws -> Tensor {
      try linearLogProbs(x, Weight(tensor: weight), rows: [0, 1, 2], targets: [1, 8999, 2500], slopes: slopes).sum()
    }
    for limit in 0..<5 {
      let again = try loss()
      let passes = Passes(limit: limit)
      SafePoint.install { try passes.pass() }
      XCTAssertThrowsError(try loss())
      let inBoth = Passes(limit: limit + 5)
      SafePoint.install { try inBoth.pass() }
      XCTAssertThrowsError(try atOnce())
      let inBackward = Passes(limit: limit + 2)
      SafePoint.install { try inBackward.pass() }
      XCTAssertThrowsError(try gradients(of: again, with: [x, weight]))
      SafePoint.install(nil)
      XCTAssertEqual(try gradients(of: try loss(), with: [x, weight]).map(\.values), expected)
      XCTAssertEqual(try gradients(of: try atOnce(), with: [x, weight]).map(\.values), expected)
    }
  }
}
