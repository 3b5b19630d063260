// Multiple choice by log-likelihood, as lm-evaluation-harness does it, over rows in the shapes of ARC, HellaSwag, MMLU and TruthfulQA.

import Formats
import Models
import Training

/// A question with the texts that may follow it.
public struct ChoiceQuestion: Sendable, Equatable {
  /// What stands before each choice.
  public var context: String
  /// The choices as they are appended, their leading blank included.
  public var choices: [String]
  /// Positions of the right ones; several only for TruthfulQA's mc2.
  public var right: [Int]
  /// Which shape the row had: `arc`, `hellaswag`, `mmlu`, `truthfulqa` or `plain`.
  public var shape: String
  /// The row's subject or category, if it has one.
  public var category: String

  /// Reads a row of any of the shapes.
  ///
  /// - Throws: `TrainingError` saying what is missing.
  public init(row: JSON) throws {
    category = row["subject"]?.string ?? row["category"]?.string ?? row["activity_label"]?.string ?? ""
    if let endings = row["endings"]?.array?.compactMap(\.string), !endings.isEmpty {
      self = try ChoiceQuestion(hellaswag: row, endings, category)
    } else if let targets = row["mc2_targets"] ?? row["mc1_targets"] {
      self = try ChoiceQuestion(truthfulQA: row, targets, category)
    } else if let texts = row["choices"]?["text"]?.array?.compactMap(\.string) {
      let labels = row["choices"]?["label"]?.array?.compactMap(\.string) ?? []
      guard let key = row["answerKey"]?.string, let right = labels.firstIndex(of: key), texts.count == labels.count else {
        throw TrainingError("'answerKey' is none of the labels of 'choices'")
      }
      context = "Question: \(try text("question", row))\nAnswer:"
      (choices, self.right, shape) = (texts.map { " \($0)" }, [right], "arc")
    } else if let texts = row["choices"]?.array?.compactMap(\.string), texts.count > 1 {
      let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ".map { String($0) }.prefix(texts.count)
      let answer = row["answer"]?.int ?? row["answer"]?.string.flatMap { letters.firstIndex(of: $0) } ?? row["label"]?.int
      guard let answer, texts.indices.contains(answer) else { throw TrainingError("'answer' is no position in 'choices'") }
      if row["context"]?.string != nil || row["prompt"]?.string != nil {
        let given = try row["context"]?.string ?? text("prompt", row)
        let endsOpen = given.hasSuffix(" ")
        context = given
        (choices, right, shape) = (texts.map { $0.hasPrefix(" ") || endsOpen ? $0 : " \($0)" }, [answer], "plain")
      } else {
        guard texts.count == letters.count else { throw TrainingError("\(texts.count) choices are more than there are letters for") }
        let listed = zip(letters, texts).map { "\($0). \($1)" }.joined(separator: "\n")
        context = "\(stripped(try text("question", row)))\n\(listed)\nAnswer:"
        (choices, right, shape) = (letters.map { " \($0)" }, [answer], "mmlu")
      }
    } else {
      throw TrainingError(
        "no choices", hint: "a row has question and choices with answer (MMLU) or answerKey (ARC), endings (HellaSwag), or mc2_targets")
    }
    moveTrailingBlanks()
  }

  private init(hellaswag row: JSON, _ endings: [String], _ category: String) throws {
    let label = row["label"]?.int ?? row["label"]?.string.flatMap { Int($0) }
    guard let label, endings.indices.contains(label) else { throw TrainingError("'label' is no position in 'endings'") }
    let begun: String
    if let a = row["ctx_a"]?.string, let b = row["ctx_b"]?.string {
      begun = "\(a) \(capitalized(b))"
    } else {
      begun = try text("ctx", row)
    }
    let activity = row["activity_label"]?.string.map { "\($0): " } ?? ""
    context = cleaned(activity + begun)
    choices = endings.map { " \(cleaned($0))" }
    (right, shape, self.category) = ([label], "hellaswag", category)
  }

