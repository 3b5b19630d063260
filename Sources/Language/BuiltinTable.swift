// All rows by name, and the search for the name that was meant.

/// The table of builtins.
public struct BuiltinTable {
  /// The rows in the order they were given.
  public let rows: [Builtin]
  private let byName: [String: [Builtin]]

  /// A table of rows; several may share a name.
  public init(_ rows: [Builtin]) {
    self.rows = rows
    byName = Dictionary(grouping: rows, by: \.name)
  }

  /// The rows of that name, empty where there is none.
  public func lookup(_ name: String) -> [Builtin] { byName[name] ?? [] }

  /// All names, sorted, each once.
  public var names: [String] { byName.keys.sorted() }

  /// Names that `name` may have been meant for, at most two, nearest first.
  public func suggestions(for name: String) -> [String] { Array(nearestNames(to: name, among: names).prefix(2)) }
}
