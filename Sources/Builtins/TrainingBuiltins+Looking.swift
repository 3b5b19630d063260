// Looking into a report: a pair token by token, where its margin comes from, which tokens of a row are trained.

import Language
import Models
import Training

func reportBuiltins() -> [Builtin] {
  let category = trainingCategory
  let report = Parameter("report", .object("report"), help: "what inspect, step or what_if gave")
  let pair = Parameter("pair", .int, default: 0, range: -1e9...1e9, help: "its number in the report")
  let made = "t = dpo(lora(load(\"smollm2\"), rank: 4), preferences(\"examples/data/preferences.jsonl\") |> take(4), batch_size: 2)\n"
  return [
    Builtin(
      "tokens", category: category, [report, pair], returns: "list",
      summary: "One pair token by token: rows of side, position, token, logp, ref_logp, delta.",
      example: made + "tokens(inspect(t), 0)[0].token",
      details:
        "delta is log π − log π_ref; the sum over a side is its log-ratio. At the prompt the answers are also shown coloured by delta."
    ) { call in
      let value = try call.object("report", as: ReportValue.self)
      let rows = try tokenRows(value, try call.int("pair"))
      let session = try Session.of(call)
      if call.isStatement, session.isInteractive {
        call.context.write(TokenStrip(rows).terminal(width: session.width(), colour: session.colour))
      }
      return .list(rows.map(\.value))
    },
    Builtin(
      "explain", category: category, [report, pair], returns: "report",
      summary: "Where a pair's margin comes from: which answer moved, which tokens carry it, what length does.",
      example: made + "explain(inspect(t), 0)"
    ) { call in .object(try Explanation(try call.object("report", as: ReportValue.self), try call.int("pair"))) },
    Builtin(
      "mask", category: category,
      [trainerParameter, Parameter("row", .int, default: 0, range: -1e9...1e9, help: "the number of the example")],
      returns: "list", summary: "Which tokens of an example are trained: rows of position, token, trained.",
      example: "t = sft(lora(load(\"smollm2\"), rank: 4), [{prompt: \"Ahoy\", completion: \"Aye\"}])\nmask(t, 0)[0]",
      body: maskRows),
  ]
}

/// One scored token.
package struct TokenRow {
  var side: String
  var position: Int
  var token: String
  var logProb: Double?
  var reference: Double?
  package var trained: Bool?

  package init(side: String, position: Int, token: String, logProb: Double?, reference: Double?, trained: Bool?) {
    self.side = side
    self.position = position
    self.token = token
    self.logProb = logProb
    self.reference = reference
    self.trained = trained
  }

  package var delta: Double? { if let logProb, let reference { logProb - reference } else { nil } }

  var value: Value {
    func number(_ x: Double?) -> Value { x.map { .float($0) } ?? Value.none }
    if let trained {
      let head: ValueMap = ["side": .string(side), "position": .int(Int64(position)), "token": .string(token), "trained": .bool(trained)]
      return .map(logProb == nil ? head : head.merging(["logp": number(logProb)]) { $1 })
    }
    return .map([
      "side": .string(side), "position": .int(Int64(position)), "token": .string(token), "logp": number(logProb),
      "ref_logp": number(reference), "delta": number(delta),
    ])
  }
}

/// The number of a pair or row counted from the end where it is negative.
func place(_ number: Int, of count: Int, _ what: String) throws -> Int {
  let place = number < 0 ? number + count : number
  guard (0..<count).contains(place) else {
    throw ZsError(kind: "index", message: "there is no \(what) \(number): they go from 0 to \(count - 1)")
  }
  return place
}

/// The tokens of both answers of a pair, or of an SFT example.
func tokenRows(_ value: ReportValue, _ number: Int) throws -> [TokenRow] {
  let (report, texts) = (value.report, value.texts)
  value.remembered?.look(at: try place(number, of: max(report.pairs.count, report.rows.count), texts.isPreference ? "pair" : "row"))
  if texts.isPreference {
    let pair = report.pairs[try place(number, of: report.pairs.count, "pair")]
    return tokenRows("chosen", pair.chosen, texts) + tokenRows("rejected", pair.rejected, texts)
  }
  let row = report.rows[try place(number, of: report.rows.count, "row")]
  return row.documents.flatMap { document in
    document.logProbs.enumerated().map { i, logProb in
      let position = document.scoredFrom + i
      return TokenRow(
        side: "text", position: position, token: texts.token(document.ids[position]), logProb: Double(logProb), reference: nil,
        trained: document.trained[position])
    }
  }
}

private func tokenRows(_ side: String, _ answer: AnswerScores, _ texts: ExampleTexts) -> [TokenRow] {
  let first = answer.ids.count - answer.logProbs.count
  return answer.logProbs.enumerated().map { i, logProb in
    TokenRow(
      side: side, position: i, token: texts.token(answer.ids[first + i]), logProb: Double(logProb),
      reference: answer.referenceLogProbs.isEmpty ? nil : Double(answer.referenceLogProbs[i]), trained: nil)
  }
}

private func maskRows(_ call: Call) throws -> Value {
  let trainer = try call.trainer()
  let texts = trainer.texts
  var rows: [TokenRow] = []
  func add(_ side: String, _ ids: [Int], _ trained: (Int) -> Bool) {
    for (position, id) in ids.enumerated() {
      rows.append(
        TokenRow(side: side, position: position, token: texts.token(id), logProb: nil, reference: nil, trained: trained(position)))
    }
  }
  if let pairs = texts.pairs {
    let pair = pairs[try place(call.int("row"), of: pairs.count, "example")]
    add("chosen", pair.prompt + pair.chosen) { $0 >= max(1, pair.prompt.count) }
    add("rejected", pair.prompt + pair.rejected) { $0 >= max(1, pair.prompt.count) }
  } else {
    for document in texts.documents[try place(call.int("row"), of: texts.documents.count, "example")] {
      add("text", document.ids) { $0 > 0 && document.trained[$0] }
    }
  }
  let session = try Session.of(call)
  if call.isStatement, session.isInteractive {
    call.context.write(TokenStrip(rows).terminal(width: session.width(), colour: session.colour))
  }
  return .list(rows.map(\.value))
}
