// The losses as functions at the prompt, and the implicit reward of any text.

import Formats
import Language
import Models
import Tensors
import Training

func preferenceLossBuiltins() -> [Builtin] {
  let numbers: ParameterType = .anyOf([.object("tensor"), .list, .float])
  let lengths: ParameterType = .anyOf([.object("tensor"), .list, .float])
  let text: ParameterType = .anyOf([.string, .list])
  return [
    Builtin(
      "dpo_loss", category: trainingCategory,
      [
        Parameter("policy_chosen", numbers, help: "log π of the chosen answers, summed over tokens"),
        Parameter("policy_rejected", numbers, help: "log π of the rejected answers"),
        Parameter("ref_chosen", numbers, help: "log π_ref of the chosen answers"),
        Parameter("ref_rejected", numbers, help: "log π_ref of the rejected answers"),
      ] + preferenceParameters().filter { $0.name != "ld_alpha" && $0.name != "use_weighting" } + [
        Parameter("lengths_chosen", lengths, default: Value.none, help: "tokens of each chosen answer, for losses on means"),
        Parameter("lengths_rejected", lengths, default: Value.none, help: "tokens of each rejected answer"),
        Parameter("kl", .float, default: 0, range: 0...9e15, help: "KTO's estimate of the KL divergence, nats"),
      ],
      returns: "tensor", summary: "The preference loss of each pair, differentiable by grad.",
      example:
        "margins = linspace(-30, 30, 61)\nplot(margins, dpo_loss(margins, 0, 0, 0), grad(m => dpo_loss(m, 0, 0, 0).sum(), margins))",
      details: """
        Losses without a reference (orpo, simpo, cpo) do not look at ref_chosen and ref_rejected; give 0. With the other three inputs at 0
        and beta 1 the first one is the margin. Each loss with its paper is listed under help("dpo").
        """,
      body: preferenceLossTensor),
    Builtin(
      "reward", category: trainingCategory,
      [
        Parameter("policy", .object("model"), help: "a model after training"), Parameter("prompt", text, help: "text or messages"),
        Parameter("completion", text, help: "text or messages"),
        Parameter(
          "reference", .object("model"), default: Value.none, help: "the model before training; none: the policy without its adapters"),
        Parameter("beta", .float, default: 0.1, range: 0...9e15, help: "as in training"),
      ],
      returns: "float", summary: "The implicit reward of a completion: β·(log π − log π_ref), tokenized as dpo does.",
      example: "reward(lora(load(\"smollm2\")), \"2 + 2 =\", \" 4\")", body: implicitReward),
  ]
}

private func preferenceLossTensor(_ call: Call) throws -> Value {
  let inputs = try ["policy_chosen", "policy_rejected", "ref_chosen", "ref_rejected"].map { try call.tensor($0) }
  let count = inputs.map(\.count).max() ?? 0
  let shape = inputs.first { $0.count == count }?.shape ?? []
  for (input, name) in zip(inputs, ["policy_chosen", "policy_rejected", "ref_chosen", "ref_rejected"]) {
    guard input.count == count || input.count == 1 else {
      throw ZsError(
        kind: "shape", message: "'\(name)' has the shape \(Shape.text(input.shape)), the largest input \(Shape.text(shape))",
        hint: "one number per pair in each", argument: name)
    }
  }
  let options = try OptionSource(call: call).preferenceOptions()
  let (chosenTokens, rejectedTokens) = (try lengths(call, "lengths_chosen", count), try lengths(call, "lengths_rejected", count))
  let (lacksChosen, lacksRejected) = (call["lengths_chosen"].isNone, call["lengths_rejected"].isNone)
  if let term = options.terms.first(where: {
    $0.loss.needsLengths && (lacksChosen || lacksRejected && $0.loss != .sft && $0.loss != .cpo)
  }) {
    throw ZsError(
      "the loss '\(term.loss.rawValue)' is on means per token and needs the answers' lengths",
      hint: "give lengths_chosen and lengths_rejected, one number of tokens per pair")
  }
  func value(_ input: Int, _ pair: Int) -> Double { Double(inputs[input].pointer[inputs[input].count == 1 ? 0 : pair]) }
  let pairs = (0..<count).map {
    PairLogProbs(
      chosen: value(0, $0), rejected: value(1, $0), referenceChosen: value(2, $0), referenceRejected: value(3, $0),
      chosenTokens: chosenTokens[$0], rejectedTokens: rejectedTokens[$0])
  }
  let losses = try preferenceLosses(pairs, options, batch: PreferenceBatch(of: pairs, klEstimate: try call.double("kl")))
  let output = try Tensor(shape: shape, values: losses.map { Float($0.value) })
  // Losses that mix pairs are differentiated as their sum is: exact for .sum() and .mean(), which is what training takes.
  let recorded = Tensor.record("dpo_loss", output: output, inputs: inputs) { pass in
    for (input, slope) in slopes.enumerated() where pass.needs(input) {
      let gradient = try pass.gradient(input)
      for (pair, loss) in losses.enumerated() {
        gradient.pointer[gradient.count == 1 ? 0 : pair] += pass.dout.pointer[pair] * Float(slope(loss))
      }
    }
  }
  return .tensor(recorded)
}

/// The derivatives with respect to the four inputs, in their order.
private let slopes: [@Sendable (PairLoss) -> Double] = [
  { $0.chosen + $0.chosenUnweighted }, { $0.rejected }, { $0.referenceChosen }, { $0.referenceRejected },
]

private func lengths(_ call: Call, _ name: String, _ count: Int) throws -> [Int] {
  guard !call[name].isNone else { return Array(repeating: 1, count: count) }
  let values = try call.tensor(name).values
  guard values.count == count || values.count == 1 else {
    throw ZsError(
      kind: "shape", message: "\(values.count) lengths for \(count) pairs", hint: "one number of tokens per pair", argument: name)
  }
  return try (0..<count).map { index in
    let length = values[values.count == 1 ? 0 : index]
    guard length >= 1, length < 1e9, length == length.rounded() else {
      throw ZsError("a length of \(length) tokens", hint: "lengths are whole numbers from 1", argument: name)
    }
    return Int(length)
  }
}

private func implicitReward(_ call: Call) throws -> Value {
  let policy = try call.model("policy")
  let reference = try rewardReference(call, policy)
  let (prompt, completion): (JSON, JSON) = (try call["prompt"].asJSON(), try call["completion"].asJSON())
  let isIDs = [prompt, completion].allSatisfy { $0.array?.allSatisfy { $0.int != nil } ?? false }
  let rows = try Dataset(
    .preferences,
    rows: [
      isIDs
        ? ["prompt_ids": prompt, "chosen_ids": completion, "rejected_ids": completion]
        : ["prompt": prompt, "chosen": completion, "rejected": completion]
    ])
  let encoder = try ExampleEncoder(model: policy, maxLength: nil)
  let pair = try encoder.pairs(rows).examples[0]
  return .float(try call.double("beta") * logRatio(of: pair.chosen, after: pair.prompt, policy, reference))
}

/// What a policy is measured against: a model that is given, or itself without its adapters.
func rewardReference(_ call: Call, _ policy: LanguageModel) throws -> Reference {
  if !call["reference"].isNone { return .model(try call.model("reference")) }
  guard !policy.adapters.isEmpty else {
    throw ZsError(
      "a model without adapters needs a reference", hint: "\(call.builtin.name)(…, reference: before)", argument: "reference")
  }
  return .adaptersOff
}
