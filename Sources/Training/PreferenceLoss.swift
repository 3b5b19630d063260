// Every preference loss, as pure functions of summed log-probabilities: the formulas and nothing else.
// They are written in dual numbers, so the derivative that trains the policy is the derivative of the line you read.
// Notation: c = log π/π_ref of the chosen answer, r = the same of the rejected one, h = their scores' difference, a bar for the mean
// per token, β = strength of the pull to the reference, ε = label smoothing. Values are in nats and finite for |βh| up to 10⁴ and beyond.
// What goes in and comes out is in PreferenceOptions.swift.

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

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
  case kto, orpo, simpo, cpo

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
    case .kto: "KTO, Ethayarajh et al. 2024, arXiv:2402.01306, Eq. 7: each answer against an estimate of the KL from mismatched pairs"
    case .orpo: "ORPO, Hong et al. 2024, arXiv:2403.07691, Eqs. 4, 6 and 7: no reference; the likelihood counts answers only"
    case .simpo: "SimPO, Meng et al. 2024, arXiv:2405.14734, Eq. 6: no reference, log-probs per token, a target margin"
    case .cpo: "CPO, Xu et al. 2024, arXiv:2401.08417, Eq. 3 with its term of likelihood: no reference"
    }
  }

  /// Whether the loss of a pair depends on the other pairs of its batch.
  public var mixesPairs: Bool {
    switch self {
    case .aot, .aotUnpaired, .sft, .kto, .orpo, .cpo: true
    default: false
    }
  }
  /// Whether the number of tokens in each answer enters the loss.
  public var needsLengths: Bool {
    switch self {
    case .ipo, .sigmoidNorm, .sft, .orpo, .simpo, .cpo: true
    default: false
    }
  }
  /// Whether the loss looks at the policy alone, and its reward is not against a reference.
  public var isReferenceFree: Bool { self == .orpo || self == .simpo || self == .cpo }
  /// Whether its terms look at one answer each, so that answers need not come in pairs: KTO, and the unpaired forms of APO-zero and BCO.
  public var takesSingleAnswers: Bool {
    switch self {
    case .kto, .apoZero, .bcoPair, .sft: true
    default: false
    }
  }
  /// Whether only h enters, so that another divergence may replace the reverse KL: elsewhere β log Z(x) would not cancel.
  var admitsDivergences: Bool {
    switch self {
    case .sigmoid, .sigmoidNorm, .hinge, .ipo, .ipoSum, .exoPair, .robust, .discopop, .sft: true
    default: false
    }
  }
}

/// The losses of a batch of pairs, one each, with their derivatives.
///
/// - Parameters:
///   - pairs: Summed log-probabilities. AOT sorts over exactly these pairs.
///   - options: β, the losses and their weights, and so on.
///   - batch: What a loss takes from the whole update, if that is more than `pairs` (gradient accumulation).
/// - Returns: One loss per pair; their mean is the batch's loss.
/// - Throws: `TrainingError` for options that have no meaning together.
public func preferenceLosses(_ pairs: [PairLogProbs], _ options: PreferenceOptions, batch: PreferenceBatch? = nil) throws -> [PairLoss] {
  let options = try options.validated()
  let batch = batch ?? PreferenceBatch(of: pairs)
  var losses = [PairLoss](repeating: PairLoss(), count: pairs.count)
  for term in options.terms {
    switch term.loss {
    case .aot, .aotUnpaired: addSortedLosses(pairs, term, options, into: &losses)
    default:
      for (i, pair) in pairs.enumerated() {
        losses[i].add(loss(term.loss, of: pair, options, batch), weight: term.weight * pair.importance)
      }
    }
  }
  return losses
}

