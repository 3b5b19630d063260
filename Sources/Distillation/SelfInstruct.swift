// Self-Instruct: a model makes the instructions that it, or another, will be tuned on. The stages, in the order of this file: new
// instructions, is it classification, instances, texts. Prompts and rules are in InstructionRules, FewShotTemplates, InstanceRules and
// FineTuneText. Source: Wang et al. 2022, arXiv:2212.10560, and its published scripts.

import Tensors
import Tokenizers

/// How Self-Instruct runs; the defaults are the published ones.
public struct SelfInstructOptions: Sendable {
  /// How many instructions to accept.
  public var count: Int
  /// What every draw derives from.
  public var seed: UInt64 = 42
  /// Prompts per round; an accepted instruction may be shown from the next round on.
  public var promptsPerRound = 5
  /// Instructions that a prompt shows.
  public var shownTasks = 8
  /// How many of them are the machine's own, once it has some.
  public var shownMachineTasks = 2
  /// An instruction with a higher ROUGE-L F-measure against any other is dropped.
  public var similarityLimit = 0.7
  /// Whether only classification tasks are wanted.
  public var classificationOnly = false
  /// Whether prompts go to the teacher as a user's message instead of a text to continue.
  public var isChat = false
  /// The most tokens of a reply with instructions; a reply that reaches it is dropped.
  public var maxTokens = 1024
  /// How instructions are drawn.
  public var temperature = 0.7
  /// How instructions are drawn.
  public var topP = 0.5
  /// How instructions are drawn.
  public var presencePenalty = 2.0
  /// The most tokens of a reply with instances; 300 for classification and 350 else unless set.
  public var instanceTokens: Int?
  /// The most instances kept of a task.
  public var instancesPerTask = 5
  /// Rounds without a new instruction after which it gives up.
  public var patience = 20

  /// The published settings.
  public init(count: Int) { self.count = count }
}

/// An instruction that a teacher made.
public struct MachineInstruction: Sendable, Equatable {
  /// The instruction.
  public var text: String
  /// The ten most similar ones among seeds and earlier instructions, most similar first.
  public var mostSimilar: [(text: String, fMeasure: Double)]
  /// The mean ROUGE-L F-measure against all of them.
  public var averageSimilarity: Double
  /// The round it came from, from 0.
  public var round: Int
  /// The reply it was cut from.
  public var reply: String
  /// Whether its output is one of few labels.
  public var isClassification = false
  /// Inputs and outputs for it.
  public var instances: [SeedTask.Instance] = []

  /// Whether all is equal.
  public static func == (left: MachineInstruction, right: MachineInstruction) -> Bool {
    left.text == right.text && left.mostSimilar.elementsEqual(right.mostSimilar) { $0 == $1 } && left.round == right.round
      && left.averageSimilarity == right.averageSimilarity && left.reply == right.reply && left.isClassification == right.isClassification
      && left.instances == right.instances
  }
}

/// What Self-Instruct made.
public struct SelfInstructResult: Sendable {
  /// The accepted instructions, with their instances, in order.
  public fileprivate(set) var instructions: [MachineInstruction] = []
  /// One prompt and completion per instance, shuffled, each once.
  public fileprivate(set) var examples: [FineTuneExample] = []
  /// What was not kept, and why.
  public fileprivate(set) var rejections: [Rejection] = []
  /// How many were left after each step.
  public fileprivate(set) var funnel: [FunnelStep] = []
  /// Why it ended early; nil if it made what was asked for.
  public fileprivate(set) var endedEarly: String?
}

/// One run of Self-Instruct.
public struct SelfInstruct {
  private let teacher: any Teacher
  private let seeds: [SeedTask]
  private let options: SelfInstructOptions
  private let watch: PipelineWatch
  private let random: RandomSource
  private var result = SelfInstructResult()
  private var parsedCount = 0
  private var replyCount = 0
  private var itemCount = 0

  /// A run over seed tasks.
  public init(_ teacher: any Teacher, seeds: [SeedTask], options: SelfInstructOptions, watch: PipelineWatch = PipelineWatch()) throws {
    self.teacher = teacher
    self.seeds = options.classificationOnly ? seeds.filter(\.isClassification) : seeds
    self.options = options
    self.watch = watch
    random = RandomSource(seed: options.seed)
    let needed = options.shownTasks
    guard self.seeds.count >= needed else {
      throw TeacherError(
        "a prompt shows \(needed) tasks, but there are \(self.seeds.count) seed tasks\(options.classificationOnly ? " of classification" : "")",
        hint: "give more seeds, or a smaller shown:")
    }
  }

