// How rows of Q4_K, Q5_K and Q6_K are read in words: two vectors of sixteen words are the nibbles of a super-block of 256, and a
// sub-block with a scale of its own is half of such a vector's lanes, or a quarter.

import CMachine

/// Q4_K: two vectors of words, each two runs of 32 bytes; of a run low nibbles are one sub-block, high nibbles the next.
enum Q4KWords: WordRow {
  @inline(__always) static var blocks: Int { 1 }
  @inline(__always) static var blockElements: Int { 256 }
  @inline(__always) static var blockBytes: Int { 144 }
  @inline(__always) static var arranged: Int { 272 }

  static func arrange(_ x: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>) {
    for run in 0..<4 {
      let to = out + (run >> 1) &* 128 + (run & 1) &* 8
      let low = fourths(x + run &* 64)
      let high = fourths(x + run &* 64 + 32)
      low.0.write(to: to)
      (high.0 * 0x1p-4).write(to: to + 16)
      (low.1 * 0x1p-8).write(to: to + 32)
      (high.1 * 0x1p-12).write(to: to + 48)
      (low.2 * 0x1p-16).write(to: to + 64)
      (high.2 * 0x1p-20).write(to: to + 80)
      (low.3 * 0x1p-24).write(to: to + 96)
      high.3.write(to: to + 112)
    }
    arrangeMinima(x, into: out + 256)
  }

  @inline(__always)
  static func add<Sums: LaneSums>(
    _ block: UnsafeRawPointer, _ x: UnsafePointer<Float>, _ stride: Int, _ even: inout Sums, _ odd: inout Sums
  ) {
    let factors = factorsK(block)
    let first: (low: Sums, high: Sums) = nibbleSums(words(block + 16), x, stride)
    even.add(eightTimes(factors[0], factors[2]), times: first.low)
    odd.add(eightTimes(factors[1], factors[3]), times: first.high)
    let second: (low: Sums, high: Sums) = nibbleSums(words(block + 80), x + 128, stride)
    even.add(eightTimes(factors[8], factors[10]), times: second.low)
    odd.add(eightTimes(factors[9], factors[11]), times: second.high)
    even.add(factors, x + 256, stride)
  }
}

/// The eight scales of a Q4_K or Q5_K block, d · scale, and its eight minima, dmin · minimum, in turns of four.
///
/// Put together by the units for single integers, which have nothing else to do here.
@inline(__always)
func factorsK(_ block: UnsafeRawPointer) -> Lanes {
  // Bytes 4 to 7 are scales 0 to 3 and 8 to 11 minima 0 to 3, six bits each; bytes 12 to 15 have the low four bits of the others,
  // scales below minima, and their upper two stand above the six.
  let six = (block + 4).loadUnaligned(as: UInt64.self)
  let four = UInt64((block + 12).loadUnaligned(as: UInt32.self))
  let first = six & 0x3f3f_3f3f_3f3f_3f3f
  let second = ((four | four &<< 28) & 0x0f0f_0f0f_0f0f_0f0f) | ((six &>> 2) & 0x3030_3030_3030_3030)
  let bytes = zs_whole_bytes(unsafeBitCast(SIMD2(first, second), to: SIMD16<UInt8>.self))
  let (d, minimum) = (half(block), half(block + 2))
  return whole(floats(wideBytes(bytes)) * fourTimes(d, minimum, d, minimum))
}

/// The lane of the scale of a sub-block among `factorsK`; that of its minimum is four further.
@inline(__always)
func scaleLaneK(_ group: Int) -> Int { (group >> 2) &* 8 &+ (group & 3) }

/// What the minima of a Q4_K or Q5_K block are multiplied with: in the lanes of the scales 0, then minus the sums of its sub-blocks.
private func arrangeMinima(_ x: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>) {
  for group in 0..<8 {
    let lane = scaleLaneK(group)
    out[lane] = 0
    out[lane &+ 4] = -(Lanes(at: x + group &* 32) + Lanes(at: x + group &* 32 + 16)).total
  }
}

/// Q5_K: as Q4_K, and bit g of byte i, for all i, belongs to sub-block g.
enum Q5KWords: WordRow {
  @inline(__always) static var blocks: Int { 1 }
  @inline(__always) static var blockElements: Int { 256 }
  @inline(__always) static var blockBytes: Int { 176 }
  @inline(__always) static var arranged: Int { 272 }

  static func arrange(_ x: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>) {
    for group in 0..<8 {
      // Sub-blocks 0 and 2, 1 and 3, 4 and 6, 5 and 7 share vectors.
      let pair = (group >> 2) &* 2 &+ (group & 1)
      arrangeBytes(x + group &* 32, into: out + pair &* 64 + ((group >> 1) & 1) &* 8)
    }
    arrangeMinima(x, into: out + 256)
  }

  @inline(__always)
  static func add<Sums: LaneSums>(
    _ block: UnsafeRawPointer, _ x: UnsafePointer<Float>, _ stride: Int, _ even: inout Sums, _ odd: inout Sums
  ) {
    let factors = factorsK(block)
    let quants = quants(block)
    run(quants.0, x, stride, eightTimes(factors[0], factors[2]), &even)
    run(quants.1, x + 64, stride, eightTimes(factors[1], factors[3]), &odd)
    run(quants.2, x + 128, stride, eightTimes(factors[8], factors[10]), &even)
    run(quants.3, x + 192, stride, eightTimes(factors[9], factors[11]), &odd)
    even.add(factors, x + 256, stride)
  }

