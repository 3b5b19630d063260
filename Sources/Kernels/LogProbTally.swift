// What is known of a row of logits once all its tiles have been seen: the log-probability of its target, the logarithm of the softmax's
// denominator, and on request entropy and the like, all by running sums that a larger logit moves.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

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

/// What rows of logits that come tile by tile add up to.
struct LogProbTally {
  let weight: WeightView
  let targets: UnsafePointer<Int32>
  /// One per row of a block.
  let sums: UnsafeMutablePointer<Float>
  let logProbs: UnsafeMutablePointer<Float>
  /// Holds the largest logit so far until the last tile is done.
  let logSumExp: UnsafeMutablePointer<Float>
  let statistics: UnsafeMutablePointer<TokenStatistics>?

  /// Takes the logits of a tile; tiles come in order.
  ///
  /// - Parameter index: The row in its block.
  /// - Returns: The largest logit before and after.
  @inline(__always)
  func add(_ values: UnsafePointer<Float>, of tile: Range<Int>, row: Int, index: Int) -> (old: Float, new: Float) {
    let width = tile.count
    let (top, sum) = largestAndSum(values, width)
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
    return (old, new)
  }
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
