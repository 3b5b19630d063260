// Three tests that say whether a tendency in paired numbers is more than chance: of signs, of signed ranks, of rank correlation.

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// Tests on pairs of numbers; every p-value is two-sided.
public enum PairedTests {
  /// Exact sign test: how likely a split at least this uneven is when both signs are equally likely.
  ///
  /// - Parameters:
  ///   - positive: Differences above 0.
  ///   - negative: Differences below 0; ties are left out by the caller.
  public static func signTest(positive: Int, negative: Int) -> Double {
    let count = positive + negative
    if count == 0 { return 1 }
    // P(X ≤ k) of a fair binomial, summed in logarithms: 2^-n alone would underflow from n = 1075 on.
    var sum = 0.0
    for k in 0...min(positive, negative) {
      sum += exp(lgamma(Double(count + 1)) - lgamma(Double(k + 1)) - lgamma(Double(count - k + 1)) - Double(count) * log(2))
    }
    return min(1, 2 * sum)
  }

  /// Wilcoxon's signed-rank test by the normal approximation, corrected for ties and continuity; nil for fewer than 6 differences.
  public static func signedRank(_ differences: [Double]) -> Double? {
    let given = differences.filter { $0 != 0 && $0.isFinite }
    guard given.count >= 6 else { return nil }
    let ranks = ranks(given.map(abs))
    let positive = zip(given, ranks).reduce(0) { $0 + ($1.0 > 0 ? $1.1 : 0) }
    let n = Double(given.count)
    let ties = Dictionary(grouping: given.map(abs)) { $0 }.values.reduce(0.0) { $0 + pow(Double($1.count), 3) - Double($1.count) }
    let variance = n * (n + 1) * (2 * n + 1) / 24 - ties / 48
    guard variance > 0 else { return 1 }
    let distance = max(0, abs(positive - n * (n + 1) / 4) - 0.5)
    return twoSided(distance / variance.squareRoot())
  }

  /// Spearman's rank correlation and its p-value (Fisher's z); nil for fewer than 8 pairs or where one side does not vary.
  public static func rankCorrelation(_ x: [Double], _ y: [Double]) -> (rho: Double, p: Double)? {
    guard x.count == y.count, x.count >= 8 else { return nil }
    let (a, b) = (ranks(x), ranks(y))
    let mean = Double(x.count + 1) / 2
    var (xx, yy, xy) = (0.0, 0.0, 0.0)
    for (p, q) in zip(a, b) {
      xx += (p - mean) * (p - mean)
      yy += (q - mean) * (q - mean)
      xy += (p - mean) * (q - mean)
    }
    guard xx > 0, yy > 0 else { return nil }
    let rho = xy / (xx * yy).squareRoot()
    let z = atanh(min(max(rho, -0.999_999), 0.999_999)) * (Double(x.count - 3) / 1.06).squareRoot()
    return (rho, twoSided(abs(z)))
  }

  private static func twoSided(_ z: Double) -> Double { min(1, erfc(z / 2.0.squareRoot())) }

  /// Ranks from 1; equal numbers share the mean of theirs.
  static func ranks(_ numbers: [Double]) -> [Double] {
    let order = numbers.indices.sorted { numbers[$0] < numbers[$1] }
    var ranks = [Double](repeating: 0, count: numbers.count)
    var start = 0
    while start < order.count {
      var end = start + 1
      while end < order.count, numbers[order[end]] == numbers[order[start]] { end += 1 }
      for place in order[start..<end] { ranks[place] = Double(start + 1 + end) / 2 }
      start = end
    }
    return ranks
  }
}
