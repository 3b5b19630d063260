// The command line. What to do is decided here, doing it is elsewhere.
import ArgumentParser
import Builtins
import Glibc
import Language

struct ZsCommand: ParsableCommand {
  static let version = "0.1.0"

  static let configuration = CommandConfiguration(
    commandName: "zs", abstract: "A notebook and scripting language for aligning small language models on a CPU.",
    discussion: """
      zs                   the notebook
      zs FILE.zs [ARG…]    a script; zs - reads standard input, zs -e CODE runs CODE
      """, version: "zs \(version)",
    subcommands: [
      RunCommand.self, ChatCommand.self, CheckCommand.self, TestCommand.self, ConvertCommand.self, VerifyCommand.self, HelpPages.self,
      BenchCommand.self,
    ],
    defaultSubcommand: RunCommand.self)

  /// Runs the command line and gives the exit code.
  static func start(_ arguments: [String]) -> Int32 {
    do {
      var command = try parseAsRoot(arguments)
      try command.run()
      return ExitStatus.ok
    } catch {
      let code = exitCode(for: error).rawValue
      let message = fullMessage(for: error)
      if code == 0 {
        if !message.isEmpty { Terminal.write(message + "\n") }
        return ExitStatus.ok
      }
      if !message.isEmpty { Terminal.warn(message + "\n") }
      return code == ArgumentParser.ExitCode.validationFailure.rawValue ? ExitStatus.usage : code
    }
  }

  /// Says what is wrong with a file that cannot be read, and gives the exit code.
  static func refuse(_ error: any Error, asJSON: Bool = false) -> ArgumentParser.ExitCode {
    let described = Host.describe(error)
    if asJSON {
      Terminal.warn(Script.jsonDiagnostics([described], DiagnosticRenderer(sources: SourceMap())))
      return ArgumentParser.ExitCode(ExitStatus.error)
    }
    Terminal.warn("error: \(described.message)\n" + (described.hint.map { "hint: \($0)\n" } ?? ""))
    return ArgumentParser.ExitCode(ExitStatus.error)
  }

  /// Ends with a code; 0 is a normal end.
  static func end(_ status: Int32) throws {
    if status != 0 { throw ArgumentParser.ExitCode(status) }
  }
}

/// How errors are written.
enum DiagnosticsFormat: String, ExpressibleByArgument {
  case text
  case json
}

struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Run a script, or open the notebook.", shouldDisplay: false)

  @Flag(help: "Print the last value as one JSON line and nothing else.") var json = false
  @Option(name: .customShort("e"), parsing: .unconditional, help: "Run this code.") var code: String?
  @Option(help: "Run only this cell, counted from 1.") var cell: Int?
  @Option(help: "Run from this cell on.") var from: Int?
  @Option(help: "Run up to this cell.") var to: Int?
  @Option(help: "How errors are written: text or json.") var diagnostics = DiagnosticsFormat.text
  @Argument(parsing: .captureForPassthrough, help: "The script and its arguments.") var inputs: [String] = []

  mutating func run() throws {
    var script: Script
    if let code {
      script = Script(text: code, name: "-e", path: nil, arguments: inputs)
    } else if let first = inputs.first {
      if first.hasPrefix("-"), first != "-" { throw ValidationError("Unknown option '\(first)'") }
      do {
        script = first == "-" ? Script.standardInput() : try Script.file(first)
      } catch {
        throw ZsCommand.refuse(error, asJSON: diagnostics == .json)
      }
      script.arguments = Array(inputs.dropFirst())
      try takeCells(from: &script.arguments)
    } else {
      guard json else { return try ZsCommand.end(Notebook.start()) }
      script = Script.standardInput()
    }
    script.isJSON = json
    script.hasJSONDiagnostics = diagnostics == .json
    script.cells = try chosenCells(script)
    try ZsCommand.end(script.run())
  }

  /// `zs FILE --cell 3` means what `zs --cell 3 FILE` means: which cells to run may also stand right behind the file.
  private mutating func takeCells(from arguments: inout [String]) throws {
    while let first = arguments.first {
      let parts = first.split(separator: "=", maxSplits: 1).map(String.init)
      guard let name = parts.first, ["--cell", "--from", "--to"].contains(name) else { return }
      arguments.removeFirst()
      guard let text = parts.count > 1 ? parts[1] : arguments.first, let number = Int(text) else {
        throw ValidationError("\(name) takes the number of a cell")
      }
      if parts.count == 1 { arguments.removeFirst() }
      switch name {
      case "--cell": cell = number
      case "--from": from = number
      default: to = number
      }
    }
  }

  private func chosenCells(_ script: Script) throws -> ClosedRange<Int>? {
    guard cell != nil || from != nil || to != nil else { return nil }
    if cell != nil, from != nil || to != nil { throw ValidationError("--cell does not go with --from and --to") }
    let count = CellOutline.cells(of: script.text).count
    let (low, high) = (cell ?? from ?? 1, cell ?? to ?? count)
    guard low >= 1, low <= high else { throw ValidationError("cells are counted from 1, and --from may not be after --to") }
    return low...high
  }
}

