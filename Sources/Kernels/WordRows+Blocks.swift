// How rows of Q8_0 and Q4_0 are read in words: blocks of 32 with one scale each, so many of them side by side that their
// words fill a vector.

/// Q8_0: two blocks of eight words each.
enum Q8Words: WordRow {
  @inline(__always) static var blocks: Int { 2 }
  @inline(__always) static var blockElements: Int { 32 }
  @inline(__always) static var blockBytes: Int { 34 }
  @inline(__always) static var arranged: Int { 80 }

  static func arrange(_ x: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>) {
    for side in 0..<2 {
      let to = out + side &* 8
      // With their signs turned round, quants are 128 too large.
      (arrangeBytes(x + side &* 32, into: to + 16) * -128).write(to: to)
    }
  }

  @inline(__always)
  static func add<Sums: LaneSums>(
    _ blocks: UnsafeRawPointer, _ x: UnsafePointer<Float>, _ stride: Int, _ even: inout Sums, _ odd: inout Sums
  ) {
    let low = (blocks + 2).loadUnaligned(as: SIMD8<Int32>.self)
    let high = (blocks + 36).loadUnaligned(as: SIMD8<Int32>.self)
    var sums = Sums(at: x, stride)
    let signs = SIMD16(repeating: Int32(bitPattern: 0x8080_8080))
    addBytes(SIMD16(lowHalf: low, highHalf: high) ^ signs, x + 16, stride, to: &sums)
    even.add(eightTimes(half(blocks), half(blocks + 34)), times: sums)
  }
}

/// Q4_0: four blocks.
enum Q4Words: WordRow {
  @inline(__always) static var blocks: Int { 4 }
  @inline(__always) static var blockElements: Int { 32 }
  @inline(__always) static var blockBytes: Int { 18 }
  @inline(__always) static var arranged: Int { 144 }

  static func arrange(_ x: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>) {
    for block in 0..<4 {
      // Even places of a word are of a block's first sixteen elements, odd ones of the others.
      for word in 0..<4 {
        let (low, high) = (x + block &* 32 + word &* 4, x + block &* 32 + word &* 4 + 16)
        let to = out + block &* 4 + word
        to[0] = low[0]
        to[16] = high[0] * 0x1p-4
        to[32] = low[1] * 0x1p-8
        to[48] = high[1] * 0x1p-12
        to[64] = low[2] * 0x1p-16
        to[80] = high[2] * 0x1p-20
        to[96] = low[3] * 0x1p-24
        to[112] = high[3]
        // Quants are stored 8 too large.
        to[128] = -8 * (((low[0] + low[1]) + (low[2] + low[3])) + ((high[0] + high[1]) + (high[2] + high[3])))
      }
    }
  }

  @inline(__always)
  static func add<Sums: LaneSums>(
    _ step: UnsafeRawPointer, _ x: UnsafePointer<Float>, _ stride: Int, _ even: inout Sums, _ odd: inout Sums
  ) {
    @inline(__always) func four(_ index: Int) -> SIMD4<Int32> { (step + 18 &* index + 2).loadUnaligned(as: SIMD4<Int32>.self) }
    let words = SIMD16(lowHalf: SIMD8(lowHalf: four(0), highHalf: four(1)), highHalf: SIMD8(lowHalf: four(2), highHalf: four(3)))
    let sums: (low: Sums, high: Sums) = nibbleSums(words, x, stride)
    let scales = fourTimes(half(step), half(step + 18), half(step + 36), half(step + 54))
    even.add(scales, times: sums.low + Sums(at: x + 128, stride))
    odd.add(scales, times: sums.high)
  }
}
