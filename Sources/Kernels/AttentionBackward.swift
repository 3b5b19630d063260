// Causal grouped-query attention, backward: scores are computed again from q, k and the saved logarithms, tile by tile.
//
// A task is a pair (query tile i, key tile j) of one key-value head; it adds to dq of tile i and to dk, dv of tile j. The
// pairs run in phases along anti-diagonals, i + j = phase (mod tiles): within a phase no two pairs share i or j, so no two
// tasks write the same memory, each pair is computed once, and the order of all sums is fixed for any number of threads.
// Cost: 10 FLOPs per visible (query, key) pair, head and element. Scratch: transposed copies of k and v.

/// Queries and keys per tile of the backward pass.
private let tileSize = 64

/// Gradients of `attentionForward`, added into `dq`, `dk` and `dv`.
///
/// - Parameters:
///   - dout: Gradient of the result, with the strides of `out`.
///   - out: What the forward pass computed.
///   - logSumExp: What the forward pass saved. Shape (heads, queries).
///   - dq: Of the shape and strides of `q`; `dk` and `dv` accordingly.
/// - Source: Dao 2023, arXiv:2307.08691, Algorithm 2.
public func attentionBackward(
  dout: UnsafePointer<Float>, q: UnsafePointer<Float>, k: UnsafePointer<Float>, v: UnsafePointer<Float>, out: UnsafePointer<Float>,
  logSumExp: UnsafePointer<Float>, dq: UnsafeMutablePointer<Float>, dk: UnsafeMutablePointer<Float>, dv: UnsafeMutablePointer<Float>,
  shape: AttentionShape, spans: [AttentionSpan]? = nil
) {
  let spans = spans ?? [AttentionSpan.whole(shape)]
  let heads = shape.keyValueHeads
  let blockSize = shape.headDimension * tileSize
  var firstBlocks: [Int] = []  // of each span, in units of key tiles
  var blocks = 0
  for span in spans {
    firstBlocks.append(blocks)
    blocks += tiles(span.keys)
  }
  let packed = ThreadContext.current.floats(.attentionPacked, count: 2 * blocks * heads * blockSize + shape.heads * shape.queries)
  let delta = packed + 2 * blocks * heads * blockSize  // Σ dout·out. Shape (heads, queries).
  let pass = BackwardTile(
    dout: dout, q: q, k: k, v: v, logSumExp: logSumExp, delta: delta, dq: dq, dk: dk, dv: dv, shape: shape,
    keyBlocks: packed, valueBlocks: packed + blocks * heads * blockSize)

  let packing = spans.indices.flatMap { span in (0..<tiles(spans[span].keys)).map { (span: span, tile: $0) } }
  ThreadPool.shared.run(packing.count * heads) { index in
    let (span, tile) = packing[index / heads]
    pass.packKeys(spans[span], block: firstBlocks[span] + tile, tile: tile, head: index % heads)
  }
  ThreadPool.shared.forEachRange(of: shape.queries, grain: rowGrain(shape.heads * shape.headDimension)) { range in
    for query in range {
      for head in 0..<shape.heads {
        let at = query * shape.outputStride + head * shape.headDimension
        delta[head * shape.queries + query] = sumOfProducts(dout + at, out + at, shape.headDimension)
      }
    }
  }

  let cycles = spans.map { max(tiles($0.queries), tiles($0.keys)) }
  var tasks: [(span: Int, queryTile: Int, keyTile: Int)] = []
  for phase in 0..<(cycles.max() ?? 0) {
    tasks.removeAll(keepingCapacity: true)
    for (index, span) in spans.enumerated() where phase < cycles[index] {
      for queryTile in 0..<tiles(span.queries) {
        let keyTile = (phase - queryTile + cycles[index]) % cycles[index]
        if pass.sees(span, queryTile, keyTile) { tasks.append((index, queryTile, keyTile)) }
      }
    }
    ThreadPool.shared.run(tasks.count * heads) { index in
      let task = tasks[index / heads]
      pass.run(
        spans[task.span], block: firstBlocks[task.span] + task.keyTile, queryTile: task.queryTile, keyTile: task.keyTile,
        head: index % heads)
    }
  }
}

private func tiles(_ count: Int) -> Int { (count + tileSize - 1) / tileSize }

private struct BackwardTile {
  let dout: UnsafePointer<Float>
  let q: UnsafePointer<Float>
  let k: UnsafePointer<Float>
  let v: UnsafePointer<Float>
  let logSumExp: UnsafePointer<Float>
  let delta: UnsafePointer<Float>
  let dq: UnsafeMutablePointer<Float>
  let dk: UnsafeMutablePointer<Float>
  let dv: UnsafeMutablePointer<Float>
  let shape: AttentionShape
  /// Keys and values transposed, one block [headDimension, tileSize] per key tile and head.
  let keyBlocks: UnsafeMutablePointer<Float>
  let valueBlocks: UnsafeMutablePointer<Float>

  private func blockOffset(_ block: Int, _ head: Int) -> Int {
    (block * shape.keyValueHeads + head) * shape.headDimension * tileSize
  }

  func packKeys(_ span: AttentionSpan, block: Int, tile: Int, head: Int) {
    let dimension = shape.headDimension
    let key = span.key + tile * tileSize
    let keys = min(tileSize, span.keys - tile * tileSize)
    let at = blockOffset(block, head)
    packTransposed(
      k + key * shape.keyStride + head * dimension, rows: keys, columns: dimension, stride: shape.keyStride, scale: 1,
      to: keyBlocks + at, ld: tileSize, padded: tileSize)
    packTransposed(
      v + key * shape.valueStride + head * dimension, rows: keys, columns: dimension, stride: shape.valueStride, scale: 1,
      to: valueBlocks + at, ld: tileSize, padded: tileSize)
  }

