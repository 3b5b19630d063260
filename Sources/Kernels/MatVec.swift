// Matrix-vector products, what decoding spends its time in: y = W·x with float activations, weights read as they are stored.
// One row after the other, so that memory is read in one long stream (four rows at a time halve the speed of short ones).
// A row's sum depends neither on the other rows nor on the number of threads: lanes add up along the row in order, then among
// each other in a fixed order.

/// Computes y[rows] = W·x with float activations, on all threads.
///
/// - Parameter interleaved: A copy of the same weight made by `InterleavedWeight`, if there is one: it is read instead.
/// - Complexity: Reads every weight once; 2·rows·columns floating-point operations.
public func matVec(weight: WeightView, interleaved: InterleavedWeight?, x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>) {
  if weight.rows <= 0 { return }
  let columns = max(weight.columns, 0)
  if let interleaved, interleaved.rows == weight.rows, interleaved.columns == columns {
    interleaved.multiply(x, into: y)
    return
  }
  switch weight.type {
  case .f32: forEachRow(weight, y) { dot(F32Row.self, $0, x, columns) }
  case .f16: forEachRow(weight, y) { dot(F16Row.self, $0, x, columns) }
  case .bf16: forEachRow(weight, y) { dot(BF16Row.self, $0, x, columns) }
  case .q8_0: forEachRow(weight, y) { dotBlocks(Q8Block.self, $0, x, x, columns / 32) }
  case .q4_0, .q4_1:
    let sums = ThreadContext.current.floats(.operand, count: columns / 32)
    sumBlocks(x, columns / 32, into: sums)
    if weight.type == .q4_0 {
      forEachRow(weight, y) { dotBlocks(Q4Block.self, $0, x, sums, columns / 32) }
    } else {
      forEachRow(weight, y) { dotBlocks(Q4MinimumBlock.self, $0, x, sums, columns / 32) }
    }
  case .q5_0, .q5_1, .q2_K, .q3_K, .q4_K, .q5_K, .q6_K:
    forEachRow(weight, y) { row in
      let unpacked = ThreadContext.current.floats(.unpackedRow, count: columns)
      unpack(weight.type, from: row, to: unpacked, count: columns)
      return dot(F32Row.self, UnsafeRawPointer(unpacked), x, columns)
    }
  }
}

/// Sets every element of y to what `body` makes of the row.
@inline(__always)
private func forEachRow(_ weight: WeightView, _ y: UnsafeMutablePointer<Float>, _ body: (UnsafeRawPointer) -> Float) {
  let bytes = weight.rowBytes
  forEachRange(ofRows: weight.rows, bytesPerRow: bytes) { range in
    for row in range { y[row] = body(weight.base + row &* bytes) }
  }
}

/// Cuts rows into tasks of a multiple of 16: a few for each thread, none so short that handing it out costs more.
@inline(__always)
func forEachRange(ofRows rows: Int, bytesPerRow: Int, _ body: (Range<Int>) -> Void) {
  let smallest = (1 << 14) / max(bytesPerRow, 1)
  let share = rows / (ThreadPool.shared.threadCount * 4)
  ThreadPool.shared.forEachRange(of: rows, grain: (max(smallest, share, 1) + 15) / 16 * 16, body)
}

/// The sum of x over each block of 32 columns: what a block's minimum, or its offset, is multiplied with.
func sumBlocks(_ x: UnsafePointer<Float>, _ blocks: Int, into sums: UnsafeMutablePointer<Float>) {
  for block in 0..<blocks { sums[block] = (Lanes(at: x + block &* 32) + Lanes(at: x + block &* 32 + 16)).total }
}

/// Rows whose elements stand alone: how to read sixteen of them, or one.
protocol ElementRow {
  static var size: Int { get }
  static func lanes(_ pointer: UnsafeRawPointer) -> Lanes
  static func element(_ pointer: UnsafeRawPointer) -> Float
}

enum F32Row: ElementRow {
  @inline(__always) static var size: Int { 4 }
  @inline(__always) static func lanes(_ pointer: UnsafeRawPointer) -> Lanes { pointer.loadUnaligned(as: Lanes.self) }
  @inline(__always) static func element(_ pointer: UnsafeRawPointer) -> Float { pointer.loadUnaligned(as: Float.self) }
}

enum F16Row: ElementRow {
  @inline(__always) static var size: Int { 2 }
  @inline(__always) static func lanes(_ pointer: UnsafeRawPointer) -> Lanes { halves(pointer) }
  @inline(__always) static func element(_ pointer: UnsafeRawPointer) -> Float { half(pointer) }
}

