// Log-probabilities of target tokens from hidden states: the output layer, log-softmax and gather in one, over tiles of the
// vocabulary, so that logits exist only as one tile of rows × vocabulary. The backward pass computes each tile again, unless the caller
// has room for all of them.
//
// Loop order: blocks of rows, then tiles of the vocabulary in order. Tiles start at fixed tokens, so a row's result has the
// same bits whatever other rows are computed with it. Cost: 2·rows·vocabulary·columns FLOPs forward; twice that more backward
// for dx, and once more for dweight.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Tokens per tile of the vocabulary: hidden states are packed, and their gradient is read and written, once per tile.
private let tokensPerTile = 2048
/// Rows per block: a tile of logits takes at most 8 MB.
private let rowsPerBlock = 1024

/// Logits that are in memory at a time where none are kept.
public func logitTileFloats(rows: Int, vocabulary: Int) -> Int { min(rows, rowsPerBlock) * min(vocabulary, tokensPerTile) }

/// log p(target) of each row under softmax(x · weightᵀ).
///
/// - Parameters:
///   - x: Hidden states. Shape (rows, weight.columns).
///   - weight: The output layer. Shape (vocabulary, columns).
///   - targets: One token per row. Shape (rows,).
///   - logProbs: Receives the results. Shape (rows,).
///   - logSumExp: Receives the logarithm of each softmax's denominator, for the backward pass. Shape (rows,).
///   - statistics: Receives what else the logits say, at the price of one more pass over each tile; nil if nobody asks. Shape (rows,).
///   - slopes: Receives the gradient of each log-probability by its row of `x`, for 2·rows·vocabulary·columns FLOPs more: a backward
///     pass that needs no gradient of the weight then has nothing left to compute. Nil if nobody asks. Shape (rows, columns).
///   - kept: Receives all logits for a backward pass that need not compute them again; not together with `slopes`. Nil: they are let go.
///     Shape (rows, keptLogitStride).
///   - poll: Called before each tile; what it throws ends the work, and what was written so far means nothing.
public func linearLogProbForward(
  x: UnsafePointer<Float>, weight: WeightView, targets: UnsafePointer<Int32>, rows: Int,
  logProbs: UnsafeMutablePointer<Float>, logSumExp: UnsafeMutablePointer<Float>, statistics: UnsafeMutablePointer<TokenStatistics>? = nil,
  slopes: UnsafeMutablePointer<Float>? = nil, kept: UnsafeMutablePointer<Float>? = nil, poll: () throws -> Void
) rethrows {
  precondition(slopes == nil || kept == nil, "slopes overwrite logits")
  let context = ThreadContext.current
  let sums = context.floats(.logitSums, count: min(rows, rowsPerBlock))
  let tally = LogProbTally(
    weight: weight, targets: targets, sums: sums, logProbs: logProbs, logSumExp: logSumExp, statistics: statistics)
  try forEachLogitTile(x, weight, rows, kept: kept, poll) { block, tile, logits, stride in
    ThreadPool.shared.forEachRange(of: block.count, grain: rowGrain(tile.count)) { range in
      for index in range {
        let row = block.lowerBound + index
        let values = logits + index * stride
        let (old, new) = tally.add(values, of: tile, row: row, index: index)
        if let slopes {
          // Until the last tile is done: Σ e^(x−new) · weight row, as attention sums values over keys that come in tiles.
          exponentials(values, tile.count, new)
          if tile.lowerBound > 0, new > old { scale(slopes + row * weight.columns, expf(old - new), weight.columns) }
        }
      }
    }
    if let slopes {
      gemmPlain(
        m: block.count, a: logits, lda: stride, weight: weight.slice(rows: tile), c: slopes + block.lowerBound * weight.columns,
        ldc: weight.columns, accumulate: tile.lowerBound > 0)
      if tile.upperBound == weight.rows { finishSlopes(slopes, weight, targets, block, sums) }
    }
  }
}

