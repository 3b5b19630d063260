// Functions of one tensor, element by element, and their gradients: one pass over memory, 16 lanes at a time, threaded over
// ranges that do not depend on the number of threads. Memory-bound but for erf, sin and cos, which go lane by lane.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A function of one element.
public enum UnaryOperation: Sendable, CaseIterable {
  case negate, exp, log, sqrt, abs, tanh, sigmoid, logSigmoid, relu, silu, gelu, geluTanh, square, sin, cos
  /// Nearest whole number, ties to even; its gradient is 0, like those of the next two.
  case round
  case floor
  /// 1 where the element is NaN, else 0.
  case isNaN
}

/// out = f(x); `out` may be `x`.
public func unaryForward(_ operation: UnaryOperation, x: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>, count: Int) {
  let one = Lanes(repeating: 1)
  switch operation {
  case .negate: mapLanes(x, out, count) { -$0 }
  case .exp: mapLanes(x, out, count) { $0.exponential }
  case .log: mapLanes(x, out, count) { $0.logarithm }
  case .sqrt: mapLanes(x, out, count) { $0.root }
  case .abs: mapLanes(x, out, count) { $0.magnitudes }
  case .tanh: mapLanes(x, out, count) { $0.hyperbolicTangent }
  case .sigmoid: mapLanes(x, out, count) { $0.sigmoid }
  case .logSigmoid: mapLanes(x, out, count) { $0.logSigmoid }
  // `replacing` keeps NaN, for which no comparison holds.
  case .relu: mapLanes(x, out, count) { $0.replacing(with: 0, where: $0 .< 0) }
  case .silu: mapLanes(x, out, count) { $0 * $0.sigmoid }
  case .gelu: mapLanes(x, out, count) { $0 * $0.normalDistribution }
  case .geluTanh: mapLanes(x, out, count) { $0 * 0.5 * (one + geluArgument($0).hyperbolicTangent) }
  case .square: mapLanes(x, out, count) { $0 * $0 }
  case .sin: mapLanes(x, out, count) { $0.each { sinf($0) } }
  case .cos: mapLanes(x, out, count) { $0.each { cosf($0) } }
  case .round: mapLanes(x, out, count) { $0.rounded(.toNearestOrEven) }
  case .floor: mapLanes(x, out, count) { $0.rounded(.down) }
  case .isNaN: mapLanes(x, out, count) { Lanes(repeating: 0).replacing(with: 1, where: $0 .!= $0) }
  }
}

/// dx += dout · f′(x), given x and y = f(x).
public func unaryBackward(
  _ operation: UnaryOperation, dout: UnsafePointer<Float>, x: UnsafePointer<Float>, y: UnsafePointer<Float>,
  dx: UnsafeMutablePointer<Float>, count: Int
) {
  let one = Lanes(repeating: 1)
  let zero = Lanes(repeating: 0)
  switch operation {
  case .negate: addSlopes(dout, x, y, dx, count) { _, _ in -one }
  case .exp: addSlopes(dout, x, y, dx, count) { _, y in y }
  case .log: addSlopes(dout, x, y, dx, count) { x, _ in one / x }
  case .sqrt: addSlopes(dout, x, y, dx, count) { _, y in 0.5 / y }
  case .abs: addSlopes(dout, x, y, dx, count) { x, _ in zero.replacing(with: 1, where: x .> 0).replacing(with: -1, where: x .< 0) }
  case .tanh: addSlopes(dout, x, y, dx, count) { _, y in one - y * y }
  case .sigmoid: addSlopes(dout, x, y, dx, count) { _, y in y * (one - y) }
  case .logSigmoid: addSlopes(dout, x, y, dx, count) { x, _ in (-x).sigmoid }
  case .relu: addSlopes(dout, x, y, dx, count) { x, _ in zero.replacing(with: 1, where: x .> 0) }
  case .silu:
    addSlopes(dout, x, y, dx, count) { x, _ in
      let s = x.sigmoid
      return s.addingProduct(x * s, one - s)
    }
  case .gelu:
    addSlopes(dout, x, y, dx, count) { x, _ in
      // Φ(x) + x·φ(x)
      x.normalDistribution + x * (x * x * -0.5).exponential * 0.398_942_28
    }
  case .geluTanh:
    addSlopes(dout, x, y, dx, count) { x, _ in
      let t = geluArgument(x).hyperbolicTangent
      let inner = (one + x * x * (3 * 0.044_715)) * 0.797_884_56
      return (one + t) * 0.5 + x * 0.5 * (one - t * t) * inner
    }
  case .square: addSlopes(dout, x, y, dx, count) { x, _ in x + x }
  case .sin: addSlopes(dout, x, y, dx, count) { x, _ in x.each { cosf($0) } }
  case .cos: addSlopes(dout, x, y, dx, count) { x, _ in x.each { -sinf($0) } }
  case .round, .floor, .isNaN: break
  }
}

/// √(2/π)·(x + 0.044715·x³), the argument of tanh in GELU's approximation (Hendrycks and Gimpel 2016, arXiv:1606.08415).
@inline(__always)
private func geluArgument(_ x: Lanes) -> Lanes { (x + x * x * x * 0.044_715) * 0.797_884_56 }

