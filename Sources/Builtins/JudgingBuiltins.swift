// Judging as builtins: one answer, two answers, MT-Bench, win rates, multiple choice.

import Distillation
import Formats
import Language
import Tokenizers
import Training

func judgingBuiltins() -> [Builtin] {
  [
    Builtin(
      "judge", category: distillationCategory,
      [
        Parameter("judge", teacherType, help: "who judges"),
        Parameter("prompt", .anyOf([.string, .list]), help: "what was asked; a list: in turns"),
        Parameter("answer", .anyOf([.string, .list]), help: "the answer; a list: to each turn"),
        Parameter("other", .anyOf([.string, .list]), default: Value.none, help: "another answer, to be compared"),
        Parameter("reference", .anyOf([.string, .list]), default: Value.none, help: "the right answer"), methodParameter,
        Parameter("attempts", .int, default: 10, range: 1...1000, help: "how often it is asked while its words hold no score"),
        Parameter("max_tokens", .int, default: 2048, range: 1...1e6, help: "the most tokens of its words"),
      ],
      returns: "map", summary: "A rating from 1 to 10 of an answer, or which of two answers is better, in both orders.",
      example: "judge(r => \"Short but right. Rating: [[8]]\", \"What is 2 + 2?\", \"4\")",
      details:
        "Gives {score, words, attempts, probabilities}, or {winner, preference, words}: preference for the other answer, from 0 to 1.",
      body: judgeAnswer),
    Builtin(
      "win_rate", category: distillationCategory,
      [
        Parameter("a", .anyOf([teacherType, .list]), help: "the model, or its answers"),
        Parameter("b", .anyOf([teacherType, .list]), help: "the baseline, or its answers"), promptsParameter(),
        Parameter("judge", teacherType, help: "who prefers"), methodParameter,
        Parameter("pairwise", .bool, default: false, help: "ask in both orders with a verdict in words, not for one token in one order"),
      ] + answerParameters(temperature: 0, maxTokens: 512),
      returns: "report", summary: "How often a judge prefers the answers of a over those of b, with length control, as AlpacaEval counts.",
      example: """
        w = win_rate(r => "A long and kind answer.", r => "No.", ["Is it late?", "Is it far?"], judge: r => "M")
        w.rows
        """,
      details: """
        Fields: .win_rate in per cent with a bootstrap interval in .interval, .standard_error, .wins .losses .draws, .length_controlled
        (a logistic model of preference and length read off at equal length; none below five verdicts), .lengths, .rows with both
        answers, the preference and the judge's words.
        """,
      body: winRate),
    Builtin(
      "mt_bench", category: distillationCategory,
      [
        Parameter("m", teacherType, help: "who is examined"),
        Parameter("questions", .anyOf([.string, .list]), help: "rows of {question_id, category, turns, reference}, or their .jsonl file"),
        Parameter("judge", teacherType, help: "who judges"),
        Parameter(
          "baseline", teacherType, default: Value.none, help: "another model: answers are compared in both orders instead of rated"),
        methodParameter, Parameter("max_tokens", .int, default: 1024, range: 1...1e6, help: "the most tokens of an answer"),
        Parameter("judge_tokens", .int, default: 2048, range: 1...1e6, help: "the most tokens of the judge's words"),
        Parameter("attempts", .int, default: 1, range: 1...1000, help: "how often the judge is asked while its words hold no score"),
        Parameter("seed", .int, default: 42), folderParameter,
      ],
      returns: "report", summary: "Questions of two turns in categories, each turn rated from 1 to 10.",
      example: """
        questions = [{question_id: 1, category: "writing", turns: ["Write a line.", "Shorter."]}]
        mt_bench(r => "Rain.", questions, judge: r => "Good. Rating: [[7]]").score
        """,
      details: """
        Each category is answered at MT-Bench's temperature; math, reasoning and coding are judged beside the reference answers. Fields:
        .score, .interval, .categories, .rows with answer, score and the judge's words, .failed: turns whose judge gave no score. With a
        baseline a score is the preference for m, from 0 to 1.
        """,
      body: mtBench),
    Builtin(
      "multiple_choice", category: distillationCategory,
      [
        modelParameter,
        Parameter("rows", .anyOf([.string, .list]), help: "rows in the shape of ARC, HellaSwag, MMLU or TruthfulQA, or their .jsonl file"),
        Parameter("shots", .anyOf([.list, .string]), default: .list([]), help: "solved rows in front of each question"),
        Parameter("limit", .int, default: Value.none, range: 1...1e9, help: "only so many rows"),
      ],
      returns: "report", summary: "Which choice a model finds likeliest, as lm-evaluation-harness counts: acc and acc_norm.",
      example: """
        rows = [{question: "What do bees make?", choices: {text: ["honey", "paper clips"], label: ["A", "B"]}, answerKey: "A"}]
        multiple_choice(load("smollm2"), rows).acc
        """,
      details: """
        acc takes the largest sum of log-probabilities, acc_norm the largest per character, acc_token the largest per token; mc2 is the
        probability of the right answers among all (TruthfulQA). Shares have Wilson's 95 % interval, mc2 a bootstrap one. .rows has
        every choice's log-probability.
        """,
      body: multipleChoice),
  ]
}

