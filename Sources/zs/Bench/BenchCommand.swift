// The command line of `zs bench`.
import ArgumentParser
import Builtins
import Formats
import Glibc
import Kernels
import Language

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measure speed and memory on this machine, each figure beside its limit.")

  @Flag(help: "Print one JSON line.") var json = false
  @Flag(help: "Measure for a shorter time.") var quick = false
  @Option(parsing: .upToNextOption, help: "Only rows of these names, or of these groups: gemm, matvec, loop.") var only: [String] = []
  @Option(help: "The .gguf file or folder of the model to measure; without it, SmolLM2.") var model: String?

  func validate() throws {
    if Bench.rows(named: only) == nil {
      let known = Bench.rows.map(\.name)
      let wrong = only.filter { name in !known.contains { $0 == name || $0.hasPrefix(name + ":") } }
      throw ValidationError("no row is called \(wrong.joined(separator: " or ")); rows are " + known.joined(separator: ", "))
    }
  }

  func run() throws {
    Interrupt.install(isScript: true)
    let wanted = Bench.rows(named: only) ?? []
    let bench = Bench(isQuick: quick, host: Host(isInteractive: false, printing: json ? .aside : .standard), modelPath: model)
    var rows: [BenchRow] = []
    for row in wanted {
      if Interrupt.presses > 0 { throw ArgumentParser.ExitCode(ExitStatus.interrupted) }
      bench.host.progress.update(Progress(row.name, done: Double(rows.count), total: Double(wanted.count), unit: "rows"))
      do {
        var measured = try row.measure(bench)
        measured.peakMebibytes = Bench.peakMebibytes()
        rows.append(measured)
      } catch {
        throw ZsCommand.refuse(error)
      }
    }
    bench.host.progress.clear()
    if json { writeJSON(rows, bench) } else { writeTable(rows, bench) }
  }

  private func writeTable(_ rows: [BenchRow], _ bench: Bench) {
    let table = TextTable(
      headings: ["row", "value", "unit", "limit", "share", ""], rows: rows.map(\.cells), numeric: [false, true, false, true, true, false])
    Terminal.write(table.text(width: Terminal.width(), maxRows: 200, colour: bench.host.session.colour) + "\n")
    let peak = Builtins.compact(Bench.peakMebibytes().rounded())
    Terminal.write("\(bench.threads) thread\(bench.threads == 1 ? "" : "s") · peak memory \(peak) MiB\n")
  }

  private func writeJSON(_ rows: [BenchRow], _ bench: Bench) {
    let record = JSON.object(["threads": .int(Int64(bench.threads)), "rows": .array(rows.map(\.record))])
    Terminal.write(record.serialized() + "\n")
  }
}
