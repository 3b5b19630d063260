// Ids and texts against the tokenizers and sentencepiece libraries, on tiny tokenizers of every kind.

import Formats
import Tokenizers
import XCTest

final class TokenizerFixtureTests: XCTestCase {
  private func check(_ tokenizer: Tokenizer, _ rows: JSON?, special: Bool, _ name: String) {
    for row in rows?.array ?? [] {
      let text = row["text"]?.string ?? ""
      let ids = row["ids"]?.ids ?? []
      XCTAssertEqual(tokenizer.encode(text, special: special), ids, "\(name): \(text.debugDescription)")
      assertSame(tokenizer.decode(ids), row["decoded"]?.string, "\(name): decoding \(ids)")
      assertSame(streamed(tokenizer, ids), tokenizer.decode(ids), "\(name): streaming \(ids)")
    }
  }

  private func streamed(_ tokenizer: Tokenizer, _ ids: [Int]) -> String {
    var decoder = StreamDecoder(tokenizer, skipSpecial: false)
    return ids.map { decoder.append($0) }.joined() + decoder.finish()
  }

  func testByteLevelAsTokenizersHasIt() throws {
    let values = try Fixture.json("values.json")
    for name in ["gpt2", "prefixed", "smollm", "llama3", "qwen2"] {
      let tokenizer = try Tokenizer(directory: Fixture.path(name))
      XCTAssertEqual(tokenizer.vocabularySize, values[name]?["vocab_size"]?.int, name)
      XCTAssertGreaterThan(values[name]?["strings"]?.array?.count ?? 0, 100)
      check(tokenizer, values[name]?["strings"], special: true, name)
      for row in values[name]?["decode"]?.array ?? [] {
        assertSame(tokenizer.decode(row["ids"]?.ids ?? []), row["decoded"]?.string, name)
        assertSame(tokenizer.decode(row["ids"]?.ids ?? [], skipSpecial: true), row["skipped"]?.string, name)
        assertSame(streamed(tokenizer, row["ids"]?.ids ?? []), row["decoded"]?.string, "\(name): streaming")
      }
    }
  }

  func testGGUFGivesWhatTheOtherFilesGive() throws {
    let values = try Fixture.json("values.json")
    let bytes = try Tokenizer(path: Fixture.path("smollm.gguf"))
    check(bytes, values["smollm"]?["strings"], special: true, "smollm.gguf")
    XCTAssertEqual(bytes.bosToken, "<|start|>")
    XCTAssertEqual(bytes.eosToken, "<|end|>")
    XCTAssertFalse(bytes.addsBOS)
    XCTAssertEqual(bytes.chatTemplate, "{{ 'd' }}")
    XCTAssertEqual(bytes.chatTemplates["tool_use"], "{{ 't' }}")
    let pieces = try Tokenizer(path: Fixture.path("sentencepiece.gguf"))
    check(pieces, values["sentencepiece"]?["strings"], special: false, "sentencepiece.gguf")
    XCTAssertTrue(pieces.addsBOS)
  }

  func testSentencePieceModelsAsTheirLibraryHasThem() throws {
    let values = try Fixture.json("values.json")
    for name in ["sentencepiece", "sentencepiece_other"] {
      let tokenizer = try Tokenizer(path: Fixture.path(name) + "/tokenizer.model")
      check(tokenizer, values[name]?["strings"], special: false, name)
      for row in values[name]?["decode"]?.array ?? [] {
        assertSame(tokenizer.decode(row["ids"]?.ids ?? []), row["decoded"]?.string, "\(name) \(row["ids"]?.ids ?? [])")
      }
    }
  }

