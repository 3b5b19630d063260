// Arithmetic on the list of all gradients: norm, clipping. One fixed order, whatever the number of threads.

import Kernels
import Tensors

enum Gradients {
  /// The L2 norm of all gradients together: squares summed in Double per tensor, tensors in order.
  static func norm(_ gradients: [Tensor]) -> Double {
    gradients.reduce(0) { $0 + sumOfSquares($1.pointer, count: $1.count) }.squareRoot()
  }

  /// torch.nn.utils.clip_grad_norm_: most / (norm + 1e-6) where that is below 1, else 1; nothing is clipped to 0.
  static func clipping(norm: Double, to most: Double) -> Float { most > 0 ? Float(min(1, most / (norm + 1e-6))) : 1 }
}
