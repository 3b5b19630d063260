// Teachers behind an address, against a server of the tests' own that speaks the protocol and misbehaves in every way it can.

import Distillation
import Formats
import Foundation
import LoopbackServer
import Network
import Tokenizers
import XCTest

final class EndpointTeacherTests: XCTestCase {
  private var folder = ""

  override func setUpWithError() throws {
    folder = NSTemporaryDirectory() + "endpoint-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  override func tearDownWithError() throws { try FileManager.default.removeItem(atPath: folder) }

  private func serving(_ handler: @escaping @Sendable (LoopbackServer.Request, Connection) -> Void) throws -> LoopbackServer {
    let server = try LoopbackServer(handler)
    addTeardownBlock { server.stop() }
    return server
  }

  private func teacher(
    _ server: LoopbackServer, path: String = "/v1", attempts: Int = 3, concurrency: Int = 3, timeout: Double = 5, streamed: Bool = false,
    cache: Bool = false, key: String? = nil
  ) throws -> EndpointTeacher {
    var options = EndpointOptions(
      keyName: key == nil ? nil : "SOME_KEY", key: key.map { Secret($0) }, timeoutSeconds: timeout, concurrency: concurrency,
      retry: RetryPolicy(attempts: attempts, firstDelaySeconds: 0.01, maxDelaySeconds: 0.05, maxRetryAfterSeconds: 1), isStreamed: streamed,
      cacheFolder: cache ? folder + "/replies" : nil)
    options.maxResponseBytes = 4 << 20
    (options.promptPrice, options.completionPrice) = (1, 2)
    return try EndpointTeacher(url: server.url + path, model: "tiny", options: options)
  }

  private func question(_ text: String, seed: UInt64? = nil, temperature: Double = 0) -> TeacherRequest {
    TeacherRequest(.messages([Message(role: "user", content: text)]), temperature: temperature, seed: seed)
  }

  private func error(line: UInt = #line, _ body: () throws -> Void) -> TeacherError? {
    do {
      try body()
      XCTFail("no error", line: line)
    } catch let error as TeacherError {
      return error
    } catch {
      XCTFail("\(error)", line: line)
    }
    return nil
  }

  func testChatAndCompletionsSayWhatTheProtocolWants() throws {
    let server = try serving { request, connection in
      let isChat = request.path == "/v1/chat/completions"
      let logprobs =
        isChat
        ? #"{"content": [{"token": "Four", "logprob": -0.5, "top_logprobs": [{"token": "Five", "logprob": -2}, {"token": "Four", "logprob": -0.5}]}]}"#
        : #"{"tokens": ["Four"], "token_logprobs": [-0.5], "top_logprobs": [{"Five": -2, "Four": -0.5}], "text_offset": [0]}"#
      let content = isChat ? #""message": {"role": "assistant", "content": "Four.\nQ: and"}"# : #""text": "Four.\nQ: and""#
      connection.respond(
        json: """
          {"choices": [{"index": 0, \(content), "finish_reason": "length", "logprobs": \(logprobs)}],
           "usage": {"prompt_tokens": 7, "completion_tokens": 3}}
          """)
    }
    let teacher = try teacher(server, path: "/v1/chat/completions/", key: "sk-top-secret-1")
    XCTAssertEqual(teacher.url, server.url + "/v1")
    var request = TeacherRequest(
      .messages([Message(role: "system", content: "Be brief."), Message(role: "user", content: "2 + 2?")]), maxTokens: 9, temperature: 0.5,
      topP: 0.9, topK: 40, stop: ["\nQ:"], seed: 1 << 40)
    (request.logprobs, request.topLogprobs, request.presencePenalty, request.frequencyPenalty) = (true, 2, 1.5, -0.5)
    let reply = try XCTUnwrap(try teacher.replies(to: [request])?.first)
    let token = TeacherToken(
      text: "Four", logprob: -0.5, top: [.init(text: "Four", logprob: -0.5), .init(text: "Five", logprob: -2)])
    XCTAssertEqual(reply.choices, [.init(text: "Four.", finishReason: "length", tokens: [token])])
    XCTAssertEqual(reply.promptTokens, 7)
    let sent = server.requests[0]
    XCTAssertEqual(sent.headers["authorization"], "Bearer sk-top-secret-1")
    XCTAssertEqual(sent.headers["content-type"], "application/json")
    XCTAssertEqual(
      try JSON.parse(String(decoding: sent.body, as: UTF8.self)),
      [
        "model": "tiny", "messages": [["role": "system", "content": "Be brief."], ["role": "user", "content": "2 + 2?"]], "max_tokens": 9,
        "temperature": 0.5, "top_p": 0.9, "top_k": 40, "presence_penalty": 1.5, "frequency_penalty": -0.5, "stop": ["\nQ:"], "seed": 0,
        "logprobs": true, "top_logprobs": 2,
      ])
    request.prompt = .text("2 + 2 =")
    let plain = try XCTUnwrap(try teacher.replies(to: [request])?.first)
    XCTAssertEqual(plain.choices, reply.choices)
    XCTAssertEqual(server.requests[1].path, "/v1/completions")
    XCTAssertEqual(try JSON.parse(String(decoding: server.requests[1].body, as: UTF8.self))["logprobs"], 2)
    XCTAssertEqual([teacher.counts.requests, teacher.counts.promptTokens, teacher.counts.completionTokens], [2, 14, 6])
    XCTAssertEqual(teacher.cost, 26e-6, accuracy: 1e-12)
  }

  func testAStreamArrivesPieceByPiece() throws {
    let server = try serving { request, connection in
      connection.send("HTTP/1.1 200 Fine\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
      let events = [
        #"{"choices": [{"index": 0, "delta": {"role": "assistant"}, "finish_reason": null}]}"#,
        #"{"choices": [{"index": 0, "delta": {"content": "Ah"}, "finish_reason": null}]}"#,
        #"{"choices": [{"index": 0, "delta": {"content": "oy ö"}, "finish_reason": null}]}"#,
        #"{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}"#,
        #"{"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}"#, "[DONE]",
      ]
      let bytes = Array((": hello\n\n" + events.map { "data: \($0)\n\n" }.joined()).utf8)
      for start in stride(from: 0, to: bytes.count, by: 7) {
        let part = Array(bytes[start..<min(start + 7, bytes.count)])
        connection.send(Array("\(String(part.count, radix: 16))\r\n".utf8) + part + Array("\r\n".utf8))
      }
      connection.send("0\r\n\r\n")
    }
    let teacher = try teacher(server, streamed: true)
    var pieces: [String] = []
    teacher.onText = { pieces.append($0) }
    let reply = try XCTUnwrap(try teacher.replies(to: [question("hi")])?.first)
    XCTAssertEqual(pieces, ["Ah", "oy ö"])
    XCTAssertEqual(reply.text, "Ahoy ö")
    XCTAssertEqual(reply.completionTokens, 2)
    XCTAssertEqual(try JSON.parse(String(decoding: server.requests[0].body, as: UTF8.self))["stream_options"], ["include_usage": true])
  }

  /// Each misbehaviour once, then a good answer: the teacher gets it.
  func testItTriesAgain() throws {
    let good = #"{"choices": [{"index": 0, "message": {"content": "fine"}, "finish_reason": "stop"}]}"#
    let server = try serving { request, connection in
      guard request.earlier == 0 else { return connection.respond(json: good) }
      switch request.path.split(separator: "/").first.map(String.init) ?? "" {
      case "busy": connection.respond(429, ["Retry-After": "0.2"], json: #"{"error": {"message": "slow down"}}"#)
      case "broken": connection.respond(500, [:], text: "<html>oops</html>")
      case "half":
        connection.send("HTTP/1.1 200 Fine\r\nContent-Length: \(good.utf8.count)\r\n\r\n" + good.prefix(20))
        connection.close()
      case "invalid": connection.respond(json: good.dropLast(3).description)
      case "error": connection.respond(json: #"{"error": {"message": "overloaded"}}"#)
      case "empty": connection.respond(json: #"{"choices": []}"#)
      case "slow": connection.hold(seconds: 3)
      case "cut-stream":
        connection.send("HTTP/1.1 200 Fine\r\nContent-Type: text/event-stream\r\n\r\n")
        connection.send("data: {\"choices\": [{\"index\": 0, \"delta\": {\"content\": \"fi\"}}]}\n\n")
        connection.close()
      default: connection.close()
      }
    }
    for path in ["busy", "broken", "half", "invalid", "error", "empty", "slow", "dropped"] {
      let teacher = try teacher(server, path: "/\(path)", timeout: path == "slow" ? 0.3 : 5)
      XCTAssertEqual(try teacher.replies(to: [question("hi")])?.first?.text, "fine", path)
      if path != "dropped" { XCTAssertEqual(teacher.counts.retries, 1, path) }
    }
    // The second answer is no stream: a server that knows none.
    let streamed = try teacher(server, path: "/cut-stream", streamed: true)
    XCTAssertEqual(try streamed.replies(to: [question("hi")])?.first?.text, "fine")
    XCTAssertEqual(streamed.counts.retries, 1)
  }

  func testWhatCannotBeMendedIsAnError() throws {
    let server = try serving { request, connection in
      switch request.path.split(separator: "/").first.map(String.init) ?? "" {
      case "key":
        connection.respond(401, [:], json: #"{"error": {"message": "Incorrect API key: \#(request.headers["authorization"] ?? "")"}}"#)
      case "model": connection.respond(404, [:], json: #"{"error": {"message": "no such model"}}"#)
      case "huge":
        connection.send("HTTP/1.1 200 Fine\r\nContent-Type: application/json\r\n\r\n{\"choices\": \"")
        while connection.send([UInt8](repeating: 97, count: 1 << 16)) {}
      case "deep": connection.respond(json: String(repeating: "[", count: 200_000))
      default: connection.respond(503, [:], text: "down")
      }
    }
    let key = error { _ = try teacher(server, path: "/key", key: "sk-verysecret-99").replies(to: [question("hi")]) }
    XCTAssertTrue(key?.message.contains("Incorrect API key: Bearer •••") == true, key?.message ?? "")
    XCTAssertTrue(key?.hint?.contains("SOME_KEY") == true, key?.hint ?? "")
    XCTAssertFalse("\(key as Any)".contains("verysecret"))
    let model = error { _ = try teacher(server, path: "/model").replies(to: [question("hi")]) }
    XCTAssertTrue(model?.hint?.contains("'tiny'") == true, model?.hint ?? "")
    let huge = error { _ = try teacher(server, path: "/huge", attempts: 2).replies(to: [question("hi")]) }
    XCTAssertTrue(huge?.message.contains("at most 4194304 were expected") == true, huge?.message ?? "")
    XCTAssertNotNil(error { _ = try teacher(server, path: "/deep", attempts: 2).replies(to: [question("hi")]) })
    let down = try teacher(server, path: "/down", concurrency: 1)
    var failures = 0
    XCTAssertNotNil(error { _ = try down.reply(to: (0..<9).map { question("\($0)") }, shouldStop: { false }) { _, _ in failures += 1 } })
    XCTAssertEqual(failures, 2, "the third in a row ends it")
    XCTAssertTrue((9...12).contains(server.requests.count { $0.path.hasPrefix("/down") }))
    XCTAssertNotNil(error { _ = try EndpointTeacher(url: "localhost:8000", model: "m") })
    XCTAssertNotNil(error { _ = try EndpointTeacher(url: "http://user:pass@localhost:8000", model: "m") })
  }

  func testOneBadRequestDoesNotStopTheOthers() throws {
    let server = try serving { request, connection in
      let text = String(decoding: request.body, as: UTF8.self)
      if text.contains("too long") { return connection.respond(400, [:], json: #"{"error": {"message": "context length exceeded"}}"#) }
      connection.respond(json: #"{"choices": [{"message": {"content": "ok"}, "finish_reason": "stop"}]}"#)
    }
    var replies: [Int: Result<TeacherReply, TeacherError>] = [:]
    let isWhole = try teacher(server).reply(to: ["a", "too long", "b"].map { question($0) }, shouldStop: { false }) { replies[$0] = $1 }
    XCTAssertTrue(isWhole)
    XCTAssertEqual(try replies[0]?.get().text, "ok")
    XCTAssertEqual(try replies[2]?.get().text, "ok")
    guard case .failure(let error) = replies[1] else { return XCTFail("no error") }
    XCTAssertTrue(error.message.contains("context length exceeded"), error.message)
  }

  func testItAsksNothingTwice() throws {
    let server = try serving { request, connection in
      connection.respond(json: #"{"choices": [{"message": {"content": "answer \#(request.earlier)"}, "finish_reason": "stop"}]}"#)
    }
    let requests = [question("a"), question("b", seed: 3, temperature: 1), question("c", temperature: 1), question("c", temperature: 1)]
    func run() throws -> ([String], EndpointTeacher) {
      let teacher = try teacher(server, concurrency: 1, cache: true, key: "sk-very-secret")
      return (try XCTUnwrap(try teacher.replies(to: requests)).map(\.text), teacher)
    }
    let first = try run()
    XCTAssertEqual(Set(first.0).count, 4, "two draws of one question are two questions")
    let second = try run()
    XCTAssertEqual(second.0, first.0)
    XCTAssertEqual([second.1.counts.requests, second.1.counts.cached], [0, 4])
    XCTAssertEqual(server.requests.count, 4)
    // No key in any file, and a broken file is asked for again.
    let files = try XCTUnwrap(FileManager.default.enumerator(atPath: folder)).compactMap { $0 as? String }.filter { $0.hasSuffix(".json") }
    XCTAssertEqual(files.count, 4)
    for file in files { XCTAssertFalse(try String(contentsOfFile: "\(folder)/\(file)", encoding: .utf8).contains("secret")) }
    try "{\"half".write(toFile: "\(folder)/\(files[0])", atomically: true, encoding: .utf8)
    XCTAssertEqual(try run().1.counts.requests, 1)
    XCTAssertEqual(server.requests.count, 5)
  }

  func testManyAtOnceButNoMoreThanAllowed() throws {
    let running = Mark()
    let server = try serving { _, connection in
      running.enter()
      usleep(30_000)
      running.leave()
      connection.respond(json: #"{"choices": [{"message": {"content": "ok"}, "finish_reason": "stop"}]}"#)
    }
    let teacher = try teacher(server, concurrency: 3)
    XCTAssertEqual(try teacher.replies(to: (0..<20).map { question("\($0)") })?.count, 20)
    XCTAssertEqual(running.most, 3)
  }

  func testStoppingEndsSoonAndLeavesNothingHalf() throws {
    let server = try serving { _, connection in connection.hold(seconds: 5) }
    let teacher = try teacher(server, cache: true)
    let began = ContinuousClock.now
    let isWhole = try teacher.reply(
      to: (0..<9).map { question("\($0)") }, shouldStop: { ContinuousClock.now - began > .seconds(0.2) },
      onReply: { _, _ in XCTFail("a reply") })
    XCTAssertFalse(isWhole)
    XCTAssertLessThan(ContinuousClock.now - began, .seconds(1))
    XCTAssertFalse(FileManager.default.fileExists(atPath: folder + "/replies"))
  }

  func testServersThatKnowLessAreAskedOtherwise() throws {
    let server = try serving { request, connection in
      let body = String(decoding: request.body, as: UTF8.self)
      if body.contains("\"max_tokens\"") {
        return connection.respond(400, [:], json: #"{"error": {"message": "Unsupported parameter; use 'max_completion_tokens'"}}"#)
      }
      // This one does not know `n` either.
      connection.respond(json: #"{"choices": [{"message": {"content": "one"}, "finish_reason": "stop"}]}"#)
    }
    let teacher = try teacher(server, concurrency: 1)
    var request = question("hi")
    request.n = 3
    XCTAssertEqual(try teacher.replies(to: [request])?.first?.choices.map(\.text), ["one", "one", "one"])
    XCTAssertEqual(server.requests.count, 4)
    _ = try teacher.replies(to: [question("again")])
    XCTAssertEqual(server.requests.count, 5, "what was learned is remembered")
  }
}

/// How many are inside at once.
private final class Mark: @unchecked Sendable {
  private let lock = NSLock()
  private var count = 0
  private var top = 0
  var most: Int { lock.withLock { top } }
  func enter() {
    lock.withLock {
      count += 1
      top = max(top, count)
    }
  }
  func leave() { lock.withLock { count -= 1 } }
}
