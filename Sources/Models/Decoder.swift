// Reading tokens into a key-value cache: a prompt in batches of rows, then one token after the other. Buffers are made once and
// the kernels are called on them directly, so that a decoded token allocates nothing. Tested equal to Transformer.swift.

import Kernels
import Tensors

/// A model at work on one sequence: its cache, and the logits after the last token.
public final class Decoder {
  /// The model.
  public let model: LanguageModel
  /// What was read so far.
  public let cache: KVCache
  /// Whether the model's adapters take part.
  public let adapters: Bool

  /// The most rows of a prompt that go through the layers at once.
  private static let batchRows = 256
  private var buffers: Buffers
  private let logitsStorage: Storage
  private var rotary: RotaryTable

  /// A decoder with an empty cache; `capacity` tokens fit before the cache grows.
  public init(_ model: LanguageModel, capacity: Int = 0, adapters: Bool = true) throws {
    self.model = model
    self.adapters = adapters && !model.adapters.isEmpty
    cache = try KVCache(model.configuration, capacity: min(capacity, model.configuration.maxPositionEmbeddings))
    buffers = try Buffers(model, rows: 1)
    logitsStorage = try Storage(count: model.configuration.vocabularySize)
    rotary = model.rotaryTables.table(positions: max(1, capacity))
  }

  /// The logits after the last token read, shape (vocabularySize,).
  public var logits: UnsafePointer<Float> { UnsafePointer(logitsStorage.base) }

  /// Reads tokens; afterwards `logits` are those that follow the last of them.
  ///
  /// - Parameter shouldStop: Asked between batches of a long prompt.
  /// - Returns: Whether all were read; what was read before a stop stays in the cache.
  @discardableResult
  public func read(_ ids: [Int32], shouldStop: () -> Bool = { false }) throws -> Bool {
    guard !ids.isEmpty else { return true }
    let end = cache.count + ids.count
    guard end <= model.configuration.maxPositionEmbeddings else { throw ModelError.tooLong(end, model) }
    try model.checkVocabulary(ids)
    // Growth by half, so that a conversation does not copy its cache at each turn.
    if end > cache.capacity { try cache.reserve(min(max(end, cache.capacity * 3 / 2), model.configuration.maxPositionEmbeddings)) }
    if end > rotary.positions { rotary = model.rotaryTables.table(positions: end) }
    var start = 0
    while start < ids.count {
      if start > 0, shouldStop() { return false }
      let rows = min(Self.batchRows, ids.count - start)
      let batch = rows == 1 ? buffers : try Buffers(model, rows: rows)
      forward(ids[start..<start + rows], batch, isLast: start + rows == ids.count)
      start += rows
    }
    return true
  }

  /// Reads one token, without allocating anything where `read` or `cache.reserve` made room.
  public func step(_ id: Int32) throws {
    let end = cache.count + 1
    guard end <= cache.capacity, end <= rotary.positions else {
      try read([id])
      return
    }
    try withUnsafePointer(to: id) { try model.checkVocabulary(UnsafeBufferPointer(start: $0, count: 1)) }
    withUnsafePointer(to: id) { forward(UnsafeBufferPointer(start: $0, count: 1), buffers, isLast: true) }
  }

  /// The rows `ids` through all layers, keys and values into the cache; the logits of the last row if `isLast`.
  private func forward(_ ids: some RandomAccessCollection<Int32>, _ b: Buffers, isLast: Bool) {
    let c = model.configuration
    let weights = model.weights
    let (rows, width) = (ids.count, c.hiddenSize)
    let embedding = weights.embedding.view
    for (row, id) in ids.enumerated() {
      unpack(embedding.type, from: embedding.row(Int(id)), to: b.x + row * width, count: width)
      b.positions[row] = Int32(cache.count + row)
    }
    for layer in 0..<c.numHiddenLayers {
      attention(layer, b, rows)
      feedForward(layer, b, rows)
    }
    cache.commit(ids)
    guard isLast else { return }
    let last = b.x + (rows - 1) * width
    rmsNormForward(
      x: last, weight: weights.finalNorm.pointer, out: b.normed, inverseRMS: nil, rows: 1, columns: width, epsilon: c.rmsNormEpsilon)
    multiply(weights.head, b.normed, 1, logitsStorage.base)
  }

  private func attention(_ layer: Int, _ b: Buffers, _ rows: Int) {
    let c = model.configuration
    let start = cache.count
    let keys = cache.keys(layer)
    let values = cache.values(layer)
    let newKeys = keys + start * c.keyValueWidth
    rmsNormForward(
      x: b.x, weight: model.weights.layers[layer].attentionNorm.pointer, out: b.normed, inverseRMS: nil, rows: rows, columns: c.hiddenSize,
      epsilon: c.rmsNormEpsilon)
    project(.query, layer, b.normed, rows, b.q, b)
    project(.key, layer, b.normed, rows, newKeys, b)
    project(.value, layer, b.normed, rows, values + start * c.keyValueWidth, b)
    if !c.layersWithoutRotary.contains(layer) {
      turn(b.q, heads: c.numAttentionHeads, b, rows)
      turn(newKeys, heads: c.numKeyValueHeads, b, rows)
    }
    let shape = AttentionShape(
      queries: rows, keys: start + rows, heads: c.numAttentionHeads, keyValueHeads: c.numKeyValueHeads, headDimension: c.headDimension,
      slidingWindow: c.slidingWindow)
    if rows == 1 {
      attentionDecode(q: b.q, keys: keys, values: values, type: .f32, out: b.mixed, shape: shape)
    } else {
      attentionForward(q: b.q, k: keys, v: values, out: b.mixed, logSumExp: nil, shape: shape)
    }
    project(.output, layer, b.mixed, rows, b.delta, b)
    addInto(b.x, b.delta, rows * c.hiddenSize)
  }

