// Arithmetic on the list of all gradients: sum, norm, clipping. One fixed order, whatever the number of threads.

import Kernels
import Tensors

enum Gradients {
  /// Adds a micro-batch's gradients into the sum so far.
  static func add(_ gradients: [Tensor], to sum: [Tensor]) -> [Tensor] {
    forEachTensor(sum) { index in
      let (into, from) = (sum[index].pointer, gradients[index].pointer)
      for i in 0..<sum[index].count { into[i] += from[i] }
    }
    return sum
  }

  /// The L2 norm of all gradients together: squares summed in Double per tensor, tensors in order.
  static func norm(_ gradients: [Tensor]) -> Double {
    let squares = UnsafeMutableBufferPointer<Double>.allocate(capacity: gradients.count)
    squares.initialize(repeating: 0)
    defer { squares.deallocate() }
    nonisolated(unsafe) let sums = squares  // each body writes its own element
    forEachTensor(gradients) { index in
      let values = gradients[index].pointer
      var sum = SIMD4<Double>.zero
      let whole = gradients[index].count / 4 * 4
      for i in stride(from: 0, to: whole, by: 4) {
        let x = SIMD4(Double(values[i]), Double(values[i + 1]), Double(values[i + 2]), Double(values[i + 3]))
        sum += x * x
      }
      var total = sum.sum()
      for i in whole..<gradients[index].count { total += Double(values[i]) * Double(values[i]) }
      sums[index] = total
    }
    return squares.reduce(0, +).squareRoot()
  }

  /// torch.nn.utils.clip_grad_norm_: scales by most / (norm + 1e-6) where that is below 1.
  static func clip(_ gradients: [Tensor], norm: Double, to most: Double) {
    guard most > 0 else { return }
    let factor = Float(most / (norm + 1e-6))
    guard factor < 1 else { return }
    forEachTensor(gradients) { index in
      let values = gradients[index].pointer
      for i in 0..<gradients[index].count { values[i] *= factor }
    }
  }

  private static func forEachTensor(_ tensors: [Tensor], _ body: (Int) -> Void) {
    ThreadPool.shared.run(tensors.count, body)
  }
}
