// SiLU and the SwiGLU gate, forward and backward, and the element-wise exponential. Element-wise: one pass over memory,
// 16 lanes at a time, threaded over ranges. Costs about 30 operations per element; memory-bound beyond the cache.

extension SIMD16 where Scalar == Float {
  /// 1 / (1 + e^−x).
  @inline(always) var sigmoid: Self {
    let one = SIMD16(repeating: 1)
    return one / (one + (-self).exponential)
  }
}

/// Gated activation of a SwiGLU feed-forward layer: out = SiLU(gate) · up.
///
/// `out` may be `gate` or `up`.
/// - Source: Shazeer 2020, arXiv:2002.05202.
public func swigluForward(gate: UnsafePointer<Float>, up: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>, count: Int) {
  ThreadPool.shared.forEachRange(of: count, grain: elementGrain) { range in
    let gate = gate + range.lowerBound
    let up = up + range.lowerBound
    let out = out + range.lowerBound
    forEachLanes(range.count) { index in
      let g = Lanes(at: gate + index)
      (g * g.sigmoid * Lanes(at: up + index)).write(to: out + index)
    } rest: { start, lanes in
      let g = Lanes(at: gate + start, count: lanes)
      (g * g.sigmoid * Lanes(at: up + start, count: lanes)).write(to: out + start, count: lanes)
    }
  }
}

/// Gradients of `swigluForward`.
///
/// - Parameters:
///   - addsToGate: Whether `dgate` holds terms that stay; if not, it is only written.
///   - addsToUp: The same of `dup`.
public func swigluBackward(
  dout: UnsafePointer<Float>, gate: UnsafePointer<Float>, up: UnsafePointer<Float>,
  dgate: UnsafeMutablePointer<Float>, dup: UnsafeMutablePointer<Float>, count: Int, addsToGate: Bool = true, addsToUp: Bool = true
) {
  ThreadPool.shared.forEachRange(of: count, grain: elementGrain) { range in
    let dout = dout + range.lowerBound
    let gate = gate + range.lowerBound
    let up = up + range.lowerBound
    let dgate = dgate + range.lowerBound
    let dup = dup + range.lowerBound
    forEachLanes(range.count) { index in
      let g = Lanes(at: gate + index)
      let d = Lanes(at: dout + index)
      let (dg, du) = swigluGradients(d, g, Lanes(at: up + index))
      (addsToGate ? Lanes(at: dgate + index) + dg : dg).write(to: dgate + index)
      (addsToUp ? Lanes(at: dup + index) + du : du).write(to: dup + index)
    } rest: { start, lanes in
      let g = Lanes(at: gate + start, count: lanes)
      let d = Lanes(at: dout + start, count: lanes)
      let (dg, du) = swigluGradients(d, g, Lanes(at: up + start, count: lanes))
      (addsToGate ? Lanes(at: dgate + start, count: lanes) + dg : dg).write(to: dgate + start, count: lanes)
      (addsToUp ? Lanes(at: dup + start, count: lanes) + du : du).write(to: dup + start, count: lanes)
    }
  }
}

@inline(always)
private func swigluGradients(_ d: Lanes, _ g: Lanes, _ u: Lanes) -> (dgate: Lanes, dup: Lanes) {
  let s = g.sigmoid
  let silu = g * s
  // SiLU'(g) = s + g·s·(1 − s)
  let slope = s.addingProduct(silu, Lanes(repeating: 1) - s)
  return (d * u * slope, d * silu)
}

/// out = x / (1 + e^−x); `out` may be `x`.
public func siluForward(x: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>, count: Int) {
  elementwise(SiLU.self, x, out, count)
}

/// Gradient of `siluForward`, added into `dx`.
public func siluBackward(dout: UnsafePointer<Float>, x: UnsafePointer<Float>, dx: UnsafeMutablePointer<Float>, count: Int) {
  ThreadPool.shared.forEachRange(of: count, grain: elementGrain) { range in
    let dout = dout + range.lowerBound
    let x = x + range.lowerBound
    let dx = dx + range.lowerBound
    let one = Lanes(repeating: 1)
    forEachLanes(range.count) { index in
      let (dg, _) = swigluGradients(Lanes(at: dout + index), Lanes(at: x + index), one)
      (Lanes(at: dx + index) + dg).write(to: dx + index)
    } rest: { start, lanes in
      let (dg, _) = swigluGradients(Lanes(at: dout + start, count: lanes), Lanes(at: x + start, count: lanes), one)
      (Lanes(at: dx + start, count: lanes) + dg).write(to: dx + start, count: lanes)
    }
  }
}

/// out = e^x, within 1 unit in the last place; `out` may be `x`.
public func expForward(x: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>, count: Int) {
  elementwise(Exponential.self, x, out, count)
}

/// out = 1 / (1 + e^−x); `out` may be `x`.
public func sigmoidForward(x: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>, count: Int) {
  elementwise(Sigmoid.self, x, out, count)
}

/// A function of each lane; a type and not a closure, since a closure would be called for each vector.
private protocol LaneFunction {
  static func apply(_ x: Lanes) -> Lanes
}

private enum SiLU: LaneFunction {
  @inline(always) static func apply(_ x: Lanes) -> Lanes { x * x.sigmoid }
}

private enum Sigmoid: LaneFunction {
  @inline(always) static func apply(_ x: Lanes) -> Lanes { x.sigmoid }
}

private enum Exponential: LaneFunction {
  @inline(always) static func apply(_ x: Lanes) -> Lanes { x.exponential }
}

@inline(__always)
private func elementwise<Function: LaneFunction>(
  _ function: Function.Type, _ x: UnsafePointer<Float>, _ out: UnsafeMutablePointer<Float>, _ count: Int
) {
  ThreadPool.shared.forEachRange(of: count, grain: elementGrain) { range in
    let x = x + range.lowerBound
    let out = out + range.lowerBound
    forEachLanes(range.count) { index in
      Function.apply(Lanes(at: x + index)).write(to: out + index)
    } rest: { start, lanes in
      Function.apply(Lanes(at: x + start, count: lanes)).write(to: out + start, count: lanes)
    }
  }
}
