// Rows of a table by number, widened to floats, and the gradient: rows added back to where they came from.

/// out[i] = the row `ids[i]` of `table`, as floats.
///
/// - Parameters:
///   - ids: Rows of the table, within it. Shape (count,).
///   - out: Shape (count, table.columns).
public func embeddingForward(table: WeightView, ids: UnsafePointer<Int32>, count: Int, out: UnsafeMutablePointer<Float>) {
  let columns = table.columns
  ThreadPool.shared.forEachRange(of: count, grain: rowGrain(columns)) { range in
    for row in range { unpack(table.type, from: table.row(Int(ids[row])), to: out + row * columns, count: columns) }
  }
}

/// Gradient of `embeddingForward`: adds row i of `dout` to row `ids[i]` of `dtable`; a negative id has no row.
///
/// A task owns a block of columns and walks the rows in order, since a row may be named more than once.
public func embeddingBackward(
  dout: UnsafePointer<Float>, ids: UnsafePointer<Int32>, count: Int, columns: Int, dtable: UnsafeMutablePointer<Float>
) {
  ThreadPool.shared.forEachRange(of: columns, grain: 256) { range in
    for row in 0..<count where ids[row] >= 0 {
      let from = dout + row * columns + range.lowerBound
      let to = dtable + Int(ids[row]) * columns + range.lowerBound
      forEachLanes(range.count) { index in
        (Lanes(at: to + index) + Lanes(at: from + index)).write(to: to + index)
      } rest: { start, lanes in
        for index in start..<start + lanes { to[index] += from[index] }
      }
    }
  }
}
