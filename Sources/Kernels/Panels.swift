// Copies of pieces of A and B in the order the micro-kernel reads them: panels as wide as a tile, k by k.
// Weights are unpacked here, a few rows at a time, so that no whole unpacked tensor ever exists.

import CMachine

/// How many floats a panel may be written past its end.
let panelSlack = 16

/// Eight rows that a panel takes its columns from.
private struct EightRows {
  var r0, r1, r2, r3, r4, r5, r6, r7: UnsafePointer<Float>

  /// Rows `first`… of the matrix at `base`, where rows from `count` on repeat the last one.
  @inline(__always)
  init(_ base: UnsafePointer<Float>, stride: Int, first: Int, count: Int) {
    let last = count - 1
    r0 = base + min(first, last) * stride
    r1 = base + min(first + 1, last) * stride
    r2 = base + min(first + 2, last) * stride
    r3 = base + min(first + 3, last) * stride
    r4 = base + min(first + 4, last) * stride
    r5 = base + min(first + 5, last) * stride
    r6 = base + min(first + 6, last) * stride
    r7 = base + min(first + 7, last) * stride
  }

  /// Stores columns `column` ..< `column + 8` as eight rows of eight, `width` apart.
  @inline(__always)
  func transpose(_ column: Int, to target: UnsafeMutablePointer<Float>, width: Int) {
    typealias Eight = SIMD8<Float>
    func load(_ row: UnsafePointer<Float>) -> Eight { UnsafeRawPointer(row + column).loadUnaligned(as: Eight.self) }
    func store(_ value: Eight, _ row: Int) {
      UnsafeMutableRawPointer(target + row * width).storeBytes(of: value, as: Eight.self)
    }
    // Elements, then pairs, then halves change places; the compiler makes each function one shuffle.
    func low(_ a: Eight, _ b: Eight) -> Eight { Eight(a[0], b[0], a[1], b[1], a[4], b[4], a[5], b[5]) }
    func high(_ a: Eight, _ b: Eight) -> Eight { Eight(a[2], b[2], a[3], b[3], a[6], b[6], a[7], b[7]) }
    func lowPairs(_ a: Eight, _ b: Eight) -> Eight { Eight(a[0], a[1], b[0], b[1], a[4], a[5], b[4], b[5]) }
    func highPairs(_ a: Eight, _ b: Eight) -> Eight { Eight(a[2], a[3], b[2], b[3], a[6], a[7], b[6], b[7]) }
    func lowHalves(_ a: Eight, _ b: Eight) -> Eight { Eight(a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]) }
    func highHalves(_ a: Eight, _ b: Eight) -> Eight { Eight(a[4], a[5], a[6], a[7], b[4], b[5], b[6], b[7]) }
    let (a0, a1, a2, a3) = (load(r0), load(r1), load(r2), load(r3))
    let (a4, a5, a6, a7) = (load(r4), load(r5), load(r6), load(r7))
    let (b0, b1, b2, b3) = (low(a0, a1), high(a0, a1), low(a2, a3), high(a2, a3))
    let (b4, b5, b6, b7) = (low(a4, a5), high(a4, a5), low(a6, a7), high(a6, a7))
    let (c0, c1, c2, c3) = (lowPairs(b0, b2), highPairs(b0, b2), lowPairs(b1, b3), highPairs(b1, b3))
    let (c4, c5, c6, c7) = (lowPairs(b4, b6), highPairs(b4, b6), lowPairs(b5, b7), highPairs(b5, b7))
    store(lowHalves(c0, c4), 0)
    store(lowHalves(c1, c5), 1)
    store(lowHalves(c2, c6), 2)
    store(lowHalves(c3, c7), 3)
    store(highHalves(c0, c4), 4)
    store(highHalves(c1, c5), 5)
    store(highHalves(c2, c6), 6)
    store(highHalves(c3, c7), 7)
  }
}

