// What a trained policy does: how far it is from its reference, which of its answers it rewards, what it said before and says now.

import Formats
import Language
import Models
import Tensors
import Training

private var prompts: Parameter {
  Parameter("prompts", .anyOf([.string, .list, .object("dataset")]), help: "a text or messages, a list of them, or a dataset's prompts")
}
private var asChat: Parameter {
  Parameter("chat", .bool, default: false, help: "whether texts are what a user says, in the chat template; else they are continued")
}
private var policy: Parameter { Parameter("policy", .object("model"), help: "a model after training") }

func policyBuiltins(_ made: String) -> [Builtin] {
  let sampling = samplingParameters.filter { $0.name != "max_tokens" && $0.name != "temperature" }
  let drawn = [
    Parameter("max_tokens", .int, default: 64, range: 1...1e9, aliases: ["max_new_tokens"], help: "the most tokens of an answer"),
    Parameter("temperature", .float, default: 1, range: 0...1e4, help: "1 samples the policy as it is"),
  ]
  let reference = Parameter(
    "reference", .object("model"), default: Value.none, help: "the model before training; none: the policy without its adapters")
  let beta = Parameter("beta", .float, default: 0.1, range: 0...9e15, help: "as in training")
  return [
    Builtin(
      "kl", category: trainingCategory,
      [policy, reference, Parameter("prompts", prompts.type, default: .list([]), help: prompts.help)]
        + [Parameter("n", .int, default: 1, range: 1...10_000, help: "answers to each prompt"), beta, asChat] + drawn + sampling,
      returns: "report", summary: "How far a policy went from its reference: KL per token on answers sampled from it, beside their reward.",
      example: "kl(lora(load(\"smollm2\"), rank: 4), none, [\"Once upon a time\"], max_tokens: 4, seed: 1).mean",
      details: """
        At each token the divergence is exact, over the whole vocabulary. Fields: .mean (nats per token), .total (nats per answer, mean),
        .answers (rows of prompt, text, tokens, kl, kl_per_token, log_ratio, reward), .tokens (rows of answer, position, token, kl, logp,
        ref_logp), .by_position (mean over answers), .curve (answers by kl). Against the reward:
        plot([a.kl for a in k.curve], [a.reward for a in k.curve]).
        """,
      body: divergence),
    Builtin(
      "best_of", category: trainingCategory,
      [policy, inputParameter("prompt"), Parameter("n", .int, default: 8, range: 1...10_000, help: "how many answers"), reference, beta]
        + [
          Parameter(
            "sample_from", .string, default: "policy", choices: ["policy", "reference"], help: "who answers; the reward is the policy's")
        ] + drawn + sampling,
      returns: "list", summary: "Samples answers and ranks them by implicit reward: rows of text, reward, tokens, logp, the best first.",
      example: "best_of(lora(load(\"smollm2\"), rank: 4), \"2 + 2 =\", n: 2, max_tokens: 4, seed: 1)[0].text", body: bestOf),
    Builtin(
      "before_after", category: trainingCategory,
      [
        Parameter("policy", .anyOf([.object("model"), .object("trainer")]), help: "a policy with adapters, or a trainer"),
        prompts,
        Parameter(
          "reference", .object("model"), default: Value.none, help: "the model before training; none: the policy without its adapters"),
        beta, asChat,
      ] + [
        Parameter("max_tokens", .int, default: 64, range: 1...1e9, aliases: ["max_new_tokens"], help: "the most tokens of an answer"),
        Parameter("temperature", .float, default: 0, range: 0...1e4, help: "0 takes the likeliest token"),
      ] + sampling,
      returns: "report",
      summary: "Answers before and after training, side by side: the same prompts and the same seed, adapters off and on.",
      example: made + "step(t);\nbefore_after(t, [\"Once upon a time\"], max_tokens: 4)[0].after",
      details: "Rows of prompt, before, after, same, reward_before, reward_after: both answers are scored by the policy's implicit reward.",
      body: beforeAfter),
  ]
}

