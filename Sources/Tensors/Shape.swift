// Arithmetic of shapes: element counts that cannot overflow, strides, broadcasting, axes, and how shapes are written.

/// Functions on shapes; a shape is a list of extents, outermost first.
public enum Shape {
  /// The number of elements, or an error where it is negative or beyond what memory can address.
  public static func count(_ shape: [Int]) throws -> Int {
    var count = 1
    for extent in shape {
      guard extent >= 0 else { throw TensorError("a shape cannot have the negative extent \(extent): \(text(shape))") }
      if extent == 0 { return 0 }
      let (product, overflow) = count.multipliedReportingOverflow(by: extent)
      guard !overflow, product < 1 << 44 else {
        throw TensorError("a tensor of shape \(text(shape)) would not fit in any memory", hint: "use smaller shapes")
      }
      count = product
    }
    return count
  }

  /// Row-major strides in elements.
  public static func strides(_ shape: [Int]) -> [Int] {
    var strides = [Int](repeating: 1, count: shape.count)
    for axis in stride(from: shape.count - 2, through: 0, by: -1) { strides[axis] = strides[axis + 1] * max(1, shape[axis + 1]) }
    return strides
  }

  /// A shape as people write it: `(2, 3)`, `(4,)` for a vector, `()` for a number.
  public static func text(_ shape: [Int]) -> String {
    shape.count == 1 ? "(\(shape[0]),)" : "(\(shape.map(String.init).joined(separator: ", ")))"
  }

  /// The shape that two shapes broadcast to, aligned at the last axis; nil if they do not fit.
  public static func broadcast(_ left: [Int], _ right: [Int]) -> [Int]? {
    let rank = max(left.count, right.count)
    var result = [Int](repeating: 1, count: rank)
    for axis in 0..<rank {
      let l = axis - (rank - left.count)
      let r = axis - (rank - right.count)
      let a = l < 0 ? 1 : left[l]
      let b = r < 0 ? 1 : right[r]
      guard a == b || a == 1 || b == 1 else { return nil }
      result[axis] = a == 1 ? b : a
    }
    return result
  }

  /// Strides that read `shape` as if it had been broadcast to `target`: 0 along repeated axes.
  static func broadcastStrides(_ shape: [Int], to target: [Int]) -> [Int] {
    let own = strides(shape)
    let shift = target.count - shape.count
    return target.indices.map { axis in
      axis < shift || shape[axis - shift] == 1 ? 0 : own[axis - shift]
    }
  }

  /// An axis counted from the front, from one that may be negative.
  public static func axis(_ axis: Int, rank: Int, _ operation: String) throws -> Int {
    let resolved = axis < 0 ? axis + rank : axis
    guard resolved >= 0, resolved < rank else {
      throw TensorError(
        "\(operation): axis \(axis) is out of range for \(rank) \(rank == 1 ? "axis" : "axes")",
        hint: rank == 0 ? "a number has no axes" : "axes go from \(-rank) to \(rank - 1)")
    }
    return resolved
  }
}
