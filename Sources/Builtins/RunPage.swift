// The page that report_html writes: one file with a run's numbers, curves, pairs and tokens, what it was made of, and what made it.
// Everything that comes from data goes through `escapedMarkup`; the page loads nothing and needs no script.

import Glibc
import Language
import Training

/// Steps whose tables a page shows, strips it draws, rows of one table: the page of a long run stays one that a browser opens at once.
private let mostSteps = 60
private let mostStrips = 40
private let mostRows = 100

/// A page about a trainer.
struct RunPage {
  let trainer: TrainerValue
  let session: Session
  /// SHA-256 of data and model, and other facts that take time to find.
  let provenance: [(name: String, value: String)]

  private var loop: TrainLoop { trainer.loop }
  private var isPreference: Bool { trainer.texts.isPreference }

  /// The whole page.
  func html() -> String {
    let title = "\(trainer.name) · \(trainer.policy.name)"
    var body = "<h1>\(escapedMarkup(title))</h1>\n"
    body += "<p class=\"note\">\(escapedMarkup(subtitle))</p>\n"
    body += warnings()
    body += section("Curves", curves())
    body += section(isPreference ? "Pairs that were looked into" : "Rows that were looked into", looks())
    body += section("Steps", steps())
    body += section("Evaluations and other questions", questions())
    body += section("Options", table(trainer.options.map { ($0.key, $0.value.printed) }))
    body += section("Made of", table(provenance))
    return htmlPage(title: title, body: body)
  }

  private var subtitle: String {
    let count = loop.objective.exampleCount
    let unit = trainer.texts.unit
    var parts = [
      "step \(loop.stepCount) of \(loop.totalSteps)", "epoch \(compact(loop.epoch))", "\(count) \(unit)\(count == 1 ? "" : "s")",
    ]
    if let lora = trainer.policy.loraOptions { parts.append("LoRA of rank \(lora.rank)") }
    if let last = loop.history.rows.last, let loss = last["loss"] { parts.append("loss \(printf("%.4f", loss))") }
    if let accuracy = loop.history.rows.last?["rewards/accuracies"] { parts.append("accuracy \(printf("%.2f", accuracy))") }
    return parts.joined(separator: " · ") + " · written \(dateText(Glibc.time(nil)))"
  }

  private func section(_ title: String, _ content: String) -> String {
    content.isEmpty ? "" : "<section>\n<h2>\(escapedMarkup(title))</h2>\n\(content)\n</section>\n"
  }

  /// What the gauges say of the last batch, and what was left out of the data.
  private func warnings() -> String {
    var lines: [String] = []
    if let last = trainer.memory.steps(upTo: loop.stepCount).last {
      let earlier = trainer.memory.steps(upTo: last.report.step - 1).suffix(16).flatMap(\.report.pairs)
      lines += gauges(last.report, earlier: earlier, history: loop.history, kind: .step).map { "▲ " + $0.says }
    }
    if trainer.cut > 0 { lines.append("\(trainer.cut) examples were cut to max_length") }
    lines += skippedLines(trainer.skipped)
    return lines.map { "<p class=\"warn\">\(escapedMarkup($0))</p>\n" }.joined()
  }

  // Curves.

  private func curves() -> String {
    let history = loop.history
    guard !history.rows.isEmpty else { return "<p class=\"note\">No step has been taken yet.</p>" }
    let steps = history.column("step")
    func curve(_ title: String, _ names: [String], marks: [Double] = []) -> String? {
      let known = Set(history.names)
      return curveFigure(title, steps: steps, names.filter(known.contains).map { ($0, history.column($0)) }, marks: marks)
    }
    let figures =
      isPreference
      ? [
        curve("loss", ["loss", "eval_loss"]), curve("reward margin", ["rewards/margins", "eval_rewards/margins"], marks: [0]),
        curve("rewards", ["rewards/chosen", "rewards/rejected"], marks: [0]),
        curve("accuracy", ["rewards/accuracies", "eval_rewards/accuracies"], marks: [0, 1]),
        curve("log π of the answers", ["logps/chosen", "logps/rejected"]), curve("gradient norm", ["grad_norm"], marks: [0]),
        curve("learning rate", ["learning_rate"], marks: [0]),
      ]
      : [
        curve("loss", ["loss", "eval_loss"]), curve("gradient norm", ["grad_norm"], marks: [0]),
        curve("mean token accuracy", ["mean_token_accuracy", "eval_mean_token_accuracy"]), curve("entropy", ["entropy", "eval_entropy"]),
        curve("learning rate", ["learning_rate"], marks: [0]),
      ]
    return "<div class=\"curves\">\n\(figures.compactMap { $0 }.joined(separator: "\n"))\n</div>"
  }

  // Pairs and rows.

  /// Every pair that somebody looked into, newest first.
  private func looks() -> String {
    let all = trainer.memory.entries.reversed().flatMap { entry in entry.looked.sorted().map { (entry, $0) } }
    if all.isEmpty {
      return "<p class=\"note\">None yet: tokens, strip, explain and walk look into \(isPreference ? "pairs" : "rows").</p>"
    }
    let parts = all.prefix(mostStrips).map { entry, number in look(entry, number) }
    let more = all.count > mostStrips ? "<p class=\"note\">… and \(all.count - mostStrips) earlier ones</p>" : ""
    return parts.joined(separator: "\n") + more
  }

