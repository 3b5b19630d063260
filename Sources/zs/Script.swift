// Programs from a file, from -e, from standard input: run whole or by cell, checked, or run as tests.
import Builtins
import Formats
import Glibc
import Language
import Notebooks

/// A program and what is to be done with it.
struct Script {
  var text: String
  /// What errors call it.
  var name: String
  var path: String?
  var arguments: [String] = []
  /// Prints the last value as one JSON line, and nothing else, on standard output.
  var isJSON = false
  /// Writes errors as JSON lines.
  var hasJSONDiagnostics = false
  /// The `# %%` cells to run, counted from 1; nil for all.
  var cells: ClosedRange<Int>?

  /// The program in a file.
  static func file(_ path: String) throws -> Script {
    var (resolved, text) = try Host.read(path, nil)
    // A notebook runs as the program of cells that it stands for.
    if NotebookFile(path: path) == .ipynb { text = NotebookFile.zs.write(try NotebookFile.ipynb.read(text)) }
    return Script(text: text, name: path, path: resolved)
  }

  /// The program on standard input.
  static func standardInput() -> Script {
    var text = ""
    while let line = readLine(strippingNewline: false) { text += line }
    return Script(text: text, name: "standard input", path: nil)
  }

  /// Runs it and gives the exit code.
  func run() -> Int32 {
    Interrupt.install(isScript: true)
    let host = Host(isInteractive: false, printing: isJSON ? .aside : .standard)
    host.interpreter.define("args", .list(arguments.map { .string($0) }))
    var chosen: Range<Int>?
    if let cells {
      let count = CellOutline.cells(of: text).count
      guard cells.lowerBound >= 1, cells.upperBound <= count else {
        Terminal.warn(
          "error: \(name) has \(count) cell\(count == 1 ? "" : "s"); \(cells.lowerBound)...\(cells.upperBound) is not among them\n")
        return ExitStatus.usage
      }
      chosen = cells.lowerBound - 1..<cells.upperBound
    }
    let result = host.interpreter.run(text, name: name, path: path, cells: chosen) { _ in }
    host.progress.finish()
    if !host.output.isAtLineStart, !isJSON, Terminal.isOutputInteractive { host.output.write("\n") }
    host.output.flush()
    report(result.notes, host, severity: "note")
    report(result.errors, host)
    if result.status == .interrupted {
      if hasJSONDiagnostics {
        report([ZsError(kind: "interrupt", message: "interrupted")], host)
      } else {
        Terminal.warn("interrupted\n")
      }
    }
    if result.status == .finished, isJSON { return writeJSON(result.value ?? .none, host) }
    return host.output.isBroken ? ExitStatus.error : ExitStatus.of(result)
  }

  private func report(_ errors: [ZsError], _ host: Host, severity: String = "error") {
    guard hasJSONDiagnostics else { return host.report(errors, severity: severity) }
    Terminal.warn(Script.jsonDiagnostics(errors, DiagnosticRenderer(sources: host.interpreter.sources), severity: severity))
  }

  /// Errors as one JSON object a line.
  static func jsonDiagnostics(_ errors: [ZsError], _ renderer: DiagnosticRenderer, severity: String = "error") -> String {
    errors.map { error in
      // A record holds strings and numbers only, which JSON always can.
      ((try? renderer.record(error, severity: severity).json()) ?? "{}") + "\n"
    }.joined()
  }

  private func writeJSON(_ value: Value, _ host: Host) -> Int32 {
    do {
      let line = try value.json()
      return Terminal.write(line + "\n") ? ExitStatus.ok : ExitStatus.error
    } catch {
      host.report([Builtins.describe(error)])
      return ExitStatus.error
    }
  }

  /// Reports what is wrong without running it.
  func check() -> Int32 {
    let host = Host(isInteractive: false)
    host.interpreter.define("args", .list([]))
    let errors = host.interpreter.check(text, name: name, path: path)
    if hasJSONDiagnostics {
      Terminal.write(Script.jsonDiagnostics(errors, DiagnosticRenderer(sources: host.interpreter.sources)))
    } else if !errors.isEmpty {
      let renderer = DiagnosticRenderer(sources: host.interpreter.sources, colour: host.mayColourErrors)
      Terminal.warn(renderer.render(errors, most: 200) + "\n")
    }
    return errors.isEmpty ? ExitStatus.ok : ExitStatus.error
  }

  /// Runs it with its `test` blocks and counts how they ended.
  func test() -> (passed: Int, failed: Int, status: Int32) {
    let host = Host(isInteractive: false)
    host.interpreter.define("args", .list([]))
    var passed = 0
    var failed = 0
    host.interpreter.onTest = { outcome in
      if let error = outcome.error {
        failed += 1
        host.output.write("FAILED \(outcome.name)\n")
        host.report([error])
      } else {
        passed += 1
        host.output.write("ok \(outcome.name)\n")
      }
    }
    let result = host.interpreter.run(text, name: name, path: path) { _ in }
    host.progress.finish()
    host.output.flush()
    host.report(result.errors)
    return (passed, failed, ExitStatus.of(result))
  }
}
