// One table of operations: each result against the Double oracle, each gradient against central differences of the oracle,
// over shapes with extents of one, primes, one past a vector, and nothing.

import Foundation
import Tensors
import XCTest

/// What the inputs of a case look like.
enum Domain { case any, positive, large, awayFromZero, distinct, exponent }

struct Case {
  let name: String
  var shapes: [[Int]]
  var domains: [Domain] = []
  var tolerance = 2e-5
  let tensor: ([Tensor]) throws -> Tensor
  let oracle: ([Doubles]) -> Doubles
}

final class OperationTests: XCTestCase {
  static let shapes: [[Int]] = [[], [1], [7], [16], [17], [33], [3, 5], [1, 4], [5, 1], [2, 3, 4], [2, 1, 17], [0], [3, 0]]
  static let pairs: [([Int], [Int])] = [
    ([], []), ([5], []), ([], [5]), ([17], [17]), ([3, 4], [4]), ([4], [3, 4]), ([3, 1], [1, 4]), ([2, 3, 4], [3, 1]),
    ([2, 1, 4], [3, 1]), ([1], [2, 17]), ([2, 3, 1, 5], [4, 1]), ([0, 3], [3]), ([33, 19], [33, 19]), ([33, 19], [19]),
    ([33, 1], [33, 19]),
  ]

  static func unary(
    _ name: String, _ domain: Domain = .any, tolerance: Double = 2e-5, _ tensor: @escaping (Tensor) throws -> Tensor,
    _ oracle: @escaping (Double) -> Double
  ) -> [Case] {
    shapes.map { shape in
      Case(
        name: "\(name) \(shape)", shapes: [shape], domains: [domain], tolerance: tolerance, tensor: { try tensor($0[0]) },
        oracle: { $0[0].map(oracle) })
    }
  }

  static func binary(
    _ name: String, _ domains: [Domain] = [.any, .any], _ tensor: @escaping (Tensor, Tensor) throws -> Tensor,
    _ oracle: @escaping (Double, Double) -> Double
  ) -> [Case] {
    pairs.map { left, right in
      Case(
        name: "\(name) \(left) \(right)", shapes: [left, right], domains: domains, tensor: { try tensor($0[0], $0[1]) },
        oracle: { $0[0].zip($0[1], oracle) })
    }
  }

  static func reduction(
    _ name: String, _ domain: Domain = .any, _ tensor: @escaping (Tensor, [Int]?, Bool) throws -> Tensor,
    _ oracle: @escaping ([Double]) -> Double
  ) -> [Case] {
    let plans: [([Int], [Int]?)] = [
      ([], nil), ([7], nil), ([7], [0]), ([3, 5], nil), ([3, 5], [0]), ([3, 5], [-1]), ([2, 3, 4], [1]), ([2, 3, 4], [0, 2]),
      ([2, 3, 4], [0, 1]), ([2, 3, 4], [2, 1]), ([1, 17, 1], [1]), ([3, 300], [0]), ([5, 1], [1]), ([2, 3, 4, 5], [1, 3]),
    ]
    return plans.flatMap { shape, axes in
      [false, true].map { keep in
        Case(
          name: "\(name) \(shape) axes \(axes.map { "\($0)" } ?? "all")\(keep ? " keeping" : "")", shapes: [shape], domains: [domain],
          tensor: { try tensor($0[0], axes, keep) }, oracle: { $0[0].reduce(axes, keep: keep, oracle) })
      }
    }
  }

  static let elementwise: [Case] =
    unary("negate", { try -$0 }, { -$0 }) + unary("exp", { try $0.exp() }, exp) + unary("log", .positive, { try $0.log() }, log)
    + unary("sqrt", .positive, { try $0.sqrt() }, { $0.squareRoot() }) + unary("abs", .awayFromZero, { try $0.abs() }, abs)
    + unary("tanh", { try $0.tanh() }, tanh) + unary("tanh large", .large, { try $0.tanh() }, tanh)
    + unary("sigmoid", { try $0.sigmoid() }, sigmoid) + unary("sigmoid large", .large, { try $0.sigmoid() }, sigmoid)
    + unary("logsigmoid", { try $0.logSigmoid() }, logSigmoid) + unary("logsigmoid large", .large, { try $0.logSigmoid() }, logSigmoid)
    + unary("relu", .awayFromZero, { try $0.relu() }, { max($0, 0) }) + unary("silu", { try $0.silu() }, { $0 * sigmoid($0) })
    + unary("gelu", { try $0.gelu() }, { 0.5 * $0 * erfc(-$0 / 2.0.squareRoot()) })
    + unary(
      "gelu tanh", { try $0.gelu(tanhApproximation: true) },
      { 0.5 * $0 * (1 + tanh((2 / Double.pi).squareRoot() * ($0 + 0.044715 * $0 * $0 * $0))) })
    + unary("square", { try $0.square() }, { $0 * $0 }) + unary("sin", { try $0.sin() }, sin) + unary("cos", { try $0.cos() }, cos)
    + unary("clip", .distinct, { try $0.clipped(min: -0.51, max: 0.53) }, { min(max($0, -0.51), 0.53) })
    + unary("power 3", { try $0 ** .scalar(3) }, { $0 * $0 * $0 })
    + unary("power 2.5", .positive, { try $0 ** .scalar(2.5) }, { pow($0, 2.5) })
    + unary("power -1", .awayFromZero, { try $0 ** .scalar(-1) }, { 1 / $0 })
    + unary("scalar minus", { try Tensor.scalar(2) - $0 }, { 2 - $0 }) + unary("half", { try $0 / .scalar(2) }, { $0 / 2 })

