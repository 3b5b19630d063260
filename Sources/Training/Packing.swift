// Several documents in one row of a batch, so that every row has about as many tokens. No padding exists here, so packing only
// decides which documents an update sees together.

/// How documents share rows.
public enum Packing: String, CaseIterable, Sendable {
  /// Best fit decreasing: whole documents, each of which sees itself only (arXiv:2404.10830).
  case bestFitDecreasing = "bfd"
  /// Documents end to end, cut wherever a row is full; a row sees across them, as in the days of Zephyr.
  case concatenated = "concat"

  /// Rows of at most `maxLength` tokens.
  ///
  /// - Parameter end: The id put between documents that are concatenated, where they do not end in it.
  public func rows(of documents: [SFTExample], maxLength: Int, end: Int?) -> [[SFTExample]] {
    switch self {
    case .bestFitDecreasing: Packing.bestFit(documents, maxLength)
    case .concatenated: Packing.endToEnd(documents, maxLength, end)
    }
  }

  private static func bestFit(_ documents: [SFTExample], _ maxLength: Int) -> [[SFTExample]] {
    let order = documents.indices.sorted { (documents[$1].ids.count, $0) < (documents[$0].ids.count, $1) }
    var rows: [[SFTExample]] = []
    var rowsWithSpace = [[Int]](repeating: [], count: maxLength + 1)  // by space left, earliest row last
    for index in order {
      let length = min(documents[index].ids.count, maxLength)
      let space = (length..<maxLength).first { !rowsWithSpace[$0].isEmpty } ?? maxLength
      let row = space < maxLength ? rowsWithSpace[space].removeLast() : rows.count
      if row == rows.count { rows.append([]) }
      rows[row].append(documents[index])
      rowsWithSpace[space - length].insert(row, at: 0)
    }
    return rows
  }

  private static func endToEnd(_ documents: [SFTExample], _ maxLength: Int, _ end: Int?) -> [[SFTExample]] {
    var rows: [[SFTExample]] = []
    var current = SFTExample(ids: [], trained: [], row: documents.first?.row ?? 0)
    func finish() {
      if current.trainedTokens > 0 { rows.append([current]) }
    }
    for document in documents {
      let closes = end != nil && document.ids.last != end
      for (id, trained) in zip(document.ids + (closes ? [end ?? 0] : []), document.trained + (closes ? [true] : [])) {
        if current.ids.count == maxLength {
          finish()
          current = SFTExample(ids: [], trained: [], row: document.row)
        }
        current.ids.append(id)
        current.trained.append(trained)
      }
    }
    finish()
    return rows
  }
}
