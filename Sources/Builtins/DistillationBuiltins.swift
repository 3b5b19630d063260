// Distillation: what makes preference data of scored answers, and how close two texts are.

import Distillation
import Formats
import Language
import OrderedCollections
import Training

let distillationCategory = "Distillation"

/// Rows for making data.
public func distillationBuiltins() -> [Builtin] {
  [
    Builtin(
      "rouge_l", category: distillationCategory,
      [Parameter("prediction", .string, help: "the text to judge"), Parameter("target", .string, help: "the text to compare it with")],
      returns: "float", summary: "How much two texts share in order, from 0 to 1: the F-measure of ROUGE-L.",
      example: "rouge_l(\"the cat sat on the mat\", \"the cat lay on the mat\")",
      details: """
        Words are runs of a-z and 0-9 of the lower-cased text, without stemming; text in other scripts has none and scores 0.
        Self-Instruct drops an instruction that scores above 0.7 against any other.
        """
    ) { call in .float(rougeL(prediction: try call.string("prediction"), target: try call.string("target")).fMeasure) },
    Builtin(
      "binarize", category: distillationCategory,
      [
        Parameter("feedback", .anyOf([.string, .list]), help: "a .jsonl file or a list of {prompt, completions: [{model, text, score}]}"),
        Parameter(
          "rejected", .string, default: "random", choices: RejectedChoice.allCases.map(\.rawValue),
          help: "random: uniform among the answers scored below the best; worst: the lowest"),
        Parameter("seed", .int, default: 42, help: "what the draws derive from"),
        Parameter(
          "score", .string, default: "score", choices: ScoreColumn.allCases.map(\.rawValue),
          help: "score: that column, or overall_score; mean: of UltraFeedback's aspect ratings"),
        Parameter("messages", .bool, default: false, help: "prompt and answers as messages, for a chat model"),
        Parameter("path", .string, default: Value.none, help: "also write the pairs there in ultrafeedback_binarized's columns"),
      ],
      returns: "dataset", summary: "Preference pairs from scored answers: the best against one scored strictly below it.",
      example:
        "binarize([{prompt: \"2 + 2?\", completions: [{model: \"a\", text: \"4\", score: 9}, {model: \"b\", text: \"5\", score: 1}]}])",
      details: """
        The pairs carry score_chosen, score_rejected, model_chosen and model_rejected. A prompt whose scores are all equal gives no
        pair; it is counted in .skipped. UltraFeedback's own rows (instruction, completions with response and overall_score) work too;
        their overall scores of 10 beside aspects of at most 2 are the 1s that its scripts multiplied by ten, and count as 1: .mended
        says how many. .margins are the differences of the scores, .plot draws them.
        """,
      body: binarizeFeedback),
  ] + selfInstructBuiltins() + answerBuiltins() + feedbackBuiltins() + judgingBuiltins()
}

private func binarizeFeedback(_ call: Call) throws -> Value {
  let column = ScoreColumn(rawValue: try call.string("score")) ?? .score
  let rows: ScoredRows
  if case .string(let path) = call["feedback"] {
    rows = try ScoredRows(path: path, column: column)
  } else {
    rows = try ScoredRows(rows: try call.list("feedback").map { try $0.asJSON() }, column: column)
  }
  let choice = RejectedChoice(rawValue: try call.string("rejected")) ?? .random
  let result = binarize(rows.prompts, rejected: choice, seed: UInt64(bitPattern: Int64(try call.int("seed"))))
  guard !result.pairs.isEmpty else {
    throw ZsError(
      kind: "data", message: "no pair: in all \(result.equalScores.count) prompts every answer has the same score",
      hint: "a pair needs an answer scored below another")
  }
  if let path = try call.optionalString("path") { try JSONLines.write(result.pairs.map(\.ultraFeedbackBinarized), to: path) }
  let isMessages = try call.bool("messages")
  let skipped = result.equalScores.map { SkippedRow(line: rows.lines[$0], reason: "all answers have the same score: no pair") }
  let margins = result.pairs.map { $0.chosen.score - $0.rejected.score }
  let (edges, counts) = binned(margins, bins: nil)
  let plot = PlotValue(
    .histogram(edges: edges, counts: counts), PlotOptions(title: "score of the chosen minus score of the rejected answer"))
  return .object(
    DatasetValue(
      try Dataset(
        .preferences, rows: result.pairs.map { $0.json(messages: isMessages) }, skipped: rows.skipped + skipped, name: "binarized feedback"),
      extras: ["margins": .list(margins.map { .float($0) }), "plot": .object(plot), "mended": .int(Int64(rows.mended))],
      note: rows.mended == 0 ? "" : "\(rows.mended) overall scores of 10 counted as the 1 they were"))
}

extension BinarizedPair {
  /// The pair as a row of preferences.
  fileprivate func json(messages: Bool) -> JSON {
    func turn(_ role: String, _ text: String) -> JSON { messages ? [["role": .string(role), "content": .string(text)]] : .string(text) }
    return .object([
      "prompt": turn("user", prompt), "chosen": turn("assistant", chosen.text), "rejected": turn("assistant", rejected.text),
      "score_chosen": .double(chosen.score), "score_rejected": .double(rejected.score), "model_chosen": .string(chosen.model),
      "model_rejected": .string(rejected.model),
    ])
  }

  /// The pair in the columns of HuggingFaceH4/ultrafeedback_binarized.
  fileprivate var ultraFeedbackBinarized: JSON {
    func conversation(_ answer: ScoredAnswer) -> JSON {
      [["content": .string(prompt), "role": "user"], ["content": .string(answer.text), "role": "assistant"]]
    }
    return .object([
      "prompt": .string(prompt), "prompt_id": .string(promptIdentifier(prompt)), "chosen": conversation(chosen),
      "rejected": conversation(rejected), "messages": conversation(chosen), "score_chosen": .double(chosen.score),
      "score_rejected": .double(rejected.score),
    ])
  }
}
