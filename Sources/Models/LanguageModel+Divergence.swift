// How far one model's next-token distributions are from another's along a text: the exact Kullback–Leibler divergence at each token.

import Tensors

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// One token of a text under two models.
public struct TokenDivergence: Sendable, Equatable {
  /// KL(π‖π_ref) = Σ π (log π − log π_ref) over the vocabulary, at the position that this token fills, nats.
  public var divergence: Double
  /// log π of the token.
  public var logProb: Double
  /// log π_ref of the token.
  public var referenceLogProb: Double
}

extension LanguageModel {
  /// The divergence from a reference at each token of a text from a position on.
  ///
  /// - Parameters:
  ///   - reference: Another model of the same vocabulary; nil: this one without its adapters.
  ///   - from: The first position of interest, at least 1.
  /// - Complexity: Two passes over the text, and memory for the logits of all its tokens once.
  public func divergence(from reference: LanguageModel?, over ids: [Int], from first: Int) throws -> [TokenDivergence] {
    guard first >= 1 else { throw ModelError("the first token follows nothing: there is no distribution before it") }
    guard first < ids.count else { return [] }
    let other = reference ?? self
    let vocabulary = configuration.vocabularySize
    guard other.configuration.vocabularySize == vocabulary else {
      throw ModelError("\(name) has \(vocabulary) tokens and \(other.name) \(other.configuration.vocabularySize): nothing to compare")
    }
    let rows = (first - 1)..<(ids.count - 1)
    // The logits of one model at a time, and of the first only the rows that matter.
    let own = try withoutRecording { Array(try logits(ids).values[rows.lowerBound * vocabulary..<rows.upperBound * vocabulary]) }
    let theirs = try withoutRecording { try other.logits(ids, options: ForwardOptions(adapters: reference != nil)) }
    return rows.enumerated().map { index, row in
      own.withUnsafeBufferPointer { own in
        let p = UnsafeBufferPointer(rebasing: own[index * vocabulary..<(index + 1) * vocabulary])
        let q = UnsafeBufferPointer(start: theirs.pointer + row * vocabulary, count: vocabulary)
        let (normP, normQ) = (logSumExp(p), logSumExp(q))
        var sum = 0.0
        for token in 0..<vocabulary {
          let logP = Double(p[token]) - normP
          sum += exp(logP) * (logP - (Double(q[token]) - normQ))
        }
        let token = ids[row + 1]
        return TokenDivergence(
          divergence: max(0, sum), logProb: Double(p[token]) - normP, referenceLogProb: Double(q[token]) - normQ)
      }
    }
  }
}

private func logSumExp(_ x: UnsafeBufferPointer<Float>) -> Double {
  let top = Double(x.max() ?? 0)
  return top + log(x.reduce(0) { $0 + exp(Double($1) - top) })
}
