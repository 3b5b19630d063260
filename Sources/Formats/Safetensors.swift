// Reading and writing safetensors: a length, a JSON header, then the numbers. The header is checked against the
// file before anything of it is used. Sharded models are in SafetensorsDirectory.swift.

import OrderedCollections

/// How the numbers of a safetensors tensor are stored.
public enum SafetensorsType: String, Sendable, CaseIterable {
  // In the order that the reference implementation writes them in.
  case u64 = "U64"
  case i64 = "I64"
  case f64 = "F64"
  case f32 = "F32"
  case u32 = "U32"
  case i32 = "I32"
  case bf16 = "BF16"
  case f16 = "F16"
  case u16 = "U16"
  case i16 = "I16"
  case i8 = "I8"
  case u8 = "U8"
  case bool = "BOOL"

  /// Bytes of one element.
  public var elementBytes: Int {
    switch self {
    case .f64, .i64, .u64: 8
    case .f32, .i32, .u32: 4
    case .f16, .bf16, .i16, .u16: 2
    case .i8, .u8, .bool: 1
    }
  }
}

/// A tensor of a safetensors file: a view into its mapped bytes.
public struct SafetensorsTensor: @unchecked Sendable {
  /// The name in the file.
  public let name: String
  /// How the numbers are stored.
  public let type: SafetensorsType
  /// Lengths, the slowest-running first.
  public let shape: [Int]
  /// The first byte, inside the mapped file; not necessarily aligned.
  public let data: UnsafeRawPointer
  /// How many bytes it takes.
  public let bytes: Int

  /// The number of elements.
  public var count: Int { shape.reduce(1, *) }
}

/// A safetensors file: tensors as views into the mapped bytes.
public final class SafetensorsFile: @unchecked Sendable {
  /// The path it was opened by.
  public let path: String
  /// The free texts of the header's `__metadata__`.
  public let metadata: OrderedDictionary<String, String>
  /// The tensors in header order.
  public let tensors: OrderedDictionary<String, SafetensorsTensor>
  /// The mapped file, which must live as long as any tensor view.
  public let file: MappedFile

  /// The longest header that is read, as in the reference implementation.
  static let headerLimit = 100_000_000

  /// Opens and checks the file at `path`.
  ///
  /// - Throws: `FormatError` naming the file, what was found in it and what to do.
  public init(path: String) throws {
    self.path = path
    file = try MappedFile(path: path)
    let damaged = { (what: String) in
      FormatError("\(path) is no sound safetensors file: \(what)", hint: "get the file again, or save the model again")
    }
    guard file.count >= 8 else { throw damaged("\(file.count) bytes cannot hold the length of a header") }
    let claimed = UInt64(littleEndian: file.base.loadUnaligned(as: UInt64.self))
    if file.withBytes({ $0.starts(with: Array("version https://git-lfs".utf8)) }) {
      throw FormatError("\(path) is a Git LFS pointer, not the model itself", hint: "run 'git lfs pull', or download the file itself")
    }
    guard let length = Int(exactly: claimed), length >= 2, length <= Self.headerLimit else {
      throw damaged("the length of its header is given as \(claimed) bytes")
    }
    guard length <= file.count - 8 else {
      throw FormatError(
        "\(path) is cut short: its header of \(length) bytes does not fit its \(file.count) bytes", hint: "get the file again")
    }
    let header = try JSON.parse(UnsafeRawBufferPointer(start: file.base + 8, count: length), source: "\(path) (header)")
    guard case .object(let members) = header else { throw damaged("its header is \(header.kind), not an object") }
    let data = UnsafeRawBufferPointer(start: file.base + 8 + length, count: file.count - 8 - length)
    var metadata: OrderedDictionary<String, String> = [:]
    var tensors: OrderedDictionary<String, SafetensorsTensor> = [:]
    for (name, entry) in members {
      if name == "__metadata__" {
        for (key, value) in entry.object ?? [:] { metadata[key] = value.string ?? value.serialized() }
      } else {
        tensors[name] = try Self.tensor(name, entry, data, path, damaged)
      }
    }
    try Self.checkCoverage(tensors.values, data, path, damaged)
    self.metadata = metadata
    self.tensors = tensors
  }

  private static func tensor(
    _ name: String, _ entry: JSON, _ data: UnsafeRawBufferPointer, _ path: String, _ damaged: (String) -> FormatError
  ) throws -> SafetensorsTensor {
    guard let typeName = entry["dtype"]?.string, let lengths = entry["shape"]?.array, let offsets = entry["data_offsets"]?.array,
      offsets.count == 2, let start = offsets[0].int, let end = offsets[1].int
    else { throw damaged("the entry of '\(name)' lacks dtype, shape or data_offsets") }
    guard let type = SafetensorsType(rawValue: typeName) else {
      throw FormatError(
        "\(path): the tensor '\(name)' has the type \(typeName), which is not read", hint: "save the model as BF16, F16 or F32")
    }
    var bytes = type.elementBytes
    var shape: [Int] = []
    for length in lengths {
      guard let length = length.int, length >= 0 else { throw damaged("the shape of '\(name)' is \(JSON.array(lengths).serialized())") }
      let (product, overflow) = bytes.multipliedReportingOverflow(by: length)
      guard !overflow else { throw damaged("the shape of '\(name)' is \(JSON.array(lengths).serialized()), too large") }
      bytes = product
      shape.append(length)
    }
    guard start >= 0, end >= start else { throw damaged("the offsets of '\(name)' are \(start) to \(end)") }
    guard end <= data.count, let base = data.baseAddress else {
      throw FormatError(
        "\(path) is cut short: '\(name)' ends at byte \(end) of the data, but there are \(data.count)", hint: "get the file again")
    }
    guard end - start == bytes else {
      throw damaged("'\(name)' of shape \(shape) and type \(typeName) takes \(bytes) bytes, its offsets say \(end - start)")
    }
    return SafetensorsTensor(name: name, type: type, shape: shape, data: base + start, bytes: bytes)
  }

