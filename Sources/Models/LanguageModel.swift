// A language model: configuration, weights, tokenizer, and perhaps adapters on a shared base. What it computes is in
// Transformer.swift (whole texts, differentiable), Decoder.swift (token by token) and LanguageModel+Scoring.swift.

import Formats
import Kernels
import Tensors
import Tokenizers

/// A decoder with its tokenizer; a policy is one with adapters that shares its base's weights.
public final class LanguageModel: Sendable {
  /// The name it was loaded under.
  public let name: String
  /// Where it was loaded from.
  public let path: String
  /// Its numbers.
  public let configuration: Configuration
  /// The tokenizer, if the files have one.
  public let tokenizer: Tokenizer?
  /// The chat template in Jinja, if the files have one.
  public let chatTemplate: String?
  /// The adapters on its projections, in the order data passes through them; empty for a plain model.
  public let adapters: [Adapter]
  /// How the adapters were made; nil for a plain model.
  public let loraOptions: LoRAOptions?
  /// The model whose weights the adapters sit on; nil for a plain model.
  public let base: LanguageModel?
  /// The frozen model that this one was unfrozen from; nil for others.
  public let origin: LanguageModel?

  let weights: DecoderWeights
  let rotaryTables: RotaryTables
  private let adapterIndex: [Adapter?]

  init(
    name: String, path: String, configuration: Configuration, weights: DecoderWeights, tokenizer: Tokenizer?, chatTemplate: String?,
    base: LanguageModel? = nil, origin: LanguageModel? = nil, adapters: [Adapter] = [], loraOptions: LoRAOptions? = nil
  ) {
    self.name = name
    self.path = path
    self.configuration = configuration
    self.weights = weights
    self.tokenizer = tokenizer
    self.chatTemplate = chatTemplate
    self.base = base
    self.origin = origin
    self.adapters = adapters
    self.loraOptions = loraOptions
    rotaryTables = base?.rotaryTables ?? RotaryTables(configuration)
    var index = [Adapter?](repeating: nil, count: configuration.numHiddenLayers * Projection.allCases.count)
    for adapter in adapters { index[adapter.layer * Projection.allCases.count + adapter.projection.index] = adapter }
    adapterIndex = index
  }

  func adapter(_ projection: Projection, layer: Int) -> Adapter? { adapterIndex[layer * Projection.allCases.count + projection.index] }

  /// Parameters of the weights, without adapters; tied ones are counted once.
  public var parameterCount: Int { configuration.parameterCount }
  /// The type that most weights are stored in.
  public var weightType: WeightType { weights.dominantType(configuration) }
  /// Bytes of the weights as they are stored.
  public var weightBytes: Int { weights.bytes(configuration) }

  /// What training changes, by Hugging Face or PEFT name: the adapters, or the weights after `unfrozen()`; empty for a frozen model.
  public var trainable: [(name: String, tensor: Tensor)] {
    if !adapters.isEmpty {
      let all = adapters.flatMap { [("\($0.path).lora_A.weight", $0.a), ("\($0.path).lora_B.weight", $0.b)] }
      return all.filter { $0.1.requiresGradient }
    }
    return WeightName.all(configuration).compactMap { name in
      guard let tensor = weights.matrix(name)?.tensor ?? weights.vector(name), tensor.requiresGradient else { return nil }
      return (name.huggingFace, tensor)
    }
  }

  /// A policy that shares this model's weights and has fresh adapters, which change nothing until they are trained.
  public func withLoRA(_ options: LoRAOptions = .init()) throws -> LanguageModel {
    guard adapters.isEmpty else {
      throw ModelError("\(name) has adapters already", hint: "merge them first, or put the new ones on its base")
    }
    try options.validate()
    var made: [Adapter] = []
    for layer in 0..<configuration.numHiddenLayers {
      for projection in options.targets {
        made.append(try Adapter.fresh(layer: layer, projection: projection, configuration, options))
      }
    }
    return withAdapters(made, options)
  }

  /// A policy with the names PEFT and TRL give the options.
  public func withLoRA(
    rank: Int, alpha: Double, targets: [String] = ["all-linear"], dropout: Double = 0, seed: UInt64, rsLoRA: Bool = false
  ) throws -> LanguageModel {
    try withLoRA(
      LoRAOptions(
        rank: rank, alpha: alpha, targets: try LoRAOptions.targets(named: targets), dropout: dropout, rsLoRA: rsLoRA, seed: seed))
  }

  func withAdapters(_ adapters: [Adapter], _ options: LoRAOptions) -> LanguageModel {
    LanguageModel(
      name: name, path: path, configuration: configuration, weights: weights, tokenizer: tokenizer, chatTemplate: chatTemplate, base: self,
      adapters: adapters, loraOptions: options)
  }

