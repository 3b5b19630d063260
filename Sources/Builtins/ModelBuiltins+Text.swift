// Between text, tokens and conversations.

import Formats
import Language
import Models
import Tokenizers

func textModelBuiltins() -> [Builtin] {
  [
    Builtin(
      "tokenize", category: modelCategory,
      [
        tokenizerParameter, inputParameter(), specialParameter,
        Parameter("bos", .bool, default: false, help: "whether the token that begins a text is put in front"),
      ],
      returns: "list", summary: "The token ids of a text.", example: "m = load(\"smollm2\")\ntokenize(m, \"Ahoy there\")",
      details: "Nothing is added unless bos is true. Messages go through the chat template, with its control tokens."
    ) { call in
      let tokenizer = try call.tokenizer()
      var ids: [Int]
      switch try ModelInput(call["text"], "text") {
      case .ids(let given): ids = given
      case .text(let text): ids = tokenizer.encode(text, special: try call.bool("special"))
      case .messages(let messages): ids = tokenizer.encode(try render(call, messages, generationPrompt: false), special: true)
      }
      if try call.bool("bos") {
        guard let bos = tokenizer.bosID else { throw ZsError("this tokenizer has no token that begins a text", argument: "bos") }
        if ids.first != bos { ids.insert(bos, at: 0) }
      }
      return idsValue(ids)
    },
    Builtin(
      "pieces", category: modelCategory, [tokenizerParameter, inputParameter("ids", help: "a list of token ids, or a str to tokenize")],
      returns: "list", summary: "The text of each token by itself.", example: "m = load(\"smollm2\")\npieces(m, \"Ahoy there\")",
      details: "Bytes that are no character of their own are shown as the tokenizer writes them."
    ) { call in
      let tokenizer = try call.tokenizer()
      return .list(try checkedIDs(call, "ids", tokenizer).map { .string(tokenizer.piece($0)) })
    },
    Builtin(
      "detokenize", category: modelCategory,
      [
        tokenizerParameter, inputParameter("ids", help: "a list of token ids"),
        Parameter("skip_special", .bool, default: false, aliases: ["skip_special_tokens"], help: "whether control tokens are left out"),
      ],
      returns: "str", summary: "The text of token ids.", example: "m = load(\"smollm2\")\ndetokenize(m, tokenize(m, \"Ahoy there\"))"
    ) { call in
      let tokenizer = try call.tokenizer()
      return .string(tokenizer.decode(try checkedIDs(call, "ids", tokenizer), skipSpecial: try call.bool("skip_special")))
    },
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
          "template", .string, default: Value.none, aliases: ["chat_template"], help: "a Jinja template instead of the model's own"),
        Parameter("bos_token", .string, default: Value.none, help: "what bos_token is in the template"),
        Parameter("eos_token", .string, default: Value.none, help: "what eos_token is in the template"),
      ],
      returns: "str", summary: "A conversation as the text that the model reads.",
      example: "render(none, [{role: \"user\", content: \"Ahoy\"}], template: \"{% for m in messages %}<{{ m.content }}>{% endfor %}\")"
    ) { call in
      let messages: [JSON]
      switch try ModelInput(call["messages"], "messages") {
      case .text(let text): messages = [Message(role: "user", content: text).json]
      case .messages(let given): messages = given
      case .ids(let ids):
        guard ids.isEmpty else { throw ZsError(kind: "type", message: "render takes messages, not token ids", argument: "messages") }
        messages = []
      }
      return .string(try render(call, messages, generationPrompt: try call.bool("generation_prompt")))
    },
  ]
}

/// The text of messages under the call's own template, or that of its model or tokenizer.
private func render(_ call: Call, _ messages: [JSON], generationPrompt: Bool) throws -> String {
  var source = try call.builtin.name == "render" ? call.optionalString("template") : nil
  var bos = try call.builtin.name == "render" ? call.optionalString("bos_token") : nil
  var eos = try call.builtin.name == "render" ? call.optionalString("eos_token") : nil
  let isGiven = source != nil
  var name = "the tokenizer"
  if case .object(let object as ModelValue) = call["m"] {
    source = source ?? object.model.chatTemplate
    name = object.model.name
  }
  if case .object = call["m"], let tokenizer = try? call.tokenizer() {
    source = source ?? tokenizer.chatTemplate
    bos = bos ?? tokenizer.bosToken
    eos = eos ?? tokenizer.eosToken
  }
  guard let source else {
    throw ZsError("\(call["m"].isNone ? "render" : name) has no chat template", hint: "give one: render(m, messages, template: \"…\")")
  }
  do {
    return try ChatTemplate(source).render(messages: messages, addGenerationPrompt: generationPrompt, bosToken: bos, eosToken: eos)
  } catch let error as TemplateError {
    throw ZsError(
      kind: "template", message: "\(isGiven ? "the template" : "the chat template of \(name)"): \(error.message)", hint: error.hint)
  }
}

/// A list of ids as a value.
func idsValue(_ ids: [Int]) -> Value { .list(ids.map { .int(Int64($0)) }) }

/// Ids that the tokenizer has.
private func checkedIDs(_ call: Call, _ name: String, _ tokenizer: Tokenizer) throws -> [Int] {
  let ids: [Int]
  switch try ModelInput(call[name], name) {
  case .ids(let given): ids = given
  case .text(let text): ids = tokenizer.encode(text, special: false)
  case .messages(let messages): ids = tokenizer.encode(try render(call, messages, generationPrompt: false), special: true)
  }
  for id in ids where id < 0 || id >= tokenizer.vocabularySize {
    throw ZsError("\(id) is no token id; they run from 0 to \(tokenizer.vocabularySize - 1)", argument: name)
  }
  return ids
}
