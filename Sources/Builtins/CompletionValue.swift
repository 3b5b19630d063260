// Completions and conversations as zs values.

import Language
import Models
import Tokenizers

/// What `generate`, `chat` and `say` give.
public final class CompletionValue: ObjectValue {
  /// The completion itself.
  public let completion: Completion
  /// Whether its text was shown while it came.
  let wasStreamed: Bool

  /// Wraps a completion.
  public init(_ completion: Completion, wasStreamed: Bool = false) {
    self.completion = completion
    self.wasStreamed = wasStreamed
  }

  /// The name that `type(x)` gives.
  public var typeName: String { "completion" }

  /// The fields of language.md.
  public var fieldNames: [String] { ["text", "tokens", "logprobs", "finish_reason", "tokens_per_second"] }

  /// A field by name.
  public func field(_ name: String) throws -> Value? {
    switch name {
    case "text": .string(completion.text)
    case "tokens": .list(completion.tokens.map { .int(Int64($0)) })
    case "logprobs": .list(completion.logprobs.map { .float($0) })
    case "finish_reason": .string(completion.finishReason.rawValue)
    case "tokens_per_second": .float(completion.tokensPerSecond)
    default: nil
    }
  }

  /// All fields.
  public func plain() throws -> Value {
    var map: ValueMap = [:]
    for name in fieldNames { map[name] = try field(name) }
    return .map(map)
  }

  /// The text, unless it was shown already, and a line about it.
  public func display(_ options: DisplayOptions) -> String {
    let count = completion.tokens.count
    var parts = ["completion", "\(count) token\(count == 1 ? "" : "s")", completion.finishReason.rawValue]
    if !options.plain, completion.tokensPerSecond > 0 { parts.append("\(decimal(completion.tokensPerSecond, 1)) tokens/s") }
    let line = parts.joined(separator: " · ")
    return wasStreamed || completion.text.isEmpty ? line : "\(completion.text)\n\(line)"
  }
}

/// A conversation of the language; a reference.
public final class ConversationValue: ObjectValue {
  /// The conversation itself.
  public let conversation: Conversation

  /// Wraps a conversation.
  public init(_ conversation: Conversation) { self.conversation = conversation }

  /// The name that `type(x)` gives.
  public var typeName: String { "conversation" }

  /// Messages and what holds them.
  public var fieldNames: [String] { ["messages", "model", "cached_tokens"] }

  /// A field by name.
  public func field(_ name: String) throws -> Value? {
    switch name {
    case "messages": .list(conversation.messages.map(\.value))
    case "model": .object(ModelValue(conversation.model))
    case "cached_tokens": .int(Int64(conversation.cachedTokens))
    default: nil
    }
  }

  /// How many messages there are.
  public func elementCount() throws -> Int? { conversation.messages.count }

  /// The message at an index, as a map of role and content.
  public func element(at index: Int) throws -> Value { conversation.messages[index].value }

  /// The messages.
  public func plain() throws -> Value { .list(conversation.messages.map(\.value)) }

  /// Each message under its role.
  public func display(_ options: DisplayOptions) -> String {
    let messages = conversation.messages
    let head = "conversation with \(conversation.model.name) · \(messages.count) message\(messages.count == 1 ? "" : "s")"
    return ([head] + messages.map { "\($0.role): \($0.content)" }).joined(separator: "\n")
  }
}

extension Message {
  /// The message as a map of role and content.
  var value: Value { .map(["role": .string(role), "content": .string(content)]) }
}
