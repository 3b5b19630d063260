// Output layer, log-softmax and gather as one operation on the tape: logits exist one tile of the vocabulary at a time.

import Kernels

/// Receives what a forward pass sees of each scored token beside its log-probability; one pass, one thread.
public final class TokenStatisticsLog: @unchecked Sendable {
  /// One entry for each log-probability of the last pass, in order.
  public var tokens: [TokenStatistics] = []

  /// An empty log.
  public init() {}
}

/// log p(target) at chosen rows of hidden states, under softmax(x · weightᵀ).
///
/// - Parameters:
///   - x: Hidden states. Shape (T, columns).
///   - weight: The output layer. Shape (vocabulary, columns).
///   - rows: Rows of `x`, in any order, repeated or not.
///   - targets: One token for each of `rows`.
///   - statistics: Where entropy, mean logit and the like are left, if they are wanted.
/// - Returns: One log-probability for each of `rows`, in nats.
public func linearLogProbs(
  _ x: Tensor, _ weight: Weight, rows: [Int32], targets: [Int32], statistics: TokenStatisticsLog? = nil
) throws -> Tensor {
  guard x.rank == 2, x.shape[1] == weight.columns else {
    throw TensorError(
      "log_probs: hidden states of shape \(Shape.text(x.shape)) for an output layer (\(weight.rows), \(weight.columns))",
      hint: "the second axis must be \(weight.columns)")
  }
  guard rows.count == targets.count else {
    throw TensorError("log_probs: \(rows.count) rows and \(targets.count) targets", hint: "give one target for each row")
  }
  if let wrong = rows.first(where: { $0 < 0 || $0 >= x.shape[0] }) {
    throw TensorError("log_probs: row \(wrong) is outside hidden states of \(x.shape[0]) tokens")
  }
  if let wrong = targets.first(where: { $0 < 0 || $0 >= weight.rows }) {
    throw TensorError("log_probs: token \(wrong) is not in a vocabulary of \(weight.rows)")
  }
  let columns = weight.columns
  let count = rows.count
  let chosen = try rowsInOrder(x, rows)
  let logProbs = try Tensor(shape: [count])
  let logSumExp = try Tensor(shape: [count])
  var seen = [TokenStatistics](repeating: TokenStatistics(), count: statistics == nil ? 0 : count)
  try seen.withUnsafeMutableBufferPointer { seen in
    try linearLogProbForward(
      x: chosen.pointer, weight: weight.view, targets: targets, rows: count, logProbs: logProbs.pointer, logSumExp: logSumExp.pointer,
      statistics: statistics == nil ? nil : seen.baseAddress, poll: SafePoint.pass)
  }
  statistics?.tokens = seen
  return Tensor.record("log_probs", output: logProbs, inputs: weight.inputs(with: x)) { pass in
    let dweight = weight.tensor != nil && pass.needs(1) ? try pass.gradient(1) : nil
    let dchosen = pass.needs(0) ? try Tensor.zeros([count, columns]) : nil
    try linearLogProbBackward(
      dlogProbs: pass.dout.pointer, x: chosen.pointer, weight: weight.view, targets: targets, logSumExp: logSumExp.pointer,
      rows: count, dx: dchosen?.pointer, dweight: dweight?.pointer, poll: SafePoint.pass)
    if let dchosen {
      let dx = try pass.gradient(0)
      embeddingBackward(dout: dchosen.pointer, ids: rows, count: count, columns: columns, dtable: dx.pointer)
    }
  }
}

/// The chosen rows one behind the other: a view where they lie so, else a copy.
private func rowsInOrder(_ x: Tensor, _ rows: [Int32]) throws -> Tensor {
  let columns = x.shape[1]
  if rows.count == x.shape[0], rows.indices.allSatisfy({ Int(rows[$0]) == $0 }) { return x }
  let chosen = try Tensor(shape: [rows.count, columns])
  let table = WeightView(type: .f32, base: UnsafeRawPointer(x.pointer), rows: x.shape[0], columns: columns)
  embeddingForward(table: table, ids: rows, count: rows.count, out: chosen.pointer)
  return chosen
}
