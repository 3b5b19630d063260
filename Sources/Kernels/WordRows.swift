// Rows of quantized weights times vectors, read where they lie: what decoding a mapped model spends its time in.
// Sixteen 32-bit words of quants are one vector. A quant is masked out where it stands in its word, 2^s times too large for its
// place s, and x is divided by 2^s instead, which is exact. So sixteen weights cost a mask, a conversion and a fused multiply-add,
// and nothing but scales moves between lanes. x is put in the order of the lanes, "arranged", once per product. The sums of four
// vectors are kept side by side, so that quants are widened once for all; each has the bits that it has alone.

import CMachine

/// The sums of one vector or of several, lane by lane.
protocol LaneSums {
  /// Nothing so far.
  init()
  /// w · x for each vector; arranged vectors stand `stride` apart.
  init(_ w: Lanes, _ x: UnsafePointer<Float>, _ stride: Int)
  /// Arranged elements as they are.
  init(at x: UnsafePointer<Float>, _ stride: Int)
  mutating func add(_ w: Lanes, _ x: UnsafePointer<Float>, _ stride: Int)
  mutating func add(_ scale: Lanes, times other: Self)
  /// The sums of `digitDots`, whose vectors stand `stride` apart too.
  init(digits quants: SIMD16<Int32>, _ x: UnsafePointer<Float>, _ stride: Int)
  /// Other sums times a number for each vector.
  mutating func add(_ other: Self, times factor: UnsafePointer<Float>, _ stride: Int)
  static func + (left: Self, right: Self) -> Self
}

/// How a step along a row, some blocks at a time, is read.
protocol WordRow {
  /// Blocks of a step.
  static var blocks: Int { get }
  static var blockElements: Int { get }
  static var blockBytes: Int { get }
  /// Floats of x arranged for a step, a multiple of 16.
  static var arranged: Int { get }
  /// Puts x of a step into the order in which `add` meets it.
  static func arrange(_ x: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>)
  /// Adds a step to sums, of which there are two so that one need not wait for the other.
  static func add<Sums: LaneSums>(_ step: UnsafeRawPointer, _ x: UnsafePointer<Float>, _ stride: Int, _ even: inout Sums, _ odd: inout Sums)
}

/// y[i] = W·x[i] for `count` vectors, shapes (count, columns) and (count, rows), on all threads, for types that are read in words.
///
/// - Returns: Whether the weight is of such a type.
func multiplyWords(_ weight: WeightView, _ x: UnsafePointer<Float>, count: Int, into y: UnsafeMutablePointer<Float>) -> Bool {
  switch weight.type {
  case .q4_K where zs_has_byte_dots(): multiplyRows(Q4KDigits.self, weight, x, count: count, into: y)
  case .q5_K where zs_has_byte_dots(): multiplyRows(Q5KDigits.self, weight, x, count: count, into: y)
  case .q6_K where zs_has_byte_dots(): multiplyRows(Q6KDigits.self, weight, x, count: count, into: y)
  case .q8_0: multiplyRows(Q8Words.self, weight, x, count: count, into: y)
  case .q4_0: multiplyRows(Q4Words.self, weight, x, count: count, into: y)
  case .q4_K: multiplyRows(Q4KWords.self, weight, x, count: count, into: y)
  case .q5_K: multiplyRows(Q5KWords.self, weight, x, count: count, into: y)
  case .q6_K: multiplyRows(Q6KWords.self, weight, x, count: count, into: y)
  case .f32, .f16, .bf16, .q4_1, .q5_0, .q5_1, .q2_K, .q3_K: return false
  }
  return true
}

@inline(__always)
private func multiplyRows<Row: WordRow>(
  _ type: Row.Type, _ weight: WeightView, _ x: UnsafePointer<Float>, count: Int, into y: UnsafeMutablePointer<Float>
) {
  let (columns, elements) = (weight.columns, Row.blocks &* Row.blockElements)
  let stride = (columns + elements - 1) / elements * Row.arranged
  let operands = ThreadContext.current.floats(.operand, count: count * stride + elements)
  for vector in 0..<count {
    arrangeRow(type, x + vector * columns, columns, into: operands + vector * stride, room: operands + count * stride)
  }
  let walk = RowWalk(type, columns: columns, bytesPerRow: weight.rowBytes, vectors: min(count, 4))
  let rows = weight.rows
  forEachRange(ofRows: rows, bytesPerRow: weight.rowBytes) { range in
    for first in Swift.stride(from: range.lowerBound, to: range.upperBound, by: walk.rowsAtOnce) {
      let group = first..<min(first &+ walk.rowsAtOnce, range.upperBound)
      let from = weight.base + first &* weight.rowBytes
      var vector = 0
      while vector &+ 4 <= count {
        walk.forEachSum(type, FourVectors.self, from, group.count, operands + vector &* stride, stride) { row, sums in
          let totals = sums.totals
          for index in 0..<4 { y[(vector &+ index) &* rows &+ first &+ row] = totals[index] }
        }
        vector &+= 4
      }
      while vector < count {
        walk.forEachSum(type, OneVector.self, from, group.count, operands + vector &* stride, stride) { row, sums in
          y[vector &* rows &+ first &+ row] = sums.a.total
        }
        vector &+= 1
      }
    }
  }
}

