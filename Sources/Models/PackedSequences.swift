// Several sequences laid end to end for one pass, without padding. Sequences that begin like an earlier one may leave their
// beginning out: they become branches that go on from its tokens, as chosen and rejected answers go on from one prompt.

import Tensors

/// Token sequences as one packed batch, and where each token of each sequence lies in it.
package struct PackedSequences {
  let sequences: [[Int32]]
  /// Tokens of the batch.
  package private(set) var ids: [Int32] = []
  /// Which tokens belong together.
  private(set) var documents: [AttentionDocument] = []
  /// A beginning shorter than this is not worth the copies of its keys.
  private static let shortestPrefix = 8

  package init(_ sequences: [[Int32]], sharesPrefixes: Bool) {
    self.sequences = sequences
    var trunks: [Int] = []  // sequences that lie there whole
    for (index, sequence) in sequences.enumerated() {
      let prefix = sharesPrefixes ? longestPrefix(of: sequence, among: trunks) : 0..<0
      if prefix.isEmpty { trunks.append(index) }
      let start = ids.count
      ids += sequence[prefix.count...]
      documents.append(AttentionDocument(start..<ids.count, after: prefix))
    }
  }

  /// The row of the batch that holds token `position` of sequence `index`.
  func row(of position: Int, in index: Int) -> Int {
    let document = documents[index]
    let shared = document.prefix.count
    return position < shared ? document.prefix.lowerBound + position : document.tokens.lowerBound + position - shared
  }

  /// The rows of an earlier sequence that begin as this one does; at least the last token stays the sequence's own.
  private func longestPrefix(of sequence: [Int32], among trunks: [Int]) -> Range<Int> {
    var best = 0..<0
    for trunk in trunks {
      let other = sequences[trunk]
      let most = min(other.count, sequence.count - 1)
      var length = 0
      while length < most, other[length] == sequence[length] { length += 1 }
      if length > best.count { best = documents[trunk].tokens.lowerBound..<documents[trunk].tokens.lowerBound + length }
    }
    return best.count < Self.shortestPrefix ? 0..<0 : best
  }
}