/// The losses that look at one pair at a time.
private func loss(_ kind: PreferenceLoss, of pair: PairLogProbs, _ options: PreferenceOptions, _ batch: PreferenceBatch) -> Dual {
  let (β, ε) = (options.beta, options.labelSmoothing)
  let (logPC, logPR) = (Dual(pair.chosen, input: 0), Dual(pair.rejected, input: 1))  // log π of either answer
  let (lengthC, lengthR) = (Double(max(1, pair.chosenTokens)), Double(max(1, pair.rejectedTokens)))
  let c = logPC - Dual(pair.referenceChosen, input: 2)  // log π/π_ref, chosen
  let r = logPR - Dual(pair.referenceRejected, input: 3)  // log π/π_ref, rejected
  let (sc, sr) = (options.score(c), options.score(r))
  let h = sc - sr
  let meanH = sc / lengthC - sr / lengthR
  // −log π of the chosen answer, shared out so that the mean over pairs is the mean over all chosen tokens of the update.
  let likelihood = -(Double(batch.pairs) / Double(max(1, batch.chosenTokens))) * Dual(pair.chosenUnweighted, input: 4)

  switch kind {
  case .sigmoid: return smoothed(β * h, ε)
  case .robust: return (-(1 - ε) * logSigmoid(β * h) + ε * logSigmoid(-β * h)) / (1 - 2 * ε)
  case .hinge: return positivePart(1 - β * h)
  case .ipo: return square(meanH - 1 / (2 * β))
  case .ipoSum: return square(h - 1 / (2 * β))
  case .exoPair:
    return sigmoid(β * h) * (logSigmoid(β * h) - log1p(-ε)) + sigmoid(-β * h) * (logSigmoid(-β * h) - log(ε))
  case .ncaPair: return -logSigmoid(β * c) - 0.5 * logSigmoid(-β * c) - 0.5 * logSigmoid(-β * r)
  case .bcoPair: return ofSides(pair.label, -logSigmoid(β * c), -logSigmoid(-β * r))
  case .sppoHard: return square(c - 0.5 / β) + square(r + 0.5 / β)
  case .apoZero: return ofSides(pair.label, sigmoid(-β * c), sigmoid(β * r))  // 1 − σ(βc) is σ(−βc)
  case .apoDown: return sigmoid(β * c) + sigmoid(-β * (c - r))
  case .discopop:
    // (1 − m)·(−log σ(z)) + m·e^−z with z = βh and m = σ(z/τ); m·e^−z as one exponential, where m → 0 meets e^−z → ∞.
    let z = β * h
    let logM = logSigmoid(z / options.discopopTau)
    return sigmoid(-z / options.discopopTau) * -logSigmoid(z) + boundedExp(logM - z)
  case .sigmoidNorm: return smoothed(β * meanH, ε)
  case .sft: return ofSides(pair.label, likelihood, Dual(0))
  case .kto:
    // 1 − σ(β(c − z₀)) for what is desired, 1 − σ(β(z₀ − r)) for what is not; each pair is two examples.
    let z0 = batch.klEstimate
    let terms = ofSides(pair.label, options.desirableWeight * sigmoid(-β * (c - z0)), options.undesirableWeight * sigmoid(β * (r - z0)))
    return (pair.label == nil ? 0.5 : 1) * terms
  case .orpo:
    // log odds(y) = log p̄ − log(1 − p̄), with p̄ = e^(mean log π): Eq. 4; their difference is the log odds ratio of Eq. 7.
    let (pC, pR) = (logPC / lengthC, logPR / lengthR)
    return likelihood - β * logSigmoid((pC - logOneMinusExp(pC)) - (pR - logOneMinusExp(pR)))
  case .simpo: return smoothed(β * (logPC / lengthC - logPR / lengthR) - options.simpoGamma, ε)
  case .cpo: return smoothed(β * (logPC - logPR), ε) + options.cpoAlpha * likelihood
  case .aot, .aotUnpaired: return Dual(0)  // of the whole batch: see below
  }
}

/// The terms of both answers of a pair, or the one of a single answer.
private func ofSides(_ label: Bool?, _ chosen: Dual, _ rejected: Dual) -> Dual {
  label.map { $0 ? chosen : rejected } ?? chosen + rejected
}

/// −(1 − ε) log σ(z) − ε log σ(−z): the logistic loss if a label is wrong with probability ε (Mitchell 2023, "A note on DPO with noisy preferences").
private func smoothed(_ z: Dual, _ ε: Double) -> Dual { -(1 - ε) * logSigmoid(z) - ε * logSigmoid(-z) }

/// AOT compares distributions: both sides sorted and matched by rank, then the smoothed log σ of the differences.
private func addSortedLosses(
  _ pairs: [PairLogProbs], _ term: LossTerm, _ options: PreferenceOptions, into losses: inout [PairLoss]
) {
  let paired = term.loss == .aot
  // Paired: policy chosen − rejected against reference chosen − rejected. Unpaired: c against r.
  let upper = pairs.map { paired ? $0.chosen - $0.rejected : $0.chosen - $0.referenceChosen }
  let lower = pairs.map { paired ? $0.referenceChosen - $0.referenceRejected : $0.rejected - $0.referenceRejected }
  func ranks(_ x: [Double]) -> [Int] { x.indices.sorted { x[$0] == x[$1] ? $0 < $1 : x[$0] < x[$1] } }
  for (i, j) in zip(ranks(upper), ranks(lower)) {
    let loss = smoothed(options.beta * Dual(upper[i] - lower[j], input: 0), options.labelSmoothing)
    let weight = term.weight * pairs[i].importance
    let slope = weight * loss.slope[0]
    losses[i].value += weight * loss.value  // shown with the pair whose policy (or chosen answer) holds the rank
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
