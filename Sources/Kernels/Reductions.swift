// Sums and extremes along one axis of [outer, reduced, inner], and the variance of rows. Sums are kept in Double, so that a
// million terms lose nothing. Long rows are cut into pieces of fixed length whose results are combined in order: which thread
// does which piece never shows.

/// Pieces of a long reduction.
private let reductionGrain = 1 << 15

/// out = scale · Σ x along the middle axis.
///
/// - Parameters:
///   - x: Shape (outer, reduced, inner).
///   - out: Shape (outer, inner).
public func sumForward(
  x: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>, outer: Int, reduced: Int, inner: Int, scale: Double
) {
  if inner == 1 {
    reduceRows(x, outer, reduced, start: 0, sumOfElements, +) { row, total in out[row] = Float(total * scale) }
    return
  }
  forEachColumns(outer: outer, reduced: reduced, inner: inner) { row, columns in
    withUnsafeTemporaryAllocation(of: Double.self, capacity: columns.count) { sums in
      sums.initialize(repeating: 0)
      for step in 0..<reduced {
        let line = x + (row * reduced + step) * inner + columns.lowerBound
        for column in 0..<columns.count { sums[column] += Double(line[column]) }
      }
      let out = out + row * inner + columns.lowerBound
      for column in 0..<columns.count { out[column] = Float(sums[column] * scale) }
    }
  }
}

/// out = the largest (or smallest) of x along the middle axis; NaN if there is one.
public func extremeForward(
  largest: Bool, x: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>, outer: Int, reduced: Int, inner: Int
) {
  if inner == 1 {
    let worst: Float = largest ? -.infinity : .infinity
    let better: (Float, Float) -> Float =
      largest ? { $1 > $0 || $1.isNaN ? $1 : $0 } : { $1 < $0 || $1.isNaN ? $1 : $0 }
    let piece = largest ? largestElement : smallestElement
    reduceRows(x, outer, reduced, start: worst, piece, better) { row, value in out[row] = value }
    return
  }
  forEachColumns(outer: outer, reduced: reduced, inner: inner) { row, columns in
    let out = out + row * inner + columns.lowerBound
    let first = x + row * reduced * inner + columns.lowerBound
    out.update(from: first, count: columns.count)
    for step in 1..<max(1, reduced) {
      let line = first + step * inner
      for column in 0..<columns.count {
        let value = line[column]
        if (largest ? value > out[column] : value < out[column]) || value != value { out[column] = value }
      }
    }
  }
}

/// out = index along the middle axis of the first largest element; of the first NaN if there is one.
public func argmaxForward(x: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>, outer: Int, reduced: Int, inner: Int) {
  ThreadPool.shared.forEachRange(of: outer * inner, grain: max(1, elementGrain / max(1, reduced))) { range in
    for index in range {
      let start = x + index / inner * reduced * inner + index % inner
      var best = start[0]
      var place = 0
      for step in 1..<max(1, reduced) {
        let value = start[step * inner]
        if value > best || (value != value && best == best) {
          best = value
          place = step
        }
      }
      out[index] = Float(place)
    }
  }
}

/// Mean and mean squared deviation of each row, in two passes and in Double.
///
/// - Parameters:
///   - x: Shape (rows, columns).
///   - mean: Shape (rows,).
///   - out: Σ (x − mean)² / divisor, shape (rows,).
public func varianceRows(
  x: UnsafePointer<Float>, mean: UnsafeMutablePointer<Double>, out: UnsafeMutablePointer<Float>, rows: Int, columns: Int, divisor: Double
) {
  reduceRows(x, rows, columns, start: 0, sumOfElements, +) { row, total in mean[row] = total / Double(columns) }
  for row in 0..<rows {
    let centre = mean[row]
    let piece: (UnsafePointer<Float>, Int) -> Double = { sumOfSquares($0, $1, centre: centre) }
    reduceRows(x + row * columns, 1, columns, start: 0, piece, +) { _, total in out[row] = Float(total / divisor) }
  }
}

/// out = √Σ x² of each row, in Double, so that squares neither overflow nor vanish.
public func normRows(x: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>, rows: Int, columns: Int) {
  reduceRows(x, rows, columns, start: 0, { sumOfSquares($0, $1, centre: 0) }, +) { row, total in out[row] = Float(total.squareRoot()) }
}

/// Running sums along the middle axis, kept in Double; from the far end if `reversed`.
public func cumulativeSum(
  x: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>, outer: Int, reduced: Int, inner: Int, reversed: Bool
) {
  ThreadPool.shared.forEachRange(of: outer * inner, grain: max(1, elementGrain / max(1, reduced))) { range in
    for index in range {
      let start = index / inner * reduced * inner + index % inner
      var sum = 0.0
      for step in 0..<reduced {
        let place = start + (reversed ? reduced - 1 - step : step) * inner
        sum += Double(x[place])
        out[place] = Float(sum)
      }
    }
  }
}

