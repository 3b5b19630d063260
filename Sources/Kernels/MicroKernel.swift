// The innermost loops of matrix products: one tile of C held in registers while k runs.
// Two shapes, for processors with 512-bit vectors and for those with 256-bit ones. In both, every element of the tile
// is one chain of fused multiply-adds over k, in order; so no tile shape, blocking or thread count changes a bit of the result.

import CMachine

/// Rows of C that one micro-kernel call computes.
@inline(__always) var tileRows: Int { zs_floats_per_vector() == 16 ? 12 : 6 }

/// Columns of C that one micro-kernel call computes.
@inline(__always) var tileColumns: Int { zs_floats_per_vector() == 16 ? 32 : 16 }

/// Computes a whole tile: C (+)= A·B over `depth` steps, from a panel of A as [depth][tileRows] and one of B as [depth][tileColumns].
///
/// With `startsAtZero` the previous content of C is not read.
@inline(__always)
func microKernel(
  depth: Int, a: UnsafePointer<Float>, b: UnsafePointer<Float>, c: UnsafeMutablePointer<Float>, ldc: Int, startsAtZero: Bool
) {
  if zs_floats_per_vector() == 16 {
    microKernel12x32(depth: depth, a: a, b: b, c: c, ldc: ldc, startsAtZero: startsAtZero)
  } else {
    microKernel6x16(depth: depth, a: a, b: b, c: c, ldc: ldc, startsAtZero: startsAtZero)
  }
}

/// One row of a tile: two neighbouring vectors.
private struct TileRow<Vector: SIMD> where Vector.Scalar == Float {
  var left = Vector.zero
  var right = Vector.zero

  @inline(__always)
  init() {}

  @inline(__always)
  mutating func load(_ c: UnsafeMutablePointer<Float>) {
    left = UnsafeRawPointer(c).loadUnaligned(as: Vector.self)
    right = UnsafeRawPointer(c + Vector.scalarCount).loadUnaligned(as: Vector.self)
  }

  @inline(__always)
  mutating func step(_ a: Float, _ left: Vector, _ right: Vector) {
    let factor = Vector(repeating: a)
    self.left.addProduct(factor, left)
    self.right.addProduct(factor, right)
  }

  @inline(__always)
  func store(_ c: UnsafeMutablePointer<Float>) {
    UnsafeMutableRawPointer(c).storeBytes(of: left, as: Vector.self)
    UnsafeMutableRawPointer(c + Vector.scalarCount).storeBytes(of: right, as: Vector.self)
  }
}

@inline(never)
private func microKernel12x32(
  depth: Int, a: UnsafePointer<Float>, b: UnsafePointer<Float>, c: UnsafeMutablePointer<Float>, ldc: Int, startsAtZero: Bool
) {
  typealias Row = TileRow<SIMD16<Float>>
  var (r0, r1, r2, r3, r4, r5) = (Row(), Row(), Row(), Row(), Row(), Row())
  var (r6, r7, r8, r9, r10, r11) = (Row(), Row(), Row(), Row(), Row(), Row())
  if !startsAtZero {
    r0.load(c)
    r1.load(c + ldc)
    r2.load(c + 2 * ldc)
    r3.load(c + 3 * ldc)
    r4.load(c + 4 * ldc)
    r5.load(c + 5 * ldc)
    r6.load(c + 6 * ldc)
    r7.load(c + 7 * ldc)
    r8.load(c + 8 * ldc)
    r9.load(c + 9 * ldc)
    r10.load(c + 10 * ldc)
    r11.load(c + 11 * ldc)
  }
  var a = a
  var b = b
  for _ in 0..<depth {
    let left = UnsafeRawPointer(b).load(as: SIMD16<Float>.self)
    let right = UnsafeRawPointer(b + 16).load(as: SIMD16<Float>.self)
    r0.step(a[0], left, right)
    r1.step(a[1], left, right)
    r2.step(a[2], left, right)
    r3.step(a[3], left, right)
    r4.step(a[4], left, right)
    r5.step(a[5], left, right)
    r6.step(a[6], left, right)
    r7.step(a[7], left, right)
    r8.step(a[8], left, right)
    r9.step(a[9], left, right)
    r10.step(a[10], left, right)
    r11.step(a[11], left, right)
    a += 12
    b += 32
  }
  r0.store(c)
  r1.store(c + ldc)
  r2.store(c + 2 * ldc)
  r3.store(c + 3 * ldc)
  r4.store(c + 4 * ldc)
  r5.store(c + 5 * ldc)
  r6.store(c + 6 * ldc)
  r7.store(c + 7 * ldc)
  r8.store(c + 8 * ldc)
  r9.store(c + 9 * ldc)
  r10.store(c + 10 * ldc)
  r11.store(c + 11 * ldc)
}

@inline(never)
private func microKernel6x16(
  depth: Int, a: UnsafePointer<Float>, b: UnsafePointer<Float>, c: UnsafeMutablePointer<Float>, ldc: Int, startsAtZero: Bool
) {
  typealias Row = TileRow<SIMD8<Float>>
  var (r0, r1, r2, r3, r4, r5) = (Row(), Row(), Row(), Row(), Row(), Row())
  if !startsAtZero {
    r0.load(c)
    r1.load(c + ldc)
    r2.load(c + 2 * ldc)
    r3.load(c + 3 * ldc)
    r4.load(c + 4 * ldc)
    r5.load(c + 5 * ldc)
  }
  var a = a
  var b = b
  for _ in 0..<depth {
    let left = UnsafeRawPointer(b).load(as: SIMD8<Float>.self)
    let right = UnsafeRawPointer(b + 8).load(as: SIMD8<Float>.self)
    r0.step(a[0], left, right)
    r1.step(a[1], left, right)
    r2.step(a[2], left, right)
    r3.step(a[3], left, right)
    r4.step(a[4], left, right)
    r5.step(a[5], left, right)
    a += 6
    b += 16
  }
  r0.store(c)
  r1.store(c + ldc)
  r2.store(c + 2 * ldc)
  r3.store(c + 3 * ldc)
  r4.store(c + 4 * ldc)
  r5.store(c + 5 * ldc)
}
