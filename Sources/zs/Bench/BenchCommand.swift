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
  @Option(parsing: .upToNextOption, help: "Only rows of these names, or that begin with them and a colon.") var only: [String] = []

  func run() throws {
    Interrupt.install(isScript: true)
    let wanted = Bench.rows.filter { row in only.isEmpty || only.contains { row.name == $0 || row.name.hasPrefix($0 + ":") } }
    if wanted.isEmpty { throw ValidationError("no row of that name; rows are " + Bench.rows.map(\.name).joined(separator: ", ")) }
    let bench = Bench(isQuick: quick, host: Host(isInteractive: false, printing: json ? .aside : .standard))
    var rows: [BenchRow] = []
    for row in wanted {
      if Interrupt.presses > 0 { throw ArgumentParser.ExitCode(ExitStatus.interrupted) }
      bench.host.progress.update(Progress(row.name, done: Double(rows.count), total: Double(wanted.count), unit: "rows"))
      do {
        rows.append(try row.measure(bench))
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
