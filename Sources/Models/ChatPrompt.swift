// From text and messages to the tokens a model reads: the tokenizer's own flag decides about BOS, the chat template about turns.

import Formats
import Tokenizers

extension LanguageModel {
  /// The tokenizer, or an error that says what to give instead of text.
  public func requiredTokenizer() throws -> Tokenizer {
    guard let tokenizer else {
      throw ModelError(
        "\(name) has no tokenizer, so it reads only token ids", hint: "give a list of ids, or put tokenizer.json beside the weights")
    }
    return tokenizer
  }

  /// The tokens of a text as the model reads it.
  ///
  /// - Parameter special: Whether texts of control tokens inside the text count as such.
  public func encode(_ text: String, special: Bool = false) throws -> [Int] {
    let tokenizer = try requiredTokenizer()
    let ids = tokenizer.encode(text, special: special)
    guard tokenizer.addsBOS, let bos = tokenizer.bosID, ids.first != bos || !special else { return ids }
    return [bos] + ids
  }

  /// The chat template, or an error that says what to give instead of messages.
  ///
  /// - Parameter hasTools: With tools, the template named `tool_use` is meant where the tokenizer came with one.
  public func requiredChatTemplate(hasTools: Bool = false) throws -> ChatTemplate {
    let named = hasTools ? tokenizer?.chatTemplates["tool_use"] : nil
    guard let source = named ?? chatTemplate else {
      throw ModelError(
        "\(name) has no chat template, so it cannot tell turns apart",
        hint: "give a plain text to generate, or load the instruction-tuned model")
    }
    return try ChatTemplate(source)
  }

  /// A conversation as text.
  ///
  /// - Parameters:
  ///   - messages: Maps with `role` and `content`.
  ///   - generationPrompt: Whether the text ends where an answer begins.
  public func render(_ messages: [JSON], generationPrompt: Bool) throws -> String {
    try requiredChatTemplate().render(
      messages: messages, addGenerationPrompt: generationPrompt, bosToken: tokenizer?.bosToken, eosToken: tokenizer?.eosToken)
  }

  /// The tokens of a conversation: the template's text with its control tokens, and one BOS where the tokenizer adds one.
  public func encode(messages: [JSON], generationPrompt: Bool) throws -> [Int] {
    try encode(rendered: render(messages, generationPrompt: generationPrompt))
  }

  /// The tokens of a rendered conversation; a BOS that the template wrote is not written again.
  public func encode(rendered text: String) throws -> [Int] { try encode(text, special: true) }
}