/// Turns Σ e^(x−top) · weight row into weight row of the target − Σ p · weight row.
private func finishSlopes(
  _ slopes: UnsafeMutablePointer<Float>, _ weight: WeightView, _ targets: UnsafePointer<Int32>, _ block: Range<Int>,
  _ sums: UnsafePointer<Float>
) {
  let columns = weight.columns
  ThreadPool.shared.forEachRange(of: block.count, grain: rowGrain(columns)) { range in
    let own = ThreadContext.current.floats(.unpackedRow, count: columns)
    for index in range {
      let slope = slopes + (block.lowerBound + index) * columns
      unpack(weight.type, from: weight.row(Int(targets[block.lowerBound + index])), to: own, count: columns)
      let share = Lanes(repeating: -1 / sums[index])
      forEachLanes(columns) { at in
        Lanes(at: own + at).addingProduct(Lanes(at: slope + at), share).write(to: slope + at)
      } rest: { start, lanes in
        Lanes(at: own + start, count: lanes).addingProduct(Lanes(at: slope + start, count: lanes), share).write(
          to: slope + start, count: lanes)
      }
    }
  }
}

/// e^(x − top), in place.
@inline(__always)
private func exponentials(_ x: UnsafeMutablePointer<Float>, _ count: Int, _ top: Float) {
  let shift = Lanes(repeating: top)
  forEachLanes(count) { index in
    (Lanes(at: x + index) - shift).exponential.write(to: x + index)
  } rest: { start, lanes in
    (Lanes(at: x + start, count: lanes) - shift).exponential.write(to: x + start, count: lanes)
  }
}

@inline(__always)
private func scale(_ x: UnsafeMutablePointer<Float>, _ factor: Float, _ count: Int) {
  for index in 0..<count { x[index] *= factor }
}

/// Gradients of `linearLogProbForward`: `dx` is written, `dweight` written or added to.
///
/// - Parameters:
///   - dlogProbs: Gradient of each log-probability. Shape (rows,).
///   - logSumExp: What the forward pass saved. Shape (rows,).
///   - dx: Nil if nobody needs it. Shape (rows, columns).
///   - dweight: Nil if the weight is frozen. Shape (vocabulary, columns).
///   - dweightHoldsTerms: Whether the gradient is added to what `dweight` holds.
///   - kept: The logits that the forward pass kept, which are overwritten; nil: they are computed again.
///   - poll: Called before each tile; what it throws ends the work with part of the gradients added.
public func linearLogProbBackward(
  dlogProbs: UnsafePointer<Float>, x: UnsafePointer<Float>, weight: WeightView, targets: UnsafePointer<Int32>,
  logSumExp: UnsafePointer<Float>, rows: Int, dx: UnsafeMutablePointer<Float>?, dweight: UnsafeMutablePointer<Float>?,
  dweightHoldsTerms: Bool = true, kept: UnsafeMutablePointer<Float>? = nil, poll: () throws -> Void
) rethrows {
  if dx == nil && dweight == nil { return }
  let columns = weight.columns
  if rows == 0 || weight.rows == 0 {
    if let dx { fill(dx, with: 0, count: rows * columns) }
    if let dweight, !dweightHoldsTerms { fill(dweight, with: 0, count: weight.rows * columns) }
    return
  }
  try forEachLogitTile(x, weight, rows, kept: kept, computes: kept == nil, poll) { block, tile, logits, stride in
    let width = tile.count
    ThreadPool.shared.forEachRange(of: block.count, grain: rowGrain(width)) { range in
      for index in range {
        let row = block.lowerBound + index
        logitGradient(logits + index * stride, width, logSumExp[row], dlogProbs[row], Int(targets[row]) - tile.lowerBound)
      }
    }
    if let dx {
      gemmPlain(
        m: block.count, a: logits, lda: stride, weight: weight.slice(rows: tile), c: dx + block.lowerBound * columns, ldc: columns,
        accumulate: tile.lowerBound > 0)
    }
    if let dweight {
      gemm(
        transposeA: true, transposeB: false, m: width, n: columns, k: block.count, a: logits, lda: stride,
        b: x + block.lowerBound * columns, ldb: columns, c: dweight + tile.lowerBound * columns, ldc: columns,
        accumulate: dweightHoldsTerms || block.lowerBound > 0)
    }
  }
}

