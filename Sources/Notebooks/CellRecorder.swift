// Runs cells and remembers what they gave, in a form that any page or notebook can be written from. Where text appears on the
// way is the caller's business.
import Builtins
import Language
import Tensors

/// The cells of a session with their outputs.
///
/// Used from the interpreter's thread only.
public final class CellRecorder {
  /// The cells that ran, oldest first.
  public private(set) var cells: [NotebookCell] = []
  /// Characters of printed text that are kept of one cell.
  public static let mostPrinted = 1 << 20

  private let interpreter: Interpreter
  private let session: Session
  private var current: NotebookCell?
  private var printed = 0
  private var pending = ""
  private var seed: UInt64

  /// A recorder for a session; what it prints has to be given to `heard`.
  public init(interpreter: Interpreter, session: Session) {
    self.interpreter = interpreter
    self.session = session
    seed = session.random.seed
  }

  /// Takes text that the running cell prints.
  public func heard(_ text: String) {
    guard current != nil, !text.isEmpty, printed <= CellRecorder.mostPrinted else { return }
    printed += text.utf8.count
    pending += printed > CellRecorder.mostPrinted ? text + "\n… what follows was not kept\n" : text
  }

  /// Makes an output of what was printed since the last one.
  private func endPrinting() {
    if pending.isEmpty { return }
    current?.outputs.append(.stream(pending))
    pending = ""
  }

  /// Runs a cell.
  ///
  /// - Parameters:
  ///   - title: What follows `# %%` where it comes from a file.
  ///   - path: That file, for paths relative to it.
  ///   - onResult: Is given each shown value with the cell's number, after it was recorded.
  ///   - render: An error as it is shown, without colours.
  public func run(
    _ text: String, title: String = "", path: String? = nil, onResult: (Value, Int) -> Void = { _, _ in },
    render: ([ZsError]) -> String
  ) -> RunResult {
    var cell = NotebookCell(.code, text, title: title)
    let number = interpreter.journal.nextNumber
    cell.number = number
    if session.random.seed == seed { cell.randomPosition = session.random.position }
    current = cell
    printed = 0
    let result = interpreter.runCell(text, path: path) { statement in
      guard !statement.isMuted, !statement.value.isNone else { return }
      endPrinting()
      current?.outputs.append(.result(DisplayBundle(statement.value, width: session.width())))
      onResult(statement.value, number)
    }
    conclude(result, render)
    return result
  }

  private func conclude(_ result: RunResult, _ render: ([ZsError]) -> String) {
    endPrinting()
    guard var cell = current else { return }
    current = nil
    cell.ending = result.status == .finished ? .finished : result.status == .failed ? .failed : .interrupted
    if let record = interpreter.journal.cells.last, record.number == cell.number {
      cell.seconds = Double(record.duration.components.seconds) + Double(record.duration.components.attoseconds) * 1e-18
    }
    if let error = result.errors.first {
      cell.outputs.append(.error(kind: error.kind, message: error.message, text: render(result.errors)))
    }
    cells.append(cell)
  }

  /// Keeps prose between cells, as a file that is loaded has it.
  public func keep(_ prose: NotebookCell) { cells.append(prose) }

  /// Forgets some cells, by number.
  public func drop(_ numbers: Set<Int>) { cells.removeAll { $0.number.map(numbers.contains) ?? false } }

  /// Forgets all cells.
  public func reset() { cells = [] }

  /// The session as a notebook.
  public func document(title: String = "") -> NotebookDocument {
    NotebookDocument(cells, about: .init(title: title, seed: seed, width: session.width()))
  }

  /// Makes random numbers those of a session that began with a seed.
  public func begin(seed: UInt64) {
    self.seed = seed
    session.random = RandomSource(seed: seed)
  }

  /// Goes to the random numbers that a cell began with.
  public func seek(_ cell: NotebookCell) {
    guard let position = cell.randomPosition, session.random.seed == seed else { return }
    session.random.position = position
  }
}
