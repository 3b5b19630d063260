// The output layer forward and back at once, where the loss says beforehand what it makes of each log-probability, as the mean of SFT does.
// It is the two passes of CrossEntropy.swift, one after the other over blocks of rows so short that their logits can be kept in between.

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
  if rows == 0 {
    fill(dweight, with: 0, count: weight.rows * columns)
    return
  }
  let rowsPerBlock = min(rows, keptLogitRows(vocabulary: weight.rows))
  let kept = ThreadContext.current.floats(.logits, count: rowsPerBlock * keptLogitStride(vocabulary: weight.rows))
  try withUnsafeTemporaryAllocation(of: Float.self, capacity: rowsPerBlock) { buffer in
    guard let logSumExp = buffer.baseAddress else { return }
    for first in stride(from: 0, to: rows, by: rowsPerBlock) {
      let count = min(rowsPerBlock, rows - first)
      let (x, targets) = (x + first * columns, targets + first)
      try linearLogProbForward(
        x: x, weight: weight, targets: targets, rows: count, logProbs: logProbs + first, logSumExp: logSumExp,
        statistics: statistics.map { $0 + first }, kept: kept, poll: poll)
      try linearLogProbBackward(
        dlogProbs: dlogProbs + first, x: x, weight: weight, targets: targets, logSumExp: logSumExp, rows: count,
        dx: dx + first * columns, dweight: dweight, dweightHoldsTerms: first > 0, kept: kept, poll: poll)
    }
  }
}
