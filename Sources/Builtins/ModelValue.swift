// Models and tokenizers as zs values: their fields, and the line that the prompt shows for them.

import Kernels
import Language
import Models
import Tokenizers

/// A language model of the language; a reference.
public final class ModelValue: ObjectValue {
  /// The model itself.
  public let model: LanguageModel
  /// The name in displays, `smollm2#1`.
  public let label: String
  private let loadSeconds: Double?
  /// How far it is from the model it was converted from; nil for one that was not.
  public let difference: LogitDifference?

  /// Wraps a model; `number` tells models of one name apart, `seconds` is how long loading took.
  public init(_ model: LanguageModel, number: Int? = nil, seconds: Double? = nil) {
    self.model = model
    label = number.map { "\(model.name)#\($0)" } ?? model.name
    loadSeconds = seconds
    difference = nil
  }

  /// A model made from this one: it keeps the name.
  public func derived(_ model: LanguageModel, difference: LogitDifference? = nil) -> ModelValue {
    ModelValue(model, label: label, difference: difference)
  }

  private init(_ model: LanguageModel, label: String, difference: LogitDifference?) {
    self.model = model
    self.label = label
    self.difference = difference
    loadSeconds = nil
  }

  /// The name that `type(x)` gives.
  public var typeName: String { "model" }

  /// The fields of language.md and what belongs to them.
  public var fieldNames: [String] {
    ["name", "config", "parameters", "trainable", "dtype", "bytes", "path", "tokenizer", "template", "adapters", "base", "difference"]
  }

  /// A field by name.
  public func field(_ name: String) throws -> Value? {
    switch name {
    case "name": .string(model.name)
    case "config": .map(try configurationMap())
    case "parameters": .int(Int64(model.parameterCount))
    case "trainable": .int(Int64(model.trainable.reduce(0) { $0 + $1.tensor.count }))
    case "dtype": .string(model.weightType.name)
    case "bytes": .int(Int64(model.weightBytes))
    case "path": .string(model.path)
    case "tokenizer": model.tokenizer.map { .object(TokenizerValue($0, name: model.name)) } ?? Value.none
    case "template": model.chatTemplate.map { .string($0) } ?? Value.none
    case "adapters": .list(try model.adapters.map { try $0.value() })
    case "difference": difference.map { .map($0.map) } ?? Value.none
    case "base": model.base.map { .object(ModelValue($0)) } ?? Value.none
    default: nil
    }
  }

  /// The same model, adapters included.
  public func isEqual(to other: any ObjectValue) -> Bool { (other as? ModelValue)?.model === model }

  /// One line: name, shape, parameters, type, size, adapters.
  public func display(_ options: DisplayOptions) -> String {
    var parts = [
      "model \(label)", model.configuration.summary,
      "\(compact(model.parameterCount)) \(model.weightType.name) (\(megabytes(model.weightBytes)))",
    ]
    if let lora = model.loraOptions {
      let targets = lora.targets.count == Projection.allCases.count ? "all-linear" : lora.targets.map(\.rawValue).joined(separator: " ")
      let trained = model.adapters.reduce(0) { $0 + $1.a.count + $1.b.count }
      parts.append("lora r\(lora.rank) α\(shortNumber(lora.alpha)) \(targets) · \(compact(trained)) trainable")
    } else if !model.trainable.isEmpty {
      parts.append("trainable")
    }
    if let difference { parts.append(difference.text) }
    if let loadSeconds, !options.plain { parts.append("loaded in \(decimal(loadSeconds, 1)) s") }
    return parts.joined(separator: " · ")
  }
}

/// A tokenizer of the language.
public final class TokenizerValue: ObjectValue {
  /// The tokenizer itself.
  public let tokenizer: Tokenizer
  private let name: String

  /// Wraps a tokenizer under the name of its model or file.
  public init(_ tokenizer: Tokenizer, name: String) {
    self.tokenizer = tokenizer
    self.name = name
  }

  /// The name that `type(x)` gives.
  public var typeName: String { "tokenizer" }

  /// Size, control tokens, template.
  public var fieldNames: [String] { ["vocab_size", "kind", "bos", "eos", "pad", "unk", "adds_bos", "template"] }

