// Conversations made by models: answers to prompts, and dialogues between two of them.

import Distillation
import Formats
import Language
import Tokenizers
import Training

/// How answers are drawn, for respond and dialogues.
func answerParameters(temperature: Double, maxTokens: Int) -> [Parameter] {
  [
    Parameter(
      "max_tokens", .int, default: .int(Int64(maxTokens)), range: 1...1e6, aliases: ["max_new_tokens"], help: "the most tokens of an answer"
    ),
    Parameter("temperature", .float, default: .float(temperature), range: 0...100),
    Parameter("top_p", .float, default: 1, range: 0...1), Parameter("top_k", .int, default: 0, range: 0...1e9),
    Parameter("seed", .int, default: 42, help: "what every draw derives from"), folderParameter,
  ]
}

private let promptsHelp = "a list of texts or of rows with prompt, a dataset, or a .jsonl file"

/// The parameter that takes prompts.
func promptsParameter(_ name: String = "prompts", help: String? = nil) -> Parameter {
  Parameter(name, .anyOf([.list, .string, .object("dataset")]), help: help ?? promptsHelp)
}

func answerBuiltins() -> [Builtin] {
  [
    Builtin(
      "respond", category: distillationCategory,
      [
        Parameter("teacher", teacherType, help: "who answers"), promptsParameter(),
        Parameter("system", .string, default: Value.none, help: "a system message in front of each"),
      ] + answerParameters(temperature: 0.7, maxTokens: 512) + [
        Parameter("keep_cut", .bool, default: false, help: "keep answers that max_tokens cut")
      ],
      returns: "dataset", summary: "One answer to each prompt, as conversations to tune on.",
      example: "respond(r => \"Aye, \\(r.prompt)\", [\"ahoy\", \"good night\"])[0].messages",
      details: "A prompt is a text, or a row with prompt, or instruction and input. What was not kept is in .rejected with its reason.",
      body: respond),
    Builtin(
      "dialogues", category: distillationCategory,
      [
        Parameter("assistant", teacherType, help: "who answers"), promptsParameter("topics", help: "what each dialogue is about"),
        Parameter("user", teacherType, default: Value.none, help: "who plays the user; none: the same model"),
        Parameter("turns", .int, default: 3, range: 1...100, help: "questions in a dialogue"),
        Parameter("open_with_topic", .bool, default: false, help: "whether the topic is the first question itself"),
        Parameter("truecase", .bool, default: true, help: "capital letters where sentences begin"),
      ] + answerParameters(temperature: 0.7, maxTokens: 512),
      returns: "dataset", summary: "Dialogues of several turns between two models, as UltraChat was made.",
      example: """
        d = dialogues(r => if starts_with(r.prompt, "Begin") { "how high is it?" } else { "quite high." }, ["a mountain"], turns: 1)
        d[0].messages
        """,
      details: """
        The user's model gets a persona and sees the roles exchanged. As in Zephyr's data, dialogues are dropped whose assistant says
        that it has no emotions or opinions, and letters are truecased; what was dropped is in .rejected with its reason.
        """,
      body: makeDialogues),
  ]
}

extension Call {
  /// Prompts of an argument: texts, rows, a dataset or a file.
  func prompts(_ name: String = "prompts") throws -> [FeedbackPrompt] {
    let rows: [JSON]
    switch self[name] {
    case .string(let path):
      let lines = try JSONLines(path: path)
      if let problem = lines.problems.first {
        throw ZsError(kind: "data", message: "\(path), line \(problem.line): \(problem.reason)", argument: name)
      }
      rows = lines.rows.map(\.value)
    case .object(let object as DatasetValue): rows = object.dataset.rows.map { .object($0.fields) }
    default: rows = try list(name).map { try $0.asJSON() }
    }
    let prompts = try rows.enumerated().map { place, row in
      guard let prompt = FeedbackPrompt(row: row) else {
        throw ZsError(
          kind: "data", message: "'\(name)' holds no prompt at index \(place)",
          hint: "a text, or a row with prompt, instruction (and input), or messages that begin with a user's turn", argument: name)
      }
      return prompt
    }
    guard !prompts.isEmpty else { throw ZsError(kind: "data", message: "'\(name)' holds no prompt", argument: name) }
    return prompts
  }

  /// How answers are drawn, of a call that has `answerParameters`.
  func answerOptions() throws -> AnswerOptions {
    var options = AnswerOptions()
    options.maxTokens = try int("max_tokens")
    options.temperature = try double("temperature")
    options.topP = try double("top_p")
    options.topK = try int("top_k")
    options.seed = UInt64(bitPattern: Int64(try int("seed")))
    return options
  }
}

