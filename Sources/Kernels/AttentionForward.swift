// Causal grouped-query attention, forward, over tiles with an online softmax: nothing of size queries × keys is kept.
//
// One task: a tile of queries of all heads of one group, over the key tiles it sees, in order. Scores are computed
// transposed, S[key, query], with queries in the vector lanes: keys are then scalars read in place, and maxima and sums of
// the softmax run down the tile with no horizontal step. Key tiles start at fixed keys, so a query's result has the same
// bits whatever else is computed with it. Cost: 4 FLOPs per visible (query, key) pair, head and element.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Attention: out = softmax(scale · q·kᵀ + mask) · v, for each head.
///
/// - Parameters:
///   - q: Queries. Shape (queries, heads, headDimension).
///   - k: Keys. Shape (keys, keyValueHeads, headDimension).
///   - v: Values, of the shape of `k`.
///   - out: Receives the result, of the shape of `q`; not `q`.
///   - logSumExp: Receives the logarithm of each softmax's denominator for the backward pass, or nil. Shape (heads, queries).
///   - spans: Which queries see which keys, each query in one span; nil: all of them.
/// - Source: Dao 2023, arXiv:2307.08691, Algorithm 1.
public func attentionForward(
  q: UnsafePointer<Float>, k: UnsafePointer<Float>, v: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>,
  logSumExp: UnsafeMutablePointer<Float>?, shape: AttentionShape, spans: [AttentionSpan]? = nil
) {
  let spans = spans ?? [AttentionSpan.whole(shape)]
  let tile = ForwardTile(q: q, k: k, v: v, out: out, logSumExp: logSumExp, shape: shape)
  // Tasks of all documents in one list, late queries (most keys) first, so that short documents fill the gaps of long ones.
  var tasks: [(span: Int, first: Int, cost: Int)] = []
  for (index, span) in spans.enumerated() {
    for first in stride(from: 0, to: span.queries, by: tile.queriesPerTile) {
      let last = span.queryOffset + min(first + tile.queriesPerTile, span.queries)
      tasks.append((index, first, last - shape.firstKey(span.queryOffset + first)))
    }
  }
  tasks.sort { ($1.cost, $0.span, $0.first) < ($0.cost, $1.span, $1.first) }
  ThreadPool.shared.run(tasks.count * shape.keyValueHeads) { index in
    let task = tasks[index / shape.keyValueHeads]
    tile.run(spans[task.span], head: index % shape.keyValueHeads, first: task.first)
  }
}

/// Keys per tile of the forward pass.
private let keysPerTile = 64

private struct ForwardTile {
  let q: UnsafePointer<Float>
  let k: UnsafePointer<Float>
  let v: UnsafePointer<Float>
  let out: UnsafeMutablePointer<Float>
  let logSumExp: UnsafeMutablePointer<Float>?
  let shape: AttentionShape

  /// At least 32 rows of scores per task, over all heads of the group; few queries, so that little is computed beyond the causal edge.
  var queriesPerTile: Int { shape.group == 1 ? 32 : 16 }

  /// The queries `first` ..< `first + queriesPerTile` of a span, for the heads of key-value head `head`.
  func run(_ span: AttentionSpan, head: Int, first: Int) {
    let dimension = shape.headDimension
    let group = shape.group
    let queries = min(queriesPerTile, span.queries - first)
    let padded = (queries + 15) / 16 * 16
    let lanes = group * padded  // rows of the task, in lanes: head of the group, then query
    let context = ThreadContext.current
    let scratch = context.floats(.attention, count: lanes * (dimension + keysPerTile + 3))
    let queryTile = scratch  // [dimension, lanes], scaled
    let scores = queryTile + lanes * dimension  // [keysPerTile, lanes]
    let top = scores + lanes * keysPerTile  // largest score so far
    let sum = top + lanes  // Σ e^(score − top)
    let correction = sum + lanes
    let queryRow = span.query + first
    for member in 0..<group {
      let source = q + queryRow * shape.queryStride + (head * group + member) * dimension
      packTransposed(
        source, rows: queries, columns: dimension, stride: shape.queryStride, scale: shape.scale, to: queryTile + member * padded,
        ld: lanes, padded: padded)
    }
    top.update(repeating: -Float.greatestFiniteMagnitude, count: lanes)  // finite, so that differences are never NaN
    sum.update(repeating: 0, count: lanes)

    let firstPosition = span.queryOffset + first
    let endKey = min(span.keys, firstPosition + queries)
    var key = shape.firstKey(firstPosition) / keysPerTile * keysPerTile
    var isFirst = true
    while key < endKey {
      let keys = min(keysPerTile, endKey - key)
      let keyRows = k + (span.key + key) * shape.keyStride + head * dimension
      tileMatmul(
        m: keys, n: lanes, k: dimension, a: TileOperand(base: keyRows, rowStride: shape.keyStride, stepStride: 1), b: queryTile,
        ldb: lanes, c: scores, ldc: lanes, accumulate: false)
      mask(scores, lanes, padded, keys: keys, firstKey: key, firstPosition: firstPosition, queries: queries)
      softmaxStep(scores, lanes, keys, top, sum, correction)
      let valueRows = v + (span.key + key) * shape.valueStride + head * dimension
      for member in 0..<group {
        let rows = out + queryRow * shape.outputStride + (head * group + member) * dimension
        if !isFirst { scaleRows(rows, queries, correction + member * padded) }
        tileMatmul(
          m: queries, n: dimension, k: keys, a: TileOperand(base: scores + member * padded, rowStride: 1, stepStride: lanes),
          b: valueRows, ldb: shape.valueStride, c: rows, ldc: shape.outputStride, accumulate: !isFirst)
      }
      isFirst = false
      key += keysPerTile
    }
    for member in 0..<group {
      let query = queryRow * shape.outputStride + (head * group + member) * dimension
      for row in 0..<queries { correction[member * padded + row] = 1 / sum[member * padded + row] }
      scaleRows(out + query, queries, correction + member * padded)
      guard let logSumExp else { continue }
      let target = logSumExp + (head * group + member) * shape.queries + queryRow
      for row in 0..<queries { target[row] = top[member * padded + row] + logf(sum[member * padded + row]) }
    }
  }

