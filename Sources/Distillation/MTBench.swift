// MT-Bench: questions of two turns in eight categories, answered at the category's temperature, each turn rated from 1 to 10, or compared
// with another model's in both orders. Source: Zheng et al. 2023, arXiv:2306.05685, and FastChat.

import Formats
import Tensors
import Tokenizers
import Training

/// A question of several turns.
public struct BenchQuestion: Sendable, Equatable {
  /// Its number.
  public var id: String
  /// Its category.
  public var category: String
  /// What the user says in each turn.
  public var turns: [String]
  /// Right answers for each turn, where there are any.
  public var references: [String]

  /// Reads a row of `{question_id, category, turns, reference}`.
  public init(row: JSON, line: Int) throws {
    guard let turns = row["turns"]?.array?.compactMap(\.string) ?? row["prompt"]?.string.map({ [$0] }), !turns.isEmpty else {
      throw TrainingError("row \(line) has no turns", hint: "a row is {question_id, category, turns: [first, second]}")
    }
    id = row["question_id"]?.string ?? row["question_id"]?.int.map(String.init) ?? "\(line)"
    category = row["category"]?.string ?? ""
    references = row["reference"]?.array?.compactMap(\.string) ?? []
    self.turns = turns
  }

  /// The temperature that MT-Bench answers the category at.
  var temperature: Double {
    switch category {
    case "writing", "roleplay": 0.7
    case "stem", "humanities": 0.1
    case "extraction", "math", "coding", "reasoning": 0
    default: 0.7
    }
  }

  /// Whether the judge sees right answers.
  func references(through turn: Int) -> [String] {
    ["math", "reasoning", "coding"].contains(category) && references.count > turn ? Array(references[...turn]) : []
  }
}

/// One answered turn of a question.
public struct BenchTurn: Sendable, Equatable {
  /// Place of the question.
  public var question: Int
  /// The turn, from 1.
  public var turn: Int
  /// The answer.
  public var answer: String
  /// The judge's rating, or the preference over the other model's answer in 0...1; nil where the words hold none.
  public var score: Double?
  /// The judge's words.
  public var words: String
}

/// The answers of a model to all turns of all questions.
///
/// - Throws: `PipelineStopped` when the watch says so.
public func benchAnswers(
  _ model: PoolModel, _ questions: [BenchQuestion], maxTokens: Int, seed: UInt64, watch: PipelineWatch
) throws -> [[String]] {
  var answers = questions.map { _ in [String]() }
  for turn in 0..<(questions.map(\.turns.count).max() ?? 0) {
    let places = questions.indices.filter { questions[$0].turns.count > turn }
    let requests = places.map { place in
      var messages = model.system.map { [Message(role: "system", content: $0)] } ?? []
      for (asked, answer) in zip(questions[place].turns, answers[place]) {
        messages += [Message(role: "user", content: asked), Message(role: "assistant", content: answer)]
      }
      var options = AnswerOptions()
      options.maxTokens = maxTokens
      options.temperature = questions[place].temperature
      return model.request(
        messages + [Message(role: "user", content: questions[place].turns[turn])], options: options,
        seed: RandomSource(seed: seed).split("mt_bench/\(questions[place].id)/\(turn)").seed)
    }
    let replies = try allReplies(model.teacher, requests, shouldStop: watch.shouldStop) {
      watch.progress("turn \(turn + 1)", $0, requests.count, model.name)
    }
    for (place, reply) in zip(places, replies) {
      switch reply {
      case .success(let reply): answers[place].append(stripped(reply.text))
      // A turn without an answer is judged as what it is: empty.
      case .failure: answers[place].append("")
      }
    }
  }
  return answers
}

/// The judge's rating of every turn.
public func benchRatings(_ questions: [BenchQuestion], _ answers: [[String]], judge: Judge) throws -> [BenchTurn] {
  let places = turnPlaces(questions)
  let ratings = try judge.rate(places.map { judged(questions[$0.question], answers[$0.question], through: $0.turn) })
  return zip(places, ratings).map { place, rating in
    BenchTurn(
      question: place.question, turn: place.turn + 1, answer: answers[place.question][place.turn], score: rating.score,
      words: rating.words.isEmpty ? rating.probabilities.map { "\(($0 * 1000).rounded() / 1000)" }.joined(separator: " ") : rating.words)
  }
}

/// The judge's preference of every turn over a baseline's, the mean of both orders; a win by MT-Bench's rule needs both.
public func benchComparisons(
  _ questions: [BenchQuestion], _ answers: [[String]], baseline: [[String]], judge: Judge
) throws -> [BenchTurn] {
  let places = turnPlaces(questions)
  let sides = places.map { place in
    (
      judged(questions[place.question], baseline[place.question], through: place.turn),
      judged(questions[place.question], answers[place.question], through: place.turn)
    )
  }
  let forth = try judge.compare(sides.map { ($0.0, $0.1) })
  let back = try judge.compare(sides.map { ($0.1, $0.0) })
  return zip(places, zip(forth, back)).map { place, both in
    let preferences = [both.0.preference, both.1.preference.map { 1 - $0 }]
    var score: Double?
    if let first = preferences[0], let second = preferences[1] {
      // Verdicts that change with the order are a tie, also where one of them is.
      score = judge.method == .text && first != second ? 0.5 : (first + second) / 2
    }
    return BenchTurn(
      question: place.question, turn: place.turn + 1, answer: answers[place.question][place.turn], score: score,
      words: [both.0.words, both.1.words].filter { !$0.isEmpty }.joined(separator: "\n--- other order ---\n"))
  }
}

private func turnPlaces(_ questions: [BenchQuestion]) -> [(question: Int, turn: Int)] {
  questions.indices.flatMap { question in questions[question].turns.indices.map { (question, $0) } }
}

private func judged(_ question: BenchQuestion, _ answers: [String], through turn: Int) -> JudgedConversation {
  JudgedConversation(
    questions: Array(question.turns[...turn]), answers: Array(answers[...turn]), references: question.references(through: turn))
}

/// A category's mean score with its interval.
public struct BenchCategory: Sendable, Equatable {
  /// The category; empty for all questions.
  public var name: String
  /// The mean over all turns that have a score, questions resampled whole.
  public var mean: Estimate
  /// Turns with a score.
  public var scored: Int
  /// Turns without one.
  public var failed: Int
}

/// Means over all, by turn and by category, in the order in which categories occur.
public func benchSummary(_ questions: [BenchQuestion], _ turns: [BenchTurn], seed: UInt64) -> [BenchCategory] {
  func summary(_ name: String, _ isWanted: (BenchTurn) -> Bool) -> BenchCategory {
    let wanted = turns.filter(isWanted)
    let groups = Dictionary(grouping: wanted, by: \.question).sorted { $0.key < $1.key }.map { $0.value.compactMap(\.score) }
    return BenchCategory(
      name: name, mean: bootstrapMean(groups: groups, seed: seed), scored: wanted.count { $0.score != nil },
      failed: wanted.count { $0.score == nil })
  }
  var names: [String] = []
  for question in questions where !names.contains(question.category) { names.append(question.category) }
  let lengths = Set(turns.map(\.turn)).sorted()
  return [summary("all") { _ in true }] + (lengths.count > 1 ? lengths.map { turn in summary("turn \(turn)") { $0.turn == turn } } : [])
    + (names == [""] ? [] : names.map { name in summary(name) { questions[$0.question].category == name } })
}
