// Whoever answers prompts: models with sampling of their own, and the answers they give in chat.

import Tensors
import Tokenizers

/// A model of a pool under a name of its own.
public struct PoolModel {
  /// Who answers.
  public var teacher: any Teacher
  /// What the data calls it.
  public var name: String
  /// Its temperature; nil: the pool's.
  public var temperature: Double?
  /// Its top-p; nil: the pool's.
  public var topP: Double?
  /// Its top-k; nil: the pool's.
  public var topK: Int?
  /// A system message of its own.
  public var system: String?

  /// A member under the teacher's name, unless another is given.
  public init(_ teacher: any Teacher, name: String? = nil) {
    self.teacher = teacher
    self.name = name ?? teacher.name
  }
}

/// How answers are drawn where a model does not say otherwise.
public struct AnswerOptions: Sendable {
  /// The most tokens of an answer.
  public var maxTokens = 1024
  /// UltraFeedback's choice is 1.
  public var temperature = 1.0
  /// UltraFeedback's choice is 1.
  public var topP = 1.0
  /// 0: all tokens.
  public var topK = 0
  /// What every draw derives from.
  public var seed: UInt64 = 42

  /// The defaults.
  public init() {}
}

extension PoolModel {
  /// The request for an answer to a conversation.
  func request(_ messages: [Message], options: AnswerOptions, seed: UInt64) -> TeacherRequest {
    var request = TeacherRequest(.messages(messages), maxTokens: options.maxTokens, temperature: temperature ?? options.temperature)
    request.topP = topP ?? options.topP
    request.topK = topK ?? options.topK
    request.seed = seed
    return request
  }
}

/// Answers to conversations, one each.
///
/// - Parameter label: What the seeds derive from, beside the options' seed and each conversation's place.
/// - Throws: `PipelineStopped` when the watch says so.
public func answers(
  _ model: PoolModel, to conversations: [[Message]], options: AnswerOptions, label: String, watch: PipelineWatch
) throws -> [Result<TeacherReply, TeacherError>] {
  let random = RandomSource(seed: options.seed)
  let requests = conversations.enumerated().map { place, messages in
    var draw = random.split("\(label)/\(place)")
    return model.request(messages, options: options, seed: draw.next())
  }
  return try allReplies(model.teacher, requests, shouldStop: watch.shouldStop) { watch.progress(label, $0, requests.count, model.name) }
}
