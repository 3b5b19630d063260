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

  /// The scaled frequency of pair `index`.
  public func scaled(_ frequency: Double, pair index: Int) -> Double {
    switch self {
    case .none: return frequency
    case .linear(let factor): return frequency / factor
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

/// Cosines and sines of the angles position · θ^(−2i/headDimension), for positions 0 ..< `positions`.
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
    let grain = max(1, 4096 / pairs)
    ThreadPool.shared.forEachRange(of: positions, grain: grain) { range in
      for position in range {
        for pair in 0..<pairs {
          let angle = Double(position) * frequencies[pair]
          memory[position * pairs + pair] = Float(cos(angle))
          memory[count + position * pairs + pair] = Float(sin(angle))
        }
      }
    }
    self.memory = memory
    cosines = UnsafePointer(memory)
    sines = UnsafePointer(memory + count)
  }

  deinit { memory.deallocate() }
}
