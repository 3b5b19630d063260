// Rows of Q4_K, Q5_K and Q6_K as integers, for processors that multiply four bytes by four others and add the products up in
// one instruction (VNNI). A block of x becomes integers of 24 bits times a number of its own, as exact as float32 is near its largest
// element, each in three signed digits to the base 256, the highest first. Three instructions then multiply 64 quants with all of
// x: no digit is left out and the sums are exact. Half the work of `WordRows`, where each weight becomes a float; beside float64
// the error is 0.8 (Q4_K, Q5_K) or 1.7 times (Q6_K) that of a sum of floats, as `MatVecTests` prints.

import CMachine

/// Floats that the three digits of 64 elements take.
private let digitFloats = 48

/// The largest integer: its highest digit stays below 128, also where the quotients below are rounded up.
private let largestInteger: Float = 8_355_700

/// Σ quant · x over the four bytes of each word: exact, since 63 · 4 · 8,355,700 is below 2³¹.
@inline(__always)
func digitDots(_ quants: SIMD16<Int32>, _ x: UnsafePointer<Float>) -> Lanes {
  let digits = UnsafeRawPointer(x)
  var sums = zs_byte_dots(SIMD16<Int32>(), quants, words(digits))
  sums = zs_byte_dots(sums &<< 8, quants, words(digits + 64))
  sums = zs_byte_dots(sums &<< 8, quants, words(digits + 128))
  return floats(sums)
}

/// What a block of x is a multiple of.
private struct DigitScale {
  /// Integers times this are x.
  let step: Float
  /// x times this are integers.
  let inverse: Float

  /// The scale of `count` elements, a multiple of 16.
  ///
  /// Blocks below 2⁻¹⁰⁰ count as zero; one with an infinity or a NaN makes every sum NaN.
  init(_ x: UnsafePointer<Float>, count: Int) {
    // Without its sign, a float is the larger the larger its bits are, infinity and NaN the largest.
    var largest = SIMD16<Int32>()
    for index in Swift.stride(from: 0, to: count, by: 16) {
      let bits = zs_whole(words(x + index) & 0x7fff_ffff)
      largest = zs_whole(largest.replacing(with: bits, where: bits .> largest))
    }
    let top = Float(bitPattern: UInt32(bitPattern: largest.max()))
    if !top.isFinite {
      (step, inverse) = (.nan, 0)
    } else if top < 0x1p-100 {
      (step, inverse) = (0, 0)
    } else {
      (step, inverse) = (top / largestInteger, largestInteger / top)
    }
  }

  /// Writes the digits of sixteen elements at `out`, `out` + 64 and `out` + 128 bytes.
  ///
  /// - Returns: The integers.
  @inline(__always)
  func write(_ x: UnsafePointer<Float>, to out: UnsafeMutableRawPointer) -> SIMD16<Int32> {
    // An element that makes a NaN of the step may be one itself, and no integer.
    let v = inverse == 0 ? Lanes() : whole(Lanes(at: x) * inverse)
    let integers = zs_whole(truncated(whole(v + Lanes(repeating: 0.5).replacing(with: -0.5, where: v .< 0))))
    let low = (integers &<< 24) &>> 24
    let upper = zs_whole((integers &- low) &>> 8)
    let middle = (upper &<< 24) &>> 24
    out.storeBytes(of: lowBytes(zs_whole((upper &- middle) &>> 8)), as: SIMD16<UInt8>.self)
    (out + 64).storeBytes(of: lowBytes(zs_whole(middle)), as: SIMD16<UInt8>.self)
    (out + 128).storeBytes(of: lowBytes(zs_whole(low)), as: SIMD16<UInt8>.self)
    return integers
  }

  /// `write` of 32 elements side by side.
  ///
  /// - Returns: The sum of the integers.
  @inline(__always)
  func writeRun(_ x: UnsafePointer<Float>, to out: UnsafeMutableRawPointer) -> Float {
    let first = write(x, to: out)
    return Float((first &+ write(x + 16, to: out + 16)).wrappedSum())
  }
}

/// Each lane without its fraction.
@inline(__always)
private func truncated(_ v: Lanes) -> SIMD16<Int32> {
  @inline(__always) func lane(_ index: Int) -> Int32 { Int32(v[index]) }
  return SIMD16<Int32>(
    lane(0), lane(1), lane(2), lane(3), lane(4), lane(5), lane(6), lane(7), lane(8), lane(9), lane(10), lane(11), lane(12), lane(13),
    lane(14), lane(15))
}

/// The lowest byte of each lane.
@inline(__always)
private func lowBytes(_ v: SIMD16<Int32>) -> SIMD16<UInt8> {
  @inline(__always) func lane(_ index: Int) -> UInt8 { UInt8(truncatingIfNeeded: v[index]) }
  return SIMD16<UInt8>(
    lane(0), lane(1), lane(2), lane(3), lane(4), lane(5), lane(6), lane(7), lane(8), lane(9), lane(10), lane(11), lane(12), lane(13),
    lane(14), lane(15))
}

