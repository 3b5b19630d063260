// Sixteen small numbers from memory as sixteen floats: the loads of the matrix-vector products.
// Lane by lane, because a generic SIMD conversion may stay a call; the compiler makes one or two instructions of the lanes.

import CMachine

@inline(__always)
func halves(_ pointer: UnsafeRawPointer) -> Lanes {
  let v = pointer.loadUnaligned(as: SIMD16<UInt16>.self)
  @inline(__always) func lane(_ index: Int) -> Float { Float(Float16(bitPattern: v[index])) }
  return Lanes(
    lane(0), lane(1), lane(2), lane(3), lane(4), lane(5), lane(6), lane(7), lane(8), lane(9), lane(10), lane(11), lane(12), lane(13),
    lane(14), lane(15))
}

@inline(__always)
func brainFloats(_ pointer: UnsafeRawPointer) -> Lanes {
  let v = pointer.loadUnaligned(as: SIMD16<UInt16>.self)
  @inline(__always) func lane(_ index: Int) -> UInt32 { UInt32(v[index]) }
  let bits = SIMD16<UInt32>(
    lane(0), lane(1), lane(2), lane(3), lane(4), lane(5), lane(6), lane(7), lane(8), lane(9), lane(10), lane(11), lane(12), lane(13),
    lane(14), lane(15))
  return unsafeBitCast(bits &<< 16, to: Lanes.self)
}

@inline(__always)
func signedBytes(_ pointer: UnsafeRawPointer) -> Lanes {
  let v = pointer.loadUnaligned(as: SIMD16<Int8>.self)
  @inline(__always) func lane(_ index: Int) -> Float { Float(v[index]) }
  return Lanes(
    lane(0), lane(1), lane(2), lane(3), lane(4), lane(5), lane(6), lane(7), lane(8), lane(9), lane(10), lane(11), lane(12), lane(13),
    lane(14), lane(15))
}

/// Sixteen bytes, each in 32 bits.
@inline(__always)
func wideBytes(_ pointer: UnsafeRawPointer) -> SIMD16<Int32> { wideBytes(pointer.loadUnaligned(as: SIMD16<UInt8>.self)) }

@inline(__always)
func wideBytes(_ v: SIMD16<UInt8>) -> SIMD16<Int32> {
  @inline(__always) func lane(_ index: Int) -> Int32 { Int32(v[index]) }
  return SIMD16<Int32>(
    lane(0), lane(1), lane(2), lane(3), lane(4), lane(5), lane(6), lane(7), lane(8), lane(9), lane(10), lane(11), lane(12), lane(13),
    lane(14), lane(15))
}

@inline(__always)
func floats(_ v: SIMD16<Int32>) -> Lanes {
  @inline(__always) func lane(_ index: Int) -> Float { Float(v[index]) }
  return Lanes(
    lane(0), lane(1), lane(2), lane(3), lane(4), lane(5), lane(6), lane(7), lane(8), lane(9), lane(10), lane(11), lane(12), lane(13),
    lane(14), lane(15))
}

/// The same lanes, computed as one vector, where the compiler might take each lane's way apart from the others'.
@inline(__always)
func whole(_ v: Lanes) -> Lanes { unsafeBitCast(zs_whole(unsafeBitCast(v, to: SIMD16<Int32>.self)), to: Lanes.self) }
