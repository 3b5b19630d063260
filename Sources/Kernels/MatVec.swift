// Matrix-vector products for decoding.

/// A weight copied into the order in which decoding reads it.
public final class InterleavedWeight: @unchecked Sendable {
  /// The size of the copy.
  public let bytes: Int

  /// Copies `view`; nil where its type or shape gains nothing from another order.
  public init?(_ view: WeightView) {
    return nil
  }
}

/// Computes y[rows] = W·x with float activations, on all threads.
public func matVec(weight: WeightView, interleaved: InterleavedWeight?, x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>) {
  let rowsPerTask = 64
  ThreadPool.shared.run((weight.rows + rowsPerTask - 1) / rowsPerTask) { task in
    let unpacked = ThreadContext.current.floats(.unpackedRow, count: weight.columns)
    for row in task * rowsPerTask..<min((task + 1) * rowsPerTask, weight.rows) {
      unpack(weight.type, from: weight.row(row), to: unpacked, count: weight.columns)
      var sum: Float = 0
      for column in 0..<weight.columns { sum.addProduct(unpacked[column], x[column]) }
      y[row] = sum
    }
  }
}
