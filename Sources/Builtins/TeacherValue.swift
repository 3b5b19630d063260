// Teachers in a call: a loaded model, an endpoint, a zs function, or a variant of one of them with a name and sampling of its own.

import Distillation
import Language
import Models
import OrderedCollections
import Tokenizers

/// A teacher of the language: what `teacher(url, …)` gives.
public final class TeacherValue: ObjectValue {
  /// The teacher itself.
  public let teacher: any Teacher

  /// Wraps a teacher.
  public init(_ teacher: any Teacher) { self.teacher = teacher }

  /// The name that `type(x)` gives.
  public var typeName: String { "teacher" }
  /// Its name; of an endpoint also where it is and what it was asked.
  public var fieldNames: [String] { ["name"] + (teacher is EndpointTeacher ? ["url", "model", "counts"] : []) }
  /// A field by name.
  public func field(_ name: String) throws -> Value? {
    name == "name" ? .string(teacher.name) : (teacher as? EndpointTeacher)?.field(name)
  }
  /// One line.
  public func display(_ options: DisplayOptions) -> String { (teacher as? EndpointTeacher)?.line ?? "teacher \(teacher.name)" }
}

/// A zs function as a teacher: it gets `{prompt, messages, max_tokens, temperature, seed, stop}` and gives a text, or
/// `{text, finish_reason}`.
final class FunctionTeacher: Teacher {
  let name: String
  /// Whether it has the name that all lambdas share.
  var isNameless: Bool { name == "function" }
  private let function: Value
  private let context: any EvaluationContext

  init(_ function: Value, name: String, context: any EvaluationContext) {
    self.function = function
    self.name = name
    self.context = context
  }

  func reply(
    to requests: [TeacherRequest], shouldStop: () -> Bool,
    onReply: (_ index: Int, _ reply: Result<TeacherReply, TeacherError>) throws -> Void
  ) throws -> Bool {
    for (index, request) in requests.enumerated() {
      if shouldStop() { return false }
      var choices: [TeacherReply.Choice] = []
      for _ in 0..<max(1, request.n) { choices.append(try choice(context.call(function, [.map(request.map)]), request)) }
      try onReply(index, .success(TeacherReply(choices: choices)))
    }
    return true
  }

  private func choice(_ value: Value, _ request: TeacherRequest) throws -> TeacherReply.Choice {
    var (text, reason) = ("", "stop")
    switch value {
    case .string(let given): text = given
    case .map(let map):
      guard let given = map["text"]?.text else { fallthrough }
      (text, reason) = (given, map["finish_reason"]?.text ?? "stop")
    default:
      throw ZsError(
        kind: "type", message: "the teacher \(name) gave \(value.described), not a text", hint: "it gives a str, or {text, finish_reason}")
    }
    for stop in request.stop { if let found = text.firstRange(of: stop) { text = String(text[..<found.lowerBound]) } }
    return TeacherReply.Choice(text: text, finishReason: reason)
  }
}

extension TeacherRequest {
  /// The request as a zs function sees it.
  fileprivate var map: ValueMap {
    let (text, messages): (String, [Message]) =
      switch prompt {
      case .text(let text): (text, [])
      case .messages(let messages): (messages.last?.content ?? "", messages)
      }
    return [
      "prompt": .string(text), "messages": .list(messages.map(\.value)), "max_tokens": .int(Int64(maxTokens)),
      "temperature": .float(temperature), "top_p": .float(topP), "seed": seed.map { .int(Int64(truncatingIfNeeded: $0)) } ?? .none,
      "stop": .list(stop.map { .string($0) }),
    ]
  }
}

/// What a parameter for a teacher takes.
let teacherType = ParameterType.anyOf([.object("model"), .object("teacher"), .function, .string, .map])

extension Call {
  /// The teacher of an argument; what the pipeline draws with is the pipeline's, so a variant may only give a name.
  func teacher(_ name: String) throws -> any Teacher {
    if case .map(let map) = self[name], let odd = map.keys.first(where: { !["name", "model"].contains($0) }) {
      throw ZsError("the variant in '\(name)' has no option '\(odd)'", hint: "here it has name and model", argument: name)
    }
    return try teacher(self[name], name)
  }

  /// The teacher that a value is.
  func teacher(_ value: Value, _ argument: String, called name: String? = nil) throws -> any Teacher {
    switch value {
    case .object(let object as TeacherValue): return object.teacher
    case .object(let object as ModelValue): return try LocalTeacher(object.model, name: name)
    case .function(let function): return FunctionTeacher(value, name: name ?? function.name, context: context)
    case .string(let source): return try teacher(loaded(source), argument, called: name ?? source)
    case .map(let map) where map["model"] != nil:
      return try teacher(map["model"] ?? .none, argument, called: name ?? map["name"]?.text)
    default:
      throw ZsError(
        kind: "type", message: "'\(argument)' holds \(value.described), which is no teacher",
        hint:
          "a loaded model, teacher(url, …), a function from a request to a text, the name or file of a model, or {name, model, temperature, …}",
        argument: argument)
    }
  }

  /// What `load(source)` gives.
  private func loaded(_ source: String) throws -> Value {
    guard let load = try Session.of(self).table.lookup("load").first else {
      throw ZsError(kind: "internal", message: "there is no builtin load")
    }
    return try load.body(Call(load, context: context, positional: [.string(source)]))
  }

  /// The models of a pool, each under a name of its own.
  func pool(_ argument: String) throws -> [PoolModel] {
    let values: [Value] = if case .list(let list) = self[argument] { list } else { [self[argument]] }
    var members: [PoolModel] = []
    for (index, value) in values.enumerated() {
      var member = try poolModel(value, argument)
      if members.contains(where: { $0.name == member.name }) { member.name += "#\(index + 1)" }
      members.append(member)
    }
    return members
  }

  /// A model with sampling of its own, as `{name, model, temperature, top_p, top_k, system}`, or any teacher.
  func poolModel(_ value: Value, _ argument: String) throws -> PoolModel {
    var member = PoolModel(try teacher(value, argument))
    guard case .map(let map) = value else { return member }
    let known = ["name", "model", "temperature", "top_p", "top_k", "system"]
    if let odd = map.keys.first(where: { !known.contains($0) }) {
      throw ZsError("a variant of a model has no option '\(odd)'", hint: "it has \(known.joined(separator: ", "))", argument: argument)
    }
    func number(_ name: String) throws -> Double? {
      guard let value = map[name], !value.isNone else { return nil }
      guard let number = value.number, number >= 0, number <= 1e9 else {
        throw ZsError("'\(name)' of a variant is \(value.source), not a number from 0", argument: argument)
      }
      return number
    }
    member.name = map["name"]?.text ?? member.name
    member.temperature = try number("temperature")
    member.topP = try number("top_p")
    member.topK = try number("top_k").map { Int($0) }
    member.system = map["system"]?.text
    return member
  }

  /// How a pipeline reports and hears of Ctrl-C.
  func pipelineWatch(_ label: String) throws -> PipelineWatch {
    let session = try Session.of(self)
    let context = context
    return PipelineWatch(
      progress: { stage, done, total, note in
        session.progress.update(Progress("\(label): \(stage)", done: Double(done), total: Double(total), unit: "", note: note))
      }, shouldStop: { context.isInterrupted })
  }

  /// Runs a pipeline: progress closed, a stop passed on as an interruption.
  func pipeline<T>(_ body: () throws -> T) throws -> T {
    let session = try Session.of(self)
    defer { session.progress.finish() }
    do { return try body() } catch is PipelineStopped { throw Interrupted() }
  }
}
