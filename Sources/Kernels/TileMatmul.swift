// Small matrix products inside one task: C[m,n] (+)= A·B with any strides for A, for the tiles of attention. Columns in
// vectors of 16, rows in register blocks, k innermost; nothing is packed, since the operands already lie in cache. Each
// output is one sequential chain of fused multiply-adds over k, so the blocking does not show in the result.

import CMachine

/// The left operand of a tile product: element (row, k) stands at `base[row * rowStride + k * stepStride]`.
struct TileOperand {
  let base: UnsafePointer<Float>
  let rowStride: Int
  let stepStride: Int
}

/// C[m,n] (+)= A[m,k] · B[k,n] on the calling thread; rows of B and C are `ldb` and `ldc` apart.
@inline(never)
func tileMatmul(
  m: Int, n: Int, k: Int, a: TileOperand, b: UnsafePointer<Float>, ldb: Int, c: UnsafeMutablePointer<Float>, ldc: Int,
  accumulate: Bool
) {
  var column = 0
  if lanesFillOneRegister {
    // 16 accumulators of 16 lanes: enough to hide the latency of two multiply-add units, half of the 32 registers.
    while column &+ 32 <= n {
      strip(EightRows<PairOfLanes>.self, m, k, a, b + column, ldb, c + column, ldc, accumulate)
      column &+= 32
    }
    while column &+ 16 <= n {
      strip(EightRows<OneOfLanes>.self, m, k, a, b + column, ldb, c + column, ldc, accumulate)
      column &+= 16
    }
  } else {
    // 16 lanes are two registers here, so six rows fill twelve of the sixteen.
    while column &+ 16 <= n {
      strip(SixRows<OneOfLanes>.self, m, k, a, b + column, ldb, c + column, ldc, accumulate)
      column &+= 16
    }
  }
  if column < n { narrowStrip(m, n - column, k, a, b + column, ldb, c + column, ldc, accumulate) }
}

/// Known when this is compiled, but not to the compiler's check for code that never runs.
@inline(__always) private var lanesFillOneRegister: Bool { zs_floats_per_vector() == 16 }

/// All rows of one strip of columns: whole register blocks, then four, three, two or one.
@inline(__always)
private func strip<Block: RegisterBlock>(
  _ type: Block.Type, _ m: Int, _ k: Int, _ a: TileOperand, _ b: UnsafePointer<Float>, _ ldb: Int,
  _ c: UnsafeMutablePointer<Float>, _ ldc: Int, _ accumulate: Bool
) {
  var row = 0
  while row &+ Block.rows <= m {
    product(Block.self, row, k, a, b, ldb, c, ldc, accumulate)
    row &+= Block.rows
  }
  if row &+ 4 <= m {
    product(FourRows<Block.Group>.self, row, k, a, b, ldb, c, ldc, accumulate)
    row &+= 4
  }
  if row &+ 3 == m {
    product(ThreeRows<Block.Group>.self, row, k, a, b, ldb, c, ldc, accumulate)
    return
  }
  if row &+ 2 <= m {
    product(TwoRows<Block.Group>.self, row, k, a, b, ldb, c, ldc, accumulate)
    row &+= 2
  }
  while row < m {
    product(OneRow<Block.Group>.self, row, k, a, b, ldb, c, ldc, accumulate)
    row &+= 1
  }
}

@inline(__always)
private func product<Block: RegisterBlock>(
  _ type: Block.Type, _ row: Int, _ k: Int, _ a: TileOperand, _ b: UnsafePointer<Float>, _ ldb: Int,
  _ c: UnsafeMutablePointer<Float>, _ ldc: Int, _ accumulate: Bool
) {
  let target = c + row &* ldc
  var block = accumulate ? Block(at: target, ldc) : Block()
  var left = a.base + row &* a.rowStride
  var right = b
  for _ in 0..<k {
    block.add(left, a.rowStride, Block.Group(at: right))
    left += a.stepStride
    right += ldb
  }
  block.write(to: target, ldc)
}

/// The last columns, fewer than 16: the same chains, a scalar at a time.
private func narrowStrip(
  _ m: Int, _ n: Int, _ k: Int, _ a: TileOperand, _ b: UnsafePointer<Float>, _ ldb: Int,
  _ c: UnsafeMutablePointer<Float>, _ ldc: Int, _ accumulate: Bool
) {
  for row in 0..<m {
    let left = a.base + row &* a.rowStride
    for column in 0..<n {
      var sum = accumulate ? c[row &* ldc &+ column] : 0
      for step in 0..<k { sum.addProduct(left[step &* a.stepStride], b[step &* ldb &+ column]) }
      c[row &* ldc &+ column] = sum
    }
  }
}

