// Sums, means, variances, extremes and norms over chosen axes. Sums are kept in Double inside the kernels. Axes that are
// reduced together but do not lie side by side are brought together first.

import Kernels

extension Tensor {
  /// Sum over axes, all of them by default.
  public func sum(axes: [Int]? = nil, keepDimensions: Bool = false) throws -> Tensor {
    try weightedSum("sum", axes: axes, keepDimensions: keepDimensions) { _ in 1 }
  }

  /// Mean over axes; NaN over nothing.
  public func mean(axes: [Int]? = nil, keepDimensions: Bool = false) throws -> Tensor {
    try weightedSum("mean", axes: axes, keepDimensions: keepDimensions) { 1 / Double($0) }
  }

  private func weightedSum(_ name: String, axes: [Int]?, keepDimensions: Bool, scale: (Int) -> Double) throws -> Tensor {
    let plan = try ReductionPlan(name, shape, axes)
    let scale = scale(plan.reducedCount)
    let output = try reduceSum(axes: plan.axes, scale: scale).viewed(plan.shape(keeping: keepDimensions))
    return Tensor.record(name, output: output, inputs: [self]) { pass in
      let dout = pass.dout.viewed(plan.keptShape)
      let share = scale == 1 ? dout : try Tensor.combine(.multiply, name, dout, .scalar(Float(scale)))
      try pass.addBroadcast(share, to: 0)
    }
  }

  /// Variance over axes: squared deviations from the mean, divided by their number minus `ddof`.
  public func variance(axes: [Int]? = nil, keepDimensions: Bool = false, ddof: Int = 0) throws -> Tensor {
    let plan = try ReductionPlan("var", shape, axes)
    let rows = try plan.rows(of: self)
    let output = try Tensor(shape: plan.shape(keeping: keepDimensions))
    let divisor = Double(plan.reducedCount - ddof)
    let means = try withUnsafeTemporaryAllocation(of: Double.self, capacity: Swift.max(1, output.count)) { means in
      if let mean = means.baseAddress {
        varianceRows(x: rows.pointer, mean: mean, out: output.pointer, rows: output.count, columns: plan.reducedCount, divisor: divisor)
      }
      return try Tensor(shape: plan.keptShape, values: means.prefix(output.count).map { Float($0) })
    }
    return Tensor.record("var", output: output, inputs: [self]) { [self] pass in
      let share = try Tensor.combine(.multiply, "var", pass.dout.viewed(plan.keptShape), .scalar(Float(2 / divisor)))
      pass.accumulate(0, try Tensor.combine(.multiply, "var", Tensor.combine(.subtract, "var", self, means), share))
    }
  }

  /// Standard deviation over axes: the square root of `variance`.
  public func standardDeviation(axes: [Int]? = nil, keepDimensions: Bool = false, ddof: Int = 0) throws -> Tensor {
    try variance(axes: axes, keepDimensions: keepDimensions, ddof: ddof).sqrt()
  }

  /// Largest element over axes, NaN if there is one; equal elements share the gradient.
  public func max(axes: [Int]? = nil, keepDimensions: Bool = false) throws -> Tensor {
    try extreme("max", largest: true, axes: axes, keepDimensions: keepDimensions)
  }

  /// Smallest element over axes, NaN if there is one; equal elements share the gradient.
  public func min(axes: [Int]? = nil, keepDimensions: Bool = false) throws -> Tensor {
    try extreme("min", largest: false, axes: axes, keepDimensions: keepDimensions)
  }

  private func extreme(_ name: String, largest: Bool, axes: [Int]?, keepDimensions: Bool) throws -> Tensor {
    let plan = try ReductionPlan(name, shape, axes)
    try plan.requireElements(name)
    let source = plan.isSingleRun ? self : try plan.rows(of: self)
    let (outer, reduced, inner) = plan.isSingleRun ? plan.extents : (plan.keptShape.reduce(1, *), plan.reducedCount, 1)
    let output = try Tensor(shape: plan.shape(keeping: keepDimensions))
    extremeForward(largest: largest, x: source.pointer, out: output.pointer, outer: outer, reduced: reduced, inner: inner)
    let result = output.detached()
    return Tensor.record(name, output: output, inputs: [self]) { [self] pass in
      let hits = try Tensor.combine(.equal, name, self, result.viewed(plan.keptShape))
      let shares = try Tensor.combine(.divide, name, pass.dout.viewed(plan.keptShape), hits.reduceSum(axes: plan.axes, scale: 1))
      pass.accumulate(0, try Tensor.combine(.multiply, name, hits, shares))
    }
  }

  /// Index of the first largest element along an axis, or over all elements; no gradient flows through it.
  public func argmax(axis: Int? = nil, keepDimensions: Bool = false) throws -> Tensor {
    let plan = try ReductionPlan("argmax", shape, axis.map { [$0] })
    try plan.requireElements("argmax")
    let output = try Tensor(shape: plan.shape(keeping: keepDimensions))
    let (outer, reduced, inner) = plan.extents
    argmaxForward(x: pointer, out: output.pointer, outer: outer, reduced: reduced, inner: inner)
    return output
  }

  /// Which norm `norm` computes.
  public enum NormOrder: Sendable { case one, two, infinity }

