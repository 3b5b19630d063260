// One process's session: the builtins' session and the interpreter, joined to the streams and the environment.
import Builtins
import Formats
import Glibc
import Language
import Tensors

/// What every way of running zs needs.
final class Host {
  let session: Session
  let interpreter: Interpreter
  let output: OutputBuffer
  let progress: TerminalProgress
  /// Whether errors may be coloured.
  let mayColourErrors: Bool

  /// A host; `isQuiet` keeps standard output for one JSON line and sends what programs print to standard error.
  init(isInteractive: Bool, isQuiet: Bool = false) {
    let environment = Terminal.environment()
    let output = OutputBuffer(descriptor: isQuiet ? STDERR_FILENO : STDOUT_FILENO)
    let progress = TerminalProgress(isScreen: Terminal.isErrorInteractive && !["", "dumb"].contains(environment["TERM", default: ""]))
    output.beforeWriting = { progress.clear() }
    let home = environment["ZS_HOME"].flatMap { $0.isEmpty ? nil : $0 } ?? environment["HOME", default: "/tmp"] + "/.cache/zs"
    session = Session(
      home: home, environment: environment, isInteractive: isInteractive,
      colour: Terminal.mayColour(Terminal.isOutputInteractive && !isQuiet, environment: environment), seed: Host.freshSeed(),
      output: { output.write($0) },
      warn: { text in
        output.flush()
        progress.clear()
        Terminal.warn(text.hasSuffix("\n") ? text : text + "\n")
      }, progress: progress, width: { Terminal.width() })
    interpreter = Interpreter(
      table: session.table, host: session, isInteractive: isInteractive, interrupt: Interrupt.shared, readFile: Host.read,
      output: { output.write($0) }, describe: { Builtins.describe($0) })
    self.output = output
    self.progress = progress
    mayColourErrors = Terminal.mayColour(Terminal.isErrorInteractive, environment: environment)
    session.version = ZsCommand.version
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

  /// Reads a file for `import` and `run`; a relative path starts at the file that names it.
  static func read(_ path: String, _ base: String?) throws -> (path: String, text: String) {
    var full = path
    if path.hasPrefix("~/") {
      full = Terminal.environment()["HOME", default: ""] + path.dropFirst()
    } else if !path.hasPrefix("/"), let base, let slash = base.lastIndex(of: "/") {
      full = String(base[...slash]) + path
    }
    let file = try MappedFile(path: full)
    guard let text = String(validating: file.bytes, as: UTF8.self) else {
      throw ZsError(kind: "file", message: "\(path) is not UTF-8 text")
    }
    guard let resolved = realpath(full, nil) else { return (full, text) }
    defer { free(resolved) }
    return (String(cString: resolved), text)
  }

  private static func freshSeed() -> UInt64 { UInt64.random(in: 0...UInt64.max) }
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
