// A debugger over batches: it stands before an update, shows its batch, and moves. A line is read into an action, the action is done,
// what is to be seen is written. It knows no terminal: who types and where text goes is given to it.

import Language
import Training

/// What a walk shows its texts on.
struct WalkScreen {
  var width: () -> Int
  /// Lines that one screen holds.
  var rows: () -> Int
  var colour: Bool
  /// Whether a person watches: after each move the current pair is shown.
  var showsPair: Bool
}

/// A walk over the batches of a trainer.
final class Stepper {
  /// The trainer that commands are about.
  var trainer: TrainerValue
  /// All trainers of the walk: the first one and its branches.
  var branches: [TrainerValue]
  let screen: WalkScreen
  let session: Session
  let call: Call
  private(set) var breakpoints: [WalkBreakpoint] = []
  private var breakpointCount = 0
  /// The pair that commands without a number mean.
  private(set) var pair = 0
  /// The report of the batch that the next update uses, and the step it was made at.
  var current: (step: Int, report: ReportValue)?
  /// Breakpoints that stopped the walk before this step: the next move passes them.
  var passed: (step: Int, numbers: Set<Int>) = (-1, [])
  private var repeated: WalkAction?

  init(_ trainer: TrainerValue, screen: WalkScreen, call: Call) throws {
    self.trainer = trainer
    branches = [trainer]
    self.screen = screen
    self.call = call
    session = try Session.of(call)
  }

  var loop: TrainLoop { trainer.loop }
  private var isPreference: Bool { trainer.texts.isPreference }
  private var unit: String { isPreference ? "pair" : "row" }

  /// How many updates are done, of how many: `walk[21/64]›`; with the trainer's name where there are several.
  var prompt: String { "walk\(branches.count > 1 ? " \(trainer.name)" : "")[\(loop.stepCount)/\(loop.totalSteps)]› " }

  /// The reader of lines, with the names that this trainer knows.
  var parser: WalkParser {
    let own = loop.objective.metrics(pairs: [], rows: []).map(\.0)
    var metrics =
      ["loss", "grad_norm", "learning_rate", "step", "epoch", "num_tokens"] + (isPreference ? ["accuracy", "margin"] : []) + own
    metrics += loop.history.names.filter { !metrics.contains($0) }
    return WalkParser(
      metrics: metrics, pairNumbers: isPreference ? pairNumbers.map(\.name) : ["loss", "tokens"],
      whatIf: session.table.lookup("what_if").first ?? call.builtin)
  }

  func say(_ text: String) { call.context.write(text.hasSuffix("\n") ? text : text + "\n") }

  /// Does what a line asks; false when the walk should end.
  ///
  /// Errors and interrupts are shown and end nothing.
  func perform(_ line: String) -> Bool {
    do {
      var action = try parser.action(line)
      if case .nothing = action {
        guard let again = repeated else { return true }
        action = again
      }
      if case .quit = action { return false }
      repeated = action.isRepeatable ? action : nil
      try act(action)
    } catch is Interrupted {
      session.progress.finish()
      say("interrupted · \(loop.stepCount) of \(loop.totalSteps) steps are done")
    } catch {
      session.progress.finish()
      let error = describe(error)
      say("error: \(error.message)" + (error.hint.map { "\n  hint: \($0)" } ?? ""))
    }
    return true
  }

  private func act(_ action: WalkAction) throws {
    switch action {
    case .nothing, .quit: break
    case .pairs: say(try currentReport().display(display))
    case .pair(let number): try show(number)
    case .tokens(let number): try showTokens(number)
    case .explain(let number): say(try Explanation(currentReport(), select(number)).display(display))
    case .gradient(let number): try showGradient(number)
    case .what(let options): try showWhatIf(options)
    case .set(let options): try branchOff(options)
    case .fork: try branchOff([:])
    case .branch(let number): try changeOver(to: number)
    case .step(let count): try advance(count, isQuiet: false)
    case .back(let count):
      try loop.back(count, poll: call.poll)
      try arrive()
    case .goto(let target):
      try loop.goto(target, poll: call.poll)
      try arrive()
    case .run(let count): try advance(count ?? max(1, loop.totalSteps - loop.stepCount), isQuiet: true)
    case .until(let condition): try advance(max(1, loop.totalSteps - loop.stepCount), until: condition, isQuiet: true)
    case .setBreak(let condition): setBreakpoint(condition)
    case .breaks: listBreakpoints()
    case .clear(let number): try clearBreakpoint(number)
    case .plot(let names): try plotHistory(names)
    case .history(let count): try showHistory(count)
    case .location:
      say(trainer.display(display))
      say(try currentReport().display(display).split(separator: "\n").first.map(String.init) ?? "")
    case .options: say(Value.map(trainer.options).display(DisplayOptions(width: 30, maxRows: 200)))
    case .save(let path): try save(path)
    case .help(let command): say(command?.help ?? Stepper.help)
    }
  }

