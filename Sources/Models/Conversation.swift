// A conversation with a model that keeps its cache from turn to turn. Each turn is rendered by the chat template from the
// beginning, so what is generated is what `chat` with all messages would give; only tokens that differ are read again.

import Formats
import Kernels
import Tensors
import Tokenizers

/// Messages that go back and forth with a model.
public final class Conversation {
  /// The model that answers.
  public let model: LanguageModel
  /// What was said, the system message included.
  public private(set) var messages: [Message] = []
  private let generator: Generator
  /// The tokens of the last prompt and answer, while the answer may be continued.
  private var open: (prompt: [Int], answer: [Int])?

  /// A conversation that begins with a system message, if one is given.
  public init(_ model: LanguageModel, system: String? = nil, cacheType: AttentionCacheType = .f32) throws {
    self.model = model
    generator = try Generator(model, cacheType: cacheType)
    if let system { messages.append(Message(role: "system", content: system)) }
    // Errors of the template belong to the beginning, not to the first turn.
    _ = try model.render(messages.map(\.json) + [Message(role: "user", content: "").json], generationPrompt: true)
  }

  /// Tokens held in the cache.
  public var cachedTokens: Int { generator.decoder.cache.count }

  /// Says something and gives the answer, which is remembered however it ended.
  public func say(
    _ text: String, options: SamplingOptions, random: RandomSource? = nil, onText: (String) -> Void = { _ in },
    shouldStop: () -> Bool = { false }
  ) throws -> Completion {
    let asked = messages + [Message(role: "user", content: text)]
    let prompt = try model.encode(messages: asked.map(\.json), generationPrompt: true)
    let completion = try generator.generate(
      prompt, options: options, random: random, isAnswer: true, onText: onText, shouldStop: shouldStop)
    messages = asked + [Message(role: "assistant", content: completion.text)]
    open = completion.finishReason == .stop ? nil : (prompt, completion.tokens)
    return completion
  }

  /// Continues an answer that was cut by the limit of tokens or by an interruption.
  ///
  /// - Returns: What was added.
  public func resume(
    options: SamplingOptions, random: RandomSource? = nil, onText: (String) -> Void = { _ in }, shouldStop: () -> Bool = { false }
  ) throws -> Completion {
    guard let (prompt, answer) = open, let last = messages.indices.last else {
      throw ModelError(
        messages.contains { $0.role == "assistant" } ? "the last answer is complete" : "nothing was said yet", hint: "say(c, \"…\") goes on"
      )
    }
    let completion = try generator.generate(
      prompt + answer, options: options, random: random, isAnswer: answer.isEmpty, onText: onText, shouldStop: shouldStop)
    messages[last].content += completion.text
    open = completion.finishReason == .stop ? nil : (prompt, answer + completion.tokens)
    return completion
  }

  /// Takes back the last question and its answer.
  ///
  /// - Returns: The messages that were removed.
  @discardableResult
  public func undo() throws -> [Message] {
    guard let asked = messages.lastIndex(where: { $0.role == "user" }) else {
      throw ModelError("there is nothing to undo: nothing was said yet")
    }
    let removed = Array(messages[asked...])
    messages.removeLast(removed.count)
    open = nil
    return removed
  }
}
