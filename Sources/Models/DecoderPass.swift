// Rows of tokens through all layers, keys and values into caches. Two ways: the rows of one prompt by matrix products, or one row
// of each of several sequences by matrix-vector products. In both a row's bits do not depend on the other rows. The kernels are
// called on buffers directly. Tested equal to Transformer.swift.

import Kernels
import Tensors

/// Buffers for a number of rows, and the way of rows through the layers.
final class DecoderPass {
  private let model: LanguageModel
  private let adapters: Bool
  private let buffers: Buffers
  private let decodeRows: UnsafeMutablePointer<AttentionDecodeRow>

  /// Whether the rows are the next tokens of one prompt, or one token of each of several sequences.
  private enum Kind { case prompt, step }

  init(_ model: LanguageModel, rows: Int, adapters: Bool) throws {
    self.model = model
    self.adapters = adapters
    buffers = try Buffers(model, rows: rows)
    decodeRows = .allocate(capacity: rows)
  }

  deinit { decodeRows.deallocate() }

  /// The next tokens of the one sequence of `caches`.
  func read(_ ids: some RandomAccessCollection<Int32>, _ caches: [KVCache], _ rotary: RotaryTable) throws {
    try caches[0].makeRoom(ids.count)
    for row in 0..<ids.count { buffers.positions[row] = Int32(caches[0].count + row) }
    try forward(ids, caches, .prompt, rotary)
    caches[0].commit(ids)
  }

  /// One token of each sequence.
  func step(_ ids: some RandomAccessCollection<Int32>, _ caches: [KVCache], _ rotary: RotaryTable) throws {
    for (row, cache) in caches.enumerated() {
      try cache.makeRoom(1)
      buffers.positions[row] = Int32(cache.count)
    }
    try forward(ids, caches, .step, rotary)
    for (cache, id) in zip(caches, ids) { cache.commit(CollectionOfOne(id)) }
  }

  /// The logits of the first `rows` rows, shape (rows, vocabularySize).
  func logits(_ rows: Int, into out: UnsafeMutablePointer<Float>) { logits(rows, from: buffers.x, .step, out) }

  /// The logits of the last of `rows` rows, shape (vocabularySize,).
  func lastLogits(_ rows: Int, into out: UnsafeMutablePointer<Float>) {
    logits(1, from: buffers.x + (rows - 1) * model.configuration.hiddenSize, .step, out)
  }

  private func logits(_ rows: Int, from x: UnsafePointer<Float>, _ kind: Kind, _ out: UnsafeMutablePointer<Float>) {
    let c = model.configuration
    rmsNormForward(
      x: x, weight: model.weights.finalNorm.pointer, out: buffers.normed, inverseRMS: nil, rows: rows, columns: c.hiddenSize,
      epsilon: c.rmsNormEpsilon)
    multiply(model.weights.head, buffers.normed, rows, out, kind)
  }

  /// Leaving at a safe point changes no cache: rows count once they are committed.
  private func forward(_ ids: some RandomAccessCollection<Int32>, _ caches: [KVCache], _ kind: Kind, _ rotary: RotaryTable) throws {
    let (rows, width) = (ids.count, model.configuration.hiddenSize)
    let embedding = model.weights.embedding.view
    for (row, id) in ids.enumerated() {
      unpack(embedding.type, from: embedding.row(Int(id)), to: buffers.x + row * width, count: width)
    }
    for layer in 0..<model.configuration.numHiddenLayers {
      try SafePoint.pass()
      try attention(layer, rows, caches, kind, rotary)
      try feedForward(layer, rows, kind)
    }
  }

