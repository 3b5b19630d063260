// What a report should warn of: pairs that teach nothing more, chosen answers that become unlikely, margins that follow length.
// A gauge is there only when it has something to say.

import Language
import Training

/// A warning that a report shows.
package struct Gauge {
  /// `saturation`, `falling_chosen` or `length_bias`.
  package let name: String
  /// The share, the nats or the rank correlation it speaks of.
  package let number: Double
  /// What it is and what to do, in words.
  package let says: String

  var value: Value { .map(["name": .string(name), "value": .float(number), "says": .string(says)]) }
}

/// The weight below which a pair moves nothing.
private let negligibleWeight = 0.01

/// The gauges that have something to say of a report, given what came before.
package func gauges(_ report: StepReport, earlier: [PairReport], history: MetricLog, kind: ReportValue.Kind) -> [Gauge] {
  guard !report.pairs.isEmpty else { return [] }
  return [
    saturation(report.pairs), fallingChosen(report, history),
    lengthBias(kind == .evaluation ? report.pairs : earlier + report.pairs),
  ].compactMap { $0 }
}

private func saturation(_ pairs: [PairReport]) -> Gauge? {
  let saturated = pairs.count { abs($0.weight) < negligibleWeight }
  let share = Double(saturated) / Double(pairs.count)
  guard share >= 0.25 else { return nil }
  let who = saturated == pairs.count ? "every pair has" : "\(saturated) of \(pairs.count) pairs have"
  return Gauge(
    name: "saturation", number: share,
    says: "saturated: \(who) a weight below \(negligibleWeight) and teach\(saturated == pairs.count ? "es" : "") next to nothing; "
      + "stop here, or try a smaller beta (what_if shows its weights)")
}

/// Chosen answers that lost probability: the usual surprise of DPO, since only the difference is asked for.
private func fallingChosen(_ report: StepReport, _ history: MetricLog) -> Gauge? {
  let ratios = report.pairs.filter { $0.label != false }.map { $0.chosen.sum - $0.chosen.referenceSum }
  guard !ratios.isEmpty else { return nil }
  let mean = ratios.reduce(0, +) / Double(ratios.count)
  guard mean <= -1 else { return nil }
  let rewards = history.column("rewards/chosen").filter(\.isFinite)
  var course = ""
  if rewards.count >= 6 {
    let span = min(8, rewards.count / 2)
    let (before, after) = (average(rewards.prefix(span)), average(rewards.suffix(span)))
    // One batch of hard pairs is no trend.
    if after >= before { return nil }
    course = "; rewards/chosen went from \(printf("%+.3f", before)) to \(printf("%+.3f", after)) over \(rewards.count) steps"
  }
  return Gauge(
    name: "falling_chosen", number: mean,
    says: "chosen answers fall: log π − log π_ref is \(printf("%.1f", mean)) on average\(course); "
      + "loss: [\"\(report.pairs.contains { $0.label != nil } ? "kto" : "sigmoid")\", \"sft\"] or a lower learning rate holds them up")
}

private func lengthBias(_ pairs: [PairReport]) -> Gauge? {
  guard !pairs.contains(where: { $0.label != nil }) else { return nil }
  let longer = pairs.map { Double($0.chosen.ids.count - $0.rejected.ids.count) }
  guard let (rho, p) = PairedTests.rankCorrelation(longer, pairs.map(\.margin)), rho >= 0.5, p < 0.01 else { return nil }
  return Gauge(
    name: "length_bias", number: rho,
    says: "margins follow length: rank correlation \(printf("%.2f", rho)) with how much longer the chosen answer is (\(pairs.count) pairs, "
      + "p = \(printf("%.1g", p))); ld_alpha below 1, or a loss on means such as \"ipo\", looks at length less")
}

private func average(_ numbers: some Collection<Double>) -> Double { numbers.reduce(0, +) / Double(max(1, numbers.count)) }
