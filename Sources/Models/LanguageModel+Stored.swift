// The weights of a model as they lie in memory: what a checkpoint compares a base model by, and how a model that no file holds
// any more, such as one with adapters merged in, is kept and brought back with every bit.

import Formats
import Kernels
import OrderedCollections
import Tensors

/// One weight as it is stored, under its Hugging Face name but in this model's own row order.
public struct StoredWeight {
  /// The name in a Hugging Face checkpoint.
  public var name: String
  /// How the elements are stored.
  public var type: WeightType
  /// (rows, columns) of a matrix, (elements) of a norm.
  public var shape: [Int]
  /// The bytes; valid while the model lives.
  public var bytes: UnsafeRawBufferPointer
}

extension LanguageModel {
  /// The weights without adapters, in the order data passes through them.
  public var storedWeights: [StoredWeight] {
    WeightName.all(configuration).compactMap { name in
      if let view = weights.matrix(name)?.view {
        let bytes = UnsafeRawBufferPointer(start: view.base, count: view.rows * view.rowBytes)
        return StoredWeight(name: name.huggingFace, type: view.type, shape: [view.rows, view.columns], bytes: bytes)
      }
      return weights.vector(name).map { vector in
        let bytes = UnsafeRawBufferPointer(start: vector.pointer, count: 4 * vector.count)
        return StoredWeight(name: name.huggingFace, type: .f32, shape: vector.shape, bytes: bytes)
      }
    }
  }

  /// Writes the weights as they are stored, blocks as bytes; `replacingWeights(from:)` reads them.
  public func saveStoredWeights(to path: String) throws {
    let stored = storedWeights
    var metadata: OrderedDictionary<String, String> = ["format": "zs"]
    for weight in stored { metadata["type:\(weight.name)"] = weight.type.name }
    let outputs = stored.map { SafetensorsFile.Output(name: $0.name, type: .u8, shape: [$0.bytes.count], data: $0.bytes) }
    try withExtendedLifetime(self) { try SafetensorsFile.write(outputs, metadata: metadata, to: path) }
  }

  /// This model's shape, tokenizer and template with the weights that `saveStoredWeights` wrote.
  public func replacingWeights(from path: String) throws -> LanguageModel {
    let file = try SafetensorsFile(path: path)
    func bytes(_ name: WeightName) throws -> (type: WeightType, storage: Storage) {
      guard let tensor = file.tensors[name.huggingFace],
        let type = WeightType.allCases.first(where: { $0.name == file.metadata["type:\(name.huggingFace)"] })
      else { throw ModelError("\(path) has no weight '\(name.huggingFace)'") }
      let shape = name.shape(configuration)
      let expected = shape.count == 2 ? shape[0] * type.rowBytes(columns: shape[1]) : 4 * shape[0]
      guard tensor.bytes == expected else {
        throw ModelError("\(path): '\(name.huggingFace)' has \(tensor.bytes) bytes; \(self.name) wants \(expected)")
      }
      let storage = try Storage(count: (tensor.bytes + 3) / 4)
      UnsafeMutableRawPointer(storage.base).copyMemory(from: tensor.data, byteCount: tensor.bytes)
      return (type, storage)
    }
    let replaced = try DecoderWeights(
      configuration,
      matrix: { name in
        let (type, storage) = try bytes(name)
        let shape = name.shape(self.configuration)
        let view = WeightView(type: type, base: UnsafeRawPointer(storage.base), rows: shape[0], columns: shape[1])
        return Weight(view: view, owner: storage, interleave: file.tensors.values.reduce(0) { $0 + $1.bytes } <= Self.interleaveLimit)
      },
      vector: { name in
        let vector = try Tensor(shape: name.shape(self.configuration))
        vector.pointer.update(from: try bytes(name).storage.base, count: vector.count)
        return vector
      })
    return LanguageModel(
      name: name, path: self.path, configuration: configuration, weights: replaced, tokenizer: tokenizer, chatTemplate: chatTemplate)
  }
}

extension LanguageModel {
  /// The type of weights under a name such as `q8_0`.
  public func weightType(named name: String) -> WeightType? { WeightType.allCases.first { $0.name == name } }
}
