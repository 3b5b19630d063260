// What a walk shows: the screen of the current pair, its tokens, other options, curves, help; and saving.

import Formats
import Language
import Training

extension Stepper {
  static let help: String = {
    let width = WalkCommand.all.map { TextWidth.of($0.usage) }.max() ?? 0
    let lines = WalkCommand.all.map { command in
      TextWidth.pad(command.usage, to: width + 2) + command.summary + (command.letter.map { " (\($0))" } ?? "")
    }
    return lines.joined(separator: "\n")
      + "\n\nEnter repeats the last command · beginnings of names do · Ctrl-C stops between steps · Ctrl-D quits · help COMMAND tells more"
  }()

  /// One screen: the batch's numbers, the pair's, its prompt, its answers with every token coloured.
  func show(_ number: Int?) throws {
    let value = try currentReport()
    let index = try select(number)
    value.remembered?.look(at: index)
    let width = screen.width()
    var lines = [TextWidth.cut(value.headline, to: width)] + value.gaugeLines(display)
    lines.append(TextWidth.cut(heading(of: index, value), to: width))
    if value.texts.isPreference {
      let prompt = value.texts.pair(value.report.pairs[index].index).prompt
      let flat = TokenStrip.visible((prompt.text ?? prompt.source).replacing("\n", with: " "))
      let shown = wrapped(flat, width: width - 2)
      lines += shown.prefix(3).enumerated().map {
        "  " + ($0.offset == 2 && shown.count > 3 ? TextWidth.cut($0.element, to: width - 4) + "…" : $0.element)
      }
    }
    let strip = TokenStrip(try tokenRows(value, index))
    let isWide = strip.sides.count < 2 || width >= 88
    let room = max(6, screen.rows() - lines.count - 4)
    say(lines.joined(separator: "\n"))
    say(strip.terminal(width: width, colour: screen.colour, maxRows: isWide ? room : room / 2 - 1))
  }

  private func heading(of index: Int, _ value: ReportValue) -> String {
    let report = value.report
    guard value.texts.isPreference else {
      let row = report.rows[index]
      return "row \(index) of \(report.rows.count) · loss \(printf("%.4f", row.loss)) · \(row.trainedTokens) trained tokens"
    }
    let pair = report.pairs[index]
    let verdict = pair.margin < 0 ? " · wrong" : ""
    let bold = screen.colour ? ("\u{1B}[1m", "\u{1B}[0m") : ("", "")
    if let label = pair.label {
      return "\(bold.0)answer \(index) of \(report.pairs.count)\(bold.1) · \(label ? "desirable" : "undesirable") · reward "
        + "\(printf("%+.4f", label ? pair.margin : -pair.margin)) · weight \(printf("%.4f", pair.weight)) · loss \(printf("%.4f", pair.loss))\(verdict)"
    }
    return "\(bold.0)pair \(index) of \(report.pairs.count)\(bold.1) · margin \(printf("%+.4f", pair.margin)) = "
      + "\(printf("%+.4f", pair.rewardChosen)) − \(printf("%+.4f", pair.rewardRejected)) · weight \(printf("%.4f", pair.weight))"
      + " · loss \(printf("%.4f", pair.loss))\(verdict)"
  }

  func showTokens(_ number: Int?) throws {
    let value = try currentReport()
    let rows = try tokenRows(value, try select(number))
    say(TokenStrip(rows).terminal(width: screen.width(), colour: screen.colour))
    let strength: (TokenRow) -> Double = { abs($0.delta ?? $0.logProb ?? 0) }
    let strongest = rows.sorted { strength($0) > strength($1) }.prefix(10).map(\.value)
    let headings =
      value.texts.isPreference ? ["side", "position", "token", "logp", "ref_logp", "delta"] : ["position", "token", "logp", "trained"]
    say(table(Array(strongest), headings: headings).text(width: screen.width(), maxRows: 20, colour: screen.colour))
  }

  func showWhatIf(_ options: ValueMap) throws {
    let now = try currentReport()
    guard case .object(let object) = try builtin("what_if", [.object(trainer)], options), let value = object as? ReportValue else { return }
    say("as it is: " + now.headline)
    say(value.display(display))
  }

  func showGradient(_ number: Int?) throws {
    let (report, index) = (try currentReport(), try select(number))
    say(try builtin("gradient", [.object(report), .int(Int64(index))], [:]).display(display))
  }

  func plotHistory(_ names: [String]) throws {
    guard !loop.history.rows.isEmpty else { throw ZsError("there is nothing to plot yet", hint: "step first") }
    let rows = try trainer.field("history") ?? Value.none
    let wanted = (names.isEmpty ? ["loss"] : names).map { Value.string($0) }
    say(try builtin("plot", [rows] + wanted, [:]).display(display))
  }

  func showHistory(_ count: Int) throws {
    guard case .list(let rows)? = try trainer.field("history"), !rows.isEmpty else { throw ZsError("no steps are done yet", hint: "step") }
    let headings =
      trainer.texts.isPreference
      ? ["step", "loss", "accuracy", "margin", "rewards/chosen", "rewards/rejected", "grad_norm", "learning_rate"]
      : ["step", "loss", "grad_norm", "learning_rate"]
    say(table(Array(rows.suffix(count)), headings: headings).text(width: screen.width(), maxRows: 500, colour: screen.colour))
  }

  func save(_ path: String) throws {
    if path.lowercased().hasSuffix(".html") {
      _ = try builtin("report_html", [.object(trainer), .string(path)], [:])
    } else if session.table.lookup("save").contains(where: { $0.parameters.first?.type.admits(.object(trainer)) ?? false }) {
      _ = try builtin("save", [.object(trainer), .string(path)], [:])
    } else {
      _ = try builtin("save", [.object(ModelValue(trainer.policy)), .string(path)], [:])
    }
    say("saved: \(path)")
  }

  /// Calls a builtin as a program would, with all its checks.
  func builtin(_ name: String, _ positional: [Value], _ named: ValueMap) throws -> Value {
    let rows = session.table.lookup(name)
    let first = positional.first ?? Value.none
    guard let row = rows.first(where: { $0.parameters.first?.type.admits(first) ?? false }) else {
      throw ZsError("\(name) cannot be used here")
    }
    return try row.body(Call(row, context: call.context, positional: positional, named: named))
  }
}
