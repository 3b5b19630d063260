// Matrix products written as their definition: what the fast ones are tested against.
// Each output is a sum of chains of fused multiply-adds, one for each stretch of k, in order; the fast ones must agree bit for bit.

/// Computes C[m,n] (+)= op(A)[m,k] · op(B)[k,n], row-major; the oracle of `gemm`.
package func naiveGemm(
  transposeA: Bool, transposeB: Bool, m: Int, n: Int, k: Int, a: UnsafePointer<Float>, lda: Int, b: UnsafePointer<Float>, ldb: Int,
  c: UnsafeMutablePointer<Float>, ldc: Int, accumulate: Bool
) {
  for row in 0..<max(m, 0) {
    for column in 0..<max(n, 0) {
      var sum = accumulate ? c[row * ldc + column] : 0
      for start in stride(from: 0, to: k, by: stretchLength) {
        var chain: Float = 0
        for index in start..<min(k, start + stretchLength) {
          let left = transposeA ? a[index * lda + row] : a[row * lda + index]
          let right = transposeB ? b[column * ldb + index] : b[index * ldb + column]
          chain.addProduct(left, right)
        }
        sum += chain
      }
      c[row * ldc + column] = sum
    }
  }
}

/// Computes C[m,rows] (+)= A[m,columns] · Wᵀ from the whole unpacked weight; the oracle of `gemmTransposed`.
package func naiveGemmTransposed(
  m: Int, a: UnsafePointer<Float>, lda: Int, weight: WeightView, c: UnsafeMutablePointer<Float>, ldc: Int, accumulate: Bool
) {
  let whole = unpackedWeight(weight)
  naiveGemm(
    transposeA: false, transposeB: true, m: m, n: weight.rows, k: weight.columns, a: a, lda: lda, b: whole, ldb: weight.columns,
    c: c, ldc: ldc, accumulate: accumulate)
}

/// Computes C[m,columns] (+)= A[m,rows] · W from the whole unpacked weight; the oracle of `gemmPlain`.
package func naiveGemmPlain(
  m: Int, a: UnsafePointer<Float>, lda: Int, weight: WeightView, c: UnsafeMutablePointer<Float>, ldc: Int, accumulate: Bool
) {
  let whole = unpackedWeight(weight)
  naiveGemm(
    transposeA: false, transposeB: false, m: m, n: weight.columns, k: weight.rows, a: a, lda: lda, b: whole, ldb: weight.columns,
    c: c, ldc: ldc, accumulate: accumulate)
}

/// Computes y[rows] = W·x in double precision; the oracle of `matVec`.
package func naiveMatVec(weight: WeightView, x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>) {
  let whole = unpackedWeight(weight)
  for row in 0..<weight.rows {
    var sum = 0.0
    for column in 0..<weight.columns { sum += Double(whole[row * weight.columns + column]) * Double(x[column]) }
    y[row] = Float(sum)
  }
}

/// All elements of `weight` as floats.
package func unpackedWeight(_ weight: WeightView) -> [Float] {
  [Float](unsafeUninitializedCapacity: weight.rows * weight.columns) { buffer, count in
    if let start = buffer.baseAddress {
      for row in 0..<weight.rows {
        unpack(weight.type, from: weight.row(row), to: start + row * weight.columns, count: weight.columns)
      }
    }
    count = weight.rows * weight.columns
  }
}
