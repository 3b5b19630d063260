// The loop of the notebook: an entry from wherever entries come, run, and again.
import Builtins
import Glibc
import Language

extension Notebook {
  /// Opens the notebook on this process's streams and gives the exit code.
  static func start() -> Int32 {
    Interrupt.install(isScript: false)
    let isScreen = Terminal.isInputInteractive && Terminal.isOutputInteractive
    let host = Host(isInteractive: true)
    if isScreen { makeFolder(host.session.home) }
    let notebook = Notebook(host: host, history: History(folder: isScreen ? host.session.home : nil), isLabelled: isScreen)
    let source = notebook.source(isScreen: isScreen)
    if isScreen {
      Terminal.write("zs \(ZsCommand.version) · :help · Ctrl-D leaves\n")
      InterruptWatch.start()
    }
    return notebook.loop(source, isScreen: isScreen)
  }

  /// Runs entries until there are no more.
  private func loop(_ source: any LineSource, isScreen: Bool) -> Int32 {
    var saidHowToLeave = false
    while true {
      Interrupt.reset()
      switch source.next(prompt) {
      case .end:
        if isScreen { Terminal.write("\n") }
        host.output.flush()
        if Interrupt.isTermination { return 128 + SIGTERM }
        return isScreen ? ExitStatus.ok : status
      case .cancelled:
        if isScreen, !saidHowToLeave {
          Terminal.write("Ctrl-D leaves\n")
          saidHowToLeave = true
        }
      case .cell(let text):
        let entry = text.trimmed()
        if !entry.isEmpty { source.remember(entry) }
        InterruptWatch.isRunning = true
        let goesOn = run(entry)
        InterruptWatch.isRunning = false
        if !goesOn { return isScreen ? ExitStatus.ok : status }
        if Interrupt.isTermination { return 128 + SIGTERM }
        if !isScreen, Interrupt.presses > 0 { return ExitStatus.interrupted }
        if host.output.isBroken { return ExitStatus.error }
      }
    }
  }

  private func source(isScreen: Bool) -> any LineSource {
    if isScreen {
      let completer = Completer(
        table: host.session.table,
        globals: { [interpreter = host.interpreter] in
          interpreter.names.compactMap { name in interpreter.value(of: name).map { (name, $0) } }
        },
        modelNames: ["smollm2"])
      let hooks = EditorHooks(
        completeness: { [unowned self] in completeness(of: $0) }, complete: { completer.complete($0, cursor: $1) }, pasted: Notebook.pasted)
      let mayUseEscapes = host.session.environment["TERM"] != "dumb" && !host.session.environment["TERM", default: ""].isEmpty
      if let editor = LineEditor(hooks: hooks, earlier: history.cells, mayUseEscapes: mayUseEscapes) { return editor }
      Terminal.warn("zs: the terminal cannot be set up for editing; reading plain lines\n")
    }
    return PipeSource(isComplete: { [unowned self] text in
      if case .incomplete = completeness(of: text) { return false }
      return true
    })
  }

  /// A paste without the prompts of a session that it was copied from, and without that session's output.
  static func pasted(_ text: String) -> String {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard let mark = lines.first(where: { $0.contains { !$0.isWhitespace } }), promptEnd(mark) != nil else { return text }
    return lines.compactMap { line in promptEnd(line).map { String(line[$0...]) } }.joined(separator: "\n")
  }

  /// Where the text after `zs[3]› ` begins, nil where a line does not begin so.
  private static func promptEnd(_ line: Substring) -> Substring.Index? {
    guard line.hasPrefix("zs["), let mark = line.firstIndex(of: "›"), line[..<mark].dropFirst(3).first?.isNumber ?? false else {
      return nil
    }
    let after = line.index(after: mark)
    return after < line.endIndex && line[after] == " " ? line.index(after: after) : after
  }

  private static func makeFolder(_ path: String) {
    var current = ""
    for part in path.split(separator: "/") {
      current += (path.hasPrefix("/") || !current.isEmpty ? "/" : "") + part
      // A folder that cannot be made shows when something is kept in it.
      mkdir(current, 0o755)
    }
  }
}
