// Every preference loss and metric against TRL's own code (Fixtures/preference_losses.json, made by scripts/reference/preference_losses.py),
// its derivatives against central differences, and its behaviour at margins that no run should reach.

import Formats
import Foundation
import Kernels
import Training
import XCTest

final class PreferenceLossTests: XCTestCase {
  /// The log-probs are handed to `DPO` by a model that ignores its input, so the path is the trainer's.
  func testLossesAndGradientsEqualTRL() throws {
    let rows = try fixture("preference_losses.json")
    let policy = (rows["policy"]?.array ?? []).map(\.doubles)
    let reference = (rows["reference"]?.array ?? []).map(\.doubles)
    let pairs = policy.count / 2
    // The first id tells which prompt an answer belongs to.
    let examples = (0..<pairs).map { i in
      PreferenceExample(
        prompt: [i, 2], chosen: Array(repeating: i, count: policy[i].count), rejected: Array(repeating: i, count: policy[pairs + i].count))
    }
    func lists(_ name: String) -> [[Double]] { (rows[name]?.array ?? []).map(\.doubles) }
    // TRL takes the answer before, zs the one after: either way round every answer meets another prompt once.
    let statistics = try statistics(of: rows)
    let cases = rows["cases"]?.array ?? []
    XCTAssertGreaterThan(cases.count, 60)
    for row in cases {
      let options = try options(row)
      let name = "\(row["losses"]?.serialized() ?? "") \(options)"
      let model = try FixedModel(policy, mismatched: lists("mismatched_policy"), statistics: statistics)
      let held = try FixedModel(reference, mismatched: lists("mismatched_reference"))
      let objective = try DPO(examples: examples, options: options, reference: .model(held))
      let loop = try TrainLoop(model: model, objective: objective, options: TrainOptions(batch: pairs))
      let report = try loop.inspect()
      // The log-probs pass through fp32, which exponential scores magnify; TRL computes the α-divergence itself in fp32.
      let tolerance = options.divergence == .alpha ? 1e-5 : options.divergence == .forwardKL ? 2e-6 : 2e-7
      assertClose(report.loss, row["loss"]?.double ?? .nan, relative: tolerance, absolute: tolerance, name)
      for (metric, value) in row["metrics"]?.object ?? [:] {
        assertClose(report.metrics[metric] ?? .nan, value.double ?? .nan, relative: 1e-6, absolute: 1e-6, "\(name) \(metric)")
      }
      let expected = (row["gradient"]?.array ?? []).flatMap(\.doubles)
      let gradient = try loop.inspectGradients()[0].values.map(Double.init)
      XCTAssertEqual(gradient.count, expected.count)
      for (a, b) in zip(gradient, expected) { assertClose(a, b, relative: 1e-5, absolute: 1e-6, name) }
    }
  }