private func texts(_ value: Value, _ name: String) throws -> [String] {
  switch value {
  case .none: return []
  case .string(let text): return [text]
  case .list(let list):
    return try list.map { item in
      if let text = item.text { return text }
      guard case .object(let completion as CompletionValue) = item else {
        throw ZsError(kind: "type", message: "'\(name)' holds \(item.described), not a text", argument: name)
      }
      return completion.completion.text
    }
  default: throw ZsError(kind: "type", message: "'\(name)' is \(value.described), not a text", argument: name)
  }
}

private func judgeAnswer(_ call: Call) throws -> Value {
  let judge = try Judge(
    call.teacher("judge"), method: try call.optionalString("method").flatMap(JudgeMethod.init(rawValue:)),
    watch: call.pipelineWatch("judge"))
  judge.attempts = try call.int("attempts")
  judge.maxTokens = try call.int("max_tokens")
  let questions = try texts(call["prompt"], "prompt")
  let references = try texts(call["reference"], "reference")
  func conversation(_ name: String) throws -> JudgedConversation {
    let answers = try texts(call[name], name)
    guard answers.count == questions.count else {
      throw ZsError("\(questions.count) questions and \(answers.count) answers", hint: "one answer to each turn", argument: name)
    }
    return JudgedConversation(questions: questions, answers: answers, references: references)
  }
  let first = try conversation("answer")
  guard !call["other"].isNone else {
    let rating = try call.pipeline { try judge.rate([first])[0] }
    return .map([
      "score": rating.score.map { .float($0) } ?? .none, "words": .string(rating.words), "attempts": .int(Int64(rating.attempts)),
      "probabilities": .list(rating.probabilities.map { .float($0) }),
    ])
  }
  let second = try conversation("other")
  let both = try call.pipeline { try judge.compare([(first, second), (second, first)]) }
  let preferences = [both[0].preference, both[1].preference.map { 1 - $0 }].compactMap(\.self)
  let preference = preferences.isEmpty ? nil : preferences.reduce(0, +) / Double(preferences.count)
  return .map([
    "winner": preference.map { .string($0 < 0.5 ? "answer" : $0 > 0.5 ? "other" : "tie") } ?? .none,
    "preference": preference.map { .float($0) } ?? .none, "words": .list(both.map { .string($0.words) }),
  ])
}

