// AI feedback as a builtin: answers of a pool with a judge's scores, in zs's rows and in UltraFeedback's.

import Distillation
import Formats
import Language
import OrderedCollections
import Training

/// How a judge's opinion is taken.
var methodParameter: Parameter {
  Parameter(
    "method", .string, default: Value.none, choices: JudgeMethod.allCases.map(\.rawValue),
    help: "text parses the judge's words; expected reads the probabilities of its scores; none: expected for a loaded model")
}

func feedbackBuiltins() -> [Builtin] {
  [
    Builtin(
      "feedback", category: distillationCategory,
      [
        promptsParameter(),
        Parameter(
          "models", .anyOf([.list, .object("model"), .object("teacher")]),
          help: "the pool: models, names, files, endpoints, variants {name, model, temperature, …}"),
        Parameter("judge", teacherType, help: "who scores"),
        Parameter("per_prompt", .int, default: 4, range: 2...1000, help: "how many of the pool answer a prompt"),
        Parameter(
          "principles", .bool, default: true, help: "each answer under a principle: helpfulness, truthfulness, honesty, calibration"),
        Parameter(
          "score", .string, default: "overall", choices: FeedbackScore.allCases.map(\.rawValue),
          help: "overall: 1 to 10 with a critique; aspects: the mean of four ratings from 1 to 5; both: overall counts"),
        methodParameter,
        Parameter("judge_tokens", .int, default: 500, range: 1...1e6, help: "the most tokens of the judge's words"),
        Parameter("attempts", .int, default: 10, range: 1...1000, help: "how often a judge is asked whose words cannot be parsed"),
      ] + answerParameters(temperature: 1, maxTokens: 1024),
      returns: "list", summary: "Answers of several models to each prompt with a judge's scores, as UltraFeedback was made.",
      example: """
        pool = [{name: "short", model: r => "Yes."}, {name: "long", model: r => "Yes, and here is why."}]
        rows = feedback(["Is 7 prime?"], models: pool, judge: r => "Fine.\\nOverall Score: \\(len(r.prompt) % 10 + 1)")
        rows[0].completions
        """,
      details: """
        Rows are {prompt, source, completions: [{model, text, score, principle, system, critique, …}]}; binarize takes them. Answers
        without a score are left out and listed in the row's rejected. A folder gets feedback.jsonl and ultrafeedback.jsonl, the same in
        UltraFeedback's columns. Scores by probabilities are expected values, never parsed; aspects are always read by their words.
        """,
      body: collectFeedback)
  ]
}

private func collectFeedback(_ call: Call) throws -> Value {
  let prompts = try call.prompts()
  var options = FeedbackOptions()
  options.perPrompt = try call.int("per_prompt")
  options.principles = try call.bool("principles")
  options.answers = try call.answerOptions()
  options.score = FeedbackScore(rawValue: try call.string("score")) ?? .overall
  options.judgeTokens = try call.int("judge_tokens")
  let folder = try OutputFolder(call)
  let pool = try call.pool("models").map { member -> PoolModel in
    var member = member
    member.teacher = folder.remembering(member.teacher)
    return member
  }
  let judge = try call.judge(folder)
  judge.attempts = try call.int("attempts")
  let watch = try call.pipelineWatch("feedback")
  let collected = try call.pipeline {
    var collector = try FeedbackCollector(pool: pool, judge: judge, options: options, watch: watch)
    return try collector.collect(prompts)
  }
  let rows = collected.rows.enumerated().map { place, row in
    row.json(rejected: collected.rejections.filter { $0.request == place })
  }
  try folder.write([
    ("feedback.jsonl", rows), ("ultrafeedback.jsonl", collected.rows.map(\.ultraFeedback)),
    ("rejected.jsonl", collected.rejections.map(\.json)),
  ])
  if !collected.rejections.isEmpty {
    try Session.of(call).warn("feedback: \(collected.rejections.count) answers have no score; each row lists them in rejected")
  }
  return .list(rows.map { Value($0) })
}

extension Call {
  /// The judge of a call that has `judge` and `method`, its replies kept in the folder.
  func judge(_ folder: OutputFolder, _ argument: String = "judge") throws -> Judge {
    let method = try optionalString("method").flatMap(JudgeMethod.init(rawValue:))
    return try Judge(folder.remembering(teacher(argument)), method: method, watch: pipelineWatch(builtin.name))
  }
}

extension FeedbackRow {
  /// The row as zs has it.
  func json(rejected: [Rejection]) -> JSON {
    var fields: OrderedDictionary<String, JSON> = ["prompt": .string(prompt.prompt)]
    if let source = prompt.source { fields["source"] = .string(source) }
    fields["completions"] = .array(
      answers.map { answer in
        var row: OrderedDictionary<String, JSON> = [
          "model": .string(answer.model), "text": .string(answer.text), "score": answer.score.map { .double($0) } ?? .null,
        ]
        if let principle = answer.principle { row["principle"] = .string(principle.rawValue) }
        if !answer.system.isEmpty { row["system"] = .string(answer.system) }
        if !answer.critique.isEmpty { row["critique"] = .string(answer.critique) }
        if !answer.probabilities.isEmpty { row["probabilities"] = .array(answer.probabilities.map { .double($0) }) }
        for aspect in Aspect.allCases {
          guard let rating = answer.aspects[aspect] else { continue }
          row[aspect.rawValue] = ["rating": rating.rating.map { .double($0) } ?? .null, "rationale": .string(rating.rationale)]
        }
        return .object(row)
      })
    if !rejected.isEmpty { fields["rejected"] = .array(rejected.map(\.json)) }
    return .object(fields)
  }

  /// The row in UltraFeedback's columns.
  var ultraFeedback: JSON {
    let completions = answers.map { answer -> JSON in
      let ratings = answer.aspects.values.compactMap(\.rating)
      let annotations = Aspect.allCases.map { aspect -> (String, JSON) in
        let rating = answer.aspects[aspect]
        var fields: OrderedDictionary<String, JSON> = [
          "Rating": .string(rating.map { $0.rating.map { "\(Int($0))" } ?? "N/A" } ?? ""), "Rationale": .string(rating?.rationale ?? ""),
        ]
        if let type = rating?.type, !type.isEmpty { fields["Type"] = .string(type) }
        return (aspect.rawValue, .object(fields))
      }
      return .object([
        "model": .string(answer.model), "principle": .string(answer.principle?.rawValue ?? ""),
        "custom_system_prompt": .string(answer.system), "response": .string(answer.text),
        "annotations": .object(OrderedDictionary(uniqueKeysWithValues: annotations)), "critique": .string(answer.critique),
        "overall_score": answer.overall.map { .double($0) } ?? .null,
        "fine-grained_score": ratings.isEmpty ? .null : .double(ratings.reduce(0, +) / Double(ratings.count)),
      ])
    }
    return .object([
      "source": .string(prompt.source ?? ""), "instruction": .string(prompt.prompt),
      "models": .array(answers.map { .string($0.model) }), "completions": .array(completions),
      "correct_answers": .array(prompt.correct.map { .string($0) }), "incorrect_answers": .array(prompt.incorrect.map { .string($0) }),
    ])
  }
}