  var display: DisplayOptions { DisplayOptions(width: screen.width(), colour: screen.colour, maxRows: max(8, screen.rows() - 4)) }

  /// The report of the batch that comes next; of the last batch where the run is complete.
  func currentReport() throws -> ReportValue {
    if let current, current.step == loop.stepCount { return current.report }
    guard loop.stepCount < loop.totalSteps else {
      guard let last = trainer.memory.steps(upTo: loop.stepCount).last, last.report.step == loop.stepCount else {
        throw ZsError("the run is complete: there is no next batch", hint: "back, goto N, plot, save PATH, quit")
      }
      return ReportValue(last.report, kind: .step, texts: last.texts, origin: (trainer, loop.objective), remembered: last)
    }
    let report = trainer.value(try loop.preview(poll: call.poll), kind: .preview)
    current = (loop.stepCount, report)
    return report
  }

  /// Makes a pair the current one, if a number is given, and gives its number.
  func select(_ number: Int?) throws -> Int {
    let report = try currentReport().report
    let count = max(report.pairs.count, report.rows.count)
    if let number { pair = try place(number, of: count, unit) }
    pair = min(pair, count - 1)
    return pair
  }

  /// Shows where a move has led.
  func arrive() throws {
    if screen.showsPair { try show(nil) } else { say("at step \(loop.stepCount) of \(loop.totalSteps)") }
  }
}

// Moving.

extension Stepper {
  /// Takes updates until there were enough of them, a condition holds, a breakpoint or the end of the run is reached.
  private func advance(_ count: Int, until condition: WalkCondition? = nil, isQuiet: Bool) throws {
    guard loop.stepCount < loop.totalSteps else {
      throw ZsError("the run is complete: step \(loop.totalSteps) of \(loop.totalSteps) is done", hint: "back, goto N, or quit")
    }
    let start = loop.stepCount
    let end = min(loop.totalSteps, start + count)
    var last: ReportValue?
    var stop: String?
    defer { session.progress.finish() }
    let clock = ContinuousClock()
    try trainer.recorder?.begin(call.poll)
    defer { if loop.stepCount == loop.totalSteps { trainer.recorder?.finished() } else { trainer.recorder?.stopped() } }
    while loop.stepCount < end, stop == nil {
      let began = clock.now
      let value: ReportValue
      do {
        value = try trainer.takeStep(poll: call.poll)
      } catch is Interrupted where loop.stepCount > start {
        stop = interruption
        break
      }
      if let hit = hit(value.report) {
        stop = try stopBefore(value, hit)
        if loop.stepCount == value.report.step { last = value }
        break
      }
      last = value
      if !isQuiet { say(line(of: value.report)) }
      if isQuiet, end - start > 1 {
        let seconds = (clock.now - began) / .seconds(1)
        session.progress.update(progress(value.report, of: loop, end: end, seconds: seconds))
      }
      if let condition, condition.holds({ metric($0, value.report) }) { stop = "\(condition.text) holds" }
    }
    session.progress.finish()
    if isQuiet, let last { say(summary(from: start, last.report)) }
    if let stop {
      say(stop)
    } else if let condition {
      say("the run ended and \(condition.text) never held")
    }
    // Whoever interrupted wants the prompt, not another pass.
    if screen.showsPair, stop != interruption, loop.stepCount < loop.totalSteps { try show(nil) }
  }

  private func line(of report: StepReport) -> String {
    var parts = ["step \(report.step)", "loss \(printf("%.4f", report.loss))"]
    if let accuracy = report.metrics["rewards/accuracies"] { parts.append("accuracy \(printf("%.2f", accuracy))") }
    if let margin = report.metrics["rewards/margins"] { parts.append("margin \(printf("%+.4f", margin))") }
    parts += ["grad norm \(compact(report.gradNorm))", "lr \(compact(report.learningRate))"]
    return parts.joined(separator: " · ")
  }

  private func summary(from start: Int, _ report: StepReport) -> String {
    let losses = Array(loop.history.column("loss").suffix(max(1, loop.stepCount - start)))
    let steps = loop.stepCount - start
    return "\(steps) step\(steps == 1 ? "" : "s") · \(sparkline(Array(losses.suffix(40)))) · \(line(of: report))"
  }

