// What tests of references train on: pairs and options for a model of bigrams.

import Tensors
import Training

/// Tokens of the bigram models that references are tested on.
let smallVocabulary = 11

/// Pairs of random tokens, the same at each call.
func smallPairs(_ count: Int) -> [PreferenceExample] {
  var random = RandomSource(seed: 5)
  func ids(_ range: ClosedRange<Int>) -> [Int] {
    (0..<Int.random(in: range, using: &random)).map { _ in Int.random(in: 0..<smallVocabulary, using: &random) }
  }
  return (0..<count).map { PreferenceExample(prompt: ids(1...4), chosen: ids(1...6), rejected: ids(1...6), row: $0) }
}

/// Options of a run that moves such a model visibly in few steps.
func smallRun(_ change: (inout TrainOptions) -> Void = { _ in }) -> TrainOptions {
  var options = TrainOptions()
  options.learningRate = 0.05
  options.batchSize = 2
  options.epochs = 4
  change(&options)
  return options
}
