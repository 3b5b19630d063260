// The exponential to the last digits, SiLU and SwiGLU against their formulas, softmax and its relatives.

import Foundation
import Kernels
import XCTest

final class ActivationTests: XCTestCase {
  /// Every 61st float from −104 to 89, and both ends: at most 1 unit in the last place from the true value.
  func testExponentialIsExactToOneUnit() {
    var inputs: [Float] = [-.infinity, .infinity, .nan, 0, -0.0, 88.72283, 88.72284, 88.8, 1000, -87.33654, -87.4, -103.97, -103.98, -1000]
    var bits: UInt32 = 0
    while bits < 0x42D0_0000 {
      inputs.append(Float(bitPattern: bits))
      inputs.append(-Float(bitPattern: bits))
      bits += 61 * 16
    }
    var outputs = [Float](repeating: 0, count: inputs.count)
    expForward(x: inputs, out: &outputs, count: inputs.count)
    var worst = 0.0
    for (x, y) in zip(inputs, outputs) {
      let exact = exp(Double(x))
      if x.isNaN {
        XCTAssert(y.isNaN)
      } else if Float(exact).isInfinite {
        XCTAssertEqual(y, .infinity, "e^\(x)")
      } else {
        let unit = Double(max(Float(exact).ulp, Float.leastNonzeroMagnitude))
        let error = abs(Double(y) - exact) / unit
        worst = max(worst, error)
        if error > 2 { return XCTFail("e^\(x) = \(y), expected \(exact), \(error) units off") }
      }
    }
    print("e^x: at most \(worst) units in the last place off")
    XCTAssertLessThanOrEqual(worst, 1.5)
  }

  func testSwiGLU() {
    var numbers = Numbers(seed: 1)
    for count in awkwardSizes + [16_384, 16_401, 40_000] {
      let (gate, up, dout) = (numbers.floats(count, scale: 3), numbers.floats(count), numbers.floats(count))
      var out = [Float](repeating: 0, count: count)
      swigluForward(gate: gate, up: up, out: &out, count: count)
      expectClose(out, naiveSwiGLU(gate: gate.doubles, up: up.doubles), relative: 1e-6, "\(count)")
      var dgate = [Float](repeating: 1, count: count)
      var dup = [Float](repeating: 2, count: count)
      swigluBackward(dout: dout, gate: gate, up: up, dgate: &dgate, dup: &dup, count: count)
      let step = 1e-5
      let zero = [Double](repeating: 0, count: count)
      func slope(_ byGate: Double, _ byUp: Double) -> [Double] {
        let plus = naiveSwiGLU(gate: gate.map { Double($0) + byGate * step }, up: up.map { Double($0) + byUp * step })
        let minus = naiveSwiGLU(gate: gate.map { Double($0) - byGate * step }, up: up.map { Double($0) - byUp * step })
        return zip(zip(plus, minus), dout).map { ($0.0 - $0.1) / (2 * step) * Double($1) }
      }
      expectClose(dgate, zip(slope(1, 0), zero).map { $0 + $1 + 1 }, "dgate \(count)")
      expectClose(dup, slope(0, 1).map { $0 + 2 }, "dup \(count)")
      // Where nothing is added to, what stood there does not matter.
      let added = (dgate, dup)
      for (addsToGate, addsToUp) in [(false, false), (true, false), (false, true)] {
        dgate = [Float](repeating: addsToGate ? 1 : .nan, count: count)
        dup = [Float](repeating: addsToUp ? 2 : .nan, count: count)
        swigluBackward(
          dout: dout, gate: gate, up: up, dgate: &dgate, dup: &dup, count: count, addsToGate: addsToGate, addsToUp: addsToUp)
        expectClose(dgate, added.0.map { Double($0) - (addsToGate ? 0 : 1) }, absolute: 1e-5, relative: 1e-6, "dgate \(count)")
        expectClose(dup, added.1.map { Double($0) - (addsToUp ? 0 : 2) }, absolute: 1e-5, relative: 1e-6, "dup \(count)")
      }
    }
  }

