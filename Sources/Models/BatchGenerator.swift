// Generation for several prompts at once: each step reads one token of every open sequence, so that the weights come from memory
// once for all of them. A sequence that ends makes place for the next prompt. Prompts are read one after the other; what one shares
// with the one before it is not read again. Every completion has the tokens it would have alone.

import Kernels
import Tensors

/// A prompt, and what its completion draws from.
public struct GenerationRequest: Sendable {
  /// Token ids.
  public var prompt: [Int]
  /// Where its random numbers come from.
  public var random: RandomSource
  /// Whether the text begins a turn of its own, as in `Generator.generate`.
  public var isAnswer: Bool
  /// How it is drawn and ends; nil: as the batch's options say.
  public var options: SamplingOptions?

  /// A request, drawn as the others of its batch.
  public init(_ prompt: [Int], random: RandomSource, isAnswer: Bool = false) {
    self.prompt = prompt
    self.random = random
    self.isAnswer = isAnswer
  }
}

/// Generates for many prompts with one model.
public final class BatchGenerator {
  /// The model.
  public let model: LanguageModel
  /// The most sequences that are open at a time.
  public let width: Int
  private let cacheType: AttentionCacheType
  /// Bytes that the caches of open sequences may take.
  private static let cacheBudget = 2 << 30
  /// The prompt that was read last, as its tokens left the cache, and the logits behind it.
  private var latest: (cache: KVCache, logits: [Float])?

  /// A sequence that is generated.
  private struct Open {
    let index: Int
    let cache: KVCache
    var completion: OpenCompletion
  }

  /// A generator that keeps up to `width` sequences open.
  public init(_ model: LanguageModel, width: Int = 16, cacheType: AttentionCacheType = .f32) {
    self.model = model
    self.width = max(1, width)
    self.cacheType = cacheType
  }

  /// One completion for each request, in their order.
  ///
  /// - Parameters:
  ///   - onText: Called with the number of a request and the next piece of its text.
  ///   - onFinish: Called with the number of a request and its completion as soon as that has ended; what it throws ends the rest.
  ///   - shouldStop: Asked before each step and between prompts. After a stop, completions that have not ended, or not begun, are
  ///     given back as they are, with the reason `interrupted`.
  /// - Throws: `ModelError` if a prompt is empty or longer than the context; nothing has been generated then.
  public func generate(
    _ requests: [GenerationRequest], options: SamplingOptions, onText: (Int, String) -> Void = { _, _ in },
    onFinish: (Int, Completion) throws -> Void = { _, _ in }, shouldStop: () -> Bool = { false }
  ) throws -> [Completion] {
    let prompts = try requests.map { try model.checkedPrompt($0.prompt, $0.options ?? options) }
    defer { latest = nil }
    let longest = zip(prompts, requests).map { $0.count + ($1.options ?? options).maxTokens }.max() ?? 0
    let decoder = try BatchDecoder(model, width: affordableWidth(longest, count: prompts.count))
    let none = Completion(text: "", tokens: [], logprobs: [], finishReason: .interrupted, tokensPerSecond: 0)
    var results = [Completion](repeating: none, count: requests.count)
    var open: [Open] = []
    var next = 0
    var isStopped = false
    func close(_ sequence: Open) throws {
      let completion = sequence.completion.finished { onText(sequence.index, $0) }
      results[sequence.index] = completion
      try onFinish(sequence.index, completion)
    }
    while !isStopped, next < requests.count || !open.isEmpty {
      while next < requests.count, open.count < decoder.width {
        guard let cache = try read(prompts[next], into: decoder.logits(open.count), shouldStop) else {
          isStopped = true
          break
        }
        let request = requests[next]
        let completion = try OpenCompletion(
          model, request.prompt, request.options ?? options, random: request.random, isAnswer: request.isAnswer)
        let sequence = Open(index: next, cache: cache, completion: completion)
        if completion.reason == nil { open.append(sequence) } else { try close(sequence) }
        next += 1
      }
      if isStopped || shouldStop() { break }
      do {
        try step(&open, decoder, onText, close)
      } catch _ where shouldStop() {
        isStopped = true
      }
    }
    for sequence in open { try close(sequence) }
    return results
  }

  /// The sequences of up to `longest` tokens that may be open at a time, so that their caches stay within some memory.
  private func affordableWidth(_ longest: Int, count: Int) -> Int {
    let c = model.configuration
    let bytes = 2 * c.numHiddenLayers * c.keyValueWidth * cacheType.bytes * min(longest, c.maxPositionEmbeddings)
    return max(1, min(width, count, Self.cacheBudget / max(1, bytes)))
  }

  /// Draws a token for each sequence, and reads those of the sequences that go on.
  private func step(
    _ open: inout [Open], _ decoder: BatchDecoder, _ onText: (Int, String) -> Void, _ close: (Open) throws -> Void
  ) throws {
    guard !open.isEmpty else { return }
    var logSumExp = [Float](repeating: 0, count: open.count)
    logSumExpRows(x: decoder.logits(0), out: &logSumExp, rows: open.count, columns: model.configuration.vocabularySize)
    var going: [Open] = []
    var ids: [Int32] = []
    for (row, sequence) in open.enumerated() {
      var sequence = sequence
      let index = sequence.index
      let id = try sequence.completion.advance(decoder.logits(row), logSumExp: logSumExp[row]) { onText(index, $0) }
      if let id, sequence.completion.reason == nil {
        going.append(sequence)
        ids.append(Int32(id))
      } else {
        try close(sequence)
      }
    }
    open = going
    try decoder.step(ids, going.map(\.cache))
  }

  /// A cache that holds the prompt, and its logits; nil if somebody asked to stop.
  private func read(_ ids: [Int32], into logits: UnsafeMutablePointer<Float>, _ shouldStop: () -> Bool) throws -> KVCache? {
    let vocabularySize = model.configuration.vocabularySize
    if let latest, latest.cache.ids == ids {
      logits.update(from: latest.logits, count: vocabularySize)
      return latest.cache.fork()
    }
    let cache = try latest?.cache.fork() ?? KVCache(model.configuration, type: cacheType)
    var shared = 0
    while shared < min(cache.count, ids.count - 1), cache.ids[shared] == ids[shared] { shared += 1 }
    cache.truncate(to: shared)
    let decoder = try Decoder(model, cache: cache)
    do {
      guard try decoder.read(Array(ids[cache.count...]), shouldStop: shouldStop) else { return nil }
    } catch _ where shouldStop() {
      return nil
    }
    logits.update(from: decoder.logits, count: vocabularySize)
    latest = (cache.fork(), Array(UnsafeBufferPointer(start: decoder.logits, count: vocabularySize)))
    return cache
  }
}
