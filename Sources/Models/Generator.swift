// Generation: read the prompt, then draw, show and read back one token after the other until an end token, a stop text, the limit
// or the context ends it. The loop is `answer`.

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

  /// A generator that has read nothing yet.
  public init(_ model: LanguageModel) throws {
    self.model = model
    decoder = try Decoder(model)
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
    try options.validate()
    let ids = try model.tokens(prompt)
    guard !ids.isEmpty else {
      throw ModelError("the prompt has no tokens", hint: "give at least one character; \(model.name) adds no token of its own in front")
    }
    let context = model.configuration.maxPositionEmbeddings
    guard ids.count <= context else { throw ModelError.tooLong(ids.count, model) }
    let isStopTextWanted = !options.stop.isEmpty
    guard model.tokenizer != nil || !isStopTextWanted else {
      throw ModelError("\(model.name) has no tokenizer, so stop texts cannot be found", hint: "leave out stop:")
    }
    try decoder.cache.reserve(min(context, ids.count + options.maxTokens))
    let random = random ?? RandomSource(seed: options.seed ?? 0)
    let sampler = try Sampler(vocabularySize: model.configuration.vocabularySize, options: options, random: random)
    for id in prompt { sampler.observe(id) }
    guard try readPrompt(ids, shouldStop) else {
      return Completion(text: "", tokens: [], logprobs: [], finishReason: .interrupted, tokensPerSecond: 0)
    }
    return try answer(sampler, options, StreamedText(model.tokenizer, stop: options.stop, isAnswer: isAnswer), onText, shouldStop)
  }

  /// Brings the cache to exactly `ids`, reading only what differs; at least the last token, for its logits.
  private func readPrompt(_ ids: [Int32], _ shouldStop: () -> Bool) throws -> Bool {
    let cache = decoder.cache
    var shared = 0
    while shared < min(cache.count, ids.count - 1), cache.ids[shared] == ids[shared] { shared += 1 }
    cache.truncate(to: shared)
    return try decoder.read(Array(ids[shared...]), shouldStop: shouldStop)
  }

  private func answer(
    _ sampler: Sampler, _ options: SamplingOptions, _ text: StreamedText, _ onText: (String) -> Void, _ shouldStop: () -> Bool
  ) throws -> Completion {
    var text = text
    let vocabularySize = model.configuration.vocabularySize
    let room = min(options.maxTokens, model.configuration.maxPositionEmbeddings - decoder.cache.count)
    let ends = model.endTokens
    var tokens: [Int] = []
    var logprobs: [Double] = []
    var reason = Completion.FinishReason.length
    let clock = ContinuousClock()
    let began = clock.now
    while tokens.count < room {
      if shouldStop() {
        reason = .interrupted
        break
      }
      let id = try sampler.next(decoder.logits)
      if ends.contains(id) {
        reason = .stop
        break
      }
      tokens.append(id)
      logprobs.append(logProbability(of: id, vocabularySize))
      sampler.observe(id)
      onText(text.append(id))
      if text.isStopped {
        reason = .stop
        break
      }
      // The last token of the answer is read too while there is room, so that the answer can be continued from the cache.
      if decoder.cache.count < model.configuration.maxPositionEmbeddings { try decoder.step(Int32(id)) }
    }
    onText(text.finish())
    let seconds = (clock.now - began) / .seconds(1)
    return Completion(
      text: text.shown, tokens: tokens, logprobs: logprobs, finishReason: reason,
      tokensPerSecond: seconds > 0 ? Double(tokens.count) / seconds : 0)
  }

  private func logProbability(of id: Int, _ vocabularySize: Int) -> Double {
    var logSumExp: Float = 0
    logSumExpRows(x: decoder.logits, out: &logSumExp, rows: 1, columns: vocabularySize)
    return Double(decoder.logits[id] - logSumExp)
  }
}

/// Text as it comes token by token, held back where it might be the beginning of a stop text.
struct StreamedText {
  private var decoder: StreamDecoder?
  private let stop: [String]
  private var held = ""
  /// What was given out.
  private(set) var shown = ""
  /// Whether a stop text came.
  private(set) var isStopped = false

  init(_ tokenizer: Tokenizer?, stop: [String], isAnswer: Bool) {
    decoder = tokenizer.map { StreamDecoder($0, continuesText: !isAnswer) }
    self.stop = stop
  }

  /// What may be shown now that this token came.
  mutating func append(_ id: Int) -> String {
    guard let text = decoder?.append(id), !isStopped else { return "" }
    return release(text, isLast: false)
  }

  /// What is left to show at the end.
  mutating func finish() -> String {
    guard let text = decoder?.finish(), !isStopped else { return "" }
    return release(text, isLast: true)
  }

  private mutating func release(_ text: String, isLast: Bool) -> String {
    held += text
    // Bytes, not characters: a stop text may begin in the middle of what becomes one character.
    let bytes = Array(held.utf8)
    var end = bytes.count
    for wanted in stop {
      if let found = bytes[..<end].firstRange(of: Array(wanted.utf8)) {
        end = found.lowerBound
        isStopped = true
      }
    }
    if !isStopped, !isLast {
      for wanted in stop {
        let wanted = Array(wanted.utf8)
        let longest = min(wanted.count - 1, bytes.count)
        for length in stride(from: longest, to: 0, by: -1) where bytes.suffix(length).elementsEqual(wanted.prefix(length)) {
          end = min(end, bytes.count - length)
          break
        }
      }
    }
    let ready = String(decoding: bytes[..<end], as: UTF8.self)
    held = isStopped || isLast ? "" : String(decoding: bytes[end...], as: UTF8.self)
    shown += ready
    return ready
  }
}

extension [UInt8].SubSequence {
  fileprivate func firstRange(of wanted: [UInt8]) -> Range<Int>? {
    guard count >= wanted.count else { return nil }
    for start in startIndex...(endIndex - wanted.count) where self[start..<start + wanted.count].elementsEqual(wanted) {
      return start..<start + wanted.count
    }
    return nil
  }
}
