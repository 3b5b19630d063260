// What is known of one update: its numbers, and every pair or example of its batch down to the token.

import Kernels
import OrderedCollections

/// One answer of a pair, token by token.
public struct AnswerScores: Sendable, Equatable {
  /// Token ids of the answer.
  public var ids: [Int]
  /// log π of each scored token; the last `logProbs.count` of `ids`.
  public var logProbs: [Float]
  /// log π_ref of each; empty where only the sum is known, or where the loss has no reference.
  public var referenceLogProbs: [Float]
  /// Entropy, mean logit and so on under the policy, of each token in `logProbs`; empty where the model does not tell.
  public var statistics: [TokenStatistics] = []
  /// Σ log π, nats.
  public var sum: Double
  /// Σ log π_ref, nats; NaN where the loss has no reference.
  public var referenceSum: Double
}

/// One preference pair in a report; or a single answer with a label, whose other side has no tokens and a NaN for each sum.
public struct PairReport: Sendable, Equatable {
  /// Index of the example in the trainer's data.
  public var index: Int
  /// The chosen answer's scores.
  public var chosen: AnswerScores
  /// The rejected answer's scores.
  public var rejected: AnswerScores
  /// The pair's loss; their mean over the batch is the loss.
  public var loss: Double
  /// How hard the pair pulls: −∂loss/∂log π(chosen) / β, for the sigmoid loss σ(−margin); of an undesirable answer ∂loss/∂log π / β.
  public var weight: Double
  /// β log π/π_ref of the chosen answer.
  public var rewardChosen: Double
  /// The same of the rejected answer.
  public var rewardRejected: Double
  /// Their difference; of a single answer its reward, with the opposite sign where it is undesirable.
  public var margin: Double
  /// KTO: the estimate of the KL divergence that the pair's micro-batch was compared with, nats.
  public var kl: Double?
  /// Whether a single answer is a desirable one; nil for a pair.
  public var label: Bool?
}

/// One SFT example in a report.
public struct RowReport: Sendable, Equatable {
  /// Index of the example in the trainer's data.
  public var index: Int
  /// The mean negative log-likelihood of its trained tokens.
  public var loss: Double
  /// The number of trained tokens.
  public var trainedTokens: Int
  /// Σ over the trained tokens of the entropy of the distribution they were predicted by, nats; nil where the model does not tell.
  public var entropy: Double?
  /// How many of them no other token was likelier than; nil where the model does not tell.
  public var correctTokens: Int?
  /// Its documents: one, or several where examples are packed.
  public var documents: [DocumentScores]
}

/// One document of an SFT example, token by token.
public struct DocumentScores: Sendable, Equatable {
  /// Token ids.
  public var ids: [Int]
  /// Whether each token is trained.
  public var trained: [Bool]
  /// Position of the first scored token.
  public var scoredFrom: Int
  /// log π of each token from there on.
  public var logProbs: [Float]
}

/// What an update did, or would do.
public struct StepReport: Sendable, Equatable {
  /// The number of the update, counted from 1.
  public var step: Int
  /// Its loss before the update.
  public var loss: Double
  /// The norm of the whole gradient, before clipping.
  public var gradNorm: Double
  /// The rate the update used.
  public var learningRate: Double
  /// The metrics under TRL's names, `loss` first.
  public var metrics: OrderedDictionary<String, Double>
  /// DPO: the pairs of the batch.
  public var pairs: [PairReport] = []
  /// SFT: the examples of the batch.
  public var rows: [RowReport] = []
}