  /// Norm over axes: the root of the sum of squares, the sum of magnitudes, or the largest magnitude.
  public func norm(order: NormOrder = .two, axes: [Int]? = nil, keepDimensions: Bool = false) throws -> Tensor {
    switch order {
    case .one: return try abs().sum(axes: axes, keepDimensions: keepDimensions)
    case .infinity: return try abs().max(axes: axes, keepDimensions: keepDimensions)
    case .two: break
    }
    let plan = try ReductionPlan("norm", shape, axes)
    let rows = try plan.rows(of: self)
    let output = try Tensor(shape: plan.shape(keeping: keepDimensions))
    normRows(x: rows.pointer, out: output.pointer, rows: output.count, columns: plan.reducedCount)
    let result = output.detached()
    return Tensor.record("norm", output: output, inputs: [self]) { [self] pass in
      // x/‖x‖, and 0 where the norm is 0.
      let unit = try Tensor.combine(.divide, "norm", self, result.viewed(plan.keptShape))
      let direction = try Tensor.combine(.whereNonzero, "norm", self, unit)
      pass.accumulate(0, try Tensor.combine(.multiply, "norm", direction, pass.dout.viewed(plan.keptShape)))
    }
  }

  /// log Σ e^x over axes, without overflow.
  public func logSumExp(axes: [Int]? = nil, keepDimensions: Bool = false) throws -> Tensor {
    let plan = try ReductionPlan("logsumexp", shape, axes)
    let rows = try plan.rows(of: self)
    let output = try Tensor(shape: plan.shape(keeping: keepDimensions))
    logSumExpRows(x: rows.pointer, out: output.pointer, rows: output.count, columns: plan.reducedCount)
    let result = output.detached()
    return Tensor.record("logsumexp", output: output, inputs: [self]) { [self] pass in
      let shares = try Tensor.combine(.subtract, "logsumexp", self, result.viewed(plan.keptShape)).map(.exp)
      pass.accumulate(0, try Tensor.combine(.multiply, "logsumexp", shares, pass.dout.viewed(plan.keptShape)))
    }
  }

  /// Running sums along an axis, or over all elements in order.
  public func cumulativeSum(axis: Int? = nil) throws -> Tensor {
    guard let axis else { return try reshaped([count]).cumulativeSum(axis: 0) }
    let plan = try ReductionPlan("cumsum", shape, [axis])
    let (outer, reduced, inner) = plan.extents
    let output = try Tensor(shape: shape)
    Kernels.cumulativeSum(x: pointer, out: output.pointer, outer: outer, reduced: reduced, inner: inner, reversed: false)
    return Tensor.record("cumsum", output: output, inputs: [self]) { [self] pass in
      let gradient = try Tensor(shape: shape)
      Kernels.cumulativeSum(x: pass.dout.pointer, out: gradient.pointer, outer: outer, reduced: reduced, inner: inner, reversed: true)
      pass.accumulate(0, gradient)
    }
  }

  /// The kernel behind sums, off the tape; the result keeps the reduced axes with extent 1.
  func reduceSum(axes: [Int], scale: Double) throws -> Tensor {
    let plan = try ReductionPlan("sum", shape, axes)
    let output = try Tensor(shape: plan.keptShape)
    if plan.isSingleRun {
      let (outer, reduced, inner) = plan.extents
      sumForward(x: pointer, out: output.pointer, outer: outer, reduced: reduced, inner: inner, scale: scale)
    } else {
      let rows = try plan.rows(of: self)
      sumForward(x: rows.pointer, out: output.pointer, outer: output.count, reduced: plan.reducedCount, inner: 1, scale: scale)
    }
    return output
  }
}

extension BackwardPass {
  /// Adds a term that broadcasts to the input's shape to the input's gradient.
  func addBroadcast(_ term: Tensor, to input: Int) throws {
    let gradient = try gradient(input)
    let loop = BroadcastLoop(
      extents: gradient.shape, left: Shape.strides(gradient.shape), right: Shape.broadcastStrides(term.shape, to: gradient.shape))
    binaryForward(.add, left: gradient.pointer, right: term.pointer, out: gradient.pointer, loop: loop)
  }
}

/// Which axes a reduction takes away, and how the rest lies around them.
struct ReductionPlan {
  /// Reduced axes, ascending.
  let axes: [Int]
  /// The shape with reduced extents replaced by 1.
  let keptShape: [Int]
  private let shape: [Int]

  init(_ name: String, _ shape: [Int], _ axes: [Int]?) throws {
    self.shape = shape
    let resolved = try axes?.map { try Shape.axis($0, rank: shape.count, name) } ?? Array(shape.indices)
    guard Set(resolved).count == resolved.count else { throw TensorError("\(name): an axis is given twice") }
    self.axes = resolved.sorted()
    keptShape = shape.indices.map { resolved.contains($0) ? 1 : shape[$0] }
  }

  var reducedCount: Int { axes.reduce(1) { $0 * shape[$1] } }

  /// Whether the reduced axes lie side by side, so that the tensor is [outer, reduced, inner].
  var isSingleRun: Bool { axes.isEmpty || axes[axes.count - 1] - axes[0] == axes.count - 1 }

  var extents: (outer: Int, reduced: Int, inner: Int) {
    guard let first = axes.first, let last = axes.last else { return (shape.reduce(1, *), 1, 1) }
    return (shape[..<first].reduce(1, *), reducedCount, shape[(last + 1)...].reduce(1, *))
  }

  func shape(keeping: Bool) -> [Int] { keeping ? keptShape : shape.indices.filter { !axes.contains($0) }.map { shape[$0] } }

  /// The tensor as [kept, reduced], copied only where the reduced axes are not the last ones.
  func rows(of tensor: Tensor) throws -> Tensor {
    let kept = shape.indices.filter { !axes.contains($0) }
    return try tensor.detached().permuted(kept + axes)
  }

  func requireElements(_ name: String) throws {
    guard reducedCount > 0 || keptShape.contains(0) else {
      throw TensorError("\(name) of a tensor of shape \(Shape.text(shape)): there is nothing to choose from")
    }
  }
}
