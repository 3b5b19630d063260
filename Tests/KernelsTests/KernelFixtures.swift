// Reproducible noise and packed weights for the tests of matrix products.

import Kernels

/// A small generator (SplitMix64): the same numbers in every run.
struct Noise {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func bits() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// A float in -1 ..< 1.
  mutating func float() -> Float { Float(bits() >> 40) / Float(1 << 23) - 1 }

  mutating func floats(_ count: Int) -> [Float] { (0..<count).map { _ in float() } }
}

/// A weight matrix in memory of its own, with noise for content.
final class PackedWeight {
  let view: WeightView
  private let bytes: UnsafeMutableRawPointer

  init(_ type: WeightType, rows: Int, columns: Int, _ noise: inout Noise) {
    let count = type.rowBytes(columns: columns) * rows
    bytes = .allocate(byteCount: max(count, 1), alignment: 64)
    view = WeightView(type: type, base: bytes, rows: rows, columns: columns)
    if type.blockElements < 256 {
      pack(type, from: noise.floats(rows * columns), to: bytes, count: rows * columns)
      return
    }
    // The K types: any bytes are blocks, once the half-precision scales are numbers of a fair size.
    for index in 0..<count { bytes.storeBytes(of: UInt8(truncatingIfNeeded: noise.bits()), toByteOffset: index, as: UInt8.self) }
    let scales: [Int] =
      switch type {
      case .q2_K: [80, 82]
      case .q3_K: [108]
      case .q6_K: [208]
      default: [0, 2]
      }
    for block in 0..<count / type.blockBytes {
      for offset in scales {
        let scale = Float16(noise.float() / 64).bitPattern
        (bytes + block * type.blockBytes + offset).storeBytes(of: scale, as: UInt16.self)
      }
    }
  }

  deinit { bytes.deallocate() }
}
