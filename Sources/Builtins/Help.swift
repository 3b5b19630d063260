// Help read from the table: one page per name, and the list of all names by area.
import Language

/// The help page of a builtin, or the list of all when no name is given.
public func helpText(_ name: String?, in table: BuiltinTable, options: DisplayOptions) throws -> String {
  guard let name else { return listing(table, options) }
  let rows = table.lookup(name)
  if rows.isEmpty {
    let near = table.suggestions(for: name).map { "'\($0)'" }.joined(separator: " or ")
    throw ZsError(
      kind: "name", message: "there is no builtin '\(name)'" + (near.isEmpty ? "" : "; did you mean \(near)?"),
      hint: "help() lists them all", argument: "name")
  }
  return rows.map { page($0, options) }.joined(separator: "\n\n")
}

/// Signature, summary, parameters, example of one row.
private func page(_ row: Builtin, _ options: DisplayOptions) -> String {
  let bold = options.colour ? ("\u{1B}[1m", "\u{1B}[0m") : ("", "")
  var lines = row.wrappedSignature(width: options.width)
  lines[0] = bold.0 + lines[0]
  lines[lines.count - 1] += bold.1
  lines.append("  " + row.summary + (row.returns.isEmpty || row.returns == "none" ? "" : " Gives \(row.returns)."))
  if !row.details.isEmpty { lines += row.details.split(separator: "\n", omittingEmptySubsequences: false).map { "  " + $0 } }
  let described = row.parameters.filter { !$0.help.isEmpty || $0.range != nil || !$0.choices.isEmpty }
  if !described.isEmpty {
    lines.append("")
    let width = min(28, described.map { TextWidth.of($0.name) }.max() ?? 0)
    lines += described.map { "  " + TextWidth.pad($0.name, to: width) + "  " + $0.description }
  }
  if !row.example.isEmpty {
    lines.append("")
    lines += row.example.split(separator: "\n", omittingEmptySubsequences: false).map { "  › " + $0 }
  }
  return lines.joined(separator: "\n")
}

extension Parameter {
  /// What it takes and what for, on one line.
  var description: String {
    var parts = [type.name]
    if !choices.isEmpty { parts = [choices.map { "\"\($0)\"" }.joined(separator: " or ")] }
    if let range = range {
      let low = range.lowerBound.isFinite ? Value.float(range.lowerBound).source.withoutPointZero : ""
      let high = range.upperBound.isFinite && range.upperBound < 9e14 ? Value.float(range.upperBound).source.withoutPointZero : ""
      parts.append(high.isEmpty ? "at least \(low)" : low.isEmpty ? "at most \(high)" : "\(low) to \(high)")
    }
    if !help.isEmpty { parts.append(help) }
    return parts.joined(separator: "; ")
  }
}

extension Builtin {
  /// The signature over as many lines as the columns ask for.
  func wrappedSignature(width: Int) -> [String] {
    if TextWidth.of(signature) <= width { return [signature] }
    let parts = parameters.map { parameter -> String in
      if parameter.variadic { return parameter.name + "…" }
      guard let value = parameter.defaultValue else { return parameter.name }
      return "\(parameter.name): \(value.source)"
    }
    let indent = String(repeating: " ", count: name.count + 1)
    var lines: [String] = []
    var line = name + "("
    for (index, part) in parts.enumerated() {
      let piece = part + (index == parts.count - 1 ? ")" : ", ")
      if TextWidth.of(line + piece) > width, line != indent {
        lines.append(String(line.reversed().drop { $0 == " " }.reversed()))
        line = indent
      }
      line += piece
    }
    return lines + [line]
  }
}

/// All names with their summaries, by area.
private func listing(_ table: BuiltinTable, _ options: DisplayOptions) -> String {
  var categories: [String] = []
  var names: [String: [Builtin]] = [:]
  for row in table.rows {
    if names[row.category] == nil { categories.append(row.category) }
    if !(names[row.category]?.contains { $0.name == row.name } ?? false) { names[row.category, default: []].append(row) }
  }
  return categories.map { category -> String in
    let rows = names[category] ?? []
    let heading = options.colour ? "\u{1B}[1m\(category)\u{1B}[0m" : category
    let width = rows.map { TextWidth.of($0.name) }.max() ?? 0
    return ([heading] + rows.map { TextWidth.cut("  " + TextWidth.pad($0.name, to: width) + "  " + $0.summary, to: options.width) }).joined(
      separator: "\n")
  }.joined(separator: "\n\n") + "\n\nhelp(\"name\") or ?name shows one with an example."
}

extension String {
  /// `"2.0"` as `"2"`.
  fileprivate var withoutPointZero: String { hasSuffix(".0") ? String(dropLast(2)) : self }
}
