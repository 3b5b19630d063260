// Attention written down as its formula says, in Double, one query at a time with all its scores: what the tiled kernels are
// tested against, and what central differences are taken of.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Causal grouped-query attention over contiguous arrays; the strides of `shape` are not used.
///
/// - Returns: The result, of the shape of `q`, and the logarithms of the denominators, (heads, queries).
package func naiveAttention(
  q: [Double], k: [Double], v: [Double], shape: AttentionShape, documents: [Range<Int>]? = nil
) -> (out: [Double], logSumExp: [Double]) {
  let (heads, dimension) = (shape.heads, shape.headDimension)
  let keyHeads = shape.keyValueHeads
  var out = [Double](repeating: 0, count: q.count)
  var logSumExp = [Double](repeating: 0, count: heads * shape.queries)
  for query in 0..<shape.queries {
    let position = shape.queryOffset + query
    let firstOfDocument = documents?.first { $0.contains(query) }?.lowerBound ?? 0
    let first = max(firstOfDocument, shape.slidingWindow.map { position - $0 + 1 } ?? 0, 0)
    for head in 0..<heads {
      let keyHead = head / (heads / keyHeads)
      let scores = (first...position).map { key in
        (0..<dimension).reduce(0) { $0 + q[(query * heads + head) * dimension + $1] * k[(key * keyHeads + keyHead) * dimension + $1] }
          * Double(shape.scale)
      }
      let top = scores.max() ?? 0
      let denominator = scores.reduce(0) { $0 + exp($1 - top) }
      logSumExp[head * shape.queries + query] = top + log(denominator)
      for (index, key) in (first...position).enumerated() {
        let weight = exp(scores[index] - top) / denominator
        for element in 0..<dimension {
          out[(query * heads + head) * dimension + element] += weight * v[(key * keyHeads + keyHead) * dimension + element]
        }
      }
    }
  }
  return (out, logSumExp)
}

/// Gradients of `naiveAttention` by its closed form.
package func naiveAttentionBackward(
  dout: [Double], q: [Double], k: [Double], v: [Double], shape: AttentionShape, documents: [Range<Int>]? = nil
) -> (dq: [Double], dk: [Double], dv: [Double]) {
  let (heads, dimension) = (shape.heads, shape.headDimension)
  let keyHeads = shape.keyValueHeads
  let scale = Double(shape.scale)
  let logSumExp = naiveAttention(q: q, k: k, v: v, shape: shape, documents: documents).logSumExp
  var (dq, dk, dv) = (q.map { _ in 0.0 }, k.map { _ in 0.0 }, v.map { _ in 0.0 })
  for query in 0..<shape.queries {
    let position = shape.queryOffset + query
    let firstOfDocument = documents?.first { $0.contains(query) }?.lowerBound ?? 0
    let first = max(firstOfDocument, shape.slidingWindow.map { position - $0 + 1 } ?? 0, 0)
    for head in 0..<heads {
      let at = (query * heads + head) * dimension
      func keyAt(_ key: Int) -> Int { (key * keyHeads + head / (heads / keyHeads)) * dimension }
      let weights = (first...position).map { key in
        let score = (0..<dimension).reduce(0) { $0 + q[at + $1] * k[keyAt(key) + $1] } * scale
        return exp(score - logSumExp[head * shape.queries + query])
      }
      let dweights = (first...position).map { key in (0..<dimension).reduce(0) { $0 + dout[at + $1] * v[keyAt(key) + $1] } }
      let mean = zip(weights, dweights).reduce(0) { $0 + $1.0 * $1.1 }
      for (index, key) in (first...position).enumerated() {
        let dscore = scale * weights[index] * (dweights[index] - mean)
        for element in 0..<dimension {
          dq[at + element] += dscore * k[keyAt(key) + element]
          dk[keyAt(key) + element] += dscore * q[at + element]
          dv[keyAt(key) + element] += weights[index] * dout[at + element]
        }
      }
    }
  }
  return (dq, dk, dv)
}
