// A decoder's weights: matrices as views into the mapped file, norms as fp32 tensors. Every shape is compared with the
// configuration before it is used, and a tensor nobody asked for is an error rather than silently left out.

import Formats
import Kernels
import Tensors

/// The weights of one block.
struct LayerWeights: Sendable {
  var attentionNorm: Tensor
  var feedForwardNorm: Tensor
  /// Indexed by `Projection.index`.
  var projections: [Weight]
  /// What is added to a projection's output, indexed alike; nil where there is no bias.
  var biases: [Tensor?]

  func bias(_ projection: Projection) -> Tensor? { biases[projection.index] }

  subscript(_ projection: Projection) -> Weight { projections[projection.index] }
}

extension Projection {
  /// Its place among the seven.
  var index: Int {
    switch self {
    case .query: 0
    case .key: 1
    case .value: 2
    case .output: 3
    case .gate: 4
    case .up: 5
    case .down: 6
    }
  }
}

/// All weights of a decoder; shared by a base model and the policies on it.
final class DecoderWeights: Sendable {
  let embedding: Weight
  let layers: [LayerWeights]
  let finalNorm: Tensor
  /// The embedding itself when they are tied.
  let head: Weight

  /// Gathers the weights of a configuration through two functions that find one by name.
  init(
    _ configuration: Configuration, matrix: (WeightName) throws -> Weight, vector: (WeightName) throws -> Tensor
  ) throws {
    embedding = try matrix(.embedding)
    layers = try (0..<configuration.numHiddenLayers).map { layer in
      LayerWeights(
        attentionNorm: try vector(.attentionNorm(layer: layer)), feedForwardNorm: try vector(.feedForwardNorm(layer: layer)),
        projections: try Projection.allCases.map { try matrix(.projection($0, layer: layer)) },
        biases: try Projection.allCases.map { configuration.biases.contains($0) ? try vector(.bias($0, layer: layer)) : nil })
    }
    finalNorm = try vector(.finalNorm)
    head = configuration.tieWordEmbeddings ? embedding : try matrix(.head)
  }

  /// The matrix under a name; nil for norms.
  func matrix(_ name: WeightName) -> Weight? {
    switch name {
    case .embedding: embedding
    case .head: head
    case .projection(let projection, let layer): layers[layer][projection]
    case .finalNorm, .attentionNorm, .feedForwardNorm, .bias: nil
    }
  }

  /// The norm or bias under a name; nil for matrices.
  func vector(_ name: WeightName) -> Tensor? {
    switch name {
    case .finalNorm: finalNorm
    case .attentionNorm(let layer): layers[layer].attentionNorm
    case .feedForwardNorm(let layer): layers[layer].feedForwardNorm
    case .bias(let projection, let layer): layers[layer].bias(projection)
    case .embedding, .head, .projection: nil
    }
  }

  /// Bytes of all weights, the tied ones counted once.
  func bytes(_ configuration: Configuration) -> Int {
    WeightName.all(configuration).reduce(0) { $0 + (matrix($1)?.bytes ?? 4 * (vector($1)?.count ?? 0)) }
  }

  /// The type that most of the elements have: what the model is said to be.
  func dominantType(_ configuration: Configuration) -> WeightType {
    var counts: [WeightType: Int] = [:]
    for name in WeightName.all(configuration) {
      if let matrix = matrix(name) { counts[matrix.view.type, default: 0] += matrix.view.rows * matrix.view.columns }
    }
    return counts.max { ($0.value, $1.key.rawValue) < ($1.value, $0.key.rawValue) }?.key ?? .f32
  }
}

/// A stored tensor, whichever format it comes from: slowest dimension first.
private struct StoredTensor {
  var name: String
  var shape: [Int]
  var type: WeightType
  var data: UnsafeRawPointer
  var bytes: Int
  /// What keeps `data` alive.
  var owner: AnyObject
}

extension DecoderWeights {
  /// The weights of a GGUF file, as views into it.
  convenience init(gguf file: GGUFFile, _ configuration: Configuration, interleave: Bool) throws {
    let stored = try file.tensors.values.map { tensor -> StoredTensor in
      guard let type = WeightType(rawValue: tensor.type.rawValue) else {
        throw ModelError("\(file.path): the tensor '\(tensor.name)' is of type \(tensor.type.name), which no weight can have")
      }
      return StoredTensor(
        name: tensor.name, shape: tensor.dimensions.reversed(), type: type, data: tensor.data, bytes: tensor.bytes, owner: file)
    }
    try self.init(
      stored, configuration, source: file.path, interleave: interleave, name: { [$0.gguf] }, ignoring: { $0 == "rope_freqs.weight" })
  }

