// Converting and writing models: merge, quantize, save, export. What was made is read again, and the largest difference between
// its logits and those of the model it was made from is reported: conversion is where numbers go wrong unseen.

import Kernels
import Language
import Models

func writingBuiltins() -> [Builtin] { [mergeBuiltin(), quantizeBuiltin(), saveBuiltin(), exportBuiltin()] }

private func mergeBuiltin() -> Builtin {
  Builtin(
    "merge", category: modelCategory, [modelParameter],
    returns: "model", summary: "A plain model with the adapters multiplied into its weights, in f32.",
    example: "m = lora(load(\"smollm2\"), rank: 4)\nmerge(m).adapters |> len",
    details: "The result's .difference tells how far its logits are from the policy's."
  ) { call in
    let value = try call.object("m", as: ModelValue.self)
    guard !value.model.adapters.isEmpty else {
      throw ZsError("\(value.model.name) has no adapters to merge", hint: "lora(m) makes a model with adapters", argument: "m")
    }
    let merged = try value.model.merged()
    return .object(value.derived(merged, difference: try value.model.difference(to: merged)))
  }
}

private func quantizeBuiltin() -> Builtin {
  Builtin(
    "quantize", category: modelCategory,
    [modelParameter, Parameter("type", .string, help: "f32 f16 bf16 q8_0 q4_0 … q6_K, or a mixture such as q4_K_M")],
    returns: "model", summary: "A copy of a model with its matrices stored in another type.",
    example: "m = load(\"smollm2\")\nquantize(m, \"q8_0\").difference",
    details: """
      One type for all matrices (f32 f16 bf16 q8_0 q5_0 q5_1 q4_0 q4_1 q2_K q3_K q4_K q5_K q6_K), or one of llama.cpp's mixtures
      (q2_K is no mixture here; q3_K_S q3_K_M q3_K_L q4_K_S q4_K_M q5_K_S q5_K_M). The K types have blocks of 256: a matrix whose
      rows are no multiple of that gets the type llama.cpp falls back to. The result's .difference tells what it cost.
      """
  ) { call in
    let value = try call.object("m", as: ModelValue.self)
    let type = try StoredType(call, "type")
    let converted = try type.converted(value.model, writing(call, "quantize"))
    return .object(value.derived(converted, difference: try value.model.difference(to: converted)))
  }
}

private func saveBuiltin() -> Builtin {
  Builtin(
    "save", category: modelCategory, [modelParameter, Parameter("dir", .string, help: "the folder; made if it is not there")],
    returns: "report", summary: "Saves the adapters of a policy in PEFT's layout, or a model in Hugging Face's.",
    example: "m = lora(load(\"smollm2\"), rank: 2, targets: [\"q_proj\"])\nsave(m, \"/tmp/zs-example-adapter\")",
    details: """
      transformers and peft load what is written. Floats keep their type, quantized weights become f32. The files are read again, and
      the report's .difference tells how far their logits are from the model's.
      """
  ) { call in
    let model = try call.model()
    let directory = try call.path("dir")
    try model.save(to: directory, progress: writing(call, "save \(model.name)"))
    let again = try model.adapters.isEmpty ? LanguageModel.load(path: directory) : (model.base ?? model).loadingAdapter(from: directory)
    let type = model.adapters.isEmpty ? again.weightType.name : "adapters f32"
    let bytes = model.adapters.isEmpty ? again.weightBytes : again.adapters.reduce(0) { $0 + 4 * ($1.a.count + $1.b.count) }
    return .object(WrittenModel(path: directory, type: type, bytes: bytes, difference: try model.difference(to: again)))
  }
}

private func exportBuiltin() -> Builtin {
  Builtin(
    "export", category: modelCategory,
    [
      modelParameter, Parameter("path", .string, help: "ends in .gguf"),
      Parameter(
        "type", .string, default: "q8_0", aliases: ["outtype", "ftype"],
        help: "as llama.cpp names them: f32 f16 bf16 q8_0 q4_0 q4_1 q5_0 q5_1 q4_K_S q4_K_M q5_K_S q5_K_M q6_K …"),
    ],
    returns: "report", summary: "Writes a model as a GGUF file that llama.cpp loads, tokenizer and template inside.",
    example: "m = load(\"smollm2\")\nexport(m, \"/tmp/zs-example.gguf\", type: \"q4_K_M\")",
    details: """
      Types, mixtures and fallbacks are llama.cpp's: q4_K_M keeps the output matrix and the more sensitive of the others at six bits,
      and a matrix whose rows are no multiple of 256 gets the next type with blocks of 32. Weights that have the type already are
      copied. Adapters are merged first: export(merge(m), …). The file is read again, and the report's .difference tells what it cost.
      """
  ) { call in
    let model = try call.model()
    let path = try call.path("path")
    guard path.lowercased().hasSuffix(".gguf") else {
      throw ZsError("a model is exported as a GGUF file, not as '\(path)'", hint: "export(m, \"model.gguf\")", argument: "path")
    }
    guard model.adapters.isEmpty else {
      throw ZsError(
        "\(model.name) has adapters, and a GGUF file holds whole weights", hint: "export(merge(m), \"\(path)\")", argument: "m")
    }
    let name = try call.string("type")
    guard let type = ModelFileType(named: name) else { throw unknownType(name, "type", ModelFileType.allCases.map(\.rawValue)) }
    try model.export(to: path, type: type, progress: writing(call, "export \(model.name)"))
    let again = try LanguageModel.load(path: path)
    return .object(
      WrittenModel(path: path, type: type.rawValue, bytes: again.weightBytes, difference: try model.difference(to: again)))
  }
}

