// Writing GGUF, read back; models in parts, and parts that do not belong together.

import Formats
import Foundation
import XCTest

final class GGUFWriterTests: XCTestCase {
  private struct Stop: Error {}

  private func write(_ writer: GGUFWriter, to path: String) throws {
    try writer.write(to: path) { info, file in try file.append([UInt8](repeating: UInt8(info.name.utf8.first ?? 0), count: info.bytes)) }
  }

  func testEveryKindOfValueIsReadBack() throws {
    let folder = try TemporaryFolder()
    let path = "\(folder.path)/a.gguf"
    let values: [(String, GGUFValue)] = [
      ("u8", .uint8(200)), ("i8", .int8(-3)), ("u16", .uint16(65_000)), ("i16", .int16(-30_000)), ("u32", .uint32(4_000_000_000)),
      ("i32", .int32(-2_000_000_000)), ("u64", .uint64(.max)), ("i64", .int64(.min)), ("f32", .float32(1.5e-30)), ("f64", .float64(-0.1)),
      ("yes", .bool(true)), ("no", .bool(false)), ("text", .string("żółw \0 🐢")), ("texts", .strings(["a", "", "é"])),
      ("empty", .array(.int32, [])), ("nested", .array(.array, [.array(.uint8, [.uint8(1)]), .array(.float32, [.float32(2)])])),
    ]
    for alignment in [32, 4096] {
      var writer = GGUFWriter(alignment: alignment)
      for (key, value) in values { writer.set(key, value) }
      try writer.add("x", dimensions: [3], type: .f32)
      try writer.add("y", dimensions: [256, 5], type: .q6_K)
      try writer.add("z", dimensions: [32, 2, 2], type: .q4_0)
      XCTAssertEqual(writer.dataBytes, 12 + 5 * 210 + 4 * 18)
      try write(writer, to: path)
      let file = try GGUFFile(path: path)
      for (key, value) in values { XCTAssertEqual(file.metadata[key], value, key) }
      XCTAssertEqual(file.tensors["y"]?.dimensions, [256, 5])
      for tensor in file.tensors.values {
        XCTAssertEqual((tensor.data - file.files[0].base) % alignment, 0)
        XCTAssertEqual((tensor.data + tensor.bytes - 1).load(as: UInt8.self), tensor.name.utf8.first)
      }
    }
  }

  func testWhatCannotBeWritten() throws {
    let folder = try TemporaryFolder()
    var writer = GGUFWriter()
    try writer.add("x", dimensions: [32], type: .q8_0)
    assertFormatError("two tensors named 'x'") { try writer.add("x", dimensions: [1], type: .f32) }
    assertFormatError("as q8_0") { try writer.add("a", dimensions: [33], type: .q8_0) }
    assertFormatError("dimensions") { try writer.add("b", dimensions: [], type: .f32) }
    let path = "\(folder.path)/b.gguf"
    assertFormatError("34 bytes, but 3") { try writer.write(to: path) { _, file in try file.append([1, 2, 3]) } }
    XCTAssertThrowsError(try writer.write(to: path) { _, _ in throw Stop() })
    XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: folder.path), [])
  }

  private func part(_ number: Int, of count: Int, tensors: [String], total: Int, _ folder: TemporaryFolder, name: String = "m") throws {
    var writer = GGUFWriter()
    if number == 0 { writer.set("general.architecture", .string("llama")) }
    writer.set("split.no", .uint16(UInt16(number)))
    writer.set("split.count", .uint16(UInt16(count)))
    writer.set("split.tensors.count", .int32(Int32(total)))
    for tensor in tensors { try writer.add(tensor, dimensions: [8], type: .f32) }
    try write(writer, to: "\(folder.path)/\(name)-0000\(number + 1)-of-0000\(count).gguf")
  }

  func testModelsInPartsAreOpenedByAnyPart() throws {
    let folder = try TemporaryFolder()
    try part(0, of: 3, tensors: [], total: 3, folder)
    try part(1, of: 3, tensors: ["a", "b"], total: 3, folder)
    try part(2, of: 3, tensors: ["c"], total: 3, folder)
    for number in 1...3 {
      let file = try GGUFFile(path: "\(folder.path)/m-0000\(number)-of-00003.gguf")
      XCTAssertEqual(Array(file.tensors.keys), ["a", "b", "c"])
      XCTAssertEqual(file.metadata["general.architecture"]?.string, "llama")
      XCTAssertEqual(file.tensors["c"]?.data.load(as: UInt8.self), UInt8(ascii: "c"))
      XCTAssertEqual(file.files.count, 3)
    }
    let path = "\(folder.path)/m-00001-of-00003.gguf"
    try part(2, of: 3, tensors: ["a"], total: 3, folder)
    assertFormatError("'a' is in another part") { try GGUFFile(path: path) }
    try part(2, of: 3, tensors: ["c", "d"], total: 3, folder)
    assertFormatError("4 tensors instead of 3") { try GGUFFile(path: path) }
    try FileManager.default.removeItem(atPath: "\(folder.path)/m-00003-of-00003.gguf")
    assertFormatError("m-00003-of-00003.gguf is missing") { try GGUFFile(path: path) }
    try part(1, of: 3, tensors: ["c"], total: 3, folder, name: "n")
    try FileManager.default.moveItem(atPath: "\(folder.path)/n-00002-of-00003.gguf", toPath: "\(folder.path)/m-00003-of-00003.gguf")
    assertFormatError("not part 3 of 3") { try GGUFFile(path: path) }
    try FileManager.default.moveItem(atPath: path, toPath: "\(folder.path)/renamed.gguf")
    assertFormatError("does not end in -00001-of-00003.gguf") { try GGUFFile(path: "\(folder.path)/renamed.gguf") }
    try part(5, of: 3, tensors: [], total: 0, folder, name: "lie")
    assertFormatError("part 6 of 3") { try GGUFFile(path: "\(folder.path)/lie-00006-of-00003.gguf") }
  }
}
