// Self-Instruct as a builtin: the run, its outputs in a folder, and what the language sees of it.

import Distillation
import Formats
import Language
import OrderedCollections
import Training

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// The parameter that names the folder of a pipeline's outputs.
var folderParameter: Parameter {
  Parameter(
    "folder", .string, default: Value.none, help: "keeps replies and outputs; a run that was cut goes on there, and asks nothing twice")
}

func selfInstructBuiltins() -> [Builtin] {
  [
    Builtin(
      "self_instruct", category: distillationCategory,
      [
        Parameter("teacher", teacherType, help: "a model, an endpoint, or a function from a request to a text"),
        Parameter(
          "seeds", .anyOf([.string, .list]), help: "a .jsonl file in the form of seed_tasks, or a list of such rows or instructions"),
        Parameter("count", .int, default: 100, range: 1...1e7, help: "how many new instructions"),
        Parameter("seed", .int, default: 42, help: "what every draw derives from"),
        folderParameter,
        Parameter("chat", .bool, default: false, help: "send prompts as a user's message, not as a text to continue"),
        Parameter("classification_only", .bool, default: false, help: "only tasks with few possible labels"),
        Parameter("similarity", .float, default: 0.7, range: 0...1, help: "drop an instruction with a higher ROUGE-L against any other"),
        Parameter("shown", .int, default: 8, range: 1...100, help: "instructions that a prompt shows"),
        Parameter("shown_machine", .int, default: 2, range: 0...100, help: "how many of them are generated ones"),
        Parameter("round_size", .int, default: 5, range: 1...1000, aliases: ["request_batch_size"], help: "prompts per round"),
        Parameter("max_tokens", .int, default: 1024, range: 1...1e6, help: "a reply with instructions that reaches it is dropped"),
        Parameter("instance_tokens", .int, default: Value.none, range: 1...1e6, help: "none: 300 beside classification tasks, else 350"),
        Parameter("temperature", .float, default: 0.7, range: 0...100), Parameter("top_p", .float, default: 0.5, range: 0...1),
        Parameter("presence_penalty", .float, default: 2, range: -2...2),
        Parameter("max_instances", .int, default: 5, range: 1...1000, help: "instances kept of a task"),
        Parameter("patience", .int, default: 20, range: 1...1e6, help: "rounds without a new instruction after which it gives up"),
      ],
      returns: "dataset",
      summary: "New instructions with inputs and outputs, made by a model from seed tasks, as conversations to tune on.",
      example: """
        fake = r => if contains(r.prompt, "Come up with") { " Tell of \\(r.seed)a \\(r.seed)b and \\(r.seed)c.\\n" } else if contains(r.prompt, "Is it") { " No" } else { "Output: Once upon a time \\(len(r.prompt))." }
        d = self_instruct(fake, seeds: "examples/data/seed_tasks.jsonl", count: 2)
        d.funnel
        """,
      details: """
        Wang et al. 2022. Rows carry messages, instruction, input, output and is_classification. Further fields: .tasks as seed tasks
        are written, .instructions with the most similar ones, .examples (prompt, completion in the published forms), .rejected with
        stage, reason, text and detail, .reasons counted, .funnel and .plot. A folder gets them as JSON lines.
        """,
      body: selfInstruct)
  ]
}

private func selfInstruct(_ call: Call) throws -> Value {
  let seeds: SeedTasks
  if case .string(let path) = call["seeds"] {
    seeds = try SeedTasks(path: path)
  } else {
    seeds = try SeedTasks(rows: call.list("seeds").map { try $0.asJSON() })
  }
  var options = SelfInstructOptions(count: try call.int("count"))
  options.seed = UInt64(bitPattern: Int64(try call.int("seed")))
  options.promptsPerRound = try call.int("round_size")
  options.shownTasks = try call.int("shown")
  options.shownMachineTasks = min(try call.int("shown_machine"), options.shownTasks)
  options.similarityLimit = try call.double("similarity")
  options.classificationOnly = try call.bool("classification_only")
  options.isChat = try call.bool("chat")
  options.maxTokens = try call.int("max_tokens")
  options.instanceTokens = try call.optionalInt("instance_tokens")
  options.temperature = try call.double("temperature")
  options.topP = try call.double("top_p")
  options.presencePenalty = try call.double("presence_penalty")
  options.instancesPerTask = try call.int("max_instances")
  options.patience = try call.int("patience")

  let folder = try OutputFolder(call)
  let teacher = try folder.remembering(call.teacher("teacher"))
  let watch = try call.pipelineWatch("self_instruct")
  let result = try call.pipeline {
    var run = try SelfInstruct(teacher, seeds: seeds.tasks, options: options, watch: watch)
    return try run.run()
  }
  let outputs = SelfInstructOutputs(result)
  try folder.write([
    ("machine_generated_instructions.jsonl", outputs.instructions), ("is_clf_or_not.jsonl", outputs.kinds),
    ("tasks.jsonl", outputs.tasks), ("finetune.jsonl", outputs.examples),
    ("conversations.jsonl", outputs.conversations.map { ["messages": $0["messages"] ?? .null] }), ("rejected.jsonl", outputs.rejected),
    ("funnel.jsonl", outputs.funnel),
  ])
  if let reason = result.endedEarly {
    try Session.of(call).warn("self_instruct made \(result.instructions.count) of \(options.count) instructions: \(reason)")
  }
  return try outputs.value(skipped: seeds.skipped)
}

