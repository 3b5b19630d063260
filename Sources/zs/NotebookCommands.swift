// `zs convert` and `zs verify`: notebooks as files, without a prompt.
import ArgumentParser
import Builtins
import Glibc
import Language
import Notebooks

struct ConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert", abstract: "Write a notebook in another format: .zs, .ipynb, .md, .html.",
    discussion: """
      A .zs file and a notebook become each other without loss of cells, prose and titles; a .zs file has no place for results.
      --run runs the cells first, so that the new file has results, plots and timings.
      """)

  @Flag(name: .customLong("run"), help: "Run the cells; stops at the first that fails, after writing what there is.") var runsCells = false
  @Argument(help: "The file to read.") var from: String
  @Argument(help: "The file to write.") var to: String

  func run() throws {
    do {
      var document = try NotebookFile.read(path: from)
      var status = ExitStatus.ok
      _ = try NotebookFile.format(of: to)
      if runsCells {
        Interrupt.install(isScript: true)
        status = ConvertCommand.run(&document, path: from)
      }
      if document.about.title.isEmpty, NotebookFile(path: to) == .html || NotebookFile(path: to) == .md {
        document.about.title = from.split(separator: "/").last.map { String($0.prefix { $0 != "." }) } ?? ""
      }
      try NotebookFile.write(document, path: to)
      Terminal.write("\(to): \(counted(document.cells.count, "cell"))\n")
      try ZsCommand.end(status)
    } catch let error as ArgumentParser.ExitCode {
      throw error
    } catch {
      throw ZsCommand.refuse(error)
    }
  }

  /// Runs the cells in a session of their own and puts what they gave in their places.
  private static func run(_ document: inout NotebookDocument, path: String) -> Int32 {
    let host = Host(isInteractive: true, printing: .recorded)
    host.session.width = { 100 }
    var status = ExitStatus.ok
    for index in document.cells.indices where document.cells[index].kind == .code {
      let old = document.cells[index]
      document.cells[index].outputs = []
      if status != ExitStatus.ok || old.text.allSatisfy(\.isWhitespace) { continue }
      let result = host.recorder.run(old.text, title: old.title, path: path, render: { host.text($0) })
      host.progress.finish()
      host.report(result.errors)
      status = ExitStatus.of(result)
      guard var new = host.recorder.cells.last else { continue }
      (new.identifier, new.marker, new.newlines, new.metadata) = (old.identifier, old.marker, old.newlines, old.metadata)
      document.cells[index] = new
    }
    let about = host.recorder.document().about
    (document.about.seed, document.about.width) = (about.seed, about.width)
    return status
  }
}

struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Run the cells of an exported session again and compare what they give.",
    discussion: """
      Reads .md, .html and .ipynb. Numbers agree within tolerances, padding does not matter, and lines that begin with ~ are left
      out. Exits with 0 where all agrees, 3 where something differs, 1 where the file cannot be read or nothing was compared.
      """)

  @Option(help: "Tolerance relative to the recorded number.") var rtol = 1e-4
  @Option(help: "Absolute tolerance.") var atol = 1e-6
  @Argument(help: "The exported session.") var transcript: String

  func run() throws {
    guard rtol >= 0, atol >= 0 else { throw ValidationError("tolerances are not negative") }
    Interrupt.install(isScript: true)
    do {
      let document = try NotebookFile.read(path: transcript)
      guard document.cells.contains(where: { $0.number != nil || !$0.outputs.isEmpty }) else {
        throw ZsError(
          kind: "file", message: "\(transcript) holds no results to compare with",
          hint: "export a session (:export x.md), or zs convert --run x.zs x.md")
      }
      try ZsCommand.end(verify(document))
    } catch let error as ArgumentParser.ExitCode {
      throw error
    } catch {
      throw ZsCommand.refuse(error)
    }
  }

  private func verify(_ document: NotebookDocument) -> Int32 {
    let host = Host(isInteractive: true, printing: .recorded)
    if let width = document.about.width { host.session.width = { width } }
    var (same, different, skipped) = (0, 0, 0)
    let verification = Verification(comparison: TextComparison(relative: rtol, absolute: atol))
    verification.run(document, in: host.recorder, render: { host.text($0) }) { verdict in
      host.progress.finish()
      let name = "In[\(verdict.number)]"
      if let reason = verdict.skipped {
        skipped += 1
        Terminal.write("~ \(name) was not run: \(reason)\n")
      } else if let difference = verdict.difference {
        different += 1
        Terminal.write("≠ \(name) \(verdict.text)\n" + difference.split(separator: "\n").map { "    \($0)\n" }.joined())
      } else {
        same += 1
      }
      return Interrupt.presses == 0
    }
    if Interrupt.presses > 0 { return ExitStatus.interrupted }
    let left = skipped > 0 ? ", \(skipped) not run" : ""
    Terminal.write("\(counted(same, "cell")) as recorded, \(different) different\(left)\n")
    // What was not run is not as recorded either.
    return different + skipped > 0 ? ExitStatus.failedAssertion : ExitStatus.ok
  }
}