  private func attention(_ layer: Int, _ rows: Int, _ caches: [KVCache], _ kind: Kind, _ rotary: RotaryTable) throws {
    let c = model.configuration
    let b = buffers
    rmsNormForward(
      x: b.x, weight: model.weights.layers[layer].attentionNorm.pointer, out: b.normed, inverseRMS: nil, rows: rows, columns: c.hiddenSize,
      epsilon: c.rmsNormEpsilon)
    try project(.query, layer, b.normed, rows, b.q, kind)
    try project(.key, layer, b.normed, rows, b.k, kind)
    try project(.value, layer, b.normed, rows, b.v, kind)
    if !c.layersWithoutRotary.contains(layer) {
      turn(b.q, heads: c.numAttentionHeads, rows, rotary)
      turn(b.k, heads: c.numKeyValueHeads, rows, rotary)
    }
    switch kind {
    case .prompt: attendPrompt(caches[0], layer, rows)
    case .step: attendStep(caches, layer)
    }
    try project(.output, layer, b.mixed, rows, b.delta, kind)
    addInto(b.x, b.delta, rows * c.hiddenSize)
  }

  /// The rows of a prompt look at all of the cache that the first of them sees, as floats end to end.
  private func attendPrompt(_ cache: KVCache, _ layer: Int, _ rows: Int) {
    let c = model.configuration
    cache.write(buffers.k, buffers.v, rows: rows, layer: layer)
    // Whole pages, so that the tiles of attention, and with them the bits, do not depend on where a batch begins.
    let first = cache.firstVisible(cache.count) / attentionPageTokens * attentionPageTokens
    let tokens = first..<cache.count + rows
    let room = ThreadContext.current.floats(.cachedRows, count: 2 * tokens.count * c.keyValueWidth)
    let (keys, values) = (room, room + tokens.count * c.keyValueWidth)
    let layout = cache.layout(layer)
    readPages(cache.pageTable, offset: layout.keyOffset, layout: layout, tokens: tokens, into: keys)
    readPages(cache.pageTable, offset: layout.valueOffset, layout: layout, tokens: tokens, into: values)
    let shape = AttentionShape(
      queries: rows, keys: tokens.count, heads: c.numAttentionHeads, keyValueHeads: c.numKeyValueHeads, headDimension: c.headDimension,
      slidingWindow: c.slidingWindow)
    attentionForward(q: buffers.q, k: keys, v: values, out: buffers.mixed, logSumExp: nil, shape: shape)
  }

  /// Each row looks at its own cache.
  private func attendStep(_ caches: [KVCache], _ layer: Int) {
    let c = model.configuration
    for (row, cache) in caches.enumerated() {
      cache.write(buffers.k + row * c.keyValueWidth, buffers.v + row * c.keyValueWidth, rows: 1, layer: layer)
      (decodeRows + row).initialize(
        to: AttentionDecodeRow(
          q: buffers.q + row * c.queryWidth, out: buffers.mixed + row * c.queryWidth, pages: cache.pageTable, keys: cache.count + 1))
    }
    let shape = AttentionShape(
      queries: 1, heads: c.numAttentionHeads, keyValueHeads: c.numKeyValueHeads, headDimension: c.headDimension,
      slidingWindow: c.slidingWindow)
    attentionDecode(rows: UnsafeBufferPointer(start: decodeRows, count: caches.count), layout: caches[0].layout(layer), shape: shape)
  }

  private func turn(_ x: UnsafeMutablePointer<Float>, heads: Int, _ rows: Int, _ rotary: RotaryTable) {
    let shape = RotaryShape(rows: rows, heads: heads, headDimension: model.configuration.headDimension)
    rotaryForward(x: x, positions: buffers.positions, shape: shape, table: rotary, layout: model.configuration.rotaryLayout)
  }

  private func feedForward(_ layer: Int, _ rows: Int, _ kind: Kind) throws {
    let c = model.configuration
    let b = buffers
    rmsNormForward(
      x: b.x, weight: model.weights.layers[layer].feedForwardNorm.pointer, out: b.normed, inverseRMS: nil, rows: rows,
      columns: c.hiddenSize, epsilon: c.rmsNormEpsilon)
    try project(.gate, layer, b.normed, rows, b.gate, kind)
    try project(.up, layer, b.normed, rows, b.up, kind)
    swigluForward(gate: b.gate, up: b.up, out: b.gate, count: rows * c.intermediateSize)
    try project(.down, layer, b.gate, rows, b.delta, kind)
    addInto(b.x, b.delta, rows * c.hiddenSize)
  }

