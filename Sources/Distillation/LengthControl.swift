// AlpacaEval's length control: what the win rate would be if both sides answered at the same length. A logistic model of the preference
// with tanh of the difference in length as a regressor, read off where that difference is 0.

import Tensors

/// A preference of a judge with what may explain it.
public struct LengthObservation: Sendable {
  /// How far the judge prefers the model over the baseline, 0...1.
  public var preference: Double
  /// Length of the model's answer minus that of the baseline's, in characters.
  public var lengthDifference: Double
  /// How hard the instruction is, on the scale of a difficulty model; 0 where nobody knows.
  public var difficulty: Double

  /// An observation.
  public init(preference: Double, lengthDifference: Double, difficulty: Double = 0) {
    self.preference = preference
    self.lengthDifference = lengthDifference
    self.difficulty = difficulty
  }
}

/// The fitted model.
public struct LengthControl: Sendable, Equatable {
  /// Coefficient of tanh(Δlength / standard deviation).
  public var length: Double
  /// Coefficient of the instruction's difficulty.
  public var difficulty: Double
  /// Coefficient of the constant: which side is better at equal length.
  public var quality: Double
  /// The penalty that cross-validation chose.
  public var penalty: Double
  /// The mean predicted preference at equal length, 0...1.
  public var winRate: Double

  /// Fits the model: logistic loss on soft labels, an L1 penalty chosen by 5-fold cross-validation, no intercept beside the constant.
  ///
  /// - Source: Dubois et al. 2024, arXiv:2404.04475, section 3, without its baselines that game length on purpose, which need answers of
  ///   the baseline model told to be brief or long.
  public init(_ rows: [LengthObservation], seed: UInt64 = 0) {
    let mean = rows.reduce(0) { $0 + $1.lengthDifference } / Double(max(1, rows.count))
    // Of the sample, as pandas' std() has it.
    let variance = rows.reduce(0) { $0 + ($1.lengthDifference - mean) * ($1.lengthDifference - mean) } / Double(max(1, rows.count - 1))
    let deviation = variance > 0 ? variance.squareRoot() : 1
    let x = rows.map { [hyperbolicTangent($0.lengthDifference / deviation), $0.difficulty, 1] }
    let y = rows.map(\.preference)
    var random = RandomSource(seed: seed).split("folds of length control")
    let order = rows.indices.shuffled(using: &random)
    var best = (loss: Double.infinity, penalty: 0.0)
    // From nearly nothing to a penalty under which every coefficient is 0.
    for penalty in [1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3] where rows.count >= 5 {
      var loss = 0.0
      for fold in 0..<5 {
        let held = Set(order.enumerated().filter { $0.offset % 5 == fold }.map(\.element))
        let kept = rows.indices.filter { !held.contains($0) }
        let weights = LengthControl.fit(kept.map { x[$0] }, kept.map { y[$0] }, penalty)
        for index in held { loss += LengthControl.loss(x[index], y[index], weights) }
      }
      // At equal loss the larger penalty is the simpler model.
      if loss <= best.loss { best = (loss, penalty) }
    }
    penalty = best.penalty
    let weights = LengthControl.fit(x, y, penalty)
    (length, difficulty, quality) = (weights[0], weights[1], weights[2])
    let predicted = rows.map { logistic(weights[1] * $0.difficulty + weights[2]) }
    winRate = predicted.isEmpty ? .nan : predicted.reduce(0, +) / Double(predicted.count)
  }

  /// Cross-entropy of a soft label.
  private static func loss(_ x: [Double], _ y: Double, _ weights: [Double]) -> Double {
    let p = min(max(logistic(zip(x, weights).reduce(0) { $0 + $1.0 * $1.1 }), 1e-12), 1 - 1e-12)
    return -y * logarithm(p) - (1 - y) * logarithm(1 - p)
  }

  /// Minimizes mean cross-entropy + penalty·|weights|₁ by proximal gradient steps; the loss is convex, so where it starts does not matter.
  static func fit(_ x: [[Double]], _ y: [Double], _ penalty: Double) -> [Double] {
    var weights = [0.0, 0, 0]
    guard !x.isEmpty else { return weights }
    // The curvature of the logistic loss is at most |x|² / 4.
    let steepest = x.map { $0.reduce(0) { $0 + $1 * $1 } }.max() ?? 1
    let step = 4 / max(steepest, 1e-9)
    for _ in 0..<20_000 {
      var gradient = [0.0, 0, 0]
      for (row, target) in zip(x, y) {
        let error = logistic(zip(row, weights).reduce(0) { $0 + $1.0 * $1.1 }) - target
        for index in 0..<3 { gradient[index] += error * row[index] }
      }
      var change = 0.0
      for index in 0..<3 {
        let moved = weights[index] - step * gradient[index] / Double(x.count)
        let shrunk = max(0, abs(moved) - step * penalty) * (moved < 0 ? -1 : 1)
        change = max(change, abs(shrunk - weights[index]))
        weights[index] = shrunk
      }
      if change < 1e-10 { break }
    }
    return weights
  }
}
