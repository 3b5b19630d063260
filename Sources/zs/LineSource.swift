// Where cells come from: a person at a terminal, a pipe, or a test.

import Glibc

/// What a source of cells gives.
enum LineEvent: Equatable {
  /// A whole cell, perhaps of many lines.
  case cell(String)
  /// The entry was dropped with Ctrl-C.
  case cancelled
  /// The entry is to be edited in the person's editor and then run.
  case edit(String)
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
  /// Lines that were read already, the next one last.
  private var waiting: [String] = []
  private var readNext: () -> String?
  /// Up to that many lines the parser is asked after each one.
  private static let fewLines = 64

  /// Reads lines from standard input, or from where `readNext` gets them.
  init(isComplete: @escaping (String) -> Bool, readNext: @escaping () -> String? = { StandardInput.line() }) {
    self.isComplete = isComplete
    self.readNext = readNext
  }

  func next(_ prompt: String) -> LineEvent {
    guard let first = waiting.popLast() ?? readNext() else { return .end }
    if isComplete(first) { return .cell(first) }
    var lines = [first]
    var brackets = OpenBrackets()
    brackets.read(first)
    var askedAt = 1
    while let following = waiting.popLast() ?? readNext() {
      lines.append(following)
      brackets.read(following)
      // Parsing a long cell again after each of its lines would take time that grows with the square of its length: while
      // brackets are open, a long one is parsed only each time it has doubled.
      let isDue = lines.count <= PipeSource.fewLines || !brackets.areOpen || lines.count >= 2 * askedAt
      if isDue {
        askedAt = lines.count
        let cell = lines.joined(separator: "\n")
        if isComplete(cell) { return .cell(cell) }
      }
      if Interrupt.presses > 0 { return .end }
    }
    // An interrupt while it waits is no end of the cell, whose first line alone must not run.
    if Interrupt.presses > 0 { return .end }
    // Nothing ever closed what the first line opened: it alone is wrong, and the lines after it get their turn.
    waiting = lines.dropFirst().reversed()
    return .cell(first)
  }
}

/// Lines of standard input.
///
/// Unlike `readLine`, which goes on after a signal, waiting ends when the person asks to stop.
enum StandardInput {
  // One buffer for the process, as a cell may leave lines to a dialogue. Only the interpreter's thread reads.
  nonisolated(unsafe) private static var pending: [UInt8] = []
  nonisolated(unsafe) private static var start = 0

  /// The next line without its end; nil at the end of the input and after an interrupt.
  static func line() -> String? {
    var searched = start
    while true {
      if let end = pending[searched...].firstIndex(of: 0x0A) {
        defer { start = end + 1 }
        return String(decoding: pending[start..<(end > start && pending[end - 1] == 0x0D ? end - 1 : end)], as: UTF8.self)
      }
      pending.removeFirst(start)
      start = 0
      searched = pending.count
      let count = more()
      if count < 0, errno == EINTR, Interrupt.presses == 0 { continue }
      if count < 0, errno == EINTR { return nil }
      guard count > 0 else {
        defer { pending = [] }
        return pending.isEmpty ? nil : String(decoding: pending, as: UTF8.self)
      }
    }
  }

  private static func more() -> Int {
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    let count = read(STDIN_FILENO, &chunk, chunk.count)
    if count > 0 { pending += chunk[..<count] }
    return count
  }
}

/// Whether brackets or quotes of many lines are open, line by line; a cheap look that the parser has the last word over.
struct OpenBrackets {
  private enum Mode {
    case bracket
    case tripleQuote
    case quote
    /// `\(` within a string.
    case interpolation
  }
  private var open: [Mode] = []

  var areOpen: Bool { !open.isEmpty }

  mutating func read(_ line: String) {
    // A cell marker ends whatever is open.
    if line.hasPrefix("# %%") || line.hasPrefix("#%%") { open = [] }
    var rest = Array(line.utf8)[...]
    while let byte = rest.popFirst() {
      switch open.last {
      case .quote?: inQuote(byte, &rest)
      case .tripleQuote?: inTripleQuote(byte, &rest)
      case .bracket?, .interpolation?, nil:
        if byte == UInt8(ascii: "#") { rest = [] }
        inCode(byte, &rest)
      }
    }
    while case .quote? = open.last { open.removeLast() }
  }

  private mutating func inCode(_ byte: UInt8, _ rest: inout ArraySlice<UInt8>) {
    switch byte {
    case UInt8(ascii: "("), UInt8(ascii: "["), UInt8(ascii: "{"): open.append(.bracket)
    case UInt8(ascii: ")"), UInt8(ascii: "]"), UInt8(ascii: "}"): _ = open.popLast()
    case UInt8(ascii: "\""):
      if rest.starts(with: [byte, byte]) {
        rest = rest.dropFirst(2)
        open.append(.tripleQuote)
      } else {
        open.append(.quote)
      }
    default: break
    }
  }

  private mutating func inQuote(_ byte: UInt8, _ rest: inout ArraySlice<UInt8>) {
    if byte == UInt8(ascii: "\\") {
      if rest.popFirst() == UInt8(ascii: "(") { open.append(.interpolation) }
    } else if byte == UInt8(ascii: "\"") {
      open.removeLast()
    }
  }

  private mutating func inTripleQuote(_ byte: UInt8, _ rest: inout ArraySlice<UInt8>) {
    if byte == UInt8(ascii: "\\") {
      if rest.popFirst() == UInt8(ascii: "(") { open.append(.interpolation) }
    } else if byte == UInt8(ascii: "\""), rest.starts(with: [byte, byte]) {
      rest = rest.dropFirst(2)
      open.removeLast()
    }
  }
}

/// Cells from a list, for tests.
final class ScriptedSource: LineSource {
  private var events: [LineEvent]

  init(_ events: [LineEvent]) { self.events = events.reversed() }

  func next(_ prompt: String) -> LineEvent { events.popLast() ?? .end }
}
