// AI feedback as UltraFeedback collected it: for each prompt some models of a pool answer, each under a principle, and a judge scores the
// answers. Source: Cui et al. 2023, arXiv:2310.01377, and its published scripts, without their errors.

import Tensors
import Tokenizers

/// A prompt to be answered by a pool.
public struct FeedbackPrompt: Sendable, Equatable {
  /// What is asked.
  public var prompt: String
  /// Which data it is from, in UltraFeedback's words: it decides about principles and what the judge knows.
  public var source: String?
  /// Right answers, where they are known.
  public var correct: [String] = []
  /// Wrong answers, where they are known.
  public var incorrect: [String] = []

  /// A prompt.
  public init(_ prompt: String, source: String? = nil) {
    self.prompt = prompt
    self.source = source
  }
}

/// What answers are scored by.
public enum FeedbackScore: String, CaseIterable, Sendable {
  /// One score from 1 to 10 with a critique.
  case overall
  /// The mean of four aspects, each from 1 to 5.
  case aspects
  /// Both; the overall score counts, as in the first release of ultrafeedback_binarized.
  case both
}

/// How feedback is made.
public struct FeedbackOptions: Sendable {
  /// How many models answer a prompt, drawn without replacement.
  public var perPrompt = 4
  /// Whether each answer is written under a principle.
  public var principles = true
  /// How answers are drawn where a model does not say otherwise.
  public var answers = AnswerOptions()
  /// What they are scored by.
  public var score = FeedbackScore.overall
  /// The most tokens of a judge's words.
  public var judgeTokens = 500

  /// The defaults.
  public init() {}
}

/// An answer of the pool with what the judge said.
public struct FeedbackAnswer: Sendable, Equatable {
  /// Who answered.
  public var model: String
  /// The answer.
  public var text: String
  /// What it was to be above all; nil without principles.
  public var principle: Principle?
  /// The system message it was written under.
  public var system: String
  /// The score; nil where the judge gave none.
  public var score: Double?
  /// The judge's words on it, and the overall score they hold.
  public var critique: String = ""
  /// The overall score; nil where none was asked for or given.
  public var overall: Double?
  /// The probability of each overall score from 1 to 10, where they were read.
  public var probabilities: [Double] = []
  /// Ratings by aspect.
  public var aspects: [Aspect: AspectRating] = [:]
}

/// A prompt with the pool's answers.
public struct FeedbackRow: Sendable, Equatable {
  /// The prompt.
  public var prompt: FeedbackPrompt
  /// Its answers.
  public var answers: [FeedbackAnswer]
}

/// Collects feedback.
public struct FeedbackCollector {
  private let pool: [PoolModel]
  private let judge: Judge
  private let options: FeedbackOptions
  private let watch: PipelineWatch
  private var rejections: [Rejection] = []

  /// A collector over a pool.
  public init(pool: [PoolModel], judge: Judge, options: FeedbackOptions, watch: PipelineWatch = PipelineWatch()) throws {
    guard pool.count > 1 else {
      throw TeacherError("feedback compares answers, so the pool needs two models or variants, not \(pool.count)")
    }
    self.pool = pool
    self.judge = judge
    self.options = options
    self.watch = watch
  }

  /// Answers and scores for every prompt, and what could not be used, with reasons.
  ///
  /// - Throws: `PipelineStopped` when the watch says so.
  public mutating func collect(_ prompts: [FeedbackPrompt]) throws -> (rows: [FeedbackRow], rejections: [Rejection]) {
    rejections = []
    var rows = try answered(prompts)
    if options.score != .aspects { try scoreOverall(&rows) }
    if options.score != .overall { try rateAspects(&rows) }
    for row in rows.indices {
      for answer in rows[row].answers.indices {
        let given = rows[row].answers[answer]
        let ratings = given.aspects.values.compactMap(\.rating)
        let mean = ratings.isEmpty ? nil : ratings.reduce(0, +) / Double(ratings.count)
        rows[row].answers[answer].score = options.score == .aspects ? mean : given.overall
        if rows[row].answers[answer].score == nil {
          rejections.append(
            Rejection(stage: "score", reason: "the judge's words hold no score", text: given.text, detail: given.critique, request: row))
        }
      }
      rows[row].answers.removeAll { $0.score == nil }
    }
    return (rows, rejections)
  }

  private struct Task {
    var row: Int
    var member: Int
    var principle: Principle?
    var system: String
  }

