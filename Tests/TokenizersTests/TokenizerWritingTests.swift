// Tokenizers written in the other format and read again give the same ids on every text of the fixtures.

import Formats
import Foundation
import Tokenizers
import XCTest

final class TokenizerWritingTests: XCTestCase {
  private let folder = NSTemporaryDirectory() + "/zs-tokenizers-\(UUID().uuidString)"

  override func tearDown() { try? FileManager.default.removeItem(atPath: folder) }

  private func throughGGUF(_ tokenizer: Tokenizer, rows: Int) throws -> Tokenizer {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    var writer = GGUFWriter()
    for (key, value) in try tokenizer.ggufMetadata(vocabularySize: rows) { writer.set(key, value) }
    try writer.write(to: "\(folder)/t.gguf") { _, _ in }
    return try Tokenizer(path: "\(folder)/t.gguf")
  }

  private func throughFolder(_ tokenizer: Tokenizer, _ name: String) throws -> Tokenizer {
    let path = "\(folder)/\(name)"
    try FileManager.default.createDirectory(atPath: "\(path)/additional_chat_templates", withIntermediateDirectories: true)
    for (name, text) in try tokenizer.huggingFaceFiles() { try AtomicFile.write(text, to: "\(path)/\(name)") }
    return try Tokenizer(path: path)
  }

  private func assertSameIDs(_ a: Tokenizer, _ b: Tokenizer, _ rows: JSON?, special: Bool, _ name: String) {
    XCTAssertGreaterThan(rows?.array?.count ?? 0, 50, name)
    for row in rows?.array ?? [] {
      let text = row["text"]?.string ?? ""
      let ids = a.encode(text, special: special)
      XCTAssertEqual(b.encode(text, special: special), ids, "\(name): \(text.debugDescription)")
      assertSame(b.decode(ids), a.decode(ids), "\(name): decoding \(ids)")
    }
    XCTAssertEqual(b.bosID, a.bosID, name)
    XCTAssertEqual(b.eosID, a.eosID, name)
    XCTAssertEqual(b.padID, a.padID, name)
    XCTAssertEqual(b.addsBOS, a.addsBOS, name)
    XCTAssertEqual(b.addsEOS, a.addsEOS, name)
    XCTAssertEqual(b.chatTemplates, a.chatTemplates, name)
  }

  func testByteLevelTokenizers() throws {
    let values = try Fixture.json("values.json")
    for name in ["gpt2", "smollm", "llama3", "qwen2"] {
      let tokenizer = try Tokenizer(directory: Fixture.path(name))
      let strings = values[name]?["strings"]
      // A GGUF file cannot say that characters are composed first.
      let hasForm = name != "qwen2"
      if hasForm {
        let gguf = try throughGGUF(tokenizer, rows: tokenizer.vocabularySize + 3)
        XCTAssertEqual(gguf.vocabularySize, tokenizer.vocabularySize + 3)
        assertSameIDs(tokenizer, gguf, strings, special: true, "\(name) as GGUF")
      }
      assertSameIDs(tokenizer, try throughFolder(tokenizer, name), strings, special: true, "\(name) as tokenizer.json")
    }
    let prefixed = try Tokenizer(directory: Fixture.path("prefixed"))
    XCTAssertThrowsError(try throughGGUF(prefixed, rows: prefixed.vocabularySize))
  }

  func testSentencePieceTokenizers() throws {
    let values = try Fixture.json("values.json")
    let pieces = try Tokenizer(path: Fixture.path("sentencepiece.gguf"))
    let strings = values["sentencepiece"]?["strings"]
    assertSameIDs(pieces, try throughGGUF(pieces, rows: pieces.vocabularySize), strings, special: false, "sentencepiece as GGUF")
    let legacy = try Tokenizer(directory: Fixture.path("legacy"))
    let legacyStrings = values["legacy"]?["strings"]
    assertSameIDs(legacy, try throughGGUF(legacy, rows: legacy.vocabularySize), legacyStrings, special: true, "legacy as GGUF")
    for name in ["legacy", "metaspace"] {
      let tokenizer = try Tokenizer(directory: Fixture.path(name))
      assertSameIDs(
        tokenizer, try throughFolder(tokenizer, "again-\(name)"), values[name]?["strings"], special: true, "\(name) as tokenizer.json")
    }
  }
}
