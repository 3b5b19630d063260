// What a trainer's data amounts to: rows, documents, tokens, and what batches without padding save.

import Language
import Training

/// Counts over the examples of a trainer.
struct DataCounts {
  /// Rows of the dataset.
  var rows = 0
  /// What an update counts: pairs, documents, or rows of packed documents.
  var examples = 0
  /// Documents; for pairs, answers.
  var documents = 0
  var tokens = 0
  /// Tokens that are labels.
  var trained = 0
  /// Tokens that padded batches of the first epoch would have had.
  var padded = 0
  var cut = 0
  var skipped = 0
  let isPacked: Bool
  let isPreference: Bool

  init(_ trainer: TrainerValue) {
    let texts = trainer.texts
    rows = texts.dataset.rows.count + texts.dataset.skipped.count
    examples = trainer.loop.objective.exampleCount
    cut = trainer.cut
    skipped = trainer.skipped.count
    isPreference = texts.isPreference
    isPacked = texts.documents.contains { $0.count > 1 } || trainer.options["packing"]?.text != nil
    var lengths: [[Int]] = []  // of each example's documents
    if let pairs = texts.pairs {
      lengths = pairs.map { pair in [pair.chosen, pair.rejected].filter { !$0.isEmpty }.map { pair.prompt.count + $0.count } }
      trained = pairs.reduce(0) { $0 + $1.chosen.count + $1.rejected.count }
    } else {
      lengths = texts.documents.map { $0.map(\.ids.count) }
      trained = texts.documents.reduce(0) { $0 + $1.reduce(0) { $0 + $1.trained.dropFirst().count { $0 } } }
    }
    documents = lengths.reduce(0) { $0 + $1.count }
    tokens = lengths.reduce(0) { $0 + $1.reduce(0, +) }
    // Pairs are padded to the longer answer of the batch, packed rows to the longest row.
    let widths = lengths.map { lengths in isPreference ? lengths.map { _ in lengths.max() ?? 0 } : [lengths.reduce(0, +)] }
    for step in 0..<trainer.loop.plan.stepsPerEpoch {
      for batch in trainer.loop.plan.batch(step: step).microBatches {
        let all = batch.flatMap { widths[$0] }
        padded += (all.max() ?? 0) * all.count
      }
    }
  }

  /// Tokens of padding that are not computed.
  var saved: Int { max(0, padded - tokens) }

  /// One line for the display.
  var line: String {
    var parts = ["\(rows) row\(rows == 1 ? "" : "s")"]
    if isPacked { parts.append("\(documents) documents in \(examples) packed row\(examples == 1 ? "" : "s")") }
    parts.append("\(tokens) tokens, \(trained) \(isPreference ? "in answers" : "trained")")
    if saved > 0 { parts.append("no padding: \(Int((100 * Double(saved) / Double(padded)).rounded())) % saved") }
    if skipped > 0 { parts.append("\(skipped) skipped") }
    return parts.joined(separator: " · ")
  }

  /// The counts under their names.
  var map: ValueMap {
    let counts = [
      ("rows", rows), ("examples", examples), ("documents", documents), ("tokens", tokens), ("trained_tokens", trained),
      ("padding_saved", saved), ("cut", cut), ("skipped", skipped),
    ]
    return ValueMap(uniqueKeysWithValues: counts.map { ($0.0, .int(Int64($0.1))) })
  }
}
