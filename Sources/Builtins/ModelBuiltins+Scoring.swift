// What a model says about given text.

import Language
import Models
import Tensors

func scoringBuiltins() -> [Builtin] {
  [
    Builtin(
      "logits", category: modelCategory, [modelParameter, inputParameter(), specialParameter],
      returns: "tensor", summary: "The logits at each token of a text, shape (tokens, vocabulary).",
      example: "m = load(\"smollm2\")\nlogits(m, \"Ahoy there\").shape"
    ) { call in
      let model = try call.model()
      let ids = try call.tokens("text", for: model)
      return .tensor(try withoutRecording { try model.logits(ids) })
    },
    Builtin(
      "logprobs", category: modelCategory,
      [
        modelParameter, inputParameter("prompt", help: "the text to score from its second token on, or what the completion follows"),
        Parameter(
          "completion", .anyOf([.string, .list, .object("completion")]), default: Value.none,
          help: "the text whose tokens are scored, tokenized by itself"),
        specialParameter,
      ],
      returns: "tensor", summary: "The log-probability of each token, given all before it.",
      example: "m = load(\"smollm2\")\nlogprobs(m, \"The capital of France is\", \" Paris\").sum()",
      details: """
        logprobs(m, text) scores a text from its second token on; logprobs(m, prompt, completion) the tokens of the completion.
        Messages as the prompt go through the chat template and end where an answer begins.
        """
    ) { call in
      let model = try call.model()
      guard !call["completion"].isNone else {
        let ids = try call.tokens("prompt", for: model)
        guard ids.count >= 2 else {
          throw ZsError("a text of \(ids.count) token\(ids.count == 1 ? "" : "s") has no second one to score", argument: "prompt")
        }
        return .tensor(try withoutRecording { try model.tokenLogProbs([ids], scoredFrom: [1]) })
      }
      let prompt = try call.tokens("prompt", for: model, generationPrompt: true)
      guard !prompt.isEmpty else {
        throw ZsError("the prompt has no tokens, so the first token of the completion follows nothing", argument: "prompt")
      }
      let completion: [Int]
      switch try ModelInput(call["completion"], "completion") {
      case .ids(let ids): completion = ids
      case .text(let text): completion = try model.requiredTokenizer().encode(text, special: try call.bool("special"))
      case .messages:
        throw ZsError(kind: "type", message: "a completion is a str or a list of ids, not messages", argument: "completion")
      }
      return .tensor(try withoutRecording { try model.tokenLogProbs([prompt + completion], scoredFrom: [prompt.count]) })
    },
    Builtin(
      "perplexity", category: modelCategory, [modelParameter, inputParameter(), specialParameter],
      returns: "float", summary: "e to the mean negative log-probability of a text's tokens: low where the model expects it.",
      example: "m = load(\"smollm2\")\nperplexity(m, \"The capital of France is Paris.\")",
      details: "A text longer than the context is scored in windows that overlap by half."
    ) { call in
      let model = try call.model()
      return .float(try model.perplexity(call.tokens("text", for: model)))
    },
    Builtin(
      "next_tokens", category: modelCategory,
      [
        modelParameter, inputParameter(),
        Parameter("top", .int, default: 10, range: 1...1e9, aliases: ["k", "n"], help: "how many"),
        specialParameter,
        Parameter("stages", .bool, default: false, help: "whether rows show what each stage of sampling does"),
        Parameter("temperature", .float, default: 1, range: 0...1e4, help: "with stages: as in generate; 0 takes the likeliest token"),
      ] + samplingParameters.filter { ["top_k", "top_p", "min_p", "repetition_penalty"].contains($0.name) },
      returns: "list", summary: "The likeliest next tokens, as rows of id, token, logit and logprob.",
      example: "m = load(\"smollm2\")\nnext_tokens(m, \"The capital of France is\", top: 3)",
      details: """
        With stages: true rows have also penalized (the logit after the repetition penalty), probability (after the temperature),
        removed (the stage that took the token out, none if it may be drawn) and final (the probability of drawing it). The stages
        are those of generate, in its order: repetition penalty, temperature, top_k, top_p, min_p.
        """
    ) { call in
      let model = try call.model()
      let ids = try call.tokens("text", for: model, generationPrompt: true)
      let names = ["temperature", "top_k", "top_p", "min_p", "repetition_penalty"]
      guard try call.bool("stages") else {
        if let name = names.first(where: { call.given($0) }) {
          throw ZsError("\(name) shows only with stages: true", hint: "next_tokens(m, text, stages: true, \(name): …)", argument: name)
        }
        return .list(try model.nextTokens(ids, top: call.int("top")).map { .map(row($0)) })
      }
      let options = SamplingOptions(
        temperature: try call.double("temperature"), topK: try call.int("top_k"), topP: try call.double("top_p"),
        minP: try call.double("min_p"), repetitionPenalty: try call.double("repetition_penalty"))
      return .list(
        try model.stagedTokens(ids, top: call.int("top"), options: options).map { staged in
          var map = row(staged.next)
          map["penalized"] = .float(staged.penalized)
          map["probability"] = .float(staged.probability)
          map["removed"] = staged.removedBy.map { .string($0) } ?? Value.none
          map["final"] = .float(staged.final)
          return .map(map)
        })
    },
  ]
}

private func row(_ next: NextToken) -> ValueMap {
  [
    "id": .int(Int64(next.id)), "token": next.token.map { .string($0) } ?? Value.none, "logit": .float(next.logit),
    "logprob": .float(next.logprob),
  ]
}
