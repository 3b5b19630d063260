// One row of a dataset, checked: which fields it must have, in which of the published forms, and the one form they are brought to.

import Formats
import OrderedCollections

typealias Fields = OrderedDictionary<String, JSON>

/// A preference row as `prompt`, `chosen`, `rejected` (all strings or all message lists), or as ids; other fields follow.
///
/// The prompt may stand in its own field, at the head of both answers, or both: TRL's `maybe_extract_prompt`.
func preferenceFields(_ row: Fields) throws -> Fields {
  if isLabelled(row) { return try labelledFields(row) }
  if row["prompt_ids"] != nil || row["chosen_ids"] != nil || row["rejected_ids"] != nil { return try tokenizedPreference(row) }
  let chosen = try present("chosen", in: row)
  let rejected = try present("rejected", in: row)
  var result: Fields
  switch (chosen, rejected) {
  case (.string(let chosen), .string(let rejected)):
    guard let prompt = row["prompt"], !prompt.isNull else {
      let (prompt, chosen, rejected) = splitCommonPrefix(chosen, rejected)
      result = ["prompt": .string(prompt), "chosen": .string(chosen), "rejected": .string(rejected)]
      break
    }
    switch prompt {
    case .string: result = ["prompt": prompt, "chosen": .string(chosen), "rejected": .string(rejected)]
    case .array:
      // Answers as plain strings to a prompt in messages are the assistant's next message.
      func answer(_ text: String) -> JSON { [["role": "assistant", "content": .string(text)]] }
      result = ["prompt": .array(try messages(prompt, "prompt")), "chosen": answer(chosen), "rejected": answer(rejected)]
    default: throw RowProblem("'prompt' is \(prompt.kind), not a string or a list of messages")
    }
  case (.array, .array):
    result = try conversationalPreference(
      prompt: row["prompt"] ?? .null, chosen: try messages(chosen, "chosen"), rejected: try messages(rejected, "rejected"))
  case (.string, .array), (.array, .string):
    throw RowProblem("'chosen' is \(chosen.kind) and 'rejected' is \(rejected.kind); they must be of one kind")
  default:
    let (name, value) = chosen.string == nil && chosen.array == nil ? ("chosen", chosen) : ("rejected", rejected)
    throw RowProblem("'\(name)' is \(value.kind), not a string or a list of messages")
  }
  try checkReferenceColumns(row)
  result.merge(row) { new, _ in new }
  return result
}

/// Whether a row is one answer that somebody found good or bad, and no pair.
func isLabelled(_ row: Fields) -> Bool {
  row["label"] != nil && !["chosen", "rejected", "chosen_ids", "rejected_ids"].contains { name in row[name].map { !$0.isNull } ?? false }
}

/// A labelled answer as `prompt`, `completion` and `label`, TRL's unpaired preference, or in ids; other fields follow.
private func labelledFields(_ row: Fields) throws -> Fields {
  let label: Bool
  switch row["label"] {
  case .bool(let value): label = value
  case .int(0), .int(1): label = row["label"] == 1
  case let other: throw RowProblem("'label' is \((other ?? .null).kind), not true or false")
  }
  var result: Fields
  if row["prompt_ids"] != nil || row["completion_ids"] != nil {
    result = [:]
    for name in ["prompt_ids", "completion_ids"] { result[name] = .array(try ids(try present(name, in: row), name)) }
    if result["completion_ids"]?.array?.isEmpty ?? true { throw RowProblem("'completion_ids' is empty") }
  } else {
    let (prompt, completion) = (try present("prompt", in: row), try present("completion", in: row))
    switch (prompt, completion) {
    // An answer as a plain string to a prompt in messages is the assistant's next message, as in pairs.
    case (.array, .string):
      result = ["prompt": .array(try messages(prompt, "prompt")), "completion": [["role": "assistant", "content": completion]]]
    default: result = try promptCompletion(prompt, completion)
    }
  }
  result["label"] = .bool(label)
  result.merge(row) { new, _ in new }
  return result
}

