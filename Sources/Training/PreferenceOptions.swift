// What goes into a preference loss and what comes out: options, a pair's log-probabilities, a loss with its derivatives.
// The formulas are in PreferenceLoss.swift.

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// The divergence that ties the policy to its reference: f-DPO, arXiv:2309.16240.
public enum FDivergence: String, CaseIterable, Sendable {
  case reverseKL = "reverse_kl"
  case forwardKL = "forward_kl"
  case jensenShannon = "js_divergence"
  case alpha = "alpha_divergence"

  /// f′(π/π_ref) as a function of x = log π/π_ref: the score that takes the place of the log-ratio.
  func score(_ x: Dual, alpha: Double) -> Dual {
    switch self {
    case .reverseKL: return x
    case .forwardKL: return 1 - boundedExp(-x)
    case .jensenShannon: return log(2) + logSigmoid(x)
    case .alpha:
      if abs(alpha - 1) < 1e-6 { return x }
      return (boundedExp((alpha - 1) * x) - 1) / (alpha - 1)
    }
  }
}

/// One loss of a weighted sum.
public struct LossTerm: Sendable, Equatable {
  /// The loss.
  public var loss: PreferenceLoss
  /// Its share in the sum.
  public var weight: Double
  /// A loss with its weight.
  public init(_ loss: PreferenceLoss, weight: Double = 1) {
    self.loss = loss
    self.weight = weight
  }
}

/// What a preference loss depends on besides the log-probabilities.
public struct PreferenceOptions: Sendable, Equatable {
  /// The losses to add up.
  public var terms: [LossTerm] = [LossTerm(.sigmoid)]
  /// Strength of the pull to the reference, > 0, usually 0.01 to 0.5.
  public var beta = 0.1
  /// Assumed probability that a pair is labelled the wrong way round, 0 to below 0.5.
  public var labelSmoothing = 0.0
  /// The divergence from the reference.
  public var divergence = FDivergence.reverseKL
  /// The α of the α-divergence.
  public var alphaCoefficient = 0.5
  /// Width of DiscoPOP's blend.
  public var discopopTau = 0.05
  /// LD-DPO: the weight of answer tokens past the shorter answer's length; nil weighs all alike.
  public var lengthDesensitization: Double?
  /// WPO: whether a pair weighs as much as the policy itself would have said its answers.
  public var useWeighting = false
  /// SimPO's target margin γ.
  public var simpoGamma = 0.5
  /// Share of the chosen answers' likelihood in CPO.
  public var cpoAlpha = 1.0
  /// KTO's weight λ_D of the chosen answers.
  public var desirableWeight = 1.0
  /// KTO's weight λ_U of the rejected answers.
  public var undesirableWeight = 1.0
  /// The limit that the data was cut to, for the mismatched answers of KTO; nil where it is not known.
  public var maxLength: Int?
  /// The options of plain DPO.
  public init() {}

  func score(_ logRatio: Dual) -> Dual { divergence.score(logRatio, alpha: alphaCoefficient) }

  /// Whether some term is reference-free and no other asks for a reference: rewards are then the loss's own, and no reference runs.
  public var isReferenceFree: Bool {
    terms.contains { $0.loss.isReferenceFree } && terms.allSatisfy { $0.loss.isReferenceFree || $0.loss == .sft }
  }

  /// Whether the reward counts log-probs per token, as ORPO and SimPO have it.
  var rewardsPerToken: Bool { isReferenceFree && !terms.contains { $0.loss == .cpo } }

  /// Whether an estimate of the KL divergence from mismatched pairs is wanted.
  public var needsKL: Bool { terms.contains { $0.loss == .kto } }

  /// Whether the loss is only defined over a whole micro-batch: AOT sorts it, KTO averages over it.
  var needsWholeBatch: Bool { terms.contains { $0.loss == .aot || $0.loss == .aotUnpaired || $0.loss == .kto } }

  /// Refuses what cannot be asked of single answers with a label.
  func checkForSingleAnswers() throws {
    if let term = terms.first(where: { !$0.loss.takesSingleAnswers }) {
      let able = PreferenceLoss.allCases.filter { $0.takesSingleAnswers && $0 != .sft }.map { "\"\($0.rawValue)\"" }
      throw TrainingError(
        "the loss '\(term.loss.rawValue)' compares the two answers of a pair; these rows are single answers with a label",
        hint: "loss: " + able.joined(separator: " or "))
    }
    for (isSet, name) in [(lengthDesensitization != nil, "ld_alpha"), (useWeighting, "use_weighting")] where isSet {
      throw TrainingError("\(name) is about the two answers of a pair; these rows are single answers with a label", hint: "leave it out")
    }
  }