  /// Sets scores of keys that a query does not see to −∞, where the tile has such.
  @inline(__always)
  private func mask(
    _ scores: UnsafeMutablePointer<Float>, _ lanes: Int, _ padded: Int, keys: Int, firstKey: Int, firstPosition: Int, queries: Int
  ) {
    let lastKey = firstKey + keys - 1
    let isCausalEdge = lastKey > firstPosition
    let window = shape.slidingWindow ?? Int(Int32.max)
    let isWindowEdge = firstPosition + queries - 1 - firstKey >= window
    guard isCausalEdge || isWindowEdge else { return }
    let hidden = Lanes(repeating: -.infinity)
    // Distance of a lane's query from the tile's first key: key c is seen if c ≤ distance and distance − c < window.
    let steps = SIMD16<Int32>(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
    for start in stride(from: 0, to: lanes, by: 16) {
      let distance = steps &+ Int32(truncatingIfNeeded: firstPosition + start % padded - firstKey)
      for key in 0..<keys {
        let behind = distance &- Int32(truncatingIfNeeded: key)
        let at = scores + key * lanes + start
        let unseen = (behind .< 0) .| (behind .>= Int32(truncatingIfNeeded: window))
        Lanes(at: at).replacing(with: hidden, where: unseen).write(to: at)
      }
    }
  }

  /// Multiplies each output row by its factor.
  @inline(__always)
  private func scaleRows(_ rows: UnsafeMutablePointer<Float>, _ count: Int, _ factors: UnsafePointer<Float>) {
    for row in 0..<count {
      let at = rows + row * shape.outputStride
      let factor = Lanes(repeating: factors[row])
      forEachLanes(shape.headDimension) { index in
        (Lanes(at: at + index) * factor).write(to: at + index)
      } rest: { start, lanes in
        for index in start..<start + lanes { at[index] *= factor[0] }
      }
    }
  }
}

/// One step of the online softmax: scores become e^(score − top), and what came before is to be multiplied by `correction`.
@inline(__always)
private func softmaxStep(
  _ scores: UnsafeMutablePointer<Float>, _ lanes: Int, _ keys: Int, _ top: UnsafeMutablePointer<Float>,
  _ sum: UnsafeMutablePointer<Float>, _ correction: UnsafeMutablePointer<Float>
) {
  for start in stride(from: 0, to: lanes, by: 16) {
    let column = scores + start
    let old = Lanes(at: top + start)
    var new = old
    for key in 0..<keys { new = new.larger(Lanes(at: column + key &* lanes)) }
    let factor = (old - new).exponential
    var total = Lanes(at: sum + start) * factor
    for key in 0..<keys {
      let at = column + key &* lanes
      let power = (Lanes(at: at) - new).exponential
      power.write(to: at)
      total += power
    }
    new.write(to: top + start)
    total.write(to: sum + start)
    factor.write(to: correction + start)
  }
}

/// target[column, row] = scale · source[row, column], rows from `rows` to `padded` filled with zeros; `ld` floats between columns.
@inline(__always)
func packTransposed(
  _ source: UnsafePointer<Float>, rows: Int, columns: Int, stride: Int, scale: Float, to target: UnsafeMutablePointer<Float>,
  ld: Int, padded: Int
) {
  var row = 0
  while row &+ 4 <= rows {
    let from = source + row &* stride
    let to = target + row
    var column = 0
    while column &+ 4 <= columns {
      let a = four(from + column) * scale
      let b = four(from + column + stride) * scale
      let c = four(from + column + 2 &* stride) * scale
      let d = four(from + column + 3 &* stride) * scale
      write(SIMD4(a[0], b[0], c[0], d[0]), to + column &* ld)
      write(SIMD4(a[1], b[1], c[1], d[1]), to + (column &+ 1) &* ld)
      write(SIMD4(a[2], b[2], c[2], d[2]), to + (column &+ 2) &* ld)
      write(SIMD4(a[3], b[3], c[3], d[3]), to + (column &+ 3) &* ld)
      column &+= 4
    }
    while column < columns {
      for lane in 0..<4 { to[column &* ld &+ lane] = from[lane &* stride &+ column] * scale }
      column &+= 1
    }
    row &+= 4
  }
  while row < rows {
    for column in 0..<columns { target[column &* ld &+ row] = source[row &* stride &+ column] * scale }
    row &+= 1
  }
  if rows < padded {
    for column in 0..<columns { (target + column &* ld + rows).update(repeating: 0, count: padded &- rows) }
  }
}

@inline(__always)
private func four(_ pointer: UnsafePointer<Float>) -> SIMD4<Float> {
  UnsafeRawPointer(pointer).loadUnaligned(as: SIMD4<Float>.self)
}

@inline(__always)
private func write(_ value: SIMD4<Float>, _ pointer: UnsafeMutablePointer<Float>) {
  UnsafeMutableRawPointer(pointer).storeBytes(of: value, as: SIMD4<Float>.self)
}
