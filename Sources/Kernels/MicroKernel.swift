// The innermost loops of matrix products: one tile of C held in registers while k runs.
// Two shapes, for processors with 512-bit vectors and for those with 256-bit ones. In both, every element of the tile is a sum of
// chains of fused multiply-adds, one chain for each stretch of k, in order; stretches begin at fixed places of k, so no tile shape,
// blocking or thread count changes a bit of the result. One chain over all of k would be simpler, but residual streams hold single
// elements thousands of times larger than the rest (2.8e4 in SmolLM2's first token): every term after such a one was rounded to its
// scale, and logits were three times as far from double precision as those of BLAS. With stretches they are nearer.

import CMachine

/// Rows of C that one micro-kernel call computes.
@inline(__always) var tileRows: Int { zs_floats_per_vector() == 16 ? 12 : 6 }

/// Steps of k that one chain of multiply-adds is long.
let stretchLength = 128

/// Columns of C that one micro-kernel call computes.
@inline(__always) var tileColumns: Int { zs_floats_per_vector() == 16 ? 32 : 16 }

/// Computes a whole tile: C (+)= A·B over `depth` steps, from `tileRows` rows of A and a panel of B as [depth][tileColumns].
///
/// Either the rows of A or its steps of k are next to each other.
/// The first step must be at a multiple of `stretchLength` of the whole product. With `startsAtZero` the previous content of C is
/// not read. `sums` has room for a tile: between stretches the sums wait there, in lines next to each other, since rows of C may lie
/// so that their lines push each other out of the first-level cache.
@inline(__always)
func microKernel(
  depth: Int, a: TileOperand, b: UnsafePointer<Float>, c: UnsafeMutablePointer<Float>, ldc: Int, startsAtZero: Bool,
  sums: UnsafeMutablePointer<Float>
) {
  // C is needed when the first stretch is over, some microseconds from here.
  for row in 0..<tileRows {
    zs_prefetch(c + (row &* ldc))
    zs_prefetch(c + (row &* ldc &+ tileColumns &- 1))
  }
  var step = 0
  while step < depth {
    let steps = min(stretchLength, depth &- step)
    let isFirst = step == 0
    let isLast = step &+ steps >= depth
    let tile = TileSums(
      before: isFirst ? (startsAtZero ? nil : UnsafePointer(c)) : UnsafePointer(sums), beforeStride: isFirst ? ldc : tileColumns,
      after: isLast ? c : sums, afterStride: isLast ? ldc : tileColumns)
    let (left, right) = (a.base + step &* a.stepStride, b + step &* tileColumns)
    switch (zs_floats_per_vector() == 16, a.rowStride == 1) {
    case (true, true): tile12x32OfColumns(depth: steps, a: left, stepStride: a.stepStride, b: right, tile)
    case (true, false): tile12x32OfRows(depth: steps, a: left, rowStride: a.rowStride, b: right, tile)
    case (false, true): tile6x16OfColumns(depth: steps, a: left, stepStride: a.stepStride, b: right, tile)
    case (false, false): tile6x16OfRows(depth: steps, a: left, rowStride: a.rowStride, b: right, tile)
    }
    step &+= stretchLength
  }
}

/// Where a stretch finds the sums of those before it, nil for zeros, and where it leaves them.
private struct TileSums {
  let before: UnsafePointer<Float>?
  let beforeStride: Int
  let after: UnsafeMutablePointer<Float>
  let afterStride: Int
}

/// One row of a tile: two neighbouring vectors.
private struct TileRow<Vector: SIMD> where Vector.Scalar == Float {
  var left = Vector.zero
  var right = Vector.zero

  @inline(__always)
  init() {}

