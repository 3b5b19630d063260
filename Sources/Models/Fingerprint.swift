// A checksum of a model's numbers and of token ids, to tell whether log-probs kept in a file belong to what is at hand.
// Fast rather than safe against forgery: two 64-bit lanes of multiply and fold.

import Kernels
import Tensors

/// A running 128-bit checksum.
public struct Fingerprint: Sendable {
  private var a: UInt64 = 0x9E37_79B9_7F4A_7C15
  private var b: UInt64 = 0xC2B2_AE3D_27D4_EB4F

  /// The checksum of nothing yet.
  public init() {}

  /// Takes in a number.
  public mutating func add(_ word: UInt64) {
    a = (a ^ word) &* 0xFF51_AFD7_ED55_8CCD
    a ^= a >> 32
    b = ((b << 29 | b >> 35) ^ word) &* 0xC4CE_B9FE_1A85_EC53
    b ^= b >> 33
  }

  /// Takes in bytes, and how many they are.
  public mutating func add(_ bytes: UnsafeRawBufferPointer) {
    add(UInt64(bytes.count))
    let whole = bytes.count & ~7
    for offset in stride(from: 0, to: whole, by: 8) { add(bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) }
    if whole < bytes.count { add(bytes[whole...].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }) }
  }

  /// Takes in ids, and how many they are.
  public mutating func add(_ ids: [Int]) {
    add(UInt64(ids.count))
    for id in ids { add(UInt64(bitPattern: Int64(id))) }
  }

  /// The checksum so far, 32 hexadecimal digits.
  public var hexadecimal: String {
    [a, b].map { word in
      let digits = String(word &* 0x9FB2_1C65_1E98_DF25 ^ word >> 29, radix: 16)
      return String(repeating: "0", count: 16 - digits.count) + digits
    }.joined()
  }
}

extension LanguageModel {
  /// A checksum of configuration and weights as they are stored.
  ///
  /// - Parameter adapters: Whether the adapters count; without them a policy has the checksum of its base.
  public func checksum(adapters: Bool) -> String {
    var result = Fingerprint()
    result.add(Array(String(describing: configuration).utf8).map(Int.init))
    for name in WeightName.all(configuration) {
      if let view = weights.matrix(name)?.view {
        result.add(Array(view.type.name.utf8).map(Int.init))
        result.add(UnsafeRawBufferPointer(start: view.base, count: view.rows * view.rowBytes))
      } else if let norm = weights.vector(name) {
        result.add(UnsafeRawBufferPointer(start: norm.pointer, count: 4 * norm.count))
      }
    }
    for adapter in adapters ? self.adapters : [] {
      result.add(UInt64(adapter.scale.bitPattern))
      for matrix in [adapter.a, adapter.b] { result.add(UnsafeRawBufferPointer(start: matrix.pointer, count: 4 * matrix.count)) }
    }
    return result.hexadecimal
  }
}
