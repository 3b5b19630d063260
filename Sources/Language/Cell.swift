// What a session remembers of its cells: In, Out, ans, and which names each cell read and gave values to, so that a cell
// whose inputs changed can be marked.

/// One cell that was run at the prompt.
public struct CellRecord {
  /// The number in `In[n]`.
  public let number: Int
  /// What was typed.
  public let text: String
  /// Names of the session that it reads, also inside of the functions it defines.
  public internal(set) var reads: Set<String> = []
  /// Names that it gives values to.
  public internal(set) var writes: Set<String> = []
  /// How it ended.
  public internal(set) var status: RunStatus = .finished
  /// How long it ran.
  public internal(set) var duration: Duration = .zero
  /// Whether something it reads was given another value since.
  public internal(set) var isStale = false
  /// Whether it was run again since, or all it gave values to was given others: it is then never stale.
  public internal(set) var isHistory = false
  /// Names that still have the values that it gave them, or values made from those.
  var standing: Set<String> = []
}

/// How a program or cell ended.
public enum RunStatus: Equatable, Sendable {
  case finished
  case failed
  case interrupted
}

/// What a run gave.
public struct RunResult {
  /// How it ended.
  public let status: RunStatus
  /// What was wrong: several errors before it ran, or the one that ended it.
  public let errors: [ZsError]
  /// Remarks, such as that a builtin's name now means something else.
  public let notes: [ZsError]
  /// The value of the last expression that stands as a statement, muted ones included; nil where there was none.
  public let value: Value?
}

/// The value of a statement at the top level, as it comes.
public struct StatementResult {
  /// The value; none for calls that give none.
  public let value: Value
  /// Whether a trailing `;` asks not to show it.
  public let isMuted: Bool
  /// Where the statement stands.
  public let span: Span
}

/// How a `test` block ended.
public struct TestOutcome {
  /// The name given to it.
  public let name: String
  /// What was wrong, nil where it passed.
  public let error: ZsError?
}

/// The cells of a session and their results.
public final class Journal {
  /// The cells in the order they ran.
  public private(set) var cells: [CellRecord] = []
  /// Bytes of results that are kept in `Out`; beyond it the oldest are let go.
  public var outputBudget = 256 << 20
  private var outputs: [Int: Value] = [:]
  private var summaries: [Int: String] = [:]
  private var order: [(number: Int, bytes: Int)] = []
  private var next = 1
  /// Where in `cells` the newest cell of a text is.
  private var lastWithText: [String: Int] = [:]

  /// The number that the next cell gets.
  public var nextNumber: Int { next }

  /// Numbers of cells that read something that was changed since.
  public var staleCells: [Int] { cells.filter(\.isStale).map(\.number) }

  /// The result of a cell, nil where it showed none or it was let go.
  public func output(_ number: Int) -> Value? { outputs[number] }

  /// The text of a cell.
  public func input(_ number: Int) -> String? { cells.last { $0.number == number }?.text }

  func begin(_ text: String) -> CellRecord {
    defer { next += 1 }
    return CellRecord(number: next, text: text)
  }

  /// Keeps a cell that ran, and marks those that read what it changed.
  func finish(_ record: CellRecord) {
    var record = record
    record.standing = record.writes
    // What is only added to, as in `x += 1`, still holds what was there.
    let replaced = record.writes.subtracting(record.reads)
    // A cell that gives no name touches only the one it repeats: a long session stays quick.
    let touched = record.writes.isEmpty ? (lastWithText[record.text].map { $0..<$0 + 1 } ?? 0..<0) : cells.indices
    lastWithText[record.text] = cells.count
    for index in touched where !cells[index].isHistory {
      if !replaced.isDisjoint(with: cells[index].standing) { cells[index].standing.subtract(replaced) }
      let isReplaced = !cells[index].writes.isEmpty && cells[index].standing.isEmpty
      if isReplaced || cells[index].text == record.text {
        cells[index].isHistory = true
        cells[index].isStale = false
        continue
      }
      // A cell that both reads and gives a name made the change itself.
      let inputs = cells[index].reads.subtracting(cells[index].writes)
      if cells[index].status == .finished, !inputs.isDisjoint(with: record.writes) { cells[index].isStale = true }
    }
    cells.append(record)
  }

