// Adapters: policies that share a base's weights, fresh or loaded. Merging and saving them is in ModelBuiltins+Writing.swift.

import Language
import Models

func adapterBuiltins() -> [Builtin] {
  [
    Builtin(
      "lora", category: modelCategory,
      [
        modelParameter, Parameter("rank", .int, default: 16, range: 1...65_536, aliases: ["r"], help: "width of the bottleneck"),
        Parameter("alpha", .float, default: 32, aliases: ["lora_alpha"], help: "the adapters' output is multiplied by alpha / rank"),
        Parameter(
          "targets", .anyOf([.string, .list]), default: "all-linear", aliases: ["target_modules"],
          help: "\"all-linear\", or some of q_proj k_proj v_proj o_proj gate_proj up_proj down_proj"),
        Parameter(
          "dropout", .float, default: 0, range: 0...0.999, aliases: ["lora_dropout"],
          help: "share of the adapters' inputs zeroed in training"),
        Parameter("seed", .int, default: Value.none, help: "what the first matrices are drawn from; none: the session's own"),
        Parameter("rslora", .bool, default: false, aliases: ["use_rslora"], help: "scale by alpha / √rank instead of alpha / rank"),
      ],
      returns: "model", summary: "A policy with low-rank adapters that shares this model's weights; until trained it is the same.",
      example: "m = load(\"smollm2\")\nlora(m, rank: 8, targets: [\"q_proj\", \"v_proj\"])"
    ) { call in
      let value = try call.object("m", as: ModelValue.self)
      let seed = try call.optionalInt("seed").map { UInt64(bitPattern: Int64($0)) } ?? Session.of(call).drawSeed()
      let names: [String]
      switch call["targets"] {
      case .string(let text): names = text.split { $0 == " " || $0 == "," }.map(String.init)
      case .list(let items): names = items.map { $0.text ?? $0.typeName }
      default: names = []
      }
      let policy = try value.model.withLoRA(
        rank: try call.int("rank"), alpha: try call.double("alpha"), targets: names, dropout: try call.double("dropout"), seed: seed,
        rsLoRA: try call.bool("rslora"))
      return .object(value.derived(policy))
    },
    Builtin(
      "load_adapter", category: modelCategory,
      [
        modelParameter,
        Parameter("dir", .string, help: "a folder with adapter_config.json and adapter_model.safetensors, or hf://owner/name"),
      ],
      returns: "model", summary: "A policy with the adapters that save or PEFT wrote.",
      example:
        "m = load(\"smollm2\")\nsave(lora(m, rank: 2, targets: [\"q_proj\"]), \"/tmp/zs-example-adapter\")\nload_adapter(m, \"/tmp/zs-example-adapter\")"
    ) { call in
      let value = try call.object("m", as: ModelValue.self)
      let source = try call.string("dir")
      let folder = source.hasPrefix("hf://") ? try call.hubPath(source, argument: "dir") : source
      return .object(value.derived(try value.model.loadingAdapter(from: folder)))
    },
  ]
}
