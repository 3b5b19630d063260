// Small valid inputs turned into damaged ones: bytes, lengths, words, and whole stretches change places. Every input is a
// function of the seed and its number, so that one that was printed can be made again.

/// Numbers that depend on the seed only (SplitMix64).
public struct FuzzRandom: RandomNumberGenerator {
  private var state: UInt64

  /// Numbers for one input of a run.
  public init(seed: UInt64, input: Int) { state = seed &* 0xD134_2543_DE82_EF95 &+ UInt64(input) &* 0x9E37_79B9_7F4A_7C15 }

  /// 64 random bits.
  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// A number in 0..<bound; 0 where the bound is not positive.
  mutating func below(_ bound: Int) -> Int { bound <= 1 ? 0 : Int(next() % UInt64(bound)) }

  /// A stretch of something that long.
  mutating func range(in count: Int, most: Int) -> Range<Int> {
    let start = below(count + 1)
    return start..<start + below(min(most, count - start) + 1)
  }
}

/// Makes damaged inputs from valid ones.
public struct Mutator: Sendable {
  /// Valid inputs.
  public let corpus: [[UInt8]]
  /// Words of the format, put in anywhere.
  public let words: [[UInt8]]
  /// The longest input.
  static let longest = 1 << 16

  private static let numbers: [UInt64] = [
    0, 1, 2, 7, 8, 31, 32, 127, 128, 255, 256, 65_535, 65_536, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0x1_0000_0000,
    0x1FFF_FFFF_FFFF_FFFF, 0x7FFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000, 0xFFFF_FFFF_FFFF_FFFF,
  ]
  private static let numerals = [
    "0", "-1", "1e999", "-0", "9223372036854775807", "9223372036854775808", "18446744073709551616", "1.5", "0.0000001", "65536",
    "99999999999999999999999999", "1e-400", "00", "0x1", "NaN", "Infinity",
  ].map { Array($0.utf8) }

  /// A damaged input.
  public func input(_ random: inout FuzzRandom) -> [UInt8] {
    var bytes = corpus[random.below(corpus.count)]
    for _ in 0...random.below(5) { mutate(&bytes, &random) }
    return bytes.count > Self.longest ? Array(bytes[..<Self.longest]) : bytes
  }

  private func mutate(_ bytes: inout [UInt8], _ random: inout FuzzRandom) {
    switch random.below(14) {
    case 0: change(&bytes, &random) { $0 ^= 1 << UInt8($1.below(8)) }
    case 1: change(&bytes, &random) { $0 = UInt8($1.below(256)) }
    case 2: change(&bytes, &random) { $0 = $0 &+ ($1.below(2) == 0 ? 1 : 255) }
    case 3: setNumber(&bytes, &random, size: 8)
    case 4: setNumber(&bytes, &random, size: 4)
    case 5: bytes.removeSubrange(random.range(in: bytes.count, most: 64))
    case 6: bytes.removeLast(random.below(bytes.count + 1))
    case 7: insert(Array(bytes[random.range(in: bytes.count, most: 256)]), &bytes, &random)
    case 8: if !words.isEmpty { insert(words[random.below(words.count)], &bytes, &random) }
    case 9: replaceNumeral(&bytes, &random)
    case 10: splice(&bytes, &random)
    case 11: swap(&bytes, &random)
    case 12: repeatPiece(&bytes, &random)
    default: if !words.isEmpty { replaceWord(&bytes, &random) }
    }
  }

  private func change(_ bytes: inout [UInt8], _ random: inout FuzzRandom, _ body: (inout UInt8, inout FuzzRandom) -> Void) {
    guard !bytes.isEmpty else { return }
    body(&bytes[random.below(bytes.count)], &random)
  }

  /// A count, a length or an offset that is wrong: often by little, sometimes by all that fits.
  private func setNumber(_ bytes: inout [UInt8], _ random: inout FuzzRandom, size: Int) {
    guard bytes.count >= size else { return }
    // Headers are where the numbers are.
    let place = random.below(random.below(2) == 0 ? min(64, bytes.count - size + 1) : bytes.count - size + 1)
    var value: UInt64 = 0
    for index in 0..<size { value |= UInt64(bytes[place + index]) << (8 * UInt64(index)) }
    switch random.below(4) {
    case 0: value = value &+ UInt64(random.below(9)) &- 4
    case 1: value = UInt64(bytes.count) &+ UInt64(random.below(9)) &- 4
    case 2: value = value &* 2
    default: value = Self.numbers[random.below(Self.numbers.count)]
    }
    for index in 0..<size { bytes[place + index] = UInt8(truncatingIfNeeded: value >> (8 * UInt64(index))) }
  }

  private func insert(_ piece: [UInt8], _ bytes: inout [UInt8], _ random: inout FuzzRandom) {
    bytes.insert(contentsOf: piece, at: random.below(bytes.count + 1))
  }

  private func replaceNumeral(_ bytes: inout [UInt8], _ random: inout FuzzRandom) {
    let start = random.below(bytes.count)
    guard let first = bytes[start...].firstIndex(where: { 48...57 ~= $0 }) else { return }
    let end = bytes[first...].firstIndex { !(48...57 ~= $0) } ?? bytes.count
    bytes.replaceSubrange(first..<end, with: Self.numerals[random.below(Self.numerals.count)])
  }

  /// A stretch of another valid input in place of one of this.
  private func splice(_ bytes: inout [UInt8], _ random: inout FuzzRandom) {
    let other = corpus[random.below(corpus.count)]
    let piece = other[random.range(in: other.count, most: 512)]
    bytes.replaceSubrange(random.range(in: bytes.count, most: 512), with: piece)
  }

  private func swap(_ bytes: inout [UInt8], _ random: inout FuzzRandom) {
    let first = random.range(in: bytes.count, most: 32)
    let piece = Array(bytes[first])
    bytes.removeSubrange(first)
    insert(piece, &bytes, &random)
  }

  /// A short stretch many times over: nesting, long names, long lists.
  private func repeatPiece(_ bytes: inout [UInt8], _ random: inout FuzzRandom) {
    let piece = Array(bytes[random.range(in: bytes.count, most: 8)])
    guard !piece.isEmpty else { return }
    let times = 1 << random.below(12)
    insert(Array(repeatElement(piece, count: min(times, Self.longest / piece.count)).joined()), &bytes, &random)
  }

  private func replaceWord(_ bytes: inout [UInt8], _ random: inout FuzzRandom) {
    let place = random.range(in: bytes.count, most: 12)
    bytes.replaceSubrange(place, with: words[random.below(words.count)])
  }
}