/// Copies a [count, depth] matrix, `count` ≤ `width`, into a panel [depth][width]; columns past `count` repeat the last row.
///
/// Up to `panelSlack` floats past the panel are overwritten. With `prefetches` the rows behind these, which the next panel is made
/// of, are asked for: a processor does not foresee so many short rows.
@inline(__always)
func packTransposing(
  _ base: UnsafePointer<Float>, stride: Int, count: Int, depth: Int, width: Int, prefetches: Bool, into panel: UnsafeMutablePointer<Float>
) {
  let groups = (width + 7) / 8
  var column = 0
  while column + 8 <= depth {
    // Two steps: a line of each row is used up while it is near, although rows may push each other out of the cache.
    let end = min(column + 16, depth & ~7)
    if prefetches {
      let next = base + (width * stride + column)
      for row in 0..<width { zs_prefetch(next + row * stride) }
    }
    // A group wider than what is left of the panel spills into the next k: the last group goes first, so that the others mend it.
    for group in (0..<groups).reversed() {
      let rows = EightRows(base, stride: stride, first: group * 8, count: count)
      var step = column
      while step < end {
        rows.transpose(step, to: panel + step * width + group * 8, width: width)
        step += 8
      }
    }
    column = end
  }
  while column < depth {
    for row in 0..<width { panel[column * width + row] = base[min(row, count - 1) * stride + column] }
    column += 1
  }
}

/// Copies `count` floats, known when this is compiled: a loop would be compiled float by float, since the two might overlap.
@inline(__always)
private func copyVectors(_ from: UnsafePointer<Float>, _ to: UnsafeMutablePointer<Float>, _ count: Int) {
  func copy<Vector: SIMD>(_ type: Vector.Type, _ at: Int) where Vector.Scalar == Float {
    UnsafeMutableRawPointer(to + at).storeBytes(of: UnsafeRawPointer(from + at).loadUnaligned(as: type), as: type)
  }
  var at = 0
  while at &+ 16 <= count {
    copy(SIMD16<Float>.self, at)
    at &+= 16
  }
  if at &+ 8 <= count {
    copy(SIMD8<Float>.self, at)
    at &+= 8
  }
  if at &+ 4 <= count {
    copy(SIMD4<Float>.self, at)
    at &+= 4
  }
  if at &+ 2 <= count { copy(SIMD2<Float>.self, at) }
}

/// Copies a [depth, count] matrix, `count` ≤ `width`, into a panel [depth][width]; columns past `count` are zero.
@inline(__always)
func packCopying(
  _ base: UnsafePointer<Float>, stride: Int, count: Int, depth: Int, width: Int, into panel: UnsafeMutablePointer<Float>
) {
  if count == width {
    for row in 0..<depth {
      let from = base + row * stride
      let to = panel + row * width
      // Rows lie on pages of their own, where the processor does not look ahead by itself.
      zs_prefetch(from + 16 * stride)
      zs_prefetch(from + 16 * stride + width - 1)
      copyVectors(from, to, width)
    }
    return
  }
  for row in 0..<depth {
    let from = base + row * stride
    let to = panel + row * width
    for column in 0..<width { to[column] = column < count ? from[column] : 0 }
  }
}

/// The left operand of a product: [m, k] row-major, or [k, m] when transposed.
struct LeftOperand {
  let base: UnsafePointer<Float>
  let stride: Int
  let isTransposed: Bool

  /// Whether lines of its rows share out all places of the caches.
  ///
  /// A first-level cache finds a line's place by the lower twelve bits of its address, and a second-level cache by a few more: rows that
  /// are a multiple of 4 KiB apart all want the same few places, and a tile of them would push itself out.
  var rowsLieWell: Bool { stride % 1024 != 0 }

  /// Whether the micro-kernel reads it where it lies.
  ///
  /// It needs few elements of A for many of B, so their order in memory hardly matters to it; a copy would have to be written, read by
  /// all threads and waited for. But each step along a transposed A is another line, and often another page, for a tile's few elements:
  /// 1.02 to 1.07 times as fast on a Zen 4, half as fast on a Xeon.
  var isReadInPlace: Bool { rowsLieWell && !isTransposed }

  /// The rows from `row` on, from step `step` of k on, where it is read in place.
  @inline(__always)
  func rows(from row: Int, step: Int) -> TileOperand {
    TileOperand(base: base + (row * stride + step), rowStride: stride, stepStride: 1)
  }

  /// Copies `rows` rows from `firstRow` on, for all k, into a panel [depth][tileRows].
  func pack(firstRow: Int, rows: Int, depth: Int, into panel: UnsafeMutablePointer<Float>) {
    if isTransposed {
      packCopying(base + firstRow, stride: stride, count: rows, depth: depth, width: tileRows, into: panel)
    } else {
      packTransposing(
        base + firstRow * stride, stride: stride, count: rows, depth: depth, width: tileRows, prefetches: true, into: panel)
    }
  }
}

/// The right operand of a product: [k, n] or, transposed, [n, k]; floats or weights.
enum RightOperand {
  case plain(UnsafePointer<Float>, stride: Int)
  case transposed(UnsafePointer<Float>, stride: Int)
  case plainWeight(WeightView)
  case transposedWeight(WeightView)

