// Data first aid: what is likely wrong with rows before anything is trained on them. Pure functions over rows: each finding has the
// numbers of its rows, how bad it is, and what to do. Pairs are in DatasetLint+Pairs.swift, scores in DatasetLint+Scores.swift.

import Formats

/// Something about a dataset that a person should look at.
public struct LintFinding: Sendable, Equatable {
  /// How bad it is.
  public enum Severity: String, Sendable, Comparable, CaseIterable {
    /// Worth knowing.
    case info
    /// Likely to teach something that nobody wanted.
    case warning
    /// Wrong: such rows should not be trained on.
    case error

    /// Worse is greater.
    public static func < (a: Severity, b: Severity) -> Bool {
      (allCases.firstIndex(of: a) ?? 0) < (allCases.firstIndex(of: b) ?? 0)
    }
  }

  /// The name of the check, such as `identical_pair`.
  public var check: String
  /// How bad it is.
  public var severity: Severity
  /// The rows it is about, as `data[i]` counts them; empty for what concerns the dataset as a whole.
  public var rows: [Int]
  /// What was found.
  public var says: String
  /// What to do.
  public var advice: String

  init(_ check: String, _ severity: Severity, rows: [Int], says: String, advice: String) {
    self.check = check
    self.severity = severity
    self.rows = rows
    self.says = says
    self.advice = advice
  }
}

/// The checks of a dataset.
public enum DatasetLint {
  /// Everything that is worth a look in a dataset, the worst first.
  ///
  /// - Parameters:
  ///   - dataset: Pairs or conversations.
  ///   - test: Unseen data; prompts that are in both are a finding.
  ///   - poll: Called now and then; what it throws ends the work.
  public static func findings(in dataset: Dataset, test: Dataset? = nil, poll: () throws -> Void = {}) throws -> [LintFinding] {
    let rows = dataset.rows.map { LintRow($0.fields, dataset.kind) }
    try poll()
    var findings = skipped(dataset.skipped) + texts(rows)
    try poll()
    if dataset.kind == .preferences { findings += pairs(rows) + scores(ofPairs: dataset.rows.map(\.fields)) + labels(dataset) }
    findings += conversations(rows)
    try poll()
    if let test { findings += overlap(rows, test.rows.map { LintRow($0.fields, test.kind) }) }
    return findings.sorted { ($1.severity, $1.rows.count) < ($0.severity, $0.rows.count) }
  }

  /// Rows that could not be read at all, by reason.
  private static func skipped(_ rows: [SkippedRow]) -> [LintFinding] {
    let kinds = Dictionary(grouping: rows) { row in row.reason.filter { !$0.isNumber } }
    return kinds.values.sorted { $0[0].line < $1[0].line }.map { rows in
      LintFinding(
        "unusable", .error, rows: [],
        says:
          "\(count(rows.count, "row")) cannot be used: \(rows[0].reason) (line\(rows.count == 1 ? "" : "s") \(listed(rows.map(\.line))))",
        advice: "they are left out; mend or drop them")
    }
  }

  // Texts of any kind of row.

  /// Marks that templates and tokenizers give a meaning: in a text they end an answer or begin a turn where nobody meant it.
  static let specialMarks = [
    "</s>", "<s>", "<|im_end|>", "<|im_start|>", "<|endoftext|>", "<|eot_id|>", "<|begin_of_text|>", "<|user|>", "<|assistant|>",
    "<|system|>", "<|end|>", "[INST]", "[/INST]", "<<SYS>>", "<unk>", "<pad>", "<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>",
  ]
  private static let turnMarks = ["\nHuman:", "\nUser:", "\n### Instruction", "\n### Human", "\nQ: ", "\nAssistant:", "\n### Response"]
  private static let modelWords = [
    "as an ai language model", "as a large language model", "i am an ai language model", "trained by openai",
  ]
  private static let mojibake = ["Ã©", "Ã¨", "Ã¼", "Ã¶", "Ã¤", "â€™", "â€œ", "â€\u{9D}", "â€“", "Â\u{A0}"]

  private static func texts(_ rows: [LintRow]) -> [LintFinding] {
    var findings: [LintFinding] = []
    var marks: [String: Int] = [:]
    var marked: [Int] = []
    for (index, row) in rows.enumerated() {
      let found = specialMarks.filter { mark in row.all.contains { $0.contains(mark) } }
      for mark in found { marks[mark, default: 0] += 1 }
      if !found.isEmpty { marked.append(index) }
    }
    if !marked.isEmpty {
      let names = marks.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(4).map { "\($0.key) (\($0.value))" }
      findings.append(
        LintFinding(
          "special_token_text", .error, rows: marked,
          says: "\(count(marked.count, "row")) \(has(marked.count)) the text of special tokens: \(names.joined(separator: ", "))",
          advice: "strip it: the template adds such tokens itself, and the model would learn to write them as words"))
    }
    func finding(_ check: String, _ severity: LintFinding.Severity, _ what: String, _ advice: String, _ holds: (LintRow) -> Bool) {
      let found = rows.indices.filter { holds(rows[$0]) }
      guard !found.isEmpty else { return }
      findings.append(
        LintFinding(check, severity, rows: found, says: "\(count(found.count, "row")) \(what)", advice: advice))
    }
    finding(
      "invented_turn", .warning, "whose answer goes on to write the other's turn (\"Human:\", \"### Instruction\" …)",
      "cut the answer there"
    ) {
      row in
      row.answers.contains { answer in turnMarks.contains { answer.contains($0) } }
    }
    finding("broken_text", .warning, "with characters that a wrong decoding left (U+FFFD, Ã©, â€™)", "read the source again as UTF-8") {
      row in
      row.all.contains { text in text.contains("\u{FFFD}") || mojibake.contains { text.contains($0) } }
    }
    finding(
      "model_words", .info, "whose better answer speaks as another model (\"as an AI language model\")",
      "drop them unless the model should say so too"
    ) { row in
      guard let answer = row.chosen ?? row.answers.last else { return false }
      let text = answer.lowercased()
      return modelWords.contains { text.contains($0) }
    }
    return findings
  }

