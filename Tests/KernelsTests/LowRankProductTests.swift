// Products of a low rank against plain sums in Double.

import Kernels
import XCTest

final class LowRankProductTests: XCTestCase {
  /// left[m,k] · right[k,n], both row-major.
  private func product(_ left: [Double], _ right: [Double], _ m: Int, _ n: Int, _ k: Int) -> [Double] {
    var out = [Double](repeating: 0, count: m * n)
    for row in 0..<m {
      for step in 0..<k {
        for column in 0..<n { out[row * n + column] += left[row * k + step] * right[step * n + column] }
      }
    }
    return out
  }

  private func transposed(_ x: [Float], rows: Int, columns: Int) -> [Float] {
    (0..<columns).flatMap { column in (0..<rows).map { x[$0 * columns + column] } }
  }

  private func check(rows T: Int, columns N: Int, rank R: Int) {
    var numbers = Numbers(seed: UInt64(T * 31 + N * 7 + R))
    let (x, w, low, y) = (numbers.floats(T * N), numbers.floats(N * R), numbers.floats(T * R), numbers.floats(T * N))
    let (mask, old) = (numbers.floats(T * N), numbers.floats(N * R))
    let message = "\(T) × \(N), rank \(R)"
    let tolerance = 3e-6 * Double(max(T, N)).squareRoot() + 1e-6

    let wT = transposed(w, rows: N, columns: R)  // [R,N]
    let down = product(x.doubles, w.doubles, T, R, N).map { $0 * 0.5 }
    for isTransposed in [false, true] {
      var out = [Float](repeating: .nan, count: T * R)
      lowRankDown(x, isTransposed ? wT : w, isTransposed: isTransposed, scale: 0.5, rows: T, columns: N, rank: R, out: &out)
      expectClose(out, down, absolute: tolerance, "down \(message)")
    }

    let up = product(low.doubles, wT.doubles, T, N, R)
    for isTransposed in [false, true] {
      var out = y
      lowRankUp(low, isTransposed ? w : wT, isTransposed: isTransposed, rows: T, columns: N, rank: R, addingTo: &out)
      expectClose(out, zip(y, up).map { Double($0) + $1 }, absolute: tolerance, "up \(message)")
    }
    var masked = y
    lowRankUp(low, wT, isTransposed: false, mask: mask, rows: T, columns: N, rank: R, addingTo: &masked)
    expectClose(masked, (0..<T * N).map { Double(y[$0]) + Double(mask[$0]) * up[$0] }, absolute: tolerance, "masked \(message)")

    let slope = product(transposed(low, rows: T, columns: R).doubles, x.doubles, R, N, T)  // [R,N]
    var fresh = [Float](repeating: .nan, count: R * N)
    lowRankGradient(low, x, isTransposed: false, rows: T, columns: N, rank: R, out: &fresh, accumulate: false)
    expectClose(fresh, slope, absolute: tolerance, "gradient \(message)")
    var sum = old
    lowRankGradient(low, x, isTransposed: true, rows: T, columns: N, rank: R, out: &sum, accumulate: true)
    let expected = (0..<N * R).map { Double(old[$0]) + slope[$0 % R * N + $0 / R] }
    expectClose(sum, expected, absolute: tolerance, "transposed gradient \(message)")
  }

  func testSizes() {
    for size in 1...17 { check(rows: size, columns: 18 - size, rank: 1 + size * 5 % 17) }
    for (rows, columns, rank) in [(65, 129, 16), (128, 160, 8), (130, 31, 64), (300, 576, 16), (1, 257, 33), (200, 1, 1)] {
      check(rows: rows, columns: columns, rank: rank)
    }
  }

  /// No rows, no columns: nothing is written but zeros where a sum over nothing is asked for.
  func testNothing() {
    var out: [Float] = [7, 7]
    lowRankDown([1], [1], isTransposed: false, scale: 1, rows: 0, columns: 1, rank: 1, out: &out)
    lowRankUp([1], [1], isTransposed: false, rows: 0, columns: 1, rank: 1, addingTo: &out)
    XCTAssertEqual(out, [7, 7])
    lowRankGradient([1], [1], isTransposed: false, rows: 0, columns: 2, rank: 1, out: &out, accumulate: false)
    XCTAssertEqual(out, [0, 0])
  }

  func testSameBitsForAnyThreadCountAndCompany() {
    var numbers = Numbers(seed: 3)
    let (T, N, R) = (200, 96, 16)
    let (x, w, low) = (numbers.floats(T * N), numbers.floats(N * R), numbers.floats(T * R))
    func run(_ rows: Int) -> (down: [Float], up: [Float], slope: [Float]) {
      var (down, up, slope) = ([Float](repeating: 0, count: rows * R), Array(x[..<(rows * N)]), [Float](repeating: 0, count: N * R))
      lowRankDown(x, w, isTransposed: false, scale: 2, rows: rows, columns: N, rank: R, out: &down)
      lowRankUp(low, w, isTransposed: true, rows: rows, columns: N, rank: R, addingTo: &up)
      lowRankGradient(low, x, isTransposed: true, rows: rows, columns: N, rank: R, out: &slope, accumulate: false)
      return (down, up, slope)
    }
    expectSameBits {
      let result = run(T)
      return result.down + result.up + result.slope
    }
    let (few, all) = (run(5), run(T))
    XCTAssertEqual(few.down, Array(all.down[..<(5 * R)]))
    XCTAssertEqual(few.up, Array(all.up[..<(5 * N)]))
  }
}
