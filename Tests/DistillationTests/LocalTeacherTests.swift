// A loaded model as a teacher: the replies of a batch are those of single requests, whatever is asked beside them or was asked before;
// and a judge by probabilities computes nothing twice.

import Distillation
import Formats
import Foundation
import Models
import Tensors
import Tokenizers
import XCTest

final class LocalTeacherTests: XCTestCase {
  private var folder = ""

  override func setUpWithError() throws {
    folder = NSTemporaryDirectory() + "zs-local-teacher-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try TinyChat.write(to: folder + "/tiny")
  }

  override func tearDownWithError() throws { try FileManager.default.removeItem(atPath: folder) }

  private func tiny() throws -> LanguageModel { try LanguageModel.load(path: folder + "/tiny", name: "tiny") }

  /// Chat and plain text, shared beginnings, choices, penalties, stop texts, limits and temperatures of their own.
  private var requests: [TeacherRequest] {
    (0..<14).map { place in
      let text = place % 3 == 0 ? "Tell me of the sea, please. \(place)" : "Name \(place) rivers"
      var request = TeacherRequest(
        place % 4 == 3 ? .text(text) : .messages([Message(role: "user", content: text)]), maxTokens: 5 + place * 3,
        temperature: place % 2 == 0 ? 0 : 1.1, topP: place % 5 == 0 ? 0.9 : 1, topK: place % 3 == 1 ? 40 : 0,
        stop: place == 6 ? ["e"] : [], n: place == 5 ? 3 : 1, seed: UInt64(place))
      request.presencePenalty = place == 8 ? 1.5 : 0
      request.logprobs = place == 2 || place == 5
      request.topLogprobs = place == 5 ? 2 : 0
      return request
    }
  }

  /// What the plain generator gives, a new one for each choice.
  private func alone(_ model: LanguageModel, _ request: TeacherRequest) throws -> [Completion] {
    var (ids, isAnswer) = ([Int](), false)
    switch request.prompt {
    case .text(let text): ids = try model.encode(text)
    case .messages(let messages): (ids, isAnswer) = (try model.encode(messages: messages.map(\.json), generationPrompt: true), true)
    }
    var options = SamplingOptions(
      maxTokens: request.maxTokens, temperature: request.temperature, topK: request.topK, topP: request.topP, stop: request.stop)
    options.presencePenalty = request.presencePenalty
    let random = RandomSource(seed: request.seed ?? 0)
    return try (0..<request.n).map { choice in
      try Generator(model).generate(
        ids, options: options, random: choice == 0 ? random : random.split("completion \(choice)"), isAnswer: isAnswer)
    }
  }

  func testRepliesDoNotDependOnTheBatch() throws {
    let model = try tiny()
    let requests = requests
    let expected = try requests.map { try alone(model, $0) }
    let whole = try XCTUnwrap(LocalTeacher(model).replies(to: requests))
    for (request, (reply, completions)) in zip(requests, zip(whole, expected)) {
      XCTAssertEqual(reply.choices.map(\.text), completions.map(\.text))
      XCTAssertEqual(reply.choices.map(\.finishReason), completions.map(\.finishReason.rawValue))
      XCTAssertEqual(reply.completionTokens, completions.reduce(0) { $0 + $1.tokens.count })
      guard request.logprobs else { continue }
      XCTAssertEqual(reply.choices.map { ($0.tokens ?? []).map(\.logprob) }, completions.map(\.logprobs))
      XCTAssertTrue(reply.choices.allSatisfy { ($0.tokens ?? []).allSatisfy { $0.top.count == request.topLogprobs } })
    }
    XCTAssertGreaterThan(Set(whole.map(\.text)).count, 10, "the texts are not all alike")
    for width in [1, 2, 5] {
      XCTAssertEqual(try LocalTeacher(model, width: width).replies(to: requests), whole, "\(width) at a time")
    }
    // In another order, and in several calls of one teacher.
    let teacher = try LocalTeacher(model, width: 4)
    XCTAssertEqual(try teacher.replies(to: requests.reversed()), whole.reversed())
    XCTAssertEqual(
      try [0..<1, 1..<9, 9..<requests.count].flatMap { try XCTUnwrap(teacher.replies(to: Array(requests[$0]))) }, whole)
  }