/// What Self-Instruct made, as rows.
private struct SelfInstructOutputs {
  let result: SelfInstructResult
  let instructions: [JSON]
  let kinds: [JSON]
  let tasks: [JSON]
  let examples: [JSON]
  let conversations: [JSON]
  let rejected: [JSON]
  let funnel: [JSON]

  init(_ result: SelfInstructResult) {
    self.result = result
    instructions = result.instructions.map { made in
      let similar = OrderedDictionary(made.mostSimilar.map { ($0.text, JSON.double($0.fMeasure)) }, uniquingKeysWith: { first, _ in first })
      return .object([
        "instruction": .string(made.text), "most_similar": .object(similar), "avg_similarity_score": .double(made.averageSimilarity),
        "metadata": ["text": .string(made.reply)], "request_idx": .int(Int64(made.round)),
      ])
    }
    kinds = result.instructions.map {
      ["instruction": .string($0.text), "is_classification": .string($0.isClassification ? " Yes" : " No")]
    }
    tasks = result.instructions.enumerated().map { place, made in
      .object([
        "id": .string("machine_task_\(place)"), "name": "", "instruction": .string(made.text),
        "instances": .array(made.instances.map { ["input": .string($0.input), "output": .string($0.output)] }),
        "is_classification": .bool(made.isClassification),
      ])
    }
    examples = result.examples.map { ["prompt": .string($0.prompt), "completion": .string($0.completion)] }
    conversations = result.instructions.flatMap { made in
      made.instances.map { instance -> JSON in
        let asked = instance.input.isEmpty ? made.text : "\(made.text)\n\n\(instance.input)"
        return .object([
          "messages": [["role": "user", "content": .string(asked)], ["role": "assistant", "content": .string(instance.output)]],
          "instruction": .string(made.text), "input": .string(instance.input), "output": .string(instance.output),
          "is_classification": .bool(made.isClassification),
        ])
      }
    }
    rejected = result.rejections.map(\.json)
    funnel = result.funnel.map { ["step": .string($0.step), "count": .int(Int64($0.count))] }
  }

  func value(skipped: [SkippedRow]) throws -> Value {
    let extras: ValueMap = [
      "tasks": .list(tasks.map { Value($0) }), "instructions": .list(instructions.map { Value($0) }),
      "examples": .list(examples.map { Value($0) }), "rejected": .list(rejected.map { Value($0) }),
      "reasons": countedReasons(result.rejections), "funnel": .list(funnel.map { Value($0) }),
      "plot": funnelPlot(result.funnel, title: "self_instruct"),
      "ended_early": result.endedEarly.map { .string($0) } ?? .none,
    ]
    guard !conversations.isEmpty else {
      let reasons = result.rejections.prefix(3).map { "\($0.stage): \($0.reason)" }.joined(separator: "; ")
      throw ZsError(
        kind: "data", message: "self_instruct made no example out of \(result.instructions.count) instructions",
        hint: reasons.isEmpty ? nil : "rejected: \(reasons)")
    }
    let note = "\(result.instructions.count) instructions · \(result.rejections.count) rejected, listed in .rejected with reasons"
    return .object(
      DatasetValue(
        try Dataset(.conversations, rows: conversations, skipped: skipped, name: "self_instruct"), extras: extras, note: note))
  }
}

extension Rejection {
  /// The rejection as a row.
  var json: JSON {
    .object([
      "stage": .string(stage), "reason": .string(reason), "text": .string(text), "detail": .string(detail), "request": .int(Int64(request)),
    ])
  }
}

/// How often each reason was given, most often first.
func countedReasons(_ rejections: [Rejection]) -> Value {
  var counts: OrderedDictionary<[String], Int> = [:]
  for rejection in rejections { counts[[rejection.stage, rejection.reason], default: 0] += 1 }
  let ranked = counts.elements.enumerated().sorted { ($1.element.value, $0.offset) < ($0.element.value, $1.offset) }
  return .list(
    ranked.map {
      .map(["stage": .string($0.element.key[0]), "reason": .string($0.element.key[1]), "count": .int(Int64($0.element.value))])
    })
}

/// What was left after each step, as bars.
func funnelPlot(_ funnel: [FunnelStep], title: String) -> Value {
  var options = PlotOptions()
  options.title = title
  return .object(PlotValue(.bars(funnel.map { Bar(name: $0.step, value: Double($0.count)) }), options))
}

/// Where a pipeline keeps its replies and writes its outputs; nowhere if the call names no folder.
struct OutputFolder {
  let path: String?
  private let log: ReplyLog?

  init(_ call: Call, _ argument: String = "folder") throws {
    path = try call.optionalString(argument)
    guard let path else {
      log = nil
      return
    }
    try makeFolders(path)
    log = try ReplyLog(path: "\(path)/replies.jsonl")
  }

  /// The teacher with the folder's log in front of it; a lambda without one, as the log could not tell it from another.
  func remembering(_ teacher: any Teacher) -> any Teacher {
    if let function = teacher as? FunctionTeacher, function.isNameless { return teacher }
    return log.map { RememberingTeacher(teacher, log: $0) } ?? teacher
  }

  /// Writes rows to files of the folder, each appearing whole.
  func write(_ files: [(name: String, rows: [JSON])]) throws {
    guard let path else { return }
    for (name, rows) in files { try JSONLines.write(rows, to: "\(path)/\(name)") }
  }
}

/// Makes a folder and those above it.
func makeFolders(_ path: String) throws {
  var made = path.hasPrefix("/") ? "/" : ""
  for part in path.split(separator: "/") {
    made += "\(part)/"
    guard mkdir(made, 0o777) != 0, errno != EEXIST else { continue }
    throw FormatError.system("make the folder", made, code: errno)
  }
}
