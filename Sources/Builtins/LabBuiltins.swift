// The lab around a run: one pair's gradient, two reports compared, the distance from the reference, rewards at work, options swept.

import Language
import Models
import Training

func labBuiltins() -> [Builtin] {
  let made = "t = dpo(lora(load(\"smollm2\"), rank: 4), preferences(\"examples/data/preferences.jsonl\") |> take(4), batch_size: 2)\n"
  let report = Parameter("report", .object("report"), help: "what inspect, step or what_if gave")
  return [
    Builtin(
      "gradient", category: trainingCategory,
      [report, Parameter("pair", .int, default: 0, range: -1e9...1e9, help: "its number in the report")],
      returns: "report", summary: "One pair's gradient, layer by layer: its norm and its cosine with the whole batch's.",
      example: made + "gradient(inspect(t), 0).cosine",
      details:
        "Both are taken at the policy's present weights. Fields: .norm .batch_norm .cosine .layers (rows of layer, norm, share, cosine).",
      body: pairGradient),
    Builtin(
      "compare", category: trainingCategory,
      [
        Parameter("a", .object("report"), help: "a report"),
        Parameter("b", .object("report"), help: "a later one, or one under other options"),
      ],
      returns: "report",
      summary: "Two reports of the same pairs side by side: what became of each loss and margin, and which pairs changed sides.",
      example: made + "before = inspect(t)\nstep(t);\nback(t);\ncompare(before, what_if(t, beta: 0.3))",
      details: "Pairs are matched by their tokens. Fields: .rows .improved .mended (wrong before, right now) .broken.", body: compareReports
    ),
  ] + policyBuiltins(made) + [sweepBuiltin(made)]
}

private func pairGradient(_ call: Call) throws -> Value {
  let value = try call.object("report", as: ReportValue.self)
  guard let origin = value.origin, value.texts.isPreference else {
    throw ZsError(
      "gradient needs a report of dpo", hint: "grad_norms(t) shows the gradient of any trainer's next batch", argument: "report")
  }
  let pairs = value.report.pairs
  let number = try place(call.int("pair"), of: pairs.count, "pair")
  let loop = origin.trainer.loop
  let layers = try loop.layerGradients(of: pairs[number].index, in: pairs.map(\.index), under: origin.objective, poll: call.poll)
  func norm(_ square: (LayerGradient) -> Double) -> Double { layers.reduce(0) { $0 + square($1) }.squareRoot() }
  let own = norm { $0.norm * $0.norm }
  let batch = norm { $0.batchNorm * $0.batchNorm }
  let cosine = layers.reduce(0) { $0 + $1.dot } / (own * batch)
  var headline = "pair \(number) · gradient norm \(compact(own)) · the batch's \(compact(batch)) · cosine \(printf("%+.3f", cosine))"
  headline += cosine < 0 ? " (it pulls against the others)" : ""
  headline += "\n  by layer \(sparkline(layers.map(\.norm)))"
  if value.kind == .step || value.report.step != loop.stepCount + 1 {
    headline +=
      "\n  at the present weights, after \(loop.stepCount) step\(loop.stepCount == 1 ? "" : "s"); the report is of step \(value.report.step)"
  }
  let rows = layers.map { layer -> Value in
    .map([
      "layer": Int64(layer.layer).map { .int($0) } ?? .string(layer.layer), "norm": .float(layer.norm),
      "share": .float(own == 0 ? 0 : layer.norm * layer.norm / (own * own)), "cosine": .float(layer.cosine),
    ])
  }
  return .object(
    Findings(
      headline, ["norm": .float(own), "batch_norm": .float(batch), "cosine": .float(cosine), "layers": .list(rows)], shows: "layers",
      columns: ["layer", "norm", "share", "cosine"]))
}

private func compareReports(_ call: Call) throws -> Value {
  let (a, b) = (try call.object("a", as: ReportValue.self), try call.object("b", as: ReportValue.self))
  guard a.texts.isPreference, b.texts.isPreference else { throw ZsError("compare needs two reports of dpo") }
  func key(_ pair: PairReport, _ texts: ExampleTexts) -> [[Int]] {
    [texts.pairs?[pair.index].prompt ?? [], pair.chosen.ids, pair.rejected.ids]
  }
  var later: [[[Int]]: PairReport] = [:]
  for pair in b.report.pairs where later[key(pair, b.texts)] == nil { later[key(pair, b.texts)] = pair }
  var counts = (improved: 0, mended: 0, broken: 0)
  var (marginA, marginB) = (0.0, 0.0)
  let rows = a.report.pairs.enumerated().compactMap { number, old -> Value? in
    guard let new = later[key(old, a.texts)] else { return nil }
    let (wasRight, isRight) = (old.margin > 0, new.margin > 0)
    if new.margin > old.margin { counts.improved += 1 }
    if !wasRight, isRight { counts.mended += 1 }
    if wasRight, !isRight { counts.broken += 1 }
    marginA += old.margin
    marginB += new.margin
    func change(_ old: Double, _ new: Double) -> Value { old.isNaN || new.isNaN ? Value.none : .float(new - old) }
    return .map([
      "pair": .int(Int64(number)), "prompt": a.texts.pair(old.index).prompt, "loss_a": .float(old.loss), "loss_b": .float(new.loss),
      "margin_a": .float(old.margin), "margin_b": .float(new.margin), "change": .float(new.margin - old.margin),
      "chosen": change(old.rewardChosen, new.rewardChosen), "rejected": change(old.rewardRejected, new.rewardRejected),
      "verdict": .string(wasRight == isRight ? "" : isRight ? "mended" : "broken"),
    ])
  }
  guard !rows.isEmpty else {
    throw ZsError("the two reports have no pair in common", hint: "compare two reports of one batch, or two evaluations of the same data")
  }
  let n = Double(rows.count)
  let headline =
    "\(rows.count) pair\(rows.count == 1 ? "" : "s") · mean margin \(printf("%+.4f", marginA / n)) → \(printf("%+.4f", marginB / n)) · "
    + "\(counts.improved) improved · \(counts.mended) mended · \(counts.broken) broken"
  return .object(
    Findings(
      headline,
      [
        "rows": .list(rows), "improved": .int(Int64(counts.improved)), "mended": .int(Int64(counts.mended)),
        "broken": .int(Int64(counts.broken)), "margin_a": .float(marginA / n), "margin_b": .float(marginB / n),
      ], shows: "rows", columns: ["pair", "prompt", "loss_a", "loss_b", "margin_a", "margin_b", "change", "chosen", "rejected", "verdict"]))
}