  func testOneBadRequestDoesNotStopTheOthers() throws {
    let model = try tiny()
    var requests = Array(requests[0..<4])
    requests[1].prompt = .text(String(repeating: "far too long ", count: 2000))
    requests[2].temperature = -1
    var failures: [Int: TeacherError] = [:]
    var replies: [Int: TeacherReply] = [:]
    let isWhole = try LocalTeacher(model).reply(to: requests, shouldStop: { false }) { index, reply in
      switch reply {
      case .success(let reply): replies[index] = reply
      case .failure(let error): failures[index] = error
      }
    }
    XCTAssertTrue(isWhole)
    XCTAssertEqual(replies.keys.sorted(), [0, 3])
    XCTAssertTrue(failures[1]?.message.contains("2000") == false && failures[1]?.message.contains("512") == true, "\(failures)")
    XCTAssertTrue(failures[2]?.message.contains("temperature") == true, "\(failures)")
  }

  /// A stop keeps what is done; the run that goes on asks only for the rest, in batches of another shape, and has the same replies.
  func testGoesOnAfterAStopWithTheSameReplies() throws {
    let model = try tiny()
    let requests = requests
    let whole = try XCTUnwrap(LocalTeacher(model).replies(to: requests))
    for steps in [3, 12, 25] {
      let path = folder + "/replies-\(steps).jsonl"
      var (asked, kept) = (0, 0)
      let first = RememberingTeacher(try LocalTeacher(model, width: 6), log: try ReplyLog(path: path))
      let isWhole = try first.reply(
        to: requests,
        shouldStop: {
          asked += 1
          return asked > steps
        }, onReply: { _, _ in kept += 1 })
      XCTAssertFalse(isWhole)
      XCTAssertLessThan(kept, requests.count)
      let log = try ReplyLog(path: path)
      XCTAssertEqual(log.count, kept)
      let second = RememberingTeacher(try LocalTeacher(model, width: 3), log: log)
      let replies = try XCTUnwrap(second.replies(to: requests))
      XCTAssertEqual(replies.map(\.choices), whole.map(\.choices), "stopped after \(steps) steps")
      XCTAssertEqual(second.remembered, kept)
    }
  }

  func testAJudgesProbabilitiesAreKept() throws {
    let log = folder + "/replies.jsonl"
    let conversations = (0..<6).map { JudgedConversation(questions: ["Question \($0)?"], answers: ["Answer \($0 * 7)."]) }
    func judge(stopsAfter: Int) throws -> Judge {
      var asked = 0
      return try Judge(
        RememberingTeacher(LocalTeacher(tiny()), log: ReplyLog(path: log)), method: .expected,
        watch: PipelineWatch(
          progress: { _, _, _, _ in },
          shouldStop: {
            asked += 1
            return asked > stopsAfter
          }))
    }
    XCTAssertThrowsError(try judge(stopsAfter: 4).rate(conversations)) { XCTAssertTrue($0 is PipelineStopped) }
    XCTAssertEqual(try ReplyLog(path: log).count, 4)
    let resumed = try judge(stopsAfter: 100).rate(conversations)
    XCTAssertEqual(try ReplyLog(path: log).count, 6)
    let undisturbed = try Judge(LocalTeacher(tiny()), method: .expected).rate(conversations)
    XCTAssertEqual(resumed, undisturbed)
    XCTAssertEqual(try judge(stopsAfter: 100).rate(conversations), undisturbed)
    XCTAssertEqual(try ReplyLog(path: log).count, 6, "nothing is asked twice")
  }
}
