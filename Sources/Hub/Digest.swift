// Fingerprints for records of what something was made of.

import Crypto

/// SHA-256 in lower-case hexadecimal, of bytes that come piece by piece.
public struct Digest {
  private var hash = SHA256()

  /// A digest of nothing yet.
  public init() {}

  /// Adds bytes.
  public mutating func update(_ bytes: some Sequence<UInt8>) { hash.update(data: Array(bytes)) }

  /// The digest of everything that was added.
  public func hexadecimal() -> String {
    hash.finalize().map { byte in
      let text = String(byte, radix: 16)
      return text.count == 1 ? "0" + text : text
    }.joined()
  }

  /// The digest of a file.
  ///
  /// - Parameter poll: Called after each piece; what it throws ends the reading.
  /// - Throws: `HubError` where the file cannot be read.
  public static func ofFile(_ path: String, poll: () throws -> Void = {}) throws -> String {
    try sha256(path: path) { _ in try poll() }
  }
}
