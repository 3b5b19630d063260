// RMSNorm and rotary embedding against their formulas and central differences.

import Foundation
import Kernels
import XCTest

final class NormalizationTests: XCTestCase {
  func testRMSNorm() {
    var numbers = Numbers(seed: 11)
    for columns in awkwardSizes + [576] {
      let rows = 1 + columns % 7
      let (x, weight, dout) = (numbers.floats(rows * columns, scale: 2), numbers.floats(columns), numbers.floats(rows * columns))
      var (out, inverse) = (x, [Float](repeating: 0, count: rows))
      rmsNormForward(x: x, weight: weight, out: &out, inverseRMS: &inverse, rows: rows, columns: columns, epsilon: 1e-5)
      let naive = { naiveRMSNorm($0, weight: $1, rows: rows, columns: columns, epsilon: Double(Float(1e-5))) }
      expectClose(out, naive(x.doubles, weight.doubles), relative: 1e-6, "\(columns)")
      var (dx, dweight) = ([Float](repeating: 1, count: x.count), [Float](repeating: 1, count: columns))
      rmsNormBackward(
        dout: dout, x: x, weight: weight, inverseRMS: inverse, dx: &dx, dweight: &dweight, rows: rows, columns: columns)
      guard columns <= 129 else { continue }
      let expected = centralDifferences(x.doubles, weights: dout.doubles) { naive($0, weight.doubles) }
      expectClose(dx, expected.map { $0 + 1 }, absolute: 2e-5, "dx \(columns)")
      let expectedWeight = centralDifferences(weight.doubles, weights: dout.doubles) { naive(x.doubles, $0) }
      expectClose(dweight, expectedWeight.map { $0 + 1 }, absolute: 2e-5, "dweight \(columns)")
      var again = [Float](repeating: 1, count: x.count)
      rmsNormBackward(
        dout: dout, x: x, weight: weight, inverseRMS: inverse, dx: &again, dweight: nil, rows: rows, columns: columns)
      XCTAssertEqual(again, dx)
    }
  }

  func testRMSNormSameBits() {
    var numbers = Numbers(seed: 12)
    let (rows, columns) = (131, 577)
    let (x, weight, dout) = (numbers.floats(rows * columns), numbers.floats(columns), numbers.floats(rows * columns))
    expectSameBits {
      var (out, inverse) = (x, [Float](repeating: 0, count: rows))
      rmsNormForward(x: x, weight: weight, out: &out, inverseRMS: &inverse, rows: rows, columns: columns, epsilon: 1e-5)
      var (dx, dweight) = (x, weight)
      rmsNormBackward(
        dout: dout, x: x, weight: weight, inverseRMS: inverse, dx: &dx, dweight: &dweight, rows: rows, columns: columns)
      return out + dx + dweight
    }
  }

  func testRotary() {
    var numbers = Numbers(seed: 13)
    for layout in [RotaryLayout.interleaved, .halfSplit] {
      for (dimension, heads, rows) in [(2, 1, 1), (4, 3, 2), (14, 2, 5), (16, 1, 17), (18, 3, 3), (34, 2, 2), (64, 9, 65), (80, 1, 4)] {
        let positions = (0..<rows).map { Int32(($0 * 37) % 101) }
        let table = RotaryTable(headDimension: dimension, theta: 10_000, positions: 101)
        let (x, dout) = (numbers.floats(rows * heads * dimension), numbers.floats(rows * heads * dimension))
        let shape = RotaryShape(rows: rows, heads: heads, headDimension: dimension)
        var out = x
        rotaryForward(x: &out, positions: positions, shape: shape, table: table, layout: layout)
        let expected = naiveRotary(
          x.doubles, positions: positions.map(Int.init), heads: heads, dimension: dimension, theta: 10_000, layout: layout)
        expectClose(out, expected, absolute: 1e-6, relative: 1e-6, "\(layout) \(dimension)")
        var dx = [Float](repeating: 1, count: x.count)
        rotaryBackward(dout: dout, dx: &dx, positions: positions, shape: shape, table: table, layout: layout)
        var written = [Float](repeating: .nan, count: x.count)
        rotaryBackward(dout: dout, dx: &written, positions: positions, shape: shape, table: table, layout: layout, adds: false)
        expectClose(written, dx.map { Double($0) - 1 }, absolute: 1e-6, relative: 1e-6, "written, \(layout) \(dimension)")
        // The map is linear: <dout, R x> = <Rᵀ dout, x>.
        let left = zip(dout, out).reduce(0) { $0 + Double($1.0) * Double($1.1) }
        let right = zip(dx, x).reduce(0) { $0 + Double($1.0 - 1) * Double($1.1) }
        XCTAssertEqual(left, right, accuracy: 1e-4 * Double(x.count).squareRoot())
        if x.count < 300 {
          let slopes = centralDifferences(x.doubles, weights: dout.doubles) {
            naiveRotary($0, positions: positions.map(Int.init), heads: heads, dimension: dimension, theta: 10_000, layout: layout)
          }
          expectClose(dx, slopes.map { $0 + 1 }, "\(layout) \(dimension)")
        }
      }
    }
  }

  func testRotaryStrideLeavesTheRestAlone() {
    let table = RotaryTable(headDimension: 16, theta: 100_000, positions: 8)
    var numbers = Numbers(seed: 14)
    var x = numbers.floats(3 * 50)
    let before = x
    rotaryForward(
      x: &x, positions: [7, 0, 3], shape: RotaryShape(rows: 3, heads: 2, headDimension: 16, stride: 50), table: table,
      layout: .halfSplit)
    for row in 0..<3 {
      XCTAssertEqual(Array(x[row * 50 + 32..<row * 50 + 50]), Array(before[row * 50 + 32..<row * 50 + 50]))
    }
    XCTAssertEqual(Array(x[50..<82]), Array(before[50..<82]), "position 0 turns nothing")
    XCTAssertNotEqual(Array(x[0..<32]), Array(before[0..<32]))
  }

  /// Expected values from transformers' `_compute_llama3_parameters` with Llama 3.1's settings.
  func testFrequencyScaling() {
    let llama3 = RotaryScaling.llama3(factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 8192)
    func frequency(_ pair: Int) -> Double { pow(500_000, -2 * Double(pair) / 128) }
    XCTAssertEqual(llama3.scaled(frequency(0), pair: 0), 1)
    XCTAssertEqual(llama3.scaled(frequency(63), pair: 63), frequency(63) / 8, accuracy: 1e-12)
    // Wavelength 2π/f of pair 32 is 4442.9: between 2048 and 8192.
    let wavelength = 2 * Double.pi / frequency(32)
    let smooth = (8192 / wavelength - 1) / 3
    XCTAssertEqual(llama3.scaled(frequency(32), pair: 32), ((1 - smooth) / 8 + smooth) * frequency(32), accuracy: 1e-15)
    XCTAssertEqual(RotaryScaling.linear(factor: 4).scaled(1, pair: 0), 0.25)
    XCTAssertEqual(RotaryScaling.divisors([1, 2, 4]).scaled(1, pair: 2), 0.25)
    let table = RotaryTable(headDimension: 4, theta: 10_000, positions: 3, scaling: .divisors([1, 2]))
    XCTAssertEqual(table.cosines[2 * 2 + 1], Float(cos(2 * 0.01 / 2)))
    XCTAssertEqual(table.sines[2 * 2], Float(sin(2.0)))
  }
}