extension FeedbackPrompt {
  /// The prompt of a text or a row; nil where there is none.
  init?(row: JSON) {
    let messages = row["messages"]?.array ?? row["prompt"]?.array
    var asked = row.string ?? row["prompt"]?.string ?? messages?.first { $0["role"]?.string == "user" }?["content"]?.string
    if asked == nil, let instruction = row["instruction"]?.string {
      let input = row["input"]?.string ?? row["instances"]?[0]?["input"]?.string ?? ""
      asked = input.isEmpty ? instruction : "\(instruction)\n\n\(input)"
    }
    guard let asked, asked.contains(where: { !$0.isWhitespace }) else { return nil }
    self.init(asked, source: row["source"]?.string)
    correct = (row["correct_answers"]?.array ?? []).compactMap(\.string)
    incorrect = (row["incorrect_answers"]?.array ?? []).compactMap(\.string)
  }
}

private func respond(_ call: Call) throws -> Value {
  let prompts = try call.prompts()
  let system = try call.optionalString("system").map { [Message(role: "system", content: $0)] } ?? []
  let options = try call.answerOptions()
  let folder = try OutputFolder(call)
  var model = try call.poolModel(call["teacher"], "teacher")
  model.teacher = folder.remembering(model.teacher)
  let own = model.system.map { [Message(role: "system", content: $0)] } ?? []
  let asked = prompts.map { own + system + [Message(role: "user", content: $0.prompt)] }
  let watch = try call.pipelineWatch("respond")
  let replies = try call.pipeline { try answers(model, to: asked, options: options, label: "answers", watch: watch) }

  var rows: [JSON] = []
  var rejections: [Rejection] = []
  let keepsCut = try call.bool("keep_cut")
  for (place, reply) in replies.enumerated() {
    func reject(_ reason: String, _ detail: String) {
      rejections.append(Rejection(stage: "answer", reason: reason, text: prompts[place].prompt, detail: detail, request: place))
    }
    switch reply {
    case .failure(let error): reject("the teacher gave no reply", error.description)
    case .success(let reply):
      let text = reply.text.trimmed
      if text.isEmpty {
        reject("an empty answer", "")
      } else if reply.finishReason == "length", !keepsCut {
        reject("the answer was cut by max_tokens", text)
      } else {
        let messages = (own + system + [Message(role: "user", content: prompts[place].prompt), Message(role: "assistant", content: text)])
        rows.append(.object(["messages": .array(messages.map(\.json))]))
      }
    }
  }
  return try conversationsValue(
    call, rows, rejections, folder, steps: [FunnelStep("prompts", prompts.count), FunnelStep("kept", rows.count)])
}

private func makeDialogues(_ call: Call) throws -> Value {
  let topics = try call.prompts("topics").map(\.prompt)
  var options = DialogueOptions()
  options.turns = try call.int("turns")
  options.truecase = try call.bool("truecase")
  options.answers = try call.answerOptions()
  let folder = try OutputFolder(call)
  var assistant = try call.poolModel(call["assistant"], "assistant")
  assistant.teacher = folder.remembering(assistant.teacher)
  var user = assistant
  if !call["user"].isNone {
    user = try call.poolModel(call["user"], "user")
    user.teacher = folder.remembering(user.teacher)
  }
  let watch = try call.pipelineWatch("dialogues")
  let opens = try call.bool("open_with_topic")
  let made = try call.pipeline {
    try dialogues(topics, user: user, assistant: assistant, opensWithTopic: opens, options: options, watch: watch)
  }
  let rows = made.dialogues.map { dialogue -> JSON in
    .object(["messages": .array(dialogue.messages.map(\.json)), "topic": .string(dialogue.topic)])
  }
  return try conversationsValue(
    call, rows, made.rejections, folder, steps: [FunnelStep("topics", topics.count), FunnelStep("kept", rows.count)])
}

/// Conversations with what was not kept, written to the folder too.
private func conversationsValue(
  _ call: Call, _ rows: [JSON], _ rejections: [Rejection], _ folder: OutputFolder, steps: [FunnelStep]
) throws -> Value {
  try folder.write([("conversations.jsonl", rows), ("rejected.jsonl", rejections.map(\.json))])
  guard !rows.isEmpty else {
    throw ZsError(
      kind: "data", message: "\(call.builtin.name) kept none of \(steps.first?.count ?? 0)",
      hint: rejections.first.map { "the first: \($0.reason)\($0.detail.isEmpty ? "" : " (\($0.detail.prefix(200)))")" })
  }
  let extras: ValueMap = [
    "rejected": .list(rejections.map { Value($0.json) }), "reasons": countedReasons(rejections),
    "funnel": .list(steps.map { .map(["step": .string($0.step), "count": .int(Int64($0.count))]) }),
    "plot": funnelPlot(steps, title: call.builtin.name),
  ]
  let note = rejections.isEmpty ? "" : "\(rejections.count) rejected, listed in .rejected with reasons"
  return .object(
    DatasetValue(try Dataset(.conversations, rows: rows, name: call.builtin.name), extras: extras, note: note))
}

extension String {
  /// Without white space at the ends.
  var trimmed: String {
    guard let first = firstIndex(where: { !$0.isWhitespace }), let last = lastIndex(where: { !$0.isWhitespace }) else { return "" }
    return String(self[first...last])
  }
}
