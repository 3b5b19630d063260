// What of a model learns: all of it in fp32, or all but what a person freezes; and bf16 elements under an fp32 master copy.

import Kernels
import Synchronization
import Tensors

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

extension LanguageModel {
  /// A copy whose weights are fp32 tensors that training may change.
  ///
  /// - Parameters:
  ///   - storage: What the passes read: fp32, or another type that is rounded from the fp32 tensors after each update.
  ///   - isFrozen: Says of a parameter's name whether it stays as it is.
  public func unfrozen(stored storage: WeightType = .f32, freezing isFrozen: (String) -> Bool = { _ in false }) throws -> LanguageModel {
    let weights = try DecoderWeights(
      configuration,
      matrix: { name in
        // What stays as it is needs no copy, and keeps the type it is stored in.
        if isFrozen(name.huggingFace), let matrix = self.weights.matrix(name) {
          return matrix.tensor == nil ? matrix : Weight(view: matrix.view, owner: matrix, interleave: false)
        }
        let tensor = try self.floats(name)
        tensor.requiresGradient = true
        return storage == .f32 ? Weight(tensor: tensor) : try Weight(tensor: tensor, stored: storage)
      },
      vector: { name in
        let vector = try self.norm(name)
        vector.requiresGradient = !isFrozen(name.huggingFace)
        return vector
      })
    return LanguageModel(
      name: name, path: path, configuration: configuration, weights: weights, tokenizer: tokenizer, chatTemplate: chatTemplate,
      origin: origin ?? self)
  }

  /// The names of everything that could learn: the adapters' matrices, or all weights.
  public var learnable: [String] {
    if adapters.isEmpty { return WeightName.all(configuration).map(\.huggingFace) }
    return adapters.flatMap { ["\($0.path).lora_A.weight", "\($0.path).lora_B.weight"] }
  }

  /// This model with some of its parameters frozen besides those that are already; the others are shared with it.
  ///
  /// A model that does not learn yet is unfrozen, all but these.
  public func freezing(_ isFrozen: @escaping (String) -> Bool) throws -> LanguageModel {
    let learning = Set(trainable.map(\.name))
    let stays = { (name: String) in !learning.contains(name) || isFrozen(name) }
    if learning.isEmpty { return try unfrozen(freezing: isFrozen) }
    if let loraOptions, let base {
      let shared = adapters.map { adapter in
        let names = (a: "\(adapter.path).lora_A.weight", b: "\(adapter.path).lora_B.weight")
        return Adapter(
          layer: adapter.layer, projection: adapter.projection, a: adapter.a.detached(), b: adapter.b.detached(), scale: adapter.scale,
          dropout: adapter.dropout, trains: (!stays(names.a), !stays(names.b)))
      }
      return base.withAdapters(shared, loraOptions)
    }
    let weights = try DecoderWeights(
      configuration,
      matrix: { name in
        guard let matrix = self.weights.matrix(name) else { throw ModelError("\(self.name) has no matrix '\(name.huggingFace)'") }
        return stays(name.huggingFace) ? Weight(view: matrix.view, owner: matrix, interleave: false) : matrix
      },
      vector: { name in
        guard let vector = self.weights.vector(name) else { throw ModelError("\(self.name) has no norm '\(name.huggingFace)'") }
        return vector.detached(requiresGradient: !stays(name.huggingFace))
      })
    return LanguageModel(
      name: name, path: path, configuration: configuration, weights: weights, tokenizer: tokenizer, chatTemplate: chatTemplate,
      origin: origin)
  }

  /// A copy that learns apart from this one, with the same parameters frozen.
  public func duplicated() throws -> LanguageModel {
    if let loraOptions, let base {
      let copies = try adapters.map { adapter in
        Adapter(
          layer: adapter.layer, projection: adapter.projection, a: try adapter.a.copied(), b: try adapter.b.copied(), scale: adapter.scale,
          dropout: adapter.dropout, trains: (adapter.a.requiresGradient, adapter.b.requiresGradient))
      }
      return base.withAdapters(copies, loraOptions)
    }
    let learning = Set(trainable.map(\.name))
    return try unfrozen(stored: storageType, freezing: { !learning.contains($0) })
  }

  /// What does not learn though it could, and is not simply the base's: for a checkpoint to keep.
  public func frozenState() throws -> [(name: String, tensor: Tensor)] {
    let learning = Set(trainable.map(\.name))
    if !adapters.isEmpty {
      let all = adapters.flatMap { [("\($0.path).lora_A.weight", $0.a), ("\($0.path).lora_B.weight", $0.b)] }
      return all.filter { !learning.contains($0.0) }
    }
    return try WeightName.all(configuration).compactMap { name in
      if learning.contains(name.huggingFace) { return nil }
      if let vector = weights.vector(name) { return (name.huggingFace, vector) }
      guard let matrix = weights.matrix(name), matrix !== origin?.weights.matrix(name) else { return nil }
      return (name.huggingFace, try floats(name))
    }
  }

  /// A policy on this model as it was before: adapters or the whole model, some of it frozen.
  ///
  /// - Parameters:
  ///   - frozen: The names of what does not learn.
  ///   - has: Says of the name of an adapter's matrix whether it was there: a loaded adapter may be on some layers only.
  ///   - value: The elements of a frozen parameter where `frozenState()` kept them.
  public func policy(
    _ lora: LoRAOptions?, stored storage: WeightType, frozen: Set<String>, has: (String) -> Bool = { _ in true },
    value: (String) throws -> Tensor?
  ) throws -> LanguageModel {
    var values: [String: Tensor] = [:]
    for name in frozen { values[name] = try value(name) }
    let whole =
      try lora.map { options in
        withAdapters(try withLoRA(options).adapters.filter { has("\($0.path).lora_A.weight") }, options)
      } ?? unfrozen(stored: storage, freezing: { frozen.contains($0) && values[$0] == nil })
    for (name, tensor) in whole.trainable {
      guard let kept = values[name] else { continue }
      guard kept.count == tensor.count else {
        throw ModelError("the checkpoint's '\(name)' has \(kept.count) elements, not \(tensor.count)")
      }
      tensor.pointer.update(from: kept.pointer, count: tensor.count)
    }
    whole.parametersChanged()
    return values.isEmpty ? whole : try whole.freezing { frozen.contains($0) }
  }

  /// The type that the passes read of what learns; the same as the optimizer's unless there is a master copy.
  public var storageType: WeightType {
    let learning = WeightName.all(configuration).compactMap { weights.matrix($0) }.filter { $0.tensor?.requiresGradient == true }
    return learning.first?.view.type ?? .f32
  }

  /// Rounds master copies into what the passes read; to be called after something wrote into the parameters.
  public func parametersChanged() {
    for name in WeightName.all(configuration) { weights.matrix(name)?.refresh() }
    WeightChanges.counter.add(1, ordering: .relaxed)
  }
}

/// How often weights that learn were changed in this process: keys and values in a cache are of one such moment.
enum WeightChanges {
  fileprivate static let counter = Atomic<Int>(0)
  static var count: Int { counter.load(ordering: .relaxed) }
}

/// Whether a parameter's name is meant by a pattern: a glob where it has `*`, `?` or `[`, else any part of the name.
public func isParameterName(_ name: String, matching pattern: String) -> Bool {
  guard pattern.contains(where: { "*?[".contains($0) }) else { return name.contains(pattern) }
  return fnmatch(pattern, name, 0) == 0
}
