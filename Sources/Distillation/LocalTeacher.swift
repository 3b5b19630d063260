// A loaded model as a teacher: chat requests go through its template, the rest is the generator's. The choices of all requests are
// generated as one batch, whose sequences have the bits they would have alone: replies do not depend on what is asked beside them, nor
// on what was asked before.

import Crypto
import Kernels
import Models
import Tensors
import Tokenizers

/// A loaded model that answers requests.
public final class LocalTeacher: Teacher {
  /// What data sets call it.
  public let name: String
  /// The model.
  public let model: LanguageModel
  /// The model.
  public var localModel: LanguageModel? { model }
  /// The model's name and a digest of what it says after a few fixed tokens, which training changes.
  public let identity: String
  private let generator: BatchGenerator

  /// A teacher over a model, under the model's name unless another is given; it writes up to `width` answers at a time.
  public init(_ model: LanguageModel, name: String? = nil, width: Int = 16) throws {
    self.model = model
    self.name = name ?? model.name
    generator = BatchGenerator(model, width: width)
    let count = model.configuration.vocabularySize
    let decoder = try Decoder(model)
    try decoder.read((1...7).map { Int32($0 * 37 % count) })
    let digest = SHA256.hash(data: Array(UnsafeRawBufferPointer(start: decoder.logits, count: count * MemoryLayout<Float>.size)))
    identity = "\(model.name) \(digest.prefix(8).map { String($0, radix: 16) }.joined(separator: "."))"
  }

  /// One choice of a request.
  private struct Job {
    var request: Int
    var choice: Int
    var generation: GenerationRequest
  }

  /// Answers many requests at a time, each reply as soon as its last choice is there.
  public func reply(
    to requests: [TeacherRequest], shouldStop: () -> Bool,
    onReply: (_ index: Int, _ reply: Result<TeacherReply, TeacherError>) throws -> Void
  ) throws -> Bool {
    var jobs: [Job] = []
    for (index, request) in requests.enumerated() {
      do {
        jobs += try self.jobs(of: request, index)
      } catch let error as ModelError {
        try onReply(index, .failure(TeacherError(error.message, hint: error.hint)))
      } catch let error as TemplateError {
        try onReply(index, .failure(TeacherError("the chat template of \(model.name) refuses the messages: \(error)")))
      }
    }
    // What a prompt shares with the one before it is not read again, so prompts that begin alike stand together.
    jobs.sort { left, right in
      left.generation.prompt == right.generation.prompt
        ? (left.request, left.choice) < (right.request, right.choice)
        : left.generation.prompt.lexicographicallyPrecedes(right.generation.prompt)
    }
    var answered: [Int: [Int: Completion]] = [:]
    var isWhole = true
    _ = try generator.generate(
      jobs.map(\.generation), options: SamplingOptions(),
      onFinish: { place, completion in
        guard completion.finishReason != .interrupted else { return isWhole = false }
        let (index, choice, prompt) = (jobs[place].request, jobs[place].choice, jobs[place].generation.prompt)
        answered[index, default: [:]][choice] = completion
        guard let choices = answered[index], choices.count == max(1, requests[index].n) else { return }
        answered[index] = nil
        try onReply(index, .success(try reply(choices.sorted { $0.key < $1.key }.map(\.value), to: requests[index], after: prompt)))
      }, shouldStop: shouldStop)
    return isWhole && answered.isEmpty
  }

  /// The tokens that the model reads for a request.
  public func tokens(of prompt: TeacherRequest.Prompt) throws -> [Int] {
    switch prompt {
    case .text(let text): try model.encode(text)
    case .messages(let messages): try model.encode(messages: messages.map(\.json), generationPrompt: true)
    }
  }

  /// The generations of a request, one for each choice.
  ///
  /// - Throws: `ModelError` and `TemplateError` where no generation can begin with it.
  private func jobs(of request: TeacherRequest, _ index: Int) throws -> [Job] {
    let prompt = try tokens(of: request.prompt)
    var options = SamplingOptions(
      maxTokens: request.maxTokens, temperature: request.temperature, topK: request.topK, topP: request.topP, stop: request.stop)
    options.presencePenalty = request.presencePenalty
    options.frequencyPenalty = request.frequencyPenalty
    try model.checkedPrompt(prompt, options)
    let random = RandomSource(seed: request.seed ?? 0)
    let isAnswer = if case .messages = request.prompt { true } else { false }
    return (0..<max(1, request.n)).map { choice in
      var generation = GenerationRequest(
        prompt, random: choice == 0 ? random : random.split("completion \(choice)"), isAnswer: isAnswer)
      generation.options = options
      return Job(request: index, choice: choice, generation: generation)
    }
  }

  private func reply(_ completions: [Completion], to request: TeacherRequest, after prompt: [Int]) throws -> TeacherReply {
    var reply = TeacherReply(choices: [], promptTokens: prompt.count, completionTokens: 0)
    for completion in completions {
      let tokens = request.logprobs ? try self.tokens(completion, after: prompt, top: request.topLogprobs) : nil
      reply.choices.append(
        TeacherReply.Choice(text: completion.text, finishReason: completion.finishReason.rawValue, tokens: tokens))
      reply.completionTokens = (reply.completionTokens ?? 0) + completion.tokens.count
    }
    return reply
  }

  private func tokens(_ completion: Completion, after prompt: [Int], top: Int) throws -> [TeacherToken] {
    var tokens = zip(completion.tokens, completion.logprobs).map { TeacherToken(text: text(of: $0), logprob: $1) }
    guard top > 0, !tokens.isEmpty else { return tokens }
    let decoder = try Decoder(model, capacity: prompt.count + tokens.count)
    try decoder.read(prompt.map(Int32.init))
    for place in tokens.indices {
      if place > 0 { try decoder.step(Int32(completion.tokens[place - 1])) }
      tokens[place].top = likeliest(decoder, top)
    }
    return tokens
  }

  private func likeliest(_ decoder: Decoder, _ top: Int) -> [TeacherToken.Alternative] {
    let count = model.configuration.vocabularySize
    var logSumExp: Float = 0
    logSumExpRows(x: decoder.logits, out: &logSumExp, rows: 1, columns: count)
    let logits = UnsafeBufferPointer(start: decoder.logits, count: count)
    let ranked = logits.indices.sorted { logits[$0] != logits[$1] ? logits[$0] > logits[$1] : $0 < $1 }
    return ranked.prefix(top).map { .init(text: text(of: $0), logprob: Double(logits[$0] - logSumExp)) }
  }

  private func text(of id: Int) -> String { model.tokenizer.map { String(decoding: $0.bytes(of: id), as: UTF8.self) } ?? "" }
}
