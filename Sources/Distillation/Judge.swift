// A judge: a teacher that is asked for ratings and verdicts, whose words are kept. A loaded model can also be read without words: by the
// probabilities of the scores it could give, a form that cannot fail to parse.

import Models
import Tensors
import Tokenizers

/// How a judge's opinion is taken.
public enum JudgeMethod: String, CaseIterable, Sendable {
  /// What it writes is parsed, and asked again where that fails.
  case text
  /// The expected score under the probabilities of the scores; for loaded models only.
  case expected
}

/// What a judge said of one answer.
public struct Rating: Sendable, Equatable {
  /// The score; nil where the judge's words held none.
  public var score: Double?
  /// The judge's words; empty for expected scores.
  public var words: String = ""
  /// How often it was asked.
  public var attempts = 1
  /// The probability of each score, from the lowest; empty for scores by text.
  public var probabilities: [Double] = []
}

/// What a judge said of two answers.
public struct Comparison: Sendable, Equatable {
  /// How far the second answer is preferred, 0...1; nil where the judge's words held no verdict.
  public var preference: Double?
  /// The judge's words; empty for probabilities.
  public var words: String = ""
  /// How often it was asked.
  public var attempts = 1
}

/// A teacher that judges.
public final class Judge {
  /// Who judges.
  public let teacher: any Teacher
  /// How its opinion is taken.
  public let method: JudgeMethod
  /// The most tokens of its words.
  public var maxTokens = 2048
  /// How often it is asked before its words count as holding no score.
  public var attempts = 10
  private let scorer: ContinuationScorer?
  private let watch: PipelineWatch

  /// A judge; without a method, a loaded model is read by probabilities and an endpoint by its words.
  ///
  /// - Throws: `TeacherError` where probabilities are asked of a teacher that is no loaded model.
  public init(_ teacher: any Teacher, method: JudgeMethod? = nil, watch: PipelineWatch = PipelineWatch()) throws {
    self.teacher = teacher
    self.watch = watch
    let method = method ?? (teacher.localModel == nil ? .text : .expected)
    self.method = method
    if method == .expected {
      guard let model = teacher.localModel else {
        throw TeacherError(
          "\(teacher.name) is no loaded model, so its probabilities cannot be read", hint: "method: \"text\" parses its words")
      }
      scorer = try ContinuationScorer(model)
    } else {
      scorer = nil
    }
  }

  /// Scores from what the judge writes, asked again up to `attempts` times where they cannot be parsed: the first time greedily, then by
  /// chance, as a greedy judge would only repeat itself.
  func ask<T>(_ messages: [[Message]], maxTokens: Int, label: String, parse: (Int, String) -> T?) throws -> [(
    value: T?, words: String, attempts: Int
  )] {
    var results = messages.map { _ in (value: T?.none, words: "", attempts: 0) }
    var open = Array(messages.indices)
    for attempt in 0..<max(1, attempts) where !open.isEmpty {
      let requests = open.map { place in
        TeacherRequest(
          .messages(messages[place]), maxTokens: maxTokens, temperature: attempt == 0 ? 0 : 0.7, seed: UInt64(attempt))
      }
      let replies = try allReplies(teacher, requests, shouldStop: watch.shouldStop) {
        watch.progress(label, $0, requests.count, teacher.name)
      }
      for (place, reply) in zip(open, replies) {
        results[place].attempts += 1
        switch reply {
        case .success(let reply):
          results[place].words = reply.text
          results[place].value = parse(place, reply.text)
        case .failure(let error): results[place].words = "(no reply: \(error))"
        }
      }
      open = open.filter { results[$0].value == nil }
    }
    return results
  }

  /// Probabilities of what may follow the opening of the judge's turn, for each of many questions.
  ///
  /// What a log in front of the judge holds already is not computed again.
  func probabilities(_ messages: [[Message]], opening: String, choices: [String], label: String) throws -> [[Double]] {
    guard let scorer else { throw TeacherError("this judge is read by its words") }
    let log = (teacher as? RememberingTeacher)?.log
    return try messages.indices.map { place in
      if watch.shouldStop() { throw PipelineStopped() }
      watch.progress(label, place, messages.count, teacher.name)
      let key = scoresKey(messages[place], opening, choices)
      if let sums = log?.reply(key)?.sums(of: choices) { return shares(sums) }
      let sums = try scorer.sums(messages: messages[place], opening: opening, choices: choices)
      try log?.append(TeacherReply(sums: sums, of: choices), key: key, teacher: teacher.name)
      return shares(sums)
    }
  }

