// Dual numbers: a value together with its partial derivatives, so that a formula written once gives both.
// `PreferenceLoss.swift` is the only user; the five inputs of a preference loss fit one SIMD register pair.

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// A number and its derivatives with respect to the inputs of a preference loss.
package struct Dual: Sendable {
  package var value: Double
  package var slope: SIMD8<Double>

  package init(_ value: Double, slope: SIMD8<Double> = .zero) {
    self.value = value
    self.slope = slope
  }

  /// The input number `index`: its derivative with respect to itself is one.
  package init(_ value: Double, input index: Int) {
    self.init(value)
    slope[index] = 1
  }

  static func + (a: Dual, b: Dual) -> Dual { Dual(a.value + b.value, slope: a.slope + b.slope) }
  static func - (a: Dual, b: Dual) -> Dual { Dual(a.value - b.value, slope: a.slope - b.slope) }
  static func * (a: Dual, b: Dual) -> Dual { Dual(a.value * b.value, slope: a.slope * b.value + b.slope * a.value) }
  static func + (a: Dual, b: Double) -> Dual { Dual(a.value + b, slope: a.slope) }
  static func - (a: Dual, b: Double) -> Dual { Dual(a.value - b, slope: a.slope) }
  static func + (a: Double, b: Dual) -> Dual { b + a }
  static func - (a: Double, b: Dual) -> Dual { Dual(a - b.value, slope: -b.slope) }
  static func * (a: Double, b: Dual) -> Dual { Dual(a * b.value, slope: a * b.slope) }
  static func / (a: Dual, b: Double) -> Dual { Dual(a.value / b, slope: a.slope / b) }
  static prefix func - (a: Dual) -> Dual { Dual(-a.value, slope: -a.slope) }

  /// `f(a)` by the chain rule.
  func chained(_ value: Double, derivative: Double) -> Dual { Dual(value, slope: slope * derivative) }
}

/// σ(x) = 1 / (1 + e^−x), without overflow on either side.
package func sigmoid(_ x: Double) -> Double {
  if x >= 0 { return 1 / (1 + exp(-x)) }
  let e = exp(x)
  return e / (1 + e)
}

/// log σ(x) = min(x, 0) − log(1 + e^−|x|): exact where log(sigmoid(x)) would be log 0.
package func logSigmoid(_ x: Double) -> Double { min(x, 0) - log1p(exp(-abs(x))) }

func sigmoid(_ a: Dual) -> Dual {
  let s = sigmoid(a.value)
  return a.chained(s, derivative: s * sigmoid(-a.value))
}

func logSigmoid(_ a: Dual) -> Dual { a.chained(logSigmoid(a.value), derivative: sigmoid(-a.value)) }

func square(_ a: Dual) -> Dual { a.chained(a.value * a.value, derivative: 2 * a.value) }

/// max(0, a), flat at the kink as in torch.
func positivePart(_ a: Dual) -> Dual { a.value > 0 ? a : Dual(0) }

/// e^min(a, 80): TRL's bound, beyond which an fp32 exponential overflows; flat past it.
func boundedExp(_ a: Dual) -> Dual {
  if a.value > 80 { return Dual(exp(80)) }
  return a.chained(exp(a.value), derivative: exp(a.value))
}

/// log(1 − e^a) for a below 0, by the branch that loses no digits (Mächler 2012); flat from −10⁻⁷ on, where a certainty has infinite odds.
func logOneMinusExp(_ a: Dual) -> Dual {
  guard a.value < -1e-7 else { return Dual(log(-expm1(-1e-7))) }
  return a.chained(a.value < -log(2) ? log1p(-exp(a.value)) : log(-expm1(a.value)), derivative: -1 / expm1(-a.value))
}
