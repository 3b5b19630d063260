// AdamW, RMSprop and SGD over the loop's list of parameters; the rules themselves are kernels.

import Kernels
import Tensors

/// What an optimizer remembers of one parameter.
struct Moments {
  /// AdamW's mean of gradients, RMSprop's mean of squares, SGD's velocity.
  let first: Tensor
  /// AdamW's mean of squares, RMSprop's velocity.
  let second: Tensor?
}

/// Moves parameters along their gradients.
package final class Optimizer {
  private let kind: OptimizerKind
  private let parameters: [Tensor]
  /// Whether weight decay acts on each parameter.
  private let decays: [Bool]
  private(set) var moments: [Moments]
  /// Updates done when the moments were zero.
  package var start = 0

  package init(kind: OptimizerKind, parameters: [(name: String, tensor: Tensor)]) throws {
    self.kind = kind
    self.parameters = parameters.map(\.tensor)
    decays = parameters.map { Optimizer.decays($0.name) }
    moments = try parameters.map { _, tensor in
      Moments(first: try .zeros(tensor.shape, lasting: true), second: kind == .sgd ? nil : try .zeros(tensor.shape, lasting: true))
    }
  }

  /// Whether weight decay acts on a parameter of this name: transformers spares biases and norm weights.
  static func decays(_ name: String) -> Bool {
    let lower = name.lowercased()
    if lower.contains("bias") || lower.contains("layernorm") || lower.contains("rmsnorm") { return false }
    return !lower.split(separator: ".").contains { $0 == "norm" || $0.hasSuffix("_norm") }
  }

  /// One update.
  ///
  /// - Parameters:
  ///   - step: The number of the update, from 1.
  ///   - clipping: What all gradients are multiplied by first.
  package func update(_ gradients: [Tensor], step: Int, rate: Double, clipping: Float = 1, options: TrainOptions) {
    let step = step - start
    for (index, parameter) in parameters.enumerated() {
      let decay = decays[index] ? options.weightDecay : 0
      let (p, g, count) = (parameter.pointer, gradients[index].pointer, parameter.count)
      let (first, second) = (moments[index].first.pointer, moments[index].second?.pointer)
      switch (kind, second) {
      case (.adamw, let second?):
        let rule = AdamWOptions(
          learningRate: rate, beta1: options.adamBeta1, beta2: options.adamBeta2, epsilon: options.adamEpsilon, weightDecay: decay,
          gradientScale: clipping)
        adamWUpdate(parameter: p, gradient: g, firstMoment: first, secondMoment: second, count: count, step: step, options: rule)
      case (.rmsprop, let second?):
        let rule = RMSpropOptions(learningRate: rate, weightDecay: decay, gradientScale: clipping)
        rmspropUpdate(parameter: p, gradient: g, meanSquare: first, velocity: second, count: count, options: rule)
      default:
        let rule = SGDOptions(learningRate: rate, weightDecay: decay, gradientScale: clipping)
        sgdUpdate(parameter: p, gradient: g, velocity: first, count: count, step: step, options: rule)
      }
    }
  }
}
