// The row-wise and element-wise kernels written down as their formulas say, in Double, with no thought of speed: what the
// fast ones are tested against, and what central differences are taken of.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

package func naiveRMSNorm(_ x: [Double], weight: [Double], rows: Int, columns: Int, epsilon: Double) -> [Double] {
  var out = x
  for row in 0..<rows {
    var sum = 0.0
    for column in 0..<columns { sum += x[row * columns + column] * x[row * columns + column] }
    let inverse = 1 / (sum / Double(columns) + epsilon).squareRoot()
    for column in 0..<columns { out[row * columns + column] *= inverse * weight[column] }
  }
  return out
}

package func naiveSwiGLU(gate: [Double], up: [Double]) -> [Double] {
  zip(gate, up).map { gate, up in gate / (1 + exp(-gate)) * up }
}

package func naiveSiLU(_ x: [Double]) -> [Double] { x.map { $0 / (1 + exp(-$0)) } }

package func naiveSoftmax(_ x: [Double], rows: Int, columns: Int) -> [Double] {
  naiveLogSoftmax(x, rows: rows, columns: columns).map { exp($0) }
}

package func naiveLogSoftmax(_ x: [Double], rows: Int, columns: Int) -> [Double] {
  let sums = naiveLogSumExp(x, rows: rows, columns: columns)
  return (0..<rows * columns).map { x[$0] - sums[$0 / columns] }
}

package func naiveLogSumExp(_ x: [Double], rows: Int, columns: Int) -> [Double] {
  (0..<rows).map { row in
    let values = x[row * columns..<(row + 1) * columns]
    let top = values.max() ?? 0
    return top + log(values.reduce(0) { $0 + exp($1 - top) })
  }
}

/// Turns the pairs of `x`, of shape (rows, heads, dimension), by position · frequency.
package func naiveRotary(
  _ x: [Double], positions: [Int], heads: Int, dimension: Int, theta: Double, layout: RotaryLayout, scaling: RotaryScaling = .none
) -> [Double] {
  var out = x
  for (row, position) in positions.enumerated() {
    for head in 0..<heads {
      for pair in 0..<dimension / 2 {
        let frequency = scaling.scaled(pow(theta, -2 * Double(pair) / Double(dimension)), pair: pair)
        let angle = Double(position) * frequency
        let base = (row * heads + head) * dimension
        let first = base + (layout == .interleaved ? 2 * pair : pair)
        let second = base + (layout == .interleaved ? 2 * pair + 1 : pair + dimension / 2)
        out[first] = x[first] * cos(angle) - x[second] * sin(angle)
        out[second] = x[first] * sin(angle) + x[second] * cos(angle)
      }
    }
  }
  return out
}

/// log p(target) of each row under softmax(x · weightᵀ); weight of shape (vocabulary, columns).
package func naiveLinearLogProbs(_ x: [Double], weight: [Double], targets: [Int], columns: Int) -> [Double] {
  let vocabulary = weight.count / columns
  return targets.indices.map { row in
    let logits = (0..<vocabulary).map { token in
      (0..<columns).reduce(0) { $0 + x[row * columns + $1] * weight[token * columns + $1] }
    }
    return naiveLogSoftmax(logits, rows: 1, columns: vocabulary)[targets[row]]
  }
}
