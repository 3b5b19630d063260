// What the kernel tests share: repeatable numbers, comparison with a tolerance, central differences, and equality of bits
// for different numbers of threads.

import Kernels
import XCTest

/// Repeatable numbers, about normally distributed.
struct Numbers {
  private var state: UInt64

  init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

  mutating func uniform() -> Double {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return Double(state >> 11) / Double(1 << 53)
  }

  mutating func normal() -> Double { (0..<12).reduce(-6) { sum, _ in sum + uniform() } }

  /// Floats, so that the fast kernel and its twin in Double start from the same values.
  mutating func floats(_ count: Int, scale: Double = 1) -> [Float] { (0..<count).map { _ in Float(scale * normal()) } }
}

extension Array where Element == Float {
  var doubles: [Double] { map(Double.init) }
}

/// Each |actual − expected| ≤ absolute + relative · |expected|.
func expectClose(
  _ actual: [Float], _ expected: [Double], absolute: Double = 1e-5, relative: Double = 1e-5, _ message: @autoclosure () -> String = "",
  file: StaticString = #filePath, line: UInt = #line
) {
  XCTAssertEqual(actual.count, expected.count, message(), file: file, line: line)
  for (index, (a, e)) in zip(actual, expected).enumerated() where !(abs(Double(a) - e) <= absolute + relative * abs(e)) {
    return XCTFail("\(message()) element \(index): \(a), expected \(e)", file: file, line: line)
  }
}

/// The derivative of Σ weights · f(x) by each element of x, from differences of f on both sides.
func centralDifferences(_ x: [Double], weights: [Double], step: Double = 1e-5, _ f: ([Double]) -> [Double]) -> [Double] {
  func value(_ x: [Double]) -> Double { zip(f(x), weights).reduce(0) { $0 + $1.0 * $1.1 } }
  return x.indices.map { index in
    var (up, down) = (x, x)
    up[index] += step
    down[index] -= step
    return (value(up) - value(down)) / (2 * step)
  }
}

/// Runs `body` with one thread, then with two and three, and expects the same bits.
func expectSameBits(_ message: String = "", file: StaticString = #filePath, line: UInt = #line, _ body: () -> [Float]) {
  let before = ThreadPool.shared.threadCount
  defer { ThreadPool.shared.configure(threads: before) }
  ThreadPool.shared.configure(threads: 1)
  let one = body().map(\.bitPattern)
  for threads in [2, 3] {
    ThreadPool.shared.configure(threads: threads)
    XCTAssertEqual(one, body().map(\.bitPattern), "\(message): \(threads) threads", file: file, line: line)
  }
}

/// Sizes around vectors and tiles, and primes.
let awkwardSizes = Array(1...17) + [31, 33, 63, 65, 127, 129]
