// Matrix-vector products, what decoding spends its time in: y = W·x with float activations, weights read as they are stored.
// Four rows go together and share what they load of x. A row's sum never depends on which rows go with it, nor on the
// number of threads: lanes add up along the row in order, then among each other in a fixed order.

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
  let sums = ThreadContext.current.floats(.operand, count: columns / 32 + 1)
  switch weight.type {
  case .f32: multiply(F32Row.self, weight, x, y)
  case .f16: multiply(F16Row.self, weight, x, y)
  case .bf16: multiply(BF16Row.self, weight, x, y)
  case .q8_0: forEachRows(weight) { multiplyQ8(weight, $0, x, y) }
  case .q4_0:
    sumBlocks(x, columns / 32, into: sums)
    forEachRows(weight) { multiplyQ4(weight, $0, x, sums, y) }
  case .q4_1:
    sumBlocks(x, columns / 32, into: sums)
    forEachRows(weight) { multiplyQ4WithMinimum(weight, $0, x, sums, y) }
  case .q5_0, .q5_1, .q2_K, .q3_K, .q4_K, .q5_K, .q6_K: forEachRows(weight) { multiplyUnpacked(weight, $0, x, y) }
  }
}

/// Cuts the rows into tasks of a multiple of 16 rows: a few for each thread, none so short that handing it out costs more.
@inline(__always)
func forEachRows(_ weight: WeightView, _ body: (Range<Int>) -> Void) {
  forEachRows(weight.rows, bytesPerRow: weight.rowBytes, body)
}

@inline(__always)
func forEachRows(_ rows: Int, bytesPerRow: Int, _ body: (Range<Int>) -> Void) {
  let smallest = (1 << 14) / max(bytesPerRow, 1)
  let share = rows / (ThreadPool.shared.threadCount * 4)
  ThreadPool.shared.forEachRange(of: rows, grain: (max(smallest, share, 1) + 15) / 16 * 16, body)
}

/// The sum of x over each block of 32 columns: what a block's minimum, or its offset, is multiplied with.
func sumBlocks(_ x: UnsafePointer<Float>, _ blocks: Int, into sums: UnsafeMutablePointer<Float>) {
  for block in 0..<blocks { sums[block] = (Lanes(at: x + block * 32) + Lanes(at: x + block * 32 + 16)).total }
}

/// The rows of `range` by fours, then one by one.
@inline(__always)
private func forEachFour(_ range: Range<Int>, four: (Int) -> Void, one: (Int) -> Void) {
  var row = range.lowerBound
  while row + 4 <= range.upperBound {
    four(row)
    row += 4
  }
  while row < range.upperBound {
    one(row)
    row += 1
  }
}

// MARK: Rows of single elements

/// Rows whose elements stand alone: how to read sixteen of them, or one.
private protocol ElementRow {
  static var size: Int { get }
  static func lanes(_ pointer: UnsafeRawPointer) -> Lanes
  static func element(_ pointer: UnsafeRawPointer) -> Float
}

private enum F32Row: ElementRow {
  @inline(__always) static var size: Int { 4 }
  @inline(__always) static func lanes(_ pointer: UnsafeRawPointer) -> Lanes { pointer.loadUnaligned(as: Lanes.self) }
  @inline(__always) static func element(_ pointer: UnsafeRawPointer) -> Float { pointer.loadUnaligned(as: Float.self) }
}

private enum F16Row: ElementRow {
  @inline(__always) static var size: Int { 2 }
  @inline(__always) static func lanes(_ pointer: UnsafeRawPointer) -> Lanes { halves(pointer) }
  @inline(__always) static func element(_ pointer: UnsafeRawPointer) -> Float { half(pointer) }
}

private enum BF16Row: ElementRow {
  @inline(__always) static var size: Int { 2 }
  @inline(__always) static func lanes(_ pointer: UnsafeRawPointer) -> Lanes { brainFloats(pointer) }
  @inline(__always) static func element(_ pointer: UnsafeRawPointer) -> Float {
    Float(bitPattern: UInt32(pointer.loadUnaligned(as: UInt16.self)) << 16)
  }
}

