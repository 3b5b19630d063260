// The output layer forward and back at once, where the loss says beforehand what it makes of each log-probability, as the mean of SFT does.
// The two passes by themselves, in CrossEntropy.swift, compute every logit twice.

/// Rows whose logits of the whole vocabulary are kept at a time: at most 128 MB for vocabularies of up to 260,000 tokens.
///
/// Fewer would be slower: the weight is packed once for each block.
public func keptLogitRows(vocabulary: Int) -> Int { min(512, max(128, (32 << 20) / max(1, vocabulary))) }

/// The forward pass, and the backward pass for derivatives of the loss that are known before it: no logit is computed twice.
///
/// A block of rows keeps its logits (`keptLogitRows`). The results have the bits of the two passes by themselves, but
/// for the order in which blocks of rows are added to `dweight`.
///
/// - Parameters:
///   - dlogProbs: The derivative of the loss by each log-probability. Shape (rows,).
///   - dx: Is written. Shape (rows, columns).
///   - dweight: Is written. Shape (vocabulary, columns).
public func linearLogProbForwardAndBackward(
  x: UnsafePointer<Float>, weight: WeightView, targets: UnsafePointer<Int32>, dlogProbs: UnsafePointer<Float>, rows: Int,
  logProbs: UnsafeMutablePointer<Float>, statistics: UnsafeMutablePointer<TokenStatistics>? = nil, dx: UnsafeMutablePointer<Float>,
  dweight: UnsafeMutablePointer<Float>, poll: () throws -> Void
) rethrows {
  let columns = weight.columns
  let context = ThreadContext.current
  if rows == 0 { fill(dweight, with: 0, count: weight.rows * columns) }
  let rowsPerBlock = keptLogitRows(vocabulary: weight.rows)
  for first in stride(from: 0, to: rows, by: rowsPerBlock) {
    let block = first..<min(rows, first + rowsPerBlock)
    let width = keptLogitStride(vocabulary: weight.rows)
    let logits = context.floats(.logits, count: block.count * width)
    let sums = context.floats(.logitSums, count: 2 * block.count)
    let logSumExp = sums + block.count - first
    let tally = LogProbTally(
      weight: weight, targets: targets, sums: sums, logProbs: logProbs, logSumExp: logSumExp, statistics: statistics)
    for tile in logitTiles(weight.rows) {
      try poll()
      gemmTransposed(
        m: block.count, a: x + first * columns, lda: columns, weight: weight.slice(rows: tile), c: logits + tile.lowerBound, ldc: width,
        accumulate: false)
      ThreadPool.shared.forEachRange(of: block.count, grain: rowGrain(tile.count)) { range in
        for index in range { _ = tally.add(logits + index * width + tile.lowerBound, of: tile, row: first + index, index: index) }
      }
    }
    for tile in logitTiles(weight.rows) {
      try poll()
      let part = logits + tile.lowerBound
      ThreadPool.shared.forEachRange(of: block.count, grain: rowGrain(tile.count)) { range in
        for index in range {
          let row = first + index
          logitGradient(part + index * width, tile.count, logSumExp[row], dlogProbs[row], Int(targets[row]) - tile.lowerBound)
        }
      }
      gemmPlain(
        m: block.count, a: part, lda: width, weight: weight.slice(rows: tile), c: dx + first * columns, ldc: columns,
        accumulate: tile.lowerBound > 0)
      gemm(
        transposeA: true, transposeB: false, m: tile.count, n: columns, k: block.count, a: part, lda: width, b: x + first * columns,
        ldb: columns, c: dweight + tile.lowerBound * columns, ldc: columns, accumulate: first > 0)
    }
  }
}
