// From logits to a token. The order of the filters is that of transformers: repetition penalty, temperature, top-k with its ties,
// top-p, min-p; the same numbers then give the same distribution. Buffers are made once, a draw allocates nothing.

import Kernels
import Tensors

/// How tokens are drawn and when generation ends.
public struct SamplingOptions: Sendable, Equatable {
  /// The most tokens to generate.
  public var maxTokens = 256
  /// What logits are divided by; 0 takes the likeliest token.
  public var temperature: Double = 0
  /// Only the k likeliest tokens and ties with the last of them; 0: all.
  public var topK = 0
  /// Only the smallest set of tokens whose probability reaches p.
  public var topP: Double = 1
  /// Only tokens at least this share as likely as the likeliest.
  public var minP: Double = 0
  /// Logits of tokens that occurred are divided by this if positive, else multiplied; 1: nothing.
  public var repetitionPenalty: Double = 1
  /// Taken from the logit of each token that was drawn before, prompt not counted.
  public var presencePenalty: Double = 0
  /// Taken from the logit of each token as often as it was drawn before.
  public var frequencyPenalty: Double = 0
  /// What the random numbers start from; nil: the caller's choice.
  public var seed: UInt64?
  /// Texts that end the generation; they are not part of its text.
  public var stop: [String] = []

  /// Options; without arguments: greedy, at most 256 tokens.
  public init(
    maxTokens: Int = 256, temperature: Double = 0, topK: Int = 0, topP: Double = 1, minP: Double = 0, repetitionPenalty: Double = 1,
    seed: UInt64? = nil, stop: [String] = []
  ) {
    self.maxTokens = maxTokens
    self.temperature = temperature
    self.topK = topK
    self.topP = topP
    self.minP = minP
    self.repetitionPenalty = repetitionPenalty
    self.seed = seed
    self.stop = stop
  }

  /// Refuses numbers outside their ranges.
  public func validate() throws {
    let ranges: [(String, Double, ClosedRange<Double>)] = [
      ("max_tokens", Double(maxTokens), 0...1e9), ("temperature", temperature, 0...1e4), ("top_k", Double(topK), 0...1e9),
      ("top_p", topP, 0...1), ("min_p", minP, 0...1), ("repetition_penalty", repetitionPenalty, 1e-3...1e3),
      ("presence_penalty", presencePenalty, -2...2), ("frequency_penalty", frequencyPenalty, -2...2),
    ]
    for (name, value, range) in ranges where !range.contains(value) {
      throw ModelError("\(name) must be from \(range.lowerBound) to \(range.upperBound), not \(value)")
    }
    if stop.contains(where: \.isEmpty) { throw ModelError("a stop text must not be empty") }
  }
}

/// Draws tokens from logits, remembering which ones occurred.
public final class Sampler {
  /// A token that the filters kept.
  package struct Candidate {
    package var id: Int32
    package var score: Float
    /// e^(score − largest score): its probability but for the common factor.
    package var weight: Float
  }

  private let options: SamplingOptions
  private let vocabularySize: Int
  private var random: RandomSource
  private let scores: UnsafeMutablePointer<Float>
  private let weights: UnsafeMutablePointer<Float>
  private var occurred: [Bool]
  private var distinct: [Int32] = []
  /// How often each token was drawn; kept only where a penalty asks for it.
  private var drawn: [Int32: Int] = [:]
  private var candidates: [Candidate] = []
  private var heap: [Float] = []

  /// A sampler over a vocabulary; `random` decides when the temperature is above 0.
  public init(vocabularySize: Int, options: SamplingOptions, random: RandomSource) throws {
    try options.validate()
    self.vocabularySize = vocabularySize
    self.options = options
    self.random = random
    scores = .allocate(capacity: max(1, vocabularySize))
    weights = .allocate(capacity: max(1, vocabularySize))
    occurred = Array(repeating: false, count: vocabularySize)
    candidates.reserveCapacity(min(vocabularySize, 4096))
  }

  deinit {
    scores.deallocate()
    weights.deallocate()
  }

  /// Remembers a token of the prompt or the answer for the repetition penalty.
  public func observe(_ id: Int) {
    guard occurred.indices.contains(id), !occurred[id] else { return }
    occurred[id] = true
    distinct.append(Int32(id))
  }

  /// The next token.
  ///
  /// - Parameter logits: Shape (vocabularySize,).
  /// - Throws: `ModelError` if the logits are not numbers.
  public func next(_ logits: UnsafePointer<Float>) throws -> Int {
    let id = try draw(logits)
    if options.presencePenalty != 0 || options.frequencyPenalty != 0 { drawn[Int32(id), default: 0] += 1 }
    return id
  }