/// Reduces each row by pieces; results of the pieces are combined from left to right.
@inline(__always)
private func reduceRows<Result>(
  _ x: UnsafePointer<Float>, _ rows: Int, _ columns: Int, start: Result, _ piece: (UnsafePointer<Float>, Int) -> Result,
  _ combine: (Result, Result) -> Result, _ store: (_ row: Int, Result) -> Void
) {
  let pieces = (columns + reductionGrain - 1) / reductionGrain
  func reduceRow(_ row: Int) {
    var total = start
    for index in 0..<pieces {
      let first = index * reductionGrain
      total = combine(total, piece(x + row * columns + first, min(reductionGrain, columns - first)))
    }
    store(row, total)
  }
  if rows >= 8 || pieces <= 1 {
    ThreadPool.shared.forEachRange(of: rows, grain: max(1, elementGrain / max(1, columns))) { range in
      for row in range { reduceRow(row) }
    }
    return
  }
  for row in 0..<rows {
    withUnsafeTemporaryAllocation(of: Result.self, capacity: pieces) { partial in
      let results = partial.baseAddress.unsafelyUnwrapped
      ThreadPool.shared.run(pieces) { index in
        let first = index * reductionGrain
        (results + index).initialize(to: piece(x + row * columns + first, min(reductionGrain, columns - first)))
      }
      var total = start
      for index in 0..<pieces { total = combine(total, results[index]) }
      store(row, total)
    }
  }
}

/// Blocks of at most 256 columns of the result, for reductions whose terms lie apart in memory.
@inline(__always)
private func forEachColumns(outer: Int, reduced: Int, inner: Int, _ body: (_ row: Int, _ columns: Range<Int>) -> Void) {
  let width = 256
  let blocks = (inner + width - 1) / width
  ThreadPool.shared.forEachRange(of: outer * blocks, grain: max(1, elementGrain / max(1, reduced * min(inner, width)))) { range in
    for index in range {
      let first = index % blocks * width
      body(index / blocks, first..<min(inner, first + width))
    }
  }
}

private func sumOfElements(_ x: UnsafePointer<Float>, _ count: Int) -> Double {
  var first = SIMD8<Double>(repeating: 0)
  var second = SIMD8<Double>(repeating: 0)
  var index = 0
  while index &+ 16 <= count {
    let lanes = Lanes(at: x + index)
    first += SIMD8<Double>(lanes.lowHalf)
    second += SIMD8<Double>(lanes.highHalf)
    index &+= 16
  }
  var rest = 0.0
  while index < count {
    rest += Double(x[index])
    index &+= 1
  }
  return (first + second).sum() + rest
}

private func sumOfSquares(_ x: UnsafePointer<Float>, _ count: Int, centre: Double) -> Double {
  let middle = SIMD8<Double>(repeating: centre)
  var sum = SIMD8<Double>(repeating: 0)
  var index = 0
  while index &+ 8 <= count {
    let values = UnsafeRawPointer(x + index).loadUnaligned(as: SIMD8<Float>.self)
    let difference = SIMD8<Double>(values) - middle
    sum = sum.addingProduct(difference, difference)
    index &+= 8
  }
  var rest = 0.0
  while index < count {
    let difference = Double(x[index]) - centre
    rest += difference * difference
    index &+= 1
  }
  return sum.sum() + rest
}

private func largestElement(_ x: UnsafePointer<Float>, _ count: Int) -> Float {
  var best = Lanes(repeating: -.infinity)
  forEachLanes(count) { index in
    let lanes = Lanes(at: x + index)
    best.replace(with: lanes, where: (lanes .> best) .| (lanes .!= lanes))
  } rest: { start, count in
    let lanes = Lanes(at: x + start, count: count, filling: -.infinity)
    best.replace(with: lanes, where: (lanes .> best) .| (lanes .!= lanes))
  }
  var result = best[0]
  for lane in 1..<16 where best[lane] > result || best[lane].isNaN { result = best[lane] }
  return result
}

private func smallestElement(_ x: UnsafePointer<Float>, _ count: Int) -> Float {
  var best = Lanes(repeating: .infinity)
  forEachLanes(count) { index in
    let lanes = Lanes(at: x + index)
    best.replace(with: lanes, where: (lanes .< best) .| (lanes .!= lanes))
  } rest: { start, count in
    let lanes = Lanes(at: x + start, count: count, filling: .infinity)
    best.replace(with: lanes, where: (lanes .< best) .| (lanes .!= lanes))
  }
  var result = best[0]
  for lane in 1..<16 where best[lane] < result || best[lane].isNaN { result = best[lane] }
  return result
}
