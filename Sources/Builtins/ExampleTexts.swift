// The words behind a trainer's examples: from the rows of its dataset, or decoded where the rows hold ids only.

import Formats
import Language
import Tokenizers
import Training

/// What a trainer's examples say, for reports.
package final class ExampleTexts {
  let dataset: Dataset
  let tokenizer: Tokenizer?
  /// DPO: the pairs; nil for SFT.
  let pairs: [PreferenceExample]?
  /// SFT: the documents of each example.
  let documents: [[SFTExample]]

  package init(dataset: Dataset, tokenizer: Tokenizer?, pairs: [PreferenceExample]) {
    self.dataset = dataset
    self.tokenizer = tokenizer
    self.pairs = pairs
    documents = []
  }

  init(dataset: Dataset, tokenizer: Tokenizer?, documents: [[SFTExample]]) {
    self.dataset = dataset
    self.tokenizer = tokenizer
    self.documents = documents
    pairs = nil
  }

  var isPreference: Bool { pairs != nil }
  /// Whether the pairs are single answers with labels.
  var isLabelled: Bool { pairs?.first?.label != nil }
  /// What one example is called.
  var unit: String { isLabelled ? "answer" : isPreference ? "pair" : "example" }

  /// Prompt and answers of a pair as text; as ids where the model has no tokenizer.
  func pair(_ index: Int) -> (prompt: Value, chosen: Value, rejected: Value) {
    guard let pair = pairs?[index] else { return (Value.none, Value.none, Value.none) }
    let fields = dataset.rows[pair.row].fields
    let prompt = text(fields["prompt"], pair.prompt)
    if let label = pair.label {
      let answer = text(fields["completion"], pair.chosen + pair.rejected)
      return label ? (prompt, answer, Value.none) : (prompt, Value.none, answer)
    }
    return (prompt, text(fields["chosen"], pair.chosen), text(fields["rejected"], pair.rejected))
  }

  /// An SFT example as text.
  func document(_ index: Int) -> Value {
    guard documents.indices.contains(index) else { return Value.none }
    let ids = documents[index].flatMap(\.ids)
    return tokenizer.map { .string($0.decode(ids)) } ?? .list(ids.map { .int(Int64($0)) })
  }

  /// The text of one token, or its number.
  func token(_ id: Int) -> String { tokenizer?.decode([id]) ?? "\(id)" }

  private func text(_ field: JSON?, _ ids: [Int]) -> Value {
    if let text = field?.string { return .string(text) }
    if let messages = field?.array { return .string(messages.compactMap { $0["content"]?.string }.joined(separator: "\n\n")) }
    return tokenizer.map { .string($0.decode(ids)) } ?? .list(ids.map { .int(Int64($0)) })
  }
}
