// What a conversion did to a model: both versions read the same few tokens, and their logits are compared.

import Tensors

/// How far two models are apart on a fixed text.
public struct LogitDifference: Sendable, Equatable {
  /// The largest difference between two logits.
  public var largest: Double
  /// At how many of the positions both have the same likeliest token, from 0 to 1.
  public var agreement: Double
  /// How many positions were compared.
  public var positions: Int
  /// Whether both tokenizers cut the text alike; true where neither model has one.
  public var hasSameTokens: Bool
}

extension LanguageModel {
  /// A little of what models read: prose, names, numbers, code, another script.
  static let probeText = """
    In 1969, three astronauts flew to the Moon; "It's a long way home," wrote Zoë to the crew.
    def area(r): return 3.14159 * r ** 2  # für große Kreise, 東京
    """

  /// The tokens that models are compared on: those of the probe's text, else numbers spread over the vocabulary.
  var probe: [Int] {
    let limit = min(64, configuration.maxPositionEmbeddings)
    if let ids = tokenizer.map({ _ in encode(probe: Self.probeText) }), !ids.isEmpty,
      ids.allSatisfy({ $0 < configuration.vocabularySize })
    {
      return Array(ids.prefix(limit))
    }
    return (0..<min(32, limit)).map { ($0 * 2_654_435_761 + 17) % configuration.vocabularySize }
  }

  private func encode(probe text: String) -> [Int] { tokenizer?.encode(text) ?? [] }

  /// How far `other`, made from this model, is from it.
  public func difference(to other: LanguageModel) throws -> LogitDifference {
    try withoutRecording {
      let ids = probe
      let (mine, theirs) = (try logits(ids), try other.logits(ids))
      guard mine.shape == theirs.shape else { throw ModelError("\(name) and \(other.name) have different vocabularies") }
      var largest = 0.0
      var agreeing = 0
      let columns = configuration.vocabularySize
      for row in 0..<ids.count {
        let a = UnsafeBufferPointer(start: mine.pointer + row * columns, count: columns)
        let b = UnsafeBufferPointer(start: theirs.pointer + row * columns, count: columns)
        var (bestA, bestB) = (0, 0)
        for index in 0..<columns {
          let difference = abs(Double(a[index]) - Double(b[index]))
          largest = difference.isNaN ? .nan : max(largest, difference)
          if a[index] > a[bestA] { bestA = index }
          if b[index] > b[bestB] { bestB = index }
        }
        if bestA == bestB { agreeing += 1 }
      }
      let texts = [self, other].map { $0.encode(probe: Self.probeText) }
      return LogitDifference(
        largest: largest, agreement: Double(agreeing) / Double(ids.count), positions: ids.count, hasSameTokens: texts[0] == texts[1])
    }
  }
}