  /// The weights of a folder of safetensors, as views into its files.
  convenience init(safetensors directory: SafetensorsDirectory, _ configuration: Configuration, interleave: Bool) throws {
    let owners: AnyObject = directory
    let types: [SafetensorsType: WeightType] = [.f32: .f32, .f16: .f16, .bf16: .bf16]
    // Tables and masks that older checkpoints keep beside the weights, some of them as whole numbers or truth values.
    let buffers = [
      "rotary_emb.inv_freq", "rotary_emb.cos_cached", "rotary_emb.sin_cached", "self_attn.bias", "self_attn.masked_bias", "position_ids",
      "causal_mask", "attention_mask",
    ]
    let isIgnored = { (name: String) in
      buffers.contains { name.hasSuffix($0) } || configuration.tieWordEmbeddings && name == "lm_head.weight"
    }
    let stored = try directory.tensors.values.filter { !isIgnored($0.name) }.map { tensor -> StoredTensor in
      guard let type = types[tensor.type] else {
        throw ModelError("\(directory.path): the tensor '\(tensor.name)' is of type \(tensor.type.rawValue); F32, F16 and BF16 are run")
      }
      return StoredTensor(name: tensor.name, shape: tensor.shape, type: type, data: tensor.data, bytes: tensor.bytes, owner: owners)
    }
    // A checkpoint of the bare decoder leaves out the "model." in front.
    try self.init(
      stored, configuration, source: directory.path, interleave: interleave,
      name: { [$0.huggingFace] + ($0.huggingFace.hasPrefix("model.") ? [String($0.huggingFace.dropFirst(6))] : []) }, ignoring: isIgnored)
  }

  private convenience init(
    _ stored: [StoredTensor], _ configuration: Configuration, source: String, interleave: Bool, name: (WeightName) -> [String],
    ignoring isIgnored: (String) -> Bool
  ) throws {
    var rest = Dictionary(stored.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    func take(_ wanted: WeightName) throws -> StoredTensor {
      guard let found = name(wanted).compactMap({ rest.removeValue(forKey: $0) }).first else {
        throw ModelError("\(source) has no tensor '\(name(wanted)[0])'", hint: "the file may be incomplete; get it again")
      }
      let shape = wanted.shape(configuration)
      guard found.shape == shape else {
        throw ModelError(
          "\(source): '\(found.name)' has the shape \(Shape.text(found.shape)); the configuration wants \(Shape.text(shape))")
      }
      return found
    }
    try self.init(
      configuration,
      matrix: { name in
        let tensor = try take(name)
        return try tensor.weight(interleave: interleave)
      },
      vector: { name in
        let tensor = try take(name)
        guard tensor.shape[0] % tensor.type.blockElements == 0 else {
          throw ModelError("\(source): '\(tensor.name)' holds no whole blocks")
        }
        let vector = try Tensor(shape: tensor.shape)
        unpack(tensor.type, from: tensor.data, to: vector.pointer, count: vector.count)
        return vector
      })
    let unused = rest.keys.filter { !isIgnored($0) }.sorted()
    guard unused.isEmpty else {
      let shown = unused.prefix(3).map { "'\($0)'" }.joined(separator: ", ") + (unused.count > 3 ? " and \(unused.count - 3) more" : "")
      throw ModelError(
        "\(source) holds tensors that a \(configuration.architecture) decoder of this configuration has no place for: \(shown)",
        hint: "it may be a model of another family")
    }
  }
}

extension StoredTensor {
  /// The tensor as a matrix.
  ///
  /// Numbers that do not lie on a multiple of their size are copied, as kernels read them whole.
  func weight(interleave: Bool) throws -> Weight {
    let element = type == .f32 ? 4 : 2
    var view = WeightView(type: type, base: data, rows: shape[0], columns: shape[1])
    var owner = owner
    if Int(bitPattern: data) % element != 0 {
      let copy = try Storage(count: (bytes + 3) / 4)
      UnsafeMutableRawPointer(copy.base).copyMemory(from: data, byteCount: bytes)
      view = WeightView(type: type, base: UnsafeRawPointer(copy.base), rows: shape[0], columns: shape[1])
      owner = copy
    }
    return Weight(view: view, owner: owner, interleave: interleave)
  }
}