/// Q4_K and Q5_K: four vectors of two sub-blocks each, of whose order `arrange` knows; they differ in where quants lie.
private protocol MinimumDigits: WordRow {
  /// The quants of a block, a byte each: sub-blocks 0 and 2, then 1 and 3, 4 and 6, 5 and 7.
  static func quants(_ block: UnsafeRawPointer) -> (SIMD16<Int32>, SIMD16<Int32>, SIMD16<Int32>, SIMD16<Int32>)
}

extension MinimumDigits {
  @inline(__always) static var blocks: Int { 1 }
  @inline(__always) static var blockElements: Int { 256 }
  // Four vectors of digits, the sums of the sub-blocks for the minima, the step.
  @inline(__always) static var arranged: Int { 4 &* digitFloats &+ 32 }

  static func arrange(_ x: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>) {
    let scale = DigitScale(x, count: 256)
    for group in 0..<8 {
      // Nibbles of a run of bytes are two sub-blocks, and two runs share a vector.
      let (run, high) = (group >> 1, group & 1)
      let vector = (run & ~1) &+ high
      let sum = scale.writeRun(x + group &* 32, to: UnsafeMutableRawPointer(out + vector &* digitFloats) + (run & 1) &* 32)
      // In the lanes of the minima; nothing in those of the scales.
      let lane = 192 &+ scaleLaneK(group)
      out[lane] = 0
      out[lane &+ 4] = -sum
    }
    out[208] = scale.step
  }

  @inline(__always)
  static func add<Sums: LaneSums>(
    _ block: UnsafeRawPointer, _ x: UnsafePointer<Float>, _ stride: Int, _ even: inout Sums, _ odd: inout Sums
  ) {
    let factors = factorsK(block)
    let quants = quants(block)
    var sums = Sums(factors, x + 192, stride)
    sums.add(eightTimes(factors[0], factors[2]), times: Sums(digits: quants.0, x, stride))
    sums.add(eightTimes(factors[1], factors[3]), times: Sums(digits: quants.1, x + digitFloats, stride))
    sums.add(eightTimes(factors[8], factors[10]), times: Sums(digits: quants.2, x + 2 &* digitFloats, stride))
    sums.add(eightTimes(factors[9], factors[11]), times: Sums(digits: quants.3, x + 3 &* digitFloats, stride))
    even.add(sums, times: x + 208, stride)
  }
}

/// Q4_K.
enum Q4KDigits: MinimumDigits {
  @inline(__always) static var blockBytes: Int { 144 }

  @inline(__always)
  static func quants(_ block: UnsafeRawPointer) -> (SIMD16<Int32>, SIMD16<Int32>, SIMD16<Int32>, SIMD16<Int32>) { nibblesK(block + 16) }
}

/// Q5_K.
enum Q5KDigits: MinimumDigits {
  @inline(__always) static var blockBytes: Int { 176 }

  @inline(__always)
  static func quants(_ block: UnsafeRawPointer) -> (SIMD16<Int32>, SIMD16<Int32>, SIMD16<Int32>, SIMD16<Int32>) { Q5KWords.quants(block) }
}

/// Q6_K: four vectors of 64 elements, in order.
enum Q6KDigits: WordRow {
  @inline(__always) static var blocks: Int { 1 }
  @inline(__always) static var blockElements: Int { 256 }
  @inline(__always) static var blockBytes: Int { 210 }
  // Four vectors of digits, what quants are too large by in each of sixteen sub-blocks, the step.
  @inline(__always) static var arranged: Int { 4 &* digitFloats &+ 32 }

  static func arrange(_ x: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>) {
    let scale = DigitScale(x, count: 256)
    for group in 0..<16 {
      let to = UnsafeMutableRawPointer(out + (group >> 2) &* digitFloats) + (group & 3) &* 16
      // Quants are stored 32 too large.
      out[192 &+ group] = -32 * Float(scale.write(x + group &* 16, to: to).wrappedSum())
    }
    out[208] = scale.step
  }

  @inline(__always)
  static func add<Sums: LaneSums>(
    _ block: UnsafeRawPointer, _ x: UnsafePointer<Float>, _ stride: Int, _ even: inout Sums, _ odd: inout Sums
  ) {
    let scales = whole(signedBytes(block + 192) * Lanes(repeating: half(block + 208)))
    let quants = Q6KWords.quants(block)
    var sums = Sums(scales, x + 192, stride)
    sums.add(spread(scales, from: 0), times: Sums(digits: quants.0, x, stride))
    sums.add(spread(scales, from: 4), times: Sums(digits: quants.1, x + digitFloats, stride))
    sums.add(spread(scales, from: 8), times: Sums(digits: quants.2, x + 2 &* digitFloats, stride))
    sums.add(spread(scales, from: 12), times: Sums(digits: quants.3, x + 3 &* digitFloats, stride))
    even.add(sums, times: x + 208, stride)
  }
}
