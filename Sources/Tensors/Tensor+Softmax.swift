// Softmax, log-softmax and cross-entropy, in forms that neither overflow nor cancel. Rows are the last axis; another axis is
// brought there and back.

import Kernels

extension Tensor {
  /// e^x / Σ e^x along an axis.
  public func softmax(axis: Int = -1) throws -> Tensor {
    try alongLastAxis("softmax", axis) { rows, count, columns in
      let output = try Tensor(shape: rows.shape)
      softmaxRows(x: rows.pointer, out: output.pointer, rows: count, columns: columns)
      let y = output.detached()
      return Tensor.record("softmax", output: output, inputs: [rows]) { pass in
        let dx = try pass.gradient(0)
        softmaxBackward(dout: pass.dout.pointer, y: y.pointer, dx: dx.pointer, rows: count, columns: columns)
      }
    }
  }

  /// x − log Σ e^x along an axis.
  public func logSoftmax(axis: Int = -1) throws -> Tensor {
    try alongLastAxis("log_softmax", axis) { rows, count, columns in
      let output = try Tensor(shape: rows.shape)
      logSoftmaxRows(x: rows.pointer, out: output.pointer, rows: count, columns: columns)
      let y = output.detached()
      return Tensor.record("log_softmax", output: output, inputs: [rows]) { pass in
        let dx = try pass.gradient(0)
        logSoftmaxBackward(dout: pass.dout.pointer, y: y.pointer, dx: dx.pointer, rows: count, columns: columns)
      }
    }
  }

  private func alongLastAxis(
    _ name: String, _ axis: Int, _ body: (_ rows: Tensor, _ count: Int, _ columns: Int) throws -> Tensor
  ) throws -> Tensor {
    if rank == 0 { return try reshaped([1]).alongLastAxis(name, axis, body).reshaped([]) }
    let axis = try Shape.axis(axis, rank: rank, name)
    let columns = shape[axis]
    let rows = columns == 0 ? 0 : count / columns
    if axis == rank - 1 { return try body(self, rows, columns) }
    return try body(transposed(axis, rank - 1), rows, columns).transposed(axis, rank - 1)
  }

  /// How `crossEntropy` brings its losses together.
  public enum LossReduction: String, Sendable, CaseIterable { case mean, sum, none }

  /// −log softmax(logits)[target] over the last axis.
  ///
  /// - Parameters:
  ///   - logits: Shape (…, classes).
  ///   - targets: Classes, shape (…); `ignored` marks places that do not count.
  ///   - reduction: Mean or sum over the places that count, or one loss per place (0 where ignored).
  ///   - ignored: The target that means "none".
  public static func crossEntropy(
    _ logits: Tensor, targets: Tensor, reduction: LossReduction = .mean, ignored: Int = -100
  ) throws -> Tensor {
    guard logits.rank > 0, Array(logits.shape.dropLast()) == targets.shape else {
      throw TensorError(
        "cross_entropy: logits of shape \(Shape.text(logits.shape)) do not go with targets of shape \(Shape.text(targets.shape))",
        hint: "one target per row of logits: (…, classes) with (…)")
    }
    let columns = logits.shape[logits.rank - 1]
    let classes = try targets.integers("cross_entropy: targets")
    for target in classes where target != ignored && (target < 0 || target >= columns) {
      throw TensorError(
        "cross_entropy: target \(target) is out of range for \(columns) classes", hint: "targets go from 0 to \(columns - 1)")
    }
    let kept = classes.count { $0 != ignored }
    let scale: Float = reduction == .mean ? 1 / Float(kept) : 1
    let sums = try Tensor(shape: targets.shape)
    logSumExpRows(x: logits.pointer, out: sums.pointer, rows: classes.count, columns: columns)
    let losses = try Tensor(shape: targets.shape)
    for (row, target) in classes.enumerated() {
      losses.pointer[row] = target == ignored ? 0 : sums.pointer[row] - logits.pointer[row * columns + target]
    }
    let output =
      reduction == .none ? losses : try losses.reduceSum(axes: Array(losses.shape.indices), scale: Double(scale)).viewed([])
    return record("cross_entropy", output: output, inputs: [logits]) { pass in
      let gradient = try Tensor(shape: logits.shape)
      softmaxRows(x: logits.pointer, out: gradient.pointer, rows: classes.count, columns: columns)
      for (row, target) in classes.enumerated() {
        let line = gradient.pointer + row * columns
        let weight = target == ignored ? 0 : pass.dout.pointer[reduction == .none ? row : 0] * scale
        if target != ignored { line[target] -= 1 }
        for column in 0..<columns { line[column] *= weight }
      }
      pass.accumulate(0, gradient)
    }
  }

  /// The elements as whole numbers, or an error that says what they are and which one is not.
  public func integers(_ what: String) throws -> [Int] {
    try UnsafeBufferPointer(start: pointer, count: count).map { value in
      guard let number = Int(exactly: value) else {
        throw TensorError("\(what) must be whole numbers, not \(value)", hint: "round them first")
      }
      return number
    }
  }
}