private func conversationalPreference(prompt: JSON, chosen: [JSON], rejected: [JSON]) throws -> Fields {
  var prompt = prompt
  if prompt.array != nil {
    let given = try messages(prompt, "prompt")
    prompt = .array(given)
    if !chosen.starts(with: given) || !rejected.starts(with: given) {
      return ["prompt": prompt, "chosen": .array(chosen), "rejected": .array(rejected)]
    }
    return try nonempty(given, Array(chosen.dropFirst(given.count)), Array(rejected.dropFirst(given.count)))
  }
  // The longest common head, but never all of an answer.
  let most = min(chosen.count, rejected.count) - 1
  let common = (0..<most).first { chosen[$0] != rejected[$0] } ?? most
  if common == 0 {
    guard let text = prompt.string else { throw RowProblem("'chosen' and 'rejected' share no prompt, and there is no 'prompt'") }
    return try nonempty([["role": "user", "content": .string(text)]], chosen, rejected)
  }
  return try nonempty(Array(chosen[..<common]), Array(chosen[common...]), Array(rejected[common...]))
}

private func nonempty(_ prompt: [JSON], _ chosen: [JSON], _ rejected: [JSON]) throws -> Fields {
  if chosen.isEmpty { throw RowProblem("'chosen' holds the prompt and no answer") }
  if rejected.isEmpty { throw RowProblem("'rejected' holds the prompt and no answer") }
  return ["prompt": .array(prompt), "chosen": .array(chosen), "rejected": .array(rejected)]
}

/// TRL's `extract_prompt` for strings: the common head in Unicode scalars, a blank at its end left to the answers.
private func splitCommonPrefix(_ chosen: String, _ rejected: String) -> (String, String, String) {
  let (a, b) = (Array(chosen.unicodeScalars), Array(rejected.unicodeScalars))
  let most = max(0, min(a.count, b.count) - 1)
  var common = (0..<min(a.count, b.count)).first { a[$0] != b[$0] } ?? most
  if common > 0, common < min(a.count, b.count), a[common] != b[common], a[common - 1] == " " { common -= 1 }
  func text(_ scalars: some Sequence<Unicode.Scalar>) -> String {
    var view = String.UnicodeScalarView()
    view.append(contentsOf: scalars)
    return String(view)
  }
  return (text(a[..<common]), text(a[common...]), text(b[common...]))
}

private func tokenizedPreference(_ row: Fields) throws -> Fields {
  var result: Fields = [:]
  for name in ["prompt_ids", "chosen_ids", "rejected_ids"] { result[name] = .array(try ids(try present(name, in: row), name)) }
  if result["chosen_ids"]?.array?.isEmpty ?? true { throw RowProblem("'chosen_ids' is empty") }
  if result["rejected_ids"]?.array?.isEmpty ?? true { throw RowProblem("'rejected_ids' is empty") }
  try checkReferenceColumns(row)
  result.merge(row) { new, _ in new }
  return result
}

/// Log-probs under a reference that the data brings: both sides or none.
private func checkReferenceColumns(_ row: Fields) throws {
  let given = ["ref_chosen_logps", "ref_rejected_logps"].filter { row[$0].map { !$0.isNull } ?? false }
  for name in given {
    guard let value = row[name]?.double, value.isFinite else { throw RowProblem("'\(name)' is not a finite number") }
  }
  if given.count == 1 { throw RowProblem("'\(given[0])' is there without its counterpart") }
}

