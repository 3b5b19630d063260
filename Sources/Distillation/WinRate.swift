// How often one model's answers are preferred over another's, as AlpacaEval counts: the order of the two is drawn per instruction, and
// a judge that leans to longer answers is corrected for.

import Tensors

/// An instruction with both answers and the judge's preference.
public struct WinRow: Sendable, Equatable {
  /// The instruction.
  public var prompt: String
  /// The model's answer.
  public var output: String
  /// The baseline's answer.
  public var baseline: String
  /// Whether the baseline's answer stood second.
  public var isSwapped: Bool
  /// How far the model's answer is preferred, 0...1; nil where the judge gave no verdict.
  public var preference: Double?
  /// The judge's words.
  public var words: String
}

/// A win rate with everything it was made of.
public struct WinRate: Sendable {
  /// One row per instruction.
  public let rows: [WinRow]
  /// The mean preference in per cent, with a bootstrap interval.
  public let rate: Estimate
  /// Its standard error, per cent.
  public let standardError: Double
  /// Preferences above one half.
  public let wins: Int
  /// Preferences below one half.
  public let losses: Int
  /// Preferences of one half.
  public let draws: Int
  /// The model of preference and length; nil for fewer than five verdicts.
  public let lengthControl: LengthControl?
  /// Mean length of the model's answers and of the baseline's, characters.
  public let lengths: (output: Double, baseline: Double)

  /// Judges answers against those of a baseline.
  ///
  /// - Parameters:
  ///   - pairwise: Ask for `[[A]]`, `[[B]]` or `[[C]]` in both orders, as MT-Bench does, instead of for one token in one order.
  ///   - seed: What the order of the two derives from, with the instruction.
  public init(
    _ items: [(prompt: String, output: String, baseline: String)], judge: Judge, pairwise: Bool, seed: UInt64
  ) throws {
    let random = RandomSource(seed: seed)
    var rows = items.map { item -> WinRow in
      var draw = random.split("order of \(item.prompt)")
      return WinRow(
        prompt: item.prompt, output: item.output, baseline: item.baseline, isSwapped: draw.uniform() < 0.5, preference: nil, words: "")
    }
    // Equal answers need no judge.
    let asked = rows.indices.filter { rows[$0].output != rows[$0].baseline }
    for index in rows.indices where rows[index].output == rows[index].baseline { rows[index].preference = 0.5 }
    if pairwise {
      func side(_ row: WinRow, _ answer: String) -> JudgedConversation { JudgedConversation(questions: [row.prompt], answers: [answer]) }
      let forth = try judge.compare(asked.map { (side(rows[$0], rows[$0].baseline), side(rows[$0], rows[$0].output)) })
      let back = try judge.compare(asked.map { (side(rows[$0], rows[$0].output), side(rows[$0], rows[$0].baseline)) })
      for (index, (forth, back)) in zip(asked, zip(forth, back)) {
        let both = [forth.preference, back.preference.map { 1 - $0 }].compactMap(\.self)
        rows[index].preference = both.isEmpty ? nil : both.reduce(0, +) / Double(both.count)
        rows[index].words = [forth.words, back.words].filter { !$0.isEmpty }.joined(separator: "\n--- other order ---\n")
        rows[index].isSwapped = false
      }
    } else {
      let judged = try judge.rank(
        asked.map { index in
          let row = rows[index]
          return row.isSwapped ? (row.prompt, row.output, row.baseline) : (row.prompt, row.baseline, row.output)
        })
      for (index, verdict) in zip(asked, judged) {
        rows[index].preference = verdict.preference.map { rows[index].isSwapped ? 1 - $0 : $0 }
        rows[index].words = verdict.words
      }
    }
    self.init(rows: rows, seed: seed)
  }

  /// Counts preferences that are there already.
  public init(rows: [WinRow], seed: UInt64) {
    self.rows = rows
    let judged = rows.filter { $0.preference != nil }
    let preferences = judged.compactMap(\.preference)
    var mean = bootstrapMean(groups: preferences.map { [$0 * 100] }, seed: seed)
    if preferences.isEmpty { mean.method = "no verdict" }
    rate = mean
    standardError = Distillation.standardError(preferences) * 100
    wins = preferences.count { $0 > 0.5 }
    losses = preferences.count { $0 < 0.5 }
    draws = preferences.count { $0 == 0.5 }
    let observations = judged.map { row in
      LengthObservation(
        preference: row.preference ?? 0.5, lengthDifference: Double(row.output.unicodeScalars.count - row.baseline.unicodeScalars.count))
    }
    lengthControl = observations.count < 5 ? nil : LengthControl(observations, seed: seed)
    let count = Double(max(1, rows.count))
    lengths = (
      rows.reduce(0) { $0 + Double($1.output.unicodeScalars.count) } / count,
      rows.reduce(0) { $0 + Double($1.baseline.unicodeScalars.count) } / count
    )
  }
}