  /// Runs all stages.
  ///
  /// - Throws: `PipelineStopped` when the watch says so, and what the teacher throws.
  public mutating func run() throws -> SelfInstructResult {
    try makeInstructions()
    try classify()
    try makeInstances()
    writeExamples()
    let instances = result.instructions.reduce(0) { $0 + $1.instances.count }
    result.funnel = [
      FunnelStep("replies", replyCount), FunnelStep("instructions parsed", itemCount),
      FunnelStep("pass the rules", parsedCount), FunnelStep("new", result.instructions.count),
      FunnelStep("with instances", result.instructions.count { !$0.instances.isEmpty }), FunnelStep("instances", instances),
      FunnelStep("examples", result.examples.count),
    ]
    return result
  }

  private mutating func makeInstructions() throws {
    var index = RougeIndex()
    for seed in seeds { index.add(seed.instruction) }
    var roundsWithoutNew = 0
    var round = 0
    while result.instructions.count < options.count {
      if roundsWithoutNew >= options.patience {
        result.endedEarly = "\(roundsWithoutNew) rounds in a row gave no new instruction"
        return
      }
      let before = result.instructions.count
      watch.progress("instructions", before, options.count, "round \(round + 1) · \(result.rejections.count) rejected")
      let replies = try ask(instructionRequests(round))
      for (place, reply) in replies.enumerated() {
        take(reply, request: round * options.promptsPerRound + place, round: round, &index)
      }
      roundsWithoutNew = result.instructions.count == before ? roundsWithoutNew + 1 : 0
      round += 1
    }
  }

  private func instructionRequests(_ round: Int) -> [TeacherRequest] {
    (0..<options.promptsPerRound).map { place in
      var draw = random.split("instructions/\(round)/\(place)")
      var shown = Array(result.instructions.map(\.text).shuffled(using: &draw).prefix(options.shownMachineTasks))
      shown += seeds.map(\.instruction).shuffled(using: &draw).prefix(options.shownTasks - shown.count)
      shown.shuffle(using: &draw)
      // A chat model begins a list of its own and may well put a blank line in front of it.
      let stop = options.isChat ? ["\n16", "16.", "16 ."] : ["\n\n", "\n16", "16.", "16 ."]
      var request = request(instructionPrompt(shown, classification: options.classificationOnly), options.maxTokens, stop)
      request.temperature = options.temperature
      request.topP = options.topP
      request.presencePenalty = options.presencePenalty
      request.seed = draw.next()
      return request
    }
  }

  private mutating func take(_ reply: Result<TeacherReply, TeacherError>, request: Int, round: Int, _ index: inout RougeIndex) {
    // What comes after the last one wanted is neither taken nor rejected.
    guard result.instructions.count < options.count, let reply = usable(reply, stage: "instruction", request: request) else { return }
    replyCount += 1
    for parsed in parseInstructions(reply.text, finishReason: reply.finishReason, opensItem: !options.isChat) {
      guard result.instructions.count < options.count else { return }
      if parsed.fault != .cut { itemCount += 1 }
      if let fault = parsed.fault {
        result.rejections.append(
          Rejection(stage: "instruction", reason: fault.rawValue, text: parsed.text, detail: parsed.detail, request: request))
        continue
      }
      parsedCount += 1
      let known = seeds.map(\.instruction) + result.instructions.map(\.text)
      if let closest = index.matches(parsed.text, above: options.similarityLimit).first {
        result.rejections.append(
          Rejection(
            stage: "instruction", reason: InstructionFault.similar.rawValue, text: parsed.text,
            detail: "\((closest.fMeasure * 100).rounded() / 100): \(known[closest.text])", request: request))
        continue
      }
      let scores = index.scores(parsed.text)
      let ranked = scores.indices.sorted { (scores[$1], $0) < (scores[$0], $1) }
      result.instructions.append(
        MachineInstruction(
          text: parsed.text, mostSimilar: ranked.prefix(10).map { (known[$0], scores[$0]) },
          averageSimilarity: scores.reduce(0, +) / Double(scores.count), round: round, reply: reply.text))
      index.add(parsed.text)
    }
  }

