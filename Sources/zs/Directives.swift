// What `:name` does at the prompt: looking at the session, running cells again, leaving. Files are in Directives+Files.swift.
import Builtins
import Glibc
import Language
import Notebooks

extension Notebook {
  /// The names of all directives, for completion and did-you-mean.
  static let directives = [
    "cells", "chat", "drop", "edit", "export", "help", "history", "load", "quit", "rerun", "reset", "save", "seed", "time", "vars",
  ]

  private static let help = """
    :vars               names and their values
    :cells              the cells of this session, how long they took, which are stale
    :history [N]        what was typed, also earlier
    :rerun N… | stale   runs cells again: by number, a range such as 3-5, or all whose inputs changed
    :edit [N]           edits a cell in $EDITOR and runs it; without N the last one (Ctrl-X Ctrl-E: what is being typed)
    :drop N…            forgets cells, so that they are not saved or exported; names keep their values
    :time CODE          runs it and says how long it took
    :seed N             all random numbers depend on N only
    :save FILE.zs       writes the cells that ran as a program
    :load FILE          runs a .zs, .ipynb or .md in this session, cell by cell
    :export FILE        writes cells, results, plots and timings as .md, .html, .ipynb or .zs
    :chat m             talks with a model, or goes on with a conversation; Ctrl-D comes back
    :reset              forgets all names and cells
    :quit               leaves; so does Ctrl-D

    ?name            help for a builtin or a name; help() lists the builtins
    !command         a command of the shell
    expression;      runs without showing the value; ans is the last value shown, Out[n] that of cell n
    |> f             goes on with ans
    Tab completes names, fields, options and paths; ↑ recalls whole cells; Ctrl-R searches; Alt-Enter opens a line;
    Ctrl-C stops what runs at the next safe point, twice drops the step that runs
    """

  func directive(_ line: String) -> Bool {
    let name = String(line.prefix { $0.isLetter || $0 == "!" })
    let rest = line.dropFirst(name.count).trimmed()
    switch name {
    case "quit", "q", "exit": return false
    case "help", "h": say(Notebook.help)
    case "vars": listVariables()
    case "cells": listCells()
    case "history": listHistory(rest)
    case "rerun": rerun(rest)
    case "drop": drop(rest)
    case "edit": edit(rest)
    case "time": time(rest)
    case "seed": seed(rest)
    case "save", "save!": save(rest, overwrites: name.hasSuffix("!"))
    case "load": load(rest)
    case "export", "export!": export(rest, overwrites: name.hasSuffix("!"))
    case "chat": chat(rest)
    case "reset": reset()
    default:
      let near = nearest(to: name, among: Notebook.directives).map { "; did you mean ':\($0)'?" } ?? ""
      refuse("there is no directive ':\(name)'\(near)", hint: ":help lists them")
    }
    return true
  }