  /// Single answers with labels against KTOTrainer; chosen ones go through the model first.
  func testSingleAnswersEqualTRL() throws {
    let rows = try fixture("preference_losses.json")
    let unpaired = try XCTUnwrap(rows["unpaired"])
    let labels = (unpaired["labels"]?.array ?? []).compactMap(\.bool)
    let places = (unpaired["rows"]?.array ?? []).compactMap(\.int)
    let (policy, reference) = ((rows["policy"]?.array ?? []).map(\.doubles), (rows["reference"]?.array ?? []).map(\.doubles))
    XCTAssertEqual(labels.count, 5)
    // Each answer's id tells its prompt; the answer that a prompt is met with for the KL is the one before.
    let examples = labels.enumerated().map { i, label in
      let answer = Array(repeating: i, count: policy[places[i]].count)
      return PreferenceExample(prompt: [i, 9], chosen: label ? answer : [], rejected: label ? [] : answer)
    }
    XCTAssertEqual(examples.map(\.label), labels)
    let order = labels.indices.filter { labels[$0] } + labels.indices.filter { !labels[$0] }
    let before = labels.indices.map { ($0 + labels.count - 1) % labels.count }
    let turnedOrder = labels.indices.filter { labels[before[$0]] } + labels.indices.filter { !labels[before[$0]] }
    func turned(_ name: String) -> [[Double]] { turnedOrder.map { (unpaired[name]?[$0] ?? .null).doubles } }
    let statistics = try statistics(of: rows, only: order.map { places[$0] })
    for row in unpaired["cases"]?.array ?? [] {
      var options = PreferenceOptions()
      options.terms = [LossTerm(row["loss"] == "kto" ? .kto : .apoZero)]
      options.beta = row["beta"]?.double ?? 0
      options.desirableWeight = row["desirable_weight"]?.double ?? 1
      options.undesirableWeight = row["undesirable_weight"]?.double ?? 1
      options.maxLength = 100
      let name = "\(options.terms) \(options.beta)"
      let model = try FixedModel(order.map { policy[places[$0]] }, mismatched: turned("turned_policy"), statistics: statistics)
      let held = try FixedModel(order.map { reference[places[$0]] }, mismatched: turned("turned_reference"))
      let objective = try DPO(examples: examples, options: options, reference: .model(held))
      let loop = try TrainLoop(model: model, objective: objective, options: TrainOptions(batch: labels.count))
      let report = try loop.inspect()
      assertClose(report.loss, row["value"]?.double ?? .nan, relative: 2e-7, absolute: 2e-7, name)
      for (metric, value) in row["metrics"]?.object ?? [:] {
        assertClose(report.metrics[metric] ?? .nan, value.double ?? .nan, relative: 1e-6, absolute: 1e-6, "\(name) \(metric)")
      }
      let expected = order.flatMap { (row["gradient"]?[$0] ?? .null).doubles }
      let gradient = try loop.inspectGradients()[0].values.map(Double.init)
      XCTAssertEqual(gradient.count, expected.count)
      for (a, b) in zip(gradient, expected) { assertClose(a, b, relative: 1e-5, absolute: 1e-7, name) }
      for (pair, label) in zip(report.pairs, labels) {
        XCTAssertEqual(pair.label, label)
        XCTAssertEqual(pair.margin, label ? pair.rewardChosen : -pair.rewardRejected)
        XCTAssertTrue((label ? pair.rewardRejected : pair.rewardChosen).isNaN)
      }
    }
  }

  /// BCO's unpaired form by hand, and what single answers cannot be asked.
  func testSingleAnswersByHand() throws {
    var options = PreferenceOptions()
    options.terms = [LossTerm(.bcoPair)]
    var good = PairLogProbs(chosen: -12, rejected: 0, referenceChosen: -14, referenceRejected: 0, rejectedTokens: 0)
    good.label = true
    var bad = PairLogProbs(chosen: 0, rejected: -30, referenceChosen: 0, referenceRejected: -25, chosenTokens: 0)
    bad.label = false
    let losses = try preferenceLosses([good, bad], options)
    assertClose(losses[0].value, log(1 + exp(-0.2)), absolute: 1e-12)
    assertClose(losses[1].value, log(1 + exp(-0.5)), absolute: 1e-12)
    XCTAssertEqual([losses[0].rejected, losses[1].chosen], [0, 0])
    let examples = [PreferenceExample(prompt: [1], chosen: [2], rejected: []), PreferenceExample(prompt: [1], chosen: [], rejected: [3])]
    for (change, word) in [
      ({ (o: inout PreferenceOptions) in o.terms = [LossTerm(.sigmoid)] }, "compares the two answers"),
      ({ o in o.lengthDesensitization = 0.5 }, "ld_alpha"), ({ o in o.useWeighting = true }, "use_weighting"),
    ] {
      var changed = options
      change(&changed)
      XCTAssertThrowsError(try DPO(examples: examples, options: changed, reference: .adaptersOff)) {
        XCTAssertTrue("\($0)".contains(word), "\($0)")
      }
    }
  }

  /// What the model tells of each token beside its log-prob; `only` of some sequences.
  private func statistics(of rows: JSON, only wanted: [Int]? = nil) throws -> [TokenStatistics] {
    func tokens(_ name: String) -> [JSON] {
      let all = (rows[name]?.array ?? []).map { $0.array ?? [] }
      return (wanted ?? Array(all.indices)).flatMap { all[$0] }
    }
    let (squares, entropy, logits, top) = (tokens("squares"), tokens("entropy"), tokens("mean_logits"), tokens("top1"))
    return try squares.indices.map { i in
      var seen = TokenStatistics()
      seen.logSquareSum = Float(try XCTUnwrap(squares[i].double))
      seen.entropy = Float(try XCTUnwrap(entropy[i].double))
      seen.meanLogit = Float(try XCTUnwrap(logits[i].double))
      seen.isTargetLikeliest = try XCTUnwrap(top[i].bool)
      return seen
    }
  }

