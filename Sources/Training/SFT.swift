// Supervised fine-tuning as an objective: the mean negative log-likelihood of the trained tokens of the whole update.

import Models
import Tensors

/// A tokenized conversation or text with its label mask.
public struct SFTExample: Sendable, Equatable {
  /// Token ids, cut to the length limit.
  public var ids: [Int]
  /// Whether each token is a label.
  public var trained: [Bool]
  /// Index of the row in its dataset.
  public var row: Int

  /// A document and its mask, of the same length.
  public init(ids: [Int], trained: [Bool], row: Int = 0) {
    self.ids = ids
    self.trained = trained
    self.row = row
  }

  /// Labels that have something before them.
  var trainedTokens: Int { trained.dropFirst().count { $0 } }
  /// The first of them.
  var scoredFrom: Int { trained.dropFirst().firstIndex(of: true) ?? trained.count }
}

/// The objective of SFT.
public final class SFT: Objective {
  /// What is trained on: one document each, or several where they were packed.
  public let examples: [[SFTExample]]

  /// An objective over tokenized documents; documents of one example share a row of the batch, not their attention.
  public init(examples: [[SFTExample]]) { self.examples = examples }

  /// The number of examples.
  public var exampleCount: Int { examples.count }

  /// Examples by themselves.
  public func parts(of microBatch: [Int]) -> [[Int]] { grouped(microBatch) { examples[$0].reduce(0) { $0 + $1.ids.count } } }

  /// Log-probs of the labels and the derivative of their mean.
  public func measure(
    _ microBatch: [Int], of batch: Batch, model: any TrainableModel, options: ForwardOptions
  ) throws -> Measurement {
    let documents = microBatch.flatMap { examples[$0] }
    var options = options
    let statistics = TokenStatisticsLog()
    options.statistics = statistics
    // The mean runs over the tokens of all micro-batches, so 4 × 1 and 1 × 4 are the same update.
    let total = batch.indices.reduce(0) { $0 + examples[$1].reduce(0) { $0 + $1.trainedTokens } }
    let share = 1 / Double(max(1, total))
    let slopes = documents.flatMap { document in
      document.trained[document.scoredFrom...].map { $0 ? Float(-share) : 0 }
    }
    options.slopes = slopes
    let logProbs = try model.tokenLogProbs(documents.map(\.ids), scoredFrom: documents.map(\.scoredFrom), options: options)
    let seen = statistics.tokens  // empty where the model keeps none

    var (value, at) = (0.0, 0)
    var rows: [RowReport] = []
    for index in microBatch {
      var row = RowReport(index: index, loss: 0, trainedTokens: 0, documents: [])
      for document in examples[index] {
        let from = document.scoredFrom
        let scores = (from..<document.ids.count).map { logProbs.pointer[at + $0 - from] }
        for (k, score) in scores.enumerated() where document.trained[from + k] {
          row.loss -= Double(score)
          row.trainedTokens += 1
          guard !seen.isEmpty else { continue }
          row.entropy = (row.entropy ?? 0) + Double(seen[at + k].entropy)
          row.correctTokens = (row.correctTokens ?? 0) + (seen[at + k].isTargetLikeliest ? 1 : 0)
        }
        at += scores.count
        row.documents.append(DocumentScores(ids: document.ids, trained: document.trained, scoredFrom: from, logProbs: scores))
      }
      value += share * row.loss
      row.loss /= Double(max(1, row.trainedTokens))
      rows.append(row)
    }
    precondition(at == logProbs.count, "\(logProbs.count) log-probs for \(at) scored tokens")
    return Measurement(
      loss: try recordLoss(value, ofLogProbs: logProbs, slopes: slopes), value: value, tokens: documents.reduce(0) { $0 + $1.ids.count },
      rows: rows)
  }

  /// Entropy and accuracy, averaged over the trained tokens of the update, where the model tells them.
  public func metrics(pairs: [PairReport], rows: [RowReport]) -> [(String, Double)] {
    let tokens = Double(max(1, rows.reduce(0) { $0 + $1.trainedTokens }))
    guard rows.contains(where: { $0.entropy != nil }) else { return [] }
    return [
      ("entropy", rows.reduce(0) { $0 + ($1.entropy ?? 0) } / tokens),
      ("mean_token_accuracy", rows.reduce(0) { $0 + Double($1.correctTokens ?? 0) } / tokens),
    ]
  }
}