  /// Keeps a result; false where it alone is over the budget, so that only its summary stays.
  @discardableResult
  func keep(_ value: Value, as number: Int) -> Bool {
    let bytes = value.byteCount
    outputs[number] = value
    order.removeAll { $0.number == number }
    order.append((number, bytes))
    var total = order.reduce(0) { $0 &+ $1.bytes }
    while total > outputBudget, let oldest = order.first {
      order.removeFirst()
      total -= oldest.bytes
      summaries[oldest.number] = outputs[oldest.number]?.display(DisplayOptions(width: 80, plain: true, maxRows: 4))
      outputs[oldest.number] = nil
    }
    return outputs[number] != nil
  }

  /// Whether the result of a cell was let go of because it was large.
  public func wasLetGo(_ number: Int) -> Bool { summaries[number] != nil && outputs[number] == nil }

  /// `Out[n]`.
  func recalled(_ number: Int64) throws -> Value {
    let place = cells.count &+ Int(clamping: number)
    let cell = number >= 0 ? Int(clamping: number) : cells.indices.contains(place) ? cells[place].number : 0
    if let value = outputs[cell] { return value }
    if let summary = summaries[cell] {
      throw ZsError(
        kind: "key", message: "the result of cell \(cell) was too large to keep",
        hint: "it was: \(summary)\nrun the cell again, and give the result a name")
    }
    let known = outputs.keys.sorted().suffix(8).map(String.init).joined(separator: ", ")
    throw ZsError(
      kind: "key", message: "cell \(number) has no result",
      hint: known.isEmpty ? "no cell has shown a value yet" : "results are kept of cells \(known)")
  }

  /// Forgets some cells and their results; names keep their values, and numbers are not given again.
  public func drop(_ numbers: Set<Int>) {
    cells.removeAll { numbers.contains($0.number) }
    lastWithText = [:]
    for (index, cell) in cells.enumerated() { lastWithText[cell.text] = index }
    order.removeAll { numbers.contains($0.number) }
    for number in numbers {
      outputs[number] = nil
      summaries[number] = nil
    }
  }

  /// Forgets all cells and results.
  public func reset() {
    cells = []
    lastWithText = [:]
    outputs = [:]
    summaries = [:]
    order = []
    next = 1
  }
}

/// `In` or `Out` as a value.
final class JournalValue: ObjectValue {
  private let journal: Journal
  private let isInput: Bool

  init(_ journal: Journal, isInput: Bool) {
    self.journal = journal
    self.isInput = isInput
  }

  var typeName: String { isInput ? "inputs" : "outputs" }

  func subscripted(_ index: [IndexArgument]) throws -> Value {
    guard index.count == 1, case .at(.int(let number)) = index[0] else {
      throw ZsError(kind: "type", message: "\(isInput ? "In" : "Out") takes the number of a cell", hint: isInput ? "In[3]" : "Out[3]")
    }
    if !isInput { return try journal.recalled(number) }
    guard let text = journal.input(Int(clamping: number)) else {
      throw ZsError(kind: "key", message: "there is no cell \(number)", hint: "cells go from 1 to \(journal.nextNumber - 1)")
    }
    return .string(text)
  }

  func display(_ options: DisplayOptions) -> String {
    isInput ? "\(journal.cells.count) cells; In[n] is the text of cell n" : "results of cells; Out[n] is that of cell n"
  }
}

extension Value {
  /// Bytes that the value keeps alive, roughly; a long list is judged by its first elements.
  public var byteCount: Int {
    byteCount(depth: 0)
  }

  private func byteCount(depth: Int) -> Int {
    if depth > 8 { return 64 }
    switch self {
    case .string(let text): return 24 + text.utf8.count
    case .list(let values):
      if values.isEmpty { return 24 }
      // Fewer samples further down: the work stays within some thousand values.
      let most = depth == 0 ? 64 : depth == 1 ? 16 : 2
      let sample = values.prefix(most).reduce(0.0) { $0 + Double($1.byteCount(depth: depth + 1)) }
      return Int(min(1e18, 56 + sample / Double(min(most, values.count)) * Double(values.count)))
    case .map(let map):
      let most = depth == 0 ? 1_000 : depth == 1 ? 16 : 4
      let sample = map.elements.prefix(most).reduce(0.0) {
        $0 + 24 + Double($1.key.utf8.count) + Double($1.value.byteCount(depth: depth + 1))
      }
      return Int(min(1e18, 64 + sample / Double(max(1, min(most, map.count))) * Double(map.count)))
    case .object(let object): return object.byteCount
    default: return 24
    }
  }
}
