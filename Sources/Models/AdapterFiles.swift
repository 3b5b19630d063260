// Adapters on disk in PEFT's layout: adapter_config.json and adapter_model.safetensors, names and row order as PEFT has them.

import Formats
import Kernels
import Tensors

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

private let namePrefix = "base_model.model."

extension LanguageModel {
  /// Writes the adapters in PEFT's layout into a folder, which is made if it is not there.
  public func saveAdapter(to directory: String) throws {
    guard let options = loraOptions, !adapters.isEmpty else { throw ModelError("\(name) has no adapters to save") }
    try makeFolder(directory)
    var tensors: [(String, Tensor)] = []
    for adapter in adapters {
      let b = try reordered(adapter.b, adapter.projection, configuration, from: configuration.rotaryLayout, to: .halfSplit)
      tensors += [("\(namePrefix)\(adapter.path).lora_A.weight", adapter.a), ("\(namePrefix)\(adapter.path).lora_B.weight", b)]
    }
    try withExtendedLifetime(tensors) {
      try SafetensorsFile.write(
        tensors.map {
          .init(name: $0.0, type: .f32, shape: $0.1.shape, data: UnsafeRawBufferPointer(start: $0.1.pointer, count: 4 * $0.1.count))
        },
        to: "\(directory)/adapter_model.safetensors")
    }
    let config: JSON = [
      "base_model_name_or_path": .string(path), "bias": "none", "fan_in_fan_out": false, "inference_mode": true, "init_lora_weights": true,
      "lora_alpha": Int64(exactly: options.alpha).map { .int($0) } ?? .double(options.alpha), "lora_dropout": .double(options.dropout),
      "modules_to_save": nil, "peft_type": "LORA", "r": .int(Int64(options.rank)),
      "target_modules": .array(options.targets.map { .string($0.rawValue) }), "task_type": "CAUSAL_LM", "use_dora": false,
      "use_rslora": .bool(options.rsLoRA),
    ]
    try AtomicFile.write(config.serialized(pretty: true) + "\n", to: "\(directory)/adapter_config.json")
  }

  /// A policy on this model with adapters that PEFT or `saveAdapter` wrote.
  public func loadingAdapter(from directory: String) throws -> LanguageModel {
    guard adapters.isEmpty else {
      throw ModelError("\(name) has adapters already", hint: "load the adapter onto its base, or merge first")
    }
    let path = "\(directory)/adapter_config.json"
    var options = try LoRAOptions(peft: JSON.read(path: path), source: path)
    let weights = "\(directory)/adapter_model.safetensors"
    let pickle = "\(directory)/adapter_model.bin"
    if access(weights, F_OK) != 0, access(pickle, F_OK) == 0 { throw PickleFile.refusal(pickle) }
    let file = try SafetensorsFile(path: weights)
    var rest = file.tensors
    var found: [Adapter] = []
    for layer in 0..<configuration.numHiddenLayers {
      for projection in Projection.allCases {
        let shape = projection.shape(configuration)
        let read = { (part: String, expected: [Int]) throws -> Tensor? in
          let names = ["\(part).weight", "\(part).default.weight"].map { "\(namePrefix)\(projection.path(layer: layer)).\($0)" }
          guard let stored = names.compactMap({ rest.removeValue(forKey: $0) }).first else { return nil }
          guard stored.shape == expected else {
            throw ModelError(
              "\(file.path): '\(stored.name)' has the shape \(Shape.text(stored.shape)); \(self.name) wants \(Shape.text(expected))")
          }
          return try stored.floats(source: file.path)
        }
        let a = try read("lora_A", [options.rank, shape.columns])
        let b = try read("lora_B", [shape.rows, options.rank])
        guard let a, let b else {
          if a != nil || b != nil { throw ModelError("\(file.path) has only one of the two matrices for \(projection.path(layer: layer))") }
          continue
        }
        let ordered = try reordered(b, projection, configuration, from: .halfSplit, to: configuration.rotaryLayout)
        found.append(
          Adapter(layer: layer, projection: projection, a: a, b: ordered, scale: Float(options.scale), dropout: options.dropout))
      }
    }
    guard rest.isEmpty else {
      throw ModelError(
        "\(file.path) holds tensors that \(name) has no place for, such as '\(rest.keys.sorted()[0])'",
        hint: "is this adapter for another model?")
    }
    guard !found.isEmpty else { throw ModelError("\(file.path) holds no adapters") }
    let targets = Set(found.map(\.projection))
    options.targets = Projection.allCases.filter { targets.contains($0) }
    return withAdapters(found, options)
  }
}

extension LoRAOptions {
  /// Reads `adapter_config.json`; what would change the result and is not supported is refused by name.
  init(peft config: JSON, source: String) throws {
    guard config["peft_type"]?.string == "LORA" else {
      throw ModelError("\(source): the peft_type is '\(config["peft_type"]?.string ?? "none")'; LORA is supported")
    }
    for key in ["use_dora", "fan_in_fan_out", "lora_bias"] where config[key]?.bool == true {
      throw ModelError("\(source): \(key) is true, which is not supported")
    }
    for key in ["rank_pattern", "alpha_pattern"] {
      if let pattern = config[key]?.object, !pattern.isEmpty { throw ModelError("\(source): \(key) is not supported") }
    }
    if let saved = config["modules_to_save"]?.array, !saved.isEmpty { throw ModelError("\(source): modules_to_save is not supported") }
    guard let rank = config["r"]?.int, rank >= 1, rank <= 65_536 else { throw ModelError("\(source) has no rank 'r' from 1 to 65536") }
    guard let alpha = config["lora_alpha"]?.double else { throw ModelError("\(source) has no 'lora_alpha'") }
    self.init(rank: rank, alpha: alpha, dropout: config["lora_dropout"]?.double ?? 0, rsLoRA: config["use_rslora"]?.bool ?? false)
  }
}

extension SafetensorsTensor {
  /// The numbers as an fp32 tensor of its own.
  func floats(source: String) throws -> Tensor {
    let types: [SafetensorsType: WeightType] = [.f32: .f32, .f16: .f16, .bf16: .bf16]
    guard let type = types[self.type] else { throw ModelError("\(source): '\(name)' is of type \(self.type.rawValue), not of floats") }
    let result = try Tensor(shape: shape)
    let bytes = try Storage(count: (self.bytes + 3) / 4)
    UnsafeMutableRawPointer(bytes.base).copyMemory(from: data, byteCount: self.bytes)
    unpack(type, from: UnsafeRawPointer(bytes.base), to: result.pointer, count: result.count)
    return result
  }
}

/// Makes a folder and those it lies in.
func makeFolder(_ path: String) throws {
  var built = path.hasPrefix("/") ? "" : "."
  for part in path.split(separator: "/") {
    built += "/\(part)"
    if mkdir(built, 0o777) != 0, errno != EEXIST {
      throw FormatError("cannot make the folder \(path): \(String(cString: strerror(errno)))")
    }
  }
}