  /// What the first column of a chunk must be a multiple of.
  var columnUnit: Int {
    if case .plainWeight(let weight) = self { weight.type.blockElements } else { 1 }
  }

  /// What the first k of a block must be a multiple of.
  var depthUnit: Int {
    if case .transposedWeight(let weight) = self { weight.type.blockElements } else { 1 }
  }

  /// Where the given columns lie in memory, for k from `first` to `first + depth`.
  func region(columns: Range<Int>, first: Int, depth: Int) -> MemoryRegion {
    let (column, count) = (columns.lowerBound, columns.count)
    switch self {
    case .plain(let base, let stride):
      return MemoryRegion(base: base + (first * stride + column), rows: depth, rowBytes: 4 * count, stride: 4 * stride)
    case .transposed(let base, let stride):
      return MemoryRegion(base: base + (column * stride + first), rows: count, rowBytes: 4 * depth, stride: 4 * stride)
    case .plainWeight(let weight):
      let (offset, bytes) = (weight.type.rowBytes(columns: column), weight.type.rowBytes(columns: count))
      return MemoryRegion(base: weight.row(first) + offset, rows: depth, rowBytes: bytes, stride: weight.rowBytes)
    case .transposedWeight(let weight):
      let (offset, bytes) = (weight.type.rowBytes(columns: first), weight.type.rowBytes(columns: depth))
      return MemoryRegion(base: weight.row(column) + offset, rows: count, rowBytes: bytes, stride: weight.rowBytes)
    }
  }

  /// Copies the given columns, for k from `first` to `first + depth`, into consecutive panels [depth][tileColumns].
  func pack(columns: Range<Int>, first: Int, depth: Int, into panels: UnsafeMutablePointer<Float>) {
    let width = tileColumns
    for column in stride(from: columns.lowerBound, to: columns.upperBound, by: width) {
      let count = min(width, columns.upperBound - column)
      let panel = panels + (column - columns.lowerBound) * depth
      switch self {
      case .plain(let base, let stride):
        packCopying(base + first * stride + column, stride: stride, count: count, depth: depth, width: width, into: panel)
      case .transposed(let base, let stride):
        packTransposing(
          base + column * stride + first, stride: stride, count: count, depth: depth, width: width, prefetches: true, into: panel)
      case .transposedWeight(let weight):
        // A panel's rows are as many as its columns: `width` rows of up to a block of k, unpacked side by side.
        let rows = ThreadContext.current.floats(.unpackedRow, count: width * depth)
        let offset = weight.type.rowBytes(columns: first)
        for row in 0..<count { unpack(weight.type, from: weight.row(column + row) + offset, to: rows + row * depth, count: depth) }
        packTransposing(rows, stride: depth, count: count, depth: depth, width: width, prefetches: false, into: panel)
      case .plainWeight:
        break
      }
    }
    if case .plainWeight(let weight) = self {
      let row = ThreadContext.current.floats(.unpackedRow, count: columns.count)
      let offset = weight.type.rowBytes(columns: columns.lowerBound)
      for index in 0..<depth {
        unpack(weight.type, from: weight.row(first + index) + offset, to: row, count: columns.count)
        for column in stride(from: 0, to: columns.count, by: width) {
          let count = min(width, columns.count - column)
          packCopying(row + column, stride: 0, count: count, depth: 1, width: width, into: panels + column * depth + index * width)
        }
      }
    }
  }
}

/// Pieces of rows in memory that will be needed soon, asked for a few lines at a time.
struct MemoryRegion {
  private let base: UnsafeRawPointer
  private let stride: Int
  private let linesPerRow: Int
  private let lines: Int
  private var row = 0
  private var line = 0

  init(base: UnsafeRawPointer, rows: Int, rowBytes: Int, stride: Int) {
    self.base = base
    self.stride = stride
    linesPerRow = (rowBytes + 63) / 64
    lines = rows * linesPerRow
  }

  /// How many lines a visit has to ask for where so many visits are made.
  func share(ofVisits visits: Int) -> Int { (lines + visits - 1) / max(1, visits) }

  /// Asks for the next lines, as far as there are any.
  @inline(__always)
  mutating func fetch(_ count: Int) {
    for _ in 0..<count {
      if row &* linesPerRow &+ line >= lines { return }
      zs_prefetch_far(base + (row &* stride &+ line &* 64))
      line &+= 1
      if line == linesPerRow {
        line = 0
        row &+= 1
      }
    }
  }
}
