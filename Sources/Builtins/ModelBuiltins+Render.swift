// Conversations as the text that a model reads, and as a table of its tokens: whose turn each belongs to, and whether training
// on what the assistant says would train it.

import Formats
import Language
import Models
import OrderedCollections
import Tokenizers

func renderBuiltins() -> [Builtin] {
  [
    Builtin(
      "render", category: modelCategory,
      [
        Parameter(
          "m", .anyOf([.object("model"), .object("tokenizer")]), default: Value.none,
          help: "a model or tokenizer; none if a template is given"),
        Parameter(
          "messages", .anyOf([.list, .string, .object("conversation")]), help: "a list of {role, content}, or the text of one user"),
        Parameter(
          "generation_prompt", .bool, default: true, aliases: ["add_generation_prompt"],
          help: "whether the text ends where an answer begins"),
        Parameter(
          "template", .string, default: Value.none, aliases: ["chat_template"],
          help: "a Jinja template instead of the model's own, or the name of one of several that came with it"),
        Parameter("bos_token", .string, default: Value.none, help: "what bos_token is in the template"),
        Parameter("eos_token", .string, default: Value.none, help: "what eos_token is in the template"),
        Parameter(
          "continue_final_message", .bool, default: false,
          help: "whether the text ends with the content of the last message, to be continued; then there is no generation prompt"),
        Parameter("tools", .list, default: Value.none, help: "JSON schemas of functions, for templates that show them"),
        Parameter("documents", .list, default: Value.none, help: "documents, for templates that show them"),
        Parameter(
          "options", .map, default: Value.none, aliases: ["chat_template_kwargs", "template_kwargs"],
          help: "further variables of the template, such as {enable_thinking: false}"),
        Parameter("tokens", .bool, default: false, help: "whether the result is rows of tokens instead of the text"),
      ],
      returns: "str", summary: "A conversation as the text that the model reads, or with tokens: true as a table of its tokens.",
      example: "render(none, [{role: \"user\", content: \"Ahoy\"}], template: \"{% for m in messages %}<{{ m.content }}>{% endfor %}\")",
      details: """
        Rows of tokens have position, id, piece, turn (the message's index; none for what opens an answer), role, and trained: whether
        training on the assistant alone trains the token, by the template's {% generation %} marks where it has them. What a template
        writes in front of the first message (BOS, a system prompt of its own) counts to that message.
        A tokenizer that puts BOS in front puts none where the template wrote one. With tools, a template named tool_use is preferred.
        """
    ) { call in
      let messages = try renderMessages(call)
      let source = try TemplateSource(call, hasTools: !call["tools"].isNone)
      let text = try source.rendering(messages).text
      guard try call.bool("tokens") else { return .string(text) }
      return .list(try tokenRows(call, source, messages, text))
    }
  ]
}

private func renderMessages(_ call: Call) throws -> [JSON] {
  switch try ModelInput(call["messages"], "messages") {
  case .text(let text): return [Message(role: "user", content: text).json]
  case .messages(let given): return given
  case .ids(let ids):
    guard ids.isEmpty else { throw ZsError(kind: "type", message: "render takes messages, not token ids", argument: "messages") }
    return []
  }
}

/// The text of messages under the template of a call's model or tokenizer, without the opening of an answer.
func renderedText(_ call: Call, _ messages: [JSON]) throws -> String {
  try TemplateSource(call, hasTools: false).rendering(messages, generationPrompt: false).text
}

/// The template of a call, and what it is rendered with.
private struct TemplateSource {
  let template: ChatTemplate
  let options: RenderOptions
  private let owner: String