  private func options(_ row: JSON) throws -> PreferenceOptions {
    var options = PreferenceOptions()
    let names = (row["losses"]?.array ?? []).compactMap(\.string)
    options.terms = try zip(names, (row["weights"] ?? .null).doubles).map {
      LossTerm(try XCTUnwrap(PreferenceLoss(rawValue: $0)), weight: $1)
    }
    options.beta = row["beta"]?.double ?? 0
    options.labelSmoothing = row["label_smoothing"]?.double ?? 0
    options.divergence = try XCTUnwrap(FDivergence(rawValue: row["divergence"]?.string ?? ""))
    options.alphaCoefficient = row["alpha"]?.double ?? 0
    options.discopopTau = row["tau"]?.double ?? 0
    options.lengthDesensitization = row["ld_alpha"]?.double
    options.useWeighting = row["weighting"]?.bool ?? false
    options.simpoGamma = row["simpo_gamma"]?.double ?? options.simpoGamma
    options.cpoAlpha = row["cpo_alpha"]?.double ?? options.cpoAlpha
    options.desirableWeight = row["desirable_weight"]?.double ?? 1
    options.undesirableWeight = row["undesirable_weight"]?.double ?? 1
    return options
  }

  /// cDPO as the original repository has it: −(1−ε) log σ(βh) − ε log σ(−βh).
  func testSigmoidWithLabelSmoothingIsConservativeDPO() throws {
    var options = PreferenceOptions()
    options.labelSmoothing = 0.1
    let pair = PairLogProbs(chosen: -12, rejected: -15, referenceChosen: -13, referenceRejected: -12)
    let loss = try preferenceLosses([pair], options)[0]
    let z = 0.1 * 4.0
    assertClose(loss.value, -0.9 * log(1 / (1 + exp(-z))) - 0.1 * log(1 / (1 + exp(z))), absolute: 1e-12)
    assertClose(loss.chosen, 0.1 * (-0.9 * (1 - 1 / (1 + exp(-z))) + 0.1 / (1 + exp(-z))), absolute: 1e-12)
  }

  func testDerivativesAgainstCentralDifferences() throws {
    let pairs = [
      PairLogProbs(
        chosen: -31.2, rejected: -28.4, referenceChosen: -30.1, referenceRejected: -29.9, chosenTokens: 9, rejectedTokens: 14),
      PairLogProbs(chosen: -11.5, rejected: -19.3, referenceChosen: -12, referenceRejected: -17.7, chosenTokens: 4, rejectedTokens: 6),
      PairLogProbs(chosen: -22.5, rejected: -20.3, referenceChosen: -26, referenceRejected: -17.7, chosenTokens: 7, rejectedTokens: 5),
    ]
    let inputs: [WritableKeyPath<PairLogProbs, Double>] = [
      \.chosen, \.rejected, \.referenceChosen, \.referenceRejected, \.chosenUnweighted,
    ]
    let slopes: [KeyPath<PairLoss, Double>] = [\.chosen, \.rejected, \.referenceChosen, \.referenceRejected, \.chosenUnweighted]
    for (kind, label) in PreferenceLoss.allCases.flatMap({ kind in
      (kind.takesSingleAnswers ? [nil, true, false] : [nil]).map { (kind, $0) }
    }) {
      let pairs = pairs.map { pair in
        var pair = pair
        pair.label = label
        return pair
      }
      for divergence in FDivergence.allCases {
        var options = PreferenceOptions()
        options.terms = [LossTerm(kind, weight: 1.5)]
        options.labelSmoothing = 0.05
        options.divergence = divergence
        options.simpoGamma = 0.7
        options.desirableWeight = 1.2
        let batch = PreferenceBatch(of: pairs, klEstimate: 0.8)
        guard let losses = try? preferenceLosses(pairs, options, batch: batch) else {
          XCTAssertNotEqual(divergence, .reverseKL, "\(kind)")
          continue
        }
        for (i, loss) in losses.enumerated() {
          for (input, slope) in zip(inputs, slopes) {
            func total(_ shift: Double) throws -> Double {
              var moved = pairs
              moved[i][keyPath: input] += shift
              return try preferenceLosses(moved, options, batch: batch).reduce(0) { $0 + $1.value }
            }
            let difference = try (total(1e-5) - total(-1e-5)) / 2e-5
            assertClose(
              loss[keyPath: slope], difference, relative: 1e-6, absolute: 1e-7,
              "\(kind) \(String(describing: label)) \(divergence) pair \(i)")
          }
        }
      }
    }
  }