/// The order in which rows are read.
///
/// One after the other as long as x lies in the first-level cache beside them; else some rows at once, a stretch of each in turn,
/// while a stretch of x lies there. A row's sums are the same in either.
private struct RowWalk {
  let rowsAtOnce: Int
  private let bytesPerRow: Int
  private let wholeSteps: Int
  /// Blocks of the last step, where it has fewer than the others.
  private let lastBlocks: Int
  private let stepsPerStretch: Int
  /// How far ahead memory is asked for: two pages of a mapped file, since the processor itself looks no further than the page it is
  /// in, or as far as the rows that come after these.
  private let distance: Int

  init<Row: WordRow>(_ type: Row.Type, columns: Int, bytesPerRow: Int, vectors: Int) {
    let elements = Row.blocks &* Row.blockElements
    let room = max((16 << 10) / (vectors * Row.arranged * 4), 1)
    self.bytesPerRow = bytesPerRow
    wholeSteps = columns / elements
    lastBlocks = columns % elements / Row.blockElements
    // All of x may take some more than a stretch of it, since then it is never read anew.
    let isLong = wholeSteps > room * 3 / 2
    stepsPerStretch = isLong ? room : wholeSteps &+ 1
    rowsAtOnce = isLong ? 8 : 1
    distance = isLong ? 8 &* bytesPerRow : 8192
  }

  /// Gives `body` the sums of each of `count` rows, at most `rowsAtOnce`.
  @inline(__always)
  func forEachSum<Row: WordRow, Sums: LaneSums>(
    _ type: Row.Type, _ kind: Sums.Type, _ base: UnsafeRawPointer, _ count: Int, _ x: UnsafePointer<Float>, _ stride: Int,
    _ body: (_ row: Int, Sums) -> Void
  ) {
    if rowsAtOnce == 1 {
      var sums = (even: Sums(), odd: Sums())
      add(type, base, 0..<wholeSteps, x, stride, to: &sums)
      if lastBlocks > 0 { addLast(type, base, x, stride, to: &sums) }
      return body(0, sums.even + sums.odd)
    }
    withUnsafeTemporaryAllocation(of: (even: Sums, odd: Sums).self, capacity: 8) { sums in
      for row in 0..<count { sums[row] = (Sums(), Sums()) }
      var step = 0
      while step < wholeSteps {
        let end = min(step &+ stepsPerStretch, wholeSteps)
        for row in 0..<count { add(type, base + row &* bytesPerRow, step..<end, x, stride, to: &sums[row]) }
        step = end
      }
      for row in 0..<count {
        if lastBlocks > 0 { addLast(type, base + row &* bytesPerRow, x, stride, to: &sums[row]) }
        body(row, sums[row].even + sums[row].odd)
      }
    }
  }

  /// Adds some steps of a row to its sums.
  @inline(__always)
  private func add<Row: WordRow, Sums: LaneSums>(
    _ type: Row.Type, _ row: UnsafeRawPointer, _ steps: Range<Int>, _ x: UnsafePointer<Float>, _ stride: Int,
    to sums: inout (even: Sums, odd: Sums)
  ) {
    var (even, odd) = sums
    for step in steps {
      let from = row + step &* (Row.blocks &* Row.blockBytes)
      // Into the second-level cache: a third more bandwidth than into the first, which has too few places to wait in. What lies behind
      // the weights is never read by it.
      for offset in Swift.stride(from: 0, to: Row.blocks &* Row.blockBytes, by: 64) { zs_prefetch_far(from + (distance &+ offset)) }
      Row.add(from, x + step &* Row.arranged, stride, &even, &odd)
    }
    sums = (even, odd)
  }