  /// A plain model whose weights are this one's with the adapters multiplied in, in fp32.
  public func merged() throws -> LanguageModel {
    let weights = try DecoderWeights(
      configuration,
      matrix: { name in
        let tensor = try self.floats(name)
        if case .projection(let projection, let layer) = name, let adapter = self.adapter(projection, layer: layer) {
          adapter.add(to: tensor)
        }
        return Weight(view: matrixView(tensor), owner: tensor, interleave: false)
      }, vector: { try self.norm($0) })
    return LanguageModel(
      name: name, path: path, configuration: configuration, weights: weights, tokenizer: tokenizer, chatTemplate: chatTemplate)
  }

  /// A matrix as fp32 in memory of its own.
  func floats(_ name: WeightName) throws -> Tensor {
    guard let view = weights.matrix(name)?.view else { throw ModelError("\(self.name) has no matrix '\(name.huggingFace)'") }
    let tensor = try Tensor(shape: [view.rows, view.columns])
    unpack(view.type, from: view.base, to: tensor.pointer, count: tensor.count)
    return tensor
  }

  /// A norm or bias in memory of its own.
  func norm(_ name: WeightName) throws -> Tensor {
    guard let vector = try weights.vector(name)?.copied() else {
      throw ModelError("\(self.name) has no norm or bias '\(name.huggingFace)'")
    }
    return vector
  }

  /// A copy whose matrices are stored in another type; norms and biases stay fp32.
  ///
  /// A matrix whose rows are no whole blocks gets the type that llama.cpp falls back to.
  public func converted(to type: WeightType, progress: WritingProgress = { _, _ in }) throws -> LanguageModel {
    try converted(progress, type: { name in type.fitting(columns: name.shape(self.configuration).last ?? 1) })
  }

  /// A copy whose matrices are stored as a file of that type would have them.
  public func converted(as type: ModelFileType, progress: WritingProgress = { _, _ in }) throws -> LanguageModel {
    try converted(progress, type: { name in type.type(of: name, self.configuration) })
  }

  private func converted(_ progress: WritingProgress, type wanted: (WeightName) -> WeightType) throws -> LanguageModel {
    guard adapters.isEmpty else { throw ModelError("\(name) has adapters; merge them before its weights are stored in another type") }
    var done = 0
    let total = WeightName.all(configuration).reduce(0) { $0 + (self.weights.matrix($1)?.bytes ?? 0) }
    let weights = try DecoderWeights(
      configuration,
      matrix: { name in
        guard let view = self.weights.matrix(name)?.view else { throw ModelError("\(self.name) has no matrix '\(name.huggingFace)'") }
        let type = wanted(name)
        let target = try Storage(count: (view.rows * type.rowBytes(columns: view.columns) + 3) / 4)
        // In pieces, so that a long conversion can be stopped.
        let (piece, rowBytes) = (max(1, (16 << 20) / max(1, view.rowBytes)), type.rowBytes(columns: view.columns))
        for start in stride(from: 0, to: view.rows, by: piece) {
          let rows = start..<min(start + piece, view.rows)
          repackRows(view, rows: Array(rows), as: type, to: UnsafeMutableRawPointer(target.base) + start * rowBytes)
          done += rows.count * view.rowBytes
          try progress(done, total)
        }
        let converted = WeightView(type: type, base: UnsafeRawPointer(target.base), rows: view.rows, columns: view.columns)
        return Weight(view: converted, owner: target, interleave: self.weightBytes <= Self.interleaveLimit)
      },
      vector: { try self.norm($0) })
    return LanguageModel(
      name: name, path: path, configuration: configuration, weights: weights, tokenizer: tokenizer, chatTemplate: chatTemplate)
  }

  /// Refuses ids that are no tokens of this model.
  func checkVocabulary(_ ids: some Sequence<Int32>) throws {
    for id in ids where id < 0 || Int(id) >= configuration.vocabularySize {
      throw ModelError("\(id) is no token id of \(name): they run from 0 to \(configuration.vocabularySize - 1)")
    }
  }

  /// Ids as the kernels take them, checked.
  func tokens(_ ids: some Sequence<Int>) throws -> [Int32] {
    try ids.map { id in
      guard id >= 0, id < configuration.vocabularySize else {
        throw ModelError("\(id) is no token id of \(name): they run from 0 to \(configuration.vocabularySize - 1)")
      }
      return Int32(id)
    }
  }
}

extension Adapter {
  /// Adds scale·B·A to the fp32 matrix it sits on.
  func add(to matrix: Tensor) {
    let (rows, columns, rank) = (matrix.shape[0], matrix.shape[1], a.shape[0])
    let scaled = b.values.map { $0 * scale }
    scaled.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      gemm(
        transposeA: false, transposeB: false, m: rows, n: columns, k: rank, a: base, lda: rank, b: a.pointer, ldb: columns,
        c: matrix.pointer, ldc: columns, accumulate: true)
    }
  }
}