/// The same to the end.
public func linearLogProbForward(
  x: UnsafePointer<Float>, weight: WeightView, targets: UnsafePointer<Int32>, rows: Int,
  logProbs: UnsafeMutablePointer<Float>, logSumExp: UnsafeMutablePointer<Float>, statistics: UnsafeMutablePointer<TokenStatistics>? = nil
) {
  linearLogProbForward(
    x: x, weight: weight, targets: targets, rows: rows, logProbs: logProbs, logSumExp: logSumExp, statistics: statistics, poll: {})
}

/// The same to the end.
public func linearLogProbBackward(
  dlogProbs: UnsafePointer<Float>, x: UnsafePointer<Float>, weight: WeightView, targets: UnsafePointer<Int32>,
  logSumExp: UnsafePointer<Float>, rows: Int, dx: UnsafeMutablePointer<Float>?, dweight: UnsafeMutablePointer<Float>?,
  dweightHoldsTerms: Bool = true
) {
  linearLogProbBackward(
    dlogProbs: dlogProbs, x: x, weight: weight, targets: targets, logSumExp: logSumExp, rows: rows, dx: dx, dweight: dweight,
    dweightHoldsTerms: dweightHoldsTerms, poll: {})
}

/// Logits become their gradient: dlogProb · (1[token = target] − p).
@inline(__always)
private func logitGradient(
  _ logits: UnsafeMutablePointer<Float>, _ width: Int, _ logSumExp: Float, _ dlogProb: Float, _ target: Int
) {
  let shift = Lanes(repeating: logSumExp)
  let factor = Lanes(repeating: -dlogProb)
  forEachLanes(width) { index in
    ((Lanes(at: logits + index) - shift).exponential * factor).write(to: logits + index)
  } rest: { start, lanes in
    ((Lanes(at: logits + start, count: lanes) - shift).exponential * factor).write(to: logits + start, count: lanes)
  }
  if target >= 0 && target < width { logits[target] += dlogProb }
}

/// Floats from a row of kept logits to the next: a line more than a power of two, since rows a page apart would push each other out of
/// the cache.
public func keptLogitStride(vocabulary: Int) -> Int { vocabulary + 16 }

/// The logits of each block of rows and tile of the vocabulary, for `body`: rows × tile, rows `stride` apart.
private func forEachLogitTile(
  _ x: UnsafePointer<Float>, _ weight: WeightView, _ rows: Int, kept: UnsafeMutablePointer<Float>?, computes: Bool = true,
  _ poll: () throws -> Void,
  _ body: (_ block: Range<Int>, _ tile: Range<Int>, _ logits: UnsafeMutablePointer<Float>, _ stride: Int) -> Void
) rethrows {
  let width = keptLogitStride(vocabulary: kept == nil ? min(tokensPerTile, weight.rows) : weight.rows)
  for first in stride(from: 0, to: rows, by: rowsPerBlock) {
    let block = first..<min(rows, first + rowsPerBlock)
    let room = kept == nil ? ThreadContext.current.floats(.logits, count: block.count * width) : nil
    for tile in logitTiles(weight.rows) {
      try poll()
      guard let logits = kept.map({ $0 + first * width + tile.lowerBound }) ?? room else { continue }
      if computes {
        gemmTransposed(
          m: block.count, a: x + first * weight.columns, lda: weight.columns, weight: weight.slice(rows: tile), c: logits, ldc: width,
          accumulate: false)
      }
      body(block, tile, logits, width)
    }
  }
}

/// The vocabulary in tiles that start at fixed tokens.
private func logitTiles(_ vocabulary: Int) -> [Range<Int>] {
  stride(from: 0, to: vocabulary, by: tokensPerTile).map { $0..<min(vocabulary, $0 + tokensPerTile) }
}

extension WeightView {
  /// The rows in `range`, in place.
  func slice(rows range: Range<Int>) -> WeightView {
    WeightView(type: type, base: base + range.lowerBound * rowBytes, rows: range.count, columns: columns)
  }
}
