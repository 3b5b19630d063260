// Functions of two tensors with broadcasting. Both are row-major and contiguous, so after merging neighbouring axes the last
// one is walked with step 0 or 1: runs of vectors, inside an odometer over the other axes. Threaded over ranges of the result.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A function of two elements; comparisons give 1 or 0.
public enum BinaryOperation: Sendable, CaseIterable {
  case add, subtract, multiply, divide, power, floorDivide, modulo, maximum, minimum
  case equal, notEqual, less, lessEqual, greater, greaterEqual
  /// 0 where left is 0, else right: selection without multiplying, so that what is not chosen may be NaN.
  case whereNonzero
}

/// How a result of some shape walks over two operands that broadcast to it.
public struct BroadcastLoop: Sendable {
  /// Merged extents of the result, outermost first; at least one.
  public private(set) var extents: [Int] = []
  /// Steps of the left operand in elements; the last is 0 or 1.
  public private(set) var left: [Int] = []
  /// Steps of the right operand in elements; the last is 0 or 1.
  public private(set) var right: [Int] = []

  /// Merges the axes of a result that both operands walk alike.
  public init(extents shape: [Int], left leftSteps: [Int], right rightSteps: [Int]) {
    for axis in shape.indices where shape[axis] != 1 {
      if let last = extents.indices.last, left[last] == leftSteps[axis] * shape[axis], right[last] == rightSteps[axis] * shape[axis] {
        extents[last] *= shape[axis]
        left[last] = leftSteps[axis]
        right[last] = rightSteps[axis]
      } else {
        extents.append(shape[axis])
        left.append(leftSteps[axis])
        right.append(rightSteps[axis])
      }
    }
    if extents.isEmpty {
      extents = [1]
      left = [0]
      right = [0]
    }
  }

  /// Calls `body` with offsets into both operands and the result, and the length of a run, for all runs of the result.
  @inline(__always)
  func forEachRun(_ body: (_ left: Int, _ right: Int, _ out: Int, _ count: Int) -> Void) {
    let axes = extents.count
    let inner = extents[axes - 1]
    let outer = extents.dropLast().reduce(1, *)
    if outer == 1 {
      ThreadPool.shared.forEachRange(of: inner, grain: elementGrain) { range in
        body(range.lowerBound * left[axes - 1], range.lowerBound * right[axes - 1], range.lowerBound, range.count)
      }
      return
    }
    if inner == 0 { return }
    ThreadPool.shared.forEachRange(of: outer, grain: max(1, elementGrain / inner)) { range in
      withUnsafeTemporaryAllocation(of: Int.self, capacity: axes) { index in
        var remaining = range.lowerBound
        var l = 0
        var r = 0
        for axis in stride(from: axes - 2, through: 0, by: -1) {
          index[axis] = remaining % extents[axis]
          remaining /= extents[axis]
          l += index[axis] * left[axis]
          r += index[axis] * right[axis]
        }
        for run in range {
          body(l, r, run * inner, inner)
          var axis = axes - 2
          while axis >= 0 {
            index[axis] += 1
            l += left[axis]
            r += right[axis]
            if index[axis] < extents[axis] { break }
            l -= extents[axis] * left[axis]
            r -= extents[axis] * right[axis]
            index[axis] = 0
            axis -= 1
          }
        }
      }
    }
  }
}

/// out = f(left, right) over all elements of the loop; `out` may be an operand that has the shape of the result.
public func binaryForward(
  _ operation: BinaryOperation, left: UnsafePointer<Float>, right: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>,
  loop: BroadcastLoop
) {
  let one = Lanes(repeating: 1)
  let zero = Lanes(repeating: 0)
  switch operation {
  case .add: mapPairs(left, right, out, loop) { $0 + $1 }
  case .subtract: mapPairs(left, right, out, loop) { $0 - $1 }
  case .multiply: mapPairs(left, right, out, loop) { $0 * $1 }
  case .divide: mapPairs(left, right, out, loop) { $0 / $1 }
  case .power: powers(left, right, out, loop)
  case .floorDivide: mapPairs(left, right, out, loop) { ($0 / $1).rounded(.down) }
  case .modulo: mapPairs(left, right, out, loop) { remainders($0, $1) }
  // NaN wins, as in NumPy.
  case .maximum: mapPairs(left, right, out, loop) { $0.replacing(with: $1, where: ($1 .> $0) .| ($1 .!= $1)) }
  case .minimum: mapPairs(left, right, out, loop) { $0.replacing(with: $1, where: ($1 .< $0) .| ($1 .!= $1)) }
  case .equal: mapPairs(left, right, out, loop) { zero.replacing(with: one, where: $0 .== $1) }
  case .notEqual: mapPairs(left, right, out, loop) { zero.replacing(with: one, where: $0 .!= $1) }
  case .less: mapPairs(left, right, out, loop) { zero.replacing(with: one, where: $0 .< $1) }
  case .lessEqual: mapPairs(left, right, out, loop) { zero.replacing(with: one, where: $0 .<= $1) }
  case .greater: mapPairs(left, right, out, loop) { zero.replacing(with: one, where: $0 .> $1) }
  case .greaterEqual: mapPairs(left, right, out, loop) { zero.replacing(with: one, where: $0 .>= $1) }
  case .whereNonzero: mapPairs(left, right, out, loop) { zero.replacing(with: $1, where: $0 .!= 0) }
  }
}

