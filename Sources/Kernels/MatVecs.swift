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
  // Q8_0 has no offset, so what its rows are given as sums is not read.
  case .q8_0: work.forEachRow { work.blocks(Q8Block.self, $0, $1, x, columns) }
  case .q4_0, .q4_1:
    let blocks = columns / 32
    let sums = ThreadContext.current.floats(.operand, count: count * blocks)
    for vector in 0..<count { sumBlocks(x + vector * columns, blocks, into: sums + vector * blocks) }
    if weight.type == .q4_0 {
      work.forEachRow { work.blocks(Q4Block.self, $0, $1, sums, blocks) }
    } else {
      work.forEachRow { work.blocks(Q4MinimumBlock.self, $0, $1, sums, blocks) }
    }
  case .q5_0, .q5_1, .q2_K, .q3_K, .q4_K, .q5_K, .q6_K:
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

  /// A row of blocks of 32, times each vector; `totals` are the vectors' sums over blocks, `stride` apart.
  @inline(__always)
  func blocks<Type: WideBlock>(
    _ type: Type.Type, _ row: Int, _ base: UnsafeRawPointer, _ totals: UnsafePointer<Float>, _ stride: Int
  ) {
    let columns = weight.columns
    var vector = 0
    while vector &+ 4 <= count {
      fourBlockDots(
        type, base, x + vector &* columns, columns, totals + vector &* stride, stride, y + (vector &* weight.rows &+ row), weight.rows)
      vector &+= 4
    }
    while vector < count {
      y[vector &* weight.rows &+ row] = dotBlocks(type, base, x + vector &* columns, totals + vector &* stride, columns / 32)
      vector &+= 1
    }
  }
}

/// Sums of four vectors side by side.
private struct Four {
  var a = Lanes()
  var b = Lanes()
  var c = Lanes()
  var d = Lanes()

  @inline(__always) init() {}

  /// w · x for each vector; they stand `stride` apart.
  @inline(__always) init(_ w: Lanes, _ x: UnsafePointer<Float>, _ stride: Int) {
    a = w * Lanes(at: x)
    b = w * Lanes(at: x + stride)
    c = w * Lanes(at: x + 2 &* stride)
    d = w * Lanes(at: x + 3 &* stride)
  }

  @inline(__always) mutating func add(_ w: Lanes, _ x: UnsafePointer<Float>, _ stride: Int) {
    a.addProduct(w, Lanes(at: x))
    b.addProduct(w, Lanes(at: x + stride))
    c.addProduct(w, Lanes(at: x + 2 &* stride))
    d.addProduct(w, Lanes(at: x + 3 &* stride))
  }

  @inline(__always) mutating func add(_ scale: Lanes, times other: Four) {
    a.addProduct(scale, other.a)
    b.addProduct(scale, other.b)
    c.addProduct(scale, other.c)
    d.addProduct(scale, other.d)
  }

  @inline(__always) static func + (left: Four, right: Four) -> Four {
    var sum = left
    sum.a += right.a
    sum.b += right.b
    sum.c += right.c
    sum.d += right.d
    return sum
  }

  @inline(__always) var totals: SIMD4<Float> { SIMD4(a.total, b.total, c.total, d.total) }
}

/// `dot` of one row and four vectors.
@inline(__always)
private func fourDots<Row: ElementRow>(
  _ type: Row.Type, _ row: UnsafeRawPointer, _ x: UnsafePointer<Float>, _ columns: Int, _ y: UnsafeMutablePointer<Float>, _ stride: Int
) {
  var (first, second, third, fourth) = (Four(), Four(), Four(), Four())
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

/// Blocks whose 32 elements come as two vectors, once for several products.
private protocol WideBlock: Block {
  static func quants(_ block: UnsafeRawPointer) -> (low: Lanes, high: Lanes)
  /// What the block's sum of x adds to the offset: (factor, multiplier of the sum).
  static func offset(_ block: UnsafeRawPointer) -> (factor: Float, multiplier: Float)
}

extension Q8Block: WideBlock {
  @inline(__always) fileprivate static func quants(_ block: UnsafeRawPointer) -> (low: Lanes, high: Lanes) {
    (signedBytes(block + 2), signedBytes(block + 18))
  }
  @inline(__always) fileprivate static func offset(_ block: UnsafeRawPointer) -> (factor: Float, multiplier: Float) { (0, 0) }
}

extension Q4Block: WideBlock {
  @inline(__always) fileprivate static func quants(_ block: UnsafeRawPointer) -> (low: Lanes, high: Lanes) {
    let bytes = wideBytes(block + 2)
    return (floats(bytes & 15), floats(bytes &>> 4))
  }
  @inline(__always) fileprivate static func offset(_ block: UnsafeRawPointer) -> (factor: Float, multiplier: Float) { (half(block), -8) }
}

extension Q4MinimumBlock: WideBlock {
  @inline(__always) fileprivate static func quants(_ block: UnsafeRawPointer) -> (low: Lanes, high: Lanes) {
    let bytes = wideBytes(block + 4)
    return (floats(bytes & 15), floats(bytes &>> 4))
  }
  @inline(__always) fileprivate static func offset(_ block: UnsafeRawPointer) -> (factor: Float, multiplier: Float) { (half(block + 2), 1) }
}

/// `dotBlocks` of one row and four vectors.
@inline(__always)
private func fourBlockDots<Type: WideBlock>(
  _ type: Type.Type, _ row: UnsafeRawPointer, _ x: UnsafePointer<Float>, _ columns: Int, _ totals: UnsafePointer<Float>,
  _ totalStride: Int, _ y: UnsafeMutablePointer<Float>, _ stride: Int
) {
  let blocks = columns / 32
  var (even, odd) = (Four(), Four())
  var (evenOffset, oddOffset) = (SIMD4<Float>(), SIMD4<Float>())
  var block = 0
  @inline(__always) func add(to sum: inout Four, _ offset: inout SIMD4<Float>) {
    let from = row + block &* Type.size
    let (low, high) = Type.quants(from)
    var product = Four(low, x + block &* 32, columns)
    product.add(high, x + block &* 32 + 16, columns)
    sum.add(Lanes(repeating: half(from)), times: product)
    let (factor, multiplier) = Type.offset(from)
    guard multiplier != 0 else { return }
    for vector in 0..<4 { offset[vector].addProduct(factor, totals[vector &* totalStride &+ block] * multiplier) }
  }
  while block &+ 2 <= blocks {
    add(to: &even, &evenOffset)
    block &+= 1
    add(to: &odd, &oddOffset)
    block &+= 1
  }
  if block < blocks { add(to: &even, &evenOffset) }
  let sums = (even + odd).totals + (evenOffset + oddOffset)
  for vector in 0..<4 { y[vector &* stride] = sums[vector] }
}
