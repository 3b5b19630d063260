// Log-probabilities of target tokens from hidden states: the output layer, log-softmax and gather in one, over tiles of the
// vocabulary, so that logits exist only as one tile of rows × vocabulary. The backward pass computes each tile again.
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

/// Tokens per tile of the vocabulary.
private let tokensPerTile = 1024
/// Rows per block: a tile of logits takes at most 4 MB.
private let rowsPerBlock = 1024

/// What a row of logits says beyond its target's log-probability.
public struct TokenStatistics: Sendable, Equatable {
  /// −Σ p log p of the next token's distribution, nats.
  public var entropy: Float = 0
  /// The mean of the raw logits over the vocabulary.
  public var meanLogit: Float = 0
  /// log Σ p² of the distribution: the log-probability that two draws agree, nats.
  public var logSquareSum: Float = 0
  /// Whether no token is likelier than the target.
  public var isTargetLikeliest = false

  /// Nothing seen yet.
  public init() {}
}

/// log p(target) of each row under softmax(x · weightᵀ).
///
/// - Parameters:
///   - x: Hidden states. Shape (rows, weight.columns).
///   - weight: The output layer. Shape (vocabulary, columns).
///   - targets: One token per row. Shape (rows,).
///   - logProbs: Receives the results. Shape (rows,).
///   - logSumExp: Receives the logarithm of each softmax's denominator, for the backward pass. Shape (rows,).
///   - statistics: Receives what else the logits say, at the price of one more pass over each tile; nil if nobody asks. Shape (rows,).
///   - poll: Called before each tile; what it throws ends the work, and what was written so far means nothing.
public func linearLogProbForward(
  x: UnsafePointer<Float>, weight: WeightView, targets: UnsafePointer<Int32>, rows: Int,
  logProbs: UnsafeMutablePointer<Float>, logSumExp: UnsafeMutablePointer<Float>, statistics: UnsafeMutablePointer<TokenStatistics>? = nil,
  poll: () throws -> Void
) rethrows {
  let context = ThreadContext.current
  let sums = context.floats(.logitSums, count: min(rows, rowsPerBlock))
  try forEachLogitTile(x, weight, rows, context, poll) { block, tile, logits in
    let width = tile.count
    ThreadPool.shared.forEachRange(of: block.count, grain: rowGrain(width)) { range in
      for index in range {
        let row = block.lowerBound + index
        let values = logits + index * width
        let (top, sum) = largestAndSum(values, width)
        // logSumExp holds the largest logit so far until the last tile is done.
        let old = tile.lowerBound == 0 ? top : logSumExp[row]
        let new = top > old ? top : old
        let before = tile.lowerBound == 0 ? 0 : sums[index] * expf(old - new)
        let here = sum * expf(top - new)
        if let statistics {
          // Until the last tile is done: entropy holds Σ e^(x−new)·(x−new), logSquareSum Σ e^2(x−new), meanLogit Σ x.
          // A larger `new` moves the first two.
          if tile.lowerBound == 0 { statistics[row] = TokenStatistics() }
          let (weighted, squares, total) = weightedSquaresAndTotal(values, width, top)
          let moved = tile.lowerBound == 0 ? 0 : statistics[row].entropy * expf(old - new) + (old - new) * before
          statistics[row].entropy = moved + weighted * expf(top - new) + (top - new) * here
          statistics[row].logSquareSum = statistics[row].logSquareSum * expf(2 * (old - new)) + squares * expf(2 * (top - new))
          statistics[row].meanLogit += total
        }
        sums[index] = before + here
        logSumExp[row] = new
        let target = Int(targets[row]) - tile.lowerBound
        if target >= 0 && target < width { logProbs[row] = values[target] }
        if tile.upperBound == weight.rows {
          // The differences before the logarithm: small log-probabilities keep their digits.
          let logarithm = logf(sums[index])
          if let statistics {
            // H = log Σ e^x' − Σ p x' with x' = x − new.
            statistics[row].entropy = logarithm - statistics[row].entropy / sums[index]
            statistics[row].logSquareSum = logf(statistics[row].logSquareSum) - 2 * logarithm
            statistics[row].meanLogit /= Float(weight.rows)
            statistics[row].isTargetLikeliest = logProbs[row] >= new
          }
          logProbs[row] = (logProbs[row] - new) - logarithm
          logSumExp[row] = new + logarithm
        }
      }
    }
  }
}

