// Runs the table of operations: each result against the Double oracle, each gradient against central differences of the
// oracle, over shapes with extents of one, primes, one past a vector, and nothing.

import Foundation
import Tensors
import XCTest

final class OperationTests: XCTestCase {
  func testElementwise() throws { try Cases.elementwise().all.forEach(check) }
  func testPairwise() throws { try Cases.pairwise().all.forEach(check) }
  func testReductions() throws { try Cases.reduced().all.forEach(check) }
  func testProducts() throws { try Cases.products().all.forEach(check) }
  func testShaping() throws { try Cases.shaping().all.forEach(check) }
  func testAlongAxis() throws { try Cases.alongAxis().all.forEach(check) }
  func testChoosing() throws { try Cases.choosing().all.forEach(check) }

  /// Result and gradients of one case.
  private func check(_ test: Case) throws {
    var source = RandomSource(seed: 1).split(test.name)
    let inputs = test.shapes.enumerated().map { index, shape in
      values(index < test.domains.count ? test.domains[index] : .any, shape, &source)
    }
    let leaves = try inputs.map { try Tensor(parameter: $0.shape, values: $0.values.map { Float($0) }) }
    let output = try test.tensor(leaves)
    let expected = test.oracle(inputs)
    XCTAssertEqual(output.shape, expected.shape, test.name)
    guard output.shape == expected.shape else { return }
    assertClose(output.values, expected.values, test.tolerance, "\(test.name): value")
    // A weighted sum, so that every element of the output has a gradient of its own.
    let weights = (0..<expected.values.count).map { _ in Double(Float(source.uniform() * 2 - 1)) }
    let loss = try (output * Tensor(shape: output.shape, values: weights.map { Float($0) })).sum()
    let found = try gradients(of: loss, with: leaves)
    for (input, gradient) in found.enumerated() {
      XCTAssertEqual(gradient.shape, inputs[input].shape, test.name)
      let slopes = gradient.values
      // Of large inputs some elements, spread out, stand for all.
      let places = stride(from: 0, to: inputs[input].values.count, by: inputs[input].values.count / 50 + 1)
      let differences = places.map { place in
        let step = 1e-6
        func loss(_ shift: Double) -> Double {
          var moved = inputs
          moved[input].values[place] += shift
          return Swift.zip(test.oracle(moved).values, weights).reduce(0) { $0 + $1.0 * $1.1 }
        }
        return (loss(step) - loss(-step)) / (2 * step)
      }
      assertClose(places.map { slopes[$0] }, differences, 2 * test.tolerance, "\(test.name): gradient of input \(input)")
    }
  }

  /// Numbers that are exact in Float, so that both sides start from the same.
  private func values(_ domain: Domain, _ shape: [Int], _ source: inout RandomSource) -> Doubles {
    let count = shape.reduce(1, *)
    var order = Array(0..<count)
    order.shuffle(using: &source)
    return Doubles(
      shape,
      (0..<count).map { index in
        let number = source.normal()
        let value =
          switch domain {
          case .any: number
          case .positive: 0.2 + abs(number)
          case .large: number * 40
          case .awayFromZero: number + (number < 0 ? -0.3 : 0.3)
          case .distinct: (Double(order[index]) + 0.5 * source.uniform() + 0.2 - Double(count) / 2) * 0.11 + (shape.count == 1 ? 0.013 : 0)
          case .exponent: number * 0.7
          }
        return Double(Float(value))
      })
  }
}

func assertClose(_ found: [Float], _ expected: [Double], _ tolerance: Double, _ name: String) {
  XCTAssertEqual(found.count, expected.count, name)
  for (place, (value, wanted)) in zip(found, expected).enumerated() {
    let distance = abs(Double(value) - wanted)
    if distance <= tolerance + tolerance * abs(wanted) || Double(value) == wanted || (value.isNaN && wanted.isNaN) { continue }
    XCTFail("\(name): element \(place) is \(value), not \(wanted)")
    return
  }
}
