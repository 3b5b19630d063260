// From floats to weight blocks, as ggml's reference quantizers do it, rounding included.

/// Packs `count` floats, a multiple of the type's block, into `target`.
public func pack(_ type: WeightType, from source: UnsafePointer<Float>, to target: UnsafeMutableRawPointer, count: Int) {
  switch type {
  case .f32: target.copyMemory(from: source, byteCount: count * 4)
  case .f16: for index in 0..<count { storeHalf(source[index], target + index * 2) }
  case .bf16: for index in 0..<count { (target + index * 2).storeBytes(of: brainFloat(source[index]), as: UInt16.self) }
  case .q8_0: packQ8(source, target, count / 32)
  case .q4_0: packSymmetric(source, target, count / 32, bits: 4)
  case .q5_0: packSymmetric(source, target, count / 32, bits: 5)
  case .q4_1: packWithMinimum(source, target, count / 32, bits: 4)
  case .q5_1: packWithMinimum(source, target, count / 32, bits: 5)
  case .q2_K: packQ2K(source, target, count / 256)
  case .q3_K: packQ3K(source, target, count / 256)
  case .q4_K: packQ4K(source, target, count / 256)
  case .q5_K: packQ5K(source, target, count / 256)
  case .q6_K: packQ6K(source, target, count / 256)
  }
}

@inline(__always)
func storeHalf(_ value: Float, _ target: UnsafeMutableRawPointer) {
  target.storeBytes(of: Float16(value).bitPattern, as: UInt16.self)
}

/// The upper half of a float, rounded to nearest even; a NaN stays one.
@inline(__always)
private func brainFloat(_ value: Float) -> UInt16 {
  let bits = value.bitPattern
  if bits & 0x7fff_ffff > 0x7f80_0000 { return UInt16(truncatingIfNeeded: bits >> 16) | 64 }
  return UInt16(truncatingIfNeeded: (bits + 0x7fff + (bits >> 16 & 1)) >> 16)
}

/// A quant from a float that may be anything: NaN gives 0, the rest is cut to 0…limit.
@inline(__always)
private func quant(_ value: Float, limit: UInt8) -> UInt8 {
  value >= Float(limit) ? limit : value > 0 ? UInt8(value) : 0
}

private func packQ8(_ source: UnsafePointer<Float>, _ target: UnsafeMutableRawPointer, _ blocks: Int) {
  for block in 0..<blocks {
    let from = source + block * 32
    let to = target + block * 34
    var largest: Float = 0
    for index in 0..<32 { largest = max(largest, abs(from[index])) }
    let scale = largest / 127
    let inverse = scale == 0 ? 0 : 1 / scale
    storeHalf(scale, to)
    for index in 0..<32 {
      let rounded = (from[index] * inverse).rounded(.toNearestOrAwayFromZero)
      let quant = rounded >= 127 ? 127 : rounded > -128 ? Int8(rounded) : rounded.isNaN ? 0 : -128
      (to + 2 + index).storeBytes(of: quant, as: Int8.self)
    }
  }
}

/// Q4_0 and Q5_0: one scale, which the largest element, sign included, takes to the lowest quant.
private func packSymmetric(_ source: UnsafePointer<Float>, _ target: UnsafeMutableRawPointer, _ blocks: Int, bits: Int) {
  let half = Float(1 << (bits - 1))
  let limit = UInt8(1 << bits - 1)
  for block in 0..<blocks {
    let from = source + block * 32
    let to = target + block * (bits == 4 ? 18 : 22)
    var largest: Float = 0
    var signed: Float = 0
    for index in 0..<32 where abs(from[index]) > largest {
      largest = abs(from[index])
      signed = from[index]
    }
    let scale = signed / -half
    let inverse = scale == 0 ? 0 : 1 / scale
    storeHalf(scale, to)
    storeQuants(to + 2, bits: bits) { quant(from[$0] * inverse + (half + 0.5), limit: limit) }
  }
}

/// Q4_1 and Q5_1: the smallest element and the step from there to the largest.
private func packWithMinimum(_ source: UnsafePointer<Float>, _ target: UnsafeMutableRawPointer, _ blocks: Int, bits: Int) {
  let limit = UInt8(1 << bits - 1)
  for block in 0..<blocks {
    let from = source + block * 32
    let to = target + block * (bits == 4 ? 20 : 24)
    var smallest = Float.greatestFiniteMagnitude
    var largest = -Float.greatestFiniteMagnitude
    for index in 0..<32 {
      smallest = from[index] < smallest ? from[index] : smallest
      largest = from[index] > largest ? from[index] : largest
    }
    let scale = (largest - smallest) / Float(limit)
    let inverse = scale == 0 ? 0 : 1 / scale
    storeHalf(scale, to)
    storeHalf(smallest, to + 2)
    storeQuants(to + 4, bits: bits) { quant((from[$0] - smallest) * inverse + 0.5, limit: limit) }
  }
}

/// Writes 32 quants: for five bits the fifth ones first, as one word; then nibbles, element i low and i + 16 high.
@inline(__always)
private func storeQuants(_ target: UnsafeMutableRawPointer, bits: Int, _ quant: (Int) -> UInt8) {
  var high: UInt32 = 0
  let nibbles = bits == 4 ? target : target + 4
  for index in 0..<16 {
    let low = quant(index)
    let top = quant(index + 16)
    (nibbles + index).storeBytes(of: low & 15 | top << 4, as: UInt8.self)
    high |= UInt32(low >> 4) << UInt32(index) | UInt32(top >> 4) << UInt32(index + 16)
  }
  if bits == 5 { target.storeBytes(of: high, as: UInt32.self) }
}
