// Conversations over a tiny model with a tokenizer of single bytes and the ChatML template.

import Formats
import Models
import Tensors
import Tokenizers
import XCTest

final class ConversationTests: XCTestCase {
  private let options = SamplingOptions(maxTokens: 6, temperature: 1, seed: 4)

  private func load(_ context: Int = 400) throws -> LanguageModel {
    let folder = try TemporaryFolder()
    return try LanguageModel.load(path: TinyModel.chat(context: context).ggufFile(in: folder), name: "tiny")
  }

  func testTextsAndMessages() throws {
    let model = try load()
    XCTAssertEqual(model.endTokens, [257])
    XCTAssertEqual(try model.encode("ab<|im_end|>"), Array("ab<|im_end|>".utf8).map(Int.init))
    XCTAssertEqual(try model.encode("ab<|im_end|>", special: true), [97, 98, 257])
    let messages: [JSON] = [["role": "user", "content": "hi"]]
    XCTAssertEqual(try model.render(messages, generationPrompt: true), "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n")
    let ids = try model.encode(messages: messages, generationPrompt: false)
    XCTAssertEqual(ids, [256] + Array("user\nhi".utf8).map(Int.init) + [257, 10])
    let folder = try TemporaryFolder()
    let plain = try LanguageModel.load(path: TinyModel().ggufFile(in: folder), name: "plain")
    assertThrows("plain has no tokenizer") { try plain.encode("a") }
    assertThrows("plain has no chat template") { try plain.render(messages, generationPrompt: true) }
  }

  /// A template that writes the BOS and a tokenizer that puts one in front make one of it.
  func testNoTextBeginsTwice() throws {
    let folder = try TemporaryFolder()
    var tiny = TinyModel.chat(context: 200)
    tiny.addsBOS = true
    let model = try LanguageModel.load(path: tiny.ggufFile(in: folder), name: "tiny")
    XCTAssertEqual(try model.encode("ab"), [256, 97, 98])
    XCTAssertEqual(try model.encode("<|im_start|>ab", special: true), [256, 97, 98])
    // As text it is no control token, so it is not what the tokenizer puts in front.
    XCTAssertEqual(try model.encode("<|im_start|>"), [256] + Array("<|im_start|>".utf8).map(Int.init))
    let ids = try model.encode(messages: [["role": "user", "content": "hi"]], generationPrompt: false)
    XCTAssertEqual(ids, [256] + Array("user\nhi".utf8).map(Int.init) + [257, 10])
    XCTAssertEqual(ids, try load().encode(messages: [["role": "user", "content": "hi"]], generationPrompt: false))
  }

  func testTurnsEqualChatsFromTheBeginning() throws {
    let model = try load()
    let conversation = try Conversation(model, system: "S")
    for text in ["Ahoy!", "And now?", "é😀"] {
      let asked = conversation.messages.map(\.json) + [Message(role: "user", content: text).json]
      let expected = try Generator(model).generate(model.encode(messages: asked, generationPrompt: true), options: options, isAnswer: true)
      var streamed = ""
      let answer = try conversation.say(text, options: options, onText: { streamed += $0 })
      XCTAssertEqual(answer.tokens, expected.tokens)
      XCTAssertEqual(answer.text, streamed)
      XCTAssertEqual(conversation.messages.last, Message(role: "assistant", content: answer.text))
    }
    XCTAssertEqual(conversation.messages.map(\.role), ["system", "user", "assistant", "user", "assistant", "user", "assistant"])
    XCTAssertEqual(try conversation.undo().map(\.role), ["user", "assistant"])
    try conversation.undo()
    try conversation.undo()
    XCTAssertEqual(conversation.messages, [Message(role: "system", content: "S")])
    assertThrows("nothing to undo") { try conversation.undo() }
  }

  func testResumeContinuesTheSameAnswer() throws {
    let model = try load()
    var greedy = SamplingOptions(maxTokens: 12)
    let whole = try Conversation(model)
    let expected = try whole.say("Go on", options: greedy)
    let cut = try Conversation(model)
    assertThrows("nothing was said") { try cut.resume(options: greedy) }
    greedy.maxTokens = 5
    let first = try cut.say("Go on", options: greedy)
    XCTAssertEqual(first.finishReason, .length)
    greedy.maxTokens = 7
    let second = try cut.resume(options: greedy)
    XCTAssertEqual(first.tokens + second.tokens, expected.tokens)
    XCTAssertEqual(cut.messages.last?.content, first.text + second.text)
  }

  func testErrorsLeaveTheConversationAsItWas() throws {
    let conversation = try Conversation(load(80))
    _ = try conversation.say("a", options: options)
    let before = conversation.messages
    assertThrows("context of 80") { try conversation.say(String(repeating: "x", count: 100), options: options) }
    XCTAssertEqual(conversation.messages, before)
    _ = try conversation.say("b", options: options)
  }

  /// A stop text or a character that comes in pieces is never shown in part.
  func testStreamsWholeCharactersOnly() throws {
    let model = try load()
    let generator = try Generator(model)
    for seed in 0..<40 as Range<UInt64> {
      let options = SamplingOptions(maxTokens: 30, temperature: 2, seed: seed, stop: ["é", "zz"])
      var pieces: [String] = []
      let completion = try generator.generate([97, 98], options: options) { pieces.append($0) }
      XCTAssertEqual(pieces.joined(), completion.text)
      XCTAssertEqual(pieces.joined().utf8.count, pieces.reduce(0) { $0 + $1.utf8.count })
      let whole = try XCTUnwrap(model.tokenizer).decode(completion.tokens, skipSpecial: true)
      let end = [whole.range(of: "é"), whole.range(of: "zz")].compactMap { $0?.lowerBound }.min() ?? whole.endIndex
      XCTAssertEqual(completion.text, String(whole[..<end]), "seed \(seed)")
    }
  }
}

extension TinyModel {
  /// A model over single bytes, control tokens and a template.
  static func chat(context: Int) -> TinyModel {
    var model = TinyModel(vocabulary: 258, slidingWindow: nil)
    model.context = context
    model.hasTokenizer = true
    return model
  }
}