  /// Adds the last step.
  ///
  /// What lies behind the row may be the end of the file: it is read from a copy with blocks of zeros behind it.
  @inline(__always)
  private func addLast<Row: WordRow, Sums: LaneSums>(
    _ type: Row.Type, _ row: UnsafeRawPointer, _ x: UnsafePointer<Float>, _ stride: Int, to sums: inout (even: Sums, odd: Sums)
  ) {
    var last = (SIMD64<UInt8>(), SIMD16<UInt8>())
    withUnsafeMutableBytes(of: &last) { copy in
      guard let base = copy.baseAddress else { return }
      base.copyMemory(from: row + wholeSteps &* (Row.blocks &* Row.blockBytes), byteCount: lastBlocks &* Row.blockBytes)
      Row.add(UnsafeRawPointer(base), x + wholeSteps &* Row.arranged, stride, &sums.even, &sums.odd)
    }
  }
}

/// Arranges a whole vector; what a last step has too few of is zero.
///
/// - Parameter room: For the elements of a step.
@inline(__always)
private func arrangeRow<Row: WordRow>(
  _ type: Row.Type, _ x: UnsafePointer<Float>, _ columns: Int, into out: UnsafeMutablePointer<Float>, room: UnsafeMutablePointer<Float>
) {
  let elements = Row.blocks &* Row.blockElements
  let whole = columns / elements
  for step in 0..<whole { Row.arrange(x + step &* elements, into: out + step &* Row.arranged) }
  let rest = columns &- whole &* elements
  guard rest > 0 else { return }
  room.update(repeating: 0, count: elements)
  room.update(from: x + whole &* elements, count: rest)
  Row.arrange(room, into: out + whole &* Row.arranged)
}

/// One vector.
struct OneVector: LaneSums {
  var a: Lanes
  @inline(__always) init() { a = Lanes() }
  @inline(__always) private init(_ a: Lanes) { self.a = a }
  @inline(__always) init(_ w: Lanes, _ x: UnsafePointer<Float>, _ stride: Int) { a = w * Lanes(at: x) }
  @inline(__always) init(at x: UnsafePointer<Float>, _ stride: Int) { a = Lanes(at: x) }
  @inline(__always) mutating func add(_ w: Lanes, _ x: UnsafePointer<Float>, _ stride: Int) { a.addProduct(w, Lanes(at: x)) }
  @inline(__always) mutating func add(_ scale: Lanes, times other: OneVector) { a.addProduct(scale, other.a) }
  @inline(__always) init(digits quants: SIMD16<Int32>, _ x: UnsafePointer<Float>, _ stride: Int) { a = digitDots(quants, x) }
  @inline(__always) mutating func add(_ other: OneVector, times factor: UnsafePointer<Float>, _ stride: Int) {
    a.addProduct(other.a, Lanes(repeating: factor[0]))
  }
  @inline(__always) static func + (left: OneVector, right: OneVector) -> OneVector { OneVector(left.a + right.a) }
}

/// Four vectors.
struct FourVectors: LaneSums {
  var a = Lanes()
  var b = Lanes()
  var c = Lanes()
  var d = Lanes()

  @inline(__always) init() {}

  @inline(__always) init(_ w: Lanes, _ x: UnsafePointer<Float>, _ stride: Int) {
    a = w * Lanes(at: x)
    b = w * Lanes(at: x + stride)
    c = w * Lanes(at: x + 2 &* stride)
    d = w * Lanes(at: x + 3 &* stride)
  }

  @inline(__always) init(at x: UnsafePointer<Float>, _ stride: Int) {
    a = Lanes(at: x)
    b = Lanes(at: x + stride)
    c = Lanes(at: x + 2 &* stride)
    d = Lanes(at: x + 3 &* stride)
  }

  @inline(__always) mutating func add(_ w: Lanes, _ x: UnsafePointer<Float>, _ stride: Int) {
    a.addProduct(w, Lanes(at: x))
    b.addProduct(w, Lanes(at: x + stride))
    c.addProduct(w, Lanes(at: x + 2 &* stride))
    d.addProduct(w, Lanes(at: x + 3 &* stride))
  }

  @inline(__always) mutating func add(_ scale: Lanes, times other: FourVectors) {
    a.addProduct(scale, other.a)
    b.addProduct(scale, other.b)
    c.addProduct(scale, other.c)
    d.addProduct(scale, other.d)
  }

  @inline(__always) init(digits quants: SIMD16<Int32>, _ x: UnsafePointer<Float>, _ stride: Int) {
    a = digitDots(quants, x)
    b = digitDots(quants, x + stride)
    c = digitDots(quants, x + 2 &* stride)
    d = digitDots(quants, x + 3 &* stride)
  }

