// Functions of one tensor, element by element; the gradient of each stands beside it in Kernels/Elementwise.

import Kernels

extension Tensor {
  /// −x.
  public static prefix func - (x: Tensor) throws -> Tensor { try x.apply(.negate, "-") }
  /// e to the power of each element.
  public func exp() throws -> Tensor { try apply(.exp, "exp") }
  /// Natural logarithm; NaN below 0, −∞ at 0.
  public func log() throws -> Tensor { try apply(.log, "log") }
  /// Square root; NaN below 0.
  public func sqrt() throws -> Tensor { try apply(.sqrt, "sqrt") }
  /// Absolute value; its gradient at 0 is 0.
  public func abs() throws -> Tensor { try apply(.abs, "abs") }
  /// Hyperbolic tangent.
  public func tanh() throws -> Tensor { try apply(.tanh, "tanh") }
  /// 1 / (1 + e^−x).
  public func sigmoid() throws -> Tensor { try apply(.sigmoid, "sigmoid") }
  /// log(sigmoid(x)) without underflow.
  public func logSigmoid() throws -> Tensor { try apply(.logSigmoid, "logsigmoid") }
  /// max(x, 0); its gradient at 0 is 0.
  public func relu() throws -> Tensor { try apply(.relu, "relu") }
  /// x · sigmoid(x).
  public func silu() throws -> Tensor { try apply(.silu, "silu") }
  /// x · Φ(x) with the normal distribution function, or its approximation by tanh.
  public func gelu(tanhApproximation: Bool = false) throws -> Tensor { try apply(tanhApproximation ? .geluTanh : .gelu, "gelu") }
  /// x².
  public func square() throws -> Tensor { try apply(.square, "square") }
  /// Sine of an angle in radians.
  public func sin() throws -> Tensor { try apply(.sin, "sin") }
  /// Cosine of an angle in radians.
  public func cos() throws -> Tensor { try apply(.cos, "cos") }
  /// Nearest whole number, ties to even.
  public func rounded() throws -> Tensor { try apply(.round, "round") }
  /// Largest whole number that is not greater.
  public func floor() throws -> Tensor { try apply(.floor, "floor") }
  /// 1 where an element is NaN, else 0.
  public func isNaN() throws -> Tensor {
    let output = try map(.isNaN)
    output.isMask = true
    return output
  }

  /// The kernel without the tape.
  func map(_ operation: UnaryOperation) throws -> Tensor {
    let output = try Tensor(shape: shape)
    unaryForward(operation, x: pointer, out: output.pointer, count: count)
    return output
  }

  private func apply(_ operation: UnaryOperation, _ name: String) throws -> Tensor {
    let output = try map(operation)
    let y = output.detached()
    return Tensor.record(name, output: output, inputs: [self]) { [self] pass in
      let dx = try pass.gradient(0)
      unaryBackward(operation, dout: pass.dout.pointer, x: pointer, y: y.pointer, dx: dx.pointer, count: count)
    }
  }
}
