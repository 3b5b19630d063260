// What a model says about given text: logits, log-probabilities of its tokens, perplexity, the likeliest next tokens.

import Kernels
import Tensors
import Tokenizers

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// A token that may come next.
public struct NextToken: Sendable, Equatable {
  /// Its id.
  public var id: Int
  /// Its text; nil without a tokenizer.
  public var token: String?
  /// Its logit.
  public var logit: Double
  /// Its log-probability, nats.
  public var logprob: Double
}

extension LanguageModel {
  /// The tokens that end an answer: those the files name, and the ends of turns that the chat template writes.
  public var endTokens: Set<Int> {
    var ends = Set(configuration.eosTokenIDs)
    if let id = tokenizer?.eosID { ends.insert(id) }
    if let tokenizer, let chatTemplate {
      for text in ["<|im_end|>", "<|eot_id|>", "<|end|>", "<|endoftext|>", "<end_of_turn>", "</s>"] where chatTemplate.contains(text) {
        if let id = tokenizer.id(of: text), tokenizer.isSpecial(id) { ends.insert(id) }
      }
    }
    return ends
  }

  /// Logits at each position of a text.
  ///
  /// - Returns: Shape (T, vocabularySize), on the tape.
  public func logits(_ ids: [Int], options: ForwardOptions = .init()) throws -> Tensor {
    guard !ids.isEmpty else { throw ModelError("there are no tokens to compute logits for") }
    return try linear(hiddenStates(tokens(ids), options: options), weights.head)
  }

  /// log p(ids[i] | ids[..<i]) for i in scoredFrom[s]..<count of each sequence s, concatenated.
  ///
  /// The sequences are packed without padding and see only themselves; nothing of size (T, vocabularySize) is made.
  ///
  /// - Parameter scoredFrom: First scored position of each sequence, at least 1: the first token follows nothing.
  /// - Returns: Shape (scored tokens,), on the tape.
  public func tokenLogProbs(_ sequences: [[Int]], scoredFrom: [Int], options: ForwardOptions) throws -> Tensor {
    precondition(sequences.count == scoredFrom.count, "\(sequences.count) sequences, \(scoredFrom.count) first positions")
    var rows: [Int32] = []
    var targets: [Int32] = []
    let packed = PackedSequences(try sequences.map(tokens), sharesPrefixes: options.sharesPrefixes && options.dropout == nil)
    for (index, first) in scoredFrom.enumerated() {
      let sequence = packed.sequences[index]
      guard first >= 1, first <= sequence.count else {
        throw ModelError(
          "scoring from position \(first) of \(sequence.count) tokens is impossible",
          hint: "the first token follows nothing: score from 1 on")
      }
      for position in first..<sequence.count {
        rows.append(Int32(packed.row(of: position - 1, in: index)))
        targets.append(sequence[position])
      }
    }
    guard !rows.isEmpty else { return try Tensor(shape: [0]) }
    let hidden = try hiddenStates(packed.ids, documents: packed.documents, options: options)
    return try linearLogProbs(hidden, weights.head, rows: rows, targets: targets, statistics: options.statistics, slopes: options.slopes)
  }

  /// The same, with the two options that training changes most as arguments.
  public func tokenLogProbs(
    _ sequences: [[Int]], scoredFrom: [Int], adapters: Bool = true, checkpointing: Bool = false
  ) throws -> Tensor {
    try tokenLogProbs(sequences, scoredFrom: scoredFrom, options: ForwardOptions(adapters: adapters, checkpointing: checkpointing))
  }

  /// e to the mean negative log-probability of the tokens from the second on.
  ///
  /// A text longer than the context is scored in windows that overlap by half, each token once.
  public func perplexity(_ ids: [Int]) throws -> Double {
    guard ids.count >= 2 else { throw ModelError("perplexity needs at least two tokens, not \(ids.count)") }
    let context = configuration.maxPositionEmbeddings
    return try withoutRecording {
      var sum = 0.0
      var start = 0
      var scored = 1
      while scored < ids.count {
        let end = min(ids.count, start + context)
        let window = Array(ids[start..<end])
        for value in try tokenLogProbs([window], scoredFrom: [scored - start]).values { sum += Double(value) }
        scored = end
        start = max(end - context / 2, start + 1)
      }
      return exp(-sum / Double(ids.count - 1))
    }
  }

  /// The likeliest next tokens, the likeliest first.
  public func nextTokens(_ ids: [Int], top: Int) throws -> [NextToken] { try nextTokens(after: read(ids), top: top) }

  /// A decoder that has read a text.
  func read(_ ids: [Int]) throws -> Decoder {
    guard !ids.isEmpty else { throw ModelError("there is no text for a token to follow") }
    let decoder = try Decoder(self)
    try decoder.read(tokens(ids))
    return decoder
  }

  /// The likeliest tokens after what a decoder has read.
  func nextTokens(after decoder: Decoder, top: Int) throws -> [NextToken] {
    let count = configuration.vocabularySize
    var logSumExp: Float = 0
    logSumExpRows(x: decoder.logits, out: &logSumExp, rows: 1, columns: count)
    let logits = UnsafeBufferPointer(start: decoder.logits, count: count)
    let ranked = logits.indices.sorted { logits[$0] != logits[$1] ? logits[$0] > logits[$1] : $0 < $1 }
    return ranked.prefix(max(0, top)).map { id in
      let text = tokenizer.map { String(decoding: $0.bytes(of: id), as: UTF8.self) }
      return NextToken(id: id, token: text, logit: Double(logits[id]), logprob: Double(logits[id] - logSumExp))
    }
  }
}
