// Matrix products: packed, tiled, threaded; B may be weights of any type.
// A is read where it lies; transposed, or where its rows push each other out of the caches, it is packed once, all k of it, and shared. C is
// cut into chunks of columns (and of rows where columns are few); a chunk goes through k in blocks, and for each block packs its part
// of B and runs the micro-kernel over all tiles. No task has a part of k: every output is the same sum of the same chains of fused
// multiply-adds, whatever the blocking, the threads and the other rows.

import CMachine

/// Computes C[m,n] (+)= op(A)[m,k] · op(B)[k,n], row-major; a transposed A is stored [k,m], a transposed B [n,k].
///
/// - Complexity: 2·m·n·k floating-point operations. C must not overlap A or B.
public func gemm(
  transposeA: Bool, transposeB: Bool, m: Int, n: Int, k: Int, a: UnsafePointer<Float>, lda: Int, b: UnsafePointer<Float>, ldb: Int,
  c: UnsafeMutablePointer<Float>, ldc: Int, accumulate: Bool
) {
  let product = Product(
    left: LeftOperand(base: a, stride: lda, isTransposed: transposeA),
    right: transposeB ? .transposed(b, stride: ldb) : .plain(b, stride: ldb),
    m: m, n: n, k: k, c: c, ldc: ldc, accumulate: accumulate)
  product.compute()
}

/// Computes C[m,rows] (+)= A[m,columns] · Wᵀ: the forward pass of a linear layer.
///
/// The weight is unpacked a few rows at a time, never as a whole.
public func gemmTransposed(
  m: Int, a: UnsafePointer<Float>, lda: Int, weight: WeightView, c: UnsafeMutablePointer<Float>, ldc: Int, accumulate: Bool
) {
  let product = Product(
    left: LeftOperand(base: a, stride: lda, isTransposed: false),
    right: weight.floats.map { .transposed($0, stride: weight.columns) } ?? .transposedWeight(weight),
    m: m, n: weight.rows, k: weight.columns, c: c, ldc: ldc, accumulate: accumulate)
  product.compute()
}

/// Computes C[m,columns] (+)= A[m,rows] · W: the backward pass of a linear layer towards its input.
///
/// The weight is unpacked a few rows at a time, never as a whole.
public func gemmPlain(
  m: Int, a: UnsafePointer<Float>, lda: Int, weight: WeightView, c: UnsafeMutablePointer<Float>, ldc: Int, accumulate: Bool
) {
  let product = Product(
    left: LeftOperand(base: a, stride: lda, isTransposed: false),
    right: weight.floats.map { .plain($0, stride: weight.columns) } ?? .plainWeight(weight),
    m: m, n: weight.columns, k: weight.rows, c: c, ldc: ldc, accumulate: accumulate)
  product.compute()
}

/// Floats that a product with `rows` rows and `depth` columns on its left may keep a copy of.
public func packedLeftFloats(rows: Int, depth: Int) -> Int { min(rows, Product.rowsPerPass(depth: depth)) * depth }

extension WeightView {
  /// The elements themselves where they are aligned floats.
  var floats: UnsafePointer<Float>? {
    type == .f32 && UInt(bitPattern: base) % 4 == 0 ? base.assumingMemoryBound(to: Float.self) : nil
  }
}

/// One matrix product on its way.
private struct Product {
  let left: LeftOperand
  let right: RightOperand
  let m: Int
  let n: Int
  let k: Int
  let c: UnsafeMutablePointer<Float>
  let ldc: Int
  let accumulate: Bool

  /// The longest stretch of k between two visits to C.
  ///
  /// C is met in memory, A and B in the second-level cache: most layers of a small model were 2 to 5 % slower with shorter stretches and
  /// more columns at a time. Where rows do not lie well (large models have such widths) it is the other way round: A is large, and the
  /// fewer chunks go through it the better.
  private var longestBlock: Int { left.rowsLieWell ? 640 : 384 }
  /// The most columns in a chunk: its part of B for a block of k stays in the second-level cache.
  private var widestChunk: Int { left.rowsLieWell ? 160 : 256 }
  /// Whether A is not packed.
  ///
  /// A copy pays where very many columns go through it, as in the output layer.
  private var readsLeftInPlace: Bool { left.isReadInPlace && n <= 8192 }
  /// The most floats of A that are packed at a time, unless a chunk of 768 rows is more.
  private static let largestLeft = 4 << 20

