// Generation and conversations. A call that stands as a statement shows its text as it comes; Ctrl-C ends it between tokens.

import Formats
import Kernels
import Language
import Models
import Tensors
import Tokenizers

func generationBuiltins() -> [Builtin] {
  [
    Builtin(
      "generate", category: modelCategory,
      [modelParameter, inputParameter("prompt", help: "a str, a list of token ids, a list of messages, or a list of such prompts")]
        + samplingParameters + [
          Parameter("n", .int, default: 1, range: 1...10_000, aliases: ["num_return_sequences"], help: "how many completions"),
          specialParameter, cacheParameter,
        ],
      returns: "completion", summary: "Continues a text, or each text of a list.",
      example: "m = load(\"smollm2\")\ngenerate(m, \"Once upon a time\", max_tokens: 20).text",
      details: """
        The prompt is a text, a list of token ids, or messages, which go through the chat template. Generation ends at the model's
        end tokens, a stop text, max_tokens or the context. Fields: .text .tokens .logprobs .finish_reason .tokens_per_second;
        log-probabilities are the model's own, whatever the sampling options.
        With n above 1 the result is a list; the prompt is read once. A list of prompts gives a list in its order (with n: of lists),
        and is worked through as one batch, which is faster and gives each prompt the tokens it has alone: with a seed, those of that
        seed. Ctrl-C stops a batch before its next token; what is done is the result, cut completions have the reason "interrupted".
        What the model's makers suggest for sampling (generation_config.json) stands in m.config.generation; it is never applied
        unless written down: generate(m, prompt, temperature: m.config.generation.temperature).
        """
    ) { call in
      let model = try call.model()
      let options = try call.samplingOptions()
      let prompts = promptList(call["prompt"])
      let requests = try (prompts ?? [call["prompt"]]).enumerated().flatMap { index, prompt in
        try promptRequests(call, model, prompt, options, place: prompts == nil ? "" : " at index \(index) of the list")
      }
      let count = try call.int("n")
      guard requests.count != 1 || prompts != nil else { return try completion(call, model, requests[0], options) }
      let all = try completions(call, model, requests, options)
      guard prompts != nil, count > 1 else { return .list(all) }
      return .list(stride(from: 0, to: all.count, by: count).map { .list(Array(all[$0..<$0 + count])) })
    },
    Builtin(
      "chat", category: modelCategory,
      [
        modelParameter, inputParameter("messages", help: "what the user says, or a list of messages"),
        Parameter("system", .string, default: Value.none, help: "a system message in front"),
      ] + samplingParameters + [cacheParameter],
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
      let options = try call.samplingOptions()
      let prompt = try model.encode(messages: messages, generationPrompt: true)
      return try completion(
        call, model, GenerationRequest(prompt, random: call.randomSource(options), isAnswer: true), options)
    },
  ]
}

