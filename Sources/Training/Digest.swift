// SHA-256 of files and of a model's weights: what a checkpoint recognises its parts by.

import Crypto
import Formats
import Models

/// Hashes in lower-case hexadecimal.
public enum Digest {
  /// The hash of a file.
  public static func file(_ path: String) throws -> String {
    let file = try MappedFile(path: path)
    var hash = SHA256()
    file.withBytes { hash.update(bufferPointer: $0) }
    return hexadecimal(hash.finalize())
  }

  /// The hash of texts one after the other, in UTF-8.
  public static func texts(_ texts: some Sequence<String>) -> String {
    var hash = SHA256()
    for piece in texts { hash.update(data: Array(piece.utf8)) }
    return hexadecimal(hash.finalize())
  }

  /// A short hash of every weight of a model, by name: type, shape and elements.
  ///
  /// Of models beyond a gigabyte the first and last 64 KiB of each weight stand for the rest.
  public static func weights(of model: LanguageModel) -> [(name: String, hash: String)] {
    let stored = model.storedWeights
    let isLarge = stored.reduce(0) { $0 + $1.bytes.count } > 1 << 30
    return withExtendedLifetime(model) {
      stored.map { weight in
        var hash = SHA256()
        hash.update(data: Array("\(weight.type.name) \(weight.shape)".utf8))
        let bytes = weight.bytes
        let edge = 1 << 16
        if isLarge, bytes.count > 2 * edge {
          hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: bytes[..<edge]))
          hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: bytes[(bytes.count - edge)...]))
        } else {
          hash.update(bufferPointer: bytes)
        }
        return (weight.name, String(hexadecimal(hash.finalize()).prefix(16)))
      }
    }
  }

  private static func hexadecimal(_ digest: some Sequence<UInt8>) -> String {
    digest.reduce(into: "") { text, byte in text += byte < 16 ? "0" + String(byte, radix: 16) : String(byte, radix: 16) }
  }
}