  /// A field by name.
  public func field(_ name: String) throws -> Value? {
    let id = { (id: Int?) -> Value in id.map { .int(Int64($0)) } ?? Value.none }
    return switch name {
    case "vocab_size": .int(Int64(tokenizer.vocabularySize))
    case "kind": .string(tokenizer.kind)
    case "bos": id(tokenizer.bosID)
    case "eos": id(tokenizer.eosID)
    case "pad": id(tokenizer.padID)
    case "unk": id(tokenizer.unknownID)
    case "adds_bos": .bool(tokenizer.addsBOS)
    case "template": tokenizer.chatTemplate.map { .string($0) } ?? Value.none
    default: nil
    }
  }

  /// The same tokenizer.
  public func isEqual(to other: any ObjectValue) -> Bool { (other as? TokenizerValue)?.tokenizer === tokenizer }

  /// One line: name, kind, size, control tokens.
  public func display(_ options: DisplayOptions) -> String {
    var parts = ["tokenizer \(name)", tokenizer.kind, "\(tokenizer.vocabularySize) tokens"]
    if let bos = tokenizer.bosToken { parts.append("bos \(bos)") }
    if let eos = tokenizer.eosToken { parts.append("eos \(eos)") }
    return parts.joined(separator: " · ")
  }
}

extension Configuration {
  /// The configuration under the names of config.json.
  var map: ValueMap {
    [
      "architecture": .string(architecture), "vocab_size": .int(Int64(vocabularySize)), "hidden_size": .int(Int64(hiddenSize)),
      "intermediate_size": .int(Int64(intermediateSize)), "num_hidden_layers": .int(Int64(numHiddenLayers)),
      "num_attention_heads": .int(Int64(numAttentionHeads)), "num_key_value_heads": .int(Int64(numKeyValueHeads)),
      "head_dim": .int(Int64(headDimension)), "max_position_embeddings": .int(Int64(maxPositionEmbeddings)),
      "rms_norm_eps": .float(Double("\(rmsNormEpsilon)") ?? Double(rmsNormEpsilon)), "rope_theta": .float(ropeTheta),
      "sliding_window": slidingWindow.map { .int(Int64($0)) } ?? Value.none, "tie_word_embeddings": .bool(tieWordEmbeddings),
      "bos_token_id": bosTokenID.map { .int(Int64($0)) } ?? Value.none, "eos_token_id": .list(eosTokenIDs.map { .int(Int64($0)) }),
    ]
  }
}

extension Adapter {
  /// The adapter as a map with copies of its matrices.
  fileprivate func value() throws -> Value {
    .map(["name": .string(path), "scale": .float(Double(scale)), "a": .tensor(try a.copied()), "b": .tensor(try b.copied())])
  }
}

/// 134_515_008 as "134.5M".
func compact(_ count: Int) -> String {
  switch count {
  case ..<1000: "\(count)"
  case ..<1_000_000: "\(decimal(Double(count) / 1e3, 1))K"
  case ..<1_000_000_000: "\(decimal(Double(count) / 1e6, 1))M"
  default: "\(decimal(Double(count) / 1e9, 1))B"
  }
}

/// Bytes as "94 MB", in units of 1024.
func megabytes(_ bytes: Int) -> String {
  switch bytes {
  case ..<(1 << 20): "\(decimal(Double(bytes) / 1024, 0)) KB"
  case ..<(1 << 30): "\(decimal(Double(bytes) / Double(1 << 20), 0)) MB"
  default: "\(decimal(Double(bytes) / Double(1 << 30), 1)) GB"
  }
}

/// A number with that many digits after the point.
func decimal(_ number: Double, _ digits: Int) -> String {
  guard number.isFinite else { return "\(number)" }
  var scale = 1.0
  for _ in 0..<digits { scale *= 10 }
  let scaled = (number.magnitude * scale).rounded()
  guard scaled < 9e15 else { return "\(number)" }
  let whole = Int64(scaled)
  let unit = Int64(scale)
  let fraction = digits == 0 ? "" : "." + String(repeating: "0", count: digits - "\(whole % unit)".count) + "\(whole % unit)"
  return (number < 0 && whole != 0 ? "-" : "") + "\(whole / unit)" + fraction
}

/// 32 for 32.0, 0.5 for 0.5.
private func shortNumber(_ number: Double) -> String { Int64(exactly: number).map(String.init) ?? "\(number)" }
