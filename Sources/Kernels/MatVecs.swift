// Matrix-vector products of one weight with several vectors, what decoding several sequences at once spends its time in. Each
// row of the weight is read from memory once for all vectors and widened once for four of them, and each result has the very bits
// that `matVec` gives for its vector alone: the same chains in the same order, whatever the other vectors are.

/// Computes y[i] = W·x[i] for each vector, on all threads.
///
/// - Parameters:
///   - x: The vectors. Shape (count, columns).
///   - y: Receives the products; must not overlap `x`. Shape (count, rows).
/// - Complexity: Reads every weight once; 2·count·rows·columns floating-point operations.
public func matVecs(
  weight: WeightView, interleaved: InterleavedWeight?, x: UnsafePointer<Float>, count: Int, y: UnsafeMutablePointer<Float>
) {
  let columns = max(weight.columns, 0)
  if count <= 1 {
    if count == 1 { matVec(weight: weight, interleaved: interleaved, x: x, y: y) }
    return
  }
  if weight.rows <= 0 { return }
  if let interleaved, interleaved.rows == weight.rows, interleaved.columns == columns {
    interleaved.multiply(x, count: count, into: y)
    return
  }
  let work = RowWork(weight: weight, x: x, count: count, y: y)
  switch weight.type {
  case .f32: work.forEachRow { work.elements(F32Row.self, $0, $1) }
  case .f16: work.forEachRow { work.elements(F16Row.self, $0, $1) }
  case .bf16: work.forEachRow { work.elements(BF16Row.self, $0, $1) }
  case .q8_0, .q4_0, .q4_K, .q5_K, .q6_K: _ = multiplyWords(weight, x, count: count, into: y)
  case .q4_1, .q5_0, .q5_1, .q2_K, .q3_K:
    work.forEachRow { row, base in
      let unpacked = ThreadContext.current.floats(.unpackedRow, count: columns)
      unpack(weight.type, from: base, to: unpacked, count: columns)
      work.elements(F32Row.self, row, UnsafeRawPointer(unpacked))
    }
  }
}

/// The rows of a weight in the order of the file; a row meets all vectors while it is in the nearest cache.
private struct RowWork {
  let weight: WeightView
  let x: UnsafePointer<Float>
  let count: Int
  let y: UnsafeMutablePointer<Float>

  @inline(__always)
  func forEachRow(_ body: (_ row: Int, _ base: UnsafeRawPointer) -> Void) {
    let bytes = weight.rowBytes
    forEachRange(ofRows: weight.rows, bytesPerRow: bytes) { range in
      for row in range { body(row, weight.base + row &* bytes) }
    }
  }

  /// A row of elements that stand alone, times each vector.
  @inline(__always)
  func elements<Row: ElementRow>(_ type: Row.Type, _ row: Int, _ base: UnsafeRawPointer) {
    let columns = weight.columns
    var vector = 0
    while vector &+ 4 <= count {
      fourDots(type, base, x + vector &* columns, columns, y + (vector &* weight.rows &+ row), weight.rows)
      vector &+= 4
    }
    while vector < count {
      y[vector &* weight.rows &+ row] = dot(type, base, x + vector &* columns, columns)
      vector &+= 1
    }
  }
}

/// `dot` of one row and four vectors.
@inline(__always)
private func fourDots<Row: ElementRow>(
  _ type: Row.Type, _ row: UnsafeRawPointer, _ x: UnsafePointer<Float>, _ columns: Int, _ y: UnsafeMutablePointer<Float>, _ stride: Int
) {
  var (first, second, third, fourth) = (FourVectors(), FourVectors(), FourVectors(), FourVectors())
  var column = 0
  while column &+ 64 <= columns {
    let left = row + column &* Row.size
    first.add(Row.lanes(left), x + column, columns)
    second.add(Row.lanes(left + 16 &* Row.size), x + column + 16, columns)
    third.add(Row.lanes(left + 32 &* Row.size), x + column + 32, columns)
    fourth.add(Row.lanes(left + 48 &* Row.size), x + column + 48, columns)
    column &+= 64
  }
  while column &+ 16 <= columns {
    first.add(Row.lanes(row + column &* Row.size), x + column, columns)
    column &+= 16
  }
  var sums = ((first + second) + (third + fourth)).totals
  while column < columns {
    let element = Row.element(row + column &* Row.size)
    for vector in 0..<4 { sums[vector].addProduct(element, x[vector &* columns &+ column]) }
    column &+= 1
  }
  for vector in 0..<4 { y[vector &* stride] = sums[vector] }
}
