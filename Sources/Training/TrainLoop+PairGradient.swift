// The gradient of one pair beside that of its batch, layer by layer: who pulls, where, and whether it pulls with the others.

import Models
import Tensors

/// What one layer gets from a pair and from its batch.
public struct LayerGradient: Sendable, Equatable {
  /// The layer: `0`, `1`, … for blocks, else the parameter's own name.
  public var layer: String
  /// Norm of the pair's gradient.
  public var norm: Double
  /// Norm of the batch's gradient, the mean of its pairs'.
  public var batchNorm: Double
  /// Product of both.
  public var dot: Double

  /// Cosine of the angle between both; NaN where one is zero.
  public var cosine: Double { dot / (norm * batchNorm) }
}

extension TrainLoop {
  /// The gradient of one example's loss and the gradient of a batch's, by layer, at the model's present weights.
  ///
  /// - Parameters:
  ///   - index: The example.
  ///   - batch: The examples of the batch.
  ///   - other: Another objective that the indices belong to; nil: the trainer's.
  public func layerGradients(
    of index: Int, in batch: [Int], under other: (any Objective)? = nil, poll: () throws -> Void = {}
  ) throws -> [LayerGradient] {
    let objective = other ?? objective
    let own = try measure(Batch(microBatches: [[index]]), objective: objective, poll: poll).gradients
    let size = max(1, options.batchSize)
    let groups = stride(from: 0, to: batch.count, by: size).map { Array(batch[$0..<min($0 + size, batch.count)]) }
    let all = try measure(Batch(microBatches: groups), objective: objective, poll: poll).gradients
    var layers: [LayerGradient] = []
    for ((name, _), (a, b)) in zip(model.trainable, zip(own, all)) {
      var (squareA, squareB, dot) = (0.0, 0.0, 0.0)
      for i in 0..<a.count {
        let (x, y) = (Double(a.pointer[i]), Double(b.pointer[i]))
        squareA += x * x
        squareB += y * y
        dot += x * y
      }
      let layer = layerName(name)
      if layers.last?.layer != layer { layers.append(LayerGradient(layer: layer, norm: 0, batchNorm: 0, dot: 0)) }
      let last = layers.count - 1
      layers[last].norm += squareA
      layers[last].batchNorm += squareB
      layers[last].dot += dot
    }
    return layers.map { LayerGradient(layer: $0.layer, norm: $0.norm.squareRoot(), batchNorm: $0.batchNorm.squareRoot(), dot: $0.dot) }
  }
}

/// The number after `layers` in a parameter's name, or the name without its `weight`.
private func layerName(_ name: String) -> String {
  let parts = name.split(separator: ".")
  if let place = parts.firstIndex(of: "layers"), place + 1 < parts.count { return String(parts[place + 1]) }
  return parts.filter { $0 != "weight" && $0 != "model" && $0 != "base_model" }.joined(separator: ".")
}
