// A loaded model as a teacher: chat requests go through its template, the rest is the generator's.

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
  private let generator: Generator

  /// A teacher over a model, under the model's name unless another is given.
  public init(_ model: LanguageModel, name: String? = nil) throws {
    self.model = model
    self.name = name ?? model.name
    generator = try Generator(model)
    let count = model.configuration.vocabularySize
    let decoder = try Decoder(model)
    try decoder.read((1...7).map { Int32($0 * 37 % count) })
    let digest = SHA256.hash(data: Array(UnsafeRawBufferPointer(start: decoder.logits, count: count * MemoryLayout<Float>.size)))
    identity = "\(model.name) \(digest.prefix(8).map { String($0, radix: 16) }.joined(separator: "."))"
  }

  /// Answers one request after the other.
  public func reply(
    to requests: [TeacherRequest], shouldStop: () -> Bool,
    onReply: (_ index: Int, _ reply: Result<TeacherReply, TeacherError>) throws -> Void
  ) throws -> Bool {
    for (index, request) in requests.enumerated() {
      if shouldStop() { return false }
      let reply: Result<TeacherReply, TeacherError>
      do {
        guard let answered = try answer(request, shouldStop) else { return false }
        reply = .success(answered)
      } catch let error as ModelError {
        reply = .failure(TeacherError(error.message, hint: error.hint))
      } catch let error as TemplateError {
        reply = .failure(TeacherError("the chat template of \(model.name) refuses the messages: \(error)"))
      }
      try onReply(index, reply)
    }
    return true
  }

  /// The tokens that the model reads for a request.
  public func tokens(of prompt: TeacherRequest.Prompt) throws -> [Int] {
    switch prompt {
    case .text(let text): try model.encode(text)
    case .messages(let messages): try model.encode(messages: messages.map(\.json), generationPrompt: true)
    }
  }

  /// The reply to one request; nil if it was interrupted.
  private func answer(_ request: TeacherRequest, _ shouldStop: () -> Bool) throws -> TeacherReply? {
    let prompt = try tokens(of: request.prompt)
    var options = SamplingOptions(
      maxTokens: request.maxTokens, temperature: request.temperature, topK: request.topK, topP: request.topP, stop: request.stop)
    options.presencePenalty = request.presencePenalty
    options.frequencyPenalty = request.frequencyPenalty
    let random = RandomSource(seed: request.seed ?? 0)
    let isAnswer = if case .messages = request.prompt { true } else { false }
    var reply = TeacherReply(choices: [], promptTokens: prompt.count, completionTokens: 0)
    for choice in 0..<max(1, request.n) {
      let completion = try generator.generate(
        prompt, options: options, random: choice == 0 ? random : random.split("completion \(choice)"), isAnswer: isAnswer,
        shouldStop: shouldStop)
      guard completion.finishReason != .interrupted else { return nil }
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
