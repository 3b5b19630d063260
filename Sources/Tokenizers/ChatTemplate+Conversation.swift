// A conversation as transformers hands it to a template: reasoning under all of its names, tools and documents, further variables,
// and a last message that is left open so that its author goes on.

import Formats
import OrderedCollections

/// What a conversation is rendered with.
public struct RenderOptions: Sendable {
  /// Whether the text ends where an answer of the assistant begins.
  public var generationPrompt: Bool
  /// Whether the text ends with the content of the last message, which is to be continued.
  public var continueFinalMessage: Bool
  /// JSON schemas of the functions that the model may call; nil for none.
  public var tools: JSON?
  /// Documents to answer from; nil for none.
  public var documents: JSON?
  /// Further variables of the template, such as `enable_thinking`; they win over all others.
  public var variables: [String: JSON]
  /// What `bos_token` is.
  public var bosToken: String?
  /// What `eos_token` is.
  public var eosToken: String?

  /// Options; without arguments: where an answer begins, nothing else.
  public init(
    generationPrompt: Bool = true, continueFinalMessage: Bool = false, tools: JSON? = nil, documents: JSON? = nil,
    variables: [String: JSON] = [:], bosToken: String? = nil, eosToken: String? = nil
  ) {
    self.generationPrompt = generationPrompt
    self.continueFinalMessage = continueFinalMessage
    self.tools = tools
    self.documents = documents
    self.variables = variables
    self.bosToken = bosToken
    self.eosToken = eosToken
  }
}

extension ChatTemplate {
  /// What marks the end of the content that is to be continued.
  private static let continueTag = "CONTINUE_FINAL_MESSAGE_TAG "

  /// The names under which a message's reasoning is given or read.
  private static let reasoningFields = ["reasoning_content", "thinking", "reasoning"]

  /// The text of a conversation, with the parts that the template marks as generated.
  ///
  /// - Throws: `TemplateError` where the template refuses, or where the last message cannot be continued.
  public func rendering(messages: [JSON], options: RenderOptions) throws -> Rendering {
    guard !(options.generationPrompt && options.continueFinalMessage) else {
      throw TemplateError(
        "an answer cannot begin where the last message is continued",
        hint: "generation_prompt and continue_final_message exclude each other")
    }
    var messages = messages
    var open: String?
    if options.continueFinalMessage, let last = messages.indices.last {
      (messages[last], open) = try Self.opened(messages[last])
    } else if options.continueFinalMessage {
      throw TemplateError("there is no last message to continue")
    }
    var variables = options.variables
    if let tools = options.tools, variables["tools"] == nil { variables["tools"] = tools }
    if let documents = options.documents, variables["documents"] == nil { variables["documents"] = documents }
    var all = try rendering(
      messages: messages, addGenerationPrompt: options.generationPrompt, bosToken: variables["bos_token"]?.string ?? options.bosToken,
      eosToken: variables["eos_token"]?.string ?? options.eosToken, extra: variables)
    if let open { all.text = try Self.cut(all.text, after: open) }
    return all
  }

  /// Reasoning that a message has under one of its names, under those that templates read.
  static func withReasoning(_ message: JSON) -> JSON {
    guard case .object(let members) = message else { return message }
    guard let reasoning = reasoningFields.lazy.compactMap({ members[$0] }).first(where: { $0 != .null }) else { return message }
    var result = members
    if result["thinking"] == nil { result.updateValue(reasoning, forKey: "thinking", insertingAt: 0) }
    result["reasoning_content"] = reasoning
    return .object(result)
  }

  /// A message with the mark behind its content, or behind its last part of text, and that text.
  private static func opened(_ message: JSON) throws -> (JSON, String) {
    guard case .object(var members) = message, let content = members["content"], content != .null else {
      throw TemplateError("the last message has no content to continue")
    }
    switch content {
    case .string(let text):
      members["content"] = .string(text + continueTag)
      return (.object(members), text)
    case .array(var parts):
      guard let index = parts.lastIndex(where: { $0["text"] != nil }), case .object(var part) = parts[index],
        let text = part["text"]?.string
      else { throw TemplateError("the last message has no text to continue") }
      part["text"] = .string(text + continueTag)
      parts[index] = .object(part)
      members["content"] = .array(parts)
      return (.object(members), text)
    default: throw TemplateError("the last message has no text to continue")
    }
  }

  /// The text up to the mark; where the template trimmed the message, blanks in front of it go too.
  private static func cut(_ text: String, after content: String) throws -> String {
    let mark = continueTag.strippedPython()
    let bytes = Array(text.utf8)
    guard !text.places(of: content.strippedPython(), limit: 1).isEmpty || content.strippedPython().isEmpty,
      let start = lastIndex(of: Array(mark.utf8), in: bytes)
    else {
      throw TemplateError(
        "the last message does not appear as it is in the rendered text, so it cannot be continued",
        hint: "the template leaves parts of it out")
    }
    let before = String(decoding: bytes[..<start], as: UTF8.self)
    return bytes[start...].starts(with: continueTag.utf8) ? before : before.strippedPython(left: false)
  }

  private static func lastIndex(of wanted: [UInt8], in bytes: [UInt8]) -> Int? {
    guard bytes.count >= wanted.count else { return nil }
    return (0...bytes.count - wanted.count).last { bytes[$0...].starts(with: wanted) }
  }
}
