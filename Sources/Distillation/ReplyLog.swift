// Replies of teachers, kept in a file that only grows. A pipeline is a function of what its teachers reply, so a run that was cut goes
// on where it stood: asked again, a question that was answered is answered from the file.

import Crypto
import Formats
import Models
import OrderedCollections

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// An append-only file of replies, one JSON line each, found by what was asked.
///
/// A line that a kill or a power cut left unfinished is removed when the file is opened.
public final class ReplyLog {
  /// The file's path.
  public let path: String
  /// How many replies it holds.
  public var count: Int { replies.count }
  private var replies: [String: TeacherReply] = [:]
  private let descriptor: Int32

  /// Opens the file at `path`, which need not exist, and reads what it holds.
  ///
  /// - Throws: `FormatError` where it cannot be read or written, or is no file of replies.
  public init(path: String) throws {
    self.path = path
    descriptor = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw FormatError.system("write", path, code: errno) }
    do {
      try read()
    } catch {
      close(descriptor)
      throw error
    }
  }

  deinit { close(descriptor) }

  private func read() throws {
    let size = lseek(descriptor, 0, SEEK_END)
    guard size > 0 else { return }
    let whole = (try FileContents.read(path).lastIndex(of: 0x0A) ?? -1) + 1
    if whole < size, ftruncate(descriptor, off_t(whole)) != 0 { throw FormatError.system("write", path, code: errno) }
    guard whole > 0 else { return }
    let lines = try JSONLines(path: path)
    if let problem = lines.problems.first {
      throw FormatError("\(path), line \(problem.line) is no reply: \(problem.reason)", hint: "give another folder, or remove the file")
    }
    for row in lines.rows {
      guard let key = row.value["key"]?.string, let reply = row.value["reply"].flatMap(TeacherReply.init(json:)) else {
        throw FormatError("\(path), line \(row.line) is no reply", hint: "give another folder, or remove the file")
      }
      replies[key] = reply
    }
  }

  /// The reply that is kept under a key.
  public func reply(_ key: String) -> TeacherReply? { replies[key] }

  /// Keeps a reply: when this returns it is on the disk.
  public func append(_ reply: TeacherReply, key: String, teacher: String) throws {
    let line = JSON.object(["key": .string(key), "teacher": .string(teacher), "reply": reply.json]).serialized() + "\n"
    var rest = Array(line.utf8)[...]
    while !rest.isEmpty {
      let sent = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
      if sent < 0 && errno == EINTR { continue }
      guard sent > 0 else { throw FormatError.system("write", path, code: errno) }
      rest = rest.dropFirst(sent)
    }
    guard fsync(descriptor) == 0 else { throw FormatError.system("write", path, code: errno) }
    replies[key] = reply
  }
}

/// A teacher that asks another one only what a log does not hold yet.
public final class RememberingTeacher: Teacher {
  /// Where replies are kept.
  public let log: ReplyLog
  private let teacher: any Teacher
  /// How many replies came from the log.
  public private(set) var remembered = 0

  /// A teacher in front of `teacher`.
  public init(_ teacher: any Teacher, log: ReplyLog) {
    self.teacher = teacher
    self.log = log
  }

  /// The name of the teacher behind.
  public var name: String { teacher.name }

  /// The identity of the teacher behind.
  public var identity: String { teacher.identity }

  /// The model of the teacher behind, if it is a loaded one.
  public var localModel: LanguageModel? { teacher.localModel }

  /// Replies from the log, then from the teacher, each kept before it is passed on.
  public func reply(
    to requests: [TeacherRequest], shouldStop: () -> Bool,
    onReply: (_ index: Int, _ reply: Result<TeacherReply, TeacherError>) throws -> Void
  ) throws -> Bool {
    let keys = requests.map { $0.key(teacher: teacher.identity) }
    var missing: [Int] = []
    for (index, key) in keys.enumerated() {
      if let reply = log.reply(key) {
        remembered += 1
        try onReply(index, .success(reply))
      } else {
        missing.append(index)
      }
    }
    guard !missing.isEmpty else { return true }
    return try teacher.reply(to: missing.map { requests[$0] }, shouldStop: shouldStop) { place, reply in
      let index = missing[place]
      if case .success(let given) = reply { try log.append(given, key: keys[index], teacher: teacher.name) }
      try onReply(index, reply)
    }
  }
}

extension TeacherRequest {
  /// What tells one request to one teacher from all others: SHA-256 of all that it says.
  func key(teacher: String) -> String {
    SHA256.hash(data: Array("\(teacher)\n\(json.serialized())".utf8)).prefix(16).map { byte in
      let text = String(byte, radix: 16)
      return byte < 16 ? "0" + text : text
    }.joined()
  }

  /// The request as JSON.
  var json: JSON {
    let prompt: JSON =
      switch self.prompt {
      case .text(let text): .string(text)
      case .messages(let messages): .array(messages.map(\.json))
      }
    return .object([
      "prompt": prompt, "max_tokens": .int(Int64(maxTokens)), "temperature": .double(temperature), "top_p": .double(topP),
      "top_k": .int(Int64(topK)), "presence_penalty": .double(presencePenalty), "frequency_penalty": .double(frequencyPenalty),
      "stop": .array(stop.map { .string($0) }), "n": .int(Int64(n)), "seed": seed.map { .string(String($0)) } ?? .null,
      "logprobs": .bool(logprobs), "top_logprobs": .int(Int64(topLogprobs)),
    ])
  }
}

extension TeacherReply {
  /// The reply as JSON.
  public var json: JSON {
    let choices = choices.map { choice -> JSON in
      var row: OrderedDictionary<String, JSON> = ["text": .string(choice.text), "finish_reason": .string(choice.finishReason)]
      if let tokens = choice.tokens { row["tokens"] = .array(tokens.map(\.json)) }
      return .object(row)
    }
    return .object([
      "choices": .array(choices), "prompt_tokens": promptTokens.map { .int(Int64($0)) } ?? .null,
      "completion_tokens": completionTokens.map { .int(Int64($0)) } ?? .null,
    ])
  }

  /// The reply that `json` gave; nil where it is none.
  public init?(json: JSON) {
    guard let rows = json["choices"]?.array else { return nil }
    var choices: [Choice] = []
    for row in rows {
      guard let text = row["text"]?.string, let reason = row["finish_reason"]?.string else { return nil }
      choices.append(Choice(text: text, finishReason: reason, tokens: row["tokens"]?.array?.compactMap(TeacherToken.init(json:))))
    }
    self.init(
      choices: choices, promptTokens: json["prompt_tokens"]?.int, completionTokens: json["completion_tokens"]?.int, isCached: true)
  }
}

extension TeacherToken {
  fileprivate var json: JSON {
    .object([
      "text": .string(text), "logprob": .double(logprob),
      "top": .array(top.map { .object(["text": .string($0.text), "logprob": .double($0.logprob)]) }),
    ])
  }

  fileprivate init?(json: JSON) {
    guard let text = json["text"]?.string, let logprob = json["logprob"]?.double else { return nil }
    let top = (json["top"]?.array ?? []).compactMap { row -> Alternative? in
      guard let text = row["text"]?.string, let logprob = row["logprob"]?.double else { return nil }
      return Alternative(text: text, logprob: logprob)
    }
    self.init(text: text, logprob: logprob, top: top)
  }
}
