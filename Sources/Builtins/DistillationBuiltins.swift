// Distillation: what makes preference data of scored answers, and how close two texts are.

import Distillation
import Formats
import Language
import OrderedCollections
import Training

private let category = "Distillation"

/// Rows for making data.
public func distillationBuiltins() -> [Builtin] {
  [
    Builtin(
      "rouge_l", category: category,
      [Parameter("prediction", .string, help: "the text to judge"), Parameter("target", .string, help: "the text to compare it with")],
      returns: "float", summary: "How much two texts share in order, from 0 to 1: the F-measure of ROUGE-L.",
      example: "rouge_l(\"the cat sat on the mat\", \"the cat lay on the mat\")",
      details: """
        Words are runs of a-z and 0-9 of the lower-cased text, without stemming; text in other scripts has none and scores 0.
        Self-Instruct drops an instruction that scores above 0.7 against any other.
        """
    ) { call in .float(rougeL(prediction: try call.string("prediction"), target: try call.string("target")).fMeasure) },
    Builtin(
      "binarize", category: category,
      [
        Parameter("feedback", .anyOf([.string, .list]), help: "a .jsonl file or a list of {prompt, completions: [{model, text, score}]}"),
        Parameter(
          "rejected", .string, default: "random", choices: RejectedChoice.allCases.map(\.rawValue),
          help: "random: uniform among the answers scored below the best; worst: the lowest"),
        Parameter("seed", .int, default: 42, help: "what the draws derive from"),
      ],
      returns: "dataset", summary: "Preference pairs from scored answers: the best against one scored strictly below it.",
      example:
        "binarize([{prompt: \"2 + 2?\", completions: [{model: \"a\", text: \"4\", score: 9}, {model: \"b\", text: \"5\", score: 1}]}])",
      details: """
        The pairs carry score_chosen, score_rejected, model_chosen and model_rejected. A prompt whose scores are all equal gives no
        pair; it is counted in .skipped. UltraFeedback's own rows (instruction, completions with response and overall_score) work too.
        """,
      body: binarizeFeedback),
  ]
}

private func binarizeFeedback(_ call: Call) throws -> Value {
  let rows: ScoredRows
  if case .string(let path) = call["feedback"] {
    rows = try ScoredRows(path: path)
  } else {
    rows = try ScoredRows(rows: try call.list("feedback").map { try $0.asJSON() })
  }
  let choice = RejectedChoice(rawValue: try call.string("rejected")) ?? .random
  let result = binarize(rows.prompts, rejected: choice, seed: UInt64(bitPattern: Int64(try call.int("seed"))))
  let pairs = result.pairs.map { pair -> JSON in
    .object([
      "prompt": .string(pair.prompt), "chosen": .string(pair.chosen.text), "rejected": .string(pair.rejected.text),
      "score_chosen": .double(pair.chosen.score), "score_rejected": .double(pair.rejected.score),
      "model_chosen": .string(pair.chosen.model), "model_rejected": .string(pair.rejected.model),
    ])
  }
  if pairs.isEmpty {
    throw ZsError(
      kind: "data", message: "no pair: in all \(result.equalScores.count) prompts every answer has the same score",
      hint: "a pair needs an answer scored below another")
  }
  let skipped = result.equalScores.map { SkippedRow(line: rows.lines[$0], reason: "all answers have the same score: no pair") }
  return .object(DatasetValue(try Dataset(.preferences, rows: pairs, skipped: rows.skipped + skipped, name: "binarized feedback")))
}
