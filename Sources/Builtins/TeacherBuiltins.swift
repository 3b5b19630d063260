// Endpoints as teachers: making one, and asking it as one asks a model.

import Distillation
import Formats
import Language
import Models
import Network
import Tokenizers

/// Rows for teachers behind an address.
func teacherBuiltins() -> [Builtin] {
  [
    Builtin(
      "teacher", category: "Distillation",
      [
        Parameter("url", .string, help: "the address up to /v1, such as \"https://api.openai.com/v1\""),
        Parameter("model", .string, help: "the model's name on the server"),
        Parameter(
          "key_env", .string, default: Value.none, aliases: ["api_key"],
          help: "the environment variable that holds the key; it is never shown, logged or saved"),
        Parameter("timeout", .float, default: 600, range: 0.1...86_400, help: "the longest wait for an answer, in seconds"),
        Parameter("concurrency", .int, default: 4, range: 1...64, help: "how many requests are under way at once"),
        Parameter("attempts", .int, default: 5, range: 1...100, help: "how often a request is made before it is given up"),
        Parameter("stream", .bool, default: false, help: "whether answers come token by token"),
        Parameter("cache", .anyOf([.bool, .string]), default: true, help: "keep replies and ask nothing twice; or the folder for them"),
        Parameter("prices", .list, default: .list([0, 0]), help: "dollars for a million tokens of prompts and of answers"),
      ],
      returns: "teacher", summary: "A model behind an OpenAI-compatible address, as a teacher.",
      example: "t = teacher(\"http://127.0.0.1:8000/v1\", model: \"smollm2\")\nt.counts.requests",
      details: """
        Nothing is sent before it is asked. chat(t, …) and generate(t, …) work as with a loaded model, and wherever a teacher or judge is
        taken this is one. Requests that fail for a passing reason are made again after a growing pause, or the one the server asks for.
        Replies are kept in ${ZS_HOME:-~/.cache/zs}/replies under the SHA-256 of address, model and request. Fields: .url .model .name
        .counts (requests, cached, retries, failures, prompt_tokens, completion_tokens, cost).
        """,
      body: makeTeacher),
    Builtin(
      "chat", category: "Models",
      [
        Parameter("t", .object("teacher"), help: "what teacher(url, …) gave"),
        inputParameter("messages", help: "what the user says, or a list of messages"),
        Parameter("system", .string, default: Value.none, help: "a system message in front"),
      ] + teacherParameters,
      returns: "completion", summary: "A teacher's answer to a message or a conversation.",
      example: "ask = t => chat(t, \"What is 2 + 2?\", max_tokens: 20).text"
    ) { call in try ask(call, .messages(try call.teacherMessages())) },
    Builtin(
      "generate", category: "Models",
      [
        Parameter("t", .object("teacher"), help: "what teacher(url, …) gave"),
        inputParameter("prompt", help: "a text, or a list of messages"),
      ]
        + teacherParameters,
      returns: "completion", summary: "A teacher's continuation of a text.",
      example: "ask = t => generate(t, \"Once upon a time\", max_tokens: 20).text"
    ) { call in
      switch try ModelInput(call["prompt"], "prompt") {
      case .text(let text): try ask(call, .text(text))
      case .messages(let messages): try ask(call, .messages(try messages.map { try message($0) }))
      case .ids: throw ZsError(kind: "type", message: "a teacher takes texts or messages, not token ids", argument: "prompt")
      }
    },
  ]
}

/// How a teacher draws tokens.
private var teacherParameters: [Parameter] {
  let known = ["max_tokens", "temperature", "top_k", "top_p", "seed", "stop"]
  return samplingParameters.filter { known.contains($0.name) } + [
    Parameter("n", .int, default: 1, range: 1...1000, aliases: ["num_return_sequences"], help: "how many completions"),
    Parameter(
      "logprobs", .int, default: Value.none, range: 0...20, help: "ask for log-probabilities, and so many alternatives to each token"),
  ]
}