  /// Refuses combinations that have no meaning.
  public func validated() throws -> PreferenceOptions {
    guard beta > 0, beta.isFinite else { throw TrainingError("beta is \(beta), it must be above 0", hint: "usual values are 0.01 to 0.5") }
    guard !terms.isEmpty else { throw TrainingError("the list of losses is empty", hint: "name at least one, such as \"sigmoid\"") }
    guard terms.allSatisfy({ $0.weight.isFinite }) else { throw TrainingError("a loss weight is not a finite number") }
    let weights = [
      ("simpo_gamma", simpoGamma), ("cpo_alpha", cpoAlpha), ("desirable_weight", desirableWeight),
      ("undesirable_weight", undesirableWeight),
    ]
    if let (name, value) = weights.first(where: { !($0.1 >= 0 && $0.1.isFinite) }) {
      throw TrainingError("\(name) is \(value), it must be at least 0")
    }
    guard labelSmoothing >= 0, labelSmoothing < 0.5 else {
      throw TrainingError("label_smoothing is \(labelSmoothing), it must be at least 0 and below 0.5")
    }
    if terms.contains(where: { $0.loss == .exoPair }), labelSmoothing == 0 {
      throw TrainingError("the loss 'exo_pair' needs label_smoothing above 0", hint: "its paper uses label_smoothing: 1e-3")
    }
    if divergence != .reverseKL, let term = terms.first(where: { !$0.loss.admitsDivergences }) {
      throw TrainingError(
        "the loss '\(term.loss.rawValue)' has no form under the divergence '\(divergence.rawValue)'",
        hint: "use f_divergence: \"reverse_kl\", or one of the losses of the reward difference such as \"sigmoid\"")
    }
    return self
  }
}

/// What a pair brings to its loss: summed log-probabilities of both answers under policy and reference.
public struct PairLogProbs: Sendable, Equatable {
  /// log π(chosen | prompt).
  public var chosen: Double
  /// log π(rejected | prompt).
  public var rejected: Double
  /// log π_ref(chosen | prompt).
  public var referenceChosen: Double
  /// log π_ref(rejected | prompt).
  public var referenceRejected: Double
  /// Tokens in the chosen answer.
  public var chosenTokens: Int
  /// Tokens in the rejected answer.
  public var rejectedTokens: Int
  /// log π(chosen | prompt) with every token at full weight.
  ///
  /// This is what terms of likelihood take; it differs from `chosen` under LD-DPO only.
  public var chosenUnweighted: Double
  /// WPO's weight of the pair (arXiv:2406.11827), a constant to the derivative.
  public var importance = 1.0
  /// Whether this is one answer, and a desirable one, that stands on its side of the pair alone; nil for a pair.
  public var label: Bool?

  /// A pair's log-probabilities, in nats.
  public init(
    chosen: Double, rejected: Double, referenceChosen: Double, referenceRejected: Double, chosenTokens: Int = 1, rejectedTokens: Int = 1
  ) {
    self.chosen = chosen
    self.rejected = rejected
    self.referenceChosen = referenceChosen
    self.referenceRejected = referenceRejected
    self.chosenTokens = chosenTokens
    self.rejectedTokens = rejectedTokens
    chosenUnweighted = chosen
  }

  /// c − r: how much more than the reference the policy prefers the chosen answer.
  public var logRatioDifference: Double { (chosen - referenceChosen) - (rejected - referenceRejected) }
}

/// A pair's loss, and the derivatives of the **sum** of its batch's losses with respect to the pair's log-probabilities.
public struct PairLoss: Sendable, Equatable {
  /// The loss, nats.
  public var value = 0.0
  /// ∂ / ∂ log π(chosen).
  public var chosen = 0.0
  /// ∂ / ∂ log π(rejected).
  public var rejected = 0.0
  /// ∂ / ∂ log π_ref(chosen).
  public var referenceChosen = 0.0
  /// ∂ / ∂ log π_ref(rejected).
  public var referenceRejected = 0.0
  /// ∂ / ∂ `chosenUnweighted`.
  public var chosenUnweighted = 0.0

  mutating func add(_ dual: Dual, weight: Double) {
    value += weight * dual.value
    chosen += weight * dual.slope[0]
    rejected += weight * dual.slope[1]
    referenceChosen += weight * dual.slope[2]
    referenceRejected += weight * dual.slope[3]
    chosenUnweighted += weight * dual.slope[4]
  }
}

/// What a loss takes from the whole update rather than from a pair.
public struct PreferenceBatch: Sendable, Equatable {
  /// Pairs in the update.
  public var pairs: Int
  /// Tokens of their chosen answers, over which the mean of a likelihood runs.
  public var chosenTokens: Int
  /// KTO's z₀: the KL divergence of the policy from its reference as mismatched pairs estimate it, nats, at least 0.
  public var klEstimate: Double

  /// An update's counts and estimate.
  public init(pairs: Int, chosenTokens: Int, klEstimate: Double = 0) {
    self.pairs = pairs
    self.chosenTokens = chosenTokens
    self.klEstimate = klEstimate
  }

  /// The update that consists of these pairs.
  public init(of pairs: [PairLogProbs], klEstimate: Double = 0) {
    self.init(pairs: pairs.count, chosenTokens: pairs.reduce(0) { $0 + $1.chosenTokens }, klEstimate: klEstimate)
  }
}