  func testSiLU() {
    var numbers = Numbers(seed: 2)
    let (x, dout) = (numbers.floats(37, scale: 4), numbers.floats(37))
    var (out, dx) = (x, [Float](repeating: 0, count: 37))
    siluForward(x: x, out: &out, count: 37)
    siluBackward(dout: dout, x: x, dx: &dx, count: 37)
    expectClose(out, naiveSiLU(x.doubles))
    expectClose(dx, centralDifferences(x.doubles, weights: dout.doubles, naiveSiLU))
  }

  func testSaturatedGates() {
    let gate: [Float] = [-1000, -100, -88, 88, 100, 1000, 0, .nan]
    var out = gate
    swigluForward(gate: gate, up: [Float](repeating: 2, count: 8), out: &out, count: 8)
    expectClose(Array(out[..<7]), [0, 0, 0, 176, 200, 2000, 0])
    XCTAssert(out[7].isNaN)
  }

  func testSoftmaxes() {
    var numbers = Numbers(seed: 3)
    for columns in awkwardSizes + [1000] {
      let rows = 1 + columns % 5
      var x = numbers.floats(rows * columns, scale: 5)
      x[0] += 300  // e^300 is no float
      let dout = numbers.floats(rows * columns)
      var (soft, logSoft, sums) = (x, x, [Float](repeating: 0, count: rows))
      softmaxRows(x: soft, out: &soft, rows: rows, columns: columns)
      logSoftmaxRows(x: logSoft, out: &logSoft, rows: rows, columns: columns)
      logSumExpRows(x: x, out: &sums, rows: rows, columns: columns)
      expectClose(soft, naiveSoftmax(x.doubles, rows: rows, columns: columns), absolute: 1e-7, "softmax \(columns)")
      expectClose(logSoft, naiveLogSoftmax(x.doubles, rows: rows, columns: columns), absolute: 2e-6, relative: 1e-6, "\(columns)")
      expectClose(sums, naiveLogSumExp(x.doubles, rows: rows, columns: columns), relative: 1e-6, "log-sum-exp \(columns)")
      var (dx, dlog) = ([Float](repeating: 1, count: x.count), [Float](repeating: 1, count: x.count))
      softmaxBackward(dout: dout, y: soft, dx: &dx, rows: rows, columns: columns)
      logSoftmaxBackward(dout: dout, y: logSoft, dx: &dlog, rows: rows, columns: columns)
      if columns <= 33 {
        let expected = centralDifferences(x.doubles, weights: dout.doubles) { naiveSoftmax($0, rows: rows, columns: columns) }
        expectClose(dx, expected.map { $0 + 1 }, "softmax gradient \(columns)")
        let logs = centralDifferences(x.doubles, weights: dout.doubles) { naiveLogSoftmax($0, rows: rows, columns: columns) }
        expectClose(dlog, logs.map { $0 + 1 }, "log-softmax gradient \(columns)")
      }
    }
  }

  func testSameBitsForAnyThreadCount() {
    var numbers = Numbers(seed: 4)
    let x = numbers.floats(100_003)
    expectSameBits("SwiGLU") {
      var out = x
      swigluForward(gate: x, up: x, out: &out, count: x.count)
      return out
    }
    expectSameBits("softmax") {
      var out = x
      softmaxRows(x: x, out: &out, rows: 91, columns: 1098)
      logSoftmaxRows(x: out, out: &out, rows: 91, columns: 1098)
      return out
    }
    expectSameBits("sum of squares") { [Float(sumOfSquares(x, count: x.count))] }
    XCTAssertEqual(sumOfSquares(x, count: x.count), x.reduce(0) { $0 + Double($1) * Double($1) }, accuracy: 1e-6)
  }
}
