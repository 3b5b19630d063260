// What judges are asked, in our own words; the marks around questions and answers and the forms of scores are the published protocols.

import Tokenizers

private let qualities = "how helpful, relevant, correct, thorough, original and detailed it is"

private let fairness =
  "Neither the order in which the answers stand, nor their length, nor the names of the assistants may sway you. Be as objective as you can."

private let verdictForm = """
  First compare the two answers in a few sentences. Then give your verdict in exactly this form: "[[A]]" if assistant A is better, "[[B]]" if \
  assistant B is better, and "[[C]]" for a tie.
  """

private let ratingForm =
  "First explain your judgement in a few sentences. Then rate it from 1 to 10 in exactly this form: \"[[rating]]\", for example: \"Rating: [[5]]\"."

/// A conversation that is judged: questions and answers in turns.
public struct JudgedConversation: Sendable, Equatable {
  /// What the user asked.
  public var questions: [String]
  /// What was answered.
  public var answers: [String]
  /// Right answers, one per question, where they are known.
  public var references: [String]

  /// Questions with their answers, and right answers where they are known.
  public init(questions: [String], answers: [String], references: [String] = []) {
    self.questions = questions
    self.answers = answers
    self.references = references
  }
}

/// The messages that ask for a rating of the last answer, as MT-Bench's single-v1 and its variants.
public func ratingMessages(_ conversation: JudgedConversation) -> [Message] {
  let reference = conversation.references.isEmpty
  let correct = reference ? "" : " Compare the answer with the reference answer, find its mistakes and correct them."
  guard conversation.questions.count > 1 else {
    var text = """
      [Instruction]
      Judge impartially the quality of the answer that an AI assistant gave to the question below: \(qualities).\(correct) \(ratingForm)

      [Question]
      \(conversation.questions.first ?? "")

      """
    if let known = conversation.references.first {
      text += "\n[The Start of Reference Answer]\n\(known)\n[The End of Reference Answer]\n"
    }
    text += "\n[The Start of Assistant's Answer]\n\(conversation.answers.first ?? "")\n[The End of Assistant's Answer]"
    return [Message(role: "system", content: "You are a helpful assistant."), Message(role: "user", content: text)]
  }
  let system = """
    Judge impartially the quality of the answer that an AI assistant gave to the user's last question: \(qualities).\(correct) Judge the last \
    answer only; what came before is its context. \(ratingForm)
    """
  return [
    Message(role: "system", content: system),
    Message(role: "user", content: referenceText(conversation) + conversationText(conversation, "A")),
  ]
}

/// The messages that ask which of two answers is better, as MT-Bench's pair-v2 and its variants.
public func comparisonMessages(_ a: JudgedConversation, _ b: JudgedConversation) -> [Message] {
  let correct = a.references.isEmpty ? "" : " Compare both with the reference answer and look for mistakes."
  guard a.questions.count > 1 else {
    let system = """
      Judge impartially which of two AI assistants answers the user's question better: \(qualities).\(correct) \(fairness) \(verdictForm)
      """
    var text = "[User Question]\n\(a.questions.first ?? "")\n"
    if let known = a.references.first { text += "\n[The Start of Reference Answer]\n\(known)\n[The End of Reference Answer]\n" }
    for (name, side) in [("A", a), ("B", b)] {
      text += "\n[The Start of Assistant \(name)'s Answer]\n\(side.answers.first ?? "")\n[The End of Assistant \(name)'s Answer]\n"
    }
    return [Message(role: "system", content: system), Message(role: "user", content: text)]
  }
  let system = """
    Judge impartially which of two AI assistants answers the user's last question better: \(qualities).\(correct) \(fairness) \(verdictForm)
    """
  return [
    Message(role: "system", content: system),
    Message(role: "user", content: referenceText(a) + conversationText(a, "A") + "\n\n\n" + conversationText(b, "B")),
  ]
}

private func conversationText(_ conversation: JudgedConversation, _ name: String) -> String {
  let turns = zip(conversation.questions, conversation.answers).map { "### User:\n\($0)\n\n### Assistant \(name):\n\($1)\n" }
  return "<|The Start of Assistant \(name)'s Conversation with User|>\n\n" + turns.joined(separator: "\n")
    + "\n<|The End of Assistant \(name)'s Conversation with User|>"
}

private func referenceText(_ conversation: JudgedConversation) -> String {
  guard !conversation.references.isEmpty else { return "" }
  let turns = zip(conversation.questions, conversation.references).map { "### User:\n\($0)\n\n### Reference answer:\n\($1)\n" }
  return "<|The Start of Reference Answer|>\n\n" + turns.joined(separator: "\n") + "\n<|The End of Reference Answer|>\n\n\n"
}

/// The messages that ask which output is better by one token, `m` or `M`, as AlpacaEval 2 does.
public func rankingMessages(instruction: String, first: String, second: String) -> [Message] {
  let text = """
    Two models, m and M, were given the same instruction. Rank their outputs by quality, as a careful person would who wanted a good answer.

    ## Instruction

    \(instruction)

    ## Model Outputs

    ### m

    \(first)

    ### M

    \(second)

    ## Task

    Say which output is best by its model's name alone: m or M. Write nothing before or after it.

    ## Best Model Identifier
    """
  return [
    Message(role: "system", content: "You rank the outputs of language models by how good they are for people."),
    Message(role: "user", content: text),
  ]
}

/// The messages that ask for feedback on an answer and an overall score, as UltraFeedback's critique.
public func critiqueMessages(instruction: String, answer: String, note: String) -> [Message] {
  let text = """
    Here is an answer to an instruction. Give feedback to its author, addressing them as "you": say what is good, what is wrong or missing, and \
    how to improve, with respect to helpfulness, truthfulness, honesty and how well the instruction is followed. Be specific and do not write \
    a new answer. Then give an overall score from 1 to 10: 1 is useless, 10 cannot be improved.

    ### Instruction
    \(instruction)\(note.isEmpty ? "" : "\nNote: \(note)")

    ### Answer
    \(answer)

    ### Form
    [Your feedback]
    Overall Score: [1-10]

    ### Feedback
    """
  return [
    Message(role: "system", content: "You are a teacher who gives exact and constructive feedback."), Message(role: "user", content: text),
  ]
}