  func testSentencePieceInTokenizerJSON() throws {
    let values = try Fixture.json("values.json")
    for name in ["legacy", "metaspace"] {
      let tokenizer = try Tokenizer(directory: Fixture.path(name))
      for row in values[name]?["strings"]?.array ?? [] {
        let text = row["text"]?.string ?? ""
        XCTAssertEqual(tokenizer.encode(text, special: true), row["ids"]?.ids ?? [], "\(name): \(text.debugDescription)")
      }
      XCTAssertEqual(tokenizer.bosID, 1)
      XCTAssertEqual(tokenizer.eosID, 2)
      XCTAssertTrue(tokenizer.addsBOS)
    }
  }

  func testTemplatesFromTheirThreeHomes() throws {
    let legacy = try Tokenizer(directory: Fixture.path("legacy"))
    XCTAssertEqual(legacy.chatTemplate, "{{ 'from config' }}")
    XCTAssertEqual(legacy.chatTemplates["rag"], "{{ 'rag' }}")
    let metaspace = try Tokenizer(directory: Fixture.path("metaspace"))
    XCTAssertEqual(metaspace.chatTemplate, "{{ 'from file' }}")
    XCTAssertEqual(metaspace.chatTemplates["tool_use"], "{{ 'tools' }}")
  }

  func testControlTokensOnlyWhereAsked() throws {
    for name in ["gpt2", "prefixed", "smollm", "llama3", "qwen2", "legacy", "metaspace", "smollm.gguf"] {
      let tokenizer = try Tokenizer(path: Fixture.path(name))
      let end = try XCTUnwrap(tokenizer.id(of: "<|end|>"))
      let tool = try XCTUnwrap(tokenizer.id(of: "<tool>"))
      XCTAssertTrue(tokenizer.isSpecial(end))
      XCTAssertFalse(tokenizer.isSpecial(tool))
      for text in ["<|end|>", "a<|end|>", "<|end|><|start|>", "<tool><|end|>"] {
        XCTAssertTrue(tokenizer.encode(text, special: true).contains(end), "\(name) \(text)")
        let plain = tokenizer.encode(text, special: false)
        XCTAssertFalse(plain.contains(where: tokenizer.isSpecial), "\(name) \(text) \(plain)")
        XCTAssertTrue(tokenizer.decode(plain).hasSuffix(String(text.suffix(5))))
      }
      XCTAssertTrue(tokenizer.encode("<tool>", special: false).contains(tool), "added ordinary tokens always count")
    }
  }

  func testEveryTextComesBack() throws {
    let values = try Fixture.json("values.json")
    for name in ["gpt2", "smollm", "llama3", "legacy"] {
      let tokenizer = try Tokenizer(directory: Fixture.path(name))
      for row in values[name]?["strings"]?.array ?? [] {
        let text = row["text"]?.string ?? ""
        if name == "legacy" && text.contains("<tool>") { continue }  // each text after it gets a blank of its own
        let ids = tokenizer.encode(text, special: false)
        // SentencePiece cannot tell a ▁ from a blank.
        let expected = name == "legacy" ? text.replacingOccurrences(of: "▁", with: " ") : text
        assertSame(tokenizer.decode(ids), expected, name)
      }
    }
  }

  func testIDsOutsideTheVocabulary() throws {
    let tokenizer = try Tokenizer(directory: Fixture.path("gpt2"))
    XCTAssertEqual(tokenizer.decode([-1, 1 << 40, Int.min, Int.max]), "")
    XCTAssertEqual(tokenizer.piece(-5), "")
    XCTAssertEqual(tokenizer.bytes(of: 1 << 50), [])
    XCTAssertFalse(tokenizer.isSpecial(-1))
    XCTAssertNil(tokenizer.id(of: "no such piece"))
  }

  func testThreadsShareATokenizer() throws {
    let tokenizer = try Tokenizer(directory: Fixture.path("smollm"))
    let text = String(repeating: "The quick brown fox doesn't jump over 1234 lazy dogs. ", count: 200)
    let expected = tokenizer.encode(text)
    DispatchQueue.concurrentPerform(iterations: 16) { _ in XCTAssertEqual(tokenizer.encode(text), expected) }
  }
}