struct ChatCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "chat", abstract: "Talk with a model.")

  @Argument(help: "What load(…) takes: smollm2, a .gguf file, a folder.") var model: String
  @Option(help: "What the model is told first.") var system: String?
  @Option(help: "0 always takes the likeliest token.") var temperature = 0.7
  @Option(help: "Fixes the random numbers.") var seed: Int?
  @Option(help: "Tokens of an answer at most.") var maxTokens = 512

  func run() throws {
    try ZsCommand.end(Chat(model: model, system: system, temperature: temperature, seed: seed, maxTokens: maxTokens).run())
  }
}

struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "check", abstract: "Report all problems of files without running them.")

  @Option(help: "How errors are written: text or json.") var diagnostics = DiagnosticsFormat.text
  @Argument(help: "The files.") var files: [String]

  func run() throws {
    var worst = ExitStatus.ok
    for file in files {
      do {
        var script = try Script.file(file)
        script.hasJSONDiagnostics = diagnostics == .json
        worst = max(worst, script.check())
      } catch {
        _ = ZsCommand.refuse(error, asJSON: diagnostics == .json)
        worst = max(worst, ExitStatus.error)
      }
    }
    try ZsCommand.end(worst)
  }
}

struct TestCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "test", abstract: "Run the test blocks of files.")

  @Argument(help: "The files.") var files: [String]

  func run() throws {
    Interrupt.install(isScript: true)
    var (passed, failed) = (0, 0)
    var worst = ExitStatus.ok
    for file in files {
      do {
        let result = try Script.file(file).test()
        passed += result.passed
        failed += result.failed
        worst = max(worst, result.status)
      } catch {
        _ = ZsCommand.refuse(error)
        worst = max(worst, ExitStatus.error)
      }
      if worst == ExitStatus.interrupted { break }
    }
    Terminal.write("\(passed) passed, \(failed) failed\n")
    try ZsCommand.end(worst == ExitStatus.ok && failed > 0 ? ExitStatus.failedAssertion : worst)
  }
}

struct HelpPages: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "help", abstract: "Show what a builtin does; without a name, list them all.")

  @Flag(help: "Print the reference page of all builtins, as Markdown.") var markdown = false
  @Argument(help: "A builtin's name.") var name: String?

  func run() throws {
    let host = Host(isInteractive: false)
    if markdown {
      guard name == nil else { throw ValidationError("--markdown prints all builtins") }
      Terminal.write(referencePage(host.session.table))
      return
    }
    do {
      Terminal.write(try helpText(name, in: host.session.table, options: host.displayOptions) + "\n")
      if name == nil { Terminal.write("zs --help shows the command line.\n") }
    } catch {
      throw ZsCommand.refuse(error)
    }
  }
}
