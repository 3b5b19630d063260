// One process's session: the builtins' session and the interpreter, joined to the streams and the environment.
import Builtins
import Formats
import Glibc
import Language
import Notebooks
import Tensors

/// What every way of running zs needs.
final class Host {
  let session: Session
  let interpreter: Interpreter
  let output: OutputBuffer
  let progress: TerminalProgress
  /// Remembers what cells give.
  let recorder: CellRecorder
  /// Whether errors may be coloured.
  let mayColourErrors: Bool

  /// Where what programs print goes.
  enum Printing {
    /// To standard output.
    case standard
    /// To standard error, which leaves standard output for one JSON line.
    case aside
    /// Nowhere: it is only recorded.
    case recorded
  }

  /// A host.
  init(isInteractive: Bool, printing: Printing = .standard) {
    let environment = Terminal.environment()
    let output = OutputBuffer(descriptor: printing == .standard ? STDOUT_FILENO : printing == .aside ? STDERR_FILENO : nil)
    let hearing = Hearing()
    let progress = TerminalProgress(
      isScreen: Terminal.isErrorInteractive && !["", "dumb"].contains(environment["TERM", default: ""]),
      colour: Terminal.mayColour(Terminal.isErrorInteractive, environment: environment))
    output.beforeWriting = { progress.clear() }
    progress.beforeDrawing = { [weak output] in output?.flush() }
    let home = environment["ZS_HOME"].flatMap { $0.isEmpty ? nil : $0 } ?? environment["HOME", default: "/tmp"] + "/.cache/zs"
    session = Session(
      home: home, environment: environment, isInteractive: isInteractive,
      colour: Terminal.mayColour(Terminal.isOutputInteractive && printing == .standard, environment: environment), seed: Host.freshSeed(),
      output: { text in
        hearing.recorder?.heard(text)
        output.write(text)
      },
      warn: { text in
        output.flush()
        progress.clear()
        Terminal.warn(text.hasSuffix("\n") ? text : text + "\n")
      }, progress: progress, width: { Terminal.width() })
    interpreter = Interpreter(
      table: session.table, host: session, isInteractive: isInteractive, interrupt: Interrupt.shared, readFile: Host.read,
      output: { text in
        hearing.recorder?.heard(text)
        output.write(text)
      }, describe: { Host.describe($0) })
    recorder = CellRecorder(interpreter: interpreter, session: session)
    hearing.recorder = recorder
    self.output = output
    self.progress = progress
    mayColourErrors = Terminal.mayColour(Terminal.isErrorInteractive, environment: environment)
    session.version = ZsCommand.version
    Interrupt.guardSafePoints(of: session.activity)
    session.showsForecasts = Terminal.isErrorInteractive && printing != .recorded
    session.height = { Terminal.size().rows }
    session.openDialogue = { [unowned self] complete in TerminalDialogue(host: self, complete: complete) }
  }

  /// How values are shown now.
  var displayOptions: DisplayOptions {
    DisplayOptions(width: session.width(), colour: session.colour, maxRows: max(8, min(60, Terminal.size().rows - 4)))
  }

  /// Writes errors where they belong, after everything that was printed before them.
  func report(_ errors: [ZsError], severity: String = "error") {
    if errors.isEmpty { return }
    output.flush()
    progress.clear()
    let renderer = DiagnosticRenderer(sources: interpreter.sources, colour: mayColourErrors)
    let text =
      severity == "error" ? renderer.render(errors) : errors.map { renderer.render($0, severity: severity) }.joined(separator: "\n")
    Terminal.warn(text + "\n")
  }

  /// Errors as they are shown, without colours.
  func text(_ errors: [ZsError]) -> String { DiagnosticRenderer(sources: interpreter.sources).render(errors) }

  /// The zs error for any error, those of notebook files included.
  static func describe(_ error: any Error) -> ZsError {
    if let error = error as? NotebookError { return ZsError(kind: "file", message: error.message, hint: error.hint) }
    return Builtins.describe(error)
  }

  /// Reads a file for `import` and `run`; a relative path starts at the file that names it.
  static func read(_ path: String, _ base: String?) throws -> (path: String, text: String) {
    var full = path
    if path.hasPrefix("~/") {
      full = Terminal.environment()["HOME", default: ""] + path.dropFirst()
    } else if !path.hasPrefix("/"), let base, let slash = base.lastIndex(of: "/") {
      full = String(base[...slash]) + path
    }
    guard let text = try FileContents.text(full) else {
      throw ZsError(kind: "file", message: "\(path) is not UTF-8 text")
    }
    guard let resolved = realpath(full, nil) else { return (full, text) }
    defer { free(resolved) }
    return (String(cString: resolved), text)
  }

  private static func freshSeed() -> UInt64 { UInt64.random(in: 0...UInt64.max) }
}

/// Leads from the streams to the recorder, which is made after them.
private final class Hearing {
  weak var recorder: CellRecorder?
}

/// The exit codes of the process.
enum ExitStatus {
  static let ok: Int32 = 0
  static let error: Int32 = 1
  static let usage: Int32 = 2
  static let failedAssertion: Int32 = 3
  static let interrupted: Int32 = 130

  /// The code for the way a run ended.
  static func of(_ result: RunResult) -> Int32 {
    switch result.status {
    case .finished: ok
    case .interrupted: interrupted
    case .failed: result.errors.contains { $0.kind == "assertion" } ? failedAssertion : error
    }
  }
}
