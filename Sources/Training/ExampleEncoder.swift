// A dataset → ids, for one model: rendering by its chat template, tokenizing, and the account of rows that gave nothing.
// What becomes of one row is in ExampleEncoder+Rows.swift.

import Formats
import Tokenizers

/// How texts become ids.
public struct TextEncoder {
  /// The ids of a text, in which texts of control tokens count as those tokens.
  let encode: (String) -> [Int]
  /// What is appended to an answer that does not end in it.
  let end: String?
  /// What plain text begins with.
  let beginning: Int?

  /// An encoder from its parts.
  public init(encode: @escaping (String) -> [Int], end: String?, beginning: Int?) {
    self.encode = encode
    self.end = end
    self.beginning = beginning
  }

  /// A tokenizer's own conventions.
  public init(_ tokenizer: Tokenizer) {
    self.init(
      encode: { tokenizer.encode($0, special: true) }, end: tokenizer.eosToken, beginning: tokenizer.addsBOS ? tokenizer.bosID : nil)
  }
}

/// What becomes of a preference pair that is longer than the limit.
public enum Truncation: Sendable, Equatable {
  /// TRL from 1.0 on: prompt and answer together lose their end.
  case keepStart
  /// The original repository and TRL to 0.11: where the longer answer does not fit, the prompt keeps its last `maxPromptLength` tokens;
  /// where that is not enough, both answers keep their first max_length − `maxPromptLength`.
  case legacy(maxPromptLength: Int)
}

/// Turns rows of a dataset into examples for one model.
public struct ExampleEncoder {
  /// How text becomes ids; without it only rows that hold ids can be used.
  let text: TextEncoder?
  /// Ids run from 0 to below this.
  public let vocabularySize: Int
  /// The most tokens a prompt and its answer may have; nil for no limit.
  public let maxLength: Int?
  /// How pairs are cut to it.
  public var truncation = Truncation.keepStart
  /// Renders messages by the model's chat template, with or without the opening of an answer; nil without a template.
  let render: ((_ messages: [JSON], _ generationPrompt: Bool) throws -> String)?
  /// Renders messages with the parts that the template marks as the assistant's; nil where nobody asks for them.
  var marked: ((_ messages: [JSON]) throws -> ChatTemplate.Rendering)?

  /// An encoder.
  public init(
    text: TextEncoder?, vocabularySize: Int, maxLength: Int?, render: (([JSON], Bool) throws -> String)?
  ) {
    self.text = text
    self.vocabularySize = vocabularySize
    self.maxLength = maxLength
    self.render = render
  }

  /// A prompt alone, with the opening of an answer, or a prompt with its answer, rendered or joined and then tokenized.
  func encode(_ prompt: JSON, _ answer: JSON?, generationPrompt: Bool = true) throws -> [Int] {
    guard let encoder = text else {
      throw TrainingError(
        "the model has no tokenizer, so rows of text cannot be used", hint: "give rows of ids: prompt_ids, chosen_ids, rejected_ids")
    }
    if let messages = prompt.array {
      guard let render else {
        throw TrainingError("the model has no chat template, so messages cannot be used", hint: "give prompts and answers as strings")
      }
      let text: String
      do {
        text = try render(messages + (answer?.array ?? []), answer == nil && generationPrompt)
      } catch {
        throw RowProblem("the chat template refuses it: \(error)")
      }
      return encoder.encode(text)
    }
    // Plain text: the tokenizer's own BOS, and the end of text after the answer if it is not there yet.
    var text = prompt.string ?? ""
    if let answer = answer?.string {
      text += answer
      if let end = encoder.end, !answer.hasSuffix(end) { text += end }
    }
    return (encoder.beginning.map { [$0] } ?? []) + encoder.encode(text)
  }

  func known(_ ids: JSON) throws -> [Int] {
    let ids = (ids.array ?? []).compactMap(\.int)
    if let id = ids.first(where: { $0 < 0 || $0 >= vocabularySize }) {
      throw RowProblem("\(id) is no token id of this model: they run from 0 to \(vocabularySize - 1)")
    }
    return ids
  }
}

/// The number of leading ids that two sequences share.
func commonPrefix(_ a: [Int], _ b: [Int]) -> Int {
  zip(a, b).prefix { $0 == $1 }.count
}

/// A dataset in ids: what a trainer trains on, and what it had to leave out or cut.
public struct EncodedDataset<Example> {
  /// The examples.
  public var examples: [Example] = []
  /// Rows of the dataset that gave none.
  public var skipped: [SkippedRow] = []
  /// Examples that were longer than the limit.
  public var cut = 0
}

extension ExampleEncoder {
  /// The pairs of a dataset; `poll` is called now and then and may throw.
  public func pairs(_ dataset: Dataset, poll: () throws -> Void = {}) throws -> EncodedDataset<PreferenceExample> {
    try all(dataset, kind: .preferences, poll) { try pair($0, index: $1) }
  }

  /// The documents of a dataset with their masks.
  public func documents(
    _ dataset: Dataset, assistantOnly: Bool, completionOnly: Bool, poll: () throws -> Void = {}
  ) throws -> EncodedDataset<SFTExample> {
    try all(dataset, kind: .conversations, poll) {
      try document($0, index: $1, assistantOnly: assistantOnly, completionOnly: completionOnly)
    }
  }

  private func all<Example>(
    _ dataset: Dataset, kind: DatasetKind, _ poll: () throws -> Void, _ encode: (DatasetRow, Int) throws -> (example: Example, isCut: Bool)
  ) throws -> EncodedDataset<Example> {
    try dataset.requireRows()
    var result = EncodedDataset<Example>()
    for (index, row) in dataset.rows.enumerated() {
      if index % 64 == 0 { try poll() }
      do {
        let (example, isCut) = try encode(row, index)
        result.examples.append(example)
        result.cut += isCut ? 1 : 0
      } catch let problem as RowProblem {
        result.skipped.append(SkippedRow(line: row.line, reason: problem.reason))
      }
    }
    if result.examples.isEmpty, let first = result.skipped.first {
      throw TrainingError("\(noneOf(dataset.rows.count, dataset.name)) be used; line \(first.line): \(first.reason)")
    }
    return result
  }
}