  static let pairwise: [Case] =
    binary("add", { try $0 + $1 }, +) + binary("subtract", { try $0 - $1 }, -) + binary("multiply", { try $0 * $1 }, *)
    + binary("divide", [.any, .awayFromZero], { try $0 / $1 }, /) + binary("power", [.positive, .exponent], { try $0 ** $1 }, pow)
    + binary("maximum", [.distinct, .distinct], { try .maximum($0, $1) }, { max($0, $1) })
    + binary("minimum", [.distinct, .distinct], { try .minimum($0, $1) }, { min($0, $1) })
    + binary(
      "where", [.distinct, .distinct], { try Tensor.where(.compare($0, .greater, .scalar(0)), $0 * $1, $1) }, { $0 > 0 ? $0 * $1 : $1 })
    + binary("shared operand", { try ($0 + $1) * $0 - $0 }, { ($0 + $1) * $0 - $0 })

  static let reductions: [Case] =
    reduction("sum", { try $0.sum(axes: $1, keepDimensions: $2) }, { $0.reduce(0, +) })
    + reduction("mean", { try $0.mean(axes: $1, keepDimensions: $2) }, { $0.reduce(0, +) / Double($0.count) })
    + reduction("var", { try $0.variance(axes: $1, keepDimensions: $2) }, variance)
    + reduction("std", { try ($0.variance(axes: $1, keepDimensions: $2) + .scalar(0.1)).sqrt() }, { (variance($0) + 0.1).squareRoot() })
    + reduction("max", .distinct, { try $0.max(axes: $1, keepDimensions: $2) }, { $0.max() ?? 0 })
    + reduction("min", .distinct, { try $0.min(axes: $1, keepDimensions: $2) }, { $0.min() ?? 0 })
    + reduction("norm", .awayFromZero, { try $0.norm(axes: $1, keepDimensions: $2) }, { $0.reduce(0) { $0 + $1 * $1 }.squareRoot() })
    + reduction("norm 1", .awayFromZero, { try $0.norm(order: .one, axes: $1, keepDimensions: $2) }, { $0.reduce(0) { $0 + abs($1) } })
    + reduction(
      "norm inf", .distinct, { try $0.norm(order: .infinity, axes: $1, keepDimensions: $2) }, { $0.reduce(0) { max($0, abs($1)) } })
    + reduction("logsumexp", { try $0.logSumExp(axes: $1, keepDimensions: $2) }, { log($0.reduce(0) { $0 + exp($1) }) })

  static let products: [Case] = [
    ([5], [5]), ([2, 3], [3, 4]), ([1, 1], [1, 1]), ([7], [7, 3]), ([3, 7], [7]), ([17, 19], [19, 23]), ([2, 3, 4], [4, 5]),
    ([2, 3, 4], [2, 4, 5]), ([3, 4], [2, 4, 5]), ([2, 1, 3, 4], [5, 4, 2]), ([4], [2, 4, 3]), ([2, 3, 4], [4]), ([1, 3, 4], [2, 4, 5]),
    ([2, 0], [0, 3]), ([0, 2], [2, 3]),
  ].map { left, right in
    Case(name: "matmul \(left) \(right)", shapes: [left, right], tensor: { try .matmul($0[0], $0[1]) }, oracle: { $0[0].matmul($0[1]) })
  }

