// Intervals for shares and means, and the small special functions they need.

import Tensors

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// An estimate with an interval around it.
public struct Estimate: Sendable, Equatable {
  /// The estimate.
  public var value: Double
  /// The interval's lower end.
  public var low: Double
  /// The interval's upper end.
  public var high: Double
  /// How the interval was made: `wilson` or `bootstrap`.
  public var method: String
}

/// e to the power x.
func exponential(_ x: Double) -> Double { exp(x) }

/// A share of successes with Wilson's interval.
///
/// - Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference"; z is that of 95 %.
public func wilson(successes: Double, of count: Int) -> Estimate {
  guard count > 0 else { return Estimate(value: .nan, low: 0, high: 1, method: "wilson") }
  let z = 1.959963984540054
  let n = Double(count)
  let p = successes / n
  let middle = (p + z * z / (2 * n)) / (1 + z * z / n)
  let half = z / (1 + z * z / n) * (p * (1 - p) / n + z * z / (4 * n * n)).squareRoot()
  return Estimate(value: p, low: max(0, middle - half), high: min(1, middle + half), method: "wilson")
}

/// A mean with the 2.5 % and 97.5 % quantiles of the means of resamples.
///
/// - Parameter groups: Values that are drawn together, such as the turns of a question; the mean is over all values.
/// - Source: Efron 1979, "Bootstrap methods: another look at the jackknife" (percentile interval).
public func bootstrapMean(groups: [[Double]], resamples: Int = 2000, seed: UInt64 = 0) -> Estimate {
  let groups = groups.filter { !$0.isEmpty }
  let values = groups.flatMap(\.self)
  guard !values.isEmpty else { return Estimate(value: .nan, low: .nan, high: .nan, method: "bootstrap") }
  let sums = groups.map { (sum: $0.reduce(0, +), count: Double($0.count)) }
  var random = RandomSource(seed: seed).split("bootstrap")
  var means: [Double] = []
  for _ in 0..<resamples {
    var (sum, count) = (0.0, 0.0)
    for _ in sums {
      let drawn = sums[Int.random(in: 0..<sums.count, using: &random)]
      sum += drawn.sum
      count += drawn.count
    }
    means.append(sum / count)
  }
  means.sort()
  func quantile(_ share: Double) -> Double { means[min(means.count - 1, Int(share * Double(means.count)))] }
  return Estimate(
    value: values.reduce(0, +) / Double(values.count), low: quantile(0.025), high: quantile(0.975), method: "bootstrap")
}

/// The standard error of a mean: sample deviation over the root of the count; 0 for fewer than two values.
public func standardError(_ values: [Double]) -> Double {
  guard values.count > 1 else { return 0 }
  let mean = values.reduce(0, +) / Double(values.count)
  let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
  return (squares / Double(values.count - 1) / Double(values.count)).squareRoot()
}

/// Hyperbolic tangent.
func hyperbolicTangent(_ x: Double) -> Double { tanh(x) }

/// The logistic function.
func logistic(_ x: Double) -> Double { x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)) }

/// The natural logarithm.
func logarithm(_ x: Double) -> Double { log(x) }
