// The K types of GGUF: super-blocks of 256 elements whose sub-blocks have small integer scales of their own.
// The values are those of ggml's reference code, bit for bit; every product but Q6_K's is exact, so one rounding remains.

func unpackQ2K(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>, _ blocks: Int) {
  for block in 0..<blocks {
    let from = source + block * 84
    let scale = half(from + 80)
    let minimum = half(from + 82)
    for group in 0..<16 {
      let byte = (from + group).load(as: UInt8.self)
      let groupScale = scale * Float(byte & 15)
      let groupMinimum = minimum * Float(byte >> 4)
      // Each half of 128 elements reads the same 32 bytes four times, two bits further up each time.
      let quants = from + 16 + (group >> 3) * 32 + (group & 1) * 16
      let shift = Int32((group >> 1) & 3) * 2
      let to = target + block * 256 + group * 16
      let values = floats((wideBytes(quants) &>> shift) & 3)
      (values * groupScale - Lanes(repeating: groupMinimum)).write(to: to)
    }
  }
}

func unpackQ3K(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>, _ blocks: Int) {
  for block in 0..<blocks {
    let from = source + block * 110
    let scale = half(from + 108)
    let scales = from + 96
    for group in 0..<16 {
      // Six-bit scales: four low bits in bytes 0…7 (low nibbles, then high), two high bits in bytes 8…11.
      let low = (scales + (group & 7)).load(as: UInt8.self) >> (group < 8 ? 0 : 4) & 15
      let top = (scales + 8 + (group & 3)).load(as: UInt8.self) >> UInt8(group / 4 * 2) & 3
      let groupScale = scale * Float(Int32(low | top << 4) - 32)
      let offset = (group & 1) * 16
      let quants = from + 32 + (group >> 3) * 32 + offset
      let shift = Int32((group >> 1) & 3) * 2
      let bit = Int32(group >> 1)
      let to = target + block * 256 + group * 16
      let high = ((wideBytes(from + offset) &>> bit) & 1) &<< 2
      (floats(((wideBytes(quants) &>> shift) & 3) &+ high &- 4) * groupScale).write(to: to)
    }
  }
}

/// The six-bit scale and minimum of sub-block `index` among the twelve bytes at `scales`, as Q4_K and Q5_K store them.
@inline(__always)
private func scaleAndMinimum(_ scales: UnsafeRawPointer, _ index: Int) -> (scale: Float, minimum: Float) {
  func byte(_ offset: Int) -> UInt8 { (scales + offset).load(as: UInt8.self) }
  if index < 4 { return (Float(byte(index) & 63), Float(byte(index + 4) & 63)) }
  return (
    Float(byte(index + 4) & 15 | (byte(index - 4) >> 6) << 4),
    Float(byte(index + 4) >> 4 | (byte(index) >> 6) << 4)
  )
}

func unpackQ4K(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>, _ blocks: Int) {
  for block in 0..<blocks {
    let from = source + block * 144
    let scale = half(from)
    let minimum = half(from + 2)
    for group in 0..<8 {
      let factors = scaleAndMinimum(from + 4, group)
      let groupScale = scale * factors.scale
      let groupMinimum = minimum * factors.minimum
      let quants = from + 16 + (group >> 1) * 32
      let shift = Int32(group & 1) * 4
      let to = target + block * 256 + group * 32
      for half in stride(from: 0, to: 32, by: 16) {
        let values = floats((wideBytes(quants + half) &>> shift) & 15)
        (values * groupScale - Lanes(repeating: groupMinimum)).write(to: to + half)
      }
    }
  }
}

func unpackQ5K(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>, _ blocks: Int) {
  for block in 0..<blocks {
    let from = source + block * 176
    let scale = half(from)
    let minimum = half(from + 2)
    for group in 0..<8 {
      let factors = scaleAndMinimum(from + 4, group)
      let groupScale = scale * factors.scale
      let groupMinimum = minimum * factors.minimum
      let high = from + 16
      let quants = from + 48 + (group >> 1) * 32
      let shift = Int32(group & 1) * 4
      let bit = Int32(group)
      let to = target + block * 256 + group * 32
      for half in stride(from: 0, to: 32, by: 16) {
        let top = ((wideBytes(high + half) &>> bit) & 1) &<< 4
        let values = floats(((wideBytes(quants + half) &>> shift) & 15) | top)
        (values * groupScale - Lanes(repeating: groupMinimum)).write(to: to + half)
      }
    }
  }
}

func unpackQ6K(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>, _ blocks: Int) {
  for block in 0..<blocks {
    let from = source + block * 210
    let scale = half(from + 208)
    for group in 0..<16 {
      let groupScale = scale * Float((from + 192 + group).load(as: Int8.self))
      // Each half of 128 elements: four runs of 32, the first two from low nibbles, the last two from high ones.
      let run = (group >> 1) & 3
      let offset = (group & 1) * 16
      let low = from + (group >> 3) * 64 + (run & 1) * 32 + offset
      let high = from + 128 + (group >> 3) * 32 + offset
      let lowShift = Int32(run >> 1) * 4
      let highShift = Int32(run) * 2
      let to = target + block * 256 + group * 16
      let top = ((wideBytes(high) &>> highShift) & 3) &<< 4
      (floats((((wideBytes(low) &>> lowShift) & 15) | top) &- 32) * groupScale).write(to: to)
    }
  }
}
