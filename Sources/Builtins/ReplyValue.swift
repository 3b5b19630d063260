// A teacher's answer as a zs value: what a completion of a loaded model has, as far as a server tells it.

import Distillation
import Language

/// What `chat` and `generate` give when they ask a teacher.
public final class ReplyValue: ObjectValue {
  /// The answer.
  public let choice: TeacherReply.Choice
  private let reply: TeacherReply
  private let seconds: Double
  private let wasStreamed: Bool

  /// Wraps one choice of a reply that took so many seconds.
  public init(_ choice: TeacherReply.Choice, _ reply: TeacherReply, seconds: Double, wasStreamed: Bool = false) {
    self.choice = choice
    self.reply = reply
    self.seconds = seconds
    self.wasStreamed = wasStreamed
  }

  /// The name that `type(x)` gives.
  public var typeName: String { "completion" }

  /// The fields of a completion, and what the server counted.
  public var fieldNames: [String] {
    ["text", "tokens", "logprobs", "top", "finish_reason", "tokens_per_second", "prompt_tokens", "completion_tokens", "cached"]
  }

  /// A field by name; tokens are texts, and none where the server gave none.
  public func field(_ name: String) throws -> Value? {
    switch name {
    case "text": .string(choice.text)
    case "tokens": choice.tokens.map { .list($0.map { .string($0.text) }) } ?? Value.none
    case "logprobs": choice.tokens.map { .list($0.map { .float($0.logprob) }) } ?? Value.none
    case "top": choice.tokens.map { .list($0.map { .list($0.top.map(row)) }) } ?? Value.none
    case "finish_reason": .string(choice.finishReason)
    case "tokens_per_second": .float(rate)
    case "prompt_tokens": reply.promptTokens.map { .int(Int64($0)) } ?? Value.none
    case "completion_tokens": reply.completionTokens.map { .int(Int64($0)) } ?? Value.none
    case "cached": .bool(reply.isCached)
    default: nil
    }
  }

  private func row(_ alternative: TeacherToken.Alternative) -> Value {
    .map(["token": .string(alternative.text), "logprob": .float(alternative.logprob)])
  }

  private var rate: Double {
    guard !reply.isCached, seconds > 0, let count = reply.completionTokens else { return 0 }
    return Double(count) / seconds
  }

  /// All fields.
  public func plain() throws -> Value {
    var map: ValueMap = [:]
    for name in fieldNames { map[name] = try field(name) }
    return .map(map)
  }

  /// The text, unless it was shown already, and a line about it.
  public func display(_ options: DisplayOptions) -> String {
    var parts = ["completion"]
    if let count = reply.completionTokens { parts.append("\(count) token\(count == 1 ? "" : "s")") }
    parts.append(choice.finishReason)
    if reply.isCached { parts.append("from the cache") }
    if !options.plain, rate > 0 { parts.append("\(decimal(rate, 1)) tokens/s") }
    let line = parts.joined(separator: " · ")
    return wasStreamed || choice.text.isEmpty ? line : "\(choice.text)\n\(line)"
  }
}

extension EndpointTeacher {
  /// Where it is and what it was asked.
  func field(_ name: String) -> Value? {
    switch name {
    case "url": .string(url)
    case "model": .string(model)
    case "counts":
      .map([
        "requests": .int(Int64(counts.requests)), "cached": .int(Int64(counts.cached)), "retries": .int(Int64(counts.retries)),
        "failures": .int(Int64(counts.failures)), "prompt_tokens": .int(Int64(counts.promptTokens)),
        "completion_tokens": .int(Int64(counts.completionTokens)), "cost": .float(cost),
      ])
    default: nil
    }
  }

  /// Name, address and counts on one line.
  var line: String {
    let counts = counts
    var parts = ["teacher \(model)", url]
    if let name = options.keyName { parts.append("key from \(name)") }
    parts.append("\(counts.requests) request\(counts.requests == 1 ? "" : "s")")
    if counts.cached > 0 { parts.append("\(counts.cached) from the cache") }
    if counts.retries > 0 { parts.append("\(counts.retries) retr\(counts.retries == 1 ? "y" : "ies")") }
    if counts.failures > 0 { parts.append("\(counts.failures) failed") }
    if counts.promptTokens + counts.completionTokens > 0 {
      parts.append("\(compact(counts.promptTokens)) + \(compact(counts.completionTokens)) tokens")
    }
    if cost > 0 { parts.append("$\(decimal(cost, 4))") }
    return parts.joined(separator: " · ")
  }
}
