// Checks of preference pairs: sides that say nothing, prompts in answers, rows that repeat or contradict each other, length.

import Formats

extension DatasetLint {
  static func pairs(_ rows: [LintRow]) -> [LintFinding] {
    sides(rows) + repetitions(rows) + lengthBias(rows)
  }

  /// How many labelled answers are desirable, and the weight that makes up for it.
  static func labels(_ dataset: Dataset) -> [LintFinding] {
    guard dataset.isLabelled else { return [] }
    let good = dataset.rows.count { $0.fields["label"] == true }
    let bad = dataset.rows.count - good
    guard good > 0, bad > 0 else {
      return [
        LintFinding(
          "one_label", .warning, rows: [], says: "every answer is \(good > 0 ? "desirable" : "undesirable")",
          advice: "there is nothing to tell apart: add answers of the other kind, or train on these with sft")
      ]
    }
    guard !(3.0 / 4...4.0 / 3).contains(Double(good) / Double(bad)) else { return [] }
    // KTO, arXiv:2402.01306, Eq. 8: λ_D·n_D / (λ_U·n_U) from 1 to 4/3.
    let (name, least) =
      good < bad ? ("desirable_weight", Double(bad) / Double(good)) : ("undesirable_weight", 3 * Double(good) / Double(4 * bad))
    return [
      LintFinding(
        "label_balance", .info, rows: [], says: "\(good) answers are desirable and \(bad) are not",
        advice: "with loss \"kto\", \(name) from \(rounded(least)) to \(rounded(least * 4 / 3)) weighs both alike")
    ]
  }

  /// What is wrong with single pairs.
  private static func sides(_ rows: [LintRow]) -> [LintFinding] {
    var (empty, identical, spacing, begins, quotes): ([Int], [Int], [Int], [Int], [Int]) = ([], [], [], [], [])
    for (index, row) in rows.enumerated() {
      if row.answers.contains(where: isBlank) {
        empty.append(index)
        continue
      }
      let answers = row.answers.map(normalized)
      if let chosen = row.chosen, let rejected = row.rejected {
        if chosen == rejected {
          identical.append(index)
        } else if answers[0] == answers[1] {
          spacing.append(index)
        }
      }
      let prompt = normalized(row.prompt)
      // A short prompt may well stand in an answer by chance.
      guard prompt.count >= 24 else { continue }
      if answers.contains(where: { $0.hasPrefix(prompt) }) {
        begins.append(index)
      } else if answers.contains(where: { $0.contains(prompt) }) {
        quotes.append(index)
      }
    }
    var findings: [LintFinding] = []
    func add(_ check: String, _ severity: LintFinding.Severity, _ rows: [Int], _ what: String, _ advice: String) {
      if rows.isEmpty { return }
      findings.append(LintFinding(check, severity, rows: rows, says: "\(count(rows.count, "pair")) \(what)", advice: advice))
    }
    add("empty_answer", .error, empty, "with an empty answer", "drop them, unless saying nothing is what should be taught")
    add("identical_pair", .error, identical, "whose two answers are the same", "drop them: their gradient is 0 and they count in the mean")
    add(
      "nearly_identical_pair", .warning, spacing, "whose answers differ in case and white space only",
      "drop them, unless spelling is what should be taught")
    add(
      "prompt_in_answer", .error, begins, "with an answer that begins with the prompt",
      "cut the prompt off: the template puts it there itself")
    add("prompt_quoted", .info, quotes, "with an answer that quotes the whole prompt", "see whether the prompt slipped into the answer")
    return findings
  }

  /// The same prompt, pair, or pair the other way round, again.
  private static func repetitions(_ rows: [LintRow]) -> [LintFinding] {
    var byPrompt: [String: [Int]] = [:]
    for (index, row) in rows.enumerated() where !row.promptKey.isEmpty { byPrompt[row.promptKey, default: []].append(index) }
    var (again, repeated, contradicting): ([Int], [Int], [Int]) = ([], [], [])
    for places in byPrompt.values where places.count > 1 {
      repeated += places.dropFirst()
      var seen = Set<[String]>()
      for place in places {
        let pair = [normalized(rows[place].chosen ?? ""), normalized(rows[place].rejected ?? "")]
        if pair[0] != pair[1], seen.contains([pair[1], pair[0]]) { contradicting.append(place) }
        if !seen.insert(pair).inserted { again.append(place) }
      }
    }
    var findings: [LintFinding] = []
    if !contradicting.isEmpty {
      findings.append(
        LintFinding(
          "contradicting_pairs", .error, rows: contradicting.sorted(),
          says: "\(count(contradicting.count, "pair")) that an earlier one has the other way round", advice: "keep the label you trust"))
    }
    if !again.isEmpty {
      findings.append(
        LintFinding(
          "duplicate_pair", .warning, rows: again.sorted(), says: "\(count(again.count, "pair")) that an earlier one repeats",
          advice: "drop them, or they weigh more than the others"))
    }
    if repeated.count > again.count {
      findings.append(
        LintFinding(
          "duplicate_prompt", .info, rows: repeated.sorted(), says: "\(count(repeated.count, "pair")) whose prompt came before",
          advice: "fine if the answers differ; keep all pairs of a prompt on one side when splitting for a test"))
    }
    return findings
  }

  /// Whether better answers are longer: what DPO then learns first is to write more.
  private static func lengthBias(_ rows: [LintRow]) -> [LintFinding] {
    let lengths = rows.compactMap { row -> (Double, Double)? in
      guard let chosen = row.chosen, let rejected = row.rejected, !isBlank(chosen), !isBlank(rejected) else { return nil }
      return (Double(chosen.count), Double(rejected.count))
    }
    let (longer, shorter) = (lengths.count { $0.0 > $0.1 }, lengths.count { $0.0 < $0.1 })
    guard longer + shorter >= 6, let ranks = PairedTests.signedRank(lengths.map { $0.0 - $0.1 }) else { return [] }
    let signs = PairedTests.signTest(positive: longer, negative: shorter)
    guard signs < 0.01 || ranks < 0.01 else { return [] }
    let share = Double(longer) / Double(longer + shorter)
    let ratios = lengths.map { $0.0 / $0.1 }.sorted()
    let ratio = (ratios[(ratios.count - 1) / 2] + ratios[ratios.count / 2]) / 2
    let isStrong = abs(share - 0.5) >= 0.1 || ratio > 1.5 || ratio < 1 / 1.5
    return [
      LintFinding(
        "length_bias", isStrong ? .warning : .info, rows: [],
        says:
          "the better answer is longer in \(longer) of \(longer + shorter) pairs (\(percent(share))), by a median factor of \(rounded(ratio)): "
          + "sign test p = \(short(signs)), Wilcoxon p = \(short(ranks))",
        advice: "compare reward with length after training; ld_alpha below 1, losses on means (ipo) or balanced lengths weaken it")
    ]
  }

  static func percent(_ share: Double) -> String { "\(Int((share * 100).rounded())) %" }
  private static func rounded(_ number: Double) -> String { "\((number * 100).rounded() / 100)" }

  /// A p-value in two digits.
  private static func short(_ p: Double) -> String {
    if p >= 0.001 { return "\((p * 1000).rounded() / 1000)" }
    if p < 1e-300 { return "0" }
    var (mantissa, exponent) = (p, 0)
    while mantissa < 1 {
      mantissa *= 10
      exponent -= 1
    }
    if mantissa >= 9.5 { (mantissa, exponent) = (1, exponent + 1) }
    return "\(Int(mantissa.rounded()))e\(exponent)"
  }
}