  /// The breakpoint that a batch satisfies, and the pair that does.
  private func hit(_ report: StepReport) -> (breakpoint: WalkBreakpoint, pair: Int?)? {
    for breakpoint in breakpoints where !(passed.step == report.step && passed.numbers.contains(breakpoint.number)) {
      guard breakpoint.isOfPairs else {
        if breakpoint.condition.holds({ metric($0, report) }) { return (breakpoint, nil) }
        continue
      }
      let count = max(report.pairs.count, report.rows.count)
      if let pair = (0..<count).first(where: { index in breakpoint.condition.holds { pairNumber($0, report, index) } }) {
        return (breakpoint, pair)
      }
    }
    return nil
  }

  /// Goes back to before the update that satisfied a breakpoint, so that its batch is the current one.
  private func stopBefore(_ value: ReportValue, _ hit: (breakpoint: WalkBreakpoint, pair: Int?)) throws -> String {
    let report = value.report
    let (breakpoint, index) = hit
    passed = (report.step, (passed.step == report.step ? passed.numbers : []).union([breakpoint.number]))
    var which = "the batch has"
    if let index {
      pair = index
      which = "\(unit) \(index) has"
    }
    let numbers = breakpoint.condition.terms.compactMap { term -> String? in
      let number = index.map { pairNumber(term.name, report, $0) } ?? metric(term.name, report)
      return number.map { "\(term.name) \(compact($0))" }
    }
    let why = "\(which) \(numbers.joined(separator: ", ")) (breakpoint \(breakpoint.number): \(breakpoint.condition.text))"
    do {
      try loop.back(1, poll: call.poll)
    } catch let error as TrainingError {
      // Without room for a snapshot the update cannot be taken back.
      return "stopped after step \(report.step): \(why); \(error.message)"
    }
    current = (
      loop.stepCount,
      ReportValue(
        report, kind: .preview, texts: value.texts, origin: value.origin, remembered: value.remembered, gauges: value.gauges)
    )
    return "stopped before step \(report.step): \(why)"
  }

  private func metric(_ name: String, _ report: StepReport) -> Double? {
    switch name {
    case "step": Double(report.step)
    case "accuracy": report.metrics["rewards/accuracies"]
    case "margin": report.metrics["rewards/margins"]
    default: report.metrics[name] ?? loop.history.rows.last?[name]
    }
  }

  private func setBreakpoint(_ condition: WalkCondition) {
    breakpointCount += 1
    let isOfPairs = condition.terms.allSatisfy { parser.pairNumbers.contains($0.name) }
    breakpoints.append(WalkBreakpoint(number: breakpointCount, condition: condition, isOfPairs: isOfPairs))
    say("breakpoint \(breakpointCount): \(isOfPairs ? "any \(unit) with" : "a batch with") \(condition.text)")
  }

  private func listBreakpoints() {
    if breakpoints.isEmpty { return say("no breakpoints; break margin < -1 sets one") }
    for one in breakpoints { say("\(one.number)  \(one.isOfPairs ? "any \(unit) with" : "a batch with") \(one.condition.text)") }
  }

  private func clearBreakpoint(_ number: Int?) throws {
    guard let number else {
      say("\(breakpoints.count) breakpoint\(breakpoints.count == 1 ? "" : "s") removed")
      return breakpoints.removeAll()
    }
    guard let index = breakpoints.firstIndex(where: { $0.number == number }) else {
      throw ZsError("there is no breakpoint \(number)", hint: "breaks lists them")
    }
    say("removed: \(breakpoints.remove(at: index).condition.text)")
  }
}

private let interruption = "interrupted"

/// The numbers of a pair that a breakpoint may ask for, by the names of a report's pairs.
package let pairNumbers: [(name: String, value: @Sendable (PairReport) -> Double)] = [
  ("margin", { $0.margin }), ("weight", { $0.weight }), ("loss", { $0.loss }), ("reward_chosen", { $0.rewardChosen }),
  ("reward_rejected", { $0.rewardRejected }), ("logp_chosen", { $0.chosen.sum }), ("logp_rejected", { $0.rejected.sum }),
  ("ref_logp_chosen", { $0.chosen.referenceSum }), ("ref_logp_rejected", { $0.rejected.referenceSum }),
  ("tokens_chosen", { Double($0.chosen.ids.count) }), ("tokens_rejected", { Double($0.rejected.ids.count) }),
]

private func pairNumber(_ name: String, _ report: StepReport, _ index: Int) -> Double? {
  if report.pairs.indices.contains(index) { return pairNumbers.first { $0.name == name }?.value(report.pairs[index]) }
  guard report.rows.indices.contains(index) else { return nil }
  let row = report.rows[index]
  return name == "loss" ? row.loss : name == "tokens" ? Double(row.documents.reduce(0) { $0 + $1.ids.count }) : nil
}
