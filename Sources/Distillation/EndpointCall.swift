// One request to an endpoint from beginning to end: as many calls as its choices need, each tried again while that may help.

import Formats
import Network

/// An endpoint as one thread speaks to it.
struct EndpointCall: Sendable {
  let url: String
  let model: String
  let options: EndpointOptions
  let client: HTTPClient
  let state: EndpointState
  let isStreamed: Bool

  /// The reply to a request.
  ///
  /// - Throws: `NetworkError`, `NetworkCancelled`.
  func reply(
    _ request: TeacherRequest, onText: (String) -> Void, onRetry: (RetryNotice) -> Void, isCancelled: () -> Bool
  ) throws -> TeacherReply {
    do {
      var reply = TeacherReply(choices: [])
      let wanted = max(1, request.n)
      // A server that does not know `n` gives one choice at a time.
      while reply.choices.count < wanted {
        var wire = EndpointWire(model: model, request: request, count: wanted - reply.choices.count)
        wire.seedOffset = UInt64(reply.choices.count)
        let part = try adapted(wire, onText, onRetry, isCancelled)
        reply.choices += part.choices.prefix(wire.count)
        reply.promptTokens = sum(reply.promptTokens, part.promptTokens)
        reply.completionTokens = sum(reply.completionTokens, part.completionTokens)
      }
      state.update { counts in
        counts.requests += 1
        counts.promptTokens += reply.promptTokens ?? 0
        counts.completionTokens += reply.completionTokens ?? 0
      }
      return reply
    } catch let error as NetworkError {
      state.update { $0.failures += 1 }
      throw error
    }
  }

  private func sum(_ a: Int?, _ b: Int?) -> Int? { a.map { $0 + (b ?? 0) } ?? b }

  /// One call in the words the server knows: where it refuses a word that has another, the other is used from then on.
  private func adapted(
    _ wire: EndpointWire, _ onText: (String) -> Void, _ onRetry: (RetryNotice) -> Void, _ isCancelled: () -> Bool
  ) throws -> TeacherReply {
    var wire = wire
    wire.isStreamed = isStreamed
    while true {
      wire.saysMaxCompletionTokens = state.saysMaxCompletionTokens
      wire.asksForStreamedUsage = state.asksForStreamedUsage
      do {
        return try client.retrying(
          options.retry,
          onRetry: { notice in
            state.update { $0.retries += 1 }
            onRetry(notice)
          }, isCancelled: isCancelled
        ) { try once(wire, onText, isCancelled) }
      } catch let error as NetworkError where error.status == 400 || error.status == 422 {
        guard state.learn(from: error.body) else { throw error }
      }
    }
  }

  private func once(_ wire: EndpointWire, _ onText: (String) -> Void, _ isCancelled: () -> Bool) throws -> TeacherReply {
    let address = url + wire.path
    let request = HTTPRequest(
      address, method: "POST",
      headers: ["Content-Type": "application/json", "Accept": wire.isStreamed ? "text/event-stream" : "application/json"],
      body: Array(wire.body.serialized().utf8), key: options.key)
    let limits = HTTPLimits(
      responseTimeoutSeconds: options.timeoutSeconds, idleTimeoutSeconds: options.timeoutSeconds,
      maxBytes: options.maxResponseBytes, retry: RetryPolicy(attempts: 1))
    do {
      if wire.isStreamed { return try streamed(wire, request, limits, onText, isCancelled) }
      let response = try client.send(request, limits: limits, isCancelled: isCancelled)
      return try wire.reply(json(response.body[...]))
    } catch let problem as EndpointProblem {
      // What is no JSON, or half of it, is treated as a connection that broke: the next attempt may bring it whole.
      throw NetworkError(.cut, "POST \(shownURL(address)): \(hidden(problem.reason))", hint: "is this an OpenAI-compatible server?")
    }
  }

  private func streamed(
    _ wire: EndpointWire, _ request: HTTPRequest, _ limits: HTTPLimits, _ onText: (String) -> Void, _ isCancelled: () -> Bool
  ) throws -> TeacherReply {
    var parser = ServerSentEvents()
    var reply = TeacherReply(choices: [])
    var ended: Set<Int> = []
    var isDone = false
    var isPlain = false
    var plain: [UInt8] = []
    try client.stream(
      request, limits: limits, isCancelled: isCancelled,
      onHead: { isPlain = $0.header("content-type")?.contains("application/json") ?? false },
      sink: { bytes in
        // A server that knows no streams answers with the whole.
        if isPlain { return plain.append(contentsOf: bytes) }
        for event in try parser.append(bytes) where !isDone {
          if event == "[DONE]" {
            isDone = true
          } else {
            let text = try wire.add(json(Array(event.utf8)[...]), to: &reply, ended: &ended)
            if !text.isEmpty { onText(text) }
          }
        }
      })
    if isPlain {
      let reply = try wire.reply(json(plain[...]))
      onText(reply.text)
      return reply
    }
    guard !reply.choices.isEmpty, isDone || ended.count == reply.choices.count else {
      throw EndpointProblem("the stream broke off before its end")
    }
    for index in reply.choices.indices { reply.choices[index].text = wire.cut(reply.choices[index].text) }
    return reply
  }

  private func json(_ bytes: ArraySlice<UInt8>) throws(EndpointProblem) -> JSON {
    do {
      return try bytes.withUnsafeBytes { try JSON.parse($0, source: "the response", allowingNonFinite: true) }
    } catch {
      throw EndpointProblem("the response is no JSON: \((error as? FormatError)?.message ?? "\(error)")")
    }
  }

  // MARK: Errors

  private func hidden(_ text: String) -> String { options.key?.hidden(in: text) ?? text }

  /// Whether an error of one request means that all others fail too.
  func isFatal(_ error: NetworkError) -> Bool {
    switch error.kind {
    case .badURL, .noSuchHost, .noConnection, .certificate, .redirect, .noLibrary, .status(401), .status(402), .status(403), .status(404),
      .status(405):
      true
    default: false
    }
  }

  /// The error as a person meets it.
  func teacherError(_ error: NetworkError) -> TeacherError {
    var hint = error.hint
    switch error.status {
    case 401, 403:
      hint =
        options.keyName.map { "is the key in the environment variable \($0) the right one for this server?" }
        ?? "give the name of the environment variable that holds the key: key_env: \"OPENAI_API_KEY\""
    case 404: hint = "is the address right up to /v1, and does the server have a model '\(model)'?"
    case 429: hint = "allow more attempts, or fewer requests at once: concurrency: 1"
    default: break
    }
    return TeacherError(hidden(error.message), hint: hint)
  }
}