  @inline(__always) mutating func add(_ other: FourVectors, times factor: UnsafePointer<Float>, _ stride: Int) {
    a.addProduct(other.a, Lanes(repeating: factor[0]))
    b.addProduct(other.b, Lanes(repeating: factor[stride]))
    c.addProduct(other.c, Lanes(repeating: factor[2 &* stride]))
    d.addProduct(other.d, Lanes(repeating: factor[3 &* stride]))
  }

  @inline(__always) static func + (left: FourVectors, right: FourVectors) -> FourVectors {
    var sum = left
    sum.a += right.a
    sum.b += right.b
    sum.c += right.c
    sum.d += right.d
    return sum
  }

  @inline(__always) var totals: SIMD4<Float> { SIMD4(a.total, b.total, c.total, d.total) }
}

/// Sixteen words from memory.
@inline(__always)
func words(_ pointer: UnsafeRawPointer) -> SIMD16<Int32> { pointer.loadUnaligned(as: SIMD16<Int32>.self) }

/// The upper bits of each word, moved down.
@inline(__always)
func top(_ w: SIMD16<Int32>, bits: UInt32) -> SIMD16<Int32> {
  unsafeBitCast(unsafeBitCast(w, to: SIMD16<UInt32>.self) &>> (32 &- bits), to: SIMD16<Int32>.self)
}

/// Two numbers, eight lanes each.
@inline(__always)
func eightTimes(_ a: Float, _ b: Float) -> Lanes { Lanes(a, a, a, a, a, a, a, a, b, b, b, b, b, b, b, b) }

/// Four numbers, four lanes each.
@inline(__always)
func fourTimes(_ a: Float, _ b: Float, _ c: Float, _ d: Float) -> Lanes { Lanes(a, a, a, a, b, b, b, b, c, c, c, c, d, d, d, d) }

/// Adds Σ byte · x over the four bytes of each word; x of a place stands 16 floats behind that of the one before.
@inline(__always)
func addBytes<Sums: LaneSums>(_ bytes: SIMD16<Int32>, _ x: UnsafePointer<Float>, _ stride: Int, to sums: inout Sums) {
  sums.add(floats(bytes & 0xff), x, stride)
  sums.add(floats(bytes & 0xff00), x + 16, stride)
  sums.add(floats(bytes & 0xff0000), x + 32, stride)
  sums.add(floats(top(bytes, bits: 8)), x + 48, stride)
}

/// Sums of the nibbles of each word times x: those in even places, those in odd ones.
@inline(__always)
func nibbleSums<Sums: LaneSums>(_ w: SIMD16<Int32>, _ x: UnsafePointer<Float>, _ stride: Int) -> (low: Sums, high: Sums) {
  var low = Sums(floats(w & 0xf), x, stride)
  var high = Sums(floats(w & 0xf0), x + 16, stride)
  low.add(floats(w & 0xf00), x + 32, stride)
  high.add(floats(w & 0xf000), x + 48, stride)
  low.add(floats(w & 0xf0000), x + 64, stride)
  high.add(floats(w & 0xf00000), x + 80, stride)
  low.add(floats(w & 0xf000000), x + 96, stride)
  high.add(floats(top(w, bits: 4)), x + 112, stride)
  return (low, high)
}

/// Every fourth of 32 elements, from the first, the second, the third and the fourth on.
@inline(__always)
func fourths(_ x: UnsafePointer<Float>) -> (SIMD8<Float>, SIMD8<Float>, SIMD8<Float>, SIMD8<Float>) {
  let (a, b) = (Lanes(at: x), Lanes(at: x + 16))
  @inline(__always) func from(_ i: Int) -> SIMD8<Float> { SIMD8(a[i], a[i + 4], a[i + 8], a[i + 12], b[i], b[i + 4], b[i + 8], b[i + 12]) }
  return (from(0), from(1), from(2), from(3))
}

extension SIMD8 where Scalar == Float {
  @inline(__always) func write(to pointer: UnsafeMutablePointer<Float>) {
    UnsafeMutableRawPointer(pointer).storeBytes(of: self, as: SIMD8<Float>.self)
  }
}

/// x of 32 elements for the bytes of eight words; each place stands 16 floats behind the one before.
///
/// - Returns: The sums of x over the words.
@inline(__always) @discardableResult
func arrangeBytes(_ x: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>) -> SIMD8<Float> {
  let (a, b, c, d) = fourths(x)
  a.write(to: out)
  (b * 0x1p-8).write(to: out + 16)
  (c * 0x1p-16).write(to: out + 32)
  d.write(to: out + 48)
  return (a + b) + (c + d)
}