  private func draw(_ logits: UnsafePointer<Float>) throws -> Int {
    scores.update(from: logits, count: vocabularySize)
    penalizeRepetition()
    guard options.temperature > 0 else { return try likeliest(scores).id }
    filter(top: try likeliest(scores).score)
    var total = 0.0
    for candidate in candidates { total += Double(candidate.weight) }
    var rest = random.uniform() * total
    for candidate in candidates {
      rest -= Double(candidate.weight)
      if rest < 0 { return Int(candidate.id) }
    }
    return Int(candidates[candidates.count - 1].id)
  }

  /// What the filters keep and with which probability, by id: the oracle's view of `next`.
  package func distribution(_ logits: UnsafePointer<Float>) throws -> [(id: Int, probability: Double)] {
    scores.update(from: logits, count: vocabularySize)
    penalizeRepetition()
    filter(top: try likeliest(scores).score)
    let total = candidates.reduce(0.0) { $0 + Double($1.weight) }
    return candidates.map { (Int($0.id), Double($0.weight) / total) }.sorted { $0.0 < $1.0 }
  }

  private func likeliest(_ x: UnsafePointer<Float>) throws -> (id: Int, score: Float) {
    var best = 0
    var top = -Float.infinity
    for id in 0..<vocabularySize {
      let value = x[id]
      if value > top {
        top = value
        best = id
      } else if value.isNaN {
        throw notNumbers
      }
    }
    guard top.isFinite else { throw notNumbers }
    return (best, top)
  }

  private var notNumbers: ModelError {
    ModelError(
      "the model's logits are not finite numbers", hint: "its weights may be damaged, or training may have diverged: go back a few steps")
  }

  /// Makes tokens that occurred less likely (Keskar 2019, arXiv:1909.05858), negative logits as transformers does.
  private func penalizeRepetition() {
    // OpenAI's formula: logit − presence·[drawn] − frequency·count.
    for (id, count) in drawn { scores[Int(id)] -= Float(options.presencePenalty + options.frequencyPenalty * Double(count)) }
    guard options.repetitionPenalty != 1 else { return }
    let penalty = Float(options.repetitionPenalty)
    for id in distinct { scores[Int(id)] = scores[Int(id)] < 0 ? scores[Int(id)] * penalty : scores[Int(id)] / penalty }
  }

  /// Leaves in `candidates` what temperature, top-k, top-p and min-p keep.
  ///
  /// `top` is the largest score before the temperature.
  private func filter(top: Float) {
    let temperature = options.temperature > 0 ? max(Float(options.temperature), .leastNormalMagnitude) : 1
    for id in 0..<vocabularySize { scores[id] = (scores[id] - top) / temperature }
    expForward(x: scores, out: weights, count: vocabularySize)
    candidates.removeAll(keepingCapacity: true)
    if options.topK > 0, options.topK < vocabularySize {
      let least = score(ofRank: options.topK)
      for id in 0..<vocabularySize where scores[id] >= least { keep(id) }
      if options.topP < 1 { keepTopP(total: candidates.reduce(0) { $0 + Double($1.weight) }) }
    } else if options.topP < 1 {
      var total = 0.0
      for id in 0..<vocabularySize { total += Double(weights[id]) }
      // Tokens this unlikely add up to less than 1 − p, so none of them is kept and they need not be sorted.
      let negligible = Float((1 - options.topP) * total / Double(vocabularySize)).nextDown
      for id in 0..<vocabularySize where weights[id] >= negligible { keep(id) }
      keepTopP(total: total)
    } else {
      for id in 0..<vocabularySize { keep(id) }
    }
    if options.minP > 0 {
      let least = Float(options.minP)
      candidates.removeAll { $0.weight < least }
    }
  }

  private func keep(_ id: Int) { candidates.append(Candidate(id: Int32(id), score: scores[id], weight: weights[id])) }

  /// The smallest set whose mass reaches p, at least one token (Holtzman 2019, arXiv:1904.09751).
  private func keepTopP(total: Double) {
    candidates.sort { $0.score != $1.score ? $0.score > $1.score : $0.id < $1.id }
    var mass = 0.0
    for index in candidates.indices {
      mass += Double(candidates[index].weight)
      if mass >= options.topP * total {
        candidates.removeLast(candidates.count - index - 1)
        return
      }
    }
  }

  /// The k-th largest score: a heap of the k largest so far, the smallest of them on top.
  private func score(ofRank k: Int) -> Float {
    heap.removeAll(keepingCapacity: true)
    for id in 0..<vocabularySize {
      let value = scores[id]
      if heap.count < k {
        heap.append(value)
        if heap.count == k { for start in stride(from: k / 2 - 1, through: 0, by: -1) { sift(start) } }
      } else if value > heap[0] {
        heap[0] = value
        sift(0)
      }
    }
    return heap[0]
  }

  private func sift(_ start: Int) {
    var parent = start
    while true {
      var child = 2 * parent + 1
      guard child < heap.count else { return }
      if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
      guard heap[child] < heap[parent] else { return }
      heap.swapAt(child, parent)
      parent = child
    }
  }
}
