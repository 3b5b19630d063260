// Rows of quantized weights times vectors, read where they lie: what decoding a mapped model spends its time in.
// Sixteen 32-bit words of quants are one vector. A quant is masked out where it stands in its word, 2^s times too large for its
// place s, and x is divided by 2^s instead, which is exact. So sixteen weights cost a mask, a conversion and a fused multiply-add,
// and nothing but scales moves between lanes. x is put in the order of the lanes, "arranged", once per product. The sums of four
// vectors are kept side by side, so that quants are widened once for all; each has the bits that it has alone.

import CMachine

/// How far ahead a row is asked for: about a page of a mapped file, since the processor itself looks no further than the page it is in.
private let prefetchDistance = 4096

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
  let steps = (columns + elements - 1) / elements
  let stride = steps * Row.arranged
  let operands = ThreadContext.current.floats(.operand, count: count * stride + elements)
  for vector in 0..<count {
    arrangeRow(type, x + vector * columns, columns, into: operands + vector * stride, room: operands + count * stride)
  }
  let (rows, bytes) = (weight.rows, weight.rowBytes)
  forEachRange(ofRows: rows, bytesPerRow: bytes) { range in
    for row in range {
      let from = weight.base + row &* bytes
      var vector = 0
      while vector &+ 4 <= count {
        let sums = rowSums(type, FourVectors.self, from, columns, operands + vector &* stride, stride).totals
        for index in 0..<4 { y[(vector &+ index) &* rows &+ row] = sums[index] }
        vector &+= 4
      }
      while vector < count {
        y[vector &* rows &+ row] = rowSums(type, OneVector.self, from, columns, operands + vector &* stride, stride).a.total
        vector &+= 1
      }
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

/// The sums of a row, both chains together.
@inline(__always)
private func rowSums<Row: WordRow, Sums: LaneSums>(
  _ type: Row.Type, _ kind: Sums.Type, _ row: UnsafeRawPointer, _ columns: Int, _ x: UnsafePointer<Float>, _ stride: Int
) -> Sums {
  let elements = Row.blocks &* Row.blockElements
  let whole = columns / elements
  var (even, odd) = (Sums(), Sums())
  if Row.blocks == 1 {
    for step in 0..<whole {
      let from = row + step &* Row.blockBytes
      prefetch(type, from)
      Row.add(from, x + step &* Row.arranged, stride, &even, &odd)
    }
    return even + odd
  }
  // What lies behind the row may be the end of the file: the last blocks are read from a copy with blocks of zeros behind them.
  var last = (SIMD64<UInt8>(), SIMD16<UInt8>())
  withUnsafeMutableBytes(of: &last) { copy in
    guard let base = copy.baseAddress else { return }
    let rest = columns % elements / Row.blockElements
    if rest > 0 { base.copyMemory(from: row + whole &* (Row.blocks &* Row.blockBytes), byteCount: rest &* Row.blockBytes) }
    for step in 0..<(rest > 0 ? whole &+ 1 : whole) {
      let from = step < whole ? row + step &* (Row.blocks &* Row.blockBytes) : UnsafeRawPointer(base)
      prefetch(type, from)
      Row.add(from, x + step &* Row.arranged, stride, &even, &odd)
    }
  }
  return even + odd
}

/// Asks for the memory of a later step; what lies behind the weights is never read by it.
@inline(__always)
private func prefetch<Row: WordRow>(_ type: Row.Type, _ step: UnsafeRawPointer) {
  for offset in Swift.stride(from: 0, to: Row.blocks &* Row.blockBytes, by: 64) { zs_prefetch(step + (prefetchDistance &+ offset)) }
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