  init(_ call: Call, hasTools: Bool) throws {
    let isRender = call.builtin.name == "render"
    var options = RenderOptions()
    var templates: [String: String] = [:]
    var name = "render"
    var own: String?
    if case .object(let object) = call["m"] {
      let tokenizer = object is ModelValue ? try call.model().tokenizer : try call.tokenizer()
      name = (object as? ModelValue)?.model.name ?? "the tokenizer"
      templates = tokenizer?.chatTemplates ?? [:]
      own = (object as? ModelValue)?.model.chatTemplate
      options.bosToken = tokenizer?.bosToken
      options.eosToken = tokenizer?.eosToken
    }
    let usual = (hasTools ? templates["tool_use"] : nil) ?? own ?? templates["default"]
    var given: String?
    if isRender {
      given = try call.optionalString("template")
      options.bosToken = try call.optionalString("bos_token") ?? options.bosToken
      options.eosToken = try call.optionalString("eos_token") ?? options.eosToken
      options.continueFinalMessage = try call.bool("continue_final_message")
      options.generationPrompt = try call.bool("generation_prompt") && !(options.continueFinalMessage && !call.given("generation_prompt"))
      options.tools = try call["tools"].isNone ? nil : call["tools"].asJSON()
      options.documents = try call["documents"].isNone ? nil : call["documents"].asJSON()
      if case .object(let members) = try call["options"].asJSON() {
        for (key, value) in members { options.variables[key] = value }
      }
    }
    guard let source = given.map({ templates[$0] ?? $0 }) ?? usual else {
      throw ZsError("\(name) has no chat template", hint: "give one: render(m, messages, template: \"…\")")
    }
    owner = given == nil ? "the chat template of \(name)" : "the template"
    self.options = options
    do {
      template = try ChatTemplate(source)
    } catch let error as TemplateError {
      throw TemplateSource.error(error, owner)
    }
  }

  func rendering(_ messages: [JSON], generationPrompt: Bool? = nil) throws -> ChatTemplate.Rendering {
    var options = options
    if let generationPrompt {
      options.generationPrompt = generationPrompt
      options.continueFinalMessage = false
    }
    do {
      return try template.rendering(messages: messages, options: options)
    } catch let error as TemplateError {
      throw TemplateSource.error(error, owner)
    }
  }

  private static func error(_ error: TemplateError, _ owner: String) -> ZsError {
    let place = error.line > 0 ? ", line \(error.line), column \(error.column)" : ""
    return ZsError(kind: "template", message: "\(owner)\(place): \(error.message)", hint: error.hint)
  }
}

/// A row for each token of a rendered conversation.
private func tokenRows(_ call: Call, _ source: TemplateSource, _ messages: [JSON], _ text: String) throws -> [Value] {
  guard case .object(let object) = call["m"] else {
    throw ZsError("tokens need a model or a tokenizer", hint: "render(m, messages, tokens: true)", argument: "m")
  }
  let tokenizer = try call.tokenizer()
  let model = (object as? ModelValue)?.model
  let encode = { (text: String) in try model?.encode(rendered: text) ?? tokenizer.encode(text, special: true) }
  let ids = try encode(text)
  // A turn ends where the tokens of the conversation up to it and those of all part ways.
  var ends: [Int?] = []
  for count in messages.indices {
    guard count + 1 < messages.count else {
      ends.append(commonPrefix(try encode(source.rendering(messages, generationPrompt: false).text), ids))
      continue
    }
    do {
      ends.append(commonPrefix(try encode(source.rendering(Array(messages[...count]), generationPrompt: false).text), ids))
    } catch is ZsError {
      // Some templates refuse a conversation that is cut here; the turn is then told together with the next.
      ends.append(nil)
    }
  }
  let trained = try assistantMask(source, messages, ids, ends, encode)
  return ids.enumerated().map { position, id in
    let turn = ends.firstIndex { $0.map { position < $0 } ?? false }
    let role = turn.map { messages[$0]["role"]?.string ?? "" } ?? "assistant"
    return .map([
      "position": .int(Int64(position)), "id": .int(Int64(id)), "piece": .string(tokenizer.piece(id)),
      "turn": turn.map { .int(Int64($0)) } ?? Value.none, "role": .string(role), "trained": .bool(trained[position]),
    ])
  }
}

/// Which tokens the assistant says: by the template's own marks, else from the opening of an answer to the end of its turn.
private func assistantMask(
  _ source: TemplateSource, _ messages: [JSON], _ ids: [Int], _ ends: [Int?], _ encode: (String) throws -> [Int]
) throws -> [Bool] {
  if let marked = try source.rendering(messages).generationMask(ids, encode: encode) { return marked }
  var trained = [Bool](repeating: false, count: ids.count)
  for (index, message) in messages.enumerated() where message["role"] == "assistant" {
    guard let end = ends[index] else { continue }
    let before = try encode(source.rendering(Array(messages[..<index]), generationPrompt: true).text)
    let start = commonPrefix(before, ids)
    for position in start..<max(start, end) { trained[position] = true }
  }
  return trained
}

private func commonPrefix(_ a: [Int], _ b: [Int]) -> Int { zip(a, b).prefix { $0 == $1 }.count }
