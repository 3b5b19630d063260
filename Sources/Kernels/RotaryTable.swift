// Cosines and sines of the rotary angles for a run of positions, computed in Double and rounded once to fp32, with the
// frequency scalings that published checkpoints use.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// How the rotary frequencies θ^(−2i/d) are changed for longer contexts.
public enum RotaryScaling: Sendable, Equatable {
  /// Not at all.
  case none
  /// Positions divided by a factor (Chen et al. 2023, arXiv:2306.15595).
  case linear(factor: Double)
  /// Long waves slowed by a factor, short ones kept, those between blended: Llama 3.1.
  case llama3(factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double, originalContext: Double)
  /// Each frequency divided by a number of its own, headDimension/2 of them: the `rope_freqs` tensor of GGUF files.
  case divisors([Double])
  /// Long waves slowed by a factor, short ones kept, those between blended by their place, and the attention sharpened: YaRN.
  case yarn(YarnScaling)

  /// The scaled frequency of pair `index`.
  public func scaled(_ frequency: Double, pair index: Int) -> Double {
    switch self {
    case .none: return frequency
    case .linear(let factor): return frequency / factor
    case .yarn(let yarn): return yarn.scaled(frequency, pair: index)
    case .divisors(let divisors): return index < divisors.count ? frequency / divisors[index] : frequency
    case .llama3(let factor, let low, let high, let context):
      let wavelength = 2 * Double.pi / frequency
      if wavelength < context / high { return frequency }
      if wavelength > context / low { return frequency / factor }
      let smooth = (context / wavelength - low) / (high - low)
      return (1 - smooth) * frequency / factor + smooth * frequency
    }
  }
}

extension RotaryScaling {
  /// What cosines and sines are multiplied by.
  public var attentionFactor: Double {
    if case .yarn(let yarn) = self { return yarn.attentionFactor }
    return 1
  }
}

/// The numbers of YaRN for one model.
///
/// - Source: Peng et al. 2023, arXiv:2309.00071, section 3.2 and Eq. 22; the rounding of the borders is that of transformers.
public struct YarnScaling: Sendable, Equatable {
  /// How many times longer the context became.
  public let factor: Double
  /// The context before.
  public let originalContext: Double
  /// Waves that turn more often than this within the original context are kept.
  public let betaFast: Double
  /// Waves that turn less often than this are slowed by the factor.
  public let betaSlow: Double
  /// What cosines and sines are multiplied by, so that a logit is by its square.
  public let attentionFactor: Double
  /// Whether the borders are rounded to whole pairs.
  public let truncates: Bool
  private let low: Double
  private let high: Double

  /// Computes the borders for heads of that dimension and base.
  ///
  /// - Parameter attentionFactor: Nil for the paper's 0.1 · ln(factor) + 1.
  public init(
    factor: Double, originalContext: Double, headDimension: Int, theta: Double, betaFast: Double = 32, betaSlow: Double = 1,
    attentionFactor: Double? = nil, truncates: Bool = true
  ) {
    self.factor = factor
    self.originalContext = originalContext
    self.betaFast = betaFast
    self.betaSlow = betaSlow
    self.attentionFactor = attentionFactor ?? Self.standardAttentionFactor(factor)
    self.truncates = truncates
    let border = { (turns: Double) in
      Double(headDimension) * log(originalContext / (turns * 2 * Double.pi)) / (2 * log(theta))
    }
    let (first, last) = (border(betaFast), border(betaSlow))
    low = max(truncates ? first.rounded(.down) : first, 0)
    let end = min(truncates ? last.rounded(.up) : last, Double(headDimension - 1))
    high = end == low ? end + 0.001 : end
  }

  /// 0.1 · ln(factor) + 1, the paper's choice.
  public static func standardAttentionFactor(_ factor: Double) -> Double { factor <= 1 ? 1 : 0.1 * log(factor) + 1 }

  func scaled(_ frequency: Double, pair index: Int) -> Double {
    let ramp = min(max((Double(index) - low) / (high - low), 0), 1)
    return frequency * (1 - ramp) + frequency / factor * ramp
  }
}

/// Cosines and sines of the angles position · θ^(−2i/headDimension), for positions 0 ..< `positions`, times the scaling's factor.
public final class RotaryTable: @unchecked Sendable {
  /// Elements of a head; even.
  public let headDimension: Int
  /// Positions in the table.
  public let positions: Int
  /// Cosines of the angles, of shape (positions, headDimension/2).
  public let cosines: UnsafePointer<Float>
  /// Sines of the angles, of shape (positions, headDimension/2).
  public let sines: UnsafePointer<Float>
  private let memory: UnsafeMutablePointer<Float>

  /// Computes the table.
  public init(headDimension: Int, theta: Double, positions: Int, scaling: RotaryScaling = .none) {
    precondition(headDimension > 0 && headDimension % 2 == 0 && positions >= 0, "a rotary table of \(positions) × \(headDimension)")
    self.headDimension = headDimension
    self.positions = positions
    let pairs = headDimension / 2
    let count = positions * pairs
    let memory = UnsafeMutablePointer<Float>.allocate(capacity: max(1, 2 * count))
    let frequencies = (0..<pairs).map { pair in
      scaling.scaled(pow(theta, -2 * Double(pair) / Double(headDimension)), pair: pair)
    }
    let magnitude = scaling.attentionFactor
    let grain = max(1, 4096 / pairs)
    ThreadPool.shared.forEachRange(of: positions, grain: grain) { range in
      for position in range {
        for pair in 0..<pairs {
          let angle = Double(position) * frequencies[pair]
          memory[position * pairs + pair] = Float(magnitude * cos(angle))
          memory[count + position * pairs + pair] = Float(magnitude * sin(angle))
        }
      }
    }
    self.memory = memory
    cosines = UnsafePointer(memory)
    sines = UnsafePointer(memory + count)
  }

  deinit { memory.deallocate() }
}
