// A report as a zs value: what one update did, or would do, down to each pair.

import Formats
import Language
import Training

/// The report of an update, an inspection or an evaluation.
public final class ReportValue: ObjectValue {
  /// What kind of look it was.
  public enum Kind: String, Sendable {
    case step, inspection, evaluation
    case whatIf = "what if"
    /// A forward pass over the next batch: there is no gradient.
    case preview = "next batch"
  }

  /// The numbers.
  public let report: StepReport
  /// What kind of look it was.
  public let kind: Kind
  /// The options that differ from the trainer's, in words.
  let note: String
  /// `what_if` with options of the optimizer: the loss of the batch after the update.
  let lossAfter: Double?
  /// Texts and tokens of the examples the report speaks of.
  let texts: ExampleTexts
  /// The trainer that was looked at, and the objective that the examples' numbers belong to.
  let origin: (trainer: TrainerValue, objective: any Objective)?
  /// What the trainer keeps of it; nil for reports of other data.
  let remembered: RememberedReport?
  /// What it warns of.
  let gauges: [Gauge]

  init(
    _ report: StepReport, kind: Kind, texts: ExampleTexts, note: String = "", lossAfter: Double? = nil,
    origin: (trainer: TrainerValue, objective: any Objective)? = nil, remembered: RememberedReport? = nil, gauges: [Gauge] = []
  ) {
    self.origin = origin
    self.report = report
    self.kind = kind
    self.texts = texts
    self.note = note
    self.lossAfter = lossAfter
    self.remembered = remembered
    self.gauges = gauges
  }

  /// The name that `type(x)` gives.
  public var typeName: String { "report" }

  private var isPreference: Bool { texts.isPreference }

  /// Loss, norms, and for DPO the pairs; every metric under TRL's name works in brackets.
  public var fieldNames: [String] {
    ["step", "loss", "grad_norm", "learning_rate", "metrics"] + (isPreference ? ["accuracy", "margin", "pairs", "gauges"] : ["rows"])
      + (lossAfter == nil ? [] : ["loss_after"])
  }

  /// A field by name.
  public func field(_ name: String) throws -> Value? {
    switch name {
    case "step": .int(Int64(report.step))
    case "loss": .float(report.loss)
    case "grad_norm": kind == .evaluation || kind == .preview ? Value.none : .float(report.gradNorm)
    case "learning_rate": kind == .evaluation ? Value.none : .float(report.learningRate)
    case "metrics": .map(metricMap(report.metrics))
    case "accuracy" where isPreference: known(report.metrics["rewards/accuracies"])
    case "margin" where isPreference: known(report.metrics["rewards/margins"])
    case "pairs" where isPreference: .list(report.pairs.map { .map(pairMap($0)) })
    case "gauges" where isPreference: .list(gauges.map(\.value))
    case "rows" where !isPreference: .list(report.rows.map { .map(rowMap($0)) })
    case "loss_after": lossAfter.map { .float($0) }
    default: report.metrics[name].map { metricValue(name, $0) }
    }
  }

  /// `report["rewards/chosen"]`: a metric by TRL's name, or a field.
  public func subscripted(_ index: [IndexArgument]) throws -> Value {
    guard index.count == 1, case .at(.string(let name))? = index.first else {
      throw ZsError(kind: "type", message: "a report is indexed by the name of a metric", hint: "report[\"loss\"], report.pairs[0]")
    }
    if let value = try field(name) { return value }
    let names = Array(report.metrics.keys) + fieldNames
    let meant = nearest(to: name, among: names).map { "; did you mean \"\($0)\"?" } ?? ""
    throw ZsError(kind: "key", message: "a report has no \"\(name)\"\(meant)", hint: names.joined(separator: ", "))
  }

  /// All fields, as a map.
  public func plain() throws -> Value {
    var result: ValueMap = [:]
    for name in fieldNames { result[name] = try field(name) ?? Value.none }
    return .map(result)
  }

  private func pairMap(_ pair: PairReport) -> ValueMap {
    let text = texts.pair(pair.index)
    let map: ValueMap = [
      "prompt": text.prompt, "chosen": text.chosen, "rejected": text.rejected, "loss": .float(pair.loss), "weight": .float(pair.weight),
      "margin": .float(pair.margin), "reward_chosen": known(pair.rewardChosen, of: pair.chosen),
      "reward_rejected": known(pair.rewardRejected, of: pair.rejected), "logp_chosen": known(pair.chosen.sum, of: pair.chosen),
      "logp_rejected": known(pair.rejected.sum, of: pair.rejected), "ref_logp_chosen": known(pair.chosen.referenceSum),
      "ref_logp_rejected": known(pair.rejected.referenceSum), "tokens_chosen": .int(Int64(pair.chosen.ids.count)),
      "tokens_rejected": .int(Int64(pair.rejected.ids.count)),
    ]
    return pair.label.map { map.merging(["label": .bool($0)]) { $1 } } ?? map
  }

  /// A number of an answer; none for the side that a single answer lacks.
  private func known(_ number: Double, of answer: AnswerScores) -> Value { answer.ids.isEmpty ? Value.none : .float(number) }

  /// None where a number has no meaning: a sum of a reference that the loss has not, a metric of a side that the batch has not.
  private func known(_ number: Double?) -> Value { number.map { $0.isNaN ? Value.none : .float($0) } ?? Value.none }