  /// Rows of A that are packed at a time.
  static func rowsPerPass(depth: Int) -> Int { max(768, largestLeft / max(1, depth)) / tileRows * tileRows }

  func compute() {
    if m <= 0 || n <= 0 { return }
    if k <= 0 {
      if !accumulate { for row in 0..<m { (c + row * ldc).update(repeating: 0, count: n) } }
      return
    }
    let rowsPerPass = readsLeftInPlace ? m : Self.rowsPerPass(depth: k)
    for first in stride(from: 0, to: m, by: rowsPerPass) {
      computeRows(first..<min(first + rowsPerPass, m))
    }
  }

  private func computeRows(_ rows: Range<Int>) {
    let panels = (rows.count + tileRows - 1) / tileRows
    let isSmall = rows.count * n * k < 1 << 16
    let threads = isSmall ? 1 : ThreadPool.shared.threadCount
    let panelsOfLeft = packLeft(rows, threads: threads)
    let grid = Grid(panels: panels, columns: n, unit: max(tileColumns, right.columnUnit), threads: threads, widest: widestChunk)
    ThreadPool.shared.run(grid.count) { task in
      let part = grid.part(task)
      // What this thread will most likely compute next: tasks are handed out in turn.
      let next = task + threads < grid.count ? grid.part(task + threads).columns : nil
      computeChunk(part.columns, part.panels, of: panelsOfLeft, next: next)
    }
  }

  /// Packs what of A cannot be read where it lies: all of it, or the last rows where they are fewer than a tile has.
  private func packLeft(_ rows: Range<Int>, threads: Int) -> LeftPanels {
    let panels = (rows.count + tileRows - 1) / tileRows
    let inPlace = readsLeftInPlace ? rows.count / tileRows : 0
    let panelFloats = (k * tileRows + panelSlack + 15) / 16 * 16
    let packed = ThreadContext.current.floats(.packedLeft, count: (panels - inPlace) * panelFloats)
    let panelsPerTask = threads == 1 ? panels : max(1, (1 << 15) / (k * tileRows))
    ThreadPool.shared.run((panels - inPlace + panelsPerTask - 1) / panelsPerTask) { task in
      for panel in task * panelsPerTask..<min((task + 1) * panelsPerTask, panels - inPlace) {
        let first = rows.lowerBound + (inPlace + panel) * tileRows
        left.pack(firstRow: first, rows: min(tileRows, rows.upperBound - first), depth: k, into: packed + panel * panelFloats)
      }
    }
    return LeftPanels(left: left, rows: rows, inPlace: inPlace, packed: packed, panelFloats: panelFloats)
  }

