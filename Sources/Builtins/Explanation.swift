// What `explain` says of a pair: the margin taken apart by answer, by token and by length.

import Language
import Training

/// Where a pair's margin comes from.
final class Explanation: ObjectValue {
  private let pair: PairReport
  private let number: Int
  private let beta: Double
  /// Tokens by what each adds to the margin: β·δ of the chosen answer, −β·δ of the rejected one.
  private let contributions: [(row: TokenRow, share: Double)]

  init(_ value: ReportValue, _ number: Int) throws {
    guard value.texts.isPreference else {
      throw ZsError("explain needs a report of dpo; this one is of sft", hint: "tokens(report, row) shows its tokens")
    }
    let place = try place(number, of: value.report.pairs.count, "pair")
    pair = value.report.pairs[place]
    self.number = place
    guard !(pair.label == false ? pair.rejected : pair.chosen).referenceSum.isNaN else {
      throw ZsError(
        "this loss has no reference, so its margin is no difference from one",
        hint: "explain(what_if(t, loss: \"sigmoid\"), \(number)) explains the margin against the policy before training")
    }
    let ratio = Explanation.delta(pair.chosen) - Explanation.delta(pair.rejected)
    beta = ratio == 0 ? 0 : pair.margin / ratio
    let beta = beta
    // LD-DPO sums tokens past the shorter answer at a weight.
    let shared = min(pair.chosen.logProbs.count, pair.rejected.logProbs.count)
    let tailWeight = (value.origin?.objective as? DPO)?.options.lengthDesensitization ?? 1
    contributions = try tokenRows(value, number).compactMap { row in
      let weight = beta * (row.position < shared ? 1 : tailWeight)
      return row.delta.map { (row, weight * (row.side == "chosen" ? $0 : -$0)) }
    }
  }

  var typeName: String { "report" }
  var fieldNames: [String] {
    ["text", "margin", "from_chosen", "from_rejected", "per_token_chosen", "per_token_rejected", "tail", "tokens"]
  }

  private var deltaChosen: Double { Explanation.delta(pair.chosen) }
  private var deltaRejected: Double { Explanation.delta(pair.rejected) }
  /// log π/π_ref; 0 of the side that a single answer lacks.
  private static func delta(_ answer: AnswerScores) -> Double { answer.ids.isEmpty ? 0 : answer.sum - answer.referenceSum }
  private var shared: Int {
    pair.label == nil ? min(pair.chosen.logProbs.count, pair.rejected.logProbs.count) : Int.max
  }
  /// What tokens past the shorter answer's length add to the margin.
  private var tail: Double { contributions.filter { $0.row.position >= shared }.reduce(0) { $0 + $1.share } }
  private var strongest: [(row: TokenRow, share: Double)] { Array(contributions.sorted { abs($0.share) > abs($1.share) }.prefix(8)) }

  func field(_ name: String) throws -> Value? {
    switch name {
    case "text": .string(text)
    case "margin": .float(pair.margin)
    case "from_chosen": .float(beta * deltaChosen)
    case "from_rejected": .float(-beta * deltaRejected)
    case "per_token_chosen": .float(deltaChosen / Double(max(1, pair.chosen.logProbs.count)))
    case "per_token_rejected": .float(deltaRejected / Double(max(1, pair.rejected.logProbs.count)))
    case "tail": .float(tail)
    case "tokens":
      .list(
        strongest.map { item in
          .map([
            "side": .string(item.row.side), "position": .int(Int64(item.row.position)), "token": .string(item.row.token),
            "delta": .float(item.row.delta ?? 0), "adds": .float(item.share),
          ])
        })
    default: nil
    }
  }

  func plain() throws -> Value {
    var result: ValueMap = [:]
    for name in fieldNames { result[name] = try field(name) ?? Value.none }
    return .map(result)
  }

  private var text: String {
    if let label = pair.label { return singleText(label) }
    if pair.margin == 0, deltaChosen == 0 { return "The policy equals the reference on this pair: there is no margin to explain yet." }
    var sentences = [
      "Pair \(number): the margin is \(signed(pair.margin)), \(pair.margin > 0 ? "in favour of the chosen answer" : pair.margin < 0 ? "in favour of the rejected answer" : "a tie")."
    ]
    sentences.append(
      "The chosen answer became \(deltaChosen >= 0 ? "likelier" : "less likely") (\(signed(deltaChosen)) nats, \(signed(beta * deltaChosen)) of the margin), "
        + "the rejected one \(deltaRejected >= 0 ? "likelier" : "less likely") (\(signed(deltaRejected)) nats, \(signed(-beta * deltaRejected)))."
    )
    if deltaChosen < 0, deltaRejected < 0 {
      sentences.append(
        "Both fell: DPO only asks that the rejected one falls further. A term of sft or a larger beta holds the chosen one up.")
    }
    let (c, r) = (pair.chosen.logProbs.count, pair.rejected.logProbs.count)
    if c != r {
      sentences.append("The answers have \(c) and \(r) tokens; those past the shorter one's length add \(signed(tail)).")
    }
    return sentences.joined(separator: " ")
  }

  private func singleText(_ label: Bool) -> String {
    let delta = label ? deltaChosen : deltaRejected
    if delta == 0 { return "The policy equals the reference on this answer: there is no reward to explain yet." }
    let verdict = (delta > 0) == label ? "as its label asks" : "against its label"
    return
      "Answer \(number) is labelled \(label ? "desirable" : "undesirable"). It became \(delta > 0 ? "likelier" : "less likely"), \(verdict): "
      + "\(signed(delta)) nats, a reward of \(signed(label ? pair.margin : -pair.margin))."
  }

  private func signed(_ x: Double) -> String { printf("%+.4f", x) }

  func display(_ options: DisplayOptions) -> String {
    let rows = strongest.map { [$0.row.side, "\($0.row.position)", $0.row.token, signed($0.row.delta ?? 0), signed($0.share)] }
    var lines = [text]
    if rows.isEmpty { lines.append("Token by token nothing is known: the data brings sums of the reference only.") }
    if !rows.isEmpty, pair.margin != 0 || deltaChosen != 0 || deltaRejected != 0 {
      let table = TextTable(
        headings: ["side", "position", "token", "delta", "adds"], rows: rows, numeric: [false, true, false, true, true])
      lines.append(table.text(width: options.width, maxRows: options.maxRows, colour: options.colour))
    }
    return lines.joined(separator: "\n")
  }
}