/// Sets `count` elements to a value.
public func fill(_ out: UnsafeMutablePointer<Float>, with value: Float, count: Int) {
  ThreadPool.shared.forEachRange(of: count, grain: 8 * elementGrain) { range in
    (out + range.lowerBound).update(repeating: value, count: range.count)
  }
}

/// out = factor · x; `x` and `out` do not overlap.
public func writeScaled(_ x: UnsafePointer<Float>, factor: Float, to out: UnsafeMutablePointer<Float>, count: Int) {
  let factor = Lanes(repeating: factor)
  mapLanes(x, out, count) { $0 * factor }
}

/// Multiplies each row of x by its factor, in place.
public func multiplyRows(_ x: UnsafeMutablePointer<Float>, by factors: UnsafePointer<Float>, rows: Int, columns: Int) {
  ThreadPool.shared.forEachRange(of: rows, grain: rowGrain(columns)) { range in
    for row in range {
      for index in row * columns..<(row + 1) * columns { x[index] *= factors[row] }
    }
  }
}

/// out += factor · x; `x` and `out` do not overlap.
public func addScaled(_ x: UnsafePointer<Float>, factor: Float, to out: UnsafeMutablePointer<Float>, count: Int) {
  let factor = Lanes(repeating: factor)
  ThreadPool.shared.forEachRange(of: count, grain: elementGrain) { range in
    let x = x + range.lowerBound
    let out = out + range.lowerBound
    forEachLanes(range.count) { index in
      Lanes(at: out + index).addingProduct(Lanes(at: x + index), factor).write(to: out + index)
    } rest: { start, lanes in
      let sum = Lanes(at: out + start, count: lanes).addingProduct(Lanes(at: x + start, count: lanes), factor)
      sum.write(to: out + start, count: lanes)
    }
  }
}

@inline(__always)
private func mapPairs(
  _ left: UnsafePointer<Float>, _ right: UnsafePointer<Float>, _ out: UnsafeMutablePointer<Float>, _ loop: BroadcastLoop,
  _ body: (Lanes, Lanes) -> Lanes
) {
  let last = loop.extents.count - 1
  let leftIsSingle = loop.left[last] == 0
  let rightIsSingle = loop.right[last] == 0
  loop.forEachRun { l, r, o, count in
    let left = left + l
    let right = right + r
    let out = out + o
    if leftIsSingle {
      let a = Lanes(repeating: left[0])
      if rightIsSingle {
        let value = body(a, Lanes(repeating: right[0]))[0]
        for index in 0..<count { out[index] = value }
        return
      }
      forEachLanes(count) { index in
        body(a, Lanes(at: right + index)).write(to: out + index)
      } rest: { start, lanes in
        body(a, Lanes(at: right + start, count: lanes)).write(to: out + start, count: lanes)
      }
    } else if rightIsSingle {
      let b = Lanes(repeating: right[0])
      forEachLanes(count) { index in
        body(Lanes(at: left + index), b).write(to: out + index)
      } rest: { start, lanes in
        body(Lanes(at: left + start, count: lanes), b).write(to: out + start, count: lanes)
      }
    } else {
      forEachLanes(count) { index in
        body(Lanes(at: left + index), Lanes(at: right + index)).write(to: out + index)
      } rest: { start, lanes in
        body(Lanes(at: left + start, count: lanes), Lanes(at: right + start, count: lanes)).write(to: out + start, count: lanes)
      }
    }
  }
}

/// Powers; the exponents that people write most need no power function.
private func powers(
  _ left: UnsafePointer<Float>, _ right: UnsafePointer<Float>, _ out: UnsafeMutablePointer<Float>, _ loop: BroadcastLoop
) {
  if loop.right.allSatisfy({ $0 == 0 }) {
    switch right[0] {
    case 1: return mapPairs(left, right, out, loop) { x, _ in x }
    case 2: return mapPairs(left, right, out, loop) { x, _ in x * x }
    case 3: return mapPairs(left, right, out, loop) { x, _ in x * x * x }
    case -1: return mapPairs(left, right, out, loop) { x, _ in 1 / x }
    default: break
    }
  }
  mapPairs(left, right, out, loop) { x, y in
    var result = x
    for lane in 0..<16 { result[lane] = powf(x[lane], y[lane]) }
    return result
  }
}

/// x − y·⌊x/y⌋ by fmod, which is exact; the result has the sign of y, as in Python.
@inline(__always)
private func remainders(_ x: Lanes, _ y: Lanes) -> Lanes {
  var result = x
  for lane in 0..<16 {
    let rest = fmodf(x[lane], y[lane])
    result[lane] = rest != 0 && (rest < 0) != (y[lane] < 0) ? rest + y[lane] : rest
  }
  return result
}