private func makeTeacher(_ call: Call) throws -> Value {
  let session = try Session.of(call)
  var options = EndpointOptions(
    timeoutSeconds: try call.double("timeout"), concurrency: try call.int("concurrency"),
    retry: RetryPolicy(attempts: try call.int("attempts")), isStreamed: try call.bool("stream"))
  if let name = try call.optionalString("key_env") {
    guard let text = session.environment[name], !Secret(text).isEmpty else {
      throw ZsError(
        kind: "argument", message: "the environment variable \(describedVariable(name)) is not set",
        hint: "key_env: takes the name of a variable, not the key: export it before zs starts", argument: "key_env")
    }
    options.keyName = name
    options.key = Secret(text)
  }
  switch call["cache"] {
  case .string(let folder): options.cacheFolder = folder
  case .bool(true): options.cacheFolder = session.home + "/replies"
  default: break
  }
  let prices = try call.list("prices").map(\.number)
  guard prices.count == 2, let promptPrice = prices[0], let completionPrice = prices[1] else {
    throw ZsError("prices are two numbers: dollars for a million tokens of prompts and of answers", hint: "[0.15, 0.6]", argument: "prices")
  }
  (options.promptPrice, options.completionPrice) = (promptPrice, completionPrice)
  return .object(
    TeacherValue(
      try EndpointTeacher(
        url: try call.string("url"), model: try call.string("model"), options: options, client: session.httpClient)))
}

/// A variable's name for a message; what does not look like one may be the key itself, and is not shown.
private func describedVariable(_ name: String) -> String {
  let isName = name.count <= 40 && name.utf8.allSatisfy { (65...90).contains($0) || $0 == 95 || (48...57).contains($0) }
  return isName ? name : "that key_env names"
}

extension Call {
  /// The texts that end an answer.
  fileprivate func stopTexts() throws -> [String] {
    if case .string(let text) = self["stop"] { return [text] }
    return try list("stop").map { item in
      if let text = item.text { return text }
      throw ZsError(kind: "type", message: "stop takes texts, not \(item.typeName)", argument: "stop")
    }
  }

  /// The messages that `chat` sends a teacher.
  fileprivate func teacherMessages() throws -> [Message] {
    var messages: [Message]
    switch try ModelInput(self["messages"], "messages") {
    case .text(let text): messages = [Message(role: "user", content: text)]
    case .messages(let given): messages = try given.map { try message($0) }
    case .ids: throw ZsError(kind: "type", message: "chat takes a text or messages, not token ids", argument: "messages")
    }
    if let system = try optionalString("system") {
      guard messages.first?.role != "system" else {
        throw ZsError("the messages begin with a system message already", argument: "system")
      }
      messages.insert(Message(role: "system", content: system), at: 0)
    }
    return messages
  }
}

private func message(_ json: JSON) throws -> Message {
  guard let role = json["role"]?.string, let content = json["content"]?.string else {
    throw ZsError(kind: "type", message: "a message for a teacher has a role and a content, both texts")
  }
  return Message(role: role, content: content)
}

/// Asks a teacher one thing; the text of a statement is shown as it comes.
private func ask(_ call: Call, _ prompt: TeacherRequest.Prompt) throws -> Value {
  let session = try Session.of(call)
  let teacher = try call.object("t", as: TeacherValue.self).teacher
  var request = TeacherRequest(
    prompt, maxTokens: try call.int("max_tokens"), temperature: try call.double("temperature"), topP: try call.double("top_p"),
    topK: try call.int("top_k"), stop: try call.stopTexts(), n: try call.int("n"),
    seed: try call.optionalInt("seed").map { UInt64(bitPattern: Int64($0)) })
  if let alternatives = try call.optionalInt("logprobs") { (request.logprobs, request.topLogprobs) = (true, alternatives) }
  let endpoint = teacher as? EndpointTeacher
  var isLineOpen = false
  var isShown = false
  if call.isStatement, request.n == 1 {
    endpoint?.onText = { text in
      guard !text.isEmpty else { return }
      session.output(text)
      isShown = true
      isLineOpen = !text.hasSuffix("\n")
    }
  }
  endpoint?.onRetry = { notice in
    if isLineOpen { session.output("\n") }
    isLineOpen = false
    session.warn("\(notice.error.message); attempt \(notice.attempt + 1) of \(notice.attempts) in \(decimal(notice.delaySeconds, 1)) s")
  }
  defer {
    endpoint?.onText = nil
    endpoint?.onRetry = nil
  }
  let began = ContinuousClock.now
  guard let reply = try teacher.replies(to: [request], shouldStop: { call.context.isInterrupted })?.first else { throw Interrupted() }
  if isLineOpen { session.output("\n") }
  let seconds = (ContinuousClock.now - began) / .seconds(1)
  let values = reply.choices.map { Value.object(ReplyValue($0, reply, seconds: seconds, wasStreamed: isShown)) }
  // From the cache nothing was streamed: a statement shows the text all the same.
  if call.isStatement, !isShown, request.n == 1 { session.output(reply.text + "\n") }
  return request.n == 1 ? values.first ?? .none : .list(values)
}
