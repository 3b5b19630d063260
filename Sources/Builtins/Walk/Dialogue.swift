// How a builtin talks with a person: a line for a prompt. `zs` brings the terminal or the pipe; tests bring a list.

/// What came for a prompt.
public enum DialogueEvent: Sendable, Equatable {
  /// A line without its end.
  case line(String)
  /// The line was dropped with Ctrl-C.
  case cancelled
  /// There is no more.
  case end
}

/// Somebody who answers prompts.
public protocol Dialogue: AnyObject {
  /// The next line; what the program wrote before is on the screen by then, and an interrupt that came before is forgotten.
  func next(_ prompt: String) -> DialogueEvent
}

/// What Tab asks for at a dialogue's prompt: the text, the cursor in it counted in characters; how many characters before the cursor
/// the candidates replace.
public typealias DialogueCompletion = (_ text: String, _ cursor: Int) -> (replaced: Int, candidates: [String])
