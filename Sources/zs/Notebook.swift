// The notebook's entries: cells, `:directives`, `?name` and `!shell`. It knows where text goes, not how it is typed.
import Builtins
import Formats
import Glibc
import Language
import Notebooks

/// A session of cells.
final class Notebook {
  let host: Host
  let history: History
  /// Where entries come from, for directives that ask for more.
  weak var source: (any LineSource)?
  /// Whether entries are messages of a conversation, which are never programs.
  var isChatting = false
  /// Files that this session wrote, which it may write again.
  var written: Set<String> = []
  /// Whether results carry their `Out[n]`: at a screen, not in a pipe.
  let isLabelled: Bool
  /// The worst that happened to a cell, for the exit code of piped input.
  private(set) var status = ExitStatus.ok

  init(host: Host, history: History, isLabelled: Bool) {
    self.host = host
    self.history = history
    self.isLabelled = isLabelled
  }

  /// The prompt's text, with how many cells' inputs have changed since they ran.
  var prompt: String {
    let journal = host.interpreter.journal
    let stale = journal.staleCells.count
    return prompt("zs[\(journal.nextNumber)]" + (stale > 0 ? "·\(stale) stale" : ""))
  }

  /// A prompt in the notebook's colour.
  func prompt(_ name: String) -> String {
    // Control-A stands around what takes no columns.
    host.session.colour ? "\u{1}\u{1B}[32m\u{1}\(name)\u{1}\u{1B}[0m\u{1}› " : "\(name)› "
  }

  /// Whether Enter should run a text: directives and the like are one line, cells are asked of the parser.
  func completeness(of text: String) -> Completeness {
    if isChatting { return .complete }
    let start = text.drop { $0 == " " }
    if start.hasPrefix(":") || start.hasPrefix("!") || start.hasPrefix("?") { return .complete }
    return host.interpreter.isComplete(text)
  }

  /// Runs one entry; false when it asks to leave.
  func run(_ entry: String) -> Bool {
    let text = entry.trimmed()
    if text.isEmpty { return true }
    history.append(text)
    Interrupt.reset()
    defer { endOutput() }
    switch text.first {
    case ":": return directive(String(text.dropFirst()))
    case "?": explain(String(text.dropFirst()))
    case "!": shell(String(text.dropFirst()))
    default: runCell(text)
    }
    return true
  }

  /// Ends what was written with a whole line.
  func endOutput() {
    host.progress.finish()
    if !host.output.isAtLineStart { host.output.write("\n") }
    host.output.flush()
  }

  /// Runs a cell and shows what it gives.
  @discardableResult
  func runCell(_ text: String, title: String = "", path: String? = nil, showsResults: Bool = true) -> RunStatus {
    let result = host.recorder.run(
      text, title: title, path: path, onResult: { value, number in if showsResults { self.show(value, number) } },
      render: { self.host.text($0) })
    conclude(result)
    return result.status
  }

  private func show(_ value: Value, _ number: Int) {
    host.progress.finish()
    if !host.output.isAtLineStart { host.output.write("\n") }
    let text = value.display(host.displayOptions)
    if isLabelled {
      let label = host.session.colour ? "\u{1B}[31mOut[\(number)]\u{1B}[0m" : "Out[\(number)]"
      let isTall = text.contains("\n") || TextWidth.of(text) + TextWidth.of(label) > host.session.width()
      host.output.write(label + (isTall ? "\n" : " ") + text + "\n")
    } else {
      host.output.write(text + "\n")
    }
    if host.interpreter.journal.wasLetGo(number) { noteLargeResult(value, number) }
  }

  /// Says that a result is too large for `Out`, and who still has it.
  private func noteLargeResult(_ value: Value, _ number: Int) {
    let names = host.interpreter.names.filter { name in
      guard case .object(let held)? = host.interpreter.value(of: name), case .object(let shown) = value else { return false }
      return held === shown
    }
    let holder = names.first.map { "'\($0)' still holds the value" } ?? "give it a name to keep it"
    let size = "\(value.byteCount >> 20) MB is over the \(host.interpreter.journal.outputBudget >> 20) MB that results may take"
    host.report(
      [ZsError(kind: "memory", message: "Out[\(number)] keeps only what is shown here: \(size)", hint: holder)], severity: "note")
  }

  /// Reports how a cell ended.
  func conclude(_ result: RunResult) {
    host.progress.finish()
    host.report(result.notes, severity: "note")
    host.report(result.errors)
    if result.status == .interrupted {
      host.output.flush()
      Terminal.warn("interrupted\n")
    }
    if result.status != .finished { status = max(status, ExitStatus.of(result)) }
  }

  func say(_ text: String) { host.output.write(text + "\n") }

  func refuse(_ message: String, hint: String? = nil) {
    host.report([ZsError(kind: "value", message: message, hint: hint)])
    status = max(status, ExitStatus.error)
  }

  /// Reports an error of a library or a file.
  func refuse(_ error: any Error) {
    host.report([Host.describe(error)])
    status = max(status, ExitStatus.error)
  }

  /// `?name`: the help page of a builtin, or what a name of the session holds.
  private func explain(_ rest: String) {
    let name = rest.trimmed()
    do {
      if !name.isEmpty, host.session.table.lookup(name).isEmpty, let value = host.interpreter.value(of: name) {
        say("\(name): \(value.typeName)")
        if case .object(let object) = value, !object.fieldNames.isEmpty {
          say("fields: " + object.fieldNames.map { "." + $0 }.joined(separator: " "))
        }
        return say(value.display(host.displayOptions))
      }
      say(try helpText(name.isEmpty ? nil : name, in: host.session.table, options: host.displayOptions))
    } catch {
      refuse(error)
    }
  }

  private func shell(_ command: String) {
    host.output.flush()
    let status = system(command)
    if status == -1 { return refuse("the shell could not be started") }
    // The low seven bits are the signal, the next byte the exit code.
    if status & 0x7F == 0, status >> 8 != 0 { Terminal.warn("exit \(status >> 8)\n") }
  }
}

extension Duration {
  /// The span in seconds.
  var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}

extension StringProtocol {
  /// The text without white space at its ends.
  func trimmed() -> String {
    guard let first = firstIndex(where: { !$0.isWhitespace }), let last = lastIndex(where: { !$0.isWhitespace }) else { return "" }
    return String(self[first...last])
  }

  /// A path with or without quotes around it.
  func unquoted() -> String {
    let text = trimmed()
    return text.count >= 2 && text.hasPrefix("\"") && text.hasSuffix("\"") ? String(text.dropFirst().dropLast()) : text
  }
}
