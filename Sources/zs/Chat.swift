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
    if isScreen { Terminal.write("\(model) · Ctrl-C stops an answer · Alt-Enter makes a new line · /help · Ctrl-D leaves\n") }
    return talk(host, source(isScreen: isScreen), isScreen: isScreen)
  }

  private func talk(_ host: Host, _ source: any LineSource, isScreen: Bool) -> Int32 {
    var status = ExitStatus.ok
    while true {
      Interrupt.reset()
      switch source.next(isScreen ? "› " : "") {
      case .end:
        if Interrupt.isTermination { return 128 + SIGTERM }
        if !isScreen, Interrupt.presses > 0 { return ExitStatus.interrupted }
        if isScreen { Terminal.write("\n") }
        return status
      case .cancelled, .edit: continue
      case .cell(let text):
        let message = text.trimmed()
        if message.isEmpty { continue }
        source.remember(message)
        let outcome = message.hasPrefix("/") && !message.hasPrefix("//") ? obey(host, message, isScreen: isScreen) : say(host, message)
        switch outcome {
        case .done: break
        case .failed: status = ExitStatus.error
        case .leave: return status
        }
        if Interrupt.isTermination || (!isScreen && Interrupt.presses > 0) { return ExitStatus.interrupted }
      }
    }
  }

  private enum Outcome { case done, failed, leave }

  /// Gives a message to the model and shows its answer as it comes.
  ///
  /// Two slashes stand for one that begins no command.
  private func say(_ host: Host, _ message: String) -> Outcome {
    host.interpreter.define("message", .string(message.hasPrefix("//") ? String(message.dropFirst()) : message))
    return run(host, "say(c, message, temperature: \(temperature), max_tokens: \(maxTokens), seed: seed_number)")
  }

  /// Runs a program of the chat; what it shows goes out as it comes.
  private func run(_ host: Host, _ program: String) -> Outcome {
    let result = host.interpreter.run(program, name: "zs chat", onResult: { _ in })
    host.progress.finish()
    if !host.output.isAtLineStart { host.output.write("\n") }
    host.output.flush()
    host.report(result.errors.map(Chat.withoutPlace))
    if result.status == .interrupted { Terminal.warn("(stopped; /resume goes on)\n") }
    return result.status == .failed ? .failed : .done
  }

  private static let commands = """
    /undo          takes back the last question and its answer
    /resume        goes on with an answer that was cut
    /system TEXT   begins a new conversation under that system message; without TEXT, under none
    /save FILE     writes the conversation as one line of JSON, as conversations(FILE) reads it
    /help          shows this
    /exit          leaves, as Ctrl-D does
    //…            says something that begins with a slash

    """

  /// Carries out a line that begins with a slash.
  private func obey(_ host: Host, _ line: String, isScreen: Bool) -> Outcome {
    let word = String(line.prefix { !$0.isWhitespace })
    let rest = String(line.dropFirst(word.count)).trimmed()
    var note: String?
    var outcome = Outcome.done
    switch word {
    case "/help": Terminal.write(Chat.commands)
    case "/exit", "/quit": return .leave
    case "/undo":
      outcome = run(host, "undo(c);")
      note = "(taken back)"
    case "/resume": outcome = run(host, "resume(c, temperature: \(temperature), max_tokens: \(maxTokens), seed: seed_number)")
    case "/system":
      host.interpreter.define("system_text", rest.isEmpty ? .none : .string(rest))
      outcome = run(host, "c = conversation(m, system: system_text)")
      note = "(a new conversation)"
    case "/save":
      guard !rest.isEmpty else {
        Terminal.warn("/save needs the name of a file\n")
        return .failed
      }
      host.interpreter.define("save_path", .string(rest))
      outcome = run(host, "write_jsonl(save_path, [{messages: c.messages}]);")
      note = "(saved in \(rest))"
    default:
      Terminal.warn("there is no command \(word)\n\(Chat.commands)")
      return .failed
    }
    if let note, outcome == .done, isScreen { Terminal.write(note + "\n") }
    return outcome
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