@inline(__always)
private func multiply<Row: ElementRow>(
  _ type: Row.Type, _ weight: WeightView, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>
) {
  let columns = weight.columns
  let bytes = weight.rowBytes
  forEachRows(weight) { rows in
    forEachFour(rows) { row in
      let first = weight.base + row * bytes
      var (a, b, c, d) = (Lanes(), Lanes(), Lanes(), Lanes())
      var column = 0
      while column &+ 16 <= columns {
        let right = Lanes(at: x + column)
        let left = first + column &* Row.size
        a.addProduct(Row.lanes(left), right)
        b.addProduct(Row.lanes(left + bytes), right)
        c.addProduct(Row.lanes(left + 2 &* bytes), right)
        d.addProduct(Row.lanes(left + 3 &* bytes), right)
        column &+= 16
      }
      (y[row], y[row + 1], y[row + 2], y[row + 3]) = (a.total, b.total, c.total, d.total)
      for index in 0..<4 { addRest(Row.self, first + index * bytes, x, column, columns, to: y + row + index) }
    } one: { row in
      let first = weight.base + row * bytes
      var sum = Lanes()
      var column = 0
      while column &+ 16 <= columns {
        sum.addProduct(Row.lanes(first + column &* Row.size), Lanes(at: x + column))
        column &+= 16
      }
      y[row] = sum.total
      addRest(Row.self, first, x, column, columns, to: y + row)
    }
  }
}

@inline(__always)
private func addRest<Row: ElementRow>(
  _ type: Row.Type, _ row: UnsafeRawPointer, _ x: UnsafePointer<Float>, _ start: Int, _ columns: Int,
  to y: UnsafeMutablePointer<Float>
) {
  var column = start
  while column < columns {
    y[0].addProduct(Row.element(row + column &* Row.size), x[column])
    column &+= 1
  }
}

// MARK: Rows of blocks

private func multiplyQ8(_ weight: WeightView, _ rows: Range<Int>, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>) {
  let blocks = weight.columns / 32
  let bytes = weight.rowBytes
  @inline(__always)
  func add(_ block: UnsafeRawPointer, _ left: Lanes, _ right: Lanes, to sum: inout Lanes) {
    var product = signedBytes(block + 2) * left
    product.addProduct(signedBytes(block + 18), right)
    sum.addProduct(Lanes(repeating: half(block)), product)
  }
  forEachFour(rows) { row in
    var from = weight.base + row * bytes
    var (a, b, c, d) = (Lanes(), Lanes(), Lanes(), Lanes())
    for block in 0..<blocks {
      let (left, right) = (Lanes(at: x + block &* 32), Lanes(at: x + block &* 32 + 16))
      add(from, left, right, to: &a)
      add(from + bytes, left, right, to: &b)
      add(from + 2 &* bytes, left, right, to: &c)
      add(from + 3 &* bytes, left, right, to: &d)
      from += 34
    }
    (y[row], y[row + 1], y[row + 2], y[row + 3]) = (a.total, b.total, c.total, d.total)
  } one: { row in
    var sum = Lanes()
    for block in 0..<blocks {
      add(weight.row(row) + block &* 34, Lanes(at: x + block &* 32), Lanes(at: x + block &* 32 + 16), to: &sum)
    }
    y[row] = sum.total
  }
}

/// Adds the products of sixteen bytes of nibbles: low ones with `left`, high ones with `right`, which is x/16.
///
/// A high nibble is read where it stands, sixteen times too large; dividing x by sixteen instead is exact.
@inline(__always)
private func nibbleProducts(_ quants: UnsafeRawPointer, _ left: Lanes, _ right: Lanes) -> Lanes {
  let bytes = wideBytes(quants)
  var product = floats(bytes & 15) * left
  product.addProduct(floats(bytes & 240), right)
  return product
}

