// The loop of the notebook: an entry from wherever entries come, run, and again.
import Builtins
import Glibc
import Hub
import Language
import Notebooks

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
      InterruptWatch.start(host.session.activity)
    }
    return notebook.loop(source, isScreen: isScreen)
  }

  /// Runs entries until there are no more.
  private func loop(_ source: any LineSource, isScreen: Bool) -> Int32 {
    self.source = source
    var saidHowToLeave = false
    while true {
      Interrupt.reset()
      switch source.next(prompt) {
      case .end:
        if isScreen { Terminal.write("\n") }
        host.output.flush()
        if Interrupt.isTermination { return 128 + SIGTERM }
        if !isScreen, Interrupt.presses > 0 { return ExitStatus.interrupted }
        return isScreen ? ExitStatus.ok : status
      case .cancelled:
        if isScreen, !saidHowToLeave {
          Terminal.write("Ctrl-D leaves\n")
          saidHowToLeave = true
        }
      case .edit(let text):
        InterruptWatch.isRunning = true
        edit(text: text.trimmed())
        InterruptWatch.isRunning = false
        if Interrupt.isTermination { return 128 + SIGTERM }
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
        table: host.session.table, directives: Notebook.directives, modelNames: KnownModel.all.map(\.name),
        globals: { [interpreter = host.interpreter] in
          interpreter.names.compactMap { name in interpreter.value(of: name).map { (name, $0) } }
        })
      let hooks = EditorHooks(
        completeness: { [unowned self] in completeness(of: $0) },
        complete: { [unowned self] text, cursor in isChatting ? .none : completer.complete(text, cursor: cursor) },
        pasted: { [unowned self] in
          Transcript.pasted($0) { text in if case .incomplete = self.completeness(of: text) { false } else { true } }
        })
      let mayUseEscapes = host.session.environment["TERM"] != "dumb" && !host.session.environment["TERM", default: ""].isEmpty
      if let editor = LineEditor(hooks: hooks, earlier: history.cells, mayUseEscapes: mayUseEscapes) { return editor }
      Terminal.warn("zs: the terminal cannot be set up for editing; reading plain lines\n")
    }
    return PipeSource(isComplete: { [unowned self] text in
      if case .incomplete = completeness(of: text) { return false }
      return true
    })
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
