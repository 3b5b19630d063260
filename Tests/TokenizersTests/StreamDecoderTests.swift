// Text as it comes: whole characters only, and together just what decoding the whole list gives.

import Tokenizers
import XCTest

final class StreamDecoderTests: XCTestCase {
  func testACharacterAppearsWithItsLastByte() throws {
    let tokenizer = try Tokenizer(directory: Fixture.path("gpt2"))
    var decoder = StreamDecoder(tokenizer)
    let bytes = try Array("a😀é".utf8).map { byte in try XCTUnwrap((0..<256).first { tokenizer.bytes(of: $0) == [byte] }) }
    XCTAssertEqual(bytes.map { decoder.append($0) }, ["a", "", "", "", "😀", "", "é"])
    XCTAssertEqual(decoder.finish(), "")
  }

  func testHalfACharacterAtTheEndIsOneMark() throws {
    let tokenizer = try Tokenizer(directory: Fixture.path("gpt2"))
    var decoder = StreamDecoder(tokenizer)
    let bytes = try Array("😀".utf8).prefix(3).map { byte in try XCTUnwrap((0..<256).first { tokenizer.bytes(of: $0) == [byte] }) }
    XCTAssertEqual(bytes.map { decoder.append($0) }, ["", "", ""])
    XCTAssertEqual(decoder.finish(), "\u{FFFD}")
  }

  func testRandomBytesStreamAsTheyDecode() throws {
    var state: UInt64 = 3
    for name in ["gpt2", "legacy"] {
      let tokenizer = try Tokenizer(directory: Fixture.path(name))
      // Bytes that begin, continue or break characters, and whole pieces between them.
      let ids = (0..<tokenizer.vocabularySize).filter { tokenizer.bytes(of: $0).count == 1 || $0 % 7 == 0 }
      for _ in 0..<3000 {
        let list = (0..<9).map { _ in
          state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
          return ids[Int(state >> 33) % ids.count]
        }
        var decoder = StreamDecoder(tokenizer, skipSpecial: false)
        let parts = list.map { decoder.append($0) } + [decoder.finish()]
        assertSame(parts.joined(), tokenizer.decode(list), "\(name) \(list)")
        // Swift's own replacement of what is no UTF-8 follows the same practice as the byte-level kind.
        if name == "gpt2" {
          assertSame(tokenizer.decode(list), String(decoding: list.flatMap { tokenizer.bytes(of: $0) }, as: UTF8.self), "\(list)")
        }
      }
    }
  }

  func testLeadingBlankOfSentencePiece() throws {
    let tokenizer = try Tokenizer(directory: Fixture.path("legacy"))
    let ids = tokenizer.encode("the fox")
    var fresh = StreamDecoder(tokenizer)
    XCTAssertEqual(ids.map { fresh.append($0) }.joined() + fresh.finish(), "the fox")
    var going = StreamDecoder(tokenizer, continuesText: true)
    XCTAssertEqual(ids.map { going.append($0) }.joined() + going.finish(), " the fox")
  }
}
