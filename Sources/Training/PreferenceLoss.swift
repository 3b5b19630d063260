// Every preference loss, as pure functions of summed log-probabilities: the formulas and nothing else.
// They are written in dual numbers, so the derivative that trains the policy is the derivative of the line you read.
// Notation: c = log π/π_ref of the chosen answer, r = the same of the rejected one, h = their scores' difference,
// β = strength of the pull to the reference, ε = label smoothing. Values are in nats and finite for |βh| up to 10⁴ and beyond.

import Foundation

/// A published loss on preference pairs, under the name TRL gives it.
public enum PreferenceLoss: String, CaseIterable, Sendable {
  case sigmoid, robust, hinge, ipo
  case ipoSum = "ipo_sum"
  case exoPair = "exo_pair"
  case ncaPair = "nca_pair"
  case bcoPair = "bco_pair"
  case sppoHard = "sppo_hard"
  case aot
  case aotUnpaired = "aot_unpaired"
  case apoZero = "apo_zero"
  case apoDown = "apo_down"
  case discopop
  case sigmoidNorm = "sigmoid_norm"
  case sft

  /// One line on where the loss comes from.
  public var source: String {
    switch self {
    case .sigmoid: "DPO, Rafailov et al. 2023, arXiv:2305.18290, Eq. 7; with label smoothing: conservative DPO, Mitchell 2023"
    case .robust: "robust DPO, Chowdhury et al. 2024, arXiv:2403.00409"
    case .hinge: "SLiC on the normalised likelihood, as in RSO, Liu et al. 2023, arXiv:2309.06657"
    case .ipo: "IPO, Azar et al. 2023, arXiv:2310.12036, Eq. 17, on per-token means as its authors advise"
    case .ipoSum: "IPO, arXiv:2310.12036, Eq. 17, on sums as in the first published code"
    case .exoPair: "EXO, Ji et al. 2024, arXiv:2402.00856, Eq. 16"
    case .ncaPair: "NCA, Chen et al. 2024, arXiv:2402.05369"
    case .bcoPair: "BCO, Jung et al. 2024, arXiv:2404.04656, without the running mean"
    case .sppoHard: "SPPO, Wu et al. 2024, arXiv:2405.00675, Eq. 4.7 with certain preferences"
    case .aot: "AOT, Melnyk et al. 2024, arXiv:2406.05882, paired"
    case .aotUnpaired: "AOT, Melnyk et al. 2024, arXiv:2406.05882, unpaired"
    case .apoZero: "APO-zero, D'Oosterlinck et al. 2024, arXiv:2408.06266, Eq. 7"
    case .apoDown: "APO-down, D'Oosterlinck et al. 2024, arXiv:2408.06266, Eq. 8"
    case .discopop: "DiscoPOP, Lu et al. 2024, arXiv:2406.08414, Eq. 5"
    case .sigmoidNorm: "length-normalised DPO, Lambert et al. 2024, arXiv:2411.15124"
    case .sft: "token-mean negative log-likelihood of the chosen answers; added to others as in MPO, arXiv:2411.10442"
    }
  }

