// Copies between a contiguous block and memory walked with any steps: transposes and slices. Where both last axes would jump,
// two axes are walked in square tiles, so that every cache line that is touched is used whole.

/// Copies, or adds, elements of a strided source to a contiguous destination, or back.
public struct StridedCopy: Sendable {
  /// Extents of the contiguous side, outermost first; at least one.
  private var extents: [Int] = []
  /// Steps of the strided side in elements, of any sign.
  private var steps: [Int] = []

  /// A walk over a strided block; axes that lie one behind the other in memory are merged.
  public init(extents shape: [Int], steps shapeSteps: [Int]) {
    for axis in shape.indices where shape[axis] != 1 {
      if let last = extents.indices.last, steps[last] == shapeSteps[axis] * shape[axis] {
        extents[last] *= shape[axis]
        steps[last] = shapeSteps[axis]
      } else {
        extents.append(shape[axis])
        steps.append(shapeSteps[axis])
      }
    }
    if extents.isEmpty {
      extents = [1]
      steps = [1]
    }
  }

  /// Whether the strided side is one run of neighbouring elements.
  public var isContiguous: Bool { extents.count == 1 && steps[0] == 1 }

  /// out[i] = source[i in its own order]: `out` is contiguous.
  public func gather(from source: UnsafePointer<Float>, to out: UnsafeMutablePointer<Float>) {
    walk { strided, plain, count, step, plainStep in
      let source = source + strided
      let out = out + plain
      if step == 1, plainStep == 1 {
        out.update(from: source, count: count)
      } else {
        for index in 0..<count { out[index &* plainStep] = source[index &* step] }
      }
    }
  }

  /// target[i in its own order] = values[i]; steps of 0 keep the last.
  public func scatter(from values: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>) {
    walk { strided, plain, count, step, plainStep in
      let target = target + strided
      let values = values + plain
      for index in 0..<count { target[index &* step] = values[index &* plainStep] }
    }
  }

  /// target[i in its own order] += values[i]; no two i may meet in one element.
  public func scatterAdd(from values: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>) {
    walk { strided, plain, count, step, plainStep in
      let target = target + strided
      let values = values + plain
      if step == 1, plainStep == 1 {
        for index in 0..<count { target[index] += values[index] }
      } else {
        for index in 0..<count { target[index &* step] += values[index &* plainStep] }
      }
    }
  }

  /// Runs over all elements: offsets on both sides, how many, and the steps on both sides.
  @inline(__always)
  private func walk(_ body: (_ strided: Int, _ plain: Int, _ count: Int, _ step: Int, _ plainStep: Int) -> Void) {
    let axes = extents.count
    let total = extents.reduce(1, *)
    if total == 0 { return }
    let inner = extents[axes - 1]
    let innerStep = steps[axes - 1]
    // A transpose: neighbours on the strided side are along another axis.
    if abs(innerStep) != 1, let unit = (0..<axes - 1).last(where: { abs(steps[$0]) == 1 }), extents[unit] > 1 {
      return walkTiles(unit: unit, body)
    }
    if axes == 1 {
      ThreadPool.shared.forEachRange(of: inner, grain: elementGrain) { range in
        body(range.lowerBound * innerStep, range.lowerBound, range.count, innerStep, 1)
      }
      return
    }
    ThreadPool.shared.forEachRange(of: total / inner, grain: max(1, elementGrain / inner)) { range in
      for run in range {
        body(offset(ofRun: run, skipping: axes - 1), run * inner, inner, innerStep, 1)
      }
    }
  }

  /// Tiles of 16×16 over the last axis and the axis whose step is one; the other axes are walked outside.
  @inline(__always)
  private func walkTiles(unit: Int, _ body: (_ strided: Int, _ plain: Int, _ count: Int, _ step: Int, _ plainStep: Int) -> Void) {
    let axes = extents.count
    let tile = 16
    let columns = extents[axes - 1]
    let rows = extents[unit]
    let rowTiles = (rows + tile - 1) / tile
    let plainSteps = contiguousSteps
    let others = extents.indices.filter { $0 != unit && $0 != axes - 1 }
    let outer = others.reduce(1) { $0 * extents[$1] }
    ThreadPool.shared.forEachRange(of: outer * rowTiles, grain: max(1, elementGrain / (tile * columns))) { range in
      for index in range {
        var remaining = index / rowTiles
        var strided = 0
        var plain = 0
        for axis in others.reversed() {
          let place = remaining % extents[axis]
          remaining /= extents[axis]
          strided += place * steps[axis]
          plain += place * plainSteps[axis]
        }
        let firstRow = index % rowTiles * tile
        let height = min(tile, rows - firstRow)
        strided += firstRow * steps[unit]
        plain += firstRow * plainSteps[unit]
        for firstColumn in stride(from: 0, to: columns, by: tile) {
          for column in firstColumn..<min(columns, firstColumn + tile) {
            body(strided + column * steps[axes - 1], plain + column, height, steps[unit], plainSteps[unit])
          }
        }
      }
    }
  }

  private var contiguousSteps: [Int] {
    var result = [Int](repeating: 1, count: extents.count)
    for axis in stride(from: extents.count - 2, through: 0, by: -1) { result[axis] = result[axis + 1] * extents[axis + 1] }
    return result
  }

  @inline(__always)
  private func offset(ofRun run: Int, skipping last: Int) -> Int {
    var remaining = run
    var offset = 0
    for axis in stride(from: last - 1, through: 0, by: -1) {
      offset += remaining % extents[axis] * steps[axis]
      remaining /= extents[axis]
    }
    return offset
  }
}
