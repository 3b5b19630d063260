// Where cells come from: a person at a terminal, a pipe, or a test.

/// What a source of cells gives.
enum LineEvent: Equatable {
  /// A whole cell, perhaps of many lines.
  case cell(String)
  /// The entry was dropped with Ctrl-C.
  case cancelled
  /// There is no more.
  case end
}

/// A source of cells.
protocol LineSource: AnyObject {
  /// The next cell; `prompt` is shown where somebody can see it.
  func next(_ prompt: String) -> LineEvent
  /// Takes a cell into the history that the arrow keys walk.
  func remember(_ cell: String)
  /// Puts a text into the next entry, to be edited.
  func prefill(_ text: String)
}

extension LineSource {
  func remember(_ cell: String) {}
  func prefill(_ text: String) {}
}

/// Cells from a pipe or file: as many lines as the parser wants.
final class PipeSource: LineSource {
  private let isComplete: (String) -> Bool
  private var waiting: [String] = []
  private var readNext: () -> String?

  /// Reads lines from standard input, or from where `readNext` gets them.
  init(isComplete: @escaping (String) -> Bool, readNext: @escaping () -> String? = { readLine() }) {
    self.isComplete = isComplete
    self.readNext = readNext
  }

  func next(_ prompt: String) -> LineEvent {
    guard let first = line() else { return .end }
    if isComplete(first) { return .cell(first) }
    var lines = [first]
    while let following = line() {
      lines.append(following)
      let cell = lines.joined(separator: "\n")
      if isComplete(cell) { return .cell(cell) }
      if Interrupt.presses > 0 { return .end }
    }
    // Nothing ever closed what the first line opened: it alone is wrong, and the lines after it get their turn.
    waiting = Array(lines.dropFirst())
    return .cell(first)
  }

  private func line() -> String? {
    if waiting.isEmpty { return readNext() }
    return waiting.removeFirst()
  }
}

/// Cells from a list, for tests.
final class ScriptedSource: LineSource {
  private var events: [LineEvent]

  init(_ events: [LineEvent]) { self.events = events.reversed() }

  func next(_ prompt: String) -> LineEvent { events.popLast() ?? .end }
}
