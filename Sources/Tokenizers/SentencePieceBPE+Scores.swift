// Scores to merges. SentencePiece joins any two neighbours whose joined text is a piece, best score first; asked for
// every way to cut every piece in two, that is a table of merges whose ranks are the order of the scores.

extension SentencePieceBPE {
  static func mergesByScore(
    _ pieces: ByteTable, _ scores: [Float], _ options: Options, _ symbols: CharacterSymbols
  ) -> (MergeTable, [Int32: (left: Int32, right: Int32)]) {
    let ranks = ranksOfScores(scores)
    var merges = MergeTable(capacity: pieces.count * 4)
    var unused: [Int32: (left: Int32, right: Int32)] = [:]
    for id in 0..<pieces.count where options.isOrdinary(id) && id < scores.count {
      let piece = pieces[id]
      var cut = piece.startIndex + (piece.first.map(CharacterSymbols.length) ?? 0)
      while cut < piece.endIndex {
        let left = piece[piece.startIndex..<cut]
        let right = piece[cut...]
        if let left = symbol(left, pieces, options, symbols), let right = symbol(right, pieces, options, symbols) {
          let merged = Int32(truncatingIfNeeded: id)
          merges.insert(left, right, rank: ranks[id], merged: merged)
          if options.isUnused(id) && unused[merged] == nil { unused[merged] = (left, right) }
        }
        cut += CharacterSymbols.length(piece[cut])
      }
    }
    return (merges, unused)
  }

  private static func symbol(
    _ text: ArraySlice<UInt8>, _ pieces: ByteTable, _ options: Options, _ symbols: CharacterSymbols
  ) -> Int32? {
    if let first = text.first, CharacterSymbols.length(first) >= text.count { return symbols.symbol(of: text) }
    guard let id = pieces.number(ofSlice: text), options.isOrdinary(id) else { return nil }
    return Int32(truncatingIfNeeded: id)
  }

  /// Equal scores share a rank, so that the leftmost pair goes first.
  private static func ranksOfScores(_ scores: [Float]) -> [UInt32] {
    let order = scores.indices.sorted { scores[$0] > scores[$1] }
    var ranks = [UInt32](repeating: 0, count: scores.count)
    var rank: UInt32 = 0
    for (position, id) in order.enumerated() {
      if position > 0 && scores[order[position - 1]] != scores[id] { rank += 1 }
      ranks[id] = rank
    }
    return ranks
  }
}