  private func look(_ entry: RememberedReport, _ number: Int) -> String {
    let value = ReportValue(entry.report, kind: entry.kind, texts: entry.texts, note: entry.note)
    var parts = ["\(isPreference ? "pair" : "row") \(number)", "\(entry.kind.rawValue) \(entry.report.step)"]
    if entry.report.pairs.indices.contains(number) {
      let pair = entry.report.pairs[number]
      parts += ["margin \(printf("%+.4f", pair.margin))", "weight \(printf("%.4f", pair.weight))", "loss \(printf("%.4f", pair.loss))"]
      if pair.margin < 0 { parts.append("wrong") }
    }
    if !entry.note.isEmpty { parts.append(entry.note) }
    var text = "<h3>\(escapedMarkup(parts.joined(separator: " · ")))</h3>\n"
    if entry.report.pairs.indices.contains(number) {
      let prompt = entry.texts.pair(entry.report.pairs[number].index).prompt
      text += "<p class=\"prompt\">\(escapedMarkup(prompt.text ?? prompt.source))</p>\n"
    }
    guard let rows = try? tokenRows(value, number), !rows.isEmpty else {
      return text + "<p class=\"note\">Its tokens are no longer in memory.</p>\n"
    }
    return text + TokenStrip(rows).html()
  }

  /// A table of each remembered step, the last ones first.
  private func steps() -> String {
    let steps = trainer.memory.steps(upTo: loop.stepCount)
    let shown = steps.suffix(mostSteps).reversed().enumerated().map { index, entry in details(entry, isOpen: index == 0) }
    let left = loop.stepCount - min(steps.count, mostSteps)
    let more =
      left > 0 && !steps.isEmpty
      ? "<p class=\"note\">The tables of \(left) other steps are not here; the curves have their numbers.</p>" : ""
    return shown.joined(separator: "\n") + more
  }

  private func questions() -> String {
    trainer.memory.entries.filter { $0.kind != .step && $0.kind != .preview }.suffix(mostSteps).reversed().map {
      details($0, isOpen: false)
    }
    .joined(separator: "\n")
  }

  private func details(_ entry: RememberedReport, isOpen: Bool) -> String {
    let value = ReportValue(entry.report, kind: entry.kind, texts: entry.texts, note: entry.note)
    let table = entry.report.pairs.isEmpty ? rowTable(entry) : pairTable(entry)
    return """
      <details\(isOpen ? " open" : "")><summary>\(escapedMarkup(value.headline)) <span class="note">\(dateText(entry.time))</span></summary>
      <div class="scroll">\(table)</div></details>
      """
  }

  private func pairTable(_ entry: RememberedReport) -> String {
    let headings = ["pair", "prompt", "loss", "weight", "chosen", "rejected", "margin", "log π chosen", "log π rejected", "tokens", ""]
    let rows = entry.report.pairs.prefix(mostRows).enumerated().map { number, pair -> String in
      // A single answer has one side only.
      func cell(_ format: String, _ number: Double) -> String { number.isNaN ? "" : printf(format, number) }
      let cells = [
        printf("%.4f", pair.loss), printf("%.4f", pair.weight), cell("%+.4f", pair.rewardChosen), cell("%+.4f", pair.rewardRejected),
        printf("%+.4f", pair.margin), cell("%.2f", pair.chosen.sum), cell("%.2f", pair.rejected.sum),
        "\(pair.chosen.ids.count)/\(pair.rejected.ids.count)", pair.margin < 0 ? "wrong" : "",
      ]
      let prompt = entry.texts.pair(pair.index).prompt
      return "<tr\(pair.margin < 0 ? " class=\"wrong\"" : "")><td>\(number)</td><td class=\"long\">\(escapedMarkup(short(prompt)))</td>"
        + cells.map { "<td>\($0)</td>" }.joined() + "</tr>"
    }
    return htmlTable(headings, rows, of: entry.report.pairs.count)
  }

  private func rowTable(_ entry: RememberedReport) -> String {
    let rows = entry.report.rows.prefix(mostRows).enumerated().map { number, row in
      "<tr><td>\(number)</td><td class=\"long\">\(escapedMarkup(short(entry.texts.document(row.index))))</td>"
        + "<td>\(printf("%.4f", row.loss))</td><td>\(row.trainedTokens)</td></tr>"
    }
    return htmlTable(["row", "text", "loss", "trained tokens"], rows, of: entry.report.rows.count)
  }

  private func htmlTable(_ headings: [String], _ rows: [String], of count: Int) -> String {
    let head = headings.map { "<th\($0 == "prompt" || $0 == "text" ? " class=\"words\"" : "")>\($0)</th>" }.joined()
    let more = count > rows.count ? "<p class=\"note\">… \(count - rows.count) more rows</p>" : ""
    return "<table><thead><tr>\(head)</tr></thead><tbody>\n\(rows.joined(separator: "\n"))\n</tbody></table>\(more)"
  }

  private func table(_ rows: [(String, String)]) -> String {
    let lines = rows.map { "<tr><td class=\"words\">\(escapedMarkup($0.0))</td><td class=\"long\">\(escapedMarkup($0.1))</td></tr>" }
    return "<div class=\"scroll\"><table><tbody>\n\(lines.joined(separator: "\n"))\n</tbody></table></div>"
  }

  private func short(_ value: Value) -> String {
    let text = value.text ?? value.source
    return text.count > 160 ? String(text.prefix(160)) + "…" : text
  }
}

/// A time as `2026-01-31 09:30:00 UTC`.
func dateText(_ seconds: Int) -> String {
  var time = time_t(seconds)
  var parts = tm()
  gmtime_r(&time, &parts)
  func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
  return
    "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday)) \(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) UTC"
}
