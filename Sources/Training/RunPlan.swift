// A run as its sizes: what learns, how wide its passes are, how many. What follows from them is in RunForecast.swift and RunRate.swift.

import Models
import Tensors

/// An objective that can say how large its passes are without running them.
public protocol MeasurableObjective: Objective {
  /// Whether the derivative of the loss by a log-probability does not depend on it, so that the output layer runs forward and back at once.
  var knowsSlopes: Bool { get }
  /// Tokens of a part, and those that are scored; what sequences share by chance counts for each.
  func size(of part: [Int]) -> (tokens: Int, scored: Int)
  /// The pass of a part, exactly.
  func pass(of part: [Int]) -> PassShape
}

extension SFT: MeasurableObjective {
  /// A mean over labels.
  public var knowsSlopes: Bool { true }

  /// All documents, scored from their first label on.
  public func size(of part: [Int]) -> (tokens: Int, scored: Int) {
    let documents = part.flatMap { examples[$0] }
    return (documents.reduce(0) { $0 + $1.ids.count }, documents.reduce(0) { $0 + $1.ids.count - $1.scoredFrom })
  }

  /// The documents end to end.
  public func pass(of part: [Int]) -> PassShape {
    let size = size(of: part)
    return PassShape(tokens: size.tokens, keys: size.tokens, scored: size.scored)
  }
}

extension DPO: MeasurableObjective {
  /// Each pair's weight follows from its margin.
  public var knowsSlopes: Bool { false }

  /// The prompt once, and both answers.
  public func size(of part: [Int]) -> (tokens: Int, scored: Int) {
    let answers = part.reduce(0) { $0 + examples[$1].chosen.count + examples[$1].rejected.count }
    return (part.reduce(answers) { $0 + examples[$1].prompt.count }, answers)
  }

  /// Both answers of each pair after what they share.
  public func pass(of part: [Int]) -> PassShape {
    let pairs = part.map { examples[$0] }
    return PassShape(
      pairs.map { $0.prompt + $0.chosen } + pairs.map { $0.prompt + $0.rejected },
      scoredFrom: pairs.map(\.scoredFrom) + pairs.map(\.scoredFrom), sharesPrefixes: true)
  }
}

/// Everything that decides what a run takes.
public struct RunPlan {
  /// The model that the trainer is given.
  public let model: LanguageModel
  /// What of it learns.
  public var learning: LearningPlan
  /// Options of the loop.
  public var options: TrainOptions
  /// The widest pass of the run: what it takes of the arena serves the narrower ones.
  public private(set) var widest: PassShape
  /// Tokens that a mean update computes.
  public let tokensPerUpdate: Double
  /// Tokens that a mean update scores.
  public let scoredPerUpdate: Double
  /// Updates of the run.
  public let totalSteps: Int
  /// Whether the objective knows the derivatives by log-probabilities before them.
  public let knowsSlopes: Bool
  /// The model that scores for a reference as well, whoever it is; nil: none is run.
  public var reference: LanguageModel?
  /// Copies of what learns that a reference has for itself.
  public var referenceCopies = 0
  /// Whether those copies move, so that snapshots hold them.
  public var referenceMoves = false

  /// The run of an objective over its examples.
  public init(model: LanguageModel, learning: LearningPlan, objective: any MeasurableObjective, options: TrainOptions) {
    self.model = model
    self.learning = learning
    self.options = options
    let plan = BatchPlan(exampleCount: objective.exampleCount, options: options)
    totalSteps = plan.totalSteps(options)
    knowsSlopes = objective.knowsSlopes
    var largest = (tokens: 0, part: [Int]())
    var (tokens, scored) = (0, 0)
    let batches = plan.batches(epoch: 0).prefix(max(1, totalSteps))
    for batch in batches {
      for part in batch.microBatches.flatMap(objective.parts) {
        let size = objective.size(of: part)
        tokens += size.tokens
        scored += size.scored
        if size.tokens > largest.tokens { largest = (size.tokens, part) }
      }
    }
    let steps = Double(max(1, batches.count))
    (tokensPerUpdate, scoredPerUpdate) = (Double(tokens) / steps, Double(scored) / steps)
    widest = objective.pass(of: largest.part)
  }

  /// The same run where passes have at most `tokens`.
  func narrowed(to tokens: Int) -> RunPlan {
    guard widest.tokens > tokens else { return self }
    var narrower = self
    func scaled(_ count: Int) -> Int { max(1, count * tokens / widest.tokens) }
    narrower.widest = PassShape(tokens: tokens, keys: scaled(widest.keys), scored: scaled(widest.scored))
    return narrower
  }
}