private func multiplyQ4(
  _ weight: WeightView, _ rows: Range<Int>, _ x: UnsafePointer<Float>, _ sums: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>
) {
  let blocks = weight.columns / 32
  let bytes = weight.rowBytes
  @inline(__always)
  func add(_ block: UnsafeRawPointer, _ left: Lanes, _ right: Lanes, _ total: Float, to sum: inout Lanes, _ offset: inout Float) {
    let scale = half(block)
    sum.addProduct(Lanes(repeating: scale), nibbleProducts(block + 2, left, right))
    offset.addProduct(scale, total)
  }
  forEachFour(rows) { row in
    var from = weight.base + row * bytes
    var (a, b, c, d) = (Lanes(), Lanes(), Lanes(), Lanes())
    var (e, f, g, h): (Float, Float, Float, Float) = (0, 0, 0, 0)
    for block in 0..<blocks {
      let (left, right) = (Lanes(at: x + block &* 32), Lanes(at: x + block &* 32 + 16) * 0.0625)
      add(from, left, right, sums[block], to: &a, &e)
      add(from + bytes, left, right, sums[block], to: &b, &f)
      add(from + 2 &* bytes, left, right, sums[block], to: &c, &g)
      add(from + 3 &* bytes, left, right, sums[block], to: &d, &h)
      from += 18
    }
    (y[row], y[row + 1], y[row + 2], y[row + 3]) = (a.total - 8 * e, b.total - 8 * f, c.total - 8 * g, d.total - 8 * h)
  } one: { row in
    var sum = Lanes()
    var offset: Float = 0
    for block in 0..<blocks {
      let (left, right) = (Lanes(at: x + block &* 32), Lanes(at: x + block &* 32 + 16) * 0.0625)
      add(weight.row(row) + block &* 18, left, right, sums[block], to: &sum, &offset)
    }
    y[row] = sum.total - 8 * offset
  }
}

private func multiplyQ4WithMinimum(
  _ weight: WeightView, _ rows: Range<Int>, _ x: UnsafePointer<Float>, _ sums: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>
) {
  let blocks = weight.columns / 32
  let bytes = weight.rowBytes
  @inline(__always)
  func add(_ block: UnsafeRawPointer, _ left: Lanes, _ right: Lanes, _ total: Float, to sum: inout Lanes, _ offset: inout Float) {
    sum.addProduct(Lanes(repeating: half(block)), nibbleProducts(block + 4, left, right))
    offset.addProduct(half(block + 2), total)
  }
  forEachFour(rows) { row in
    var from = weight.base + row * bytes
    var (a, b, c, d) = (Lanes(), Lanes(), Lanes(), Lanes())
    var (e, f, g, h): (Float, Float, Float, Float) = (0, 0, 0, 0)
    for block in 0..<blocks {
      let (left, right) = (Lanes(at: x + block &* 32), Lanes(at: x + block &* 32 + 16) * 0.0625)
      add(from, left, right, sums[block], to: &a, &e)
      add(from + bytes, left, right, sums[block], to: &b, &f)
      add(from + 2 &* bytes, left, right, sums[block], to: &c, &g)
      add(from + 3 &* bytes, left, right, sums[block], to: &d, &h)
      from += 20
    }
    (y[row], y[row + 1], y[row + 2], y[row + 3]) = (a.total + e, b.total + f, c.total + g, d.total + h)
  } one: { row in
    var sum = Lanes()
    var offset: Float = 0
    for block in 0..<blocks {
      let (left, right) = (Lanes(at: x + block &* 32), Lanes(at: x + block &* 32 + 16) * 0.0625)
      add(weight.row(row) + block &* 20, left, right, sums[block], to: &sum, &offset)
    }
    y[row] = sum.total + offset
  }
}

/// The types without a path of their own: a row is unpacked in cache, then multiplied.
private func multiplyUnpacked(_ weight: WeightView, _ rows: Range<Int>, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>) {
  let columns = weight.columns
  let unpacked = ThreadContext.current.floats(.unpackedRow, count: columns)
  for row in rows {
    unpack(weight.type, from: weight.row(row), to: unpacked, count: columns)
    var (a, b) = (Lanes(), Lanes())
    for column in stride(from: 0, to: columns, by: 32) {
      a.addProduct(Lanes(at: unpacked + column), Lanes(at: x + column))
      b.addProduct(Lanes(at: unpacked + column + 16), Lanes(at: x + column + 16))
    }
    y[row] = (a + b).total
  }
}