private func winRate(_ call: Call) throws -> Value {
  let prompts = try call.prompts()
  let options = try call.answerOptions()
  let folder = try OutputFolder(call)
  let watch = try call.pipelineWatch("win_rate")
  func outputs(_ name: String) throws -> [String] {
    if case .list = call[name] {
      let given = try texts(call[name], name)
      guard given.count == prompts.count else {
        throw ZsError("\(prompts.count) prompts and \(given.count) answers", hint: "one answer to each prompt", argument: name)
      }
      return given
    }
    var model = try call.poolModel(call[name], name)
    model.teacher = folder.remembering(model.teacher)
    let system = model.system.map { [Message(role: "system", content: $0)] } ?? []
    let asked = prompts.map { system + [Message(role: "user", content: $0.prompt)] }
    var failures: [TeacherError] = []
    let written = try answers(model, to: asked, options: options, label: "answers of \(name)", watch: watch).map { reply -> String in
      switch reply {
      case .success(let reply): return reply.text.trimmed
      case .failure(let error):
        failures.append(error)
        return ""
      }
    }
    if let first = failures.first {
      let count = "\(failures.count) of \(written.count)"
      try Session.of(call).warn("win_rate: \(model.name) gave no reply to \(count) prompts, which count as empty answers: \(first)")
    }
    return written
  }
  let judge = try call.judge(folder)
  let pairwise = try call.bool("pairwise")
  let result = try call.pipeline {
    let (a, b) = (try outputs("a"), try outputs("b"))
    let items = prompts.indices.map { (prompt: prompts[$0].prompt, output: a[$0], baseline: b[$0]) }
    return try WinRate(items, judge: judge, pairwise: pairwise, seed: options.seed)
  }
  let rows = result.rows.map { row -> JSON in
    .object([
      "prompt": .string(row.prompt), "output": .string(row.output), "baseline": .string(row.baseline),
      "preference": row.preference.map { .double($0) } ?? .null, "swapped": .bool(row.isSwapped), "words": .string(row.words),
    ])
  }
  try folder.write([("win_rate.jsonl", rows)])
  return .object(winRateValue(result, rows))
}

private func winRateValue(_ result: WinRate, _ rows: [JSON]) -> EvaluationValue {
  let controlled: Value = result.lengthControl.map { .float($0.winRate * 100) } ?? .none
  let failed = result.rows.count - result.wins - result.losses - result.draws
  var fields: ValueMap = [
    "win_rate": .float(result.rate.value), "interval": .map(result.rate.map), "standard_error": .float(result.standardError),
    "length_controlled": controlled, "wins": .int(Int64(result.wins)), "losses": .int(Int64(result.losses)),
    "draws": .int(Int64(result.draws)), "failed": .int(Int64(failed)),
    "lengths": .map(["output": .float(result.lengths.output), "baseline": .float(result.lengths.baseline)]),
    "rows": .list(rows.map { Value($0) }),
  ]
  if let model = result.lengthControl {
    fields["length_model"] = .map([
      "length": .float(model.length), "difficulty": .float(model.difficulty), "quality": .float(model.quality),
      "penalty": .float(model.penalty),
    ])
  }
  let summary: ValueMap = [
    "win rate %": .float(result.rate.value), "low": .float(result.rate.low), "high": .float(result.rate.high),
    "length-controlled %": controlled, "wins": .int(Int64(result.wins)), "losses": .int(Int64(result.losses)),
    "draws": .int(Int64(result.draws)), "failed": .int(Int64(failed)), "chars": .float(result.lengths.output.rounded()),
    "baseline chars": .float(result.lengths.baseline.rounded()),
  ]
  var bars = [result.rate.bar("win rate %")]
  if let model = result.lengthControl { bars.append(Bar(name: "length-controlled %", value: model.winRate * 100)) }
  return EvaluationValue("win rate over \(result.rows.count) prompts", fields: fields, summary: [.map(summary)], bars: bars)
}

private func jsonRows(_ call: Call, _ name: String) throws -> [(line: Int, value: JSON)] {
  guard case .string(let path) = call[name] else { return try call.list(name).enumerated().map { ($0 + 1, try $1.asJSON()) } }
  let lines = try JSONLines(path: path)
  if let problem = lines.problems.first {
    throw ZsError(kind: "data", message: "\(path), line \(problem.line): \(problem.reason)", argument: name)
  }
  return lines.rows.map { ($0.line, $0.value) }
}

