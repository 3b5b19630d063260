// Both answers of several pairs through a model in one packed pass: chosen answers first, then rejected, as TRL concatenates them.

import Kernels
import Models
import Tensors

/// A tokenized preference pair, cut to its length limit; or a single answer with a label, whose other side is empty.
public struct PreferenceExample: Sendable, Equatable {
  /// Ids that both answers continue.
  public var prompt: [Int]
  /// Ids of the better answer.
  public var chosen: [Int]
  /// Ids of the worse answer.
  public var rejected: [Int]
  /// Σ log π_ref of the chosen answer, if the data brings it.
  public var referenceChosen: Double?
  /// Σ log π_ref of the rejected answer, if the data brings it.
  public var referenceRejected: Double?
  /// Index of the row in its dataset.
  public var row: Int

  /// A pair of tokenized answers.
  public init(prompt: [Int], chosen: [Int], rejected: [Int], row: Int = 0) {
    self.prompt = prompt
    self.chosen = chosen
    self.rejected = rejected
    self.row = row
  }

  /// Whether a single answer is a desirable one; nil for a pair.
  public var label: Bool? { chosen.isEmpty == rejected.isEmpty ? nil : !chosen.isEmpty }

  /// The first position with something before it.
  var scoredFrom: Int { max(1, prompt.count) }
  /// Tokens of the chosen answer with something before them.
  var scoredChosen: Int { prompt.count + chosen.count - scoredFrom }

  /// This prompt with the answers of another example, cut to the limit of the data; without one, no longer than the longer of the two.
  func mismatched(with other: PreferenceExample, maxLength: Int?) -> PreferenceExample {
    let room = (maxLength ?? max(longest, other.longest)) - prompt.count
    return PreferenceExample(
      prompt: prompt, chosen: Array(other.chosen.prefix(max(1, room))), rejected: Array(other.rejected.prefix(max(1, room))))
  }

  private var longest: Int { prompt.count + max(chosen.count, rejected.count) }
}

/// The log-probs of both answers of several pairs.
struct Answers {
  let logProbs: Tensor
  /// What else was seen of each token; empty where nobody asked, or the model does not tell.
  let statistics: [TokenStatistics]
  /// Where each answer's log-probs lie.
  let ranges: [Range<Int>]
  let pairs: Int
  let tokens: Int

  static func score(
    _ examples: [PreferenceExample], model: any TrainableModel, options: ForwardOptions
  ) throws -> Answers {
    var (sequences, from, ranges): ([[Int]], [Int], [Range<Int>]) = ([], [], [])
    for (example, answer) in examples.map({ ($0, $0.chosen) }) + examples.map({ ($0, $0.rejected) }) {
      let begin = ranges.last?.upperBound ?? 0
      // The side that a single answer lacks takes no pass.
      guard !answer.isEmpty else {
        ranges.append(begin..<begin)
        continue
      }
      sequences.append(example.prompt + answer)
      from.append(example.scoredFrom)
      ranges.append(begin..<begin + example.prompt.count + answer.count - example.scoredFrom)
    }
    let logProbs = try model.tokenLogProbs(sequences, scoredFrom: from, options: options)
    precondition(logProbs.count == ranges.last?.upperBound ?? 0, "\(logProbs.count) log-probs for \(ranges.last?.upperBound ?? 0) tokens")
    return Answers(
      logProbs: logProbs, statistics: options.statistics?.tokens ?? [], ranges: ranges, pairs: examples.count,
      tokens: sequences.reduce(0) { $0 + $1.count })
  }

  func chosen(_ i: Int) -> [Float] { values(ranges[i]) }
  func rejected(_ i: Int) -> [Float] { values(ranges[pairs + i]) }
  func chosenStatistics(_ i: Int) -> [TokenStatistics] { statistics.isEmpty ? [] : Array(statistics[ranges[i]]) }
  func rejectedStatistics(_ i: Int) -> [TokenStatistics] { statistics.isEmpty ? [] : Array(statistics[ranges[pairs + i]]) }
  private func values(_ range: Range<Int>) -> [Float] { range.map { logProbs.pointer[$0] } }
}
