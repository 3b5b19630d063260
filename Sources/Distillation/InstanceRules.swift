// The third stage of Self-Instruct: how a reply is cut into inputs and outputs, and the rules that instances must pass.

/// Why an instance is not taken.
public enum InstanceFault: String, CaseIterable, Sendable {
  case noOutput = "the reply has no 'Output:'"
  case noLabel = "the reply has no 'Class label:'"
  case cut = "last instance of a reply cut by its limit of tokens"
  case echo = "the output equals the input"
  case empty = "the output is empty"
  case colon = "input or output ends with a colon"
  case conflict = "the same input has different outputs: the whole task is dropped"
  case duplicate = "the same instance again"
  case surplus = "more than the instances kept of a task"
}

/// The instances of one reply and those not taken.
public struct ParsedInstances: Sendable, Equatable {
  /// Those that pass every rule, each once, in the order of the reply.
  public var kept: [SeedTask.Instance] = []
  /// The others.
  public var dropped: [(instance: SeedTask.Instance, fault: InstanceFault)] = []

  /// Whether both have the same instances for the same reasons.
  public static func == (left: ParsedInstances, right: ParsedInstances) -> Bool {
    left.kept == right.kept && left.dropped.elementsEqual(right.dropped) { $0 == $1 }
  }
}

/// Cuts a reply to an instance prompt and applies every rule but that of number.
///
/// - Parameter classification: Whether the reply gives a label first and an input for it.
public func parseInstances(_ reply: String, finishReason: String, classification: Bool) -> ParsedInstances {
  var result = ParsedInstances()
  let text = stripped(reply)
  var found = classification ? labelled(text) : exampled(text)
  guard !found.isEmpty else {
    result.dropped.append((SeedTask.Instance(input: "", output: text), classification ? .noLabel : .noOutput))
    return result
  }
  if finishReason == "length" { result.dropped.append((found.removeLast(), .cut)) }
  var valid: [SeedTask.Instance] = []
  for instance in found {
    if let fault = instanceFault(instance) { result.dropped.append((instance, fault)) } else { valid.append(instance) }
  }
  let outputs = Dictionary(grouping: valid.filter { !$0.input.isEmpty }, by: \.input)
  if outputs.values.contains(where: { Set($0.map(\.output)).count > 1 }) {
    result.dropped += valid.map { ($0, .conflict) }
    return result
  }
  for instance in valid {
    if result.kept.contains(instance) { result.dropped.append((instance, .duplicate)) } else { result.kept.append(instance) }
  }
  return result
}

/// `Example 1 … Output: …`, or one input and output without a number.
private func exampled(_ text: String) -> [SeedTask.Instance] {
  let parts = pieces(of: text, between: /Example\s?\d*\.?/)
  if parts.count > 1 { return parts.map { stripped($0) }.filter { !$0.isEmpty }.map(inputAndOutput) }
  return text.contains(/Output\s*\d*\s*:/.matchingSemantics(.unicodeScalar)) ? [inputAndOutput(text)] : []
}

private func inputAndOutput(_ text: String) -> SeedTask.Instance {
  let parts = pieces(of: text, between: /Output\s*\d*\s*:/)
  var (input, output) = parts.count > 1 ? (stripped(parts[0]), stripped(parts[1])) : ("", stripped(text))
  // A model that goes on without 'Example 2' writes the next input after the output.
  output = stripped(pieces(of: output, between: /Input\s*\d*\s*:/)[0])
  if let mark = input.prefixMatch(of: /Input\s*\d*\s*:/.matchingSemantics(.unicodeScalar)) {
    input = stripped(input[mark.range.upperBound...])
  }
  return SeedTask.Instance(input: input, output: output)
}

/// `Class label: …`, the input on the lines below it.
private func labelled(_ text: String) -> [SeedTask.Instance] {
  pieces(of: text, between: /Class label:/).dropFirst().map { part in
    let lines = stripped(part).split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)
    return SeedTask.Instance(input: lines.count > 1 ? stripped(lines[1]) : "", output: lines.first.map { stripped($0) } ?? "")
  }
}

private func instanceFault(_ instance: SeedTask.Instance) -> InstanceFault? {
  if instance.input == instance.output { return .echo }
  if instance.output.isEmpty { return .empty }
  if instance.input.hasSuffix(":") || instance.output.hasSuffix(":") { return .colon }
  return nil
}