  private init(truthfulQA row: JSON, _ targets: JSON, _ category: String) throws {
    let texts = (targets["choices"]?.array ?? []).compactMap(\.string)
    let labels = (targets["labels"]?.array ?? []).compactMap(\.int)
    guard texts.count > 1, texts.count == labels.count, labels.contains(1) else {
      throw TrainingError("'mc2_targets' needs choices and as many labels, at least one of them 1")
    }
    context = "Q: \(try text("question", row))\nA:"
    choices = texts.map { " \($0)" }
    right = labels.indices.filter { labels[$0] == 1 }
    (shape, self.category) = ("truthfulqa", category)
  }

  /// Blanks at the end of the context belong to the choices, where tokenizers expect them.
  private mutating func moveTrailingBlanks() {
    let blanks = context.reversed().prefix { $0 == " " }.count
    guard blanks > 0 else { return }
    context.removeLast(blanks)
    choices = choices.map { $0.hasPrefix(" ") ? $0 : String(repeating: " ", count: blanks) + $0 }
  }

  /// The context with its right choice, for a prompt that shows examples.
  var solved: String { context + (right.first.map { choices[$0] } ?? "") }
}

/// HellaSwag's `[title]` becomes a full stop; other brackets go, as do double blanks.
private func cleaned(_ text: String) -> String {
  var text = pieces(of: stripped(text), between: #/ \[title\]/#).joined(separator: ". ")
  text = pieces(of: text, between: #/\[.*?\]/#).joined()
  return pieces(of: text, between: #/ {2}/#).joined(separator: " ")
}

private func text(_ name: String, _ row: JSON) throws -> String {
  guard let text = row[name]?.string else { throw TrainingError("no '\(name)'") }
  return text
}

/// How a model did on one question.
public struct ChoiceResult: Sendable, Equatable {
  /// Σ log p of each choice, nats.
  public var logProbabilities: [Double]
  /// The choice with the largest sum.
  public var picked: Int
  /// The choice with the largest sum per character.
  public var pickedPerCharacter: Int
  /// The choice with the largest sum per token.
  public var pickedPerToken: Int
  /// The share of the right choices among the probabilities of all: TruthfulQA's mc2.
  public var rightShare: Double

  init(_ values: [[Double]], _ question: ChoiceQuestion) {
    let sums = values.map { $0.reduce(0, +) }
    logProbabilities = sums
    func best(_ scores: [Double]) -> Int { scores.indices.reduce(0) { scores[$1] > scores[$0] ? $1 : $0 } }
    picked = best(sums)
    // The harness counts the characters of the choice without the one blank that separates it.
    pickedPerCharacter = best(
      zip(sums, question.choices).map { sum, choice in
        sum / Double(max(1, choice.unicodeScalars.count - (choice.hasPrefix(" ") ? 1 : 0)))
      })
    pickedPerToken = best(zip(sums, values).map { $0 / Double(max(1, $1.count)) })
    let top = sums.max() ?? 0
    let shares = sums.map { exponential($0 - top) }
    rightShare = question.right.reduce(0) { $0 + shares[$1] } / shares.reduce(0, +)
  }
}

/// Answers questions by log-likelihood.
///
/// - Parameter shots: Solved questions in front of each one, two line ends between them.
/// - Throws: `PipelineStopped` when the watch says so.
public func answerChoices(
  _ model: LanguageModel, _ questions: [ChoiceQuestion], shots: [ChoiceQuestion] = [], watch: PipelineWatch = PipelineWatch()
) throws -> [ChoiceResult] {
  let scorer = try ContinuationScorer(model)
  let head = shots.map { $0.solved + "\n\n" }.joined()
  return try questions.enumerated().map { place, question in
    if watch.shouldStop() { throw PipelineStopped() }
    watch.progress("questions", place, questions.count, "")
    return ChoiceResult(
      try scorer.logProbabilities(context: head + question.context, choices: question.choices, special: false), question)
  }
}
