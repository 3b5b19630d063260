// Generation and conversations. A call that stands as a statement shows its text as it comes; Ctrl-C ends it between tokens.

import Formats
import Language
import Models
import Tensors
import Tokenizers

func generationBuiltins() -> [Builtin] {
  [
    Builtin(
      "generate", category: modelCategory,
      [modelParameter, inputParameter("prompt")] + samplingParameters + [
        Parameter("n", .int, default: 1, range: 1...10_000, aliases: ["num_return_sequences"], help: "how many completions"),
        specialParameter,
      ],
      returns: "completion", summary: "Continues a text.",
      example: "m = load(\"smollm2\")\ngenerate(m, \"Once upon a time\", max_tokens: 20).text",
      details: """
        The prompt is a text, a list of token ids, or messages, which go through the chat template. Generation ends at the model's
        end tokens, a stop text, max_tokens or the context. With n above 1 the result is a list. Fields: .text .tokens .logprobs
        .finish_reason .tokens_per_second; log-probabilities are the model's own, whatever the sampling options.
        """
    ) { call in
      let model = try call.model()
      let isChat = if case .messages = try ModelInput(call["prompt"], "prompt") { true } else { false }
      return try completions(
        call, model, try call.tokens("prompt", for: model, generationPrompt: true), count: call.int("n"), isAnswer: isChat)
    },
    Builtin(
      "chat", category: modelCategory,
      [
        modelParameter, inputParameter("messages", help: "what the user says, or a list of messages"),
        Parameter("system", .string, default: Value.none, help: "a system message in front"),
      ] + samplingParameters,
      returns: "completion", summary: "Answers a message or a conversation.",
      example: "m = load(\"smollm2\")\nchat(m, \"What is 2 + 2?\", max_tokens: 20).text"
    ) { call in
      let model = try call.model()
      var messages: [JSON]
      switch try ModelInput(call["messages"], "messages") {
      case .text(let text): messages = [Message(role: "user", content: text).json]
      case .messages(let given): messages = given
      case .ids:
        throw ZsError(
          kind: "type", message: "chat takes a text or messages, not token ids", hint: "generate takes ids", argument: "messages")
      }
      if let system = try call.optionalString("system") {
        guard messages.first?["role"]?.string != "system" else {
          throw ZsError("the messages begin with a system message already", argument: "system")
        }
        messages.insert(Message(role: "system", content: system).json, at: 0)
      }
      return try completions(call, model, try model.encode(messages: messages, generationPrompt: true), count: 1, isAnswer: true)
    },
  ]
}

func conversationBuiltins() -> [Builtin] {
  let conversation = Parameter("c", .object("conversation"), help: "what conversation(m) gave")
  return [
    Builtin(
      "conversation", category: modelCategory,
      [modelParameter, Parameter("system", .string, default: Value.none, help: "a system message")],
      returns: "conversation", summary: "Begins a conversation that remembers its turns and keeps what the model has read.",
      example: "c = conversation(load(\"smollm2\"), system: \"You are a pirate.\")\nlen(c)"
    ) { call in .object(ConversationValue(try Conversation(call.model(), system: call.optionalString("system")))) },
    Builtin(
      "say", category: modelCategory, [conversation, Parameter("text", .string, help: "what the user says")] + samplingParameters,
      returns: "completion", summary: "Says something in a conversation and gives the answer.",
      example: "c = conversation(load(\"smollm2\"))\nsay(c, \"Ahoy!\", max_tokens: 10).text"
    ) { call in
      let conversation = try call.object("c", as: ConversationValue.self).conversation
      let options = try call.samplingOptions()
      let random = try call.randomSource(options)
      return try shown(call, options.maxTokens) { onText, shouldStop in
        try conversation.say(try call.string("text"), options: options, random: random, onText: onText, shouldStop: shouldStop)
      }
    },
    Builtin(
      "resume", category: modelCategory, [conversation] + samplingParameters,
      returns: "completion", summary: "Continues an answer that max_tokens or Ctrl-C cut short; gives what was added.",
      example: "c = conversation(load(\"smollm2\"))\nsay(c, \"Tell me a story.\", max_tokens: 5);\nresume(c, max_tokens: 5).text"
    ) { call in
      let conversation = try call.object("c", as: ConversationValue.self).conversation
      let options = try call.samplingOptions()
      let random = try call.randomSource(options)
      return try shown(call, options.maxTokens) { onText, shouldStop in
        try conversation.resume(options: options, random: random, onText: onText, shouldStop: shouldStop)
      }
    },
    Builtin(
      "undo", category: modelCategory, [conversation],
      returns: "conversation", summary: "Takes back the last question and its answer.",
      example: "c = conversation(load(\"smollm2\"))\nsay(c, \"Ahoy!\", max_tokens: 5);\nlen(undo(c))"
    ) { call in
      try call.object("c", as: ConversationValue.self).conversation.undo()
      return call["c"]
    },
  ]
}

/// Completions of a prompt: one, or a list of `count`, the prompt read once.
private func completions(_ call: Call, _ model: LanguageModel, _ prompt: [Int], count: Int, isAnswer: Bool) throws -> Value {
  let options = try call.samplingOptions()
  let random = try call.randomSource(options)
  let generator = try Generator(model)
  let all = try (0..<count).map { index in
    try shown(call, options.maxTokens) { onText, shouldStop in
      try generator.generate(
        prompt, options: options, random: index == 0 ? random : random.split("completion \(index)"), isAnswer: isAnswer, onText: onText,
        shouldStop: shouldStop)
    }
  }
  return count == 1 ? all[0] : .list(all)
}

/// Runs one generation: text to the output if the call is a statement, progress if it is not, interruption passed on.
private func shown(_ call: Call, _ maxTokens: Int, _ generate: ((String) -> Void, () -> Bool) throws -> Completion) throws -> Value {
  let session = try Session.of(call)
  let isShown = call.isStatement
  var isLineOpen = false
  var tokens = -1.0
  defer { if !isShown { session.progress.finish() } }
  let completion = try generate(
    { text in
      guard isShown, !text.isEmpty else { return }
      session.output(text)
      isLineOpen = !text.hasSuffix("\n")
    },
    {
      tokens += 1
      if !isShown { session.progress.update(Progress("generate", done: max(0, tokens), total: Double(maxTokens), unit: "tokens")) }
      return call.context.isInterrupted
    })
  if isLineOpen { session.output("\n") }
  if completion.finishReason == .interrupted { throw Interrupted() }
  return .object(CompletionValue(completion, wasStreamed: isShown))
}
