// Fast products equal their definition bit for bit, for all shapes and transposes, any thread count and any company of rows.

import Kernels
import XCTest

final class GEMMTests: XCTestCase {
  override func tearDown() { ThreadPool.shared.configure(threads: 2) }

  func testSmallShapesEqualTheDefinition() {
    var noise = Noise(seed: 1)
    for m in 1...17 {
      for n in 1...17 {
        for k in 1...17 {
          for transposes in 0..<4 {
            check(m, n, k, transposeA: transposes & 1 == 1, transposeB: transposes & 2 == 2, accumulate: (m + n + k) % 2 == 0, &noise)
          }
        }
      }
    }
  }

  func testOddLargeShapesEqualTheDefinition() {
    var noise = Noise(seed: 2)
    // One past a tile, past a block of k, past a chunk of columns, and primes.
    let shapes = [
      (1, 257, 385), (13, 33, 769), (25, 513, 64), (97, 101, 103), (131, 1, 389), (3, 300, 1537), (61, 577, 401), (24, 64, 768),
    ]
    for (m, n, k) in shapes {
      for transposes in 0..<4 {
        for accumulate in [false, true] {
          check(m, n, k, transposeA: transposes & 1 == 1, transposeB: transposes & 2 == 2, accumulate: accumulate, &noise)
        }
      }
    }
  }

  func testManyRowsTakeSeveralPasses() {
    var noise = Noise(seed: 3)
    // More than 768 rows of a k so long that A is packed in several passes.
    check(781, 3, 6001, transposeA: false, transposeB: true, accumulate: true, &noise)
  }

  func testDegenerateShapes() {
    var c: [Float] = [1, 2, 3, 4]
    let a: [Float] = [1, 2, 3, 4]
    for (m, n) in [(0, 2), (2, 0), (0, 0)] {
      gemm(transposeA: false, transposeB: false, m: m, n: n, k: 2, a: a, lda: 2, b: a, ldb: 2, c: &c, ldc: 2, accumulate: false)
      XCTAssertEqual(c, [1, 2, 3, 4])
    }
    gemm(transposeA: false, transposeB: false, m: 2, n: 2, k: 0, a: a, lda: 0, b: a, ldb: 2, c: &c, ldc: 2, accumulate: true)
    XCTAssertEqual(c, [1, 2, 3, 4])
    gemm(transposeA: false, transposeB: false, m: 2, n: 1, k: 0, a: a, lda: 0, b: a, ldb: 2, c: &c, ldc: 2, accumulate: false)
    XCTAssertEqual(c, [0, 2, 0, 4])
  }

  func testInfinityAndNotANumberStayInTheirRowAndColumn() {
    var a = [Float](repeating: 1, count: 13 * 5)
    a[12 * 5 + 3] = .nan
    var b = [Float](repeating: 1, count: 5 * 35)
    b[2 * 35 + 34] = .infinity
    var c = [Float](repeating: 0, count: 13 * 35)
    gemm(transposeA: false, transposeB: false, m: 13, n: 35, k: 5, a: a, lda: 5, b: b, ldb: 35, c: &c, ldc: 35, accumulate: false)
    for row in 0..<13 {
      for column in 0..<35 {
        let value = c[row * 35 + column]
        if row == 12 { XCTAssert(value.isNaN) } else { XCTAssertEqual(value, column == 34 ? .infinity : 5) }
      }
    }
  }

  func testThreadsDoNotChangeBits() {
    var noise = Noise(seed: 4)
    for (m, n, k) in [(5, 576, 576), (130, 577, 1001), (333, 65, 97)] {
      let a = noise.floats(m * k)
      let b = noise.floats(n * k)
      let results = [1, 2, 3, 8].map { threads in
        ThreadPool.shared.configure(threads: threads)
        var c = [Float](repeating: 0, count: m * n)
        gemm(transposeA: false, transposeB: true, m: m, n: n, k: k, a: a, lda: k, b: b, ldb: k, c: &c, ldc: n, accumulate: false)
        return c.map(\.bitPattern)
      }
      XCTAssert(results.allSatisfy { $0 == results[0] })
    }
  }

  func testOtherRowsDoNotChangeBits() {
    var noise = Noise(seed: 5)
    let (m, n, k) = (50, 200, 1000)
    let a = noise.floats(m * k)
    let weight = PackedWeight(.q4_1, rows: n, columns: 992, &noise)
    var together = [Float](repeating: 0, count: m * n)
    gemmTransposed(m: m, a: a, lda: k, weight: weight.view, c: &together, ldc: n, accumulate: false)
    for (first, count) in [(0, 1), (7, 1), (49, 1), (3, 13), (24, 12)] {
      var apart = [Float](repeating: 0, count: count * n)
      a.withUnsafeBufferPointer {
        gemmTransposed(
          m: count, a: $0.baseAddress! + first * k, lda: k, weight: weight.view, c: &apart, ldc: n, accumulate: false)
      }
      XCTAssertEqual(apart, Array(together[first * n..<(first + count) * n]), "rows \(first) to \(first + count)")
    }
  }

