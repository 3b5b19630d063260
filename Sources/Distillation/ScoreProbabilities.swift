// How likely given texts are to come next under a model: what judges without parsing, and multiple choice, are made of. A question's
// prompt is read once; its choices share the cache.

import Kernels
import Models
import Tokenizers

/// A model that says how likely texts are after a context.
public final class ContinuationScorer {
  /// The model.
  public let model: LanguageModel
  private let decoder: Decoder

  /// A scorer that has read nothing yet.
  public init(_ model: LanguageModel) throws {
    self.model = model
    decoder = try Decoder(model)
  }

  /// log p of the tokens of each choice after a context.
  ///
  /// Context and choice are encoded as one text; the choice's tokens are those after the context's own (lm-evaluation-harness).
  /// - Parameter special: Whether the context holds control tokens, as a rendered conversation does.
  /// - Returns: Per choice, one log-probability per token, nats.
  /// - Throws: `ModelError` where a text has no tokens or does not fit.
  public func logProbabilities(context: String, choices: [String], special: Bool) throws -> [[Double]] {
    let head = try model.encode(context, special: special)
    let wholes = try choices.map { try model.encode(context + $0, special: special) }
    return try wholes.map { whole in
      // Where the choice changes how the context's end is cut, the changed tokens belong to the choice.
      var shared = 0
      while shared < min(head.count, whole.count), head[shared] == whole[shared] { shared += 1 }
      return try logProbabilities(ids: whole, from: shared)
    }
  }

  /// log p of `ids[from...]`, each given all before it.
  private func logProbabilities(ids: [Int], from: Int) throws -> [Double] {
    guard from > 0 else {
      throw ModelError("a choice needs a context with at least one token before it", hint: "give a question in front")
    }
    let ids = ids.map { Int32($0) }
    var values: [Double] = []
    for place in from..<ids.count {
      try advance(to: ids[..<place])
      let count = model.configuration.vocabularySize
      var logSumExp: Float = 0
      logSumExpRows(x: decoder.logits, out: &logSumExp, rows: 1, columns: count)
      values.append(Double(decoder.logits[Int(ids[place])] - logSumExp))
    }
    return values
  }

  /// Brings the cache to exactly these tokens, reading only what differs; where it does, the last one at least, for its logits.
  private func advance(to ids: ArraySlice<Int32>) throws {
    // Every cut of the cache is followed by a read, so its logits are those behind its last token.
    guard !decoder.cache.ids.elementsEqual(ids) else { return }
    var shared = 0
    while shared < min(decoder.cache.count, ids.count - 1), decoder.cache.ids[shared] == ids[shared] { shared += 1 }
    decoder.cache.truncate(to: shared)
    try decoder.read(Array(ids[shared...]))
  }

  /// log p of each choice after the opening of the answer to a conversation, nats: that it is said, and not a longer one.
  ///
  /// A choice whose tokens begin another one's, as 1 may begin 10, counts only where the other does not follow.
  func sums(messages: [Message], opening: String, choices: [String]) throws -> [Double] {
    let context = try model.render(messages.map(\.json), generationPrompt: true) + opening
    let whole = try logProbabilities(context: context, choices: choices, special: true).map { $0.reduce(0, +) }
    let top = whole.max() ?? 0
    let tokens = try choices.map { try model.encode(context + $0, special: true) }
    return choices.indices.map { index in
      var share = exponential(whole[index] - top)
      for (other, longer) in tokens.enumerated() where longer.count > tokens[index].count && longer.starts(with: tokens[index]) {
        share -= exponential(whole[other] - top)
      }
      return logarithm(max(share, .leastNormalMagnitude)) + top
    }
  }

  /// Probabilities of the choices, made to add up to 1.
  public func probabilities(messages: [Message], opening: String, choices: [String]) throws -> [Double] {
    shares(try sums(messages: messages, opening: opening, choices: choices))
  }
}

/// Probabilities from log-probabilities, made to add up to 1.
func shares(_ sums: [Double]) -> [Double] {
  let top = sums.max() ?? 0
  let shares = sums.map { exponential($0 - top) }
  let total = shares.reduce(0, +)
  return shares.map { $0 / total }
}