  /// The data must be covered without holes or overlaps, as the format demands.
  private static func checkCoverage(
    _ tensors: some Sequence<SafetensorsTensor>, _ data: UnsafeRawBufferPointer, _ path: String, _ damaged: (String) -> FormatError
  ) throws {
    guard let base = data.baseAddress else { return }
    var end = 0
    var last = "the header"
    for tensor in tensors.sorted(by: { ($0.data, $0.bytes) < ($1.data, $1.bytes) }) {
      let start = tensor.data - base
      guard start == end else { throw damaged("'\(tensor.name)' \(start < end ? "overlaps" : "leaves a hole after") \(last)") }
      end = start + tensor.bytes
      last = "'\(tensor.name)'"
    }
    guard end == data.count else { throw damaged("\(data.count - end) bytes after \(last) belong to no tensor") }
  }
}

extension SafetensorsFile {
  /// A tensor to be written.
  public struct Output {
    /// The name in the file.
    public var name: String
    /// How the numbers are stored.
    public var type: SafetensorsType
    /// Lengths, the slowest-running first.
    public var shape: [Int]
    /// The numbers' bytes, row-major, little-endian.
    public var data: UnsafeRawBufferPointer

    /// A tensor under `name`, its bytes read while writing.
    public init(name: String, type: SafetensorsType, shape: [Int], data: UnsafeRawBufferPointer) {
      self.name = name
      self.type = type
      self.shape = shape
      self.data = data
    }
  }

  /// A tensor to be written whose bytes are asked for when their turn comes.
  public struct Entry: Sendable {
    /// The name in the file.
    public var name: String
    /// How the numbers are stored.
    public var type: SafetensorsType
    /// Lengths, the slowest-running first.
    public var shape: [Int]

    /// A tensor under `name`.
    public init(name: String, type: SafetensorsType, shape: [Int]) {
      self.name = name
      self.type = type
      self.shape = shape
    }

    /// How many bytes it takes.
    public var bytes: Int { shape.reduce(type.elementBytes, *) }
  }

  /// Writes tensors in the order of the reference implementation: larger element types first, then by name.
  public static func write(_ outputs: [Output], metadata: OrderedDictionary<String, String> = ["format": "pt"], to path: String) throws {
    for output in outputs where output.shape.reduce(output.type.elementBytes, *) != output.data.count {
      throw FormatError("cannot write '\(output.name)': its shape \(output.shape) does not fit its \(output.data.count) bytes")
    }
    let entries = outputs.map { Entry(name: $0.name, type: $0.type, shape: $0.shape) }
    try write(entries, metadata: metadata, to: path) { index, file in try file.append(outputs[index].data) }
  }

  /// Writes tensors in the same order, asking for the bytes of each when its turn comes.
  ///
  /// - Parameter content: Appends exactly the bytes of `entries[index]`.
  public static func write(
    _ entries: [Entry], metadata: OrderedDictionary<String, String> = ["format": "pt"], to path: String,
    content: (_ index: Int, _ file: AtomicFile.Writer) throws -> Void
  ) throws {
    let sizes = SafetensorsType.allCases
    let order = entries.indices.sorted { a, b in
      let (ra, rb) = (sizes.firstIndex(of: entries[a].type) ?? 0, sizes.firstIndex(of: entries[b].type) ?? 0)
      return ra == rb ? Array(entries[a].name.utf8).lexicographicallyPrecedes(Array(entries[b].name.utf8)) : ra < rb
    }
    var header: OrderedDictionary<String, JSON> = ["__metadata__": .object(metadata.mapValues { .string($0) })]
    var offset = 0
    for index in order {
      let entry = entries[index]
      let end = offset + entry.bytes
      header[entry.name] = [
        "dtype": .string(entry.type.rawValue), "shape": .array(entry.shape.map { .int(Int64($0)) }),
        "data_offsets": [.int(Int64(offset)), .int(Int64(end))],
      ]
      offset = end
    }
    guard header.count == entries.count + 1 else { throw FormatError("cannot write \(path): two tensors have one name") }
    var text = Array(JSON.object(header).serialized().utf8)
    text.append(contentsOf: repeatElement(0x20, count: (8 - text.count % 8) % 8))
    try AtomicFile.write(to: path) { file in
      try withUnsafeBytes(of: UInt64(text.count).littleEndian) { try file.append($0) }
      try file.append(text)
      for index in order {
        let start = file.count
        try content(index, file)
        guard file.count - start == entries[index].bytes else {
          throw FormatError("'\(entries[index].name)' should take \(entries[index].bytes) bytes, but \(file.count - start) were written")
        }
      }
    }
  }
}
