// The real model against transformers, where its file is in the cache folder: ${ZS_HOME:-~/.cache/zs}/models.

import Formats
import Foundation
import Models
import Tensors
import XCTest

final class SmolLM2Tests: XCTestCase {
  private func load() throws -> LanguageModel {
    let environment = ProcessInfo.processInfo.environment
    let home = environment["ZS_HOME"] ?? "\(environment["HOME"] ?? "")/.cache/zs"
    let path = "\(home)/models/SmolLM2-135M-Instruct.Q4_1.gguf"
    guard FileManager.default.fileExists(atPath: path) else {
      throw XCTSkip("\(path) is not there; load(\"smollm2\") in zs gets it")
    }
    return try LanguageModel.load(path: path, name: "smollm2")
  }

  func testEqualsTransformers() throws {
    let model = try load()
    let values = try JSON.parse(smolLM2Values)
    XCTAssertEqual(model.parameterCount, 134_515_008)
    XCTAssertEqual(model.weightType.name, "q4_1")
    XCTAssertEqual(model.configuration.summary, "llama 30L d576 h9/kv3 ff1536 vocab 49152")
    let generator = try Generator(model)
    for name in ["story", "chat"] {
      let ids = values[name]?["ids"]?.ints ?? []
      let next = try model.nextTokens(ids, top: 10)
      XCTAssertEqual(next.map(\.id), values[name]?["top_ids"]?.ints)
      assertClose(next.map(\.logit), values[name]?["top_logits"]?.doubles ?? [], absolute: 5e-4, relative: 0, name)
      let greedy = values[name]?["greedy"]?.ints ?? []
      let expected = Array(greedy.prefix { !model.endTokens.contains($0) })
      let completion = try generator.generate(ids, options: .init(maxTokens: 32))
      XCTAssertEqual(completion.tokens, expected)
    }
    let sentence = values["sentence"]?["ids"]?.ints ?? []
    let logprobs = try model.tokenLogProbs([sentence], scoredFrom: [1])
    assertClose(logprobs.values, values["sentence"]?["logprobs"]?.doubles ?? [], absolute: 5e-4, relative: 0, "log-probs")
    let policy = try model.withLoRA(LoRAOptions(rank: 8, seed: 3))
    XCTAssertEqual(try policy.tokenLogProbs([sentence], scoredFrom: [1]).values, logprobs.values)
  }

  func testStopTextsAndStreaming() throws {
    let model = try load()
    let tokenizer = try XCTUnwrap(model.tokenizer)
    let prompt = tokenizer.encode("Once upon a time, there was a", special: false)
    let generator = try Generator(model)
    let plain = try generator.generate(prompt, options: .init(maxTokens: 24))
    // A stop text that ends in the middle of a token, and one that never comes.
    let start = plain.text.index(plain.text.startIndex, offsetBy: 30)
    let stop = String(plain.text[start..<plain.text.index(start, offsetBy: 7)])
    var streamed = ""
    let stopped = try generator.generate(prompt, options: .init(maxTokens: 24, stop: [stop, "zzz"])) { streamed += $0 }
    XCTAssertEqual(streamed, stopped.text)
    XCTAssertEqual(stopped.text, String(plain.text[..<(try XCTUnwrap(plain.text.range(of: stop))).lowerBound]))
    XCTAssertEqual(stopped.finishReason, .stop)
    XCTAssertEqual(tokenizer.decode(plain.tokens, skipSpecial: false), plain.text)
  }
}
