// Rows of a weight matrix stored as another type, threaded over rows: what conversion, quantization and export run on.

/// Writes rows of a matrix, in any order, one behind the other as another type.
///
/// Rows whose type does not change are copied, so that nothing is rounded twice.
///
/// - Parameters:
///   - rows: Which rows, each within the matrix.
///   - type: The new type, whose block divides the columns.
///   - target: Room for `rows.count` rows of that type.
/// - Complexity: One read of the rows and one write; the K types add some sixty operations per element.
public func repackRows(_ weight: WeightView, rows: [Int], as type: WeightType, to target: UnsafeMutableRawPointer) {
  let columns = weight.columns
  let bytes = type.rowBytes(columns: columns)
  ThreadPool.shared.forEachRange(of: rows.count, grain: max(1, 16_384 / max(1, columns))) { range in
    if type == weight.type {
      for index in range { (target + index * bytes).copyMemory(from: weight.row(rows[index]), byteCount: bytes) }
      return
    }
    withUnsafeTemporaryAllocation(of: Float.self, capacity: max(1, columns)) { floats in
      guard let base = floats.baseAddress else { return }
      for index in range {
        unpack(weight.type, from: weight.row(rows[index]), to: base, count: columns)
        pack(type, from: base, to: target + index * bytes, count: columns)
      }
    }
  }
}
