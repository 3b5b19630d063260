// Writing GGUF v3: header, metadata, tensor infos, then each tensor's bytes at the alignment. The infos need only sizes, so the
// bytes of a tensor are asked for when their turn comes and a model never has to be in memory twice.

import OrderedCollections

/// A GGUF file to be written: what it will hold, in order, then one call that writes it.
public struct GGUFWriter {
  /// A tensor to come.
  public struct TensorInfo: Sendable {
    /// The name in the file.
    public let name: String
    /// Lengths, the fastest-running first.
    public let dimensions: [Int]
    /// How the numbers are stored.
    public let type: GGUFTensorType
    /// How many bytes it takes.
    public let bytes: Int
    fileprivate let offset: Int
  }

  /// Where tensors begin: a multiple of this many bytes.
  public let alignment: Int
  private var metadata: OrderedDictionary<String, GGUFValue> = [:]
  /// The tensors in the order they will be written.
  public private(set) var tensors: [TensorInfo] = []
  private var names: Set<String> = []
  private var dataEnd = 0

  /// An empty file; `alignment` is a power of two.
  public init(alignment: Int = 32) {
    precondition(alignment > 0 && alignment & (alignment - 1) == 0, "an alignment of \(alignment)")
    self.alignment = alignment
    if alignment != 32 { metadata["general.alignment"] = .uint32(UInt32(alignment)) }
  }

  /// Sets a metadata value; a key that is there already keeps its place.
  public mutating func set(_ key: String, _ value: GGUFValue) { metadata[key] = value }

  /// Announces the next tensor.
  ///
  /// - Parameter dimensions: Lengths, the fastest-running first.
  /// - Throws: `FormatError` if the name occurs twice or the rows are no whole blocks.
  public mutating func add(_ name: String, dimensions: [Int], type: GGUFTensorType) throws {
    guard names.insert(name).inserted else { throw FormatError("cannot write two tensors named '\(name)'") }
    guard (1...4).contains(dimensions.count), let first = dimensions.first, dimensions.allSatisfy({ $0 > 0 }),
      first % type.blockElements == 0
    else {
      throw FormatError("cannot write '\(name)' of dimensions \(dimensions) as \(type.name)")
    }
    let bytes = dimensions.reduce(1, *) / type.blockElements * type.blockBytes
    tensors.append(TensorInfo(name: name, dimensions: dimensions, type: type, bytes: bytes, offset: dataEnd))
    dataEnd = aligned(dataEnd + bytes)
  }

  /// Bytes of all tensors.
  public var dataBytes: Int { tensors.reduce(0) { $0 + $1.bytes } }

  /// Writes the file, replacing what was at `path` in one step.
  ///
  /// - Parameter tensor: Appends exactly the bytes of the tensor it is asked for; called once for each, in order.
  /// - Throws: `FormatError`, or what `tensor` throws; then nothing is left behind.
  public func write(to path: String, tensor: (TensorInfo, AtomicFile.Writer) throws -> Void) throws {
    var header = GGUFBytes()
    header.append(Array("GGUF".utf8))
    header.append(UInt32(3))
    header.append(UInt64(tensors.count))
    header.append(UInt64(metadata.count))
    for (key, value) in metadata {
      header.append(key)
      header.append(value.type.rawValue)
      header.append(value)
    }
    for info in tensors {
      header.append(info.name)
      header.append(UInt32(info.dimensions.count))
      for length in info.dimensions { header.append(UInt64(length)) }
      header.append(info.type.rawValue)
      header.append(UInt64(info.offset))
    }
    try AtomicFile.write(to: path) { file in
      try file.append(header.bytes)
      try pad(file)
      for info in tensors {
        let start = file.count
        try tensor(info, file)
        guard file.count - start == info.bytes else {
          throw FormatError("'\(info.name)' should take \(info.bytes) bytes, but \(file.count - start) were written")
        }
        try pad(file)
      }
    }
  }

  private func aligned(_ count: Int) -> Int { (count + alignment - 1) / alignment * alignment }

  private func pad(_ file: AtomicFile.Writer) throws {
    try file.append([UInt8](repeating: 0, count: aligned(file.count) - file.count))
  }
}

/// Little-endian bytes of a header.
private struct GGUFBytes {
  var bytes: [UInt8] = []

  mutating func append(_ more: [UInt8]) { bytes.append(contentsOf: more) }
  mutating func append(_ value: some FixedWidthInteger) { withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) } }

  mutating func append(_ text: String) {
    append(UInt64(text.utf8.count))
    bytes.append(contentsOf: text.utf8)
  }

  mutating func append(_ value: GGUFValue) {
    switch value {
    case .uint8(let value): append(value)
    case .int8(let value): append(value)
    case .uint16(let value): append(value)
    case .int16(let value): append(value)
    case .uint32(let value): append(value)
    case .int32(let value): append(value)
    case .uint64(let value): append(value)
    case .int64(let value): append(value)
    case .float32(let value): append(value.bitPattern)
    case .float64(let value): append(value.bitPattern)
    case .bool(let value): append(value ? 1 as UInt8 : 0)
    case .string(let value): append(value)
    case .array(let type, let elements):
      append(type.rawValue)
      append(UInt64(elements.count))
      for element in elements { append(element) }
    }
  }
}

extension GGUFValue {
  /// The type that stands in front of the value in a file.
  public var type: GGUFValueType {
    switch self {
    case .uint8: .uint8
    case .int8: .int8
    case .uint16: .uint16
    case .int16: .int16
    case .uint32: .uint32
    case .int32: .int32
    case .uint64: .uint64
    case .int64: .int64
    case .float32: .float32
    case .float64: .float64
    case .bool: .bool
    case .string: .string
    case .array: .array
    }
  }

  /// An array of texts.
  public static func strings(_ values: some Sequence<String>) -> GGUFValue { .array(.string, values.map { .string($0) }) }
}
