// The reference page: every builtin as Markdown, from the table alone, in the table's order.
import Language

/// The page of all builtins.
///
/// The same table gives the same text, so that a test can say whether a page that was written is current.
public func referencePage(_ table: BuiltinTable) -> String {
  var categories: [String] = []
  for row in table.rows where !categories.contains(row.category) { categories.append(row.category) }
  var names: [String: [String]] = [:]
  for row in table.rows where !(names[row.category]?.contains(row.name) ?? false) { names[row.category, default: []].append(row.name) }
  var blocks = [
    "# Builtins of zs",
    "Written by `zs help --markdown` from the table that help, completion and the checks before running read. Every example runs in the tests.",
  ]
  blocks += categories.map { category in
    "[\(category)](#\(category.lowercased())): " + (names[category] ?? []).map { "`\($0)`" }.joined(separator: " ")
  }
  for category in categories {
    blocks.append("## \(category)")
    for name in names[category] ?? [] { blocks.append(entry(table.rows.filter { $0.category == category && $0.name == name })) }
  }
  return blocks.joined(separator: "\n\n") + "\n"
}

/// The rows of one name in one area.
private func entry(_ rows: [Builtin]) -> String {
  var blocks = ["### \(rows[0].name)"]
  for row in rows {
    blocks.append("```\n" + row.wrappedSignature(width: 110).joined(separator: "\n") + "\n```")
    blocks.append(prose(row.summary + (row.returns.isEmpty || row.returns == "none" ? "" : " Gives \(row.returns).")))
    if !row.details.isEmpty { blocks.append(prose(row.details)) }
    let described = row.parameters.filter { !$0.help.isEmpty || $0.range != nil || !$0.choices.isEmpty }
    if !described.isEmpty { blocks.append(described.map { "- `\($0.name)` – \(prose($0.description))" }.joined(separator: "\n")) }
    if !row.example.isEmpty { blocks.append("```zs\n\(row.example)\n```") }
  }
  return blocks.joined(separator: "\n\n")
}

/// Text of the table as Markdown: what Markdown would take for emphasis, a tag or a heading is none.
private func prose(_ text: String) -> String {
  var result = ""
  for character in text {
    if "*_<>[]`|#".contains(character) { result.append("\\") }
    result.append(character)
  }
  return result
}
