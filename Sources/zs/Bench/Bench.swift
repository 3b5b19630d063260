// `zs bench`: what this build does on this machine, each figure beside the ceiling that the machine sets for it.
// A row is measured alone with `--only`, in a fresh process where the peak of memory matters.
import Builtins
import Formats
import Glibc
import Kernels
import Language
import Models

/// One figure.
struct BenchRow {
  var name: String
  var value: Double
  var unit: String
  /// What the machine allows at best, in the same unit, where that is known.
  var limit: Double?
  /// Other figures of the same work: one thread, the naive twin, seconds.
  var more: [(name: String, value: Double)] = []
  /// The most memory that the process had held when the row was done, in MiB.
  var peakMebibytes = 0.0

  var share: Double? { limit.map { value / $0 } }
}

/// The best that the machine was seen to do.
struct Ceilings {
  var gigaflops: Double
  var readGigabytes: Double
}

/// Measures rows.
final class Bench {
  let isQuick: Bool
  let host: Host
  /// The file of the model that is measured; nil: SmolLM2.
  let modelPath: String?
  private var limits: [Int: Ceilings] = [:]
  var loaded: LanguageModel?

  init(isQuick: Bool, host: Host, modelPath: String? = nil) {
    self.isQuick = isQuick
    self.host = host
    self.modelPath = modelPath
  }

  /// The machine's ceilings for a number of threads: measured anew beside each row, the highest so far counts.
  func limits(threads: Int) -> Ceilings {
    let found = MachineLimits.measure(threads: threads)
    var best = limits[threads] ?? Ceilings(gigaflops: 0, readGigabytes: 0)
    best.gigaflops = max(best.gigaflops, found.gigaflops)
    best.readGigabytes = max(best.readGigabytes, found.readGigabytes)
    limits[threads] = best
    return best
  }

  var threads: Int { ThreadPool.shared.threadCount }

  /// The best time of some runs: what disturbs a run only makes it slower.
  ///
  /// Runs until half a second has passed (a tenth when quick), at least `least` times.
  func bestSeconds(least: Int = 2, _ work: () throws -> Void) rethrows -> Double {
    var best = Double.infinity
    var runs = 0
    let start = monotonicSeconds()
    while runs < least || monotonicSeconds() - start < (isQuick ? 0.1 : 0.5) {
      let before = monotonicSeconds()
      try work()
      best = min(best, monotonicSeconds() - before)
      runs += 1
      if Interrupt.presses > 0 { break }
    }
    return best
  }

  /// A row's name, and how it is measured.
  typealias Row = (name: String, measure: (Bench) throws -> BenchRow)

  /// All rows that there are, in the order they are printed.
  static var rows: [Row] { KernelBench.rows + ModelBench.rows + LanguageBench.rows }

  /// The rows that names mean: a row's own name means it alone, any other those that begin with it and a colon; nil where it means none.
  static func rows(named names: [String]) -> [Row]? {
    if names.isEmpty { return rows }
    let own = Set(rows.map(\.name))
    func means(_ name: String, _ row: Row) -> Bool { own.contains(name) ? row.name == name : row.name.hasPrefix(name + ":") }
    guard names.allSatisfy({ name in rows.contains { means(name, $0) } }) else { return nil }
    return rows.filter { row in names.contains { means($0, row) } }
  }

  /// The most memory the process ever held, in MiB.
  static func peakMebibytes() -> Double {
    var usage = rusage()
    getrusage(RUSAGE_SELF.rawValue, &usage)
    return Double(usage.ru_maxrss) / 1024
  }
}

extension BenchRow {
  /// The row as a table shows it.
  var cells: [String] {
    let shared = share.map { Builtins.compact(($0 * 1000).rounded() / 10) + " %" } ?? ""
    let others = more.map { "\($0.name) \(Builtins.compact($0.value))" }.joined(separator: " · ")
    return [name, Builtins.compact(value), unit, limit.map { Builtins.compact($0) } ?? "", shared, others]
  }

  /// The row as JSON has it.
  var record: JSON {
    var members: [(String, JSON)] = [("name", .string(name)), ("value", .double(value)), ("unit", .string(unit))]
    if let limit, let share { members += [("limit", .double(limit)), ("share", .double(share))] }
    members += more.map { ($0.name.split(separator: " ").joined(separator: "_"), .double($0.value)) }
    members.append(("peak_mib", .double(peakMebibytes)))
    return .object(.init(uniqueKeysWithValues: members))
  }
}