  /// What tells a question by probabilities from all other requests.
  private func scoresKey(_ messages: [Message], _ opening: String, _ choices: [String]) -> String {
    // A turn of the judge that has begun is no conversation that could be asked for an answer, so no other request has this key.
    var request = TeacherRequest(.messages(messages + [Message(role: "assistant", content: opening)]), maxTokens: 0, stop: choices)
    request.logprobs = true
    return request.key(teacher: teacher.identity)
  }

  /// Ratings from 1 to 10 of the last answers of conversations.
  public func rate(_ conversations: [JudgedConversation]) throws -> [Rating] {
    let messages = conversations.map(ratingMessages)
    guard method == .text else {
      return try expectedScores(messages, opening: "Rating: [[", highest: 10, label: "rating")
    }
    return try ask(messages, maxTokens: maxTokens, label: "rating") { _, text in parseRating(text) }
      .map { Rating(score: $0.value, words: $0.words, attempts: $0.attempts) }
  }

  /// The expected score from 1 to `highest` after an opening.
  func expectedScores(_ messages: [[Message]], opening: String, highest: Int, label: String) throws -> [Rating] {
    try probabilities(messages, opening: opening, choices: (1...highest).map(String.init), label: label).map { shares in
      Rating(score: shares.enumerated().reduce(0) { $0 + Double($1.offset + 1) * $1.element }, probabilities: shares)
    }
  }

  /// How far the second of two answers is preferred: 0, 0.5 for a tie, or 1; anything between by probabilities.
  public func compare(_ pairs: [(a: JudgedConversation, b: JudgedConversation)]) throws -> [Comparison] {
    let messages = pairs.map { comparisonMessages($0.a, $0.b) }
    guard method == .text else {
      return try probabilities(messages, opening: "[[", choices: ["A", "B", "C"], label: "comparing").map {
        Comparison(preference: $0[1] + $0[2] / 2)
      }
    }
    return try ask(messages, maxTokens: maxTokens, label: "comparing") { _, text in parseVerdict(text) }.map { answer in
      let preference = answer.value.map { $0 == .a ? 0.0 : $0 == .b ? 1 : 0.5 }
      return Comparison(preference: preference, words: answer.words, attempts: answer.attempts)
    }
  }

  /// How far the second of two outputs is preferred by one token, `m` or `M`, as AlpacaEval 2 asks.
  ///
  /// An endpoint's log-probabilities are used where it gives them, else its one word.
  public func rank(_ pairs: [(instruction: String, first: String, second: String)]) throws -> [Comparison] {
    let messages = pairs.map { rankingMessages(instruction: $0.instruction, first: $0.first, second: $0.second) }
    guard method == .text else {
      return try probabilities(messages, opening: "", choices: ["m", "M"], label: "ranking").map { Comparison(preference: $0[1]) }
    }
    let requests = messages.map { messages in
      var request = TeacherRequest(.messages(messages), maxTokens: 1, seed: 0)
      request.logprobs = true
      request.topLogprobs = 5
      return request
    }
    let replies = try allReplies(teacher, requests, shouldStop: watch.shouldStop) {
      watch.progress("ranking", $0, requests.count, teacher.name)
    }
    return replies.map { reply in
      guard case .success(let reply) = reply else { return Comparison(preference: nil, words: "(no reply)") }
      return Comparison(preference: rankedPreference(reply), words: reply.text)
    }
  }
}

/// p(M) / (p(m) + p(M)) of a reply's first token, or what its word says.
func rankedPreference(_ reply: TeacherReply) -> Double? {
  if let top = reply.choices.first?.tokens?.first?.top, !top.isEmpty {
    func share(_ name: String) -> Double { top.filter { stripped($0.text) == name }.reduce(0) { $0 + exponential($1.logprob) } }
    let (first, second) = (share("m"), share("M"))
    if first + second > 0 { return second / (first + second) }
  }
  switch stripped(reply.text) {
  case "m": return 0
  case "M": return 1
  default: return nil
  }
}

extension TeacherReply {
  /// The log-probabilities of given choices, in the form of a reply, so that a log can hold them.
  fileprivate init(sums: [Double], of choices: [String]) {
    self.init(
      choices: zip(choices, sums).map { Choice(text: $0, finishReason: "scored", tokens: [TeacherToken(text: $0, logprob: $1)]) })
  }

  /// What `init(sums:of:)` was given; nil for any other reply.
  fileprivate func sums(of texts: [String]) -> [Double]? {
    guard choices.map(\.text) == texts else { return nil }
    let sums = choices.compactMap { $0.tokens?.first?.logprob }
    return sums.count == texts.count ? sums : nil
  }
}
