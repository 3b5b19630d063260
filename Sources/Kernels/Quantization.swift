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

private func unpackF32(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>, _ count: Int) {
  UnsafeMutableRawPointer(target).copyMemory(from: source, byteCount: count * 4)
}

private func unpackF16(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>, _ count: Int) {
  let vectors = count / 16
  for index in 0..<vectors {
    let halves = (source + index * 32).loadUnaligned(as: SIMD16<Float16>.self)
    UnsafeMutableRawPointer(target + index * 16).storeBytes(of: SIMD16<Float>(halves), as: SIMD16<Float>.self)
  }
  for index in vectors * 16..<count { target[index] = half(source + index * 2) }
}

private func unpackBF16(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>, _ count: Int) {
  for index in 0..<count {
    target[index] = Float(bitPattern: UInt32((source + index * 2).loadUnaligned(as: UInt16.self)) << 16)
  }
}

private func unpackQ8(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>, _ blocks: Int) {
  for block in 0..<blocks {
    let from = source + block * 34
    let to = target + block * 32
    let scale = half(from)
    for index in 0..<32 { to[index] = Float((from + 2 + index).load(as: Int8.self)) * scale }
  }
}

private func unpackQ4(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>, _ blocks: Int) {
  for block in 0..<blocks {
    let from = source + block * 18
    let to = target + block * 32
    let scale = half(from)
    for index in 0..<16 {
      let byte = (from + 2 + index).load(as: UInt8.self)
      to[index] = Float(Int32(byte & 15) - 8) * scale
      to[index + 16] = Float(Int32(byte >> 4) - 8) * scale
    }
  }
}

private func unpackQ4WithMinimum(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>, _ blocks: Int) {
  for block in 0..<blocks {
    let from = source + block * 20
    let to = target + block * 32
    let scale = half(from)
    let minimum = half(from + 2)
    for index in 0..<16 {
      let byte = (from + 4 + index).load(as: UInt8.self)
      to[index] = Float(byte & 15) * scale + minimum
      to[index + 16] = Float(byte >> 4) * scale + minimum
    }
  }
}

private func unpackQ5(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>, _ blocks: Int) {
  for block in 0..<blocks {
    let from = source + block * 22
    let to = target + block * 32
    let scale = half(from)
    let high = (from + 2).loadUnaligned(as: UInt32.self)
    for index in 0..<16 {
      let byte = (from + 6 + index).load(as: UInt8.self)
      let low = UInt32(byte & 15) | (high >> UInt32(index) & 1) << 4
      let top = UInt32(byte >> 4) | (high >> UInt32(index + 16) & 1) << 4
      to[index] = Float(Int32(low) - 16) * scale
      to[index + 16] = Float(Int32(top) - 16) * scale
    }
  }
}

private func unpackQ5WithMinimum(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>, _ blocks: Int) {
  for block in 0..<blocks {
    let from = source + block * 24
    let to = target + block * 32
    let scale = half(from)
    let minimum = half(from + 2)
    let high = (from + 4).loadUnaligned(as: UInt32.self)
    for index in 0..<16 {
      let byte = (from + 8 + index).load(as: UInt8.self)
      let low = UInt32(byte & 15) | (high >> UInt32(index) & 1) << 4
      let top = UInt32(byte >> 4) | (high >> UInt32(index + 16) & 1) << 4
      to[index] = Float(low) * scale + minimum
      to[index + 16] = Float(top) * scale + minimum
    }
  }
}