  private mutating func answered(_ prompts: [FeedbackPrompt]) throws -> [FeedbackRow] {
    let random = RandomSource(seed: options.answers.seed)
    var tasks: [Task] = []
    for (row, prompt) in prompts.enumerated() {
      var draw = random.split("pool/\(row)")
      for member in pool.indices.shuffled(using: &draw).prefix(options.perPrompt).sorted() {
        var task = Task(row: row, member: member, system: pool[member].system ?? "")
        if options.principles {
          let principle = Principle.drawn(source: prompt.source, random: &draw)
          let words = principle.prompts[Int.random(in: 0..<principle.prompts.count, using: &draw)]
          task.principle = principle
          task.system += (task.system.isEmpty ? "" : " ") + words
        }
        tasks.append(task)
      }
    }
    var rows = prompts.map { FeedbackRow(prompt: $0, answers: []) }
    for member in pool.indices {
      let own = tasks.filter { $0.member == member }
      let requests = own.map { task in
        let system = task.system.isEmpty ? [] : [Message(role: "system", content: task.system)]
        return pool[member].request(
          system + [Message(role: "user", content: prompts[task.row].prompt)], options: options.answers,
          seed: random.split("answer/\(task.row)/\(pool[member].name)").seed)
      }
      let watch = watch
      let name = pool[member].name
      let replies = try allReplies(pool[member].teacher, requests, shouldStop: watch.shouldStop) {
        watch.progress("answers", $0, requests.count, name)
      }
      for (task, reply) in zip(own, replies) {
        switch reply {
        case .failure(let error): reject(task, "the teacher gave no reply", error.description)
        case .success(let reply) where stripped(reply.text).isEmpty: reject(task, "an empty answer", "")
        case .success(let reply):
          rows[task.row].answers.append(
            FeedbackAnswer(model: name, text: stripped(reply.text), principle: task.principle, system: task.system))
        }
      }
    }
    return rows
  }

  private mutating func reject(_ task: Task, _ reason: String, _ detail: String) {
    rejections.append(Rejection(stage: "answer", reason: reason, text: pool[task.member].name, detail: detail, request: task.row))
  }

  private func scoreOverall(_ rows: inout [FeedbackRow]) throws {
    let places = rows.indices.flatMap { row in rows[row].answers.indices.map { (row, $0) } }
    let messages = places.map { row, place in
      let answer = rows[row].answers[place]
      // The note is the principle the answer was written under, so that it is judged by what it was asked to be.
      return critiqueMessages(
        instruction: rows[row].prompt.prompt, answer: answer.text, note: answer.principle == nil ? "" : answer.system)
    }
    if judge.method == .expected {
      for ((row, place), rating) in zip(
        places, try judge.expectedScores(messages, opening: "Overall Score: ", highest: 10, label: "scores"))
      {
        rows[row].answers[place].overall = rating.score
        rows[row].answers[place].probabilities = rating.probabilities
      }
      return
    }
    let judged = try judge.ask(messages, maxTokens: options.judgeTokens, label: "scores") { _, text in parseCritique(text) }
    for ((row, place), result) in zip(places, judged) {
      rows[row].answers[place].overall = result.value?.score
      rows[row].answers[place].critique = result.value?.critique ?? result.words
    }
  }

  private func rateAspects(_ rows: inout [FeedbackRow]) throws {
    let random = RandomSource(seed: options.answers.seed)
    let used = rows.indices.filter { !rows[$0].answers.isEmpty }
    for aspect in Aspect.allCases {
      // Where a text stands must not matter, so each judge's prompt has an order of its own.
      let orders = used.map { row in
        var draw = random.split("order/\(aspect.rawValue)/\(row)")
        return Array(rows[row].answers.indices).shuffled(using: &draw)
      }
      let messages = zip(used, orders).map { row, order in
        let prompt = rows[row].prompt
        return aspect.messages(
          instruction: prompt.prompt, texts: order.map { rows[row].answers[$0].text },
          knowledge: Aspect.knowledge(source: prompt.source, correct: prompt.correct, incorrect: prompt.incorrect))
      }
      let judged = try judge.ask(messages, maxTokens: options.judgeTokens, label: aspect.rawValue) { place, text in
        parseAspectRatings(text, aspect: aspect, count: orders[place].count)
      }
      for ((row, order), result) in zip(zip(used, orders), judged) {
        for (shown, answer) in order.enumerated() { rows[row].answers[answer].aspects[aspect] = result.value?[shown] }
      }
    }
  }
}