/// The prompts of a call, as the model reads them: texts as they are, messages through the chat template.
private func promptTokens(_ call: Call, for model: LanguageModel) throws -> [(value: Value, ids: [Int])] {
  var values: [Value]
  switch call["prompts"] {
  case .object(let object as DatasetValue): values = object.dataset.rows.compactMap { $0.fields["prompt"].map { Value($0) } }
  case .list(let list):
    // A list of maps with roles is one conversation, a list of ids one prompt.
    let isOne = list.allSatisfy { if case .map(let map) = $0 { map["role"] != nil } else if case .int = $0 { true } else { false } }
    values = isOne && !list.isEmpty ? [.list(list)] : list
  case let one: values = [one]
  }
  guard !values.isEmpty else {
    throw ZsError("\(call.builtin.name) needs at least one prompt", hint: "a list of texts or messages, or a dataset", argument: "prompts")
  }
  values = values.map { if case .map(let row) = $0, let prompt = row["prompt"] { prompt } else { $0 } }
  return try values.map { value in
    switch try ModelInput(value, "prompts") {
    case .ids(let ids): return (value, ids)
    case .text(let text) where try call.bool("chat"):
      let message: JSON = ["role": "user", "content": .string(text)]
      return (value, try model.encode(messages: [message], generationPrompt: true))
    case .text(let text): return (value, try model.encode(text))
    case .messages(let messages): return (value, try model.encode(messages: messages, generationPrompt: true))
    }
  }
}

/// Shows how many answers are done, and stops where the user asks to.
private func answer(
  _ generator: Generator, _ prompt: [Int], _ options: SamplingOptions, _ random: RandomSource, _ call: Call, done: Int, of total: Int
) throws -> Completion {
  let session = try Session.of(call)
  session.progress.update(Progress("answers", done: Double(done), total: Double(total), unit: "answers"))
  let completion = try generator.generate(
    prompt, options: options, random: random, isAnswer: true, shouldStop: { call.context.isInterrupted })
  if completion.finishReason == .interrupted { throw Interrupted() }
  return completion
}

private func divergence(_ call: Call) throws -> Value {
  let model = try call.model("policy")
  let reference = try rewardReference(call, model).model as? LanguageModel
  let questions = try promptTokens(call, for: model)
  let (options, count, beta) = (try call.samplingOptions(), try call.int("n"), try call.double("beta"))
  let random = try call.randomSource(options)
  let generator = try Generator(model)
  defer { (call.context.host as? Session)?.progress.finish() }
  var (answers, tokens): ([(kl: Double, row: Value)], [Value]) = ([], [])
  var byPosition: [(sum: Double, count: Double)] = []
  for (question, prompt) in questions.enumerated() {
    for n in 0..<count {
      let number = question * count + n
      let completion = try answer(
        generator, prompt.ids, options, random.split("answer \(number)"), call, done: number, of: questions.count * count)
      let seen = try model.divergence(from: reference, over: prompt.ids + completion.tokens, from: prompt.ids.count)
      for (position, (id, token)) in zip(completion.tokens, seen).enumerated() {
        if position == byPosition.count { byPosition.append((0, 0)) }
        byPosition[position] = (byPosition[position].sum + token.divergence, byPosition[position].count + 1)
        tokens.append(
          .map([
            "answer": .int(Int64(number)), "position": .int(Int64(position)), "token": .string(model.tokenizer?.decode([id]) ?? "\(id)"),
            "kl": .float(token.divergence), "logp": .float(token.logProb), "ref_logp": .float(token.referenceLogProb),
            "delta": .float(token.logProb - token.referenceLogProb),
          ]))
      }
      let kl = seen.reduce(0) { $0 + $1.divergence }
      let ratio = seen.reduce(0) { $0 + $1.logProb - $1.referenceLogProb }
      answers.append(
        (
          kl,
          .map([
            "prompt": prompt.value, "text": .string(completion.text), "tokens": .int(Int64(seen.count)), "kl": .float(kl),
            "kl_per_token": .float(kl / Double(max(1, seen.count))), "log_ratio": .float(ratio), "reward": .float(beta * ratio),
          ])
        ))
    }
  }
  let total = answers.reduce(0) { $0 + $1.kl }
  let mean = total / Double(max(1, tokens.count))
  let means = byPosition.map { $0.sum / $0.count }
  let headline =
    "KL \(compact(mean)) nats per token · \(compact(total / Double(answers.count))) per answer · \(answers.count) answer\(answers.count == 1 ? "" : "s") of "
    + "\(tokens.count) token\(tokens.count == 1 ? "" : "s")\n  by position \(sparkline(Array(means.prefix(60))))"
  return .object(
    Findings(
      headline,
      [
        "mean": .float(mean), "total": .float(total / Double(answers.count)), "answers": .list(answers.map(\.row)), "tokens": .list(tokens),
        "by_position": .list(means.map { .float($0) }), "curve": .list(answers.sorted { $0.kl < $1.kl }.map(\.row)),
      ], shows: "answers", columns: ["prompt", "text", "tokens", "kl", "kl_per_token", "reward"]))
}