enum BF16Row: ElementRow {
  @inline(__always) static var size: Int { 2 }
  @inline(__always) static func lanes(_ pointer: UnsafeRawPointer) -> Lanes { brainFloats(pointer) }
  @inline(__always) static func element(_ pointer: UnsafeRawPointer) -> Float { brainFloat(pointer) }
}

@inline(__always)
func dot<Row: ElementRow>(_ type: Row.Type, _ row: UnsafeRawPointer, _ x: UnsafePointer<Float>, _ columns: Int) -> Float {
  // Four chains, since each waits for its own last sum.
  var (a, b, c, d) = (Lanes(), Lanes(), Lanes(), Lanes())
  var column = 0
  while column &+ 64 <= columns {
    let left = row + column &* Row.size
    a.addProduct(Row.lanes(left), Lanes(at: x + column))
    b.addProduct(Row.lanes(left + 16 &* Row.size), Lanes(at: x + column + 16))
    c.addProduct(Row.lanes(left + 32 &* Row.size), Lanes(at: x + column + 32))
    d.addProduct(Row.lanes(left + 48 &* Row.size), Lanes(at: x + column + 48))
    column &+= 64
  }
  while column &+ 16 <= columns {
    a.addProduct(Row.lanes(row + column &* Row.size), Lanes(at: x + column))
    column &+= 16
  }
  var sum = ((a + b) + (c + d)).total
  while column < columns {
    sum.addProduct(Row.element(row + column &* Row.size), x[column])
    column &+= 1
  }
  return sum
}

/// Types that keep 32 elements in a block: what a block adds to the sum of its row.
protocol Block {
  static var size: Int { get }
  /// Adds scale × quants × x in lanes and, where the type has a minimum or an offset, what that adds, in a float.
  static func add(_ block: UnsafeRawPointer, _ x: UnsafePointer<Float>, _ total: Float, to sum: inout Lanes, _ offset: inout Float)
}

enum Q8Block: Block {
  @inline(__always) static var size: Int { 34 }
  @inline(__always)
  static func add(_ block: UnsafeRawPointer, _ x: UnsafePointer<Float>, _ total: Float, to sum: inout Lanes, _ offset: inout Float) {
    var product = signedBytes(block + 2) * Lanes(at: x)
    product.addProduct(signedBytes(block + 18), Lanes(at: x + 16))
    sum.addProduct(Lanes(repeating: half(block)), product)
  }
}

/// Sixteen bytes of nibbles, low ones before high ones, times x.
@inline(__always)
private func nibbleProducts(_ quants: UnsafeRawPointer, _ x: UnsafePointer<Float>) -> Lanes {
  let bytes = wideBytes(quants)
  var product = floats(bytes & 15) * Lanes(at: x)
  product.addProduct(floats(bytes &>> 4), Lanes(at: x + 16))
  return product
}

enum Q4Block: Block {
  @inline(__always) static var size: Int { 18 }
  @inline(__always)
  static func add(_ block: UnsafeRawPointer, _ x: UnsafePointer<Float>, _ total: Float, to sum: inout Lanes, _ offset: inout Float) {
    let scale = half(block)
    sum.addProduct(Lanes(repeating: scale), nibbleProducts(block + 2, x))
    offset.addProduct(scale, total * -8)
  }
}

enum Q4MinimumBlock: Block {
  @inline(__always) static var size: Int { 20 }
  @inline(__always)
  static func add(_ block: UnsafeRawPointer, _ x: UnsafePointer<Float>, _ total: Float, to sum: inout Lanes, _ offset: inout Float) {
    sum.addProduct(Lanes(repeating: half(block)), nibbleProducts(block + 4, x))
    offset.addProduct(half(block + 2), total)
  }
}

/// - Parameter totals: The sum of x over each block, read only by types with an offset.
@inline(__always)
func dotBlocks<Type: Block>(
  _ type: Type.Type, _ row: UnsafeRawPointer, _ x: UnsafePointer<Float>, _ totals: UnsafePointer<Float>, _ blocks: Int
) -> Float {
  var (even, odd) = (Lanes(), Lanes())
  var (evenOffset, oddOffset): (Float, Float) = (0, 0)
  var from = row
  var block = 0
  while block &+ 2 <= blocks {
    Type.add(from, x + block &* 32, totals[block], to: &even, &evenOffset)
    Type.add(from + Type.size, x + block &* 32 + 32, totals[block &+ 1], to: &odd, &oddOffset)
    from += 2 &* Type.size
    block &+= 2
  }
  if block < blocks { Type.add(from, x + block &* 32, totals[block], to: &even, &evenOffset) }
  return (even + odd).total + (evenOffset + oddOffset)
}
