// Rows of scored answers as data sets hold them, brought to one form: zs's own, UltraFeedback's, and lists by model.

import Formats
import Training

/// Scored prompts read from rows, with what could not be used.
public struct ScoredRows: Sendable {
  /// The usable rows.
  public private(set) var prompts: [ScoredPrompt] = []
  /// The line each prompt stood on, or its number in a list, from 1.
  public private(set) var lines: [Int] = []
  /// The others, with line and reason.
  public private(set) var skipped: [SkippedRow] = []

  /// Reads a file of JSON lines.
  ///
  /// - Throws: `FormatError` where the file cannot be read, `TrainingError` where no row can be used.
  public init(path: String) throws {
    let lines = try JSONLines(path: path)
    try self.init(
      lines.rows.map { ($0.line, $0.value) }, problems: lines.problems.map { SkippedRow(line: $0.line, reason: $0.reason) }, name: path)
  }

  /// Takes rows that are already there.
  public init(rows: [JSON]) throws {
    try self.init(rows.enumerated().map { ($0 + 1, $1) }, problems: [], name: "the list")
  }

  private init(_ rows: [(line: Int, value: JSON)], problems: [SkippedRow], name: String) throws {
    skipped = problems
    for (line, value) in rows {
      do throws(Unusable) {
        prompts.append(try scoredPrompt(value))
        lines.append(line)
      } catch {
        skipped.append(SkippedRow(line: line, reason: error.reason))
      }
    }
    skipped.sort { $0.line < $1.line }
    guard prompts.isEmpty else { return }
    let expectation = "a row has prompt and completions, a list of {model, text, score}; UltraFeedback's own rows work too"
    guard let first = skipped.first else { throw TrainingError("\(name) has no rows", hint: expectation) }
    throw TrainingError(
      "none of the \(skipped.count) rows of \(name) can be used; line \(first.line): \(first.reason)", hint: expectation)
  }
}

/// Why a row cannot be used.
private struct Unusable: Error {
  let reason: String
}

/// One row: `prompt` or UltraFeedback's `instruction`, and `completions`.
private func scoredPrompt(_ row: JSON) throws(Unusable) -> ScoredPrompt {
  guard row.object != nil else { throw Unusable(reason: "the row is \(row.kind), not an object") }
  guard let prompt = row["prompt"]?.string ?? row["instruction"]?.string else { throw Unusable(reason: "no prompt") }
  guard let completions = row["completions"]?.array else { throw Unusable(reason: "no list named completions") }
  var answers: [ScoredAnswer] = []
  for (place, completion) in completions.enumerated() {
    guard let text = completion["text"]?.string ?? completion["response"]?.string else {
      throw Unusable(reason: "completion \(place + 1) has no text")
    }
    let given = completion["score"] ?? completion["overall_score"]
    guard let score = given?.double ?? given?.string.flatMap({ Double($0) }), score.isFinite else {
      throw Unusable(reason: "completion \(place + 1) has no score that is a number")
    }
    answers.append(ScoredAnswer(model: completion["model"]?.string ?? "", text: text, score: score))
  }
  guard answers.count > 1 else { throw Unusable(reason: "\(answers.count == 1 ? "one completion" : "no completions"); a pair needs two") }
  return ScoredPrompt(prompt: prompt, answers: answers)
}
