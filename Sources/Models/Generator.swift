// Generation: read the prompt, then draw, show and read back one token after the other until an end token, a stop text, the limit
// or the context ends it. The loop is `answer`; one turn of it is `OpenCompletion.advance`, which batches share.

import Kernels
import Tensors
import Tokenizers

/// What a generation made.
public struct Completion: Sendable {
  /// Why a generation ended.
  public enum FinishReason: String, Sendable {
    /// An end token or a stop text came.
    case stop
    /// The limit of tokens, or the context, was reached.
    case length
    /// Somebody asked to stop.
    case interrupted
  }

  /// The text, without the stop text; empty for a model without a tokenizer.
  public var text: String
  /// The tokens, without the end token.
  public var tokens: [Int]
  /// Log-probability of each token under the model itself, whatever the sampling options.
  public var logprobs: [Double]
  /// Why it ended.
  public var finishReason: FinishReason
  /// Tokens per second, the prompt not counted.
  public var tokensPerSecond: Double
}

/// Generates with one model, keeping what it has read from call to call.
public final class Generator {
  /// The model.
  public let model: LanguageModel
  /// Where its sequence stands.
  public let decoder: Decoder
  /// When the cache was filled, in changes of weights.
  private var changes = WeightChanges.count

  /// A generator that has read nothing yet, whose cache is of that type.
  public init(_ model: LanguageModel, cacheType: AttentionCacheType = .f32) throws {
    self.model = model
    decoder = try Decoder(model, cacheType: cacheType)
  }

  /// One completion of a prompt.
  ///
  /// - Parameters:
  ///   - prompt: Token ids; what it shares with the sequence read before is not read again.
  ///   - isAnswer: Whether the text begins a turn of its own: a tokenizer that puts a blank in front of texts then drops it.
  ///   - onText: Called with each piece of text as soon as it is whole characters and cannot be part of a stop text.
  ///   - shouldStop: Asked before each token and between batches of a long prompt.
  /// - Throws: `ModelError` if the prompt is empty or longer than the context.
  public func generate(
    _ prompt: [Int], options: SamplingOptions, random: RandomSource? = nil, isAnswer: Bool = false,
    onText: (String) -> Void = { _ in }, shouldStop: () -> Bool = { false }
  ) throws -> Completion {
    let ids = try model.checkedPrompt(prompt, options)
    let open = try OpenCompletion(model, prompt, options, random: random ?? RandomSource(seed: options.seed ?? 0), isAnswer: isAnswer)
    guard try readPrompt(ids, shouldStop) else {
      return Completion(text: "", tokens: [], logprobs: [], finishReason: .interrupted, tokensPerSecond: 0)
    }
    return try answer(open, onText, shouldStop)
  }

  /// Brings the cache to exactly `ids`, reading only what differs; at least the last token, for its logits.
  private func readPrompt(_ ids: [Int32], _ shouldStop: () -> Bool) throws -> Bool {
    let cache = decoder.cache
    // What was read before the model learned something is of other weights.
    if changes != WeightChanges.count, !model.trainable.isEmpty { cache.truncate(to: 0) }
    changes = WeightChanges.count
    var shared = 0
    while shared < min(cache.count, ids.count - 1), cache.ids[shared] == ids[shared] { shared += 1 }
    cache.truncate(to: shared)
    do {
      return try decoder.read(Array(ids[cache.count...]), shouldStop: shouldStop)
    } catch _ where shouldStop() {
      return false
    }
  }

  private func answer(_ open: OpenCompletion, _ onText: (String) -> Void, _ shouldStop: () -> Bool) throws -> Completion {
    var open = open
    while open.reason == nil {
      if shouldStop() {
        open.reason = .interrupted
        break
      }
      var logSumExp: Float = 0
      logSumExpRows(x: decoder.logits, out: &logSumExp, rows: 1, columns: model.configuration.vocabularySize)
      guard let id = try open.advance(decoder.logits, logSumExp: logSumExp, onText: onText) else { break }
      // The last token of the answer is read too while there is room, so that the answer can be continued from the cache.
      // What a safe point threw because somebody asked to stop is no error: the token is read when the answer goes on.
      do {
        if decoder.cache.count < model.configuration.maxPositionEmbeddings { try decoder.step(Int32(id)) }
      } catch _ where shouldStop() {
        open.reason = open.reason ?? .interrupted
      }
    }
    return open.finished(onText)
  }
}
