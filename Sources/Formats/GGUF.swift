// Reading GGUF v2 and v3 over a memory map. No count, length or offset of the file is believed before it is
// compared with the bytes that are there.

import OrderedCollections

/// A GGUF model file: metadata, and tensors as views into the mapped bytes.
///
/// A model that was split into several files (`name-00001-of-00003.gguf`) is opened by any of them.
public final class GGUFFile: @unchecked Sendable {
  /// The path it was opened by.
  public let path: String
  /// The format version, 2 or 3.
  public let version: Int
  /// The metadata in file order; of a split model, that of its first file.
  public let metadata: OrderedDictionary<String, GGUFValue>
  /// The tensors in file order.
  public let tensors: OrderedDictionary<String, GGUFTensor>
  /// The mapped file or files, which must live as long as any tensor view.
  public let files: [MappedFile]

  /// Opens and checks the file at `path`, and its other parts if it is one of several.
  ///
  /// - Throws: `FormatError` naming the file, what was found in it and what to do.
  public init(path: String) throws {
    self.path = path
    let parts = try GGUFPart.all(path)
    version = parts[0].version
    metadata = parts[0].metadata
    files = parts.map(\.file)
    var tensors = parts[0].tensors
    for part in parts.dropFirst() {
      for (name, tensor) in part.tensors where tensors.updateValue(tensor, forKey: name) != nil {
        throw FormatError("\(part.file.path) is damaged: the tensor '\(name)' is in another part too", hint: "get all parts again")
      }
    }
    self.tensors = tensors
  }

  /// Bytes of the file or files.
  public var bytes: Int { files.reduce(0) { $0 + $1.count } }

  /// A metadata value that must be there, as text, number or array.
  public func required(_ key: String) throws -> GGUFValue {
    guard let value = metadata[key] else {
      throw FormatError("\(path) has no metadata '\(key)'", hint: "the file may be incomplete; convert or download it again")
    }
    return value
  }
}

/// One file: a whole model, or a part of one.
struct GGUFPart {
  let file: MappedFile
  let version: Int
  let metadata: OrderedDictionary<String, GGUFValue>
  let tensors: OrderedDictionary<String, GGUFTensor>

  init(path: String) throws {
    file = try MappedFile(path: path)
    var reader = GGUFReader(file)
    let counts = try reader.header()
    version = counts.version
    metadata = try reader.metadata(count: counts.metadata)
    tensors = try reader.tensors(count: counts.tensors, alignment: try reader.alignment(metadata))
  }
}

private struct GGUFReader {
  let file: MappedFile
  var position = 0

  init(_ file: MappedFile) { self.file = file }

  var remaining: Int { file.count - position }

  func truncated(_ what: String) -> FormatError {
    FormatError(
      "\(file.path) is cut short: \(what), but the file ends at byte \(file.count)",
      hint: "the download or copy was probably interrupted; get the file again")
  }

  func damaged(_ what: String) -> FormatError {
    FormatError("\(file.path) is damaged: \(what)", hint: "get the file again, or convert the model again")
  }

  mutating func read<T: FixedWidthInteger>(_: T.Type, _ what: @autoclosure () -> String) throws -> T {
    guard remaining >= MemoryLayout<T>.size else { throw truncated("\(what()) should be at byte \(position)") }
    defer { position += MemoryLayout<T>.size }
    return T(littleEndian: file.base.loadUnaligned(fromByteOffset: position, as: T.self))
  }

  /// A count of things that take at least `least` bytes each, believed only if so many can still follow.
  mutating func count(_ what: @autoclosure () -> String, least: Int) throws -> Int {
    let claimed = try read(UInt64.self, what())
    guard let count = Int(exactly: claimed), count <= remaining / max(least, 1) else {
      throw damaged("\(what()) is given as \(claimed), more than the remaining \(remaining) bytes can hold")
    }
    return count
  }

  mutating func string(_ what: @autoclosure () -> String) throws -> String {
    let length = try count("the length of \(what())", least: 1)
    defer { position += length }
    return String(decoding: UnsafeRawBufferPointer(start: file.base + position, count: length), as: UTF8.self)
  }