  /// The quants of a block, a byte each: sub-blocks 0 and 2, then 1 and 3, 4 and 6, 5 and 7.
  @inline(__always)
  static func quants(_ block: UnsafeRawPointer) -> (SIMD16<Int32>, SIMD16<Int32>, SIMD16<Int32>, SIMD16<Int32>) {
    let high = turnedUp(block + 16)
    let low = nibblesK(block + 48)
    let bit: UInt32 = 0x1010_1010
    return (
      low.0 | masked(high, bit), low.1 | turnedDown(high, 1, mask: bit), low.2 | turnedDown(high, 4, mask: bit),
      low.3 | turnedDown(high, 5, mask: bit)
    )
  }

  @inline(__always)
  private static func run<Sums: LaneSums>(
    _ bytes: SIMD16<Int32>, _ x: UnsafePointer<Float>, _ stride: Int, _ scale: Lanes, _ total: inout Sums
  ) {
    var sums = Sums()
    addBytes(bytes, x, stride, to: &sums)
    total.add(scale, times: sums)
  }
}

/// The nibbles of 128 bytes, a byte each: of each half the low ones, then the high ones.
@inline(__always)
func nibblesK(_ bytes: UnsafeRawPointer) -> (SIMD16<Int32>, SIMD16<Int32>, SIMD16<Int32>, SIMD16<Int32>) {
  let (first, second) = (words(bytes), words(bytes + 64))
  return (first & 0x0f0f_0f0f, (first &>> 4) & 0x0f0f_0f0f, second & 0x0f0f_0f0f, (second &>> 4) & 0x0f0f_0f0f)
}

/// Eight words twice, the bits of each turned up by four and, the second time, by two.
@inline(__always)
private func turnedUp(_ pointer: UnsafeRawPointer) -> SIMD16<UInt32> {
  let eight = pointer.loadUnaligned(as: SIMD8<UInt32>.self)
  let both = SIMD16(lowHalf: eight, highHalf: eight)
  let up = SIMD16<UInt32>(4, 4, 4, 4, 4, 4, 4, 4, 2, 2, 2, 2, 2, 2, 2, 2)
  return (both &<< up) | (both &>> (32 &- up))
}

/// The bits of each word turned down, those that `mask` has of them.
@inline(__always)
private func turnedDown(_ w: SIMD16<UInt32>, _ count: UInt32, mask: UInt32) -> SIMD16<Int32> {
  unsafeBitCast(((w &>> count) | (w &<< (32 &- count))) & SIMD16(repeating: mask), to: SIMD16<Int32>.self)
}

@inline(__always)
private func masked(_ w: SIMD16<UInt32>, _ mask: UInt32) -> SIMD16<Int32> {
  unsafeBitCast(w & SIMD16(repeating: mask), to: SIMD16<Int32>.self)
}

/// Q6_K: of each half of 128 elements, 64 bytes of nibbles and 32 bytes of upper bits, two for each of four runs of 32.
enum Q6KWords: WordRow {
  @inline(__always) static var blocks: Int { 1 }
  @inline(__always) static var blockElements: Int { 256 }
  @inline(__always) static var blockBytes: Int { 210 }
  @inline(__always) static var arranged: Int { 320 }

  static func arrange(_ x: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>) {
    for run in 0..<8 {
      // Of each half runs 0 and 1 share vectors, and runs 2 and 3.
      let (pair, side) = (run >> 1, run & 1)
      let to = out + pair &* 80 + side &* 8
      // Quants are stored 32 too large.
      (arrangeBytes(x + run &* 32, into: to + 16) * -32).write(to: to)
    }
  }

  @inline(__always)
  static func add<Sums: LaneSums>(
    _ block: UnsafeRawPointer, _ x: UnsafePointer<Float>, _ stride: Int, _ even: inout Sums, _ odd: inout Sums
  ) {
    let scales = signedBytes(block + 192) * Lanes(repeating: half(block + 208))
    let quants = quants(block)
    run(quants.0, x, stride, spread(scales, from: 0), &even)
    run(quants.1, x + 80, stride, spread(scales, from: 4), &odd)
    run(quants.2, x + 160, stride, spread(scales, from: 8), &even)
    run(quants.3, x + 240, stride, spread(scales, from: 12), &odd)
  }

  /// The quants of a block in order, a byte each.
  @inline(__always)
  static func quants(_ block: UnsafeRawPointer) -> (SIMD16<Int32>, SIMD16<Int32>, SIMD16<Int32>, SIMD16<Int32>) {
    let low = nibblesK(block)
    let (first, second) = (turnedUp(block + 128), turnedUp(block + 160))
    let bits: UInt32 = 0x3030_3030
    return (
      low.0 | masked(first, bits), low.1 | turnedDown(first, 4, mask: bits), low.2 | masked(second, bits),
      low.3 | turnedDown(second, 4, mask: bits)
    )
  }

  @inline(__always)
  private static func run<Sums: LaneSums>(
    _ bytes: SIMD16<Int32>, _ x: UnsafePointer<Float>, _ stride: Int, _ scale: Lanes, _ total: inout Sums
  ) {
    var sums = Sums(at: x, stride)
    addBytes(bytes, x + 16, stride, to: &sums)
    total.add(scale, times: sums)
  }
}

/// Lanes of `v` from `first` on, four times each.
@inline(__always)
func spread(_ v: Lanes, from first: Int) -> Lanes { fourTimes(v[first], v[first + 1], v[first + 2], v[first + 3]) }
