// AdamW, RMSprop and SGD in torch's order of operations, over the loop's list of parameters.
// Elementwise and split over tensors and blocks, so any number of threads gives the same bits.

import Kernels
import Tensors

/// What an optimizer remembers of one parameter.
struct Moments {
  var first: Tensor?
  var second: Tensor?
}

/// Moves parameters along their gradients.
final class Optimizer {
  private let kind: OptimizerKind
  private let parameters: [Tensor]
  /// Whether weight decay acts on each parameter.
  private let decays: [Bool]
  private(set) var moments: [Moments]

  init(kind: OptimizerKind, parameters: [(name: String, tensor: Tensor)]) throws {
    self.kind = kind
    self.parameters = parameters.map(\.tensor)
    decays = parameters.map { Optimizer.decays($0.name) }
    moments = try parameters.map { _, tensor in
      switch kind {
      case .adamw: Moments(first: try .zeros(tensor.shape), second: try .zeros(tensor.shape))
      case .rmsprop: Moments(second: try .zeros(tensor.shape))
      case .sgd: Moments()
      }
    }
  }

  /// Whether weight decay acts on a parameter of this name: transformers spares biases and norm weights.
  static func decays(_ name: String) -> Bool {
    let lower = name.lowercased()
    if lower.contains("bias") || lower.contains("layernorm") || lower.contains("rmsnorm") { return false }
    return !lower.split(separator: ".").contains { $0 == "norm" || $0.hasSuffix("_norm") }
  }

  /// One update; `step` counts from 1.
  func update(_ gradients: [Tensor], step: Int, rate: Double, options: TrainOptions) {
    for (index, parameter) in parameters.enumerated() {
      let decay = decays[index] ? options.weightDecay : 0
      let (p, g) = (parameter.pointer, gradients[index].pointer)
      let (m, v) = (moments[index].first?.pointer, moments[index].second?.pointer)
      let rule = AdamWRule(step: step, rate: rate, decay: decay, options: options)
      let block = 1 << 16
      ThreadPool.shared.run((parameter.count + block - 1) / block) { part in
        let range = part * block..<min((part + 1) * block, parameter.count)
        switch (kind, m, v) {
        case (.adamw, let m?, let v?): Optimizer.adamW(p, g, m, v, range, rule)
        case (.rmsprop, _, let v?): Optimizer.rmsProp(p, g, v, range, rate: Float(rate), decay: Float(decay))
        default: Optimizer.sgd(p, g, range, rate: Float(rate), decay: Float(decay))
        }
      }
    }
  }
}
