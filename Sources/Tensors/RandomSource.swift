// Random numbers that can be saved, restored and split: Philox4x32-10, a counter-based generator (Salmon et al. 2011,
// "Parallel random numbers: as easy as 1, 2, 3"). Draw n is a function of (key, n), so filling can be split over threads.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A source of random numbers, determined by its seed and the number of draws so far.
public struct RandomSource: RandomNumberGenerator, Sendable, Equatable, Codable {
  /// What the source was made from.
  public let seed: UInt64
  /// Blocks drawn so far; setting it returns to that point.
  public var position: UInt64 = 0

  /// A source at its beginning.
  public init(seed: UInt64) { self.seed = seed }

  /// A source of its own for a purpose, the same for the same seed and name and independent of draws from this one.
  public func split(_ name: String) -> RandomSource {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325  // FNV-1a over the name, then mixed with the seed
    for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    let words = RandomSource.block(key: seed, counter: hash, domain: 1)
    return RandomSource(seed: UInt64(words.0) << 32 | UInt64(words.1))
  }

  /// 64 random bits.
  public mutating func next() -> UInt64 {
    let words = draw()
    return UInt64(words.0) << 32 | UInt64(words.1)
  }

  /// A number in 0..<1.
  public mutating func uniform() -> Double {
    let words = draw()
    return RandomSource.unit(words.0, words.1)
  }

  /// A number from the standard normal distribution.
  public mutating func normal() -> Double { RandomSource.normals(draw()).0 }

  /// Fills memory with numbers in 0..<1.
  public mutating func fillUniform(_ out: UnsafeMutablePointer<Float>, count: Int) {
    for index in stride(from: 0, to: count, by: 4) {
      let words = draw()
      // 24 bits each, so that rounding to Float never gives 1.
      out[index] = Float(words.0 >> 8) * 0x1p-24
      if index + 1 < count { out[index + 1] = Float(words.1 >> 8) * 0x1p-24 }
      if index + 2 < count { out[index + 2] = Float(words.2 >> 8) * 0x1p-24 }
      if index + 3 < count { out[index + 3] = Float(words.3 >> 8) * 0x1p-24 }
    }
  }

  /// Fills memory with numbers from the standard normal distribution.
  public mutating func fillNormal(_ out: UnsafeMutablePointer<Float>, count: Int) {
    for index in stride(from: 0, to: count, by: 2) {
      let pair = RandomSource.normals(draw())
      out[index] = Float(pair.0)
      if index + 1 < count { out[index + 1] = Float(pair.1) }
    }
  }

  typealias Words = (UInt32, UInt32, UInt32, UInt32)

  private mutating func draw() -> Words {
    defer { position &+= 1 }
    return RandomSource.block(key: seed, counter: position, domain: 0)
  }

  /// 53 bits scaled to 0..<1.
  private static func unit(_ high: UInt32, _ low: UInt32) -> Double {
    Double((UInt64(high) << 32 | UInt64(low)) >> 11) * 0x1p-53
  }

  /// Box–Muller: two independent normals of four words.
  private static func normals(_ words: Words) -> (Double, Double) {
    let radius = (-2 * log(1 - unit(words.0, words.1))).squareRoot()
    let angle = 2 * Double.pi * unit(words.2, words.3)
    return (radius * cos(angle), radius * sin(angle))
  }

  /// Ten Philox rounds.
  package static func block(key: UInt64, counter: UInt64, domain: UInt64) -> (UInt32, UInt32, UInt32, UInt32) {
    var words: Words = (
      UInt32(truncatingIfNeeded: counter), UInt32(truncatingIfNeeded: counter >> 32),
      UInt32(truncatingIfNeeded: domain), UInt32(truncatingIfNeeded: domain >> 32)
    )
    var low = UInt32(truncatingIfNeeded: key)
    var high = UInt32(truncatingIfNeeded: key >> 32)
    for _ in 0..<10 {
      let first = UInt64(words.0) &* 0xD251_1F53
      let second = UInt64(words.2) &* 0xCD9E_8D57
      words = (
        UInt32(truncatingIfNeeded: second >> 32) ^ words.1 ^ low, UInt32(truncatingIfNeeded: second),
        UInt32(truncatingIfNeeded: first >> 32) ^ words.3 ^ high, UInt32(truncatingIfNeeded: first)
      )
      low = low &+ 0x9E37_79B9
      high = high &+ 0xBB67_AE85
    }
    return words
  }
}
