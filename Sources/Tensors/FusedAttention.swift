// Causal grouped-query attention as one operation on the tape. It keeps its inputs, its result and one logarithm per query
// and head; nothing of size tokens × tokens.

import Kernels

/// Causal attention within each document of a packed batch.
///
/// - Parameters:
///   - q: Queries. Shape (T, heads · headDimension).
///   - k: Keys. Shape (T, keyValueHeads · headDimension).
///   - v: Values, of the shape of `k`.
///   - documents: Runs of tokens that see only themselves; together they are 0 ..< T in order. Empty: one document.
///   - slidingWindow: How many tokens a token sees at most, itself included; nil for all before it.
/// - Returns: Shape (T, heads · headDimension).
public func causalAttention(
  _ q: Tensor, _ k: Tensor, _ v: Tensor, heads: Int, keyValueHeads: Int, headDimension: Int, documents: [Range<Int>] = [],
  slidingWindow: Int? = nil
) throws -> Tensor {
  guard heads > 0, keyValueHeads > 0, headDimension > 0, heads % keyValueHeads == 0 else {
    throw TensorError("attention: \(heads) heads cannot share \(keyValueHeads) key-value heads of \(headDimension)")
  }
  let tokens = q.shape.first ?? 0
  guard q.shape == [tokens, heads * headDimension], k.shape == [tokens, keyValueHeads * headDimension], v.shape == k.shape else {
    throw TensorError(
      "attention: queries \(Shape.text(q.shape)), keys \(Shape.text(k.shape)) and values \(Shape.text(v.shape)) do not fit "
        + "\(heads) heads and \(keyValueHeads) key-value heads of \(headDimension)")
  }
  if let window = slidingWindow, window < 1 { throw TensorError("attention: a sliding window of \(window) tokens shows nothing") }
  let spans = try checkedDocuments(documents, tokens: tokens)
  let shape = AttentionShape(
    queries: tokens, heads: heads, keyValueHeads: keyValueHeads, headDimension: headDimension, slidingWindow: slidingWindow)
  let output = try Tensor(shape: q.shape)
  let logSumExp = try Tensor(shape: [heads, tokens])
  attentionForward(
    q: q.pointer, k: k.pointer, v: v.pointer, out: output.pointer, logSumExp: logSumExp.pointer, shape: shape, documents: spans)
  let result = output.detached()
  return Tensor.record("attention", output: output, inputs: [q, k, v]) { pass in
    let (dq, dk, dv) = (try pass.gradient(0), try pass.gradient(1), try pass.gradient(2))
    attentionBackward(
      dout: pass.dout.pointer, q: q.pointer, k: k.pointer, v: v.pointer, out: result.pointer, logSumExp: logSumExp.pointer,
      dq: dq.pointer, dk: dk.pointer, dv: dv.pointer, shape: shape, documents: spans)
  }
}

/// The documents without empty ones, or an error if they do not cover the tokens once, in order.
private func checkedDocuments(_ documents: [Range<Int>], tokens: Int) throws -> [Range<Int>] {
  if documents.isEmpty { return [0..<tokens] }
  var end = 0
  for document in documents {
    guard document.lowerBound == end else {
      throw TensorError("attention: a document starts at token \(document.lowerBound) where \(end) was expected")
    }
    end = document.upperBound
  }
  guard end == tokens else { throw TensorError("attention: the documents end at token \(end) of \(tokens)") }
  return documents.filter { !$0.isEmpty }
}
