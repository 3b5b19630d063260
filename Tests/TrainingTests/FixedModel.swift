// A model whose log-probs are its parameters: what a loss does to a log-prob is then the gradient of a parameter.

import Models
import Tensors
import Training

final class FixedModel: TrainableModel {
  let logProbs: Tensor

  /// One list of log-probs per sequence, in the order the objective asks for them.
  init(_ rows: [[Double]]) throws {
    let values = rows.flatMap { $0.map(Float.init) }
    logProbs = try Tensor(parameter: [values.count], values: values)
  }

  var trainable: [(name: String, tensor: Tensor)] { [("log_probs", logProbs)] }

  func tokenLogProbs(_ sequences: [[Int]], scoredFrom: [Int], options: ForwardOptions) throws -> Tensor {
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
