// The first stage of Self-Instruct: the prompt that shows eight tasks and asks for more, how the reply is cut into instructions, and the
// rules that each must pass. Wang et al. 2022, arXiv:2212.10560; the rules are those of its published scripts.

/// The prompt for new instructions.
///
/// - Parameters:
///   - tasks: Instructions to show, usually eight.
///   - classification: Whether tasks with few possible labels are wanted.
public func instructionPrompt(_ tasks: [String], classification: Bool) -> String {
  var text =
    classification
    ? "Come up with a series of classification tasks. Try to specify the possible output labels when possible.\n"
    : "Come up with a series of tasks:\n"
  for (index, task) in tasks.enumerated() {
    var task = collapsed(task)
    while task.hasSuffix(":") { task.removeLast() }
    text += "\(index + 1). \(task)\n"
  }
  return text + "\(tasks.count + 1)."
}

/// Why an instruction is not taken.
public enum InstructionFault: String, CaseIterable, Sendable {
  case cut = "the reply was cut by its limit of tokens"
  case empty = "empty"
  case short = "3 words or fewer"
  case long = "more than 150 words"
  case unsuitable = "asks for what text cannot be or do"
  case program = "begins with 'Write a program'"
  case punctuation = "begins with punctuation"
  case notASCII = "begins with a character beyond ASCII"
  case similar = "too similar to another instruction"
}

/// Words of tasks that a language model cannot do.
private let unsuitableWords = [
  "image", "images", "graph", "graphs", "picture", "pictures", "file", "files", "map", "maps", "draw", "plot", "go to",
]

/// An instruction of a reply, or what speaks against it.
public struct ParsedInstruction: Sendable, Equatable {
  /// The instruction, white space collapsed and capitalized as the published scripts do.
  public var text: String
  /// What speaks against it; nil where nothing does.
  public var fault: InstructionFault?
  /// More about the fault.
  public var detail: String
}

/// Cuts a reply into instructions and applies every rule but that of similarity.
///
/// - Parameter opensItem: Whether the prompt ended with the number of the first item, so that the reply begins within it.
public func parseInstructions(_ reply: String, finishReason: String, opensItem: Bool = true) -> [ParsedInstruction] {
  if finishReason == "length" { return [ParsedInstruction(text: reply, fault: .cut, detail: "")] }
  var items = pieces(of: opensItem ? reply : "\n" + reply, between: #/\n\d+\s?\. /#)
  // What a chat model says before its list is no item.
  if !opensItem { items.removeFirst() }
  return items.map { item in
    let text = capitalized(collapsed(item))
    let (fault, detail) = instructionFault(text)
    return ParsedInstruction(text: text, fault: fault, detail: detail)
  }
}

private func instructionFault(_ text: String) -> (InstructionFault?, String) {
  guard let first = text.unicodeScalars.first else { return (.empty, "") }
  let words = wordCount(text)
  if words <= 3 { return (.short, "\(words)") }
  if words > 150 { return (.long, "\(words)") }
  if let word = unsuitableWords.first(where: { holdsWord($0, text) }) { return (.unsuitable, word) }
  if text.hasPrefix("Write a program") { return (.program, "") }
  if first.isASCII,
    (0x21...0x2F).contains(first.value) || (0x3A...0x40).contains(first.value) || (0x5B...0x60).contains(first.value)
      || (0x7B...0x7E).contains(first.value)
  {
    return (.punctuation, String(Character(first)))
  }
  if !first.isASCII { return (.notASCII, String(Character(first))) }
  return (nil, "")
}