private func mtBench(_ call: Call) throws -> Value {
  let questions = try jsonRows(call, "questions").map { try BenchQuestion(row: $0.value, line: $0.line) }
  guard !questions.isEmpty else { throw ZsError(kind: "data", message: "there are no questions", argument: "questions") }
  let folder = try OutputFolder(call)
  let watch = try call.pipelineWatch("mt_bench")
  let seed = UInt64(bitPattern: Int64(try call.int("seed")))
  let maxTokens = try call.int("max_tokens")
  let judge = try call.judge(folder)
  judge.attempts = try call.int("attempts")
  judge.maxTokens = try call.int("judge_tokens")
  func answers(_ name: String) throws -> [[String]] {
    var model = try call.poolModel(call[name], name)
    model.teacher = folder.remembering(model.teacher)
    return try benchAnswers(model, questions, maxTokens: maxTokens, seed: seed, watch: watch)
  }
  let isPairwise = !call["baseline"].isNone
  let turns = try call.pipeline {
    let own = try answers("m")
    guard isPairwise else { return try benchRatings(questions, own, judge: judge) }
    return try benchComparisons(questions, own, baseline: try answers("baseline"), judge: judge)
  }
  let rows = turns.map { turn -> JSON in
    .object([
      "question_id": .string(questions[turn.question].id), "category": .string(questions[turn.question].category),
      "turn": .int(Int64(turn.turn)), "answer": .string(turn.answer), "score": turn.score.map { .double($0) } ?? .double(-1),
      "words": .string(turn.words),
    ])
  }
  try folder.write([("judgements.jsonl", rows)])
  let categories = benchSummary(questions, turns, seed: seed)
  let summary = categories.map { category -> Value in
    .map([
      "category": .string(category.name), "score": .float(category.mean.value), "low": .float(category.mean.low),
      "high": .float(category.mean.high), "scored": .int(Int64(category.scored)), "failed": .int(Int64(category.failed)),
    ])
  }
  let all = categories[0]
  return .object(
    EvaluationValue(
      "MT-Bench over \(questions.count) question\(questions.count == 1 ? "" : "s")\(isPairwise ? ", preference over the baseline" : "")",
      fields: [
        "score": .float(all.mean.value), "interval": .map(all.mean.map), "categories": .list(summary), "failed": .int(Int64(all.failed)),
        "rows": .list(rows.map { Value($0) }),
      ], summary: summary, bars: categories.filter { $0.scored > 0 }.map { $0.mean.bar($0.name) }))
}

private func multipleChoice(_ call: Call) throws -> Value {
  let model = try call.model()
  func questions(_ name: String) throws -> [ChoiceQuestion] {
    try jsonRows(call, name).map { row in
      do { return try ChoiceQuestion(row: row.value) } catch let error as TrainingError {
        throw ZsError(kind: "data", message: "row \(row.line): \(error.message)", hint: error.hint, argument: name)
      }
    }
  }
  let shots = try questions("shots")
  var asked = try questions("rows")
  if let limit = try call.optionalInt("limit") { asked = Array(asked.prefix(limit)) }
  guard !asked.isEmpty else { throw ZsError(kind: "data", message: "there are no questions", argument: "rows") }
  let watch = try call.pipelineWatch("multiple_choice")
  let results = try call.pipeline { try answerChoices(model, asked, shots: shots, watch: watch) }

  func share(_ pick: (ChoiceResult) -> Int) -> Estimate {
    wilson(successes: Double(zip(asked, results).count { $0.right.contains(pick($1)) }), of: results.count)
  }
  let metrics: [(String, Estimate)] = [
    ("acc", share(\.picked)), ("acc_norm", share(\.pickedPerCharacter)), ("acc_token", share(\.pickedPerToken)),
    ("mc2", bootstrapMean(groups: results.map { [$0.rightShare] })),
  ]
  let rows = zip(asked, results).map { question, result -> Value in
    .map([
      "context": .string(question.context), "choices": .list(question.choices.map { .string($0) }),
      "right": .list(question.right.map { .int(Int64($0)) }), "picked": .int(Int64(result.picked)),
      "picked_norm": .int(Int64(result.pickedPerCharacter)), "logprobs": .list(result.logProbabilities.map { .float($0) }),
      "right_share": .float(result.rightShare), "category": .string(question.category), "shape": .string(question.shape),
    ])
  }
  var fields: ValueMap = ["rows": .list(rows), "count": .int(Int64(results.count))]
  for (name, estimate) in metrics {
    fields[name] = .float(estimate.value)
    fields["\(name)_interval"] = .map(estimate.map)
  }
  let summary = metrics.map { name, estimate -> Value in
    .map([
      "metric": .string(name), "value": .float(estimate.value), "low": .float(estimate.low), "high": .float(estimate.high),
      "interval": .string(estimate.method), "questions": .int(Int64(results.count)),
    ])
  }
  return .object(
    EvaluationValue(
      "multiple choice, \(results.count) questions, \(shots.count) shots, \(model.name)", fields: fields, summary: summary,
      bars: metrics.map { $1.bar($0) }))
}
