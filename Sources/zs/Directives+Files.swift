// Directives that read and write files: `:save`, `:load`, `:export`.
import Builtins
import Glibc
import Language
import Notebooks

extension Notebook {
  func save(_ rest: String, overwrites: Bool) {
    let path = rest.unquoted()
    if path.isEmpty { return refuse(":save takes a path", hint: ":save session.zs") }
    guard NotebookFile(path: path) == .zs else {
      return refuse(":save writes a program, whose name ends in .zs", hint: ":export \(path) writes other formats")
    }
    write(program(), to: path, overwrites: overwrites) { "\(counted($0.cells.count, "cell")) in \(path)" }
  }

  func export(_ rest: String, overwrites: Bool) {
    let path = rest.unquoted()
    if path.isEmpty { return refuse(":export takes a path", hint: ":export session.html (or .md, .ipynb, .zs)") }
    do {
      if try NotebookFile.format(of: path) == .zs { return save(path, overwrites: overwrites) }
      let name = path.split(separator: "/").last.map(String.init) ?? path
      let document = host.recorder.document(title: String(name.prefix(upTo: name.lastIndex(of: ".") ?? name.endIndex)))
      write(document, to: path, overwrites: overwrites) { "\(counted($0.cells.count, "cell")) in \(path)" }
    } catch {
      refuse(error)
    }
  }

  /// The cells that finished, as a program that does the same again.
  private func program() -> NotebookDocument {
    var document = host.recorder.document()
    document.cells = document.cells.filter { $0.kind != .code || $0.ending == .finished }.map { cell in
      var cell = cell
      if cell.kind == .code, cell.title.isEmpty, let number = cell.number { cell.title = String(number) }
      return cell
    }
    return document
  }

  private func write(_ document: NotebookDocument, to path: String, overwrites: Bool, _ saying: (NotebookDocument) -> String) {
    if document.cells.isEmpty { return refuse("no cell has run yet", hint: "there is nothing to write") }
    if !overwrites, !written.contains(path), access(path, F_OK) == 0 {
      let directive = NotebookFile(path: path) == .zs ? ":save!" : ":export!"
      return refuse("\(path) is there already", hint: "\(directive) \(path) overwrites it")
    }
    do {
      try NotebookFile.write(document, path: path)
      written.insert(path)
      let left = host.recorder.cells.count - document.cells.count
      say(saying(document) + (left > 0 ? "; \(left) that did not finish \(left == 1 ? "is" : "are") left out" : ""))
      if NotebookFile(path: path) == .zs { warnOfProblems(document, path) }
    } catch {
      refuse(error)
    }
  }

  /// At the prompt everything may be redefined, in a program constants may not: says what would stop it.
  private func warnOfProblems(_ document: NotebookDocument, _ path: String) {
    let fresh = Host(isInteractive: false, printing: .recorded)
    let problems = fresh.interpreter.check(NotebookFile.zs.write(document), name: path)
    guard let first = problems.first else { return }
    let message = "\(path) will not run as it is: \(first.message)"
    host.report([ZsError(kind: first.kind, message: message, hint: "zs check \(path) shows where")], severity: "note")
  }

  /// Runs the cells of a file as cells of this session, until one fails.
  func load(_ rest: String) {
    let path = rest.unquoted()
    if path.isEmpty { return refuse(":load takes a path", hint: ":load session.zs") }
    do {
      let (full, text) = try Host.read(path, nil)
      let document = try (NotebookFile(path: path) ?? .zs).read(text)
      for cell in document.cells {
        guard cell.kind == .code else {
          host.recorder.keep(cell)
          continue
        }
        if cell.text.allSatisfy(\.isWhitespace) { continue }
        // Numbers are what :save calls cells; here they get new ones.
        let status = runCell(cell.text, title: Int(cell.title) == nil ? cell.title : "", path: full)
        endOutput()
        if status != .finished || Interrupt.shared.isRaised {
          if document.cells.count > 1 { say("\(path): stopped at \(cell.title.isEmpty ? "this cell" : "'\(cell.title)'")") }
          return
        }
      }
    } catch {
      refuse(error)
    }
  }
}
