// GGUF: a small file put together by hand, then every way in which such a file can lie.

import Formats
import XCTest

/// A GGUF file in pieces, so that a test can spoil one of them.
struct GGUFBytes {
  var magic = Array("GGUF".utf8)
  var version: UInt32 = 3
  var tensorCount: UInt64?
  var metadataCount: UInt64?
  var metadata: [[UInt8]] = []
  var tensors: [[UInt8]] = []
  var data: [UInt8] = []
  var alignment = 32

  mutating func add(_ key: String, type: UInt32, _ value: [UInt8]) {
    var entry: [UInt8] = []
    entry.put(key)
    entry.put(type)
    metadata.append(entry + value)
  }

  mutating func add(_ key: String, _ text: String) {
    var value: [UInt8] = []
    value.put(text)
    add(key, type: 8, value)
  }

  mutating func tensor(_ name: String, _ dimensions: [UInt64], type: UInt32, offset: UInt64) {
    var entry: [UInt8] = []
    entry.put(name)
    entry.put(UInt32(dimensions.count))
    for dimension in dimensions { entry.put(dimension) }
    entry.put(type)
    entry.put(offset)
    tensors.append(entry)
  }

  var bytes: [UInt8] {
    var bytes = magic
    bytes.put(version)
    bytes.put(tensorCount ?? UInt64(tensors.count))
    bytes.put(metadataCount ?? UInt64(metadata.count))
    bytes += metadata.joined()
    bytes += tensors.joined()
    bytes += [UInt8](repeating: 0, count: (alignment - bytes.count % alignment) % alignment)
    return bytes + data
  }

  static func sample() -> GGUFBytes {
    var file = GGUFBytes()
    file.add("general.architecture", "llama")
    file.add("llama.block_count", type: 4, [2, 0, 0, 0])
    var list: [UInt8] = []
    list.put(UInt32(8))
    list.put(UInt64(2))
    list.put("a")
    list.put("é")
    file.add("tokens", type: 9, list)
    file.tensor("x", [2, 3], type: 0, offset: 0)
    file.tensor("q", [64], type: 3, offset: 32)
    for value in 0..<6 { file.data.put(Float(value).bitPattern) }
    file.data += [UInt8](repeating: 0, count: 8) + [UInt8](repeating: 7, count: 40)
    return file
  }
}

final class GGUFTests: XCTestCase {
  private var folder: TemporaryFolder?

  private func open(_ bytes: [UInt8]) throws -> GGUFFile {
    let folder = try self.folder ?? TemporaryFolder()
    self.folder = folder
    return try GGUFFile(path: try folder.file("model.gguf", bytes))
  }

  private func spoiled(_ change: (inout GGUFBytes) -> Void) throws -> GGUFFile {
    var file = GGUFBytes.sample()
    change(&file)
    return try open(file.bytes)
  }

  func testReads() throws {
    for version in [2, 3] as [UInt32] {
      let file = try spoiled { $0.version = version }
      XCTAssertEqual(file.version, Int(version))
      XCTAssertEqual(file.metadata["general.architecture"]?.string, "llama")
      XCTAssertEqual(file.metadata["llama.block_count"]?.int, 2)
      XCTAssertEqual(file.metadata["tokens"]?.strings, ["a", "é"])
      XCTAssertNil(file.metadata["tokens"]?.ints)
      XCTAssertEqual(file.tensors["x"]?.dimensions, [2, 3])
      XCTAssertEqual(file.tensors["x"]?.data.load(fromByteOffset: 20, as: Float.self), 5)
      XCTAssertEqual(file.tensors["q"]?.bytes, 40)
      XCTAssertEqual(file.tensors["q"]?.data.load(fromByteOffset: 39, as: UInt8.self), 7)
      XCTAssertEqual(file.tensors["q"]?.type.name, "q4_1")
    }
  }