  private func listVariables() {
    let names = host.interpreter.names
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

  /// A cell of its own, so that a saved or exported session has the same random numbers.
  private func seed(_ rest: String) {
    guard let number = Int64(rest) else { return refuse(":seed takes a whole number", hint: ":seed 7") }
    runCell("seed(\(number))")
  }

  private func reset() {
    let (names, cells) = (host.interpreter.names.count, host.interpreter.journal.cells.count)
    host.interpreter.reset()
    host.recorder.reset()
    say("forgot \(counted(names, "name")) and \(counted(cells, "cell"))")
  }

  // Running again.

  private func rerun(_ rest: String) {
    let journal = host.interpreter.journal
    if rest == "stale" {
      // What a cell changes may make later ones stale, which then have their turn.
      var done = Set<Int>()
      if journal.staleCells.isEmpty { return say("no cell is stale") }
      while let number = journal.staleCells.first(where: { !done.contains($0) }) {
        done.insert(number)
        guard let text = journal.input(number), again(text) else { return }
      }
      return
    }
    guard let numbers = cellNumbers(rest), !numbers.isEmpty else {
      return refuse(":rerun takes numbers of cells, or 'stale'", hint: ":rerun 3 5-7")
    }
    for number in numbers where journal.input(number) == nil { return refuseCell(number) }
    for text in numbers.compactMap({ journal.input($0) }) where !again(text) { return }
  }

  private func drop(_ rest: String) {
    let journal = host.interpreter.journal
    guard let numbers = cellNumbers(rest), !numbers.isEmpty else { return refuse(":drop takes numbers of cells", hint: ":drop 3 5-7") }
    for number in numbers where journal.input(number) == nil { return refuseCell(number) }
    let dropped = Set(numbers)
    journal.drop(dropped)
    host.recorder.drop(dropped)
    say("dropped \(counted(dropped.count, "cell"))")
  }

  /// `3 5-7` as numbers; nil where it is none.
  private func cellNumbers(_ text: String) -> [Int]? {
    var numbers: [Int] = []
    for part in text.split(whereSeparator: { $0 == " " || $0 == "," }) {
      let ends = part.split(separator: "-").map { Int($0) }
      guard let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2, first <= last, last - first < 10_000 else {
        return nil
      }
      numbers += Array(first...last)
    }
    return numbers
  }

  private func refuseCell(_ number: Int) {
    let last = host.interpreter.journal.cells.last?.number
    refuse("there is no cell \(number)", hint: last.map { "cells go up to \($0); :cells lists them" } ?? "no cell has run yet")
  }

  /// Shows a cell as if it had been typed, and runs it; false where it did not finish.
  private func again(_ text: String) -> Bool {
    let number = host.interpreter.journal.nextNumber
    say(host.session.colour ? "\u{1B}[32mzs[\(number)]\u{1B}[0m› \(text)" : "zs[\(number)]› \(text)")
    let status = runCell(text)
    endOutput()
    return status == .finished && !Interrupt.shared.isRaised
  }

  private func edit(_ rest: String) {
    let journal = host.interpreter.journal
    guard let number = rest.isEmpty ? journal.cells.last?.number ?? 0 : Int(rest) else {
      return refuse(":edit takes the number of a cell", hint: ":edit 3")
    }
    guard let text = number == 0 ? "" : journal.input(number) else { return refuseCell(number) }
    edit(text: text)
  }

  /// Opens a text in the editor and runs what comes back.
  func edit(text: String) {
    guard isLabelled else { return refuse(":edit needs a terminal") }
    host.output.flush()
    // Whatever becomes of the editor, what was typed is one ↑ away.
    if !text.isEmpty { source?.remember(text) }
    do {
      guard let edited = try Editor.edit(text, environment: host.session.environment) else { return say("left as it was, nothing was run") }
      source?.remember(edited)
      history.append(edited)
      _ = again(edited)
    } catch {
      refuse(error)
    }
  }

  // Talking.

  /// `:chat m`: each message is a cell `say(…)`, so that the talk is saved and exported with the session.
  private func chat(_ rest: String) {
    let name = String(rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" })
    let options = rest.dropFirst(name.count).drop { $0 == " " || $0 == "," }.trimmed()
    guard !name.isEmpty, let source else { return refuse(":chat takes a model or a conversation", hint: ":chat m, temperature: 0.7") }
    var conversation = name
    switch host.interpreter.value(of: name)?.typeName {
    case "conversation": break
    case "model":
      conversation = "dialogue"
      guard runCell("dialogue = conversation(\(name))") == .finished else { return }
    case nil: return refuse("'\(name)' is not defined", hint: "m = load(\"smollm2\"), then :chat m")
    case let type?: return refuse(":chat takes a model or a conversation, and '\(name)' is a \(type)")
    }
    if isLabelled { say("Ctrl-D comes back; :undo takes the last exchange back; '\(conversation)' keeps the conversation") }
    host.output.flush()
    isChatting = true
    defer { isChatting = false }
    while true {
      InterruptWatch.isRunning = false
      Interrupt.reset()
      switch source.next(prompt(conversation)) {
      case .end:
        if isLabelled { say("") }
        return
      case .cancelled: continue
      case .edit: refuse("messages are not edited in an editor")
      case .cell(let entry):
        let message = entry.trimmed()
        if message.isEmpty { continue }
        if message == ":quit" || message == ":back" { return }
        source.remember(message)
        InterruptWatch.isRunning = true
        let call = options.isEmpty ? "" : ", \(options)"
        runCell(
          message == ":undo" ? "undo(\(conversation))" : "say(\(conversation), \(Value.string(message).source)\(call))", showsResults: false
        )
        endOutput()
        if Interrupt.isTermination { return }
      }
    }
  }
}

/// A number with its noun.
func counted(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