/// One or two vectors side by side: the width of a register block.
private protocol LaneGroup {
  init()
  init(at pointer: UnsafePointer<Float>)
  func write(to pointer: UnsafeMutablePointer<Float>)
  mutating func add(_ scalar: Float, _ row: Self)
}

private struct OneOfLanes: LaneGroup {
  var first: Lanes
  @inline(__always) init() { first = Lanes(repeating: 0) }
  @inline(__always) init(at pointer: UnsafePointer<Float>) { first = Lanes(at: pointer) }
  @inline(__always) func write(to pointer: UnsafeMutablePointer<Float>) { first.write(to: pointer) }
  @inline(__always) mutating func add(_ scalar: Float, _ row: Self) { first.addProduct(Lanes(repeating: scalar), row.first) }
}

private struct PairOfLanes: LaneGroup {
  var first: Lanes
  var second: Lanes
  @inline(__always) init() {
    first = Lanes(repeating: 0)
    second = first
  }
  @inline(__always) init(at pointer: UnsafePointer<Float>) {
    first = Lanes(at: pointer)
    second = Lanes(at: pointer + 16)
  }
  @inline(__always) func write(to pointer: UnsafeMutablePointer<Float>) {
    first.write(to: pointer)
    second.write(to: pointer + 16)
  }
  @inline(__always) mutating func add(_ scalar: Float, _ row: Self) {
    let broadcast = Lanes(repeating: scalar)
    first.addProduct(broadcast, row.first)
    second.addProduct(broadcast, row.second)
  }
}

/// Some rows of accumulators, put together from smaller blocks so that each row is a value of its own, in registers.
private protocol RegisterBlock {
  associatedtype Group: LaneGroup
  static var rows: Int { get }
  init()
  init(at c: UnsafeMutablePointer<Float>, _ ldc: Int)
  func write(to c: UnsafeMutablePointer<Float>, _ ldc: Int)
  /// Adds one step of k: `left[row * stride]` times `right` to each row.
  mutating func add(_ left: UnsafePointer<Float>, _ stride: Int, _ right: Group)
}

private struct OneRow<Group: LaneGroup>: RegisterBlock {
  var sum: Group
  @inline(__always) static var rows: Int { 1 }
  @inline(__always) init() { sum = Group() }
  @inline(__always) init(at c: UnsafeMutablePointer<Float>, _ ldc: Int) { sum = Group(at: c) }
  @inline(__always) func write(to c: UnsafeMutablePointer<Float>, _ ldc: Int) { sum.write(to: c) }
  @inline(__always) mutating func add(_ left: UnsafePointer<Float>, _ stride: Int, _ right: Group) { sum.add(left[0], right) }
}

private struct Stacked<Upper: RegisterBlock, Lower: RegisterBlock>: RegisterBlock where Upper.Group == Lower.Group {
  typealias Group = Upper.Group
  var upper: Upper
  var lower: Lower
  @inline(__always) static var rows: Int { Upper.rows + Lower.rows }
  @inline(__always) init() {
    upper = Upper()
    lower = Lower()
  }
  @inline(__always) init(at c: UnsafeMutablePointer<Float>, _ ldc: Int) {
    upper = Upper(at: c, ldc)
    lower = Lower(at: c + Upper.rows &* ldc, ldc)
  }
  @inline(__always) func write(to c: UnsafeMutablePointer<Float>, _ ldc: Int) {
    upper.write(to: c, ldc)
    lower.write(to: c + Upper.rows &* ldc, ldc)
  }
  @inline(__always) mutating func add(_ left: UnsafePointer<Float>, _ stride: Int, _ right: Group) {
    upper.add(left, stride, right)
    lower.add(left + Upper.rows &* stride, stride, right)
  }
}

private typealias TwoRows<Group: LaneGroup> = Stacked<OneRow<Group>, OneRow<Group>>
private typealias ThreeRows<Group: LaneGroup> = Stacked<TwoRows<Group>, OneRow<Group>>
private typealias FourRows<Group: LaneGroup> = Stacked<TwoRows<Group>, TwoRows<Group>>
private typealias SixRows<Group: LaneGroup> = Stacked<FourRows<Group>, TwoRows<Group>>
private typealias EightRows<Group: LaneGroup> = Stacked<FourRows<Group>, FourRows<Group>>