  mutating func header() throws -> (version: Int, metadata: Int, tensors: Int) {
    let magic = file.withBytes { Array($0.prefix(4)) }
    guard magic == Array("GGUF".utf8) else { throw notGGUF(magic) }
    position = 4
    let version = try read(UInt32.self, "the version")
    guard version == 2 || version == 3 else {
      if version.byteSwapped == 2 || version.byteSwapped == 3 {
        throw FormatError("\(file.path) is a big-endian GGUF file", hint: "convert it to little-endian (gguf_convert_endian.py)")
      }
      throw FormatError(
        "\(file.path) is GGUF version \(version); versions 2 and 3 are read", hint: "convert the model again with a current llama.cpp")
    }
    let tensors = try count("the number of tensors", least: 24)
    let metadata = try count("the number of metadata entries", least: 13)
    return (Int(version), metadata, tensors)
  }

  private func notGGUF(_ magic: [UInt8]) -> FormatError {
    let path = file.path
    guard !magic.isEmpty else { return FormatError("\(path) is empty", hint: "get the file again") }
    let start = file.withBytes { Array($0.prefix(64)) }
    if PickleFile.isPickle(start) { return PickleFile.refusal(path) }
    if start.starts(with: Array("version https://git-lfs".utf8)) {
      return FormatError("\(path) is a Git LFS pointer, not the model itself", hint: "run 'git lfs pull', or download the file itself")
    }
    let line = start.prefix { $0 != 0x0A && $0 != 0x0D }.prefix(32)
    if line.allSatisfy({ $0 >= 0x20 && $0 < 0x7F || $0 == 0x09 }) {
      let hint =
        start.first == UInt8(ascii: "<") ? "a web page was saved instead of the model; download it again" : "give the path of a GGUF model"
      return FormatError(
        "\(path) is a text file that begins with \"\(String(decoding: line, as: UTF8.self))\", not a GGUF file", hint: hint)
    }
    let shown = magic.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
    return FormatError(
      "\(path) is not a GGUF file: it begins with the bytes \(shown) instead of 'GGUF'", hint: "give the path of a GGUF model")
  }

  mutating func metadata(count: Int) throws -> OrderedDictionary<String, GGUFValue> {
    var result: OrderedDictionary<String, GGUFValue> = [:]
    for index in 0..<count {
      let key = try string("metadata key \(index)")
      let type = try valueType("'\(key)'")
      let value = try value(type, key, depth: 0)
      guard result.updateValue(value, forKey: key) == nil else { throw damaged("the metadata key '\(key)' occurs twice") }
    }
    return result
  }

  private mutating func valueType(_ what: @autoclosure () -> String) throws -> GGUFValueType {
    let raw = try read(UInt32.self, "the type of \(what())")
    guard let type = GGUFValueType(rawValue: raw) else { throw damaged("metadata \(what()) has the unknown type \(raw)") }
    return type
  }

  private mutating func value(_ type: GGUFValueType, _ key: String, depth: Int) throws -> GGUFValue {
    // Arrays of a hundred thousand strings come through here: the texts of messages are made only when one is thrown.
    func what() -> String { "the value of '\(key)'" }
    switch type {
    case .uint8: return .uint8(try read(UInt8.self, what()))
    case .int8: return .int8(try read(Int8.self, what()))
    case .uint16: return .uint16(try read(UInt16.self, what()))
    case .int16: return .int16(try read(Int16.self, what()))
    case .uint32: return .uint32(try read(UInt32.self, what()))
    case .int32: return .int32(try read(Int32.self, what()))
    case .uint64: return .uint64(try read(UInt64.self, what()))
    case .int64: return .int64(try read(Int64.self, what()))
    case .float32: return .float32(Float(bitPattern: try read(UInt32.self, what())))
    case .float64: return .float64(Double(bitPattern: try read(UInt64.self, what())))
    case .bool: return .bool(try read(UInt8.self, what()) != 0)
    case .string: return .string(try string("'\(key)'"))
    case .array:
      guard depth < 4 else { throw damaged("the arrays of '\(key)' nest deeper than 4 levels") }
      let elementType = try valueType("the elements of '\(key)'")
      let count = try count("the length of '\(key)'", least: elementType.leastBytes)
      var elements: [GGUFValue] = []
      elements.reserveCapacity(count)
      for _ in 0..<count { elements.append(try value(elementType, key, depth: depth + 1)) }
      return .array(elementType, elements)
    }
  }

