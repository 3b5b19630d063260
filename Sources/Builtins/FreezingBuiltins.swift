// Which parameters learn, and how much an update moves each.

import Language
import Models
import Training

func freezingBuiltins() -> [Builtin] {
  let made =
    "t = sft(lora(load(\"smollm2\"), rank: 4, targets: [\"v_proj\"]), [{prompt: \"Ahoy\", completion: \"Aye\"}], warmup_ratio: 0)\n"
  return [
    Builtin(
      "freeze", category: trainingCategory,
      [
        modelParameter,
        Parameter(
          "pattern", .anyOf([.string, .list]), help: "part of a parameter's name, or a glob such as \"model.layers.0.*\"; or a list"),
      ],
      returns: "model", summary: "A model of which the named parameters do not learn; the others are those of the model given.",
      example: "m = freeze(lora(load(\"smollm2\"), rank: 4), \"lora_A\")\nm.trainable",
      details: "Names are those of grad_norms(t) and Hugging Face. A model that load gave learns whole but for the frozen parameters.",
      body: freeze),
    Builtin(
      "grad_norms", category: trainingCategory, [trainerParameter],
      returns: "list",
      summary: "Each parameter's gradient before clipping, and how far the next update would move it: rows of norms.",
      example: made + "grad_norms(t)[1]",
      details: """
        Rows of name, norm (of the gradient), weight_norm, update_norm and ratio: update_norm / weight_norm, which is about 1e-3 in a
        healthy run. Nothing is changed. A matrix B of fresh adapters is zero, so its ratio is inf until it moved.
        """
    ) { call in
      .list(
        try call.trainer().loop.updateRatios(poll: call.poll).map { row in
          .map([
            "name": .string(row.name), "norm": .float(row.gradientNorm), "weight_norm": .float(row.weightNorm),
            "update_norm": .float(row.updateNorm), "ratio": .float(row.ratio),
          ])
        })
    },
  ]
}

private func freeze(_ call: Call) throws -> Value {
  let value = try call.object("m", as: ModelValue.self)
  let patterns: [String]
  switch call["pattern"] {
  case .list(let items): patterns = items.map { $0.text ?? $0.source }
  case let pattern: patterns = [pattern.text ?? ""]
  }
  let names = value.model.learnable
  for pattern in patterns where !names.contains(where: { isParameterName($0, matching: pattern) }) {
    let near = nearest(to: pattern, among: Array(Set(names.flatMap { $0.split(separator: ".").map(String.init) })))
    throw ZsError(
      "no parameter of \(value.label) matches \"\(pattern)\"" + (near.map { "; did you mean \"\($0)\"?" } ?? ""),
      hint: "such as \(names.first ?? "")", argument: "pattern")
  }
  let isFrozen = { (name: String) in patterns.contains { isParameterName(name, matching: $0) } }
  guard !names.allSatisfy(isFrozen) else {
    throw ZsError("that freezes all \(names.count) parameters of \(value.label): nothing would be left to learn", argument: "pattern")
  }
  return .object(value.derived(try value.model.freezing(isFrozen)))
}