  /// Whether the loss of a pair depends on the other pairs of its batch.
  public var mixesPairs: Bool { self == .aot || self == .aotUnpaired || self == .sft }
  /// Whether the number of tokens in each answer enters the loss.
  public var needsLengths: Bool { self == .ipo || self == .sigmoidNorm || self == .sft }
  /// Whether only h enters, so that another divergence may replace the reverse KL: elsewhere β log Z(x) would not cancel.
  var admitsDivergences: Bool {
    switch self {
    case .sigmoid, .sigmoidNorm, .hinge, .ipo, .ipoSum, .exoPair, .robust, .discopop, .sft: true
    default: false
    }
  }
}

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
  /// The options of plain DPO.
  public init() {}

  func score(_ logRatio: Dual) -> Dual { divergence.score(logRatio, alpha: alphaCoefficient) }

  /// Refuses combinations that have no meaning.
  public func validated() throws -> PreferenceOptions {
    guard beta > 0, beta.isFinite else { throw TrainingError("beta is \(beta), it must be above 0", hint: "usual values are 0.01 to 0.5") }
    guard !terms.isEmpty else { throw TrainingError("the list of losses is empty", hint: "name at least one, such as \"sigmoid\"") }
    guard terms.allSatisfy({ $0.weight.isFinite }) else { throw TrainingError("a loss weight is not a finite number") }
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
  /// This is what the `sft` term takes; it differs from `chosen` under LD-DPO only.
  public var chosenUnweighted: Double

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

/// The losses of a batch of pairs, one each, with their derivatives.
///
/// - Parameters:
///   - pairs: Summed log-probabilities. AOT sorts over exactly these pairs.
///   - options: β, the losses and their weights, and so on.
///   - sftTokens: The number of chosen tokens and of pairs that the mean of the `sft` term runs over, if they are not those of `pairs`
///     (gradient accumulation).
/// - Returns: One loss per pair; their mean is the batch's loss.
/// - Throws: `TrainingError` for options that have no meaning together.
public func preferenceLosses(
  _ pairs: [PairLogProbs], _ options: PreferenceOptions, sftTokens: (tokens: Int, pairs: Int)? = nil
) throws -> [PairLoss] {
  let options = try options.validated()
  let mean = sftTokens ?? (pairs.reduce(0) { $0 + $1.chosenTokens }, pairs.count)
  var losses = [PairLoss](repeating: PairLoss(), count: pairs.count)
  for term in options.terms {
    switch term.loss {
    case .aot, .aotUnpaired:
      addSortedLosses(pairs, term, options, into: &losses)
    case .sft:
      for (i, pair) in pairs.enumerated() {  // −Σ log π over tokens, spread so that the mean over pairs is the mean over tokens
        let share = Double(mean.pairs) / Double(max(1, mean.tokens))
        losses[i].add(-share * Dual(pair.chosenUnweighted, input: 4), weight: term.weight)
      }
    default:
      for (i, pair) in pairs.enumerated() { losses[i].add(loss(term.loss, of: pair, options), weight: term.weight) }
    }
  }
  return losses
}

/// The losses that look at one pair at a time.
private func loss(_ kind: PreferenceLoss, of pair: PairLogProbs, _ options: PreferenceOptions) -> Dual {
  let (β, ε) = (options.beta, options.labelSmoothing)
  let c = Dual(pair.chosen, input: 0) - Dual(pair.referenceChosen, input: 2)  // log π/π_ref, chosen
  let r = Dual(pair.rejected, input: 1) - Dual(pair.referenceRejected, input: 3)  // log π/π_ref, rejected
  let (sc, sr) = (options.score(c), options.score(r))
  let h = sc - sr
  let meanH = sc / Double(max(1, pair.chosenTokens)) - sr / Double(max(1, pair.rejectedTokens))

  switch kind {
  case .sigmoid: return -(1 - ε) * logSigmoid(β * h) - ε * logSigmoid(-β * h)
  case .robust: return (-(1 - ε) * logSigmoid(β * h) + ε * logSigmoid(-β * h)) / (1 - 2 * ε)
  case .hinge: return positivePart(1 - β * h)
  case .ipo: return square(meanH - 1 / (2 * β))
  case .ipoSum: return square(h - 1 / (2 * β))
  case .exoPair:
    return sigmoid(β * h) * (logSigmoid(β * h) - log1p(-ε)) + sigmoid(-β * h) * (logSigmoid(-β * h) - log(ε))
  case .ncaPair: return -logSigmoid(β * c) - 0.5 * logSigmoid(-β * c) - 0.5 * logSigmoid(-β * r)
  case .bcoPair: return -logSigmoid(β * c) - logSigmoid(-β * r)
  case .sppoHard: return square(c - 0.5 / β) + square(r + 0.5 / β)
  case .apoZero: return sigmoid(-β * c) + sigmoid(β * r)  // 1 − σ(βc) is σ(−βc)
  case .apoDown: return sigmoid(β * c) + sigmoid(-β * (c - r))
  case .discopop:
    // (1 − m)·(−log σ(z)) + m·e^−z with z = βh and m = σ(z/τ); m·e^−z as one exponential, where m → 0 meets e^−z → ∞.
    let z = β * h
    let logM = logSigmoid(z / options.discopopTau)
    return sigmoid(-z / options.discopopTau) * -logSigmoid(z) + boundedExp(logM - z)
  case .sigmoidNorm: return -logSigmoid(β * meanH)
  case .aot, .aotUnpaired, .sft: return Dual(0)  // of the whole batch: see above
  }
}

/// AOT compares distributions: both sides sorted and matched by rank, then the smoothed log σ of the differences.
private func addSortedLosses(
  _ pairs: [PairLogProbs], _ term: LossTerm, _ options: PreferenceOptions, into losses: inout [PairLoss]
) {
  let (β, ε, w) = (options.beta, options.labelSmoothing, term.weight)
  let paired = term.loss == .aot
  // Paired: policy chosen − rejected against reference chosen − rejected. Unpaired: c against r.
  let upper = pairs.map { paired ? $0.chosen - $0.rejected : $0.chosen - $0.referenceChosen }
  let lower = pairs.map { paired ? $0.referenceChosen - $0.referenceRejected : $0.rejected - $0.referenceRejected }
  func ranks(_ x: [Double]) -> [Int] { x.indices.sorted { x[$0] == x[$1] ? $0 < $1 : x[$0] < x[$1] } }
  for (i, j) in zip(ranks(upper), ranks(lower)) {
    let d = Dual(upper[i] - lower[j], input: 0)
    let loss = -(1 - ε) * logSigmoid(β * d) - ε * logSigmoid(-β * d)
    let slope = w * loss.slope[0]
    losses[i].value += w * loss.value  // shown with the pair whose policy (or chosen answer) holds the rank
    losses[i].chosen += slope
    if paired {
      losses[i].rejected -= slope
      losses[j].referenceChosen -= slope
      losses[j].referenceRejected += slope
    } else {
      losses[i].referenceChosen -= slope
      losses[j].rejected -= slope
      losses[j].referenceRejected += slope
    }
  }
}
