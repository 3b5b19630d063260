// Safetensors: written and read back, sharded, and every way in which a header can lie. Atomic writing.

import Formats
import Foundation
import XCTest

final class SafetensorsTests: XCTestCase {
  private var folder: TemporaryFolder?

  private func bytes(_ header: String, data: Int, length: UInt64? = nil) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.put(length ?? UInt64(header.utf8.count))
    return bytes + Array(header.utf8) + [UInt8](repeating: 1, count: data)
  }

  private func open(_ bytes: [UInt8]) throws -> SafetensorsFile {
    let folder = try self.folder ?? TemporaryFolder()
    self.folder = folder
    return try SafetensorsFile(path: try folder.file("m.safetensors", bytes))
  }

  func testWritesAndReads() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a.safetensors"
    let floats: [Float] = [1, 2, 3, 4, 5, 6]
    let halves: [UInt16] = [0x3F80, 0x4000]
    try floats.withUnsafeBytes { floats in
      try halves.withUnsafeBytes { halves in
        try SafetensorsFile.write(
          [
            .init(name: "b", type: .bf16, shape: [2], data: halves), .init(name: "z", type: .f32, shape: [2, 3], data: floats),
            .init(name: "a", type: .f16, shape: [2, 1], data: halves), .init(name: "y", type: .f32, shape: [6], data: floats),
          ], to: path)
      }
    }
    let file = try SafetensorsFile(path: path)
    XCTAssertEqual(Array(file.tensors.keys), ["y", "z", "b", "a"])
    XCTAssertEqual(file.metadata, ["format": "pt"])
    XCTAssertEqual(file.tensors["z"]?.shape, [2, 3])
    XCTAssertEqual(file.tensors["z"]?.data.loadUnaligned(fromByteOffset: 20, as: Float.self), 6)
    XCTAssertEqual(file.tensors["a"]?.data.loadUnaligned(fromByteOffset: 2, as: UInt16.self), 0x4000)
    XCTAssertEqual(Int(file.file.base.loadUnaligned(as: UInt64.self)) % 8, 0)
    XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: folder.path), ["a.safetensors"])
  }

  func testLies() throws {
    let one = #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#
    XCTAssertEqual(try open(bytes(one, data: 8)).tensors["a"]?.bytes, 8)
    assertFormatError("m.safetensors") { try open([1, 2, 3]) }
    for length in [UInt64.max, 1 << 40, 0, 1] {
      assertFormatError("length of its header") { try open(bytes(one, data: 8, length: length)) }
    }
    assertFormatError("cut short") { try open(bytes(one, data: 0, length: 5000)) }
    assertFormatError("cut short") { try open(bytes(one, data: 7)) }
    assertFormatError("belong to no tensor") { try open(bytes(one, data: 9)) }
    assertFormatError("(header):1:", "JSON") { try open(bytes("{\"a\":", data: 0)) }
    assertFormatError("not an object") { try open(bytes("[]", data: 0)) }
    let entry = { (type: String, shape: String, offsets: String) in
      try self.open(self.bytes(#"{"a":{"dtype":"\#(type)","shape":\#(shape),"data_offsets":\#(offsets)}}"#, data: 8))
    }
    assertFormatError("F8_E4M3", "not read") { try entry("F8_E4M3", "[8]", "[0,8]") }
    assertFormatError("takes 12 bytes") { try entry("F32", "[3]", "[0,8]") }
    assertFormatError("shape") { try entry("F32", "[-1]", "[0,8]") }
    assertFormatError("too large") { try entry("F32", "[4611686018427387904,4611686018427387904]", "[0,8]") }
    assertFormatError("offsets") { try entry("F32", "[2]", "[8,0]") }
    assertFormatError("lacks") { try entry("F32", "[2]", "[0]") }
    assertFormatError("leaves a hole") { try entry("F32", "[1]", "[4,8]") }
    let two = #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#
    assertFormatError("overlaps") { try open(bytes(two, data: 12)) }
    let sound = bytes(one, data: 8)
    for index in sound.indices {
      for value in [0, 0x7F, 0xFF] as [UInt8] {
        var changed = sound
        changed[index] = value
        do { _ = try open(changed) } catch is FormatError {}
      }
    }
  }

  func testShards() throws {
    let folder = try TemporaryFolder()
    assertFormatError("neither model.safetensors") { try SafetensorsDirectory(path: folder.path) }
    let shard = { (name: String) in self.bytes("{\"\(name)\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", data: 1) }
    _ = try folder.file("one.safetensors", shard("a"))
    _ = try folder.file("two.safetensors", shard("b"))
    let index = { (map: String) in _ = try folder.file("model.safetensors.index.json", "{\"weight_map\": \(map)}") }
    try index(#"{"a": "one.safetensors", "b": "two.safetensors"}"#)
    let directory = try SafetensorsDirectory(path: folder.path)
    XCTAssertEqual(Array(directory.tensors.keys), ["a", "b"])
    XCTAssertEqual(directory.files.count, 2)
    try index(#"{"a": "two.safetensors"}"#)
    assertFormatError("lacks the tensor 'a'") { try SafetensorsDirectory(path: folder.path) }
    try index(#"{"a": "three.safetensors"}"#)
    assertFormatError("three.safetensors", "No such file") { try SafetensorsDirectory(path: folder.path) }
    try index(#"{"a": "../one.safetensors"}"#)
    assertFormatError("plain file name") { try SafetensorsDirectory(path: folder.path) }
  }

  func testAtomicWriteKeepsTheOldFileOnFailure() throws {
    struct Stop: Error {}
    let folder = try TemporaryFolder()
    let path = folder.path + "/x"
    try AtomicFile.write("old", to: path)
    XCTAssertThrowsError(
      try AtomicFile.write(to: path) { file in
        try file.append(String(repeating: "new", count: 100_000))
        throw Stop()
      })
    XCTAssertEqual(try String(contentsOfFile: path, encoding: .utf8), "old")
    XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: folder.path), ["x"])
    try AtomicFile.write([UInt8](repeating: 65, count: 300_000), to: path)
    XCTAssertEqual(try MappedFile(path: path).count, 300_000)
    assertFormatError("No such file") { try AtomicFile.write("a", to: folder.path + "/no/such/folder") }
    assertFormatError("names no file") { try AtomicFile.write("a", to: folder.path + "/") }
  }
}