/// How a call wants matrices stored: all in one type, or as one of the mixtures.
enum StoredType {
  case plain(WeightType)
  case mixture(ModelFileType)

  init(_ call: Call, _ argument: String) throws {
    let name = try call.string(argument)
    if let type = WeightType.allCases.first(where: { $0.name.lowercased() == name.lowercased() }) {
      self = .plain(type)
    } else if let type = ModelFileType(named: name) {
      self = .mixture(type)
    } else {
      let mixtures = ModelFileType.allCases.map(\.rawValue).filter { $0.hasSuffix("_S") || $0.hasSuffix("_M") || $0.hasSuffix("_L") }
      throw unknownType(name, argument, WeightType.allCases.map(\.name) + mixtures)
    }
  }

  func converted(_ model: LanguageModel, _ progress: WritingProgress) throws -> LanguageModel {
    switch self {
    case .plain(let type): try model.converted(to: type, progress: progress)
    case .mixture(let type): try model.converted(as: type, progress: progress)
    }
  }
}

private func unknownType(_ name: String, _ argument: String, _ names: [String]) -> ZsError {
  let hint = name.lowercased().hasPrefix("iq") ? "the IQ types are neither read nor written; " : ""
  return ZsError(
    kind: "value", message: "'\(argument)' cannot be \"\(name)\"", hint: "\(hint)one of \(names.joined(separator: ", "))",
    argument: argument)
}

/// Progress in bytes for a call, which Ctrl-C ends.
func writing(_ call: Call, _ label: String) throws -> WritingProgress {
  let session = try Session.of(call)
  let context = call.context
  return { done, total in
    if context.isInterrupted {
      session.progress.finish()
      throw Interrupted()
    }
    session.progress.update(Progress(label, done: Double(done), total: Double(total), unit: "bytes"))
    if done >= total { session.progress.finish() }
  }
}

extension Call {
  /// A path argument, `~/` standing for the home folder.
  func path(_ name: String) throws -> String {
    let path = try string(name)
    guard path.hasPrefix("~/"), let home = try Session.of(self).environment["HOME"] else { return path }
    return home + path.dropFirst()
  }
}

/// What save or export wrote, and how it compares.
final class WrittenModel: ObjectValue {
  private let path: String
  private let type: String
  private let bytes: Int
  private let difference: LogitDifference

  init(path: String, type: String, bytes: Int, difference: LogitDifference) {
    self.path = path
    self.type = type
    self.bytes = bytes
    self.difference = difference
  }

  var typeName: String { "report" }
  var fieldNames: [String] { ["path", "type", "bytes", "difference"] }

  func field(_ name: String) throws -> Value? {
    switch name {
    case "path": .string(path)
    case "type": .string(type)
    case "bytes": .int(Int64(bytes))
    case "difference": .map(difference.map)
    default: nil
    }
  }

  func plain() throws -> Value {
    .map(["path": .string(path), "type": .string(type), "bytes": .int(Int64(bytes)), "difference": .map(difference.map)])
  }

  func display(_ options: DisplayOptions) -> String { "wrote \(path) · \(type) · \(megabytes(bytes)) · \(difference.text)" }
}

extension LogitDifference {
  /// The fields of `.difference`.
  var map: ValueMap {
    [
      "largest": .float(largest), "agreement": .float(agreement), "positions": .int(Int64(positions)), "same_tokens": .bool(hasSameTokens),
    ]
  }

  /// The one line that is shown.
  var text: String {
    var text = "largest logit difference \(largest == 0 ? "0" : printf("%.3g", largest)) over \(positions) positions"
    if agreement < 1 { text += ", \(decimal(100 * agreement, 0)) % with the same likeliest token" }
    if !hasSameTokens { text += ", and the tokenizers differ" }
    return text
  }
}