func conversationBuiltins() -> [Builtin] {
  let conversation = Parameter("c", .object("conversation"), help: "what conversation(m) gave")
  return [
    Builtin(
      "conversation", category: modelCategory,
      [modelParameter, Parameter("system", .string, default: Value.none, help: "a system message"), cacheParameter],
      returns: "conversation", summary: "Begins a conversation that remembers its turns and keeps what the model has read.",
      example: "c = conversation(load(\"smollm2\"), system: \"You are a pirate.\")\nlen(c)"
    ) { call in
      .object(ConversationValue(try Conversation(call.model(), system: call.optionalString("system"), cacheType: call.cacheType())))
    },
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

/// How keys and values are kept while a model generates.
private var cacheParameter: Parameter {
  Parameter(
    "cache", .string, default: "f32", choices: AttentionCacheType.allCases.map(\.rawValue), aliases: ["cache_type", "kv_cache"],
    help: "how keys and values are kept: f16 halves the memory of long texts and rounds them")
}

extension Call {
  /// The type of cache that a call with `cacheParameter` asks for.
  fileprivate func cacheType() throws -> AttentionCacheType { AttentionCacheType(rawValue: try string("cache")) ?? .f32 }
}

/// The prompts of a list of them; nil where the list is itself a prompt of ids or messages.
private func promptList(_ value: Value) -> [Value]? {
  guard case .list(let items) = value else { return nil }
  let isList = items.allSatisfy { item in
    switch item {
    case .string, .list, .object: true
    default: false
    }
  }
  return isList ? items : nil
}

/// The requests for the completions of one prompt.
private func promptRequests(
  _ call: Call, _ model: LanguageModel, _ prompt: Value, _ options: SamplingOptions, place: String
) throws -> [GenerationRequest] {
  let input = try ModelInput(prompt, "prompt" + place)
  let isChat = if case .messages = input { true } else { false }
  let ids = try call.tokens(input, for: model, generationPrompt: true)
  guard !ids.isEmpty || place.isEmpty else { throw ZsError("the prompt\(place) has no tokens", argument: "prompt") }
  let random = try call.randomSource(options)
  return try (0..<call.int("n")).map { index in
    GenerationRequest(ids, random: index == 0 ? random : random.split("completion \(index)"), isAnswer: isChat)
  }
}

/// One completion, shown as it comes.
private func completion(_ call: Call, _ model: LanguageModel, _ request: GenerationRequest, _ options: SamplingOptions) throws -> Value {
  let generator = try Generator(model, cacheType: call.cacheType())
  return try shown(call, options.maxTokens) { onText, shouldStop in
    try generator.generate(
      request.prompt, options: options, random: request.random, isAnswer: request.isAnswer, onText: onText, shouldStop: shouldStop)
  }
}

/// The completions of several requests, made as one batch; a statement shows them one after the other, each as early as it can.
private func completions(
  _ call: Call, _ model: LanguageModel, _ requests: [GenerationRequest], _ options: SamplingOptions
) throws -> [Value] {
  let session = try Session.of(call)
  let isShown = call.isStatement
  var waiting = OrderedTexts(count: requests.count) { if isShown { session.output($0) } }
  var tokens = 0
  var finished = 0
  let clock = ContinuousClock()
  let began = clock.now
  defer { if !isShown { session.progress.finish() } }
  let results = try BatchGenerator(model, cacheType: call.cacheType()).generate(
    requests, options: options,
    onText: { index, text in
      tokens += 1
      waiting.add(text, to: index)
    },
    onFinish: { index, _ in
      finished += 1
      waiting.finish(index)
    },
    shouldStop: {
      if !isShown, tokens > 0 {
        let speed = Double(tokens) / max(1e-9, (clock.now - began) / .seconds(1))
        session.progress.update(
          Progress(
            "generate", done: Double(finished), total: Double(requests.count), unit: "completions", note: "\(decimal(speed, 0)) tokens/s"))
      }
      return call.context.isInterrupted
    })
  return results.map { .object(CompletionValue($0, wasStreamed: isShown)) }
}

/// Texts that come in pieces and at the same time, given out one after the other.
private struct OrderedTexts {
  private var texts: [String]
  private var isFinished: [Bool]
  private var current = 0
  private var isLineOpen = false
  private let write: (String) -> Void

  init(count: Int, write: @escaping (String) -> Void) {
    texts = Array(repeating: "", count: count)
    isFinished = Array(repeating: false, count: count)
    self.write = write
  }

  mutating func add(_ text: String, to index: Int) {
    guard !text.isEmpty else { return }
    texts[index] += text
    if index == current { release() }
  }

  mutating func finish(_ index: Int) {
    isFinished[index] = true
    while current < texts.count {
      release()
      guard isFinished[current] else { return }
      if isLineOpen { write("\n") }
      isLineOpen = false
      current += 1
    }
  }

  private mutating func release() {
    guard !texts[current].isEmpty else { return }
    write(texts[current])
    isLineOpen = !texts[current].hasSuffix("\n")
    texts[current] = ""
  }
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
