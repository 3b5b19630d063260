// Matrix products.

/// Computes C[m,n] (+)= op(A)[m,k] · op(B)[k,n], row-major; a transposed A is stored [k,m], a transposed B [n,k].
public func gemm(
  transposeA: Bool, transposeB: Bool, m: Int, n: Int, k: Int, a: UnsafePointer<Float>, lda: Int, b: UnsafePointer<Float>, ldb: Int,
  c: UnsafeMutablePointer<Float>, ldc: Int, accumulate: Bool
) {
  ThreadPool.shared.run(m) { row in
    naiveGemm(
      transposeA: transposeA, transposeB: transposeB, m: 1, n: n, k: k, a: transposeA ? a + row : a + row * lda, lda: lda, b: b,
      ldb: ldb, c: c + row * ldc, ldc: ldc, accumulate: accumulate)
  }
}

/// Computes C[m,rows] (+)= A[m,columns] · Wᵀ: the forward pass of a linear layer.
public func gemmTransposed(
  m: Int, a: UnsafePointer<Float>, lda: Int, weight: WeightView, c: UnsafeMutablePointer<Float>, ldc: Int, accumulate: Bool
) {
  let whole = unpackedWeight(weight)
  gemm(
    transposeA: false, transposeB: true, m: m, n: weight.rows, k: weight.columns, a: a, lda: lda, b: whole, ldb: weight.columns,
    c: c, ldc: ldc, accumulate: accumulate)
}

/// Computes C[m,columns] (+)= A[m,rows] · W: the backward pass of a linear layer towards its input.
public func gemmPlain(
  m: Int, a: UnsafePointer<Float>, lda: Int, weight: WeightView, c: UnsafeMutablePointer<Float>, ldc: Int, accumulate: Bool
) {
  let whole = unpackedWeight(weight)
  gemm(
    transposeA: false, transposeB: false, m: m, n: weight.columns, k: weight.rows, a: a, lda: lda, b: whole, ldb: weight.columns,
    c: c, ldc: ldc, accumulate: accumulate)
}