  private func project(
    _ projection: Projection, _ layer: Int, _ x: UnsafePointer<Float>, _ rows: Int, _ y: UnsafeMutablePointer<Float>, _ kind: Kind
  ) throws {
    // Many rows through one matrix of a large model take a while.
    if kind == .prompt { try SafePoint.pass() }
    multiply(model.weights.layers[layer][projection], x, rows, y, kind)
    defer {
      if let bias = model.weights.layers[layer].bias(projection) {
        for row in 0..<rows { addInto(y + row * bias.count, bias.pointer, bias.count) }
      }
    }
    guard adapters, let adapter = model.adapter(projection, layer: layer) else { return }
    let (down, up) = (matrixView(adapter.a), matrixView(adapter.b))
    let (low, raised) = (buffers.low, buffers.raised)
    switch kind {
    case .step:
      matVecs(weight: down, interleaved: nil, x: x, count: rows, y: low)
      for index in 0..<rows * down.rows { low[index] *= adapter.scale }
      matVecs(weight: up, interleaved: nil, x: low, count: rows, y: raised)
      addInto(y, raised, rows * up.rows)
    case .prompt:
      lowRankDown(
        x, adapter.a.pointer, isTransposed: true, scale: adapter.scale, rows: rows, columns: down.columns, rank: down.rows, out: low)
      lowRankUp(low, adapter.b.pointer, isTransposed: true, rows: rows, columns: up.rows, rank: down.rows, addingTo: y)
    }
  }

  private func multiply(
    _ weight: Weight, _ x: UnsafePointer<Float>, _ rows: Int, _ y: UnsafeMutablePointer<Float>, _ kind: Kind
  ) {
    let view = weight.view
    switch kind {
    case .step: matVecs(weight: view, interleaved: weight.interleaved, x: x, count: rows, y: y)
    case .prompt: gemmTransposed(m: rows, a: x, lda: view.columns, weight: view, c: y, ldc: view.rows, accumulate: false)
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
  let k: UnsafeMutablePointer<Float>  // (rows, key-value heads · D)
  let v: UnsafeMutablePointer<Float>  // (rows, key-value heads · D)
  let mixed: UnsafeMutablePointer<Float>  // (rows, heads · D)
  let delta: UnsafeMutablePointer<Float>  // (rows, C)
  let gate: UnsafeMutablePointer<Float>  // (rows, F)
  let up: UnsafeMutablePointer<Float>  // (rows, F)
  let low: UnsafeMutablePointer<Float>  // (rows, rank)
  let raised: UnsafeMutablePointer<Float>  // (rows, widest output)
  let positions: UnsafeMutablePointer<Int32>  // (rows)

  init(_ model: LanguageModel, rows: Int) throws {
    let c = model.configuration
    let rank = model.adapters.map { $0.a.shape[0] }.max() ?? 0
    let widest = max(c.hiddenSize, c.queryWidth, c.intermediateSize)
    let sizes = [
      c.hiddenSize, c.hiddenSize, c.queryWidth, c.keyValueWidth, c.keyValueWidth, c.queryWidth, c.hiddenSize, c.intermediateSize,
      c.intermediateSize, rank, rank == 0 ? 0 : widest,
    ].map { (rows * $0 + 15) / 16 * 16 }
    storage = try Storage(count: sizes.reduce(0, +))
    var next = storage.base
    var pieces: [UnsafeMutablePointer<Float>] = []
    for size in sizes {
      pieces.append(next)
      next += size
    }
    (x, normed, q, k, v, mixed) = (pieces[0], pieces[1], pieces[2], pieces[3], pieces[4], pieces[5])
    (delta, gate, up, low, raised) = (pieces[6], pieces[7], pieces[8], pieces[9], pieces[10])
    positionStorage = try Storage(count: rows)
    positions = UnsafeMutableRawPointer(positionStorage.base).bindMemory(to: Int32.self, capacity: rows)
  }
}
