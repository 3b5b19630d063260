// Checks of scores: ties and wrong order in pairs, and in scored answers the 1 that became a 10 (UltraFeedback issue 8: a parser read
// "Overall Score: 1" as 10, so that the worst answers look best), scores out of their scale, prompts that give no pair.

import Formats

extension DatasetLint {
  /// Pairs that bring the scores they were made from.
  static func scores(ofPairs rows: [Fields]) -> [LintFinding] {
    var (ties, wrong, tens): ([Int], [Int], [Int]) = ([], [], [])
    for (index, fields) in rows.enumerated() {
      guard let chosen = number(fields["score_chosen"]), let rejected = number(fields["score_rejected"]) else { continue }
      if chosen == rejected { ties.append(index) }
      if chosen < rejected { wrong.append(index) }
      if chosen == 10, let aspects = aspects(fields["chosen_annotations"] ?? fields["annotations"] ?? .null), aspects <= doubtful {
        tens.append(index)
      }
    }
    return findings(ties: ties, wrong: wrong) + tenFindings(tens, "pair")
  }

  private static func findings(ties: [Int], wrong: [Int]) -> [LintFinding] {
    var findings: [LintFinding] = []
    if !ties.isEmpty {
      findings.append(
        LintFinding(
          "tie", .warning, rows: ties, says: "\(count(ties.count, "pair")) whose answers have the same score",
          advice: "drop them: which one is better is chance"))
    }
    if !wrong.isEmpty {
      findings.append(
        LintFinding(
          "score_order", .error, rows: wrong, says: "\(count(wrong.count, "pair")) whose rejected answer has the higher score",
          advice: "swap the sides or drop them"))
    }
    return findings
  }

  /// Rows of scored answers: `prompt` or `instruction`, and `completions` with `score` or `overall_score`.
  public static func findings(inScored rows: [JSON], poll: () throws -> Void = {}) throws -> [LintFinding] {
    var (tens, outside, equal, missing, empty, same): ([Int], [Int], [Int], [Int], [Int], [Int]) = ([], [], [], [], [], [])
    var all: [Double] = []
    var (longer, pairs) = (0, 0)
    for (index, row) in rows.enumerated() {
      try poll()
      let answers = row["completions"]?.array ?? []
      let scores = answers.map { number($0["overall_score"]) ?? number($0["score"]) }
      if answers.isEmpty || scores.contains(where: { $0 == nil }) { missing.append(index) }
      let numbers = scores.compactMap { $0 }
      all += numbers
      if numbers.count > 1, numbers.allSatisfy({ $0 == numbers[0] }) { equal.append(index) }
      if numbers.contains(where: { !$0.isFinite || $0 < 0 || $0 > 10 }) { outside.append(index) }
      let texts = answers.map { $0["text"]?.string ?? $0["response"]?.string ?? "" }
      if texts.contains(where: isBlank) { empty.append(index) }
      if Set(texts.filter { !isBlank($0) }.map(normalized)).count < texts.count(where: { !isBlank($0) }) { same.append(index) }
      if zip(answers, scores).contains(where: { isSuspiciousTen($0, $1) }) { tens.append(index) }
      for (a, b) in zip(texts.indices, texts.indices.dropFirst()) {
        guard let first = scores[a], let second = scores[b], first != second, texts[a].count != texts[b].count else { continue }
        pairs += 1
        if (first > second) == (texts[a].count > texts[b].count) { longer += 1 }
      }
    }
    var findings = tenFindings(tens, "prompt")
    func add(_ check: String, _ severity: LintFinding.Severity, _ rows: [Int], _ what: String, _ advice: String) {
      if !rows.isEmpty {
        findings.append(LintFinding(check, severity, rows: rows, says: "\(count(rows.count, "prompt")) \(what)", advice: advice))
      }
    }
    add(
      "no_score", .error, missing, "with no answers, or an answer without a number for its score",
      "binarize leaves them out; judge them again")
    add("score_range", .warning, outside, "with a score that is not from 0 to 10", "look for the parser's mistake")
    add("equal_scores", .warning, equal, "whose answers all have one score", "they give no pair; a finer judge would tell them apart")
    add("empty_answer", .warning, empty, "with an empty answer", "drop the answer")
    add("same_answer", .info, same, "with two answers that are the same", "drop one, or it may end up on both sides of a pair")
    let p = PairedTests.signTest(positive: longer, negative: pairs - longer)
    if pairs >= 20, p < 0.01, Double(longer) / Double(pairs) >= 0.55 {
      findings.append(
        LintFinding(
          "length_bias", .warning, rows: [],
          says:
            "of two answers the longer one has the better score in \(percent(Double(longer) / Double(pairs))) of \(pairs) comparisons (sign test)",
          advice: "a judge that likes length makes pairs that teach length"))
    }
    if Set(all).count == 2, all.count > 8 {
      findings.append(
        LintFinding(
          "coarse_scores", .info, rows: [], says: "there are only two scores, \(all.min() ?? 0) and \(all.max() ?? 0)",
          advice: "many ties, and no way to tell a close pair from a clear one"))
    }
    return findings.sorted { ($1.severity, $1.rows.count) < ($0.severity, $0.rows.count) }
  }

  /// A mean of aspects up to which an overall 10 is doubted: their scale ends at 5.
  private static let doubtful = 3.0

  /// An overall 10 beside poor aspects, or beside a critique that gives a 1.
  private static func isSuspiciousTen(_ answer: JSON, _ score: Double?) -> Bool {
    guard score == 10 else { return false }
    if let mean = number(answer["fine-grained_score"]) ?? aspects(answer["annotations"] ?? .null), mean <= doubtful { return true }
    let critique = answer["critique"]?.string?.lowercased() ?? ""
    return critique.contains("overall score: 1") && !critique.contains("overall score: 10")
  }

  /// The mean rating of UltraFeedback's aspects: `{helpfulness: {Rating: "4"}, …}`.
  private static func aspects(_ annotations: JSON) -> Double? {
    let ratings = (annotations.object ?? [:]).values.compactMap { number($0["Rating"]) ?? number($0) }
    return ratings.isEmpty ? nil : ratings.reduce(0, +) / Double(ratings.count)
  }

  private static func tenFindings(_ rows: [Int], _ what: String) -> [LintFinding] {
    if rows.isEmpty { return [] }
    return [
      LintFinding(
        "score_ten", .error, rows: rows,
        says: "\(count(rows.count, what)) with an overall score of 10 whose aspects or critique are poor: a 1 that was read as 10",
        advice: "set the score to 1, or use the mean of the aspects")
    ]
  }

  private static func number(_ value: JSON?) -> Double? { value?.double ?? value?.string.flatMap { Double($0) } }
}
