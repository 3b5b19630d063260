// Sixteen floats at a time: the vector type of the row-wise kernels (one zmm register under AVX-512, two ymm under AVX2),
// its loads and stores, horizontal sums in a fixed order, the exponential, and the split of long loops into ranges.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

typealias Lanes = SIMD16<Float>

extension SIMD16 where Scalar == Float {
  @inline(__always) init(at pointer: UnsafePointer<Float>) {
    self = UnsafeRawPointer(pointer).loadUnaligned(as: SIMD16<Float>.self)
  }

  /// The first `count` lanes from memory, the others `filling`; reads nothing past them.
  @inline(__always) init(at pointer: UnsafePointer<Float>, count: Int, filling: Float = 0) {
    self = SIMD16(repeating: filling)
    for lane in 0..<count { self[lane] = pointer[lane] }
  }

  @inline(__always) func write(to pointer: UnsafeMutablePointer<Float>) {
    UnsafeMutableRawPointer(pointer).storeBytes(of: self, as: SIMD16<Float>.self)
  }

  @inline(__always) func write(to pointer: UnsafeMutablePointer<Float>, count: Int) {
    for lane in 0..<count { pointer[lane] = self[lane] }
  }

  /// Sum of the lanes, halves added to halves: the same order everywhere.
  @inline(__always) var total: Float {
    let eight = lowHalf + highHalf
    let four = eight.lowHalf + eight.highHalf
    let two = four.lowHalf + four.highHalf
    return two[0] + two[1]
  }

  /// The larger of each pair of lanes; a NaN in `other` is ignored.
  @inline(__always) func larger(_ other: Self) -> Self { replacing(with: other, where: other .> self) }

  /// Largest lane.
  @inline(__always) var largest: Float {
    var eight = lowHalf
    eight.replace(with: highHalf, where: highHalf .> eight)
    var four = eight.lowHalf
    four.replace(with: eight.highHalf, where: eight.highHalf .> four)
    var two = four.lowHalf
    two.replace(with: four.highHalf, where: four.highHalf .> two)
    return two[1] > two[0] ? two[1] : two[0]
  }

  /// The square root of each lane, correctly rounded.
  ///
  /// `squareRoot()` of the standard library becomes sixteen calls where it is not inlined; these become one instruction.
  @inline(__always) var root: Self {
    var roots = Self()
    for lane in 0..<16 { roots[lane] = sqrtf(self[lane]) }
    return roots
  }

  /// e to the power of each lane, within 1 unit in the last place; 0 for −∞, denormals and NaN as IEEE has them.
  ///
  /// x = n·ln 2 + r with |r| ≤ ln 2 / 2, e^r by a polynomial of degree 6 (Cephes expf's, Horner in fused multiply-adds), and
  /// 2^n in two factors, so that neither leaves the range of exponents before the product does.
  @inline(always) var exponential: Self {
    // `replacing`, not min and max: a comparison with NaN is false, so NaN passes through.
    let low = SIMD16(repeating: -104)
    let high = SIMD16(repeating: 89)
    let raised = replacing(with: low, where: self .< low)
    let x = raised.replacing(with: high, where: raised .> high)
    // Adding 1.5·2^23 rounds to an integer, which then stands in the low bits.
    let magic = SIMD16(repeating: 12_582_912)
    let shifted = magic.addingProduct(x, SIMD16(repeating: 1.442_695_04))
    let n = shifted - magic
    var r = x.addingProduct(n, SIMD16(repeating: -0.693_359_375))
    r = r.addingProduct(n, SIMD16(repeating: 2.121_944_4e-4))
    var p = SIMD16(repeating: 1.987_569_15e-4)
    p = SIMD16(repeating: 1.398_199_95e-3).addingProduct(p, r)
    p = SIMD16(repeating: 8.333_452e-3).addingProduct(p, r)
    p = SIMD16(repeating: 4.166_579_6e-2).addingProduct(p, r)
    p = SIMD16(repeating: 1.666_666_55e-1).addingProduct(p, r)
    p = SIMD16(repeating: 0.500_000_01).addingProduct(p, r)
    let power = SIMD16(repeating: 1) + r.addingProduct(p, r * r)
    let exponent = unsafeBitCast(shifted, to: SIMD16<Int32>.self) &- SIMD16<Int32>(repeating: 0x4B40_0000)
    let half = exponent &>> 1
    let first = unsafeBitCast((half &+ 127) &<< 23, to: SIMD16<Float>.self)
    let second = unsafeBitCast((exponent &- half &+ 127) &<< 23, to: SIMD16<Float>.self)
    return power * first * second
  }
}

/// `count` elements for `body` in vectors of 16: whole vectors first, then one call with the rest.
@inline(__always)
func forEachLanes(_ count: Int, whole: (Int) -> Void, rest: (_ start: Int, _ lanes: Int) -> Void) {
  var index = 0
  while index &+ 16 <= count {
    whole(index)
    index &+= 16
  }
  if index < count { rest(index, count &- index) }
}

extension ThreadPool {
  /// Runs `body` over consecutive ranges of `grain` elements (the last may be shorter), each once.
  ///
  /// The ranges depend only on `count` and `grain`, never on the number of threads.
  @inline(__always)
  func forEachRange(of count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
    let pieces = (count + grain - 1) / grain
    if pieces <= 1 {
      if count > 0 { body(0..<count) }
      return
    }
    run(pieces) { piece in body(piece * grain..<Swift.min(count, (piece + 1) * grain)) }
  }
}

/// Elements per task of an element-wise kernel: some microseconds of work.
let elementGrain = 1 << 14
