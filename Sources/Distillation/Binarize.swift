// From scored answers to preference pairs, as ultrafeedback_binarized was made: the best answer against one other.

import Crypto
import Tensors

/// One model's answer to a prompt and the judge's score for it.
public struct ScoredAnswer: Equatable, Sendable {
  /// Who answered; empty where the data does not say.
  public let model: String
  /// The answer.
  public let text: String
  /// The judge's score; higher is better.
  public let score: Double

  /// An answer with its score.
  public init(model: String, text: String, score: Double) {
    self.model = model
    self.text = text
    self.score = score
  }
}

/// A prompt with the answers that were scored for it.
public struct ScoredPrompt: Equatable, Sendable {
  /// What was asked.
  public let prompt: String
  /// The answers, in the order of the data.
  public let answers: [ScoredAnswer]

  /// A prompt and its answers.
  public init(prompt: String, answers: [ScoredAnswer]) {
    self.prompt = prompt
    self.answers = answers
  }
}

/// Which answer stands against the best one.
public enum RejectedChoice: String, CaseIterable, Sendable {
  /// Uniform among the answers scored strictly below the best: Zephyr's choice, for variety and a harder objective.
  case random
  /// The lowest score; the first such answer where several share it.
  case worst
}

/// A pair made of scored answers.
public struct BinarizedPair: Equatable, Sendable {
  /// What was asked.
  public let prompt: String
  /// The answer with the best score; the first such answer where several share it.
  public let chosen: ScoredAnswer
  /// The answer put against it, scored strictly lower.
  public let rejected: ScoredAnswer
}

/// The pairs made and how many prompts gave none.
public struct Binarized: Equatable, Sendable {
  /// One pair per prompt whose scores differ, in the order of the prompts.
  public let pairs: [BinarizedPair]
  /// Positions of the prompts whose answers all have the same score.
  public let equalScores: [Int]
}

/// Makes one preference pair of each prompt: the best-scored answer against another.
///
/// The draw for a prompt depends on the seed and the prompt's place alone, so removing nothing before it changes nothing.
/// - Source: Tunstall et al. 2023, arXiv:2310.16944, section 3 "AI Feedback through Preferences".
public func binarize(_ prompts: [ScoredPrompt], rejected choice: RejectedChoice, seed: UInt64) -> Binarized {
  var pairs: [BinarizedPair] = []
  var equalScores: [Int] = []
  let source = RandomSource(seed: seed)
  for (place, prompt) in prompts.enumerated() {
    guard let best = prompt.answers.map(\.score).max(), let chosen = prompt.answers.first(where: { $0.score == best }) else {
      equalScores.append(place)
      continue
    }
    let below = prompt.answers.filter { $0.score < best }
    guard let worst = below.map(\.score).min() else {
      equalScores.append(place)
      continue
    }
    var draw = source.split("binarize/\(place)")
    let other =
      switch choice {
      case .random: below.randomElement(using: &draw)
      case .worst: below.first { $0.score == worst }
      }
    if let other { pairs.append(BinarizedPair(prompt: prompt.prompt, chosen: chosen, rejected: other)) }
  }
  return Binarized(pairs: pairs, equalScores: equalScores)
}

/// The name of a prompt in ultrafeedback_binarized: the SHA-256 of its text, in hexadecimal.
public func promptIdentifier(_ prompt: String) -> String {
  SHA256.hash(data: Array(prompt.utf8)).map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
}
