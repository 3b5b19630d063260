// What an OpenAI-compatible server is sent and what it sends back: chat and plain completions, whole or as a stream.

import Formats
import Models
import Network
import OrderedCollections

/// The words of the protocol for one request.
struct EndpointWire {
  /// The model's name on the server.
  let model: String
  let request: TeacherRequest
  /// How many choices to ask for now.
  var count: Int
  /// What is added to the request's seed.
  var seedOffset: UInt64 = 0
  var isStreamed = false
  /// Newer models of OpenAI's refuse `max_tokens` and want this instead.
  var saysMaxCompletionTokens = false
  /// Not every server knows `stream_options`.
  var asksForStreamedUsage = true

  private var isChat: Bool { if case .messages = request.prompt { true } else { false } }

  /// The path behind the address of the endpoint.
  var path: String { isChat ? "/chat/completions" : "/completions" }

  /// The body of the request.
  var body: JSON {
    var fields: OrderedDictionary<String, JSON> = ["model": .string(model)]
    switch request.prompt {
    case .messages(let messages): fields["messages"] = .array(messages.map(\.json))
    case .text(let text): fields["prompt"] = .string(text)
    }
    fields[isChat && saysMaxCompletionTokens ? "max_completion_tokens" : "max_tokens"] = .int(Int64(request.maxTokens))
    fields["temperature"] = .double(request.temperature)
    if request.topP != 1 { fields["top_p"] = .double(request.topP) }
    if request.topK > 0 { fields["top_k"] = .int(Int64(request.topK)) }
    if request.presencePenalty != 0 { fields["presence_penalty"] = .double(request.presencePenalty) }
    if request.frequencyPenalty != 0 { fields["frequency_penalty"] = .double(request.frequencyPenalty) }
    if !request.stop.isEmpty { fields["stop"] = .array(request.stop.map { .string($0) }) }
    if count > 1 { fields["n"] = .int(Int64(count)) }
    // Servers take 32 bits at least.
    if let seed = request.seed { fields["seed"] = .int(Int64((seed &+ seedOffset) % (1 << 31))) }
    if request.logprobs {
      fields["logprobs"] = isChat ? true : .int(Int64(max(1, request.topLogprobs)))
      if isChat, request.topLogprobs > 0 { fields["top_logprobs"] = .int(Int64(request.topLogprobs)) }
    }
    if isStreamed {
      fields["stream"] = true
      if asksForStreamedUsage { fields["stream_options"] = ["include_usage": true] }
    }
    return .object(fields)
  }

  // MARK: What comes back

  /// The reply in a whole response.
  func reply(_ json: JSON) throws(EndpointProblem) -> TeacherReply {
    try checkError(json)
    guard let choices = json["choices"]?.array, !choices.isEmpty else { throw EndpointProblem("the response has no choices") }
    var reply = TeacherReply(choices: [])
    for choice in choices {
      guard let holder = isChat ? choice["message"] : choice, let text = isChat ? holder["content"] ?? .null : holder["text"] else {
        throw EndpointProblem("a choice has no \(isChat ? "message" : "text")")
      }
      reply.choices.append(
        .init(text: cut(text.string ?? ""), finishReason: choice["finish_reason"]?.string ?? "stop", tokens: tokens(choice["logprobs"])))
    }
    addUsage(json, to: &reply)
    return reply
  }

  /// Adds one event of a stream; gives the text it adds to the first choice.
  func add(_ event: JSON, to reply: inout TeacherReply, ended: inout Set<Int>) throws(EndpointProblem) -> String {
    try checkError(event)
    addUsage(event, to: &reply)
    var added = ""
    for choice in event["choices"]?.array ?? [] {
      let index = choice["index"]?.int ?? 0
      guard (0..<max(1, count)).contains(index) else { throw EndpointProblem("the stream has a choice \(index) of \(count)") }
      while reply.choices.count <= index { reply.choices.append(.init(text: "", finishReason: "stop")) }
      let text = (isChat ? choice["delta"]?["content"]?.string : choice["text"]?.string) ?? ""
      reply.choices[index].text += text
      if index == 0 { added += text }
      if let more = tokens(choice["logprobs"]) { reply.choices[index].tokens = (reply.choices[index].tokens ?? []) + more }
      if let reason = choice["finish_reason"]?.string {
        reply.choices[index].finishReason = reason
        ended.insert(index)
      }
    }
    return added
  }

  /// A text without its stop text and what follows: some servers leave it in.
  func cut(_ text: String) -> String {
    var text = text
    for stop in request.stop where !stop.isEmpty { if let found = text.firstRange(of: stop) { text = String(text[..<found.lowerBound]) } }
    return text
  }

  private func checkError(_ json: JSON) throws(EndpointProblem) {
    guard let error = json["error"], !error.isNull else { return }
    throw EndpointProblem("the server reports: \(String((error["message"]?.string ?? error.string ?? error.serialized()).prefix(300)))")
  }

  private func addUsage(_ json: JSON, to reply: inout TeacherReply) {
    guard let usage = json["usage"], usage.object != nil else { return }
    // Counts are added up: what no request can take is not believed.
    let believed = 0...(1 << 40)
    if let count = usage["prompt_tokens"]?.int, believed.contains(count) { reply.promptTokens = count }
    if let count = usage["completion_tokens"]?.int, believed.contains(count) { reply.completionTokens = count }
  }

  /// Tokens in either of the protocol's two forms; nil where there are none.
  private func tokens(_ logprobs: JSON?) -> [TeacherToken]? {
    if let content = logprobs?["content"]?.array {
      return content.compactMap { token in
        guard let text = token["token"]?.string, let logprob = token["logprob"]?.double else { return nil }
        let top = token["top_logprobs"]?.array ?? []
        return TeacherToken(text: text, logprob: logprob, top: alternatives(top.map { ($0["token"]?.string, $0["logprob"]?.double) }))
      }
    }
    guard let texts = logprobs?["tokens"]?.array, let values = logprobs?["token_logprobs"]?.array else { return nil }
    let tops = logprobs?["top_logprobs"]?.array ?? []
    return zip(texts, values).enumerated().compactMap { place, pair in
      guard let text = pair.0.string, let logprob = pair.1.double else { return nil }
      let top = tops.indices.contains(place) ? tops[place].object?.map { ($0.key, $0.value.double) } ?? [] : []
      return TeacherToken(text: text, logprob: logprob, top: alternatives(top.map { (Optional($0.0), $0.1) }))
    }
  }

  private func alternatives(_ pairs: [(String?, Double?)]) -> [TeacherToken.Alternative] {
    pairs.compactMap { text, logprob in
      guard let text, let logprob else { return nil }
      return TeacherToken.Alternative(text: text, logprob: logprob)
    }.sorted { $0.logprob > $1.logprob }
  }
}

/// Why what a server sent is no reply.
struct EndpointProblem: Error {
  let reason: String
  init(_ reason: String) { self.reason = reason }
}
