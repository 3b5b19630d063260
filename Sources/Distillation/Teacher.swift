// Whoever writes data or judges it: what is asked of a teacher and what it replies. A loaded model is one (LocalTeacher.swift), an
// OpenAI-compatible endpoint is another; the pipelines know only this page.

import Models
import Tokenizers

/// One question to a teacher.
public struct TeacherRequest: Sendable, Equatable {
  /// What the teacher reads.
  public enum Prompt: Sendable, Equatable {
    /// A conversation, to be answered by an assistant's turn.
    case messages([Message])
    /// A text, to be continued.
    case text(String)
  }

  /// What the teacher reads.
  public var prompt: Prompt
  /// The most tokens of a choice.
  public var maxTokens: Int
  /// What logits are divided by; 0 takes the likeliest token.
  public var temperature: Double
  /// Only the smallest set of tokens whose probability reaches p.
  public var topP: Double
  /// Only the k likeliest tokens; 0: all, and an endpoint is not told.
  public var topK: Int
  /// Taken from the logit of each token that the answer has already, -2...2.
  public var presencePenalty: Double
  /// Taken from the logit of each token as often as the answer has it, -2...2.
  public var frequencyPenalty: Double
  /// Texts that end a choice; they are not part of it.
  public var stop: [String]
  /// How many choices.
  public var n: Int
  /// What the draws derive from; nil: the teacher's choice.
  public var seed: UInt64?
  /// Whether the log-probability of each token is wanted.
  public var logprobs: Bool
  /// How many likely alternatives are wanted at each token, 0...20; above 0 only with `logprobs`.
  public var topLogprobs: Int

  /// A request; without options: greedy, at most 256 tokens, one choice.
  public init(
    _ prompt: Prompt, maxTokens: Int = 256, temperature: Double = 0, topP: Double = 1, topK: Int = 0, stop: [String] = [], n: Int = 1,
    seed: UInt64? = nil
  ) {
    self.prompt = prompt
    self.maxTokens = maxTokens
    self.temperature = temperature
    self.topP = topP
    self.topK = topK
    presencePenalty = 0
    frequencyPenalty = 0
    self.stop = stop
    self.n = n
    self.seed = seed
    logprobs = false
    topLogprobs = 0
  }

  /// A request for an assistant's turn after a system message, if there is one, and a user's.
  public init(system: String?, user: String, maxTokens: Int = 256, temperature: Double = 0, seed: UInt64? = nil) {
    let messages = (system.map { [Message(role: "system", content: $0)] } ?? []) + [Message(role: "user", content: user)]
    self.init(.messages(messages), maxTokens: maxTokens, temperature: temperature, seed: seed)
  }
}

/// A token of a reply under the teacher's own distribution.
public struct TeacherToken: Sendable, Equatable {
  /// The token's text.
  public var text: String
  /// Its log-probability, nats.
  public var logprob: Double
  /// The likeliest tokens at this place, likeliest first; empty unless asked for.
  public var top: [Alternative]

  /// A token that could have stood in a place.
  public struct Alternative: Sendable, Equatable {
    /// The token's text.
    public var text: String
    /// Its log-probability, nats.
    public var logprob: Double

    /// An alternative.
    public init(text: String, logprob: Double) {
      self.text = text
      self.logprob = logprob
    }
  }

  /// A token with its log-probability and alternatives.
  public init(text: String, logprob: Double, top: [Alternative] = []) {
    self.text = text
    self.logprob = logprob
    self.top = top
  }
}

/// What a teacher replied to one request.
public struct TeacherReply: Sendable, Equatable {
  /// One answer.
  public struct Choice: Sendable, Equatable {
    /// The answer, without the stop text.
    public var text: String
    /// Why it ended: `stop` (an end token or a stop text), `length`, or another word of an endpoint such as `content_filter`.
    public var finishReason: String
    /// Its tokens with their log-probabilities; nil where they were not asked for or the teacher gives none.
    public var tokens: [TeacherToken]?

    /// An answer.
    public init(text: String, finishReason: String, tokens: [TeacherToken]? = nil) {
      self.text = text
      self.finishReason = finishReason
      self.tokens = tokens
    }
  }

  /// The answers, as many as `n`.
  public var choices: [Choice]
  /// Tokens of the prompt; nil where the teacher does not say.
  public var promptTokens: Int?
  /// Tokens of all choices together; nil where the teacher does not say.
  public var completionTokens: Int?
  /// Whether it came from a cache, so that nothing was computed or paid for.
  public var isCached: Bool

  /// A reply.
  public init(choices: [Choice], promptTokens: Int? = nil, completionTokens: Int? = nil, isCached: Bool = false) {
    self.choices = choices
    self.promptTokens = promptTokens
    self.completionTokens = completionTokens
    self.isCached = isCached
  }

  /// The first answer; empty if there is none.
  public var text: String { choices.first?.text ?? "" }
  /// Why the first answer ended.
  public var finishReason: String { choices.first?.finishReason ?? "empty" }
}

/// Why a teacher could not reply.
public struct TeacherError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What was wrong.
  public let message: String
  /// What to try, when there is something to try.
  public let hint: String?

  /// An error with a message and perhaps a hint.
  public init(_ message: String, hint: String? = nil) {
    self.message = message
    self.hint = hint
  }

  /// Message and hint on one line.
  public var description: String { hint.map { "\(message) (\($0))" } ?? message }
}

/// Answers requests.
///
/// Used from one thread; a teacher that works in parallel does so within `reply`.
public protocol Teacher: AnyObject {
  /// What data sets call it.
  var name: String { get }
  /// What tells it from every other teacher, in the log of replies: two models of one name are not one teacher.
  var identity: String { get }
  /// The model where it is a loaded one, whose probabilities can be looked at; else nil.
  var localModel: LanguageModel? { get }

  /// Answers requests, many at once where it can.
  ///
  /// Replies to the same requests with seeds, from the same teacher, are the same however the requests are split into calls, as far as
  /// the teacher is able to: a pipeline that was cut goes on as if it had not been.
  ///
  /// - Parameters:
  ///   - shouldStop: Asked often; once it says true, nothing new is begun.
  ///   - onReply: Called on the calling thread with the place of a request and its reply, in any order, each as soon as it is there; an
  ///     error of one request, such as a prompt that is too long, does not stop the others.
  /// - Returns: Whether every request was answered; false only after `shouldStop`.
  /// - Throws: What makes all further requests useless, such as a refused key; and what `onReply` throws.
  func reply(
    to requests: [TeacherRequest], shouldStop: () -> Bool,
    onReply: (_ index: Int, _ reply: Result<TeacherReply, TeacherError>) throws -> Void
  ) throws -> Bool
}

extension Teacher {
  /// The name.
  public var identity: String { name }

  /// None: an endpoint.
  public var localModel: LanguageModel? { nil }

  /// The replies to requests in their order; nil after `shouldStop`.
  ///
  /// - Throws: The first error of a request too.
  public func replies(to requests: [TeacherRequest], shouldStop: () -> Bool = { false }) throws -> [TeacherReply]? {
    var replies = [TeacherReply?](repeating: nil, count: requests.count)
    let isWhole = try reply(to: requests, shouldStop: shouldStop) { index, reply in replies[index] = try reply.get() }
    let given = replies.compactMap(\.self)
    return isWhole && given.count == requests.count ? given : nil
  }
}
