// Rows of scored answers as data sets hold them, brought to one form: zs's own, UltraFeedback's, and lists by model.

import Formats
import Training

/// Which column of a row counts as the score.
public enum ScoreColumn: String, CaseIterable, Sendable {
  /// `score`, else UltraFeedback's `overall_score` with its tenfold scores mended.
  case score
  /// The mean of the aspect ratings: the choice of later releases of ultrafeedback_binarized.
  case mean
}

/// Scored prompts read from rows, with what could not be used.
public struct ScoredRows: Sendable {
  /// The usable rows.
  public private(set) var prompts: [ScoredPrompt] = []
  /// The line each prompt stood on, or its number in a list, from 1.
  public private(set) var lines: [Int] = []
  /// How many overall scores of 10 were put right to 1, by UltraFeedback's own repair.
  public private(set) var mended = 0
  /// The others, with line and reason.
  public private(set) var skipped: [SkippedRow] = []

  /// Reads a file of JSON lines.
  ///
  /// - Throws: `FormatError` where the file cannot be read, `TrainingError` where no row can be used.
  public init(path: String, column: ScoreColumn = .score) throws {
    let lines = try JSONLines(path: path)
    try self.init(
      lines.rows.map { ($0.line, $0.value) }, problems: lines.problems.map { SkippedRow(line: $0.line, reason: $0.reason) }, name: path,
      column: column)
  }

  /// Takes rows that are already there.
  public init(rows: [JSON], column: ScoreColumn = .score) throws {
    try self.init(rows.enumerated().map { ($0 + 1, $1) }, problems: [], name: "the list", column: column)
  }

  private init(_ rows: [(line: Int, value: JSON)], problems: [SkippedRow], name: String, column: ScoreColumn) throws {
    skipped = problems
    for (line, value) in rows {
      do throws(Unusable) {
        prompts.append(try scoredPrompt(value, column, &mended))
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
      "\(noneOf(skipped.count, name)) be used; line \(first.line): \(first.reason)", hint: expectation)
  }
}

/// Why a row cannot be used.
private struct Unusable: Error {
  let reason: String
}

/// One row: `prompt` or UltraFeedback's `instruction`, and `completions`.
private func scoredPrompt(_ row: JSON, _ column: ScoreColumn, _ mended: inout Int) throws(Unusable) -> ScoredPrompt {
  guard row.object != nil else { throw Unusable(reason: "the row is \(row.kind), not an object") }
  guard let prompt = row["prompt"]?.string ?? row["instruction"]?.string else { throw Unusable(reason: "no prompt") }
  guard let completions = row["completions"]?.array else { throw Unusable(reason: "no list named completions") }
  var answers: [ScoredAnswer] = []
  for (place, completion) in completions.enumerated() {
    guard let text = completion["text"]?.string ?? completion["response"]?.string else {
      throw Unusable(reason: "completion \(place + 1) has no text")
    }
    guard let score = try score(of: completion, column, &mended), score.isFinite else {
      throw Unusable(reason: "completion \(place + 1) has no \(column == .mean ? "aspect rating" : "score") that is a number")
    }
    answers.append(ScoredAnswer(model: completion["model"]?.string ?? "", text: text, score: score))
  }
  guard answers.count > 1 else { throw Unusable(reason: "\(answers.count == 1 ? "one completion" : "no completions"); a pair needs two") }
  return ScoredPrompt(prompt: prompt, answers: answers)
}

private func score(of completion: JSON, _ column: ScoreColumn, _ mended: inout Int) throws(Unusable) -> Double? {
  let ratings = (completion["annotations"]?.object ?? [:]).values.compactMap { number($0["Rating"] ?? .null) }
  let mean = ratings.isEmpty ? nil : ratings.reduce(0, +) / Double(ratings.count)
  if column == .mean { return mean ?? completion["fine-grained_score"].flatMap(number) }
  if let score = completion["score"].flatMap(number) { return score }
  guard let overall = completion["overall_score"].flatMap(number) else { return nil }
  switch mendedOverallScore(overall, aspectMean: mean) {
  case .score(let score):
    if score != overall { mended += 1 }
    return score
  case .ask:
    throw Unusable(
      reason:
        "an overall score of 10 beside aspects that average \(mean ?? 0): perhaps a 1 multiplied by ten, which only its critique tells")
  }
}

private func number(_ value: JSON) -> Double? { value.double ?? value.string.flatMap { Double($0) } }