  static let shaping: [Case] = [
    Case(name: "reshape", shapes: [[2, 3, 4]], tensor: { try $0[0].reshaped([4, -1]) }, oracle: { Doubles([4, 6], $0[0].values) }),
    Case(name: "permute", shapes: [[2, 3, 4]], tensor: { try $0[0].permuted([2, 0, 1]) }, oracle: { $0[0].permuted([2, 0, 1]) }),
    Case(
      name: "permute 4", shapes: [[3, 2, 17, 5]], tensor: { try $0[0].permuted([0, 2, 1, 3]) }, oracle: { $0[0].permuted([0, 2, 1, 3]) }),
    Case(
      name: "permute 4b", shapes: [[3, 2, 17, 5]], tensor: { try $0[0].permuted([3, 1, 0, 2]) }, oracle: { $0[0].permuted([3, 1, 0, 2]) }),
    Case(name: "transpose", shapes: [[33, 18]], tensor: { try $0[0].transposed() }, oracle: { $0[0].permuted([1, 0]) }),
    Case(name: "squeeze", shapes: [[1, 3, 1]], tensor: { try $0[0].squeezed() }, oracle: { Doubles([3], $0[0].values) }),
    Case(name: "unsqueeze", shapes: [[3, 2]], tensor: { try $0[0].unsqueezed(-1) }, oracle: { Doubles([3, 2, 1], $0[0].values) }),
    Case(
      name: "concat", shapes: [[2, 3], [2, 1], [2, 4]], tensor: { try .concatenate([$0[0], $0[1], $0[2], $0[0]], axis: 1) },
      oracle: { .concatenated([$0[0], $0[1], $0[2], $0[0]], 1) }),
    Case(
      name: "stack", shapes: [[2, 3], [2, 3]], tensor: { try .stack($0, axis: 1) },
      oracle: { .concatenated($0.map { Doubles([2, 1, 3], $0.values) }, 1) }),
    Case(
      name: "broadcast", shapes: [[3, 1]], tensor: { try $0[0].broadcast(to: [2, 3, 4]) },
      oracle: { $0[0].zip(Doubles([2, 3, 4], Array(repeating: 0, count: 24))) { $0 + $1 } }),
    Case(
      name: "diag of vector", shapes: [[3]], tensor: { try $0[0].diagonal(offset: 1) },
      oracle: { x in .make([4, 4]) { $0[1] - $0[0] == 1 ? x[0].values[$0[0]] : 0 } }),
    Case(
      name: "diag below", shapes: [[3]], tensor: { try $0[0].diagonal(offset: -2) },
      oracle: { x in .make([5, 5]) { $0[0] - $0[1] == 2 ? x[0].values[$0[1]] : 0 } }),
    Case(name: "diag of matrix", shapes: [[3, 5]], tensor: { try $0[0].diagonal() }, oracle: { $0[0].taking([0, 6, 12], [3]) }),
    Case(name: "diag +2", shapes: [[3, 5]], tensor: { try $0[0].diagonal(offset: 2) }, oracle: { $0[0].taking([2, 8, 14], [3]) }),
    Case(name: "diag -1", shapes: [[3, 5]], tensor: { try $0[0].diagonal(offset: -1) }, oracle: { $0[0].taking([5, 11], [2]) }),
  ]

  static let alongAxis: [Case] = [([7], 0), ([3, 5], -1), ([3, 5], 0), ([2, 3, 17], 1), ([2, 3, 17], 2), ([4, 1], 1)].flatMap {
    shape, axis in
    [
      Case(name: "softmax \(shape) \(axis)", shapes: [shape], tensor: { try $0[0].softmax(axis: axis) }, oracle: { $0[0].softmax(axis) }),
      Case(
        name: "log_softmax \(shape) \(axis)", shapes: [shape], tensor: { try $0[0].logSoftmax(axis: axis) },
        oracle: { $0[0].softmax(axis).map(log) }),
      Case(
        name: "cumsum \(shape) \(axis)", shapes: [shape], tensor: { try $0[0].cumulativeSum(axis: axis) },
        oracle: { $0[0].cumulative(axis < 0 ? axis + shape.count : axis) }),
      Case(
        name: "sort \(shape) \(axis)", shapes: [shape], domains: [.distinct], tensor: { try $0[0].sorted(axis: axis, descending: true) },
        oracle: { sortedDescending($0[0], axis < 0 ? axis + shape.count : axis) }),
    ]
  }

