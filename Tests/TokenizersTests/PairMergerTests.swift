// Merging by scan and by heap against the plainest way, on random tables: short words and long, many ties and few.

import Tokenizers
import XCTest

final class PairMergerTests: XCTestCase {
  func testBothWaysGiveWhatTheOracleGives() {
    var state: UInt64 = 7
    func random(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    for round in 0..<400 {
      let letters = 2 + random(4)
      var table = MergeTable(capacity: 8)
      var symbols = Int32(letters)
      for rank in 0..<(4 + random(60)) {
        let tie = round % 2 == 0 ? rank : rank / 5  // SentencePiece scores may be equal
        table.insert(Int32(random(Int(symbols))), Int32(random(Int(symbols))), rank: UInt32(tie), merged: symbols)
        symbols += 1
      }
      for length in [0, 1, 2, 3, 7, PairMerger.longWord - 1, PairMerger.longWord, 97, 300] {
        let word = (0..<length).map { _ in Int32(random(letters)) }
        var merger = PairMerger()
        merger.symbols = word
        merger.merge(table)
        XCTAssertEqual(merger.symbols, PairMerger.mergeNaively(word, table), "round \(round), length \(length)")
        XCTAssertEqual(merger.starts.count, merger.symbols.count)
        XCTAssertEqual(merger.starts.map { Int($0) }, merger.starts.map { Int($0) }.sorted())
      }
    }
  }
}