  func testWeightsOfEveryTypeEqualTheDefinition() {
    var noise = Noise(seed: 6)
    for type in WeightType.allCases {
      let block = max(type.blockElements, 32)
      for (m, rows, columns) in [(1, 1, block), (13, 33, 2 * block), (7, 65, 3 * block), (2, 129, 768)] {
        let weight = PackedWeight(type, rows: rows, columns: columns, &noise)
        for accumulate in [false, true] {
          let forward = noise.floats(m * columns)
          var c = noise.floats(m * rows)
          var expected = c
          gemmTransposed(m: m, a: forward, lda: columns, weight: weight.view, c: &c, ldc: rows, accumulate: accumulate)
          naiveGemmTransposed(m: m, a: forward, lda: columns, weight: weight.view, c: &expected, ldc: rows, accumulate: accumulate)
          XCTAssertEqual(c, expected, "\(type.name) transposed \(m)×\(rows)×\(columns)")
          let backward = noise.floats(m * rows)
          var dx = noise.floats(m * columns)
          var expectedInput = dx
          gemmPlain(m: m, a: backward, lda: rows, weight: weight.view, c: &dx, ldc: columns, accumulate: accumulate)
          naiveGemmPlain(m: m, a: backward, lda: rows, weight: weight.view, c: &expectedInput, ldc: columns, accumulate: accumulate)
          XCTAssertEqual(dx, expectedInput, "\(type.name) plain \(m)×\(rows)×\(columns)")
        }
      }
    }
  }

  func testUnalignedFloatWeights() {
    var noise = Noise(seed: 7)
    let aligned = PackedWeight(.f32, rows: 9, columns: 7, &noise)
    let moved = UnsafeMutableRawPointer.allocate(byteCount: 9 * 7 * 4 + 1, alignment: 16)
    defer { moved.deallocate() }
    (moved + 1).copyMemory(from: aligned.view.base, byteCount: 9 * 7 * 4)
    let view = WeightView(type: .f32, base: moved + 1, rows: 9, columns: 7)
    let x = noise.floats(2 * 7)
    var c = [Float](repeating: 0, count: 18)
    var expected = c
    gemmTransposed(m: 2, a: x, lda: 7, weight: view, c: &c, ldc: 9, accumulate: false)
    naiveGemmTransposed(m: 2, a: x, lda: 7, weight: aligned.view, c: &expected, ldc: 9, accumulate: false)
    XCTAssertEqual(c, expected)
  }

  /// Compares with the definition, in matrices with wider rows than needed whose surplus must stay as it is.
  ///
  /// A once with rows that are read where they lie, and once a multiple of 4 KiB apart, so that they are packed.
  private func check(
    _ m: Int, _ n: Int, _ k: Int, transposeA: Bool, transposeB: Bool, accumulate: Bool, _ noise: inout Noise, line: UInt = #line
  ) {
    let width = transposeA ? m : k
    for lda in [width + 1, (width + 1023) / 1024 * 1024] {
      check(m, n, k, lda: lda, transposeA: transposeA, transposeB: transposeB, accumulate: accumulate, &noise, line: line)
    }
  }

  private func check(
    _ m: Int, _ n: Int, _ k: Int, lda: Int, transposeA: Bool, transposeB: Bool, accumulate: Bool, _ noise: inout Noise, line: UInt
  ) {
    let ldb = (transposeB ? k : n) + 2
    let ldc = n + 3
    let a = noise.floats((transposeA ? k : m) * lda)
    let b = noise.floats((transposeB ? n : k) * ldb)
    var c = noise.floats(m * ldc)
    var expected = c
    gemm(
      transposeA: transposeA, transposeB: transposeB, m: m, n: n, k: k, a: a, lda: lda, b: b, ldb: ldb, c: &c, ldc: ldc,
      accumulate: accumulate)
    naiveGemm(
      transposeA: transposeA, transposeB: transposeB, m: m, n: n, k: k, a: a, lda: lda, b: b, ldb: ldb, c: &expected, ldc: ldc,
      accumulate: accumulate)
    XCTAssertEqual(c, expected, "\(m)×\(n)×\(k) rows \(lda) apart, transposes \(transposeA) \(transposeB)", line: line)
  }
}
