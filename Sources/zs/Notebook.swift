// The notebook's entries: cells, `:directives`, `?name` and `!shell`. It knows where text goes, not how it is typed.
import Builtins
import Formats
import Glibc
import Language
import Tensors

/// A session of cells.
final class Notebook {
  let host: Host
  let history: History
  /// Whether results carry their `Out[n]`: at a screen, not in a pipe.
  private let isLabelled: Bool
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
    let name = "zs[\(journal.nextNumber)]" + (stale > 0 ? "·\(stale) stale" : "")
    // Control-A stands around what takes no columns.
    return host.session.colour ? "\u{1}\u{1B}[32m\u{1}\(name)\u{1}\u{1B}[0m\u{1}› " : "\(name)› "
  }

  /// Whether Enter should run a text: directives and the like are one line, cells are asked of the parser.
  func completeness(of text: String) -> Completeness {
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
    defer {
      host.progress.finish()
      if !host.output.isAtLineStart { host.output.write("\n") }
      host.output.flush()
    }
    switch text.first {
    case ":": return directive(String(text.dropFirst()))
    case "?": explain(String(text.dropFirst()))
    case "!": shell(String(text.dropFirst()))
    default: runCell(text)
    }
    return true
  }

  private func runCell(_ text: String) {
    let number = host.interpreter.journal.nextNumber
    let result = host.interpreter.runCell(text) { show($0, number) }
    conclude(result)
  }

  private func show(_ result: StatementResult, _ number: Int) {
    guard !result.isMuted, !result.value.isNone else { return }
    host.progress.finish()
    if !host.output.isAtLineStart { host.output.write("\n") }
    let text = result.value.display(host.displayOptions)
    guard isLabelled else { return host.output.write(text + "\n") }
    let label = host.session.colour ? "\u{1B}[31mOut[\(number)]\u{1B}[0m" : "Out[\(number)]"
    let isTall = text.contains("\n") || TextWidth.of(text) + TextWidth.of(label) > host.session.width()
    host.output.write(label + (isTall ? "\n" : " ") + text + "\n")
  }

  private func conclude(_ result: RunResult) {
    host.progress.finish()
    host.report(result.notes, severity: "note")
    host.report(result.errors)
    if result.status == .interrupted {
      host.output.flush()
      Terminal.warn("interrupted\n")
    }
    if result.status != .finished { status = max(status, ExitStatus.of(result)) }
  }

  private func say(_ text: String) { host.output.write(text + "\n") }

  private func refuse(_ message: String, hint: String? = nil) {
    host.report([ZsError(kind: "value", message: message, hint: hint)])
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
      host.report([Builtins.describe(error)])
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

// Directives.

extension Notebook {
  private static let help = """
    :vars            names and their values        :seed N         all random numbers depend on N only
    :cells           the cells of this session     :save FILE.zs   writes the cells that ran as a script
    :history [N]     what was typed, also earlier  :load FILE.zs   runs a file in this session
    :time CODE       runs it and says how long     :quit           leaves; so does Ctrl-D

    ?name            help for a builtin; help() lists them all
    !command         a command of the shell
    expression;      runs without showing the value; ans is the last value shown, Out[n] that of cell n
    Tab completes names, fields, options and paths; ↑ recalls whole cells; Ctrl-R searches; Ctrl-C stops what runs
    """

  fileprivate func directive(_ line: String) -> Bool {
    let name = String(line.prefix { $0.isLetter })
    let rest = line.dropFirst(name.count).trimmed()
    switch name {
    case "quit", "q", "exit": return false
    case "help", "h": say(Notebook.help)
    case "vars": listVariables()
    case "cells": listCells()
    case "history": listHistory(rest)
    case "time": time(rest)
    case "seed": seed(rest)
    case "save": save(rest)
    case "load": load(rest)
    default:
      let near = nearest(to: name, among: Completer.directives).map { "; did you mean ':\($0)'?" } ?? ""
      refuse("there is no directive ':\(name)'\(near)", hint: ":help lists them")
    }
    return true
  }

  private func listVariables() {
    let builtIn: Set = ["In", "Out", "ans"]
    let names = host.interpreter.names.filter { !builtIn.contains($0) && host.interpreter.value(of: $0) != nil }
    if names.isEmpty { return say("no names yet") }
    let rows = names.map { name -> [String] in
      let value = host.interpreter.value(of: name) ?? .none
      let text = value.display(DisplayOptions(width: 200, plain: true, maxRows: 4))
      return [name, value.typeName, String(text.prefix { !$0.isNewline })]
    }
    say(
      TextTable(headings: ["name", "type", "value"], rows: rows, numeric: [false, false, false]).text(
        width: host.session.width(), maxRows: 500))
  }

  private func listCells() {
    let cells = host.interpreter.journal.cells
    if cells.isEmpty { return say("no cells yet") }
    let rows = cells.map { cell -> [String] in
      let state = cell.status == .failed ? "failed" : cell.status == .interrupted ? "interrupted" : cell.isStale ? "stale" : ""
      return ["\(cell.number)", duration(cell.duration.inSeconds), state, cell.text]
    }
    say(
      TextTable(headings: ["cell", "time", "state", "text"], rows: rows, numeric: [true, true, false, false]).text(
        width: host.session.width(), maxRows: 500))
  }

  private func listHistory(_ rest: String) {
    guard let count = rest.isEmpty ? 20 : Int(rest), count > 0 else { return refuse(":history takes a number", hint: ":history 50") }
    for cell in history.cells.suffix(count) { say(cell) }
  }

  private func time(_ code: String) {
    if code.isEmpty {
      guard let last = host.interpreter.journal.cells.last else { return say("no cells yet") }
      return say("cell \(last.number) took \(duration(last.duration.inSeconds))")
    }
    runCell(code)
    if let last = host.interpreter.journal.cells.last { say("took \(duration(last.duration.inSeconds))") }
  }

  private func seed(_ rest: String) {
    guard let number = Int64(rest) else { return refuse(":seed takes a whole number", hint: ":seed 7") }
    host.session.random = RandomSource(seed: UInt64(bitPattern: number))
  }

  private func save(_ rest: String) {
    let path = rest.unquoted()
    if path.isEmpty { return refuse(":save takes a path", hint: ":save session.zs") }
    let cells = host.interpreter.journal.cells.filter { $0.status == .finished }
    let text = cells.map { "# %% \($0.number)\n\($0.text)\n" }.joined(separator: "\n")
    do {
      try AtomicFile.write(text, to: path)
      say("\(cells.count) cell\(cells.count == 1 ? "" : "s") in \(path)")
    } catch {
      host.report([Builtins.describe(error)])
    }
  }

  private func load(_ rest: String) {
    let path = rest.unquoted()
    if path.isEmpty { return refuse(":load takes a path", hint: ":load session.zs") }
    do {
      let file = try Host.read(path, nil)
      let number = host.interpreter.journal.nextNumber
      conclude(host.interpreter.run(file.text, name: path, path: file.path) { show($0, number) })
    } catch {
      host.report([Builtins.describe(error)])
    }
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