  func alignment(_ metadata: OrderedDictionary<String, GGUFValue>) throws -> Int {
    guard let value = metadata["general.alignment"] else { return 32 }
    guard let alignment = value.int, alignment > 0, alignment <= 1 << 20, alignment & (alignment - 1) == 0 else {
      throw damaged("general.alignment is \(value), not a power of two")
    }
    return alignment
  }

  private struct Entry {
    var name: String
    var dimensions: [Int]
    var type: GGUFTensorType
    var offset: Int
    var bytes: Int
  }

  mutating func tensors(count: Int, alignment: Int) throws -> OrderedDictionary<String, GGUFTensor> {
    var entries: [Entry] = []
    entries.reserveCapacity(count)
    for index in 0..<count { entries.append(try tensorEntry(index, alignment)) }
    let (start, overflow) = ((position + alignment - 1) / alignment).multipliedReportingOverflow(by: alignment)
    guard !overflow, start <= file.count || entries.allSatisfy({ $0.bytes == 0 }) else {
      throw truncated("tensor data should begin at byte \(start)")
    }
    var result: OrderedDictionary<String, GGUFTensor> = [:]
    for entry in entries {
      // Both are at most file.count, as tensorEntry checked, so the sums cannot overflow.
      guard start + entry.offset + entry.bytes <= file.count else {
        throw truncated("the tensor '\(entry.name)' takes bytes \(start + entry.offset) to \(start + entry.offset + entry.bytes)")
      }
      let tensor = GGUFTensor(
        name: entry.name, dimensions: entry.dimensions, type: entry.type, data: file.base + start + entry.offset, bytes: entry.bytes)
      guard result.updateValue(tensor, forKey: entry.name) == nil else { throw damaged("the tensor '\(entry.name)' occurs twice") }
    }
    var end = (at: 0, name: "")
    for entry in entries.sorted(by: { $0.offset < $1.offset }) where entry.bytes > 0 {
      guard entry.offset >= end.at else { throw damaged("the tensors '\(end.name)' and '\(entry.name)' overlap") }
      end = (entry.offset + entry.bytes, entry.name)
    }
    return result
  }

  private mutating func tensorEntry(_ index: Int, _ alignment: Int) throws -> Entry {
    let name = try string("the name of tensor \(index)")
    let rank = try read(UInt32.self, "the rank of '\(name)'")
    guard rank >= 1, rank <= 4 else { throw damaged("the tensor '\(name)' has \(rank) dimensions; 1 to 4 are possible") }
    var dimensions: [Int] = []
    var elements = 1
    for _ in 0..<rank {
      let length = try read(UInt64.self, "the dimensions of '\(name)'")
      let (product, overflow) = elements.multipliedReportingOverflow(by: Int(exactly: length) ?? Int.max)
      guard length > 0, !overflow, product < Int.max / 16 else {
        throw damaged("the dimensions of '\(name)' are impossible: \(dimensions.map(String.init).joined(separator: " × ")) × \(length)")
      }
      elements = product
      dimensions.append(Int(length))
    }
    let type = try tensorType(name)
    guard dimensions[0] % type.blockElements == 0 else {
      throw damaged(
        "'\(name)' has rows of \(dimensions[0]) elements, no multiple of the \(type.blockElements) that a \(type.name) block holds")
    }
    let bytes = elements / type.blockElements * type.blockBytes
    let offset = try read(UInt64.self, "the offset of '\(name)'")
    guard bytes <= file.count, let offset = Int(exactly: offset), offset <= file.count else {
      throw truncated("the tensor '\(name)' of \(bytes) bytes begins at offset \(offset)")
    }
    guard offset % alignment == 0 else { throw damaged("the offset \(offset) of '\(name)' is no multiple of the alignment \(alignment)") }
    return Entry(name: name, dimensions: dimensions, type: type, offset: offset, bytes: bytes)
  }

  private mutating func tensorType(_ name: String) throws -> GGUFTensorType {
    let raw = try read(UInt32.self, "the type of '\(name)'")
    if let type = GGUFTensorType(rawValue: raw) { return type }
    guard let refused = GGUFTensorType.refused[raw] else { throw damaged("the tensor '\(name)' has the unknown type \(raw)") }
    throw FormatError(
      "\(file.path) holds tensors of type \(refused) ('\(name)'), which is not read",
      hint: "take a file of type Q8_0, Q6_K, Q5_K, Q4_K, Q4_1, Q4_0, F16 or BF16")
  }
}