  private mutating func classify() throws {
    let requests = result.instructions.map { instruction in
      request(classificationPrompt(instruction.text), 3, ["\n", "Task"])
    }
    for (place, reply) in try ask(requests, "classification").enumerated() {
      guard let reply = usable(reply, stage: "classification", request: place) else { continue }
      var text = stripped(reply.text)
      // A chat model ends its sentences.
      if options.isChat { text = String(text.prefix { $0.isLetter }) }
      result.instructions[place].isClassification = ["Yes", "yes", "YES"].contains(text)
    }
  }

  private mutating func makeInstances() throws {
    let all = result.instructions
    let requests = all.enumerated().map { place, instruction in
      // The published script shortens a whole round where it holds a classification task.
      let round = place / options.promptsPerRound * options.promptsPerRound
      let isShort = all[round..<min(all.count, round + options.promptsPerRound)].contains(where: \.isClassification)
      var request = request(
        instruction.isClassification ? outputFirstPrompt(instruction.text) : inputFirstPrompt(instruction.text),
        options.instanceTokens ?? (isShort ? 300 : 350), ["Example \(options.instancesPerTask + 1)", "Task:"])
      request.presencePenalty = 1.5
      return request
    }
    for (place, reply) in try ask(requests, "instances").enumerated() {
      guard let reply = usable(reply, stage: "instance", request: place) else { continue }
      let parsed = parseInstances(reply.text, finishReason: reply.finishReason, classification: all[place].isClassification)
      var draw = random.split("instances/\(place)")
      var kept = parsed.kept.indices.shuffled(using: &draw)
      let surplus = kept.dropFirst(options.instancesPerTask)
      kept = Array(kept.prefix(options.instancesPerTask))
      result.instructions[place].instances = kept.sorted().map { parsed.kept[$0] }
      for (instance, fault) in parsed.dropped + surplus.sorted().map({ (parsed.kept[$0], InstanceFault.surplus) }) {
        result.rejections.append(
          Rejection(
            stage: "instance", reason: fault.rawValue, text: instance.output, detail: "\(all[place].text) | \(instance.input)",
            request: place))
      }
    }
  }

  private mutating func writeExamples() {
    var seen: Set<FineTuneExample> = []
    for (place, instruction) in result.instructions.enumerated() {
      var draw = random.split("examples/\(place)")
      for instance in instruction.instances {
        let example = fineTuneExample(instruction: instruction.text, instance: instance, random: &draw)
        if seen.insert(example).inserted {
          result.examples.append(example)
        } else {
          result.rejections.append(
            Rejection(stage: "example", reason: "the same prompt and completion again", text: example.prompt, request: place))
        }
      }
    }
    var order = random.split("order of the examples")
    result.examples.shuffle(using: &order)
  }

  private func request(_ text: String, _ maxTokens: Int, _ stop: [String]) -> TeacherRequest {
    let prompt: TeacherRequest.Prompt = options.isChat ? .messages([Message(role: "user", content: text)]) : .text(text)
    return TeacherRequest(prompt, maxTokens: maxTokens, stop: stop, seed: 0)
  }

  private func ask(_ requests: [TeacherRequest], _ stage: String? = nil) throws -> [Result<TeacherReply, TeacherError>] {
    let watch = watch
    return try allReplies(teacher, requests, shouldStop: watch.shouldStop) { done in
      if let stage { watch.progress(stage, done, requests.count, "") }
    }
  }

  private mutating func usable(_ reply: Result<TeacherReply, TeacherError>, stage: String, request: Int) -> TeacherReply? {
    switch reply {
    case .success(let reply): return reply
    case .failure(let error):
      result.rejections.append(
        Rejection(stage: stage, reason: "the teacher gave no reply", text: "", detail: error.description, request: request))
      return nil
    }
  }
}

/// Every reply in the order of the requests, failures among them.
///
/// - Throws: `PipelineStopped` after `shouldStop`.
func allReplies(
  _ teacher: any Teacher, _ requests: [TeacherRequest], shouldStop: () -> Bool, onProgress: (Int) -> Void = { _ in }
) throws -> [Result<TeacherReply, TeacherError>] {
  guard !requests.isEmpty else { return [] }
  var replies = [Result<TeacherReply, TeacherError>?](repeating: nil, count: requests.count)
  var done = 0
  onProgress(0)
  let isWhole = try teacher.reply(to: requests, shouldStop: shouldStop) { index, reply in
    replies[index] = reply
    done += 1
    onProgress(done)
  }
  guard isWhole else { throw PipelineStopped() }
  return replies.map { $0 ?? .failure(TeacherError("the teacher did not answer this request")) }
}
