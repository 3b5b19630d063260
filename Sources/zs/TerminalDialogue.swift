// The person behind `walk`: at a terminal an editor of lines with a history and Tab of its own, else the lines of standard input.
import Builtins
import Glibc
import Language
import Notebooks

/// Lines that a builtin asks for.
final class TerminalDialogue: Dialogue {
  private let source: any LineSource
  private let host: Host
  private let isScreen: Bool
  private var last = ""

  /// Opens a dialogue on this process's streams.
  init(host: Host, complete: @escaping DialogueCompletion) {
    self.host = host
    isScreen = Terminal.isInputInteractive && Terminal.isOutputInteractive
    let term = host.session.environment["TERM", default: ""]
    let hooks = EditorHooks(
      completeness: { _ in .complete },
      complete: { text, cursor in
        let found = complete(text, cursor)
        return CompletionList(replaced: found.replaced, candidates: found.candidates)
      }, pasted: { String($0.prefix { !$0.isNewline }) })
    let editor = isScreen ? LineEditor(hooks: hooks, earlier: [], mayUseEscapes: !["", "dumb"].contains(term)) : nil
    source = editor ?? PipeSource(isComplete: { _ in true })
  }

  deinit { (source as? LineEditor)?.retire() }

  func next(_ prompt: String) -> DialogueEvent {
    host.progress.finish()
    if !host.output.isAtLineStart { host.output.write("\n") }
    host.output.flush()
    if Interrupt.isTermination { return .end }
    // A pipe's reader has no prompt to go back to: an interrupt ends the walk, and the program notices it.
    if !isScreen, Interrupt.presses > 0 { return .end }
    Interrupt.reset()
    let colour = host.session.colour
    let shown = colour ? "\u{1}\u{1B}[36m\u{1}" + prompt.dropLast(2) + "\u{1}\u{1B}[0m\u{1}› " : prompt
    switch source.next(isScreen ? shown : "") {
    case .cell(let text):
      if !text.isEmpty, text != last { source.remember(text) }
      last = text
      return .line(text)
    case .edit:
      Terminal.write("a command is not edited in an editor\n")
      return .cancelled
    case .cancelled: return .cancelled
    case .end:
      if isScreen { Terminal.write("\n") }
      return .end
    }
  }
}
