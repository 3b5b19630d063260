// + - * / ** // % and comparisons, with broadcasting, each beside its gradient. Numbers on either side are tensors of rank 0.

import Kernels

extension Tensor {
  /// Sum with broadcasting.
  public static func + (left: Tensor, right: Tensor) throws -> Tensor {
    let output = try combine(.add, "+", left, right)
    return record("+", output: output, inputs: [left, right]) { pass in
      for input in 0..<2 where pass.needs(input) { try pass.addReduced(pass.dout, to: input) }
    }
  }

  /// Sum of two tensors of one shape in the memory of `fresh`, whose own values are then lost: for one that no gradient needs.
  package func added(into fresh: Tensor) throws -> Tensor {
    precondition(shape == fresh.shape, "\(shape) and \(fresh.shape)")
    let output = fresh.detached()
    addScaled(pointer, factor: 1, to: output.pointer, count: count)
    return Tensor.record("+", output: output, inputs: [self, fresh]) { pass in
      for input in 0..<2 where pass.needs(input) { try pass.addReduced(pass.dout, to: input) }
    }
  }

  /// Difference with broadcasting.
  public static func - (left: Tensor, right: Tensor) throws -> Tensor {
    let output = try combine(.subtract, "-", left, right)
    return record("-", output: output, inputs: [left, right]) { pass in
      if pass.needs(0) { try pass.addReduced(pass.dout, to: 0) }
      if pass.needs(1) { try pass.addReduced(pass.dout, to: 1, factor: -1) }
    }
  }

  /// Product with broadcasting.
  public static func * (left: Tensor, right: Tensor) throws -> Tensor {
    let output = try combine(.multiply, "*", left, right)
    return record("*", output: output, inputs: [left, right]) { pass in
      if pass.needs(0) { try pass.addReduced(combine(.multiply, "*", pass.dout, right), to: 0) }
      if pass.needs(1) { try pass.addReduced(combine(.multiply, "*", pass.dout, left), to: 1) }
    }
  }

  /// Quotient with broadcasting; 1/0 is infinite.
  public static func / (left: Tensor, right: Tensor) throws -> Tensor {
    let output = try combine(.divide, "/", left, right)
    return record("/", output: output, inputs: [left, right]) { pass in
      if pass.needs(0) { try pass.addReduced(combine(.divide, "/", pass.dout, right), to: 0) }
      if pass.needs(1) {
        // −(a/b)/b: what overflows in b² does not here.
        let ratio = try combine(.divide, "/", combine(.divide, "/", left, right), right)
        try pass.addReduced(combine(.multiply, "*", pass.dout, ratio), to: 1, factor: -1)
      }
    }
  }

  /// Power with broadcasting; NaN where a negative number meets an exponent that is not whole.
  public static func ** (left: Tensor, right: Tensor) throws -> Tensor {
    let output = try combine(.power, "**", left, right)
    let result = output.detached()
    return record("**", output: output, inputs: [left, right]) { pass in
      if pass.needs(0) {
        let lowered = try combine(.power, "**", left, combine(.subtract, "-", right, .scalar(1)))
        // b·a^(b−1), and 0 where b is 0 whatever a is.
        let slope = try combine(.whereNonzero, "**", right, combine(.multiply, "*", right, lowered))
        try pass.addReduced(combine(.multiply, "*", pass.dout, slope), to: 0)
      }
      if pass.needs(1) {
        // a^b·log a, and 0 where a^b is 0.
        let slope = try combine(.whereNonzero, "**", result, combine(.multiply, "*", result, left.map(.log)))
        try pass.addReduced(combine(.multiply, "*", pass.dout, slope), to: 1)
      }
    }
  }

  /// Quotient rounded down, with broadcasting; no gradient flows through it.
  public static func floorDivide(_ left: Tensor, _ right: Tensor) throws -> Tensor { try combine(.floorDivide, "//", left, right) }

  /// Remainder with the sign of the divisor, with broadcasting.
  public static func % (left: Tensor, right: Tensor) throws -> Tensor {
    let output = try combine(.modulo, "%", left, right)
    return record("%", output: output, inputs: [left, right]) { pass in
      if pass.needs(0) { try pass.addReduced(pass.dout, to: 0) }
      if pass.needs(1) {
        try pass.addReduced(combine(.multiply, "*", pass.dout, combine(.floorDivide, "//", left, right)), to: 1, factor: -1)
      }
    }
  }

  /// The larger of each pair, with broadcasting; where they are equal each gets half of the gradient.
  public static func maximum(_ left: Tensor, _ right: Tensor) throws -> Tensor { try extreme("maximum", .maximum, .greater, left, right) }

