// Products with matrices of a low rank: what adapters add to a linear layer, and its gradients. A general product would spend more time
// packing the large operand than computing with it, so nothing is packed here but the small one; tiles are read where they lie.
//
// Letters as in Hu et al. 2021, arXiv:2106.09685: T rows, N columns of the large matrix, R the rank. Sums over long axes are made in
// stretches of `stretchLength`, as the general product makes them, and stretches are added in order: the same bits for any number of
// threads, and a row's result does not depend on the other rows.

/// Rows per task of the products over rows.
private let rowsPerTask = 64
/// Columns per task of the products over columns.
private let columnsPerTask = 32

/// out[T,R] = scale · x[T,N] · w[N,R].
///
/// - Parameter isTransposed: Whether `w` is stored [R,N].
public func lowRankDown(
  _ x: UnsafePointer<Float>, _ w: UnsafePointer<Float>, isTransposed: Bool, scale: Float, rows: Int, columns: Int, rank: Int,
  out: UnsafeMutablePointer<Float>
) {
  if rows <= 0 || rank <= 0 { return }
  let width = padded(rank)
  let packed = ThreadContext.current.floats(.packedRight, count: columns * width)
  packSmall(w, isTransposed: isTransposed, rows: columns, columns: rank, width: width, into: packed)
  ThreadPool.shared.forEachRange(of: rows, grain: rowsPerTask) { range in
    let sums = ThreadContext.current.floats(.operand, count: 2 * rowsPerTask * width)
    let part = sums + rowsPerTask * width
    sums.update(repeating: 0, count: range.count * width)
    for start in stride(from: 0, to: columns, by: stretchLength) {
      tileMatmul(
        m: range.count, n: width, k: min(stretchLength, columns - start),
        a: TileOperand(base: x + range.lowerBound * columns + start, rowStride: columns, stepStride: 1), b: packed + start * width,
        ldb: width, c: part, ldc: width, accumulate: false)
      addVectors(part, to: sums, range.count * width)
    }
    for row in 0..<range.count {
      let target = out + (range.lowerBound + row) * rank
      for column in 0..<rank { target[column] = sums[row * width + column] * scale }
    }
  }
}

/// y[T,N] += low[T,R] · w[R,N].
///
/// - Parameters:
///   - isTransposed: Whether `w` is stored [N,R].
///   - mask: What each element of the product is multiplied by first, or nil. Shape (T, N).
public func lowRankUp(
  _ low: UnsafePointer<Float>, _ w: UnsafePointer<Float>, isTransposed: Bool, mask: UnsafePointer<Float>? = nil, rows: Int, columns: Int,
  rank: Int, addingTo y: UnsafeMutablePointer<Float>
) {
  if rows <= 0 || columns <= 0 { return }
  let width = padded(columns)
  let packed = ThreadContext.current.floats(.packedRight, count: rank * width)
  packSmall(w, isTransposed: isTransposed, rows: rank, columns: columns, width: width, into: packed)
  let strip = 128
  ThreadPool.shared.forEachRange(of: rows, grain: rowsPerTask) { range in
    let part = ThreadContext.current.floats(.operand, count: rowsPerTask * strip)
    for column in stride(from: 0, to: columns, by: strip) {
      let count = min(strip, columns - column)
      tileMatmul(
        m: range.count, n: padded(count), k: rank, a: TileOperand(base: low + range.lowerBound * rank, rowStride: rank, stepStride: 1),
        b: packed + column, ldb: width, c: part, ldc: strip, accumulate: false)
      for row in 0..<range.count {
        let at = (range.lowerBound + row) * columns + column
        if let mask { multiplyVectors(part + row * strip, by: mask + at, count) }
        addVectors(part + row * strip, to: y + at, count)
      }
    }
  }
}

/// out[R,N] (+)= lowᵀ[R,T] · x[T,N], or with `isTransposed` out[N,R] (+)= xᵀ · low.
public func lowRankGradient(
  _ low: UnsafePointer<Float>, _ x: UnsafePointer<Float>, isTransposed: Bool, rows: Int, columns: Int, rank: Int,
  out: UnsafeMutablePointer<Float>, accumulate: Bool
) {
  if rank <= 0 || columns <= 0 { return }
  ThreadPool.shared.forEachRange(of: columns, grain: columnsPerTask) { range in
    let width = columnsPerTask
    let sums = ThreadContext.current.floats(.operand, count: 2 * rank * width)
    let part = sums + rank * width
    sums.update(repeating: 0, count: rank * width)
    for start in stride(from: 0, to: rows, by: stretchLength) {
      tileMatmul(
        m: rank, n: range.count, k: min(stretchLength, rows - start),
        a: TileOperand(base: low + start * rank, rowStride: 1, stepStride: rank), b: x + start * columns + range.lowerBound, ldb: columns,
        c: part, ldc: width, accumulate: false)
      addVectors(part, to: sums, rank * width)
    }
    for row in 0..<rank {
      for index in 0..<range.count {
        let column = range.lowerBound + index
        let at = isTransposed ? column * rank + row : row * columns + column
        out[at] = accumulate ? out[at] + sums[row * width + index] : sums[row * width + index]
      }
    }
  }
}

/// Whole vectors that hold so many floats.
private func padded(_ count: Int) -> Int { (count + 15) / 16 * 16 }

/// Copies a small matrix to [rows][width], zeros behind its columns.
private func packSmall(
  _ w: UnsafePointer<Float>, isTransposed: Bool, rows: Int, columns: Int, width: Int, into packed: UnsafeMutablePointer<Float>
) {
  for row in 0..<rows {
    let target = packed + row * width
    if isTransposed {
      for column in 0..<columns { target[column] = w[column * rows + row] }
    } else {
      target.update(from: w + row * columns, count: columns)
    }
    for column in columns..<width { target[column] = 0 }
  }
}

@inline(__always)
private func addVectors(_ x: UnsafePointer<Float>, to sums: UnsafeMutablePointer<Float>, _ count: Int) {
  forEachLanes(count) { index in
    (Lanes(at: sums + index) + Lanes(at: x + index)).write(to: sums + index)
  } rest: { start, _ in
    for index in start..<count { sums[index] += x[index] }
  }
}

@inline(__always)
private func multiplyVectors(_ x: UnsafeMutablePointer<Float>, by factors: UnsafePointer<Float>, _ count: Int) {
  forEachLanes(count) { index in
    (Lanes(at: x + index) * Lanes(at: factors + index)).write(to: x + index)
  } rest: { start, _ in
    for index in start..<count { x[index] *= factors[index] }
  }
}
