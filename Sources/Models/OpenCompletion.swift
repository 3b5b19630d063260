// A completion on its way: what one sequence draws, shows and remembers for each of its tokens, alone or in a batch.

import Kernels
import Tensors

/// One completion that has not ended yet.
struct OpenCompletion {
  /// Why it ended; nil while it goes on.
  var reason: Completion.FinishReason?
  private let sampler: Sampler
  private var text: StreamedText
  private let ends: Set<Int>
  private let room: Int
  private var tokens: [Int] = []
  private var logprobs: [Double] = []
  /// When the first token was drawn.
  private var began: ContinuousClock.Instant?

  /// A completion of a prompt whose tokens `checkedPrompt` accepted.
  init(_ model: LanguageModel, _ prompt: [Int], _ options: SamplingOptions, random: RandomSource, isAnswer: Bool) throws {
    sampler = try Sampler(vocabularySize: model.configuration.vocabularySize, options: options, random: random)
    for id in prompt { sampler.observe(id) }
    text = StreamedText(model.tokenizer, stop: options.stop, isAnswer: isAnswer)
    ends = model.endTokens
    room = min(options.maxTokens, model.configuration.maxPositionEmbeddings - prompt.count)
    if room <= 0 { reason = .length }
  }

  /// Draws the next token.
  ///
  /// - Returns: What to read next; nil if an end token or a stop text came. `reason` is set where this was the last one.
  mutating func advance(_ logits: UnsafePointer<Float>, logSumExp: Float, onText: (String) -> Void) throws -> Int? {
    if began == nil { began = ContinuousClock().now }
    let id = try sampler.next(logits)
    guard !ends.contains(id) else {
      reason = .stop
      return nil
    }
    tokens.append(id)
    logprobs.append(Double(logits[id] - logSumExp))
    sampler.observe(id)
    onText(text.append(id))
    if text.isStopped {
      reason = .stop
      return nil
    }
    if tokens.count == room { reason = .length }
    return id
  }

  /// What came of it, after the last of its text is shown.
  func finished(_ onText: (String) -> Void) -> Completion {
    var text = text
    onText(text.finish())
    let seconds = began.map { (ContinuousClock().now - $0) / .seconds(1) } ?? 0
    return Completion(
      text: text.shown, tokens: tokens, logprobs: logprobs, finishReason: reason ?? .interrupted,
      tokensPerSecond: seconds > 0 ? Double(tokens.count) / seconds : 0)
  }
}

extension LanguageModel {
  /// The tokens of a prompt as the kernels take them; refuses what no generation can begin with.
  @discardableResult
  package func checkedPrompt(_ prompt: [Int], _ options: SamplingOptions) throws -> [Int32] {
    try options.validate()
    let ids = try tokens(prompt)
    guard !ids.isEmpty else {
      throw ModelError("the prompt has no tokens", hint: "give at least one character; \(name) adds no token of its own in front")
    }
    guard ids.count <= configuration.maxPositionEmbeddings else { throw ModelError.tooLong(ids.count, self) }
    guard tokenizer != nil || options.stop.isEmpty else {
      throw ModelError("\(name) has no tokenizer, so stop texts cannot be found", hint: "leave out stop:")
    }
    return ids
  }
}