  func testFiniteAtExtremeMargins() throws {
    for kind in PreferenceLoss.allCases {
      for divergence in FDivergence.allCases {
        for margin in [-1e6, -1e4, -800, 800, 1e4, 1e6] {
          for isChosen in [true, false] {
            var options = PreferenceOptions()
            options.terms = [LossTerm(kind)]
            options.beta = 1
            options.labelSmoothing = 0.01
            options.divergence = divergence
            let pair = PairLogProbs(
              chosen: isChosen ? margin : 0, rejected: isChosen ? 0 : -margin, referenceChosen: 0, referenceRejected: 0)
            guard let loss = try? preferenceLosses([pair], options).first else { continue }
            for value in [loss.value, loss.chosen, loss.rejected, loss.referenceChosen, loss.referenceRejected] {
              XCTAssertTrue(value.isFinite, "\(kind) \(divergence) at \(margin): \(loss)")
            }
          }
        }
      }
    }
  }

  func testEqualPolicyAndReferenceGiveLogTwo() throws {
    let pair = PairLogProbs(chosen: -104.25, rejected: -3.5, referenceChosen: -104.25, referenceRejected: -3.5)
    XCTAssertEqual(try preferenceLosses([pair], PreferenceOptions())[0].value, log(2))
    XCTAssertEqual(pair.logRatioDifference, 0)
  }

  func testMeaninglessOptionsAreRefused() {
    var exo = PreferenceOptions()
    exo.terms = [LossTerm(.exoPair)]
    XCTAssertThrowsError(try exo.validated()) { XCTAssertTrue("\($0)".contains("label_smoothing"), "\($0)") }
    var diverging = PreferenceOptions()
    diverging.terms = [LossTerm(.bcoPair)]
    diverging.divergence = .forwardKL
    XCTAssertThrowsError(try diverging.validated()) { XCTAssertTrue("\($0)".contains("bco_pair"), "\($0)") }
    var beta = PreferenceOptions()
    beta.beta = 0
    XCTAssertThrowsError(try beta.validated())
    var smoothing = PreferenceOptions()
    smoothing.labelSmoothing = 0.5
    XCTAssertThrowsError(try smoothing.validated())
    var gamma = PreferenceOptions()
    gamma.simpoGamma = .nan
    XCTAssertThrowsError(try gamma.validated()) { XCTAssertTrue("\($0)".contains("simpo_gamma"), "\($0)") }
    var empty = PreferenceOptions()
    empty.terms = []
    XCTAssertThrowsError(try empty.validated())
  }

  /// The losses of ORPO, SimPO, CPO and KTO by hand from their papers, so that a shared mistake with TRL's code would show.
  func testNeighboursByHand() throws {
    let pair = PairLogProbs(
      chosen: -12, rejected: -30, referenceChosen: -14, referenceRejected: -25, chosenTokens: 8, rejectedTokens: 15)
    func value(_ kind: PreferenceLoss, beta: Double, kl: Double = 0) throws -> Double {
      var options = PreferenceOptions()
      options.terms = [LossTerm(kind)]
      options.beta = beta
      options.simpoGamma = 1.4
      return try preferenceLosses([pair], options, batch: PreferenceBatch(of: [pair], klEstimate: kl))[0].value
    }
    func σ(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
    let (pC, pR) = (exp(-12.0 / 8), exp(-30.0 / 15))  // likelihood per token
    let oddsRatio = (pC / (1 - pC)) / (pR / (1 - pR))
    assertClose(try value(.orpo, beta: 0.1), 12.0 / 8 - 0.1 * log(σ(log(oddsRatio))), absolute: 1e-12)
    assertClose(try value(.simpo, beta: 2), -log(σ(2 * (-12.0 / 8 + 30.0 / 15) - 1.4)), absolute: 1e-12)
    assertClose(try value(.cpo, beta: 0.1), -log(σ(0.1 * 18)) + 12.0 / 8, absolute: 1e-12)
    assertClose(try value(.kto, beta: 0.1, kl: 0.5), 0.5 * (1 - σ(0.1 * (2 - 0.5)) + 1 - σ(0.1 * (0.5 + 5))), absolute: 1e-12)
  }
}