  private func turn(_ x: UnsafeMutablePointer<Float>, heads: Int, _ b: Buffers, _ rows: Int) {
    let shape = RotaryShape(rows: rows, heads: heads, headDimension: model.configuration.headDimension)
    rotaryForward(x: x, positions: b.positions, shape: shape, table: rotary, layout: model.configuration.rotaryLayout)
  }

  private func feedForward(_ layer: Int, _ b: Buffers, _ rows: Int) {
    let c = model.configuration
    rmsNormForward(
      x: b.x, weight: model.weights.layers[layer].feedForwardNorm.pointer, out: b.normed, inverseRMS: nil, rows: rows,
      columns: c.hiddenSize, epsilon: c.rmsNormEpsilon)
    project(.gate, layer, b.normed, rows, b.gate, b)
    project(.up, layer, b.normed, rows, b.up, b)
    swigluForward(gate: b.gate, up: b.up, out: b.gate, count: rows * c.intermediateSize)
    project(.down, layer, b.gate, rows, b.delta, b)
    addInto(b.x, b.delta, rows * c.hiddenSize)
  }

  private func project(
    _ projection: Projection, _ layer: Int, _ x: UnsafePointer<Float>, _ rows: Int, _ y: UnsafeMutablePointer<Float>, _ b: Buffers
  ) {
    let weight = model.weights.layers[layer][projection]
    multiply(weight, x, rows, y)
    defer {
      if let bias = model.weights.layers[layer].bias(projection) {
        for row in 0..<rows { addInto(y + row * bias.count, bias.pointer, bias.count) }
      }
    }
    guard adapters, let adapter = model.adapter(projection, layer: layer) else { return }
    let (down, up) = (matrixView(adapter.a), matrixView(adapter.b))
    if rows == 1 {
      matVec(weight: down, interleaved: nil, x: x, y: b.low)
      for index in 0..<down.rows { b.low[index] *= adapter.scale }
      matVec(weight: up, interleaved: nil, x: b.low, y: b.raised)
      addInto(y, b.raised, up.rows)
    } else {
      gemmTransposed(m: rows, a: x, lda: down.columns, weight: down, c: b.low, ldc: down.rows, accumulate: false)
      for index in 0..<rows * down.rows { b.low[index] *= adapter.scale }
      gemmTransposed(m: rows, a: b.low, lda: down.rows, weight: up, c: y, ldc: up.rows, accumulate: true)
    }
  }

  private func multiply(_ weight: Weight, _ x: UnsafePointer<Float>, _ rows: Int, _ y: UnsafeMutablePointer<Float>) {
    let view = weight.view
    if rows == 1 {
      matVec(weight: view, interleaved: weight.interleaved, x: x, y: y)
    } else {
      gemmTransposed(m: rows, a: x, lda: view.columns, weight: view, c: y, ldc: view.rows, accumulate: false)
    }
  }
}

/// y += x.
private func addInto(_ y: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ count: Int) {
  for index in 0..<count { y[index] += x[index] }
}

/// What lies between the layers, for a number of rows.
private struct Buffers {
  private let storage: Storage
  private let positionStorage: Storage
  let x: UnsafeMutablePointer<Float>  // (rows, C) residual stream
  let normed: UnsafeMutablePointer<Float>  // (rows, C)
  let q: UnsafeMutablePointer<Float>  // (rows, heads · D)
  let mixed: UnsafeMutablePointer<Float>  // (rows, heads · D)
  let delta: UnsafeMutablePointer<Float>  // (rows, C)
  let gate: UnsafeMutablePointer<Float>  // (rows, F)
  let up: UnsafeMutablePointer<Float>  // (rows, F)
  let low: UnsafeMutablePointer<Float>  // (rows, rank)
  let raised: UnsafeMutablePointer<Float>  // (widest output)
  let positions: UnsafeMutablePointer<Int32>  // (rows)

  init(_ model: LanguageModel, rows: Int) throws {
    let c = model.configuration
    let rank = model.adapters.map { $0.a.shape[0] }.max() ?? 0
    let widest = max(c.hiddenSize, c.queryWidth, c.intermediateSize)
    let sizes = [
      rows * c.hiddenSize, rows * c.hiddenSize, rows * c.queryWidth, rows * c.queryWidth, rows * c.hiddenSize, rows * c.intermediateSize,
      rows * c.intermediateSize, rows * rank, rank == 0 ? 0 : widest,
    ].map { ($0 + 15) / 16 * 16 }
    storage = try Storage(count: sizes.reduce(0, +))
    var next = storage.base
    var pieces: [UnsafeMutablePointer<Float>] = []
    for size in sizes {
      pieces.append(next)
      next += size
    }
    (x, normed, q, mixed, delta) = (pieces[0], pieces[1], pieces[2], pieces[3], pieces[4])
    (gate, up, low, raised) = (pieces[5], pieces[6], pieces[7], pieces[8])
    positionStorage = try Storage(count: rows)
    positions = UnsafeMutableRawPointer(positionStorage.base).bindMemory(to: Int32.self, capacity: rows)
  }
}