  /// Computes the columns `columns` of the rows in the panels `panels` of `left`, for all of k.
  ///
  /// While a block is computed memory is idle: the part of B for the next block, or for the columns `next`, is asked for.
  private func computeChunk(
    _ columns: Range<Int>, _ panels: Range<Int>, of left: LeftPanels, next: Range<Int>?
  ) {
    let context = ThreadContext.current
    let blocks = (k + longestBlock - 1) / longestBlock
    // Blocks begin where stretches do, so that chains are the same for every type of weight.
    let unit = max(right.depthUnit, stretchLength)
    let longest = ((k + blocks - 1) / blocks + unit - 1) / unit * unit
    let rightPanels = (columns.count + tileColumns - 1) / tileColumns
    let packedRight = context.floats(.packedRight, count: rightPanels * tileColumns * longest + panelSlack)
    let edge = context.floats(.edgeTile, count: 2 * tileRows * tileColumns)
    let sums = edge + tileRows * tileColumns
    for start in stride(from: 0, to: k, by: longest) {
      let depth = min(longest, k - start)
      right.pack(columns: columns, first: start, depth: depth, into: packedRight)
      let startsAtZero = start == 0 && !accumulate
      let isLast = start + depth >= k
      var coming: MemoryRegion?
      if !isLast {
        coming = right.region(columns: columns, first: start + depth, depth: min(longest, k - start - depth))
      } else if let next {
        coming = right.region(columns: next, first: 0, depth: min(longest, k))
      }
      let linesPerTile = coming?.share(ofVisits: panels.count * rightPanels) ?? 0
      for panel in panels {
        let leftPanel = left.panel(panel, from: start)
        let row = left.rows.lowerBound + panel * tileRows
        let height = min(tileRows, left.rows.upperBound - row)
        for rightPanel in 0..<rightPanels {
          let column = columns.lowerBound + rightPanel * tileColumns
          let width = min(tileColumns, columns.upperBound - column)
          let tile = c + row * ldc + column
          let panelOfRight = packedRight + rightPanel * tileColumns * depth
          coming?.fetch(linesPerTile)
          if height == tileRows && width == tileColumns {
            microKernel(depth: depth, a: leftPanel, b: panelOfRight, c: tile, ldc: ldc, startsAtZero: startsAtZero, sums: sums)
          } else {
            // A tile over the edge is computed whole, elsewhere: the same chain for every element.
            if !startsAtZero { copyTile(from: tile, stride: ldc, to: edge, stride: tileColumns, rows: height, columns: width) }
            microKernel(depth: depth, a: leftPanel, b: panelOfRight, c: edge, ldc: tileColumns, startsAtZero: startsAtZero, sums: sums)
            copyTile(from: edge, stride: tileColumns, to: tile, stride: ldc, rows: height, columns: width)
          }
        }
      }
    }
  }

  private func copyTile(
    from source: UnsafeMutablePointer<Float>, stride sourceStride: Int, to target: UnsafeMutablePointer<Float>, stride: Int, rows: Int,
    columns: Int
  ) {
    for row in 0..<rows {
      for column in 0..<columns { target[row * stride + column] = source[row * sourceStride + column] }
    }
  }
}

/// Rows of A in panels as high as a tile: the first of them where they lie, the others packed.
private struct LeftPanels {
  let left: LeftOperand
  let rows: Range<Int>
  let inPlace: Int
  let packed: UnsafeMutablePointer<Float>
  let panelFloats: Int

  /// A panel from step `start` of k on.
  @inline(__always)
  func panel(_ panel: Int, from start: Int) -> TileOperand {
    if panel < inPlace { return left.rows(from: rows.lowerBound + panel * tileRows, step: start) }
    return TileOperand(base: packed + ((panel - inPlace) * panelFloats + start * tileRows), rowStride: 1, stepStride: tileRows)
  }
}

/// How C is cut into tasks: chunks of columns, times groups of row panels where columns alone leave threads idle.
private struct Grid {
  let columns: Int
  let unit: Int
  let units: Int
  let panels: Int
  let chunks: Int
  let groups: Int

  /// The number of tasks.
  var count: Int { chunks * groups }

  init(panels: Int, columns: Int, unit: Int, threads: Int, widest: Int) {
    self.columns = columns
    self.panels = panels
    self.unit = unit
    units = (columns + unit - 1) / unit
    let unitsPerChunk = max(1, widest / unit)
    var wanted = (units + unitsPerChunk - 1) / unitsPerChunk
    // Several chunks per thread, so that a thread that was held up leaves its share to the others; and as many for each.
    if threads > 1 { wanted = (max(wanted, threads * 3) + threads - 1) / threads * threads }
    chunks = min(units, wanted)
    groups = threads > 1 ? max(1, min(panels / 4, threads * 2 / chunks)) : 1
  }

  /// What a task computes: shares differ by a unit and a panel at most, the larger first, since threads take tasks in turn.
  func part(_ task: Int) -> (columns: Range<Int>, panels: Range<Int>) {
    let (chunk, group) = (task % chunks, task / chunks)
    func begin(_ chunk: Int) -> Int { min((chunk * (units / chunks) + min(chunk, units % chunks)) * unit, columns) }
    return (begin(chunk)..<begin(chunk + 1), panels * group / groups..<panels * (group + 1) / groups)
  }
}