  /// The smaller of each pair, with broadcasting; where they are equal each gets half of the gradient.
  public static func minimum(_ left: Tensor, _ right: Tensor) throws -> Tensor { try extreme("minimum", .minimum, .less, left, right) }

  private static func extreme(
    _ name: String, _ operation: BinaryOperation, _ wins: BinaryOperation, _ left: Tensor, _ right: Tensor
  ) throws -> Tensor {
    let output = try combine(operation, name, left, right)
    return record(name, output: output, inputs: [left, right]) { pass in
      let half = try combine(.multiply, name, combine(.equal, name, left, right), .scalar(0.5))
      for (input, pair) in [(left, right), (right, left)].enumerated() where pass.needs(input) {
        let share = try combine(.add, name, combine(wins, name, pair.0, pair.1), half)
        try pass.addReduced(combine(.multiply, name, pass.dout, share), to: input)
      }
    }
  }

  /// 1 where a comparison holds and 0 elsewhere, with broadcasting; no gradient flows through it.
  public static func compare(_ left: Tensor, _ comparison: Comparison, _ right: Tensor) throws -> Tensor {
    let output = try combine(comparison.operation, comparison.rawValue, left, right)
    output.isMask = true
    return output
  }

  /// The comparisons of `compare`.
  public enum Comparison: String, Sendable, CaseIterable {
    case equal = "=="
    case notEqual = "!="
    case less = "<"
    case lessEqual = "<="
    case greater = ">"
    case greaterEqual = ">="

    var operation: BinaryOperation {
      switch self {
      case .equal: .equal
      case .notEqual: .notEqual
      case .less: .less
      case .lessEqual: .lessEqual
      case .greater: .greater
      case .greaterEqual: .greaterEqual
      }
    }
  }

  /// The kernel behind every operation on two tensors; records nothing.
  static func combine(_ operation: BinaryOperation, _ name: String, _ left: Tensor, _ right: Tensor) throws -> Tensor {
    guard let shape = Shape.broadcast(left.shape, right.shape) else { throw mismatch(name, left, right) }
    let output = try Tensor(shape: shape)
    let loop = BroadcastLoop(
      extents: shape, left: Shape.broadcastStrides(left.shape, to: shape), right: Shape.broadcastStrides(right.shape, to: shape))
    binaryForward(operation, left: left.pointer, right: right.pointer, out: output.pointer, loop: loop)
    // Of two masks, the product is "and", the larger is "or".
    output.isMask = left.isMask && right.isMask && [.multiply, .maximum, .minimum].contains(operation)
    return output
  }

  private static func mismatch(_ name: String, _ left: Tensor, _ right: Tensor) -> TensorError {
    let l = left.shape
    let r = right.shape
    var hint = "aligned at the last axis, extents must be equal or 1"
    if l.count == r.count, l == r.reversed(), l.count == 2 {
      hint = "one of them may want a transpose: .T"
    } else if r.count == 1, let place = l.lastIndex(of: r[0]), place != l.count - 1 {
      hint =
        "to go along axis \(place), give the right side the shape \(Shape.text([r[0]] + Array(repeating: 1, count: l.count - 1 - place)))"
    } else if l.count == 1, let place = r.lastIndex(of: l[0]), place != r.count - 1 {
      hint =
        "to go along axis \(place), give the left side the shape \(Shape.text([l[0]] + Array(repeating: 1, count: r.count - 1 - place)))"
    }
    return TensorError("'\(name)' cannot combine tensors of shapes \(Shape.text(l)) and \(Shape.text(r))", hint: hint)
  }
}

infix operator ** : ExponentiationPrecedence

/// Binds tighter than products, to the right.
precedencegroup ExponentiationPrecedence {
  higherThan: MultiplicationPrecedence
  associativity: right
}

extension BackwardPass {
  /// Adds factor · `term`, summed over the axes along which the input was broadcast, to an input's gradient.
  func addReduced(_ term: Tensor, to input: Int, factor: Float = 1) throws {
    let (gradient, holdsTerms) = try gradientToCompute(input)
    let shape = gradient.shape
    var reduced = term
    if term.shape != shape {
      // The term has the result's rank or, where nothing was broadcast along an axis, fits as it is.
      let wide = Array(repeating: 1, count: max(0, term.rank - shape.count)) + shape
      let axes = term.shape.indices.filter { wide[$0] == 1 && term.shape[$0] != 1 }
      if !axes.isEmpty { reduced = try term.reduceSum(axes: axes, scale: 1) }
    }
    if holdsTerms {
      addScaled(reduced.pointer, factor: factor, to: gradient.pointer, count: gradient.count)
    } else {
      writeScaled(reduced.pointer, factor: factor, to: gradient.pointer, count: gradient.count)
    }
  }
}
