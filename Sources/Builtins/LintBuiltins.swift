// The builtin `lint`, and what it gives: findings that can be read as a table or walked as maps.

import Formats
import Language
import Training

func lintBuiltins() -> [Builtin] {
  let data: ParameterType = .anyOf([.string, .list, .object("dataset")])
  return [
    Builtin(
      "lint", category: "Data",
      [
        Parameter("data", data, help: "pairs, conversations or scored answers: a dataset, a path, or a list of maps"),
        Parameter("test", data, default: Value.none, help: "unseen data that should share no prompt with it"),
      ],
      returns: "report",
      summary: "What is likely wrong with data before anything is trained on it: each finding with its rows and what to do.",
      example: "lint([{prompt: \"2 + 2?\", chosen: \"4\", rejected: \"4\"}])",
      details: """
        Pairs: identical or empty sides, the prompt at the head of an answer, repeated and contradicting pairs, length bias with its
        p-values, ties and wrong order of scores. Conversations: empty messages, one role twice in a row. Everywhere: the text of
        special tokens, invented turns, broken encodings. Scored answers: UltraFeedback's 1 that became 10, scores out of range.
        A finding has check, severity ("error", "warning", "info"), count, rows, says, advice; .ok is whether none is an error.
        """
    ) { call in
      let value = call["data"]
      if let rows = try scoredRows(value) {
        return .object(LintReport(try DatasetLint.findings(inScored: rows, poll: call.poll), count: rows.count, unit: "prompt"))
      }
      let kind = try kindOf(value)
      let dataset = try datasetArgument(call, "data", kind)
      let test = call["test"].isNone ? nil : try datasetArgument(call, "test", try kindOf(call["test"]))
      let findings = try DatasetLint.findings(in: dataset, test: test, poll: call.poll)
      return .object(LintReport(findings, count: dataset.rows.count, unit: dataset.rowName))
    }
  ]
}

/// The first rows of a path or list, which say what it holds.
private func firstRow(_ value: Value) throws -> JSON? {
  switch value {
  case .list(let rows): try rows.first?.asJSON()
  case .string(let path): try JSONLines(path: path).rows.first.map { $0.value.array?.first ?? $0.value }
  default: nil
  }
}

/// Rows of scored answers, nil where the data is something else.
private func scoredRows(_ value: Value) throws -> [JSON]? {
  guard try firstRow(value)?["completions"]?.array != nil else { return nil }
  switch value {
  case .list(let rows): return try rows.map { try $0.asJSON() }
  case .string(let path): return try JSONLines(path: path).rows.map(\.value)
  default: return nil
  }
}

private func kindOf(_ value: Value) throws -> DatasetKind {
  if case .object(let object as DatasetValue) = value { return object.dataset.kind }
  guard let fields = try firstRow(value)?.object else { return .preferences }
  return ["chosen", "chosen_ids", "rejected", "label"].contains { fields[$0] != nil } ? .preferences : .conversations
}

/// The findings of `lint`.
final class LintReport: ObjectValue {
  let findings: [LintFinding]
  private let count: Int
  private let unit: String

  init(_ findings: [LintFinding], count: Int, unit: String) {
    self.findings = findings
    self.count = count
    self.unit = unit
  }

  var typeName: String { "report" }
  var fieldNames: [String] { ["ok", "findings", "errors", "warnings", "bad_rows"] }

  func field(_ name: String) throws -> Value? {
    switch name {
    case "ok": .bool(!findings.contains { $0.severity == .error })
    case "findings": .list(findings.map(LintReport.value))
    case "errors": .list(findings.filter { $0.severity == .error }.map(LintReport.value))
    case "warnings": .list(findings.filter { $0.severity == .warning }.map(LintReport.value))
    case "bad_rows":
      .list(Set(findings.filter { $0.severity == .error }.flatMap(\.rows)).sorted().map { .int(Int64($0)) })
    default: nil
    }
  }

  private static func value(_ finding: LintFinding) -> Value {
    .map([
      "check": .string(finding.check), "severity": .string(finding.severity.rawValue), "count": .int(Int64(finding.rows.count)),
      "rows": .list(finding.rows.map { .int(Int64($0)) }), "says": .string(finding.says), "advice": .string(finding.advice),
    ])
  }

  func elementCount() throws -> Int? { findings.count }
  func element(at index: Int) throws -> Value { LintReport.value(findings[index]) }
  func plain() throws -> Value { .list(findings.map(LintReport.value)) }

  /// `report[0]`, or the finding of a check by its name.
  func subscripted(_ index: [IndexArgument]) throws -> Value {
    switch index.first {
    case .at(.int(let number))? where index.count == 1:
      return LintReport.value(findings[try place(Int(number), of: findings.count, "finding")])
    case .at(.string(let name))? where index.count == 1:
      if let finding = findings.first(where: { $0.check == name }) { return LintReport.value(finding) }
      throw ZsError(kind: "key", message: "nothing was found by the check \"\(name)\"", hint: findings.map(\.check).joined(separator: ", "))
    default: throw ZsError(kind: "type", message: "findings are indexed by number or by the name of a check")
    }
  }

  func display(_ options: DisplayOptions) -> String {
    let what = "\(count) \(unit)\(count == 1 ? "" : "s")"
    if findings.isEmpty { return "nothing wrong found in \(what)" }
    let counts = LintFinding.Severity.allCases.reversed().compactMap { severity -> String? in
      let number = findings.count { $0.severity == severity }
      return number == 0 ? nil : "\(number) \(severity == .info ? "note" : severity.rawValue)\(number == 1 ? "" : "s")"
    }
    var lines = ["\(what): \(counts.joined(separator: ", "))"]
    let width = max(40, options.width)
    let nameWidth = findings.map { TextWidth.of($0.check) }.max() ?? 0
    let indent = String(repeating: " ", count: 9 + nameWidth + 2)
    for finding in findings {
      let head = TextWidth.pad(finding.severity.rawValue, to: 9) + TextWidth.pad(finding.check, to: nameWidth + 2)
      let painted = options.colour ? LintReport.paint(head, finding.severity) : head
      let isNarrow = width < indent.count + 30
      let room = isNarrow ? width - 2 : width - indent.count
      let gap = isNarrow ? "  " : indent
      let texts =
        wrapped(finding.says, width: room) + rowsLine(finding).flatMap { wrapped($0, width: room) }
        + wrapped("→ " + finding.advice, width: room, indent: "  ")
      if isNarrow { lines.append(painted) }
      lines += texts.enumerated().map { ($0.offset == 0 && !isNarrow ? painted : gap) + $0.element }
    }
    return lines.joined(separator: "\n")
  }

  private func rowsLine(_ finding: LintFinding) -> [String] {
    if finding.rows.isEmpty { return [] }
    let shown = finding.rows.prefix(12).map(String.init).joined(separator: ", ")
    return ["rows " + shown + (finding.rows.count > 12 ? " … \(finding.rows.count - 12) more" : "")]
  }

  private static func paint(_ text: String, _ severity: LintFinding.Severity) -> String {
    let code = severity == .error ? 31 : severity == .warning ? 33 : 36
    return "\u{1B}[\(code)m\(text)\u{1B}[0m"
  }
}