/// Gradients of `linearLogProbForward`, added into `dx` and `dweight`.
///
/// - Parameters:
///   - dlogProbs: Gradient of each log-probability. Shape (rows,).
///   - logSumExp: What the forward pass saved. Shape (rows,).
///   - dx: Nil if nobody needs it. Shape (rows, columns).
///   - dweight: Nil if the weight is frozen. Shape (vocabulary, columns).
///   - poll: Called before each tile; what it throws ends the work with part of the gradients added.
public func linearLogProbBackward(
  dlogProbs: UnsafePointer<Float>, x: UnsafePointer<Float>, weight: WeightView, targets: UnsafePointer<Int32>,
  logSumExp: UnsafePointer<Float>, rows: Int, dx: UnsafeMutablePointer<Float>?, dweight: UnsafeMutablePointer<Float>?,
  poll: () throws -> Void
) rethrows {
  if dx == nil && dweight == nil { return }
  let columns = weight.columns
  try forEachLogitTile(x, weight, rows, ThreadContext.current, poll) { block, tile, logits in
    let width = tile.count
    ThreadPool.shared.forEachRange(of: block.count, grain: rowGrain(width)) { range in
      for index in range {
        let row = block.lowerBound + index
        logitGradient(logits + index * width, width, logSumExp[row], dlogProbs[row], Int(targets[row]) - tile.lowerBound)
      }
    }
    if let dx {
      gemmPlain(
        m: block.count, a: logits, lda: width, weight: weight.slice(rows: tile), c: dx + block.lowerBound * columns, ldc: columns,
        accumulate: true)
    }
    if let dweight {
      gemm(
        transposeA: true, transposeB: false, m: width, n: columns, k: block.count, a: logits, lda: width,
        b: x + block.lowerBound * columns, ldb: columns, c: dweight + tile.lowerBound * columns, ldc: columns, accumulate: true)
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
  logSumExp: UnsafePointer<Float>, rows: Int, dx: UnsafeMutablePointer<Float>?, dweight: UnsafeMutablePointer<Float>?
) {
  linearLogProbBackward(
    dlogProbs: dlogProbs, x: x, weight: weight, targets: targets, logSumExp: logSumExp, rows: rows, dx: dx, dweight: dweight, poll: {})
}

/// Σ e^(x − top)·(x − top), Σ e^2(x − top), and Σ x.
@inline(__always)
private func weightedSquaresAndTotal(
  _ x: UnsafePointer<Float>, _ count: Int, _ top: Float
) -> (weighted: Float, squares: Float, total: Float) {
  let shift = Lanes(repeating: top)
  var (weighted, squares, total) = (Lanes(repeating: 0), Lanes(repeating: 0), Lanes(repeating: 0))
  forEachLanes(count) { index in
    let value = Lanes(at: x + index)
    let power = (value - shift).exponential
    weighted.addProduct(power, value - shift)
    squares.addProduct(power, power)
    total += value
  } rest: { start, lanes in
    // The lanes past the end are worth nothing next to the others: e^−80·80, e^−160 and 0.
    let value = Lanes(at: x + start, count: lanes, filling: top - 80)
    let power = (value - shift).exponential
    weighted.addProduct(power, value - shift)
    squares.addProduct(power, power)
    total += Lanes(at: x + start, count: lanes)
  }
  return (weighted.total, squares.total, total.total)
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

/// Computes the logits of each block of rows and tile of the vocabulary, and hands them to `body`, rows × tile wide.
private func forEachLogitTile(
  _ x: UnsafePointer<Float>, _ weight: WeightView, _ rows: Int, _ context: ThreadContext, _ poll: () throws -> Void,
  _ body: (_ block: Range<Int>, _ tile: Range<Int>, _ logits: UnsafeMutablePointer<Float>) -> Void
) rethrows {
  for first in stride(from: 0, to: rows, by: rowsPerBlock) {
    let block = first..<min(rows, first + rowsPerBlock)
    let logits = context.floats(.logits, count: block.count * min(tokensPerTile, weight.rows))
    for token in stride(from: 0, to: weight.rows, by: tokensPerTile) {
      try poll()
      let tile = token..<min(weight.rows, token + tokensPerTile)
      gemmTransposed(
        m: block.count, a: x + first * weight.columns, lda: weight.columns, weight: weight.slice(rows: tile), c: logits,
        ldc: tile.count, accumulate: false)
      body(block, tile, logits)
    }
  }
}

extension WeightView {
  /// The rows in `range`, in place.
  func slice(rows range: Range<Int>) -> WeightView {
    WeightView(type: type, base: base + range.lowerBound * rowBytes, rows: range.count, columns: columns)
  }
}
