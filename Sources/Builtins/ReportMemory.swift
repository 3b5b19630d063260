// What a trainer remembers of the reports it gave: the pages of report_html are made of it. Within a budget of memory: log-probs of
// tokens that nobody looked at go first, from the oldest step on, then whole reports.

import Glibc
import Training

/// One report, as long as the trainer remembers it.
package final class RememberedReport {
  package fileprivate(set) var report: StepReport
  let kind: ReportValue.Kind
  let note: String
  /// What its examples say.
  let texts: ExampleTexts
  /// Seconds since the beginning of 1970.
  let time: Int
  /// The pairs or rows that somebody looked into.
  private(set) var looked: Set<Int> = []

  fileprivate init(_ report: StepReport, kind: ReportValue.Kind, note: String, texts: ExampleTexts) {
    self.report = report
    self.kind = kind
    self.note = note
    self.texts = texts
    time = Glibc.time(nil)
  }

  /// Marks a pair or row as looked into.
  package func look(at number: Int) { looked.insert(number) }

  /// Whether log-probs of single tokens are still there.
  package var hasTokens: Bool { report.pairs.contains { !$0.chosen.logProbs.isEmpty } || report.rows.contains { !$0.documents.isEmpty } }

  /// Bytes that the report takes beyond what the trainer's examples hold anyway.
  fileprivate var bytes: Int {
    let pairs = report.pairs.reduce(0) { sum, pair in
      sum + 320 + 4 * [pair.chosen, pair.rejected].reduce(0) { $0 + $1.logProbs.count + $1.referenceLogProbs.count }
    }
    return 512 + pairs + report.rows.reduce(0) { $0 + 128 + 4 * $1.documents.reduce(0) { $0 + $1.logProbs.count } }
  }

  fileprivate func forgetTokens() {
    for index in report.pairs.indices {
      report.pairs[index].chosen.logProbs = []
      report.pairs[index].chosen.referenceLogProbs = []
      report.pairs[index].rejected.logProbs = []
      report.pairs[index].rejected.referenceLogProbs = []
    }
    for index in report.rows.indices { report.rows[index].documents = [] }
  }
}

/// The reports of one trainer, oldest first.
package final class ReportMemory {
  package private(set) var entries: [RememberedReport]
  private let budget: Int
  package private(set) var bytes = 0

  /// A memory of at most `budget` bytes.
  package init(budget: Int = 64 << 20, entries: [RememberedReport] = []) {
    self.budget = budget
    self.entries = entries
    bytes = entries.reduce(0) { $0 + $1.bytes }
  }

  /// A memory that begins with the same past.
  func copy() -> ReportMemory { ReportMemory(budget: budget, entries: entries) }

  /// Takes a report in; a step that was undone and is taken again replaces its report and all later ones.
  package func remember(_ report: StepReport, kind: ReportValue.Kind, note: String, texts: ExampleTexts) -> RememberedReport {
    if kind == .step { drop { $0.kind == .step && $0.report.step >= report.step } }
    let entry = RememberedReport(report, kind: kind, note: note, texts: texts)
    entries.append(entry)
    bytes += entry.bytes
    if bytes > budget { shrink(keeping: entry) }
    return entry
  }

  /// The steps that are still done: those up to `count`.
  package func steps(upTo count: Int) -> [RememberedReport] { entries.filter { $0.kind == .step && $0.report.step <= count } }

  private func drop(_ isDropped: (RememberedReport) -> Bool) {
    entries.removeAll(where: isDropped)
    bytes = entries.reduce(0) { $0 + $1.bytes }
  }

  private func shrink(keeping newest: RememberedReport) {
    for entry in entries where bytes > budget && entry !== newest && entry.looked.isEmpty && entry.hasTokens {
      bytes -= entry.bytes
      entry.forgetTokens()
      bytes += entry.bytes
    }
    // Whole reports go only then: first those that nobody looked into, then the others, oldest first.
    for isLooked in [false, true] {
      while bytes > budget, let index = entries.firstIndex(where: { $0 !== newest && $0.looked.isEmpty != isLooked }) {
        bytes -= entries[index].bytes
        entries.remove(at: index)
      }
    }
  }
}

extension TrainerValue {
  /// A report of this trainer as a value, remembered; `texts` where it speaks of other data.
  func value(
    _ report: StepReport, kind: ReportValue.Kind, note: String = "", lossAfter: Double? = nil, texts: ExampleTexts? = nil,
    objective: (any Objective)? = nil
  ) -> ReportValue {
    let texts = texts ?? self.texts
    let earlier = memory.steps(upTo: report.step - 1).suffix(16).flatMap(\.report.pairs)
    let remembered = memory.remember(report, kind: kind, note: note, texts: texts)
    return ReportValue(
      report, kind: kind, texts: texts, note: note, lossAfter: lossAfter, origin: (self, objective ?? loop.objective),
      remembered: remembered, gauges: gauges(report, earlier: earlier, history: loop.history, kind: kind))
  }

  /// One update, with the evaluation that falls due after it and what the run leaves behind.
  func takeStep(poll: () throws -> Void) throws -> ReportValue {
    let report = value(try loop.step(poll: poll), kind: .step)
    if let evaluation, loop.stepCount % evaluation.every == 0 || loop.stepCount == loop.totalSteps {
      loop.recordEvaluation(try loop.evaluate(evaluation.objective, poll: poll))
    }
    try recorder?.stepped(poll)
    return report
  }
}
