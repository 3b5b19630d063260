// From weight blocks to floats, one function per GGUF type; the values are those of ggml's reference code, bit for bit.
// A block is read as bytes: rows of a file are not aligned to anything.

/// Unpacks `count` elements, a multiple of the type's block, from `source` to floats.
public func unpack(_ type: WeightType, from source: UnsafeRawPointer, to target: UnsafeMutablePointer<Float>, count: Int) {
  switch type {
  case .f32: unpackF32(source, target, count)
  case .f16: unpackF16(source, target, count)
  case .bf16: unpackBF16(source, target, count)
  case .q8_0: unpackQ8(source, target, count / 32)
  case .q4_0: unpackQ4(source, target, count / 32)
  case .q4_1: unpackQ4WithMinimum(source, target, count / 32)
  case .q5_0: unpackQ5(source, target, count / 32)
  case .q5_1: unpackQ5WithMinimum(source, target, count / 32)
  case .q2_K: unpackQ2K(source, target, count / 256)
  case .q3_K: unpackQ3K(source, target, count / 256)
  case .q4_K: unpackQ4K(source, target, count / 256)
  case .q5_K: unpackQ5K(source, target, count / 256)
  case .q6_K: unpackQ6K(source, target, count / 256)
  }
}

/// A little-endian half-precision number at any address.
@inline(__always)
func half(_ pointer: UnsafeRawPointer) -> Float {
  Float(Float16(bitPattern: pointer.loadUnaligned(as: UInt16.self)))
}

/// A little-endian brain float at any address: the upper half of a float.
@inline(__always)
func brainFloat(_ pointer: UnsafeRawPointer) -> Float {
  Float(bitPattern: UInt32(pointer.loadUnaligned(as: UInt16.self)) << 16)
}

private func unpackF32(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>, _ count: Int) {
  UnsafeMutableRawPointer(target).copyMemory(from: source, byteCount: count * 4)
}

private func unpackF16(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>, _ count: Int) {
  let vectors = count / 16
  for index in 0..<vectors {
    halves(source + index * 32).write(to: target + index * 16)
  }
  for index in vectors * 16..<count { target[index] = half(source + index * 2) }
}

private func unpackBF16(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>, _ count: Int) {
  let whole = count / 16 * 16
  for index in stride(from: 0, to: whole, by: 16) { brainFloats(source + index * 2).write(to: target + index) }
  for index in whole..<count { target[index] = brainFloat(source + index * 2) }
}

private func unpackQ8(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>, _ blocks: Int) {
  for block in 0..<blocks {
    let from = source + block * 34
    let to = target + block * 32
    let scale = Lanes(repeating: half(from))
    (signedBytes(from + 2) * scale).write(to: to)
    (signedBytes(from + 18) * scale).write(to: to + 16)
  }
}

private func unpackQ4(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>, _ blocks: Int) {
  for block in 0..<blocks {
    let from = source + block * 18
    let to = target + block * 32
    let scale = Lanes(repeating: half(from))
    let bytes = wideBytes(from + 2)
    (floats((bytes & 15) &- 8) * scale).write(to: to)
    (floats((bytes &>> 4) &- 8) * scale).write(to: to + 16)
  }
}

private func unpackQ4WithMinimum(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>, _ blocks: Int) {
  for block in 0..<blocks {
    let from = source + block * 20
    let to = target + block * 32
    let scale = Lanes(repeating: half(from))
    let minimum = Lanes(repeating: half(from + 2))
    let bytes = wideBytes(from + 4)
    (floats(bytes & 15) * scale + minimum).write(to: to)
    (floats(bytes &>> 4) * scale + minimum).write(to: to + 16)
  }
}

/// The quants of a five-bit block: elements 0 to 15 and 16 to 31, from nibbles and the word of fifth bits before them.
@inline(__always)
private func fiveBits(_ pointer: UnsafeRawPointer) -> (SIMD16<Int32>, SIMD16<Int32>) {
  let high = pointer.loadUnaligned(as: UInt32.self)
  let bytes = wideBytes(pointer + 4)
  // The bit of lane i moves to place 4: from i, or from i + 16.
  let places = SIMD16<UInt32>(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
  let low = unsafeBitCast(SIMD16(repeating: high) &>> places, to: SIMD16<Int32>.self)
  return ((bytes & 15) | ((low & 1) &<< 4), (bytes &>> 4) | ((low &>> 12) & 16))
}

private func unpackQ5(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>, _ blocks: Int) {
  for block in 0..<blocks {
    let from = source + block * 22
    let to = target + block * 32
    let scale = Lanes(repeating: half(from))
    let (low, high) = fiveBits(from + 2)
    (floats(low &- 16) * scale).write(to: to)
    (floats(high &- 16) * scale).write(to: to + 16)
  }
}

private func unpackQ5WithMinimum(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>, _ blocks: Int) {
  for block in 0..<blocks {
    let from = source + block * 24
    let to = target + block * 32
    let scale = Lanes(repeating: half(from))
    let minimum = Lanes(repeating: half(from + 2))
    let (low, high) = fiveBits(from + 4)
    (floats(low) * scale + minimum).write(to: to)
    (floats(high) * scale + minimum).write(to: to + 16)
  }
}