  /// Whether some query of the tile sees some key of the tile.
  func sees(_ span: AttentionSpan, _ queryTile: Int, _ keyTile: Int) -> Bool {
    let first = span.queryOffset + queryTile * tileSize
    let last = span.queryOffset + min((queryTile + 1) * tileSize, span.queries) - 1
    let firstKey = keyTile * tileSize
    let lastKey = min((keyTile + 1) * tileSize, span.keys) - 1
    return firstKey <= min(last, span.keys - 1) && lastKey >= shape.firstKey(first)
  }

  func run(_ span: AttentionSpan, block: Int, queryTile: Int, keyTile: Int, head: Int) {
    let queries = min(tileSize, span.queries - queryTile * tileSize)
    let firstKey = keyTile * tileSize
    let firstPosition = span.queryOffset + queryTile * tileSize
    let keys = min(tileSize, span.keys - firstKey)
    // On the causal edge each strip of queries stops at its own last key.
    let isEdge = firstKey + keys - 1 > firstPosition
    let rows = isEdge ? tileSize / 2 : tileSize
    for first in stride(from: 0, to: queries, by: rows) {
      let part = QueryPart(
        query: span.query + queryTile * tileSize + first, rows: min(rows, queries - first), position: firstPosition + first,
        firstKey: firstKey)
      let seen = min(keys, part.position + part.rows - firstKey)
      if seen > 0 { run(part, key: span.key + firstKey, keys: seen, block: blockOffset(block, head), head: head) }
    }
  }

  /// Some queries that meet one key tile.
  private struct QueryPart {
    let query: Int
    let rows: Int
    let position: Int
    let firstKey: Int
  }

  private func run(_ part: QueryPart, key: Int, keys: Int, block: Int, head: Int) {
    let dimension = shape.headDimension
    let (query, rows) = (part.query, part.rows)
    let lanes = (keys + 15) / 16 * 16
    let weights = ThreadContext.current.floats(.attention, count: 2 * tileSize * tileSize)  // softmax weights, [rows, tileSize]
    let dscores = weights + tileSize * tileSize
    for member in head * shape.group..<(head + 1) * shape.group {
      let queryAt = query * shape.queryStride + member * dimension
      let outAt = query * shape.outputStride + member * dimension
      let keyAt = key * shape.keyStride + head * dimension
      let valueAt = key * shape.valueStride + head * dimension
      tileMatmul(
        m: rows, n: lanes, k: dimension, a: TileOperand(base: q + queryAt, rowStride: shape.queryStride, stepStride: 1),
        b: keyBlocks + block, ldb: tileSize, c: weights, ldc: tileSize, accumulate: false)
      tileMatmul(
        m: rows, n: lanes, k: dimension, a: TileOperand(base: dout + outAt, rowStride: shape.outputStride, stepStride: 1),
        b: valueBlocks + block, ldb: tileSize, c: dscores, ldc: tileSize, accumulate: false)
      softmaxGradient(weights, dscores, part, lanes: lanes, statistics: member * shape.queries + query, keys: keys)
      tileMatmul(
        m: keys, n: dimension, k: rows, a: TileOperand(base: weights, rowStride: 1, stepStride: tileSize), b: dout + outAt,
        ldb: shape.outputStride, c: dv + valueAt, ldc: shape.valueStride, accumulate: true)
      tileMatmul(
        m: keys, n: dimension, k: rows, a: TileOperand(base: dscores, rowStride: 1, stepStride: tileSize), b: q + queryAt,
        ldb: shape.queryStride, c: dk + keyAt, ldc: shape.keyStride, accumulate: true)
      tileMatmul(
        m: rows, n: dimension, k: keys, a: TileOperand(base: dscores, rowStride: tileSize, stepStride: 1), b: k + keyAt,
        ldb: shape.keyStride, c: dq + queryAt, ldc: shape.queryStride, accumulate: true)
    }
  }

  /// Turns products into softmax weights p = e^(scale·s − logSumExp), and dp into dscores = scale · p · (dp − delta).
  @inline(__always)
  private func softmaxGradient(
    _ weights: UnsafeMutablePointer<Float>, _ dscores: UnsafeMutablePointer<Float>, _ part: QueryPart, lanes: Int, statistics: Int,
    keys: Int
  ) {
    let (rows, firstPosition, firstKey) = (part.rows, part.position, part.firstKey)
    let window = shape.slidingWindow ?? Int(Int32.max)
    let isEdge = firstKey + keys - 1 > firstPosition || firstPosition + rows - 1 - firstKey >= window
    let scale = Lanes(repeating: shape.scale)
    let steps = SIMD16<Int32>(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
    let hidden = Lanes(repeating: 0)
    for row in 0..<rows {
      let logSum = Lanes(repeating: -logSumExp[statistics + row])
      let shift = Lanes(repeating: delta[statistics + row])
      let distance = Int32(truncatingIfNeeded: firstPosition + row - firstKey)
      for start in stride(from: 0, to: lanes, by: 16) {
        let at = row * tileSize + start
        var p = logSum.addingProduct(Lanes(at: weights + at), scale).exponential
        if isEdge {
          let behind = SIMD16<Int32>(repeating: distance &- Int32(truncatingIfNeeded: start)) &- steps
          p.replace(with: hidden, where: (behind .< 0) .| (behind .>= Int32(truncatingIfNeeded: window)))
        }
        p.write(to: weights + at)
        (p * (Lanes(at: dscores + at) - shift) * scale).write(to: dscores + at)
      }
    }
  }
}
