// Dialogues of several turns between a model that plays the user and one that answers, as UltraChat was made, with the filter that Zephyr
// put over it. Source: Ding et al. 2023, arXiv:2305.14233; Tunstall et al. 2023, arXiv:2310.16944, section 4.1.

import Tensors
import Tokenizers

/// How dialogues are made.
public struct DialogueOptions: Sendable {
  /// Questions with their answers in a dialogue.
  public var turns = 3
  /// How both roles draw.
  public var answers = AnswerOptions()
  /// Whether small letters at the beginnings of sentences and a lone `i` are mended.
  public var truecase = true

  /// The defaults.
  public init() {}
}

/// A dialogue with the topic it is about.
public struct Dialogue: Sendable, Equatable {
  /// What it is about, or its opening line.
  public var topic: String
  /// User and assistant in turns.
  public var messages: [Message]
}

/// Makes a dialogue about each topic.
///
/// - Parameters:
///   - opensWithTopic: Whether the topic is the user's first line itself; else the user's model writes one about it.
/// - Returns: The dialogues, and those that were not kept, with reasons.
public func dialogues(
  _ topics: [String], user: PoolModel, assistant: PoolModel, opensWithTopic: Bool, options: DialogueOptions, watch: PipelineWatch
) throws -> (dialogues: [Dialogue], rejections: [Rejection]) {
  var open = topics.map { Dialogue(topic: $0, messages: []) }
  var isOpen = [Bool](repeating: true, count: topics.count)
  var rejections: [Rejection] = []
  func reject(_ place: Int, _ reason: String, _ text: String) {
    isOpen[place] = false
    rejections.append(Rejection(stage: "dialogue", reason: reason, text: text, detail: topics[place], request: place))
  }

  for turn in 0..<options.turns {
    for role in ["user", "assistant"] {
      let places = topics.indices.filter { isOpen[$0] }
      if role == "user", turn == 0, opensWithTopic {
        for place in places { open[place].messages.append(Message(role: role, content: topics[place])) }
        continue
      }
      let asked = places.map { place in
        role == "user" ? userView(of: open[place]) : open[place].messages
      }
      var options = options.answers
      options.seed = RandomSource(seed: options.seed).split("\(role) \(turn)").seed
      let replies = try answers(
        role == "user" ? user : assistant, to: asked, options: options, label: "turn \(turn + 1), \(role)", watch: watch)
      for (place, reply) in zip(places, replies) {
        switch reply {
        case .failure(let error): reject(place, "the teacher gave no reply", error.description)
        case .success(let reply):
          let text = stripped(reply.text)
          if text.isEmpty {
            reject(place, "an empty turn of the \(role)", "")
          } else if reply.finishReason == "length" {
            reject(place, "a turn of the \(role) was cut by its limit of tokens", text)
          } else if role == "assistant", let phrase = speaksOfItself(text) {
            reject(place, "the assistant speaks of its lack of emotions or opinions", phrase)
          } else {
            open[place].messages.append(Message(role: role, content: text))
          }
        }
      }
    }
  }
  let kept = topics.indices.filter { isOpen[$0] }.map { place in
    guard options.truecase else { return open[place] }
    return Dialogue(topic: topics[place], messages: open[place].messages.map { Message(role: $0.role, content: truecased($0.content)) })
  }
  return (kept, rejections)
}

/// The dialogue as the model sees it that plays the user: roles exchanged, and a persona in front.
private func userView(of dialogue: Dialogue) -> [Message] {
  let persona = """
    You play a curious person who talks with an assistant about this topic: \(dialogue.topic)
    Write only what this person says next: one question or request, in one to three sentences, natural and to the point. Do not answer it, \
    do not thank, and do not say that you are an assistant.
    """
  let exchanged = dialogue.messages.map { Message(role: $0.role == "user" ? "assistant" : "user", content: $0.content) }
  // A conversation that begins with an assistant's turn is refused by many templates, so the beginning is asked for.
  let beginning = Message(role: "user", content: exchanged.isEmpty ? "Begin the conversation." : "Begin.")
  return [Message(role: "system", content: persona), beginning] + exchanged
}

/// The phrase by which Zephyr's filter knows an answer about the assistant itself; nil where there is none.
func speaksOfItself(_ text: String) -> String? {
  let plain = text.replacing("’", with: "'").lowercased()
  return [
    "i do not have emotions", "i don't have emotions", "i do not have opinions", "i don't have opinions",
    "i do not have personal opinions", "i don't have personal opinions",
  ].first { plain.contains($0) }
}

/// The text with capital letters where a sentence begins and for a lone `i`; blocks of code are left alone.
public func truecased(_ text: String) -> String {
  var result = ""
  var begins = true
  var isCode = false
  var previous: Character = " "
  let characters = Array(text)
  for (place, character) in characters.enumerated() {
    if character == "`" { isCode.toggle() }
    var written = String(character)
    let next = place + 1 < characters.count ? characters[place + 1] : " "
    if !isCode, character.isLowercase, begins || (character == "i" && !isWordPart(previous) && !isWordPart(next) && next != ".") {
      written = character.uppercased()
    }
    // A full stop ends a sentence only before a blank: not in 3.5 or e.g. names of files.
    if character == "!" || character == "?" || character == "." {
      begins = next.isWhitespace && !(character == "." && endsAbbreviation(characters[..<place]))
    } else if !character.isWhitespace {
      begins = false
    }
    result += written
    previous = character
  }
  return result
}

private func isWordPart(_ character: Character) -> Bool { character.isLetter || character.isNumber || character == "'" || character == "_" }

private func endsAbbreviation(_ text: ArraySlice<Character>) -> Bool {
  let word = String(text.suffix(while: { !$0.isWhitespace })).lowercased()
  return ["e.g", "i.e", "etc", "vs", "dr", "mr", "mrs", "ms", "approx", "no"].contains(word)
}

extension ArraySlice<Character> {
  fileprivate func suffix(while belongs: (Character) -> Bool) -> ArraySlice<Character> {
    var start = endIndex
    while start > startIndex, belongs(self[start - 1]) { start -= 1 }
    return self[start...]
  }
}
