// What a trainer optimises: the seam between the loop, which knows no data, and SFT or DPO, which know no optimizer.

import Models
import Tensors

/// What the loop needs of a model.
public protocol TrainableModel: AnyObject {
  /// The parameters that move, by checkpoint name.
  var trainable: [(name: String, tensor: Tensor)] { get }

  /// log p(ids[i] | ids[..<i]) for i from `scoredFrom[s]` to the end of each sequence s, concatenated.
  ///
  /// - Parameters:
  ///   - sequences: Token ids; each sequence sees itself only.
  ///   - scoredFrom: The first scored position of each, at least 1.
  ///   - options: Whether adapters take part (without them the model is its own reference), what is recomputed, dropout.
  func tokenLogProbs(_ sequences: [[Int]], scoredFrom: [Int], options: ForwardOptions) throws -> Tensor

  /// Called after something other than the model wrote into its parameters: an update, a step back, a checkpoint.
  func parametersChanged()

  /// A checksum of what it computes with, by which log-probs on disk are known to be its own; nil: none are kept.
  func fingerprint(adapters: Bool) -> String?
}

extension TrainableModel {
  /// Nothing to do where passes read the parameters themselves.
  public func parametersChanged() {}
  /// Models without a checksum keep nothing on disk.
  public func fingerprint(adapters: Bool) -> String? { nil }
}

extension LanguageModel: TrainableModel {
  /// The checksum of configuration and weights.
  public func fingerprint(adapters: Bool) -> String? { checksum(adapters: adapters) }
}

/// One part of an update, computed.
public struct Measurement {
  /// This part's share of the update's loss, on the tape.
  public var loss: Tensor
  /// Its share of the loss, unrounded.
  public var value: Double
  /// Tokens that went through the model.
  public var tokens: Int
  /// DPO: what is known of each pair.
  public var pairs: [PairReport] = []
  /// SFT: what is known of each example.
  public var rows: [RowReport] = []
}

/// A batch → loss, metrics.
public protocol Objective: AnyObject {
  /// Examples to train on.
  var exampleCount: Int { get }
  /// Divides a micro-batch into parts that may be computed one after the other with the same result, to save memory.
  func parts(of microBatch: [Int]) -> [[Int]]
  /// Computes one part of an update: forward passes and loss. Shares of all parts add up to the update's loss.
  func measure(_ microBatch: [Int], of batch: Batch, model: any TrainableModel, options: ForwardOptions) throws -> Measurement
  /// Metrics of a whole update beyond `loss`, under TRL's names.
  func metrics(pairs: [PairReport], rows: [RowReport]) -> [(String, Double)]
  /// What it remembers from update to update and cannot compute anew, by name: snapshots and checkpoints keep it.
  var state: [(name: String, tensor: Tensor)] { get }
  /// An update was made, the `step`-th: what follows the model may move now.
  func updated(_ model: any TrainableModel, step: Int)
  /// Model and state were set to those after `step` updates.
  func returned(to step: Int)
}

extension Objective {
  /// Nothing to remember: the loss is a function of batch, model and options.
  public var state: [(name: String, tensor: Tensor)] { [] }
  /// Nothing follows the model.
  public func updated(_ model: any TrainableModel, step: Int) {}
  /// Nothing but the model has a past.
  public func returned(to step: Int) {}
}

/// Tokens that one pass is worth: more of them make it no faster, only larger in memory.
private let tokensPerPass = 512

/// Neighbours that together have at most `tokensPerPass` tokens; what has more by itself stays alone.
func grouped(_ indices: [Int], tokens: (Int) -> Int) -> [[Int]] {
  var groups: [[Int]] = []
  var room = 0
  for index in indices {
    let size = tokens(index)
    if groups.isEmpty || size > room {
      groups.append([])
      room = tokensPerPass
    }
    groups[groups.count - 1].append(index)
    room -= size
  }
  return groups
}

/// A scalar with a known value and known derivatives with respect to `logProbs`, put on the tape.
///
/// The loss functions give both in closed form and double precision; the tape only needs where to start.
func recordLoss(_ value: Double, ofLogProbs logProbs: Tensor, slopes: [Float]) throws -> Tensor {
  let output = try Tensor.scalar(Float(value))
  return Tensor.record("loss", output: output, inputs: [logProbs]) { pass in
    let scale = pass.dout.pointer[0]
    let gradient = try pass.gradient(0)
    let into = gradient.pointer
    for index in 0..<gradient.count { into[index] += scale * slopes[index] }
  }
}
