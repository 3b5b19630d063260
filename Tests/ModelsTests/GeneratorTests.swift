// Decoding with the cache equals the full forward pass; generation against transformers; how a generation ends.

import Formats
import Kernels
import Models
import Tensors
import XCTest

final class GeneratorTests: XCTestCase {
  private let ids = (try? reference("base", "ids").ints) ?? []

  private func load(_ tiny: TinyModel = TinyModel()) throws -> LanguageModel {
    let folder = try TemporaryFolder()
    return try LanguageModel.load(path: try tiny.huggingFaceFolder(in: folder))
  }

  private func logits(_ decoder: Decoder) -> [Float] {
    Array(UnsafeBufferPointer(start: decoder.logits, count: decoder.model.configuration.vocabularySize))
  }

  func testDecodingEqualsTheFullForward() throws {
    let folder = try TemporaryFolder()
    let plain = try load()
    let tuned = try plain.withLoRA(LoRAOptions(rank: 3))
    for (_, tensor) in tuned.trainable { for index in 0..<tensor.count { tensor.pointer[index] += 0.05 } }
    let quantized = try LanguageModel.load(path: TinyModel().ggufFile(in: folder, type: .q4_1))
    for model in [plain, tuned, quantized, try load(TinyModel(slidingWindow: nil, isTied: true))] {
      let full = try model.logits(ids).values
      let row = { (index: Int) in Array(full[index * 96..<(index + 1) * 96]) }
      let stepped = try Decoder(model)
      for (index, id) in ids.enumerated() {
        try stepped.step(Int32(id))
        // Single rows go through other kernels, whose sums have another order.
        assertClose(logits(stepped), row(index), absolute: 2e-5, "token \(index)")
      }
      let batched = try Decoder(model)
      try batched.read(ids[..<9].map(Int32.init))
      assertClose(logits(batched), row(8), "prompt of 9")
      try batched.read(ids[9..<12].map(Int32.init))
      assertClose(logits(batched), row(11), "3 more")
      batched.cache.truncate(to: 10)
      try batched.step(Int32(ids[10]))
      assertClose(logits(batched), row(10), "taken back")
    }
    let off = try Decoder(tuned, adapters: false)
    try off.read(ids.map(Int32.init))
    assertClose(logits(off), Array(try plain.logits(ids).values.suffix(96)), "adapters off")
  }

  func testLongPromptsGoInBatches() throws {
    let model = try load(TinyModel(extra: ["max_position_embeddings": 2000]))
    let long = (0..<700).map { Int32(($0 * 37) % 96) }
    let decoder = try Decoder(model)
    try decoder.read(long)
    assertClose(logits(decoder), Array(try model.logits(long.map(Int.init)).values.suffix(96)), absolute: 2e-5)
    var asked = 0
    let stopped = try Decoder(model)
    XCTAssertFalse(
      try stopped.read(long) {
        asked += 1
        return asked == 2
      })
    XCTAssertEqual(stopped.cache.count, 512)
  }

  func testGreedyEqualsTransformers() throws {
    let model = try load(TinyModel(extra: ["eos_token_id": nil]))
    let prompt = Array(ids[..<5])
    let plain = try Generator(model).generate(prompt, options: .init(maxTokens: 10))
    XCTAssertEqual(plain.tokens, try reference("base", "greedy").ints)
    XCTAssertEqual(plain.finishReason, .length)
    XCTAssertEqual(plain.text, "")
    let penalized = try Generator(model).generate(prompt, options: .init(maxTokens: 10, repetitionPenalty: 1.7))
    XCTAssertEqual(penalized.tokens, try reference("base", "penalized").ints)
    // What generation reports of its tokens is what scoring says of them.
    assertClose(plain.logprobs, try model.tokenLogProbs([prompt + plain.tokens], scoredFrom: [5]).values)
  }

  func testEndTokensAreNotPartOfTheAnswer() throws {
    let greedy = try reference("base", "greedy").ints
    let end = greedy[3]
    let first = try XCTUnwrap(greedy.firstIndex(of: end))
    let model = try load(TinyModel(extra: ["eos_token_id": [.int(Int64(end)), 2]]))
    let completion = try Generator(model).generate(Array(ids[..<5]), options: .init(maxTokens: 10))
    XCTAssertEqual(completion.tokens, Array(greedy[..<first]))
    XCTAssertEqual(completion.finishReason, .stop)
  }

  func testSeedsAndSharedPrompts() throws {
    let model = try load()
    let options = SamplingOptions(maxTokens: 12, temperature: 1.2, topK: 40, seed: 9)
    let generator = try Generator(model)
    let first = try generator.generate(ids, options: options)
    // The second one finds the prompt in the cache and must not notice.
    XCTAssertEqual(try generator.generate(ids, options: options).tokens, first.tokens)
    XCTAssertEqual(try Generator(model).generate(ids, options: options).tokens, first.tokens)
    var other = options
    other.seed = 10
    XCTAssertNotEqual(try generator.generate(ids, options: other).tokens, first.tokens)
  }

  func testInterruptionAndContext() throws {
    let model = try load(TinyModel(extra: ["eos_token_id": nil]))
    var asked = 0
    let stopsAfterFour = {
      asked += 1
      return asked > 4
    }
    let completion = try Generator(model).generate(ids, options: .init(maxTokens: 50), shouldStop: stopsAfterFour)
    XCTAssertEqual(completion.tokens.count, 4)
    XCTAssertEqual(completion.finishReason, .interrupted)
    let full = try Generator(model).generate(Array(repeating: 5, count: 60), options: .init(maxTokens: 50))
    XCTAssertEqual(full.tokens.count, 4)
    XCTAssertEqual(full.finishReason, .length)
    XCTAssertEqual(try Generator(model).generate(ids, options: .init(maxTokens: 0)).tokens, [])
    assertThrows("no tokens") { try Generator(model).generate([], options: .init()) }
    assertThrows("70 tokens", "context of 64") { try Generator(model).generate(Array(repeating: 1, count: 70), options: .init()) }
    assertThrows("no token id") { try Generator(model).generate([1000], options: .init()) }
    assertThrows("no tokenizer") { try Generator(model).generate([1], options: .init(stop: ["x"])) }
  }

  /// Nothing is taken from the arena per token: a token's only memory is its place in the result.
  func testDecodingTakesNoMemory() throws {
    let model = try load()
    let decoder = try Decoder(model, capacity: 64)
    try decoder.read([1, 2, 3])
    try decoder.step(4)
    let before = Arena.shared.usage
    Arena.shared.resetPeak()
    for id in 5..<40 { try decoder.step(Int32(id)) }
    XCTAssertEqual(Arena.shared.usage.systemAllocations, before.systemAllocations)
    XCTAssertEqual(Arena.shared.usage.peak, before.live)
  }

  func testNextTokens() throws {
    let model = try load()
    let last = Array(try model.logits(ids).values.suffix(96))
    let next = try model.nextTokens(ids, top: 5)
    XCTAssertEqual(next.count, 5)
    XCTAssertEqual(next[0].id, last.firstIndex(of: last.max() ?? 0))
    XCTAssertEqual(next.map(\.logit), next.map(\.logit).sorted(by: >))
    XCTAssertEqual(try model.nextTokens(ids, top: 500).reduce(0) { $0 + exp($1.logprob) }, 1, accuracy: 1e-5)
    XCTAssertNil(next[0].token)
  }
}