  static let choosing: [Case] = [
    Case(
      name: "cumsum of all", shapes: [[2, 3]], tensor: { try $0[0].cumulativeSum() }, oracle: { Doubles([6], $0[0].values).cumulative(0) }),
    Case(
      name: "topk", shapes: [[19]], domains: [.distinct], tensor: { try $0[0].topK(2).values },
      oracle: { Doubles([2], Array($0[0].values.sorted(by: >).prefix(2))) }),
    Case(
      name: "gather", shapes: [[3, 4]], tensor: { try $0[0].gathered(Tensor(shape: [3, 2], values: [0, -1, 2, 2, 1, 0])) },
      oracle: { $0[0].taking([0, 3, 6, 6, 9, 8], [3, 2]) }),
    Case(
      name: "gather rows", shapes: [[3, 4]], tensor: { try $0[0].gathered(Tensor(shape: [3], values: [1, 2, 1])) },
      oracle: { $0[0].taking([1, 6, 9], [3]) }),
    Case(
      name: "gather 0", shapes: [[3, 2]], tensor: { try $0[0].gathered(Tensor(shape: [1, 2], values: [2, 0]), axis: 0) },
      oracle: { $0[0].taking([4, 1], [1, 2]) }),
    Case(
      name: "index mixed", shapes: [[3, 4, 5]], tensor: { try $0[0].indexed([.at(-1), .slice(start: 3, stop: nil, step: -2), .newAxis]) },
      oracle: { $0[0].taking([55, 56, 57, 58, 59, 45, 46, 47, 48, 49], [2, 1, 5]) }),
    Case(
      name: "index twice", shapes: [[3, 2]], tensor: { try $0[0].indexed([.indices(shape: [3], values: [1, 1, 0])]) },
      oracle: { $0[0].taking([2, 3, 2, 3, 0, 1], [3, 2]) }),
    Case(
      name: "index mask", shapes: [[2, 3]],
      tensor: { try $0[0].indexed([.mask(shape: [2, 3], values: [true, false, true, false, false, true])]) },
      oracle: { $0[0].taking([0, 2, 5], [3]) }),
    Case(
      name: "assign slice", shapes: [[3, 4], [4]], tensor: { try $0[0].assigning($0[1], at: [.slice(start: 1, stop: nil, step: nil)]) },
      oracle: { Doubles([3, 4], Array($0[0].values.prefix(4)) + $0[1].values + $0[1].values) }),
    Case(
      name: "assign repeated", shapes: [[3], [3]], tensor: { try $0[0].assigning($0[1], at: [.indices(shape: [3], values: [0, 2, 0])]) },
      oracle: { Doubles([3], [$0[1].values[2], $0[0].values[1], $0[1].values[1]]) }),
    Case(
      name: "dot", shapes: [[7], [7]], tensor: { try .dot($0[0], $0[1]) }, oracle: { $0[0].zip($0[1], *).reduce(nil) { $0.reduce(0, +) } }),
    Case(
      name: "cross_entropy", shapes: [[3, 5]], tensor: { try .crossEntropy($0[0], targets: Tensor(shape: [3], values: [4, -100, 0])) },
      oracle: { x in
        let logs = x[0].softmax(1).map(log)
        return Doubles([], [-(logs[[0, 4]] + logs[[2, 0]]) / 2])
      }),
    Case(
      name: "cross_entropy none", shapes: [[2, 2, 3]],
      tensor: { try .crossEntropy($0[0], targets: Tensor(shape: [2, 2], values: [0, 1, 2, 1]), reduction: .none) },
      oracle: { $0[0].softmax(2).map { -log($0) }.taking([0, 4, 8, 10], [2, 2]) }),
    Case(
      name: "checkpoint", shapes: [[3, 4], [4, 2]],
      tensor: { inputs in try checkpoint([inputs[0].tanh()], parameters: [inputs[1]]) { try .matmul($0[0].exp(), inputs[1]).sigmoid() } },
      oracle: { $0[0].map(tanh).map(exp).matmul($0[1]).map(sigmoid) }),
  ]

  func testElementwise() throws { try OperationTests.elementwise.forEach(check) }
  func testPairwise() throws { try OperationTests.pairwise.forEach(check) }
  func testReductions() throws { try OperationTests.reductions.forEach(check) }
  func testProducts() throws { try OperationTests.products.forEach(check) }
  func testShaping() throws { try OperationTests.shaping.forEach(check) }
  func testAlongAxis() throws { try OperationTests.alongAxis.forEach(check) }
  func testChoosing() throws { try OperationTests.choosing.forEach(check) }

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
      let differences = inputs[input].values.indices.map { place in
        let step = 1e-6
        func loss(_ shift: Double) -> Double {
          var moved = inputs
          moved[input].values[place] += shift
          return Swift.zip(test.oracle(moved).values, weights).reduce(0) { $0 + $1.0 * $1.1 }
        }
        return (loss(step) - loss(-step)) / (2 * step)
      }
      assertClose(gradient.values, differences, 2 * test.tolerance, "\(test.name): gradient of input \(input)")
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

private func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
private func logSigmoid(_ x: Double) -> Double { min(x, 0) - log1p(exp(-abs(x))) }

private func variance(_ values: [Double]) -> Double {
  let mean = values.reduce(0, +) / Double(values.count)
  return values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
}

private func sortedDescending(_ x: Doubles, _ axis: Int) -> Doubles {
  var result = x
  for start in Doubles.places(x.shape) where start[axis] == 0 {
    let line = (0..<x.shape[axis]).map { index -> [Int] in
      var place = start
      place[axis] = index
      return place
    }
    for (place, value) in zip(line, line.map { x[$0] }.sorted(by: >)) { result[place] = value }
  }
  return result
}
