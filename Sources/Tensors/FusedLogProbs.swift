// Output layer, log-softmax and gather as one operation on the tape: logits exist one tile of the vocabulary at a time.

import Kernels

/// Receives what a forward pass sees of each scored token beside its log-probability; one pass, one thread.
public final class TokenStatisticsLog: @unchecked Sendable {
  /// One entry for each log-probability of the last pass, in order.
  public var tokens: [TokenStatistics] = []

  /// An empty log.
  public init() {}
}

/// As many logits as are kept from the forward to the backward pass of a layer that learns, 256 MB; more are computed again.
public let largestKeptLogits = 64 << 20

/// log p(target) at chosen rows of hidden states, under softmax(x · weightᵀ).
///
/// - Parameters:
///   - x: Hidden states. Shape (T, columns).
///   - weight: The output layer. Shape (vocabulary, columns).
///   - rows: Rows of `x`, in any order, repeated or not.
///   - targets: One token for each of `rows`.
///   - statistics: Where entropy, mean logit and the like are left, if they are wanted.
///   - slopes: The derivative of the loss by each log-probability, where it is known already: gradients are then computed together with
///     the log-probabilities, and the backward pass must come with these very slopes.
/// - Returns: One log-probability for each of `rows`, in nats.
public func linearLogProbs(
  _ x: Tensor, _ weight: Weight, rows: [Int32], targets: [Int32], statistics: TokenStatisticsLog? = nil, slopes: [Float]? = nil
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
  let isFrozen = weight.tensor?.requiresGradient != true
  let records = x.requiresGradient && Tensor.isRecording
  if let slopes, !isFrozen, records {
    return try linearLogProbs(x, weight, chosen, rows, targets, statistics, slopes)
  }
  let logSumExp = try Tensor(shape: [count])
  // Where the output layer is frozen, the gradient of each log-probability by its row is all that the backward pass will need.
  let pull = isFrozen && records ? try Tensor(shape: [count, columns]) : nil
  let keptFloats = count * keptLogitStride(vocabulary: weight.rows)
  let kept = !isFrozen && records && keptFloats <= largestKeptLogits ? try Tensor(shape: [keptFloats]) : nil
  var seen = [TokenStatistics](repeating: TokenStatistics(), count: statistics == nil ? 0 : count)
  try seen.withUnsafeMutableBufferPointer { seen in
    try linearLogProbForward(
      x: chosen.pointer, weight: weight.view, targets: targets, rows: count, logProbs: logProbs.pointer, logSumExp: logSumExp.pointer,
      statistics: statistics == nil ? nil : seen.baseAddress, slopes: pull?.pointer, kept: kept?.pointer,
      poll: SafePoint.pass)
  }
  statistics?.tokens = seen
  return Tensor.record("log_probs", output: logProbs, inputs: weight.inputs(with: x)) { pass in
    if let pull {
      guard pass.needs(0) else { return }
      multiplyRows(pull.pointer, by: pass.dout.pointer, rows: count, columns: columns)
      embeddingBackward(dout: pull.pointer, ids: rows, count: count, columns: columns, dtable: try pass.gradient(0).pointer)
      return
    }
    let dweight = weight.tensor != nil && pass.needs(1) ? try pass.gradientToCompute(1) : nil
    let dchosen = pass.needs(0) ? try Tensor(shape: [count, columns]) : nil
    try linearLogProbBackward(
      dlogProbs: pass.dout.pointer, x: chosen.pointer, weight: weight.view, targets: targets, logSumExp: logSumExp.pointer,
      rows: count, dx: dchosen?.pointer, dweight: dweight?.tensor.pointer, dweightHoldsTerms: dweight?.holdsTerms ?? false,
      kept: kept?.pointer, poll: SafePoint.pass)
    if let dchosen {
      let dx = try pass.gradient(0)
      embeddingBackward(dout: dchosen.pointer, ids: rows, count: count, columns: columns, dtable: dx.pointer)
    }
  }
}

/// Log-probabilities with the gradients of a loss whose derivatives by them are `slopes`.
private func linearLogProbs(
  _ x: Tensor, _ weight: Weight, _ chosen: Tensor, _ rows: [Int32], _ targets: [Int32], _ statistics: TokenStatisticsLog?,
  _ slopes: [Float]
) throws -> Tensor {
  let (count, columns) = (rows.count, weight.columns)
  precondition(slopes.count == count, "\(slopes.count) slopes for \(count) log-probs")
  let logProbs = try Tensor(shape: [count])
  let dchosen = try Tensor(shape: [count, columns])
  let dweight = try Tensor(shape: [weight.rows, columns])
  var seen = [TokenStatistics](repeating: TokenStatistics(), count: statistics == nil ? 0 : count)
  try seen.withUnsafeMutableBufferPointer { seen in
    try linearLogProbForwardAndBackward(
      x: chosen.pointer, weight: weight.view, targets: targets, dlogProbs: slopes, rows: count, logProbs: logProbs.pointer,
      statistics: statistics == nil ? nil : seen.baseAddress, dx: dchosen.pointer, dweight: dweight.pointer, poll: SafePoint.pass)
  }
  statistics?.tokens = seen
  return Tensor.record("log_probs", output: logProbs, inputs: weight.inputs(with: x)) { pass in
    precondition((0..<count).allSatisfy { pass.dout.pointer[$0] == slopes[$0] }, "a loss with other slopes than were said")
    if pass.needs(0) {
      embeddingBackward(dout: dchosen.pointer, ids: rows, count: count, columns: columns, dtable: try pass.gradient(0).pointer)
    }
    pass.accumulate(1, dweight)
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