@inline(__always)
func mapLanes(_ x: UnsafePointer<Float>, _ out: UnsafeMutablePointer<Float>, _ count: Int, _ body: (Lanes) -> Lanes) {
  ThreadPool.shared.forEachRange(of: count, grain: elementGrain) { range in
    let x = x + range.lowerBound
    let out = out + range.lowerBound
    forEachLanes(range.count) { index in
      body(Lanes(at: x + index)).write(to: out + index)
    } rest: { start, lanes in
      body(Lanes(at: x + start, count: lanes)).write(to: out + start, count: lanes)
    }
  }
}

@inline(__always)
private func addSlopes(
  _ dout: UnsafePointer<Float>, _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, _ dx: UnsafeMutablePointer<Float>, _ count: Int,
  _ slope: (_ x: Lanes, _ y: Lanes) -> Lanes
) {
  ThreadPool.shared.forEachRange(of: count, grain: elementGrain) { range in
    let (dout, x, y, dx) = (dout + range.lowerBound, x + range.lowerBound, y + range.lowerBound, dx + range.lowerBound)
    forEachLanes(range.count) { index in
      let slope = slope(Lanes(at: x + index), Lanes(at: y + index))
      (Lanes(at: dx + index) + slope * Lanes(at: dout + index)).write(to: dx + index)
    } rest: { start, lanes in
      let slope = slope(Lanes(at: x + start, count: lanes), Lanes(at: y + start, count: lanes))
      let sum = Lanes(at: dx + start, count: lanes) + slope * Lanes(at: dout + start, count: lanes)
      sum.write(to: dx + start, count: lanes)
    }
  }
}

extension SIMD16 where Scalar == Float {
  @inline(__always) var magnitudes: Self { replacing(with: -self, where: self .<= 0) }

  /// A function without a vector form, lane by lane.
  @inline(__always) func each(_ function: (Float) -> Float) -> Self {
    var result = self
    for lane in 0..<16 { result[lane] = function(self[lane]) }
    return result
  }

  /// Natural logarithm within 2 units in the last place; NaN below 0, −∞ at 0.
  ///
  /// x = 2^e·m with m in √½ ..< √2, then Cephes logf's polynomial in m − 1.
  @inline(__always) var logarithm: Self {
    let isTiny = self .< SIMD16(repeating: 0x1p-126)
    let scaled = replacing(with: self * 0x1p25, where: isTiny)
    let bits = unsafeBitCast(scaled, to: SIMD16<Int32>.self)
    let exponent = (bits &- 0x3F35_04F3) &>> 23
    let f = unsafeBitCast(bits &- (exponent &<< 23), to: Self.self) - 1
    var e = SIMD16<Float>(exponent)
    e.replace(with: e - 25, where: isTiny)
    let z = f * f
    var p = SIMD16(repeating: 7.037_683_6e-2)
    p = SIMD16(repeating: -1.151_461_03e-1).addingProduct(p, f)
    p = SIMD16(repeating: 1.167_699_87e-1).addingProduct(p, f)
    p = SIMD16(repeating: -1.242_014_08e-1).addingProduct(p, f)
    p = SIMD16(repeating: 1.424_932_28e-1).addingProduct(p, f)
    p = SIMD16(repeating: -1.666_805_77e-1).addingProduct(p, f)
    p = SIMD16(repeating: 2.000_071_48e-1).addingProduct(p, f)
    p = SIMD16(repeating: -2.499_999_4e-1).addingProduct(p, f)
    p = SIMD16(repeating: 3.333_333_1e-1).addingProduct(p, f)
    var y = p * f * z
    y = y.addingProduct(e, SIMD16(repeating: -2.121_944_4e-4))
    y = y.addingProduct(z, SIMD16(repeating: -0.5))
    var result = (f + y).addingProduct(e, SIMD16(repeating: 0.693_359_375))
    result.replace(with: self, where: .!(self .< SIMD16(repeating: .infinity)))  // ∞ and NaN
    result.replace(with: .nan, where: self .< 0)
    result.replace(with: -.infinity, where: self .== 0)
    return result
  }

  /// log(1 + u) for 0 ≤ u ≤ 1, accurate where u is tiny: log(w)·u/(w − 1) with w = 1 + u as it was rounded.
  @inline(__always) var logarithmOfOnePlus: Self {
    let w = self + 1
    let step = w - 1
    return (w.logarithm * self / step).replacing(with: self, where: step .== 0)
  }

  /// log(sigmoid(x)) = min(x, 0) − log(1 + e^−|x|).
  @inline(__always) var logSigmoid: Self {
    replacing(with: 0, where: self .> 0) - (-magnitudes).exponential.logarithmOfOnePlus
  }

  /// Cephes tanhf: a polynomial below 0.625, beyond it 1 − 2/(e^2|x| + 1) with the sign of x.
  @inline(__always) var hyperbolicTangent: Self {
    let size = magnitudes
    let z = self * self
    var p = SIMD16(repeating: -5.704_988_7e-3)
    p = SIMD16(repeating: 2.063_908_88e-2).addingProduct(p, z)
    p = SIMD16(repeating: -5.373_971_56e-2).addingProduct(p, z)
    p = SIMD16(repeating: 1.333_144_22e-1).addingProduct(p, z)
    p = SIMD16(repeating: -3.333_328_2e-1).addingProduct(p, z)
    let small = self.addingProduct(p * z, self)
    let large = 1 - 2 / ((size + size).exponential + 1)
    return small.replacing(with: large.replacing(with: -large, where: self .< 0), where: size .>= 0.625)
  }

  /// Φ(x) = erfc(−x/√2)/2, the normal distribution function.
  @inline(__always) var normalDistribution: Self {
    each { 0.5 * erfcf($0 * -0.707_106_78) }
  }
}