  func testNotGGUF() throws {
    let folder = try TemporaryFolder()
    assertFormatError("nothing.gguf", "No such file") { try GGUFFile(path: folder.path + "/nothing.gguf") }
    assertFormatError("is a folder") { try GGUFFile(path: folder.path) }
    assertFormatError("model.gguf is empty") { try open([]) }
    assertFormatError("text file", "Once upon a time", "not a GGUF file") { try open(Array("Once upon a time\nthere was".utf8)) }
    assertFormatError("web page") { try open(Array("<!DOCTYPE html>\n<html>".utf8)) }
    assertFormatError("Git LFS") { try open(Array("version https://git-lfs.github.com/spec/v1\noid".utf8)) }
    assertFormatError("50 4b 03 05") { try open([0x50, 0x4B, 3, 5, 0, 0]) }
    assertFormatError("pickle", "convert") { try open([0x50, 0x4B, 3, 4, 0, 0]) }
    assertFormatError("version 1") { try spoiled { $0.version = 1 } }
    assertFormatError("version 99") { try spoiled { $0.version = 99 } }
    assertFormatError("big-endian") { try spoiled { $0.version = UInt32(3).byteSwapped } }
  }

  func testEveryTruncationIsAnError() throws {
    let bytes = GGUFBytes.sample().bytes
    for length in 0..<bytes.count { assertFormatError("model.gguf") { try open(Array(bytes[..<length])) } }
  }

  /// Flipping any byte of the header to 0xFF may still be valid (a name, a value) but must never trap.
  func testAnyByteMayBeWrong() throws {
    let bytes = GGUFBytes.sample().bytes
    for index in 0..<bytes.count - 72 {
      for value in [0x7F, 0xFF] as [UInt8] {
        var changed = bytes
        changed[index] = value
        do { _ = try open(changed) } catch is FormatError {}
      }
    }
  }

  func testAbsurdCounts() throws {
    assertFormatError("number of tensors", "18446744073709551615") { try spoiled { $0.tensorCount = .max } }
    assertFormatError("number of metadata") { try spoiled { $0.metadataCount = 1 << 40 } }
    for length in [UInt64.max, UInt64(Int64.max), 1 << 33] {
      assertFormatError("damaged") {
        try spoiled { file in
          var value: [UInt8] = []
          value.put(length)
          file.add("long", type: 8, value)
        }
      }
      assertFormatError("length of 'list'") {
        try spoiled { file in
          var value: [UInt8] = []
          value.put(UInt32(4))
          value.put(length)
          file.add("list", type: 9, value)
        }
      }
    }
    assertFormatError("impossible") { try spoiled { $0.tensor("big", [1 << 40, 1 << 40], type: 0, offset: 64) } }
    assertFormatError("impossible") { try spoiled { $0.tensor("big", [.max], type: 0, offset: 64) } }
    assertFormatError("impossible") { try spoiled { $0.tensor("none", [0], type: 0, offset: 64) } }
    assertFormatError("cut short") { try spoiled { $0.tensor("large", [1 << 40], type: 0, offset: 64) } }
    assertFormatError("cut short") { try spoiled { $0.tensor("far", [1], type: 0, offset: .max - 31) } }
    assertFormatError("dimensions") { try spoiled { $0.tensor("deep", [1, 1, 1, 1, 1], type: 0, offset: 64) } }
  }

  func testLies() throws {
    assertFormatError("IQ2_XXS", "not read") { try spoiled { $0.tensor("w", [256], type: 16, offset: 64) } }
    assertFormatError("unknown type 77") { try spoiled { $0.tensor("w", [256], type: 77, offset: 64) } }
    assertFormatError("multiple of the 32") { try spoiled { $0.tensor("w", [33], type: 3, offset: 64) } }
    assertFormatError("alignment") { try spoiled { $0.tensor("w", [1], type: 0, offset: 4) } }
    assertFormatError("overlap") { try spoiled { $0.tensor("w", [1], type: 0, offset: 0) } }
    assertFormatError("occurs twice") { try spoiled { $0.add("general.architecture", "llama") } }
    assertFormatError("'x' occurs twice") { try spoiled { $0.tensor("x", [1], type: 0, offset: 64) } }
    assertFormatError("unknown type 13") { try spoiled { $0.add("k", type: 13, []) } }
    assertFormatError("general.alignment") { try spoiled { $0.add("general.alignment", type: 4, [3, 0, 0, 0]) } }
    assertFormatError("nest deeper") {
      try spoiled { file in
        var value: [UInt8] = []
        for _ in 0..<1000 {
          value.put(UInt32(9))
          value.put(UInt64(1))
        }
        file.add("nested", type: 9, value)
      }
    }
  }
}
