// The two orders of the rows of q and k: files of Hugging Face keep the halves of each head's rotated pairs apart, GGUF files put
// the two of a pair side by side. What is written for the other side is reordered, with its low-rank B.

import Kernels
import Tensors

extension Projection {
  /// Heads whose rows are in rotary order; nil where rows have no such order.
  func rotaryHeads(_ configuration: Configuration) -> Int? {
    switch self {
    case .query: configuration.numAttentionHeads
    case .key: configuration.numKeyValueHeads
    default: nil
    }
  }
}

/// Row `i` of the result is row `order[i]` of the source.
func rowOrder(from source: RotaryLayout, to target: RotaryLayout, heads: Int, headDimension: Int) -> [Int]? {
  guard source != target else { return nil }
  let half = headDimension / 2
  return (0..<heads * headDimension).map { row in
    let (head, element) = (row / headDimension, row % headDimension)
    let inSource = target == .halfSplit ? 2 * (element % half) + element / half : element / 2 + half * (element % 2)
    return head * headDimension + inSource
  }
}

/// A matrix whose rows stand in the other rotary order, as a copy; the matrix itself where the order does not matter.
func reordered(
  _ matrix: Tensor, _ projection: Projection, _ configuration: Configuration, from source: RotaryLayout, to target: RotaryLayout
) throws -> Tensor {
  guard let heads = projection.rotaryHeads(configuration),
    let order = rowOrder(from: source, to: target, heads: heads, headDimension: configuration.headDimension)
  else { return matrix }
  let columns = matrix.shape[1]
  let result = try Tensor(shape: matrix.shape)
  for (row, from) in order.enumerated() {
    (result.pointer + row * columns).update(from: matrix.pointer + from * columns, count: columns)
  }
  return result
}
