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
  case .q8_0, .q4_0, .q4_K, .q5_K, .q6_K: _ = multiplyWords(weight, x, count: 1, into: y)
  case .q4_1, .q5_0, .q5_1, .q2_K, .q3_K:
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

/// Gives `body` all rows, in tasks of a multiple of 16 that grow shorter.
///
/// A long task is one stream of memory, but what the threads wait for is the last of them.
@inline(__always)
func forEachRange(ofRows rows: Int, bytesPerRow: Int, _ body: (Range<Int>) -> Void) {
  let threads = ThreadPool.shared.threadCount
  let shares = RowShares(rows: rows, threads: threads, smallest: threads == 1 ? rows : (1 << 15) / max(bytesPerRow, 1))
  ThreadPool.shared.run(shares.count) { body(shares[$0]) }
}

/// Rows in rounds of one task for each thread, each round half of what the rounds before it have left.
package struct RowShares {
  private let rows: Int
  private let threads: Int
  private let smallest: Int
  /// The number of tasks.
  package private(set) var count = 0

  /// - Parameter smallest: Rows of a task that is worth handing out, rounded up to a multiple of 16.
  package init(rows: Int, threads: Int, smallest: Int) {
    self.rows = rows
    self.threads = threads
    self.smallest = (max(smallest, 1) + 15) / 16 * 16
    forEachRound { begin, size, _ in
      count += min(threads, (rows - begin + size - 1) / size)
      return true
    }
  }

  /// The rows of a task.
  package subscript(task: Int) -> Range<Int> {
    var range = rows..<rows
    forEachRound { begin, size, first in
      guard task < first + threads else { return true }
      let lower = min(begin + (task - first) * size, rows)
      range = lower..<min(lower + size, rows)
      return false
    }
    return range
  }

  /// Gives `body` the first row, the rows of a task and the first task of each round, until it returns false.
  private func forEachRound(_ body: (_ begin: Int, _ size: Int, _ first: Int) -> Bool) {
    var (begin, first) = (0, 0)
    while begin < rows {
      let half = (rows - begin) / (2 * threads)
      let size = max(smallest, (half + 15) / 16 * 16)
      if !body(begin, size, first) { return }
      begin += threads * size
      first += threads
    }
  }
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