  private func rowMap(_ row: RowReport) -> ValueMap {
    [
      "text": texts.document(row.index), "loss": .float(row.loss), "trained_tokens": .int(Int64(row.trainedTokens)),
      "tokens": .int(Int64(row.documents.reduce(0) { $0 + $1.ids.count })),
    ]
  }

  /// The numbers on one line.
  var headline: String {
    var parts = ["\(kind == .step ? "step" : "\(kind.rawValue), step") \(report.step)", "loss \(printf("%.4f", report.loss))"]
    if let lossAfter { parts.append("after the update \(printf("%.4f", lossAfter))") }
    if isPreference {
      if let accuracy = report.metrics["rewards/accuracies"] { parts.append("accuracy \(printf("%.2f", accuracy))") }
      if let margin = report.metrics["rewards/margins"] { parts.append("margin \(printf("%+.4f", margin))") }
    }
    if kind != .evaluation, kind != .preview { parts.append("grad norm \(compact(report.gradNorm))") }
    if kind != .evaluation { parts.append("lr \(compact(report.learningRate))") }
    if !note.isEmpty { parts.append(note) }
    return parts.joined(separator: " · ")
  }

  /// The numbers on one line, then a table of the pairs or rows.
  public func display(_ options: DisplayOptions) -> String {
    let table = isPreference ? pairTable(width: options.width) : rowTable()
    let lines = [headline, table.text(width: options.width, maxRows: options.maxRows, colour: options.colour)]
    return (lines + gaugeLines(options)).joined(separator: "\n")
  }

  /// What the gauges say, a line or two each.
  func gaugeLines(_ options: DisplayOptions) -> [String] {
    gauges.flatMap { gauge in
      wrapped("▲ " + gauge.says, width: options.width, indent: "  ").map { options.colour ? "\u{1B}[33m\($0)\u{1B}[0m" : $0 }
    }
  }

  /// Log-probs have a column of their own where the screen is wide enough for it.
  private func pairTable(width: Int) -> TextTable {
    let isWide = width >= 92
    if texts.isLabelled { return labelledTable() }
    let headings = ["pair", "prompt", "loss", "weight", "chosen", "rejected", "margin"] + (isWide ? ["log π"] : []) + ["tokens", ""]
    let rows = report.pairs.enumerated().map { number, pair in
      [
        "\(number)", shortText(texts.pair(pair.index).prompt), printf("%.4f", pair.loss), printf("%.4f", pair.weight),
        printf("%+.4f", pair.rewardChosen), printf("%+.4f", pair.rewardRejected), printf("%+.4f", pair.margin),
      ] + (isWide ? ["\(printf("%.1f", pair.chosen.sum))/\(printf("%.1f", pair.rejected.sum))"] : [])
        + ["\(pair.chosen.ids.count)/\(pair.rejected.ids.count)", pair.margin < 0 ? "wrong" : ""]
    }
    return TextTable(headings: headings, rows: rows, numeric: headings.map { $0 != "prompt" && !$0.isEmpty })
  }

  /// Single answers: each with its label, whose reward should have its sign.
  private func labelledTable() -> TextTable {
    let headings = ["pair", "prompt", "label", "loss", "weight", "reward", "log π", "tokens", ""]
    let rows = report.pairs.enumerated().map { number, pair in
      let (answer, reward) = pair.label == true ? (pair.chosen, pair.rewardChosen) : (pair.rejected, pair.rewardRejected)
      return [
        "\(number)", shortText(texts.pair(pair.index).prompt), "\(pair.label == true)", printf("%.4f", pair.loss),
        printf("%.4f", pair.weight),
        printf("%+.4f", reward), printf("%.1f", answer.sum), "\(answer.ids.count)", pair.margin < 0 ? "wrong" : "",
      ]
    }
    return TextTable(headings: headings, rows: rows, numeric: headings.map { $0 != "prompt" && $0 != "label" && !$0.isEmpty })
  }

  private func rowTable() -> TextTable {
    let rows = report.rows.enumerated().map { number, row in
      [
        "\(number)", shortText(texts.document(row.index)), printf("%.4f", row.loss),
        "\(row.trainedTokens)/\(row.documents.reduce(0) { $0 + $1.ids.count })",
      ]
    }
    return TextTable(headings: ["row", "text", "loss", "tokens"], rows: rows, numeric: [true, false, true, true])
  }

  private func shortText(_ value: Value) -> String { String((value.text ?? value.source).prefix(200)) }
}

/// A metric as a value: counts are ints.
func metricValue(_ name: String, _ value: Double) -> Value {
  if name == "step" || name.hasSuffix("num_tokens"), let whole = Int64(exactly: value) { return .int(whole) }
  return .float(value)
}

/// Metrics under TRL's names, with `accuracy` and `margin` for short.
func metricMap(_ metrics: OrderedDictionary<String, Double>) -> ValueMap {
  var result = ValueMap(uniqueKeysWithValues: metrics.map { ($0, metricValue($0, $1)) })
  if let accuracy = metrics["rewards/accuracies"] { result["accuracy"] = .float(accuracy) }
  if let margin = metrics["rewards/margins"] { result["margin"] = .float(margin) }
  return result
}
