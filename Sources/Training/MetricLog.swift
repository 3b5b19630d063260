// The metrics of a run, one row per update, under the names TRL logs.

import OrderedCollections

/// The history of a run.
public struct MetricLog: Sendable, Equatable {
  /// One row per update: `step`, then the report's metrics.
  public private(set) var rows: [OrderedDictionary<String, Double>] = []

  /// An empty history.
  public init() {}

  /// A history that was kept elsewhere.
  public init(rows: [OrderedDictionary<String, Double>]) { self.rows = rows }

  /// Every name that some row has, in the order of first appearance.
  public var names: [String] {
    var names = OrderedSet<String>()
    for row in rows { names.append(contentsOf: row.keys) }
    return Array(names)
  }

  /// One metric over the run; NaN where a row lacks it.
  public func column(_ name: String) -> [Double] { rows.map { $0[name] ?? .nan } }

  mutating func record(_ report: StepReport) {
    var row: OrderedDictionary<String, Double> = ["step": Double(report.step)]
    row.merge(report.metrics) { old, _ in old }
    rows.append(row)
  }

  /// Adds metrics to the last row.
  mutating func merge(_ metrics: [(String, Double)]) {
    guard !rows.isEmpty else { return }
    for (name, value) in metrics { rows[rows.count - 1][name] = value }
  }

  /// Forgets all updates after the first `count`.
  mutating func truncate(to count: Int) { rows.removeLast(max(0, rows.count - count)) }
}
