// Several prompts as one batch: every completion has the tokens and log-probabilities it has alone.

import Formats
import Models
import Tensors
import XCTest

final class BatchTests: XCTestCase {
  private func load(_ tiny: TinyModel = TinyModel(slidingWindow: 40, context: 400), type: String = "f32") throws -> LanguageModel {
    let folder = try TemporaryFolder()
    return try LanguageModel.load(path: tiny.ggufFile(in: folder, type: type == "q4_1" ? .q4_1 : .f32))
  }

  private let prompts = [[5, 9, 2], [7], [5, 9, 2], [5, 9, 2, 11, 40], Array(3..<90), [1, 2], Array(3..<60) + [1, 1, 1], [8, 8]]

  private func alone(_ model: LanguageModel, _ prompt: [Int], _ options: SamplingOptions, _ seed: UInt64) throws -> Completion {
    try Generator(model).generate(prompt, options: options, random: RandomSource(seed: seed))
  }

  private func assertEqual(_ batch: [Completion], _ single: [Completion], _ what: String) {
    XCTAssertEqual(batch.map(\.tokens), single.map(\.tokens), what)
    XCTAssertEqual(batch.map(\.logprobs), single.map(\.logprobs), what)
    XCTAssertEqual(batch.map(\.text), single.map(\.text), what)
    XCTAssertEqual(batch.map(\.finishReason), single.map(\.finishReason), what)
  }

  func testEqualsOneAtATime() throws {
    let plain = try load()
    let tuned = try plain.withLoRA(LoRAOptions(rank: 3))
    for (_, tensor) in tuned.trainable { for index in 0..<tensor.count { tensor.pointer[index] += 0.05 } }
    for (name, model) in [("f32", plain), ("adapters", tuned), ("q4_1", try load(type: "q4_1"))] {
      for options in [
        SamplingOptions(maxTokens: 30), SamplingOptions(maxTokens: 30, temperature: 1.3, topK: 30, topP: 0.95, repetitionPenalty: 1.2),
      ] {
        for width in [1, 3, 16] {
          let requests = prompts.enumerated().map { GenerationRequest($1, random: RandomSource(seed: UInt64($0))) }
          let batch = try BatchGenerator(model, width: width).generate(requests, options: options)
          let single = try prompts.enumerated().map { try alone(model, $1, options, UInt64($0)) }
          assertEqual(batch, single, "\(name), width \(width)")
          XCTAssertGreaterThan(Set(batch.map(\.tokens)).count, 4)
        }
      }
    }
  }

  /// Lengths that differ, the context, and a model with words: stop texts and end tokens come at different times.
  func testEndsAtDifferentTimes() throws {
    let folder = try TemporaryFolder()
    let chat = try LanguageModel.load(path: TinyModel.chat(context: 60).ggufFile(in: folder), name: "tiny")
    let options = SamplingOptions(maxTokens: 50, temperature: 2, stop: ["é", "z", "aa"])
    let prompts = (0..<12).map { Array(97..<98 + $0 * 4) }
    var texts = [String](repeating: "", count: prompts.count)
    var finished: [Int] = []
    let batch = try BatchGenerator(chat, width: 5).generate(
      prompts.enumerated().map { GenerationRequest($1, random: RandomSource(seed: UInt64($0)), isAnswer: true) }, options: options,
      onText: { texts[$0] += $1 }, onFinish: { index, _ in finished.append(index) })
    let single = try prompts.enumerated().map {
      try Generator(chat).generate($1, options: options, random: RandomSource(seed: UInt64($0)), isAnswer: true)
    }
    assertEqual(batch, single, "words")
    XCTAssertEqual(texts, batch.map(\.text))
    XCTAssertEqual(finished.sorted(), Array(prompts.indices))
    XCTAssertEqual(Set(batch.map(\.finishReason)), [.stop, .length])
  }

  func testStoppingGivesBackWhatIsDone() throws {
    let model = try load(TinyModel(slidingWindow: nil, context: 400, extra: [:]))
    var asked = 0
    let requests = (0..<6).map { GenerationRequest([5, 6, 7 + $0], random: RandomSource(seed: 0)) }
    let completions = try BatchGenerator(model, width: 2).generate(
      requests, options: .init(maxTokens: 10),
      shouldStop: {
        asked += 1
        return asked > 15
      })
    let single = try requests.map { try alone(model, $0.prompt, .init(maxTokens: 10), 0) }
    XCTAssertEqual(completions.count, 6)
    XCTAssertEqual(Set(completions.map(\.finishReason)).contains(.interrupted), true)
    for (part, whole) in zip(completions, single) {
      XCTAssertTrue(whole.tokens.starts(with: part.tokens))
      if part.finishReason != .interrupted { XCTAssertEqual(part.tokens, whole.tokens) }
    }
    XCTAssertFalse(completions[0].tokens.isEmpty)
    XCTAssertEqual(completions[5].tokens, [])
  }

  func testErrorsComeBeforeAnything() throws {
    let model = try load()
    let good = GenerationRequest([1, 2], random: RandomSource(seed: 0))
    assertThrows("no tokens") { try BatchGenerator(model).generate([good, GenerationRequest([], random: good.random)], options: .init()) }
    assertThrows("no token id") { try BatchGenerator(model).generate([GenerationRequest([999], random: good.random)], options: .init()) }
    XCTAssertEqual(try BatchGenerator(model).generate([], options: .init()).count, 0)
    XCTAssertEqual(try BatchGenerator(model).generate([good], options: .init(maxTokens: 0)).map(\.finishReason), [.length])
  }
}