private func bestOf(_ call: Call) throws -> Value {
  let model = try call.model("policy")
  let reference = try rewardReference(call, model)
  let prompt = try call.tokens("prompt", for: model, generationPrompt: true)
  let (options, count, beta) = (try call.samplingOptions(), try call.int("n"), try call.double("beta"))
  let random = try call.randomSource(options)
  let speaker = try call.string("sample_from") == "policy" ? model : try before(model, reference)
  let generator = try Generator(speaker)
  defer { (call.context.host as? Session)?.progress.finish() }
  let rows = try (0..<count).map { number -> (reward: Double, row: Value) in
    let completion = try answer(generator, prompt, options, random.split("answer \(number)"), call, done: number, of: count)
    let reward = completion.tokens.isEmpty ? 0 : beta * (try logRatio(of: completion.tokens, after: prompt, model, reference))
    return (
      reward,
      .map([
        "text": .string(completion.text), "reward": .float(reward), "tokens": .int(Int64(completion.tokens.count)),
        "logp": .float(completion.logprobs.reduce(0, +)), "finish_reason": .string(completion.finishReason.rawValue),
      ])
    )
  }
  return .list(rows.sorted { $0.reward > $1.reward }.map(\.row))
}

/// The model as it was: the reference, or the policy's base.
private func before(_ policy: LanguageModel, _ reference: Reference) throws -> LanguageModel {
  if let model = reference.model as? LanguageModel { return model }
  guard let base = policy.base else { throw ZsError("a model without adapters needs a reference", argument: "reference") }
  return base
}

private func beforeAfter(_ call: Call) throws -> Value {
  let (model, reference): (LanguageModel, Reference)
  if case .object(let object as TrainerValue) = call["policy"] {
    model = object.policy
    if let dpo = object.loop.objective as? DPO, call["reference"].isNone, model.adapters.isEmpty {
      reference = dpo.reference
    } else {
      reference = try rewardReference(call, model)
    }
  } else {
    model = try call.model("policy")
    reference = try rewardReference(call, model)
  }
  let questions = try promptTokens(call, for: model)
  let (options, beta) = (try call.samplingOptions(), try call.double("beta"))
  let random = try call.randomSource(options)
  let (old, new) = (try Generator(before(model, reference)), try Generator(model))
  defer { (call.context.host as? Session)?.progress.finish() }
  var changed = 0
  let rows = try questions.enumerated().map { number, prompt -> Value in
    let noise = random.split("answer \(number)")
    let a = try answer(old, prompt.ids, options, noise, call, done: 2 * number, of: 2 * questions.count)
    let b = try answer(new, prompt.ids, options, noise, call, done: 2 * number + 1, of: 2 * questions.count)
    func reward(_ completion: Completion) throws -> Value {
      completion.tokens.isEmpty ? .float(0) : .float(beta * (try logRatio(of: completion.tokens, after: prompt.ids, model, reference)))
    }
    if a.tokens != b.tokens { changed += 1 }
    return .map([
      "prompt": prompt.value, "before": .string(a.text), "after": .string(b.text), "same": .bool(a.tokens == b.tokens),
      "reward_before": try reward(a), "reward_after": try reward(b),
    ])
  }
  return .object(
    Findings(
      "\(rows.count) prompt\(rows.count == 1 ? "" : "s") · \(changed) answered differently after training",
      ["rows": .list(rows), "changed": .int(Int64(changed))], shows: "rows",
      columns: ["prompt", "before", "after", "reward_before", "reward_after"]))
}
