// The key-value cache: pages, windows, copies that share memory, half precision; decoding from it against the full forward pass.

import Formats
import Kernels
import Models
import Tensors
import XCTest

final class CacheTests: XCTestCase {
  private func load(window: Int?, context: Int = 1000) throws -> LanguageModel {
    let folder = try TemporaryFolder()
    let tiny = TinyModel(slidingWindow: window, extra: ["max_position_embeddings": .int(Int64(context))])
    return try LanguageModel.load(path: try tiny.huggingFaceFolder(in: folder))
  }

  private func text(_ count: Int, seed: Int = 37) -> [Int] { (0..<count).map { ($0 * seed + $0 / 7) % 96 } }

  /// Log-probabilities after the last token.
  private func logprobs(_ decoder: Decoder) throws -> [Double] {
    let count = decoder.model.configuration.vocabularySize
    let logits = UnsafeBufferPointer(start: decoder.logits, count: count).map(Double.init)
    let top = logits.max() ?? 0
    let sum = top + log(logits.reduce(0) { $0 + exp($1 - top) })
    return logits.map { $0 - sum }
  }

  /// The same from the full forward pass, at some positions.
  private func full(_ model: LanguageModel, _ ids: [Int], at positions: [Int]) throws -> [[Double]] {
    let values = try withoutRecording { try model.logits(ids) }.values
    return positions.map { position in
      let logits = values[position * 96..<(position + 1) * 96].map(Double.init)
      let top = logits.max() ?? 0
      let sum = top + log(logits.reduce(0) { $0 + exp($1 - top) })
      return logits.map { $0 - sum }
    }
  }

  private func largest(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { max($0, abs($1.0 - $1.1)) } }

  /// Beyond the window and over borders of pages, by steps and by prompts of all cuts.
  func testDecodingBeyondTheWindow() throws {
    for window in [5, 100, 128, 200, nil] as [Int?] {
      let model = try load(window: window)
      let ids = text(700)
      let marks = [0, 4, 5, 127, 128, 129, 255, 256, 400, 511, 699]
      let expected = try full(model, ids, at: marks)
      let stepped = try Decoder(model)
      var rows: [Int: [Double]] = [:]
      for (position, id) in ids.enumerated() {
        try stepped.step(Int32(id))
        if marks.contains(position) { rows[position] = try logprobs(stepped) }
      }
      for (index, mark) in marks.enumerated() {
        assertClose(try XCTUnwrap(rows[mark]), expected[index], absolute: 1e-5, relative: 1e-6, "window \(window ?? 0), token \(mark)")
      }
      let mixed = try Decoder(model)
      try mixed.read(ids[..<300].map(Int32.init))
      for id in ids[300..<400] { try mixed.step(Int32(id)) }
      try mixed.read(ids[400...].map(Int32.init))
      assertClose(
        try logprobs(mixed), try XCTUnwrap(expected.last), absolute: 1e-5, relative: 1e-6, "window \(window ?? 0), mixed")
    }
  }

  /// How a prompt is cut does not change a bit.
  func testCutsOfAPromptHaveTheSameBits() throws {
    for window in [100, nil] as [Int?] {
      let model = try load(window: window)
      let ids = text(600).map(Int32.init)
      let whole = try Decoder(model)
      try whole.read(ids)
      for cuts in [[1, 2, 300], [128, 129, 257], [599]] {
        let decoder = try Decoder(model)
        var start = 0
        for cut in cuts + [600] {
          try decoder.read(Array(ids[start..<cut]))
          start = cut
        }
        XCTAssertEqual(try logprobs(decoder), try logprobs(whole), "cut at \(cuts)")
      }
    }
  }

  /// A window bounds the memory whatever the length; without one it grows by pages.
  func testMemory() throws {
    let window = try load(window: 100, context: 5000)
    let page = 2 * 128 * 2 * 2 * 8 * 4  // keys and values, tokens, layers, heads, width, bytes
    let bounded = try Decoder(window)
    for id in text(3000) { try bounded.step(Int32(id)) }
    XCTAssertEqual(bounded.cache.count, 3000)
    XCTAssertLessThanOrEqual(bounded.cache.bytes, 4 * page)
    let growing = try Decoder(load(window: nil, context: 5000))
    for id in text(300) { try growing.step(Int32(id)) }
    XCTAssertEqual(growing.cache.bytes, 3 * page)
    let half = try Decoder(load(window: nil, context: 5000), cacheType: .f16)
    for id in text(300) { try half.step(Int32(id)) }
    XCTAssertEqual(half.cache.bytes, 3 * page / 2)
  }

  /// Tokens are taken back as long as the window has what the next one sees; beyond that the cache says that it is empty.
  func testTakingBackWithAWindow() throws {
    let model = try load(window: 100)
    let ids = text(600).map(Int32.init)
    let decoder = try Decoder(model)
    try decoder.read(ids)
    decoder.cache.truncate(to: 550)
    XCTAssertEqual(decoder.cache.count, 550)
    try decoder.read(Array(ids[550...]))
    let whole = try Decoder(model)
    try whole.read(ids)
    XCTAssertEqual(try logprobs(decoder), try logprobs(whole))
    decoder.cache.truncate(to: 200)
    XCTAssertEqual(decoder.cache.count, 0)
    try decoder.read(ids)
    XCTAssertEqual(try logprobs(decoder), try logprobs(whole))
    // A generator that goes back further than the window reads everything again.
    let generator = try Generator(model)
    let options = SamplingOptions(maxTokens: 4)
    _ = try generator.generate(text(600), options: options)
    let back = try generator.generate(text(150), options: options)
    XCTAssertEqual(back.tokens, try Generator(model).generate(text(150), options: options).tokens)
  }

  /// Copies share their pages until one of them writes, and never notice each other.
  func testCopiesAreIndependent() throws {
    let model = try load(window: nil)
    let decoder = try Decoder(model)
    try decoder.read(text(200).map(Int32.init))
    let fork = try Decoder(model, cache: decoder.cache.fork())
    for id in text(100, seed: 11) { try fork.step(Int32(id)) }
    for id in text(100, seed: 13) { try decoder.step(Int32(id)) }
    for (copy, seed) in [(fork, 11), (decoder, 13)] {
      let alone = try Decoder(model)
      try alone.read(text(200).map(Int32.init))
      for id in text(100, seed: seed) { try alone.step(Int32(id)) }
      XCTAssertEqual(try logprobs(copy), try logprobs(alone))
    }
  }

  /// What half precision costs: measured here, at most a hundredth in a log-probability of this model, never nothing.
  func testHalfPrecision() throws {
    for window in [100, nil] as [Int?] {
      let model = try load(window: window)
      let ids = text(500)
      let expected = try full(model, ids, at: [100, 499])
      let decoder = try Decoder(model, cacheType: .f16)
      try decoder.read(ids[...100].map(Int32.init))
      let first = largest(try logprobs(decoder), expected[0])
      for id in ids[101...] { try decoder.step(Int32(id)) }
      let last = largest(try logprobs(decoder), expected[1])
      for error in [first, last] {
        XCTAssertLessThan(error, 1e-2)
        XCTAssertGreaterThan(error, 1e-6)
      }
    }
  }
}
