// Matrix products on Kernels' GEMM: matrices, vectors, and stacks of matrices with broadcasting over the leading axes.

import Kernels

extension Tensor {
  /// Matrix product.
  ///
  /// A vector on the left is a row, on the right a column, and its axis is absent from the result; leading axes broadcast.
  public static func matmul(_ left: Tensor, _ right: Tensor) throws -> Tensor {
    let plan = try MatmulPlan(left, right)
    let output = try Tensor(shape: plan.shape)
    plan.run { a, b, c in
      gemm(
        transposeA: false, transposeB: false, m: plan.m, n: plan.n, k: plan.k, a: left.pointer + a, lda: plan.k,
        b: right.pointer + b, ldb: plan.n, c: output.pointer + c, ldc: plan.n, accumulate: false)
    }
    if plan.k == 0 { output.pointer.update(repeating: 0, count: output.count) }
    return record("@", output: output, inputs: [left, right]) { pass in
      let dout = pass.dout
      if pass.needs(0) {
        let dleft = try pass.gradient(0)
        plan.run { a, b, c in  // dA += dC·Bᵀ
          gemm(
            transposeA: false, transposeB: true, m: plan.m, n: plan.k, k: plan.n, a: dout.pointer + c, lda: plan.n,
            b: right.pointer + b, ldb: plan.n, c: dleft.pointer + a, ldc: plan.k, accumulate: true)
        }
      }
      if pass.needs(1) {
        let dright = try pass.gradient(1)
        plan.run { a, b, c in  // dB += Aᵀ·dC
          gemm(
            transposeA: true, transposeB: false, m: plan.k, n: plan.n, k: plan.m, a: left.pointer + a, lda: plan.k,
            b: dout.pointer + c, ldb: plan.n, c: dright.pointer + b, ldc: plan.n, accumulate: true)
        }
      }
    }
  }

  /// Inner product of two vectors, a tensor of rank 0; summed in Double.
  public static func dot(_ left: Tensor, _ right: Tensor) throws -> Tensor {
    guard left.rank == 1, right.rank == 1, left.shape == right.shape else {
      throw TensorError(
        "dot takes two vectors of one length, not shapes \(Shape.text(left.shape)) and \(Shape.text(right.shape))",
        hint: "for matrices use a @ b")
    }
    return try (left * right).sum()
  }
}

/// What a matrix product has to do: the sizes of each product and where its operands lie.
private struct MatmulPlan {
  var m = 1
  var n = 1
  let k: Int
  let shape: [Int]
  /// Offsets of the operands and the result, one per product.
  private var products: [(a: Int, b: Int, c: Int)] = []

  init(_ left: Tensor, _ right: Tensor) throws {
    guard left.rank > 0, right.rank > 0 else {
      throw TensorError(
        "'@' takes tensors with at least one axis, not shapes \(Shape.text(left.shape)) and \(Shape.text(right.shape))",
        hint: "to multiply by a number, use *")
    }
    let a = left.rank == 1 ? [1] + left.shape : left.shape
    let b = right.rank == 1 ? right.shape + [1] : right.shape
    k = a[a.count - 1]
    guard k == b[b.count - 2], let batch = Shape.broadcast(Array(a.dropLast(2)), Array(b.dropLast(2))) else {
      throw MatmulPlan.mismatch(left, right, inner: k == b[b.count - 2])
    }
    m = a[a.count - 2]
    n = b[b.count - 1]
    shape = batch + (left.rank == 1 ? [] : [m]) + (right.rank == 1 ? [] : [n])
    let count = try Shape.count(batch)
    if b.dropLast(2).allSatisfy({ $0 == 1 }), a.count >= b.count {
      m *= count  // one matrix on the right: the stack on the left is one tall matrix
      products = [(0, 0, 0)]
      return
    }
    let aSteps = Shape.broadcastStrides(Array(a.dropLast(2)), to: batch)
    let bSteps = Shape.broadcastStrides(Array(b.dropLast(2)), to: batch)
    for index in 0..<count {
      var remaining = index
      var (aPlace, bPlace) = (0, 0)
      for axis in batch.indices.reversed() {
        let place = remaining % batch[axis]
        remaining /= batch[axis]
        aPlace += place * aSteps[axis]
        bPlace += place * bSteps[axis]
      }
      products.append((aPlace * m * k, bPlace * k * n, index * m * n))
    }
  }

  /// Runs the products one after the other (each is threaded inside, and gradients of broadcast operands add up in order).
  func run(_ body: (_ a: Int, _ b: Int, _ c: Int) -> Void) {
    if m == 0 || n == 0 || k == 0 { return }
    for product in products { body(product.a, product.b, product.c) }
  }

  private static func mismatch(_ left: Tensor, _ right: Tensor, inner: Bool) -> TensorError {
    let l = left.shape
    let r = right.shape
    let shapes = "'@' cannot multiply shapes \(Shape.text(l)) and \(Shape.text(r))"
    if inner { return TensorError("\(shapes): the leading axes do not broadcast", hint: "leading extents must be equal or 1") }
    let rows = r.count == 1 ? r[0] : r[r.count - 2]
    var hint = "the last extent of the left side must equal \(r.count == 1 ? "the length" : "the number of rows") of the right side"
    if r.count == 2, r[1] == l[l.count - 1] { hint = "transpose the right side: a @ b.T" }
    if l.count == 2, l[0] == rows { hint = "transpose the left side: a.T @ b" }
    if l == r, l.count == 2 { hint = "for the product of elements use *; for rows by rows, a @ b.T" }
    return TensorError("\(shapes): \(l[l.count - 1]) columns meet \(rows) rows", hint: hint)
  }
}
