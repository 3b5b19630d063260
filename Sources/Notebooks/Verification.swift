// Running the cells of an exported session again and comparing what they give with what was recorded.
import Language

/// What was found for one cell.
public struct CellVerdict: Equatable, Sendable {
  /// The number of the recorded cell, or its place where it has none.
  public let number: Int
  /// What the cell says first, for reports.
  public let text: String
  /// What differs, nil where nothing does.
  public let difference: String?
  /// Why the cell was not run; nil where it was.
  public let skipped: String?
}

/// A recorded session against a new run of it.
public struct Verification {
  /// How numbers are compared.
  public var comparison: TextComparison

  /// A verification under tolerances.
  public init(comparison: TextComparison = TextComparison()) { self.comparison = comparison }

  /// Runs the cells of a recorded notebook in a fresh session and compares them one by one.
  ///
  /// - Parameters:
  ///   - recorder: A recorder that has run nothing yet.
  ///   - onVerdict: Is told of each cell as it is done; gives false to stop.
  public func run(
    _ document: NotebookDocument, in recorder: CellRecorder, render: ([ZsError]) -> String, onVerdict: (CellVerdict) -> Bool
  ) {
    if let seed = document.about.seed { recorder.begin(seed: seed) }
    for (index, cell) in document.cells.enumerated() where cell.kind == .code {
      let number = cell.number ?? index + 1
      let text = String(cell.text.prefix { !$0.isNewline })
      if cell.ending == .interrupted {
        if !onVerdict(CellVerdict(number: number, text: text, difference: nil, skipped: "it was interrupted")) { return }
        continue
      }
      recorder.seek(cell)
      _ = recorder.run(cell.text, title: cell.title, render: render)
      guard let new = recorder.cells.last else { continue }
      let difference = new.ending == .interrupted ? "interrupted" : difference(cell, new)
      if !onVerdict(CellVerdict(number: number, text: text, difference: difference, skipped: nil)) { return }
      if new.ending == .interrupted { return }
    }
  }

  /// What differs between a cell as it was recorded and as it ran.
  private func difference(_ old: NotebookCell, _ new: NotebookCell) -> String? {
    if let ending = old.ending, let now = new.ending, ending != now {
      let message = new.outputs.compactMap { output in
        if case .error(_, let message, _) = output { return message }
        return nil
      }.first
      return "it \(ending.rawValue) then, and \(now.rawValue) now" + (message.map { ": \($0)" } ?? "")
    }
    let a = Verification.parts(old)
    let b = Verification.parts(new)
    for index in 0..<max(a.count, b.count) {
      let left = index < a.count ? a[index] : nil
      let right = index < b.count ? b[index] : nil
      guard let left, let right, left.kind == right.kind else {
        return "then: \(Verification.shown(left?.text))\n now: \(Verification.shown(right?.text))"
      }
      if let (old, new) = comparison.difference(left.text, right.text) { return "then: \(old)\n now: \(new)" }
    }
    return nil
  }

  private static func shown(_ text: String?) -> String {
    guard let line = text?.split(separator: "\n").first else { return "(nothing)" }
    return String(line)
  }

  /// The outputs as texts to compare; printed text that is blank or changes anyway counts as none.
  private static func parts(_ cell: NotebookCell) -> [(kind: String, text: String)] {
    cell.outputs.compactMap { output in
      switch output {
      case .stream(let text):
        let plain = HTMLText.withoutEscapes(text)
        let counts = plain.split(separator: "\n").contains { line in
          let start = line.drop { $0 == " " }
          return !start.isEmpty && !start.hasPrefix("~")
        }
        return counts ? ("printed", plain) : nil
      case .result(let bundle): return ("result", bundle.text)
      case .error(_, let message, _): return ("error", message)
      }
    }
  }
}