/// A conversation row as `messages`, `prompt` and `completion`, `text`, or `input_ids` and `labels`; other fields follow.
func conversationFields(_ row: Fields) throws -> Fields {
  var result: Fields
  if let value = row["input_ids"] {
    let inputs = try ids(value, "input_ids")
    result = ["input_ids": .array(inputs)]
    if let labels = row["labels"], !labels.isNull {
      let list = try ids(labels, "labels", least: -100)
      guard list.count == inputs.count else { throw RowProblem("\(list.count) labels for \(inputs.count) input_ids") }
      result["labels"] = .array(list)
    }
    guard inputs.count > 1 else { throw RowProblem("'input_ids' has \(inputs.count == 1 ? "one id" : "no ids"): nothing to predict") }
  } else if let value = row["messages"], !value.isNull {
    result = ["messages": .array(try conversation(try messages(value, "messages")))]
  } else if let value = row["conversations"], !value.isNull {
    result = ["messages": .array(try conversation(try messages(value, "conversations")))]
  } else if let completion = row["completion"], !completion.isNull {
    result = try promptCompletion(try present("prompt", in: row), completion)
  } else if let text = row["text"], !text.isNull {
    guard let string = text.string else { throw RowProblem("'text' is \(text.kind), not a string") }
    guard string.contains(where: { !$0.isWhitespace }) else { throw RowProblem("'text' is empty") }
    result = ["text": text]
  } else {
    throw RowProblem("none of 'messages', 'completion', 'text' or 'input_ids' is there, only \(list(row.keys))")
  }
  result.merge(row) { new, _ in new }
  return result
}

private func promptCompletion(_ prompt: JSON, _ completion: JSON) throws -> Fields {
  switch (prompt, completion) {
  case (.string, .string(let text)):
    if text.isEmpty { throw RowProblem("'completion' is empty") }
    return ["prompt": prompt, "completion": completion]
  case (.array, .array):
    let (head, tail) = (try messages(prompt, "prompt"), try messages(completion, "completion"))
    if tail.isEmpty { throw RowProblem("'completion' has no message") }
    _ = try conversation(head + tail)
    return ["prompt": .array(head), "completion": .array(tail)]
  default: throw RowProblem("'prompt' is \(prompt.kind) and 'completion' is \(completion.kind); both must be strings or both message lists")
  }
}

/// A conversation that something can be learned from.
private func conversation(_ messages: [JSON]) throws -> [JSON] {
  guard messages.contains(where: { $0["role"] == "assistant" }) else { throw RowProblem("no assistant turn") }
  for (i, message) in messages.enumerated() where message["role"] != "system" {
    if message["content"]?.string?.allSatisfy(\.isWhitespace) ?? false { throw RowProblem("message \(i + 1) is empty") }
  }
  return messages
}

/// A list of messages, each with a role and a text; ShareGPT's `from` and `value` become those.
private func messages(_ value: JSON, _ name: String) throws -> [JSON] {
  guard let list = value.array else { throw RowProblem("'\(name)' is \(value.kind), not a list of messages") }
  return try list.enumerated().map { i, message in
    guard var fields = message.object else { throw RowProblem("message \(i + 1) of '\(name)' is \(message.kind), not {role, content}") }
    if fields["role"] == nil, let from = fields["from"]?.string, let text = fields["value"] {
      fields["from"] = nil
      fields["value"] = nil
      fields = Fields(uniqueKeysWithValues: [("role", .string(shareGPTRoles[from] ?? from)), ("content", text)]).merging(fields) { new, _ in
        new
      }
    }
    guard fields["role"]?.string != nil else { throw RowProblem("message \(i + 1) of '\(name)' has no 'role'") }
    guard fields["content"]?.string != nil else { throw RowProblem("message \(i + 1) of '\(name)' has no text in 'content'") }
    return .object(fields)
  }
}

private let shareGPTRoles = ["human": "user", "gpt": "assistant", "bing": "assistant", "chatgpt": "assistant"]

private func ids(_ value: JSON, _ name: String, least: Int = 0) throws -> [JSON] {
  guard let list = value.array else { throw RowProblem("'\(name)' is \(value.kind), not a list of ids") }
  for (i, id) in list.enumerated() {
    guard let number = id.int, number >= 0 || number == least, number <= Int(Int32.max) else {
      throw RowProblem("element \(i) of '\(name)' is no token id")
    }
  }
  return list
}

private func present(_ name: String, in row: Fields) throws -> JSON {
  guard let value = row[name], !value.isNull else { throw RowProblem("no '\(name)', only \(list(row.keys))") }
  return value
}

private func list(_ names: some Collection<String>) -> String {
  if names.isEmpty { return "an empty row" }
  let shown = names.prefix(8).map { "'\($0)'" }.joined(separator: ", ")
  return names.count > 8 ? shown + " …" : shown
}
