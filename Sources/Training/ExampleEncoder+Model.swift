// The encoder that goes with a model: its tokenizer and its chat template.

import Formats
import Models
import Tokenizers

extension ExampleEncoder {
  /// The encoder of a model; a model without tokenizer takes rows of ids only.
  public init(model: LanguageModel, maxLength: Int?) throws {
    let tokenizer = model.tokenizer
    let template = try model.chatTemplate.map { try ChatTemplate($0) }
    self.init(
      text: tokenizer.map { TextEncoder($0) }, vocabularySize: model.configuration.vocabularySize, maxLength: maxLength,
      render: template.map { template in
        { messages, generationPrompt in
          try template.render(
            messages: messages, addGenerationPrompt: generationPrompt, bosToken: tokenizer?.bosToken, eosToken: tokenizer?.eosToken)
        }
      })
    marked = template.map { template in
      {
        try template.rendering(messages: $0, addGenerationPrompt: false, bosToken: tokenizer?.bosToken, eosToken: tokenizer?.eosToken)
      }
    }
  }
}
