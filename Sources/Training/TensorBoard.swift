// TensorBoard's event files: records of length, masked CRC-32C, protobuf bytes, masked CRC-32C. The messages are Event and Summary of
// tensorflow/core/util/event.proto and framework/summary.proto; the few fields used here are written by hand.

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// Writes scalars as events.
final class TensorBoardWriter {
  private let file: GrowingFile

  /// A new event file in a folder, named as TensorBoard finds them.
  init(folder: String, time: Double) throws {
    var host = [CChar](repeating: 0, count: 256)
    gethostname(&host, host.count - 1)
    let name = String(decoding: host.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    // A second trainer of this process in the same second still gets a file of its own.
    let stem = "\(folder)/events.out.tfevents.\(Int(time)).\(name.isEmpty ? "localhost" : name).\(getpid())"
    let number = (0...).first { access("\(stem).\($0)", F_OK) != 0 } ?? 0
    file = try GrowingFile(path: "\(stem).\(number)", endsInNewline: false)
    var event = ProtobufWriter()
    event.double(1, time)
    event.text(3, "brain.Event:2")  // file_version: what every reader asks for first
    try file.append(TensorBoardRecord.bytes(event.bytes))
  }

  /// Writes the values of one step as one event.
  func write(_ scalars: [(tag: String, value: Double)], step: Int, time: Double) throws {
    var summary = ProtobufWriter()
    for (tag, value) in scalars {
      var entry = ProtobufWriter()
      entry.text(1, tag)
      entry.float(2, Float(value))
      summary.bytes(1, entry.bytes)
    }
    var event = ProtobufWriter()
    event.double(1, time)
    event.varint(2, UInt64(step))
    event.bytes(5, summary.bytes)
    try file.append(TensorBoardRecord.bytes(event.bytes))
  }
}

/// One record of a TFRecord file.
package enum TensorBoardRecord {
  /// Length and data, each followed by its checksum.
  package static func bytes(_ data: [UInt8]) -> [UInt8] {
    let length = littleEndian(UInt64(data.count))
    return length + littleEndian(masked(length)) + data + littleEndian(masked(data))
  }

  /// The checksum as TFRecord stores it: rotated and shifted, so that a checksum of data that holds checksums stays sound.
  package static func masked(_ bytes: [UInt8]) -> UInt32 {
    let crc = crc32c(bytes)
    return (crc >> 15 | crc << 17) &+ 0xA282_EAD8
  }

  /// CRC-32C, the Castagnoli polynomial, reflected.
  package static func crc32c(_ bytes: [UInt8]) -> UInt32 {
    ~bytes.reduce(0xFFFF_FFFF) { crc, byte in crc >> 8 ^ table[Int((crc ^ UInt32(byte)) & 0xFF)] }
  }

  private static let table: [UInt32] = (0..<256).map { index in
    (0..<8).reduce(UInt32(index)) { crc, _ in crc & 1 == 1 ? crc >> 1 ^ 0x82F6_3B78 : crc >> 1 }
  }

  private static func littleEndian<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }
}

/// The bytes of a protobuf message, field by field.
private struct ProtobufWriter {
  private(set) var bytes: [UInt8] = []

  mutating func varint(_ field: Int, _ value: UInt64) {
    key(field, wire: 0)
    raw(value)
  }

  mutating func double(_ field: Int, _ value: Double) {
    key(field, wire: 1)
    withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes += $0 }
  }

  mutating func float(_ field: Int, _ value: Float) {
    key(field, wire: 5)
    withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes += $0 }
  }

  mutating func text(_ field: Int, _ text: String) { bytes(field, Array(text.utf8)) }

  mutating func bytes(_ field: Int, _ content: [UInt8]) {
    key(field, wire: 2)
    raw(UInt64(content.count))
    bytes += content
  }

  private mutating func key(_ field: Int, wire: UInt64) { raw(UInt64(field) << 3 | wire) }

  private mutating func raw(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }
}
