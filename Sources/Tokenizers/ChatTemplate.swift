// A conversation → the text a model was trained on, by the template that came with the model. The environment is
// transformers': sandboxed, trim_blocks, lstrip_blocks, loop controls, the generation tag, tojson without HTML escapes.

import Formats
import OrderedCollections

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// One turn of a conversation.
public struct Message: Sendable, Equatable {
  /// Who speaks: `system`, `user`, `assistant`.
  public var role: String
  /// What is said.
  public var content: String

  /// Makes a turn.
  public init(role: String, content: String) {
    self.role = role
    self.content = content
  }

  /// The turn as a template sees it.
  public var json: JSON { .object(["role": .string(role), "content": .string(content)]) }
}

/// A chat template, parsed.
public struct ChatTemplate: Sendable {
  /// The template's text.
  public let source: String
  private let program: JinjaProgram

  /// Reads a template.
  ///
  /// - Throws: `TemplateError` with line and column where the text is no template.
  public init(_ source: String) throws {
    self.source = source
    program = try JinjaParser.parse(source)
  }

  /// A rendered conversation.
  public struct Rendering: Sendable, Equatable {
    /// The text.
    public var text: String
    /// The parts inside `{% generation %}`, in UTF-8 offsets: what an assistant said, where the template marks it.
    public var generations: [Range<Int>]
  }

  /// The text of a conversation.
  ///
  /// - Parameters:
  ///   - messages: Maps with `role` and `content`, and whatever else the template reads.
  ///   - addGenerationPrompt: Whether the text ends where an answer of the assistant begins.
  ///   - extra: Other variables: `tools`, `documents`, `enable_thinking` …
  public func render(
    messages: [JSON], addGenerationPrompt: Bool, bosToken: String?, eosToken: String?, extra: [String: JSON] = [:]
  ) throws -> String {
    try rendering(
      messages: messages, addGenerationPrompt: addGenerationPrompt, bosToken: bosToken, eosToken: eosToken, extra: extra
    ).text
  }

  /// The text of a conversation, with the parts that the template marks as generated.
  public func rendering(
    messages: [JSON], addGenerationPrompt: Bool, bosToken: String?, eosToken: String?, extra: [String: JSON] = [:]
  ) throws -> Rendering {
    var variables = extra
    variables["messages"] = .array(messages.map(Self.withReasoning))
    variables["add_generation_prompt"] = .bool(addGenerationPrompt)
    if let bosToken { variables["bos_token"] = .string(bosToken) }
    if let eosToken { variables["eos_token"] = .string(eosToken) }
    for name in ["tools", "documents"] where variables[name] == nil { variables[name] = .null }
    return try rendering(variables: variables)
  }

  /// The text of the template for any variables.
  ///
  /// - Parameter now: Seconds since 1970 that `strftime_now` shows; nil for the clock's.
  public func rendering(variables: [String: JSON], now: Int? = nil) throws -> Rendering {
    try rendering(variables: variables, now: now, stepLimit: JinjaInterpreter.stepLimit)
  }

  /// The same with another limit of steps.
  package func rendering(variables: [String: JSON], now: Int?, stepLimit: Int) throws -> Rendering {
    var context: [String: JinjaValue] = [:]
    for (name, value) in variables { context[name] = try JinjaValue(value) }
    let interpreter = JinjaInterpreter(program, context: context, now: now ?? time(nil), stepLimit: stepLimit)
    let text = try interpreter.render()
    return Rendering(text: text, generations: interpreter.generations)
  }
}

extension JinjaValue {
  init(_ json: JSON) throws {
    switch json {
    case .null: self = .none
    case .bool(let value): self = .bool(value)
    case .int(let value): self = .int(Int(value))
    case .double(let value): self = .double(value)
    case .string(let value): self = .string(value)
    case .array(let items): self = .list(try JinjaSequence(try items.map { try JinjaValue($0) }))
    case .object(let members):
      self = .dictionary(
        try JinjaDictionary(try members.map { (.string($0.key), .text(JinjaText($0.key)), try JinjaValue($0.value)) }))
    }
  }
}
