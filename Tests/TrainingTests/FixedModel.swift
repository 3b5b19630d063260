// A model whose log-probs are its parameters: what a loss does to a log-prob is then the gradient of a parameter.

import Kernels
import Models
import Tensors
import Training

final class FixedModel: TrainableModel {
  let logProbs: Tensor
  /// What it says of sequences whose answer belongs to another prompt: to one that does not begin with the answer's id.
  let mismatched: [Float]
  /// What it tells of each token beside its log-prob, in the same order.
  let statistics: [TokenStatistics]

  /// One list of log-probs per sequence, in the order the objective asks for them.
  init(_ rows: [[Double]], mismatched: [[Double]] = [], statistics: [TokenStatistics] = []) throws {
    let values = rows.flatMap { $0.map(Float.init) }
    logProbs = try Tensor(parameter: [values.count], values: values)
    self.mismatched = mismatched.flatMap { $0.map(Float.init) }
    self.statistics = statistics
  }

  var trainable: [(name: String, tensor: Tensor)] { [("log_probs", logProbs)] }

  func tokenLogProbs(_ sequences: [[Int]], scoredFrom: [Int], options: ForwardOptions) throws -> Tensor {
    if let first = sequences.first, first[0] != first.last { return try Tensor(shape: [mismatched.count], values: mismatched) }
    options.statistics?.tokens = statistics
    let logProbs = logProbs
    let copy = try logProbs.copied()
    return Tensor.record("fixed", output: copy, inputs: [logProbs]) { pass in
      let gradient = try pass.gradient(0)
      for i in 0..<gradient.count { gradient.pointer[i] += pass.dout.pointer[i] }
    }
  }
}

extension TrainOptions {
  /// Options for a test: everything in one batch, in order.
  init(batch: Int) {
    self.init()
    batchSize = batch
    shuffle = false
  }
}
