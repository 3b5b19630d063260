// What the builtins of models take: a model or tokenizer, a text, token ids or messages, and how tokens are drawn.

import Formats
import Language
import Models
import Tensors
import Tokenizers

/// What a model reads in a call.
enum ModelInput {
  case text(String)
  case ids([Int])
  case messages([JSON])

  /// Tells the three apart: a string, a list of ints, a list of maps.
  init(_ value: Value, _ name: String) throws {
    switch value {
    case .string(let text): self = .text(text)
    case .list(let items):
      if items.contains(where: { if case .map = $0 { true } else { false } }) {
        self = .messages(try messagesArgument(items, name))
      } else {
        self = .ids(
          try items.enumerated().map { index, item in
            guard case .int(let id) = item else {
              throw ZsError(
                kind: "type", message: "'\(name)' holds \(item.typeName) at index \(index); a list is token ids or messages", argument: name
              )
            }
            return Int(id)
          })
      }
    case .object(let object as CompletionValue): self = .ids(object.completion.tokens)
    case .object(let object as ConversationValue): self = .messages(object.conversation.messages.map(\.json))
    case .object(let object as TensorValue): self = .ids(try object.tensor.ids(name))
    default:
      throw ZsError(kind: "type", message: "'\(name)' must be a str, a list of ids or messages, not \(value.typeName)", argument: name)
    }
  }
}

extension Tensor {
  fileprivate func ids(_ name: String) throws -> [Int] {
    try values.map { value in
      guard let id = Int(exactly: value) else {
        throw ZsError(kind: "type", message: "'\(name)' holds \(value), which is no token id", argument: name)
      }
      return id
    }
  }
}

/// Messages from a list of maps with role and content.
func messagesArgument(_ items: [Value], _ name: String) throws -> [JSON] {
  try items.enumerated().map { index, item in
    guard case .map(let map) = item, let role = map["role"], role.text != nil, map["content"] != nil || map["tool_calls"] != nil else {
      throw ZsError(
        kind: "type", message: "'\(name)' holds no message at index \(index)", hint: "a message is {role: \"user\", content: \"…\"}",
        argument: name)
    }
    return try item.asJSON()
  }
}

/// The parameter that takes a text, ids or messages.
func inputParameter(_ name: String = "text", help: String = "a str, a list of token ids, or a list of messages") -> Parameter {
  Parameter(
    name, .anyOf([.string, .list, .object("completion"), .object("conversation"), .object("tensor")]), help: help)
}

/// A model, by its value.
var modelParameter: Parameter { Parameter("m", .object("model"), help: "a model that load or lora gave") }
/// A model or a tokenizer.
var tokenizerParameter: Parameter { Parameter("m", .anyOf([.object("model"), .object("tokenizer")]), help: "a model or a tokenizer") }
/// Whether control tokens in a text count.
var specialParameter: Parameter {
  Parameter("special", .bool, default: false, help: "whether the text's own </s> and the like are control tokens")
}

/// How tokens are drawn, for generate, chat, say and resume.
var samplingParameters: [Parameter] {
  [
    Parameter(
      "max_tokens", .int, default: 256, range: 0...1e9, aliases: ["max_new_tokens", "max_length", "num_predict"],
      help: "the most tokens to generate"),
    Parameter("temperature", .float, default: 0, range: 0...1e4, help: "0 takes the likeliest token; higher is more random"),
    Parameter("top_k", .int, default: 0, range: 0...1e9, help: "draw from the k likeliest tokens only; 0: all"),
    Parameter("top_p", .float, default: 1, range: 0...1, help: "draw from the smallest set of tokens that reaches this probability"),
    Parameter("min_p", .float, default: 0, range: 0...1, help: "draw from tokens at least this share as likely as the likeliest"),
    Parameter(
      "repetition_penalty", .float, default: 1, range: 1e-3...1e3, aliases: ["repeat_penalty"],
      help: "above 1 makes tokens that occurred less likely"),
    Parameter("seed", .int, default: Value.none, help: "the same seed draws the same tokens; none: another one each time"),
    Parameter(
      "stop", .anyOf([.list, .string]), default: .list([]), aliases: ["stop_sequences", "stop_strings"], help: "texts that end the answer"),
  ]
}

extension Call {
  /// The model of an argument.
  func model(_ name: String = "m") throws -> LanguageModel { try object(name, as: ModelValue.self).model }

  /// The tokenizer of an argument that is a model or a tokenizer.
  func tokenizer(_ name: String = "m") throws -> Tokenizer {
    if case .object(let object as TokenizerValue) = self[name] { return object.tokenizer }
    return try model(name).requiredTokenizer()
  }

  /// The token ids that a model reads for an argument: text with BOS as its tokenizer's flag says, messages through its template.
  func tokens(_ name: String, for model: LanguageModel, generationPrompt: Bool = false) throws -> [Int] {
    try tokens(ModelInput(self[name], name), for: model, generationPrompt: generationPrompt)
  }

  /// The token ids that a model reads for a text, ids or messages.
  func tokens(_ input: ModelInput, for model: LanguageModel, generationPrompt: Bool) throws -> [Int] {
    switch input {
    case .ids(let ids): return ids
    case .text(let text): return try model.encode(text, special: self.given("special") ? try bool("special") : false)
    case .messages(let messages): return try model.encode(messages: messages, generationPrompt: generationPrompt)
    }
  }

  /// The sampling options of a call that has `samplingParameters`.
  func samplingOptions() throws -> SamplingOptions {
    var stop: [String] = []
    switch self["stop"] {
    case .string(let text): stop = [text]
    case .list(let items):
      stop = try items.map { item in
        guard let text = item.text else {
          throw ZsError(kind: "type", message: "stop takes texts, not \(item.typeName)", argument: "stop")
        }
        return text
      }
    default: break
    }
    return SamplingOptions(
      maxTokens: try int("max_tokens"), temperature: try double("temperature"), topK: try int("top_k"), topP: try double("top_p"),
      minP: try double("min_p"), repetitionPenalty: try double("repetition_penalty"),
      seed: try optionalInt("seed").map { UInt64(bitPattern: Int64($0)) }, stop: stop)
  }

  /// Where the random numbers of a generation come from: its seed, else the session's; greedy ones draw none.
  func randomSource(_ options: SamplingOptions) throws -> RandomSource {
    if let seed = options.seed { return RandomSource(seed: seed) }
    return options.temperature > 0 ? RandomSource(seed: try Session.of(self).drawSeed()) : RandomSource(seed: 0)
  }
}
