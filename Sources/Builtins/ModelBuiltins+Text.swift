// Between text, tokens and conversations.

import Formats
import Language
import Models
import Tokenizers

func textModelBuiltins() -> [Builtin] {
  renderBuiltins() + [
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
      case .messages(let messages): ids = tokenizer.encode(try renderedText(call, messages), special: true)
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
  ]
}

/// A list of ids as a value.
func idsValue(_ ids: [Int]) -> Value { .list(ids.map { .int(Int64($0)) }) }

/// Ids that the tokenizer has.
private func checkedIDs(_ call: Call, _ name: String, _ tokenizer: Tokenizer) throws -> [Int] {
  let ids: [Int]
  switch try ModelInput(call[name], name) {
  case .ids(let given): ids = given
  case .text(let text): ids = tokenizer.encode(text, special: false)
  case .messages(let messages): ids = tokenizer.encode(try renderedText(call, messages), special: true)
  }
  for id in ids where id < 0 || id >= tokenizer.vocabularySize {
    throw ZsError("\(id) is no token id; they run from 0 to \(tokenizer.vocabularySize - 1)", argument: name)
  }
  return ids
}