  // Conversations.

  private static func conversations(_ rows: [LintRow]) -> [LintFinding] {
    var (empty, repeated, open): ([Int], [Int], [Int]) = ([], [], [])
    for (index, row) in rows.enumerated() where !row.messages.isEmpty {
      let turns = row.messages.filter { $0.role != "system" }
      if row.messages.contains(where: { isBlank($0.content) }) { empty.append(index) }
      if zip(turns, turns.dropFirst()).contains(where: { $0.role == $1.role }) { repeated.append(index) }
      if turns.last?.role != "assistant" { open.append(index) }
    }
    return [
      empty.isEmpty
        ? nil
        : LintFinding(
          "empty_message", .warning, rows: empty, says: "\(count(empty.count, "row")) with an empty message", advice: "drop them"),
      repeated.isEmpty
        ? nil
        : LintFinding(
          "consecutive_roles", .warning, rows: repeated, says: "\(count(repeated.count, "row")) where one role speaks twice in a row",
          advice: "join the messages; some templates refuse such conversations"),
      open.isEmpty
        ? nil
        : LintFinding(
          "no_last_answer", .info, rows: open, says: "\(count(open.count, "row")) that do not end with the assistant",
          advice: "what follows the last answer teaches nothing; check that nothing was cut off"),
    ].compactMap { $0 }
  }

  /// Prompts that are in both datasets.
  private static func overlap(_ train: [LintRow], _ test: [LintRow]) -> [LintFinding] {
    let unseen = Set(test.map(\.promptKey).filter { !$0.isEmpty })
    let found = train.indices.filter { unseen.contains(train[$0].promptKey) }
    if found.isEmpty { return [] }
    let shared = Set(found.map { train[$0].promptKey }).count
    return [
      LintFinding(
        "test_overlap", .error, rows: found,
        says: "\(count(found.count, "row")) whose prompt is in the test data too (\(count(shared, "prompt")) of \(test.count))",
        advice: "take them out: what the test then measures is memory")
    ]
  }
}

/// A row as the checks see it.
struct LintRow {
  /// One message of a conversation.
  struct Message: Equatable {
    let role: String
    let content: String
  }

  /// The prompt's text, of messages the last one's.
  var prompt = ""
  var chosen: String?
  var rejected: String?
  /// SFT: what the assistant says.
  var answers: [String] = []
  /// The messages of a conversation, or of the prompt and the chosen answer.
  var messages: [Message] = []
  /// Every text of the row.
  var all: [String] = []
  /// The prompt without differences of case and white space; the same for the same question.
  let promptKey: String

  init(_ fields: Fields, _ kind: DatasetKind) {
    func messages(_ name: String) -> [Message] {
      (fields[name]?.array ?? []).map { Message(role: $0["role"]?.string ?? "", content: $0["content"]?.string ?? "") }
    }
    func text(_ name: String) -> String? {
      if let text = fields[name]?.string { return text }
      let list = messages(name)
      return list.isEmpty ? nil : list.map(\.content).joined(separator: "\n")
    }
    var key: String
    switch kind {
    case .preferences:
      let head = messages("prompt")
      prompt = head.last?.content ?? text("prompt") ?? ""
      key = head.isEmpty ? prompt : head.map { $0.role + ":" + $0.content }.joined(separator: "\n")
      chosen = text("chosen")
      rejected = text("rejected")
      if isLabelled(fields) {
        chosen = fields["label"] == true ? text("completion") : nil
        rejected = fields["label"] == true ? nil : text("completion")
      }
      answers = [chosen, rejected].compactMap { $0 }
      self.messages = head.isEmpty ? [] : head + messages(isLabelled(fields) ? "completion" : "chosen")
      all = (head.isEmpty ? [prompt] : head.map(\.content)) + answers
    case .conversations:
      self.messages = messages("messages") + messages("prompt") + messages("completion")
      if self.messages.isEmpty {
        prompt = fields["prompt"]?.string ?? ""
        answers = [fields["completion"]?.string ?? fields["text"]?.string].compactMap { $0 }
        all = [prompt] + answers
      } else {
        prompt = self.messages.first { $0.role == "user" }?.content ?? ""
        answers = self.messages.filter { $0.role == "assistant" }.map(\.content)
        all = self.messages.map(\.content)
      }
      key = prompt
    }
    key = normalized(key)
    promptKey = key
  }
}

/// A text without differences of case and white space.
func normalized(_ text: String) -> String {
  text.lowercased().split { $0.isWhitespace }.joined(separator: " ")
}

func isBlank(_ text: String) -> Bool { text.allSatisfy(\.isWhitespace) }

/// `1 row`, `12 rows`.
func count(_ number: Int, _ what: String) -> String { "\(number) \(what)\(number == 1 ? "" : "s")" }

func has(_ number: Int) -> String { number == 1 ? "has" : "have" }

/// At most six numbers.
func listed(_ numbers: [Int]) -> String {
  numbers.prefix(6).map(String.init).joined(separator: ", ") + (numbers.count > 6 ? " … (\(numbers.count) in all)" : "")
}
