// `zs chat`: a conversation with a model, one message per entry, through the same builtins that a program uses.
import Builtins
import Glibc
import Language

struct Chat {
  let model: String
  let system: String?
  let temperature: Double
  let seed: Int?
  let maxTokens: Int

  /// Talks until there is no more input; gives the exit code.
  func run() -> Int32 {
    Interrupt.install(isScript: !Terminal.isInputInteractive)
    let host = Host(isInteractive: true)
    host.interpreter.define("model_source", .string(model))
    host.interpreter.define("system_text", system.map { .string($0) } ?? .none)
    host.interpreter.define("seed_number", seed.map { .int(Int64($0)) } ?? .none)
    let opening = host.interpreter.run(
      "m = load(model_source)\nc = conversation(m, system: system_text)", name: "zs chat", onResult: { _ in })
    host.progress.finish()
    guard opening.status == .finished else {
      host.report(opening.errors.map(Chat.withoutPlace))
      return ExitStatus.of(opening)
    }
    let isScreen = Terminal.isInputInteractive && Terminal.isOutputInteractive
    if isScreen { Terminal.write("\(model) · Ctrl-C stops an answer · Alt-Enter makes a new line · Ctrl-D leaves\n") }
    return talk(host, source(isScreen: isScreen), isScreen: isScreen)
  }

  private func talk(_ host: Host, _ source: any LineSource, isScreen: Bool) -> Int32 {
    var status = ExitStatus.ok
    while true {
      Interrupt.reset()
      switch source.next(isScreen ? "› " : "") {
      case .end:
        if isScreen { Terminal.write("\n") }
        return status
      case .cancelled, .edit: continue
      case .cell(let text):
        let message = text.trimmed()
        if message.isEmpty { continue }
        source.remember(message)
        host.interpreter.define("message", .string(message))
        let result = host.interpreter.run(
          "say(c, message, temperature: \(temperature), max_tokens: \(maxTokens), seed: seed_number)", name: "zs chat", onResult: { _ in })
        host.progress.finish()
        if !host.output.isAtLineStart { host.output.write("\n") }
        host.output.flush()
        host.report(result.errors.map(Chat.withoutPlace))
        if result.status == .interrupted { Terminal.warn("(stopped)\n") }
        if result.status == .failed { status = ExitStatus.error }
        if Interrupt.isTermination || (!isScreen && Interrupt.presses > 0) { return ExitStatus.interrupted }
      }
    }
  }

  private func source(isScreen: Bool) -> any LineSource {
    if isScreen {
      let hooks = EditorHooks(completeness: { _ in .complete }, complete: { _, _ in .none }, pasted: { $0 })
      if let editor = LineEditor(hooks: hooks, earlier: [], mayUseEscapes: Terminal.environment()["TERM"] != "dumb") { return editor }
    }
    return PipeSource(isComplete: { _ in true })
  }

  /// The person wrote no program, so an error shows none.
  private static func withoutPlace(_ error: ZsError) -> ZsError {
    var error = error
    error.span = nil
    error.labels = []
    error.trace = []
    return error
  }
}
