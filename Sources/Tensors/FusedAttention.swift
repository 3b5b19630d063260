// Causal grouped-query attention as one operation on the tape. It keeps its inputs, its result and one logarithm per query
// and head; nothing of size tokens × tokens. Tokens that continue the prefix of an earlier document see its keys: the kernels
// want the keys of a span in one run, so those of a prefix are copied in front of each of its branches.

import Kernels

/// A run of tokens of a packed batch, and what else it sees.
public struct AttentionDocument: Sendable, Equatable {
  /// The document's own tokens.
  public var tokens: Range<Int>
  /// Tokens of an earlier document that stand before them, seen as if they were its own; empty: none.
  public var prefix: Range<Int>

  /// A document that sees itself, after `prefix`.
  public init(_ tokens: Range<Int>, after prefix: Range<Int> = 0..<0) {
    self.tokens = tokens
    self.prefix = prefix
  }
}

/// Causal attention within each document of a packed batch.
///
/// - Parameters:
///   - q: Queries. Shape (T, heads · headDimension).
///   - k: Keys. Shape (T, keyValueHeads · headDimension).
///   - v: Values, of the shape of `k`.
///   - documents: Runs of tokens that see only themselves and their prefix; together they are 0 ..< T in order. Empty: one document.
///   - slidingWindow: How many tokens a token sees at most, itself included; nil for all before it.
/// - Returns: Shape (T, heads · headDimension).
public func causalAttention(
  _ q: Tensor, _ k: Tensor, _ v: Tensor, heads: Int, keyValueHeads: Int, headDimension: Int, documents: [AttentionDocument] = [],
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
  let layout = KeyLayout(try checkedDocuments(documents, tokens: tokens))
  var shape = AttentionShape(
    queries: tokens, heads: heads, keyValueHeads: keyValueHeads, headDimension: headDimension, slidingWindow: slidingWindow)
  shape.keys = layout.keys
  let output = try Tensor(shape: q.shape)
  let logSumExp = try Tensor(shape: [heads, tokens])
  let (keys, values) = (try layout.expanded(k), try layout.expanded(v))
  attentionForward(
    q: q.pointer, k: keys.pointer, v: values.pointer, out: output.pointer, logSumExp: logSumExp.pointer, shape: shape,
    spans: layout.spans)
  let result = output.detached()
  return Tensor.record("attention", output: output, inputs: [q, k, v]) { [shape] pass in
    let (dq, dk, dv) = (try pass.gradient(0), try pass.gradient(1), try pass.gradient(2))
    let (keys, values) = (try layout.expanded(k), try layout.expanded(v))
    let (dkeys, dvalues) = (try layout.gradient(dk), try layout.gradient(dv))
    attentionBackward(
      dout: pass.dout.pointer, q: q.pointer, k: keys.pointer, v: values.pointer, out: result.pointer, logSumExp: logSumExp.pointer,
      dq: dq.pointer, dk: dkeys.pointer, dv: dvalues.pointer, shape: shape, spans: layout.spans)
    layout.addBack(dkeys, to: dk)
    layout.addBack(dvalues, to: dv)
  }
}

/// Where the keys of each document lie: in place, or behind a copy of its prefix where any document has one.
private struct KeyLayout: Sendable {
  let spans: [AttentionSpan]
  /// Rows of all keys, copies included.
  let keys: Int
  /// Runs of tokens in the order of their rows; nil: tokens and rows are the same.
  private let runs: [Range<Int>]?

  init(_ documents: [AttentionDocument]) {
    guard documents.contains(where: { !$0.prefix.isEmpty }) else {
      spans = documents.map { AttentionSpan(document: $0.tokens) }
      keys = documents.last?.tokens.upperBound ?? 0
      runs = nil
      return
    }
    var (spans, rows, runs) = ([AttentionSpan](), 0, [Range<Int>]())
    for document in documents {
      let count = document.prefix.count + document.tokens.count
      spans.append(AttentionSpan(query: document.tokens.lowerBound, queries: document.tokens.count, key: rows, keys: count))
      runs += [document.prefix, document.tokens].filter { !$0.isEmpty }
      rows += count
    }
    (self.spans, self.keys, self.runs) = (spans, rows, runs)
  }

  /// Keys or values in the order of their rows.
  func expanded(_ x: Tensor) throws -> Tensor {
    guard let runs else { return x }
    let columns = x.shape[1]
    let copy = try Tensor(shape: [keys, columns])
    var row = 0
    for run in runs {
      (copy.pointer + row * columns).update(from: x.pointer + run.lowerBound * columns, count: run.count * columns)
      row += run.count
    }
    return copy
  }

  /// What a backward pass adds into: the gradient itself, or zeros of the expanded shape.
  func gradient(_ dx: Tensor) throws -> Tensor { runs == nil ? dx : try Tensor.zeros([keys, dx.shape[1]]) }

  /// Adds the gradient of each row to that of its token, branch after branch.
  func addBack(_ drows: Tensor, to dx: Tensor) {
    guard let runs else { return }
    let columns = dx.shape[1]
    var from = drows.pointer
    for run in runs {
      let into = dx.pointer + run.lowerBound * columns
      for index in 0..<run.count * columns { into[index] += from[index] }
      from += run.count * columns
    }
  }
}

/// The documents without empty ones, or an error if they do not cover the tokens once, in order, or continue what does not precede them.
private func checkedDocuments(_ documents: [AttentionDocument], tokens: Int) throws -> [AttentionDocument] {
  if documents.isEmpty { return [AttentionDocument(0..<tokens)] }
  var end = 0
  for document in documents {
    guard document.tokens.lowerBound == end else {
      throw TensorError("attention: a document starts at token \(document.tokens.lowerBound) where \(end) was expected")
    }
    guard document.prefix.isEmpty || document.prefix.lowerBound >= 0 && document.prefix.upperBound <= end else {
      throw TensorError("attention: a document continues tokens \(document.prefix), which do not all come before token \(end)")
    }
    end = document.tokens.upperBound
  }
  guard end == tokens else { throw TensorError("attention: the documents end at token \(end) of \(tokens)") }
  return documents.filter { !$0.tokens.isEmpty }
}