  /// Adds what C holds.
  @inline(__always)
  mutating func add(_ c: UnsafePointer<Float>) {
    left += UnsafeRawPointer(c).loadUnaligned(as: Vector.self)
    right += UnsafeRawPointer(c + Vector.scalarCount).loadUnaligned(as: Vector.self)
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
private func tile12x32OfColumns(depth: Int, a: UnsafePointer<Float>, stepStride: Int, b: UnsafePointer<Float>, _ sums: TileSums) {
  tile12x32(depth: depth, a: a, 1, stepStride, b: b, sums)
}

@inline(never)
private func tile12x32OfRows(depth: Int, a: UnsafePointer<Float>, rowStride: Int, b: UnsafePointer<Float>, _ sums: TileSums) {
  tile12x32(depth: depth, a: a, rowStride, 1, b: b, sums)
}

@inline(__always)
private func tile12x32(
  depth: Int, a: UnsafePointer<Float>, _ rowStride: Int, _ stepStride: Int, b: UnsafePointer<Float>, _ sums: TileSums
) {
  typealias Row = TileRow<SIMD16<Float>>
  var (r0, r1, r2, r3, r4, r5) = (Row(), Row(), Row(), Row(), Row(), Row())
  var (r6, r7, r8, r9, r10, r11) = (Row(), Row(), Row(), Row(), Row(), Row())
  var a = a
  var b = b
  for _ in 0..<depth {
    let left = UnsafeRawPointer(b).load(as: SIMD16<Float>.self)
    let right = UnsafeRawPointer(b + 16).load(as: SIMD16<Float>.self)
    r0.step(a[0 &* rowStride], left, right)
    r1.step(a[1 &* rowStride], left, right)
    r2.step(a[2 &* rowStride], left, right)
    r3.step(a[3 &* rowStride], left, right)
    r4.step(a[4 &* rowStride], left, right)
    r5.step(a[5 &* rowStride], left, right)
    r6.step(a[6 &* rowStride], left, right)
    r7.step(a[7 &* rowStride], left, right)
    r8.step(a[8 &* rowStride], left, right)
    r9.step(a[9 &* rowStride], left, right)
    r10.step(a[10 &* rowStride], left, right)
    r11.step(a[11 &* rowStride], left, right)
    a = zs_one_step(a + stepStride)
    b += 32
  }
  if let c = sums.before {
    let ldc = sums.beforeStride
    r0.add(c)
    r1.add(c + ldc)
    r2.add(c + 2 * ldc)
    r3.add(c + 3 * ldc)
    r4.add(c + 4 * ldc)
    r5.add(c + 5 * ldc)
    r6.add(c + 6 * ldc)
    r7.add(c + 7 * ldc)
    r8.add(c + 8 * ldc)
    r9.add(c + 9 * ldc)
    r10.add(c + 10 * ldc)
    r11.add(c + 11 * ldc)
  }
  let (c, ldc) = (sums.after, sums.afterStride)
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
private func tile6x16OfColumns(depth: Int, a: UnsafePointer<Float>, stepStride: Int, b: UnsafePointer<Float>, _ sums: TileSums) {
  tile6x16(depth: depth, a: a, 1, stepStride, b: b, sums)
}

@inline(never)
private func tile6x16OfRows(depth: Int, a: UnsafePointer<Float>, rowStride: Int, b: UnsafePointer<Float>, _ sums: TileSums) {
  tile6x16(depth: depth, a: a, rowStride, 1, b: b, sums)
}

@inline(__always)
private func tile6x16(
  depth: Int, a: UnsafePointer<Float>, _ rowStride: Int, _ stepStride: Int, b: UnsafePointer<Float>, _ sums: TileSums
) {
  typealias Row = TileRow<SIMD8<Float>>
  var (r0, r1, r2, r3, r4, r5) = (Row(), Row(), Row(), Row(), Row(), Row())
  var a = a
  var b = b
  for _ in 0..<depth {
    let left = UnsafeRawPointer(b).load(as: SIMD8<Float>.self)
    let right = UnsafeRawPointer(b + 8).load(as: SIMD8<Float>.self)
    r0.step(a[0 &* rowStride], left, right)
    r1.step(a[1 &* rowStride], left, right)
    r2.step(a[2 &* rowStride], left, right)
    r3.step(a[3 &* rowStride], left, right)
    r4.step(a[4 &* rowStride], left, right)
    r5.step(a[5 &* rowStride], left, right)
    a = zs_one_step(a + stepStride)
    b += 16
  }
  if let c = sums.before {
    let ldc = sums.beforeStride
    r0.add(c)
    r1.add(c + ldc)
    r2.add(c + 2 * ldc)
    r3.add(c + 3 * ldc)
    r4.add(c + 4 * ldc)
    r5.add(c + 5 * ldc)
  }
  let (c, ldc) = (sums.after, sums.afterStride)
  r0.store(c)
  r1.store(c + ldc)
  r2.store(c + 2 * ldc)
  r3.store(c + 3 * ldc)
  r4.store(c + 4 * ldc)
  r5.store(c + 5 * ldc)
}
