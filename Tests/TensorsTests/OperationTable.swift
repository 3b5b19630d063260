// The table of operations that `OperationTests` checks: for each, how to compute it with tensors and with the oracle.

import Foundation
import Tensors

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

/// Cases of one subject, and how families of them over awkward shapes are made.
struct Cases {
  var all: [Case] = []

  static let shapes: [[Int]] = [[], [1], [7], [16], [17], [33], [3, 5], [1, 4], [5, 1], [2, 3, 4], [2, 1, 17], [0], [3, 0]]
  static let pairs: [([Int], [Int])] = [
    ([], []), ([5], []), ([], [5]), ([17], [17]), ([3, 4], [4]), ([4], [3, 4]), ([3, 1], [1, 4]), ([2, 3, 4], [3, 1]),
    ([2, 1, 4], [3, 1]), ([1], [2, 17]), ([2, 3, 1, 5], [4, 1]), ([0, 3], [3]), ([33, 19], [33, 19]), ([33, 19], [19]),
    ([33, 1], [33, 19]),
  ]
  static let reductions: [([Int], [Int]?)] = [
    ([], nil), ([7], nil), ([7], [0]), ([3, 5], nil), ([3, 5], [0]), ([3, 5], [-1]), ([2, 3, 4], [1]), ([2, 3, 4], [0, 2]),
    ([2, 3, 4], [0, 1]), ([2, 3, 4], [2, 1]), ([1, 17, 1], [1]), ([3, 300], [0]), ([5, 1], [1]), ([2, 3, 4, 5], [1, 3]),
  ]

  mutating func unary(
    _ name: String, _ domain: Domain = .any, _ tensor: @escaping (Tensor) throws -> Tensor, oracle: @escaping (Double) -> Double
  ) {
    for shape in Cases.shapes {
      all.append(
        Case(
          name: "\(name) \(shape)", shapes: [shape], domains: [domain], tensor: { try tensor($0[0]) }, oracle: { $0[0].map(oracle) }))
    }
  }

  mutating func binary(
    _ name: String, _ left: Domain = .any, _ right: Domain = .any, _ tensor: @escaping (Tensor, Tensor) throws -> Tensor,
    oracle: @escaping (Double, Double) -> Double
  ) {
    for (a, b) in Cases.pairs {
      all.append(
        Case(
          name: "\(name) \(a) \(b)", shapes: [a, b], domains: [left, right], tensor: { try tensor($0[0], $0[1]) },
          oracle: { $0[0].zip($0[1], oracle) }))
    }
  }

  mutating func reduction(
    _ name: String, _ domain: Domain = .any, _ tensor: @escaping (Tensor, [Int]?, Bool) throws -> Tensor,
    oracle: @escaping ([Double]) -> Double
  ) {
    for (shape, axes) in Cases.reductions {
      for keep in [false, true] {
        all.append(
          Case(
            name: "\(name) \(shape) axes \(axes.map { "\($0)" } ?? "all")\(keep ? " keeping" : "")", shapes: [shape], domains: [domain],
            tensor: { try tensor($0[0], axes, keep) }, oracle: { $0[0].reduce(axes, keep: keep, oracle) }))
      }
    }
  }

  mutating func one(
    _ name: String, _ shapes: [[Int]], _ domain: Domain = .any, _ tensor: @escaping ([Tensor]) throws -> Tensor,
    oracle: @escaping ([Doubles]) -> Doubles
  ) {
    all.append(Case(name: name, shapes: shapes, domains: shapes.map { _ in domain }, tensor: tensor, oracle: oracle))
  }
}

extension Cases {
  static func elementwise() -> Cases {
    var cases = Cases()
    cases.unary("negate") {
      try -$0
    } oracle: {
      -$0
    }
    cases.unary("exp") {
      try $0.exp()
    } oracle: {
      exp($0)
    }
    cases.unary("log", .positive) {
      try $0.log()
    } oracle: {
      log($0)
    }
    cases.unary("sqrt", .positive) {
      try $0.sqrt()
    } oracle: {
      $0.squareRoot()
    }
    cases.unary("abs", .awayFromZero) {
      try $0.abs()
    } oracle: {
      abs($0)
    }
    cases.unary("sin") {
      try $0.sin()
    } oracle: {
      sin($0)
    }
    cases.unary("cos") {
      try $0.cos()
    } oracle: {
      cos($0)
    }
    cases.unary("square") {
      try $0.square()
    } oracle: {
      $0 * $0
    }
    for domain in [Domain.any, .large] {
      cases.unary("tanh \(domain)", domain) {
        try $0.tanh()
      } oracle: {
        tanh($0)
      }
      cases.unary("sigmoid \(domain)", domain) {
        try $0.sigmoid()
      } oracle: {
        sigmoid($0)
      }
      cases.unary("logsigmoid \(domain)", domain) {
        try $0.logSigmoid()
      } oracle: {
        logSigmoid($0)
      }
      cases.unary("silu \(domain)", domain) {
        try $0.silu()
      } oracle: {
        $0 * sigmoid($0)
      }
      cases.unary("gelu \(domain)", domain) {
        try $0.gelu()
      } oracle: {
        0.5 * $0 * erfc(-$0 / 2.0.squareRoot())
      }
      cases.unary("gelu tanh \(domain)", domain) {
        try $0.gelu(tanhApproximation: true)
      } oracle: { x in
        let argument: Double = (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)
        return 0.5 * x * (1 + tanh(argument))
      }
    }
    cases.unary("relu", .awayFromZero) {
      try $0.relu()
    } oracle: {
      max($0, 0)
    }
    cases.unary("clip", .distinct) {
      try $0.clipped(min: -0.51, max: 0.53)
    } oracle: {
      min(max($0, Double(Float(-0.51))), Double(Float(0.53)))
    }
    cases.unary("power 3") {
      try $0 ** .scalar(3)
    } oracle: {
      $0 * $0 * $0
    }
    cases.unary("power 2.5", .positive) {
      try $0 ** .scalar(2.5)
    } oracle: {
      pow($0, 2.5)
    }
    cases.unary("power -1", .awayFromZero) {
      try $0 ** .scalar(-1)
    } oracle: {
      1 / $0
    }
    cases.unary("scalar minus") {
      try Tensor.scalar(2) - $0
    } oracle: {
      2 - $0
    }
    cases.unary("half") {
      try $0 / .scalar(2)
    } oracle: {
      $0 / 2
    }
    return cases
  }

  static func pairwise() -> Cases {
    var cases = Cases()
    cases.binary("add") {
      try $0 + $1
    } oracle: {
      $0 + $1
    }
    cases.binary("subtract") {
      try $0 - $1
    } oracle: {
      $0 - $1
    }
    cases.binary("multiply") {
      try $0 * $1
    } oracle: {
      $0 * $1
    }
    cases.binary("divide", .any, .awayFromZero) {
      try $0 / $1
    } oracle: {
      $0 / $1
    }
    cases.binary("power", .positive, .exponent) {
      try $0 ** $1
    } oracle: {
      pow($0, $1)
    }
    cases.binary("maximum", .distinct, .distinct) {
      try .maximum($0, $1)
    } oracle: {
      max($0, $1)
    }
    cases.binary("minimum", .distinct, .distinct) {
      try .minimum($0, $1)
    } oracle: {
      min($0, $1)
    }
    cases.binary("where", .awayFromZero, .any) {
      try Tensor.where(.compare($0, .greater, .scalar(0)), $0 * $1, $1)
    } oracle: {
      $0 > 0 ? $0 * $1 : $1
    }
    cases.binary("shared operand") {
      try ($0 + $1) * $0 - $0
    } oracle: {
      ($0 + $1) * $0 - $0
    }
    return cases
  }

  static func reduced() -> Cases {
    var cases = Cases()
    cases.reduction("sum") {
      try $0.sum(axes: $1, keepDimensions: $2)
    } oracle: {
      $0.reduce(0, +)
    }
    cases.reduction("mean") {
      try $0.mean(axes: $1, keepDimensions: $2)
    } oracle: {
      $0.reduce(0, +) / Double($0.count)
    }
    cases.reduction("var") {
      try $0.variance(axes: $1, keepDimensions: $2)
    } oracle: {
      variance($0)
    }
    cases.reduction("std") {
      try ($0.variance(axes: $1, keepDimensions: $2) + .scalar(0.125)).sqrt()
    } oracle: {
      (variance($0) + 0.125).squareRoot()
    }
    cases.reduction("max", .distinct) {
      try $0.max(axes: $1, keepDimensions: $2)
    } oracle: {
      $0.max() ?? 0
    }
    cases.reduction("min", .distinct) {
      try $0.min(axes: $1, keepDimensions: $2)
    } oracle: {
      $0.min() ?? 0
    }
    cases.reduction("norm", .awayFromZero) {
      try $0.norm(axes: $1, keepDimensions: $2)
    } oracle: { x in
      x.reduce(0.0) { $0 + $1 * $1 }.squareRoot()
    }
    cases.reduction("norm 1", .awayFromZero) {
      try $0.norm(order: .one, axes: $1, keepDimensions: $2)
    } oracle: { x in
      x.reduce(0.0) { $0 + abs($1) }
    }
    cases.reduction("norm inf", .distinct) {
      try $0.norm(order: .infinity, axes: $1, keepDimensions: $2)
    } oracle: { x in
      x.reduce(0.0) { max($0, abs($1)) }
    }
    cases.reduction("logsumexp") {
      try $0.logSumExp(axes: $1, keepDimensions: $2)
    } oracle: { x in
      log(x.reduce(0.0) { $0 + exp($1) })
    }
    return cases
  }

  static func products() -> Cases {
    let pairs: [([Int], [Int])] = [
      ([5], [5]), ([2, 3], [3, 4]), ([1, 1], [1, 1]), ([7], [7, 3]), ([3, 7], [7]), ([17, 19], [19, 23]), ([2, 3, 4], [4, 5]),
      ([2, 3, 4], [2, 4, 5]), ([3, 4], [2, 4, 5]), ([2, 1, 3, 4], [5, 4, 2]), ([4], [2, 4, 3]), ([2, 3, 4], [4]), ([1, 3, 4], [2, 4, 5]),
      ([2, 0], [0, 3]), ([0, 2], [2, 3]),
    ]
    var cases = Cases()
    for (a, b) in pairs {
      cases.one("matmul \(a) \(b)", [a, b]) {
        try .matmul($0[0], $0[1])
      } oracle: {
        $0[0].matmul($0[1])
      }
    }
    cases.one("dot", [[7], [7]]) {
      try .dot($0[0], $0[1])
    } oracle: {
      $0[0].matmul($0[1])
    }
    return cases
  }

  static func shaping() -> Cases {
    var cases = Cases()
    cases.one("reshape", [[2, 3, 4]]) {
      try $0[0].reshaped([4, -1])
    } oracle: {
      Doubles([4, 6], $0[0].values)
    }
    cases.one("permute", [[2, 3, 4]]) {
      try $0[0].permuted([2, 0, 1])
    } oracle: {
      $0[0].permuted([2, 0, 1])
    }
    cases.one("permute 4", [[3, 2, 17, 5]]) {
      try $0[0].permuted([0, 2, 1, 3])
    } oracle: {
      $0[0].permuted([0, 2, 1, 3])
    }
    cases.one("permute 4b", [[3, 2, 17, 5]]) {
      try $0[0].permuted([3, 1, 0, 2])
    } oracle: {
      $0[0].permuted([3, 1, 0, 2])
    }
    cases.one("transpose", [[33, 18]]) {
      try $0[0].transposed()
    } oracle: {
      $0[0].permuted([1, 0])
    }
    cases.one("squeeze", [[1, 3, 1]]) {
      try $0[0].squeezed()
    } oracle: {
      Doubles([3], $0[0].values)
    }
    cases.one("unsqueeze", [[3, 2]]) {
      try $0[0].unsqueezed(-1)
    } oracle: {
      Doubles([3, 2, 1], $0[0].values)
    }
    cases.one("concat", [[2, 3], [2, 1], [2, 4]]) {
      try .concatenate([$0[0], $0[1], $0[2], $0[0]], axis: 1)
    } oracle: {
      .concatenated([$0[0], $0[1], $0[2], $0[0]], 1)
    }
    cases.one("stack", [[2, 3], [2, 3]]) {
      try .stack($0, axis: 1)
    } oracle: {
      .concatenated($0.map { Doubles([2, 1, 3], $0.values) }, 1)
    }
    cases.one("broadcast", [[3, 1]]) {
      try $0[0].broadcast(to: [2, 3, 4])
    } oracle: {
      $0[0].zip(Doubles([2, 3, 4], Array(repeating: 0, count: 24))) { $0 + $1 }
    }
    cases.one("diag of vector", [[3]]) {
      try $0[0].diagonal(offset: 1)
    } oracle: { x in
      .make([4, 4]) { $0[1] - $0[0] == 1 ? x[0].values[$0[0]] : 0 }
    }
    cases.one("diag below", [[3]]) {
      try $0[0].diagonal(offset: -2)
    } oracle: { x in
      .make([5, 5]) { $0[0] - $0[1] == 2 ? x[0].values[$0[1]] : 0 }
    }
    cases.one("diag of matrix", [[3, 5]]) {
      try $0[0].diagonal()
    } oracle: {
      $0[0].taking([0, 6, 12], [3])
    }
    cases.one("diag +2", [[3, 5]]) {
      try $0[0].diagonal(offset: 2)
    } oracle: {
      $0[0].taking([2, 8, 14], [3])
    }
    cases.one("diag -1", [[3, 5]]) {
      try $0[0].diagonal(offset: -1)
    } oracle: {
      $0[0].taking([5, 11], [2])
    }
    return cases
  }

  static func alongAxis() -> Cases {
    var cases = Cases()
    for (shape, axis) in [([7], 0), ([3, 5], -1), ([3, 5], 0), ([2, 3, 17], 1), ([2, 3, 17], 2), ([4, 1], 1)] {
      cases.one("softmax \(shape) \(axis)", [shape]) {
        try $0[0].softmax(axis: axis)
      } oracle: {
        $0[0].softmax(axis)
      }
      cases.one("log_softmax \(shape) \(axis)", [shape]) {
        try $0[0].logSoftmax(axis: axis)
      } oracle: {
        $0[0].softmax(axis).map(log)
      }
      cases.one("cumsum \(shape) \(axis)", [shape]) {
        try $0[0].cumulativeSum(axis: axis)
      } oracle: {
        $0[0].cumulative(axis < 0 ? axis + shape.count : axis)
      }
      cases.one("sort \(shape) \(axis)", [shape], .distinct) {
        try $0[0].sorted(axis: axis, descending: true)
      } oracle: {
        sortedDescending($0[0], axis < 0 ? axis + shape.count : axis)
      }
    }
    return cases
  }

  static func choosing() -> Cases {
    var cases = Cases()
    cases.one("cumsum of all", [[2, 3]]) {
      try $0[0].cumulativeSum()
    } oracle: {
      Doubles([6], $0[0].values).cumulative(0)
    }
    cases.one("topk", [[19]], .distinct) {
      try $0[0].topK(2).values
    } oracle: {
      Doubles([2], Array($0[0].values.sorted(by: >).prefix(2)))
    }
    cases.one("gather", [[3, 4]]) {
      try $0[0].gathered(Tensor(shape: [3, 2], values: [0, -1, 2, 2, 1, 0]))
    } oracle: {
      $0[0].taking([0, 3, 6, 6, 9, 8], [3, 2])
    }
    cases.one("gather rows", [[3, 4]]) {
      try $0[0].gathered(Tensor(shape: [3], values: [1, 2, 1]))
    } oracle: {
      $0[0].taking([1, 6, 9], [3])
    }
    cases.one("gather 0", [[3, 2]]) {
      try $0[0].gathered(Tensor(shape: [1, 2], values: [2, 0]), axis: 0)
    } oracle: {
      $0[0].taking([4, 1], [1, 2])
    }
    cases.one("index mixed", [[3, 4, 5]]) {
      try $0[0].indexed([.at(-1), .slice(start: 3, stop: nil, step: -2), .newAxis])
    } oracle: {
      $0[0].taking([55, 56, 57, 58, 59, 45, 46, 47, 48, 49], [2, 1, 5])
    }
    cases.one("index twice", [[3, 2]]) {
      try $0[0].indexed([.indices(shape: [3], values: [1, 1, 0])])
    } oracle: {
      $0[0].taking([2, 3, 2, 3, 0, 1], [3, 2])
    }
    cases.one("index mask", [[2, 3]]) {
      try $0[0].indexed([.mask(shape: [2, 3], values: [true, false, true, false, false, true])])
    } oracle: {
      $0[0].taking([0, 2, 5], [3])
    }
    cases.one("assign slice", [[3, 4], [4]]) {
      try $0[0].assigning($0[1], at: [.slice(start: 1, stop: nil, step: nil)])
    } oracle: {
      Doubles([3, 4], Array($0[0].values.prefix(4)) + $0[1].values + $0[1].values)
    }
    cases.one("assign repeated", [[3], [3]]) {
      try $0[0].assigning($0[1], at: [.indices(shape: [3], values: [0, 2, 0])])
    } oracle: {
      Doubles([3], [$0[1].values[2], $0[0].values[1], $0[1].values[1]])
    }
    cases.one("dot", [[7], [7]]) {
      try .dot($0[0], $0[1])
    } oracle: {
      $0[0].zip($0[1], *).reduce(nil) { $0.reduce(0, +) }
    }
    cases.one("cross_entropy", [[3, 5]]) {
      try .crossEntropy($0[0], targets: Tensor(shape: [3], values: [4, -100, 0]))
    } oracle: { x in
      let logs = x[0].softmax(1).map(log)
      return Doubles([], [-(logs[[0, 4]] + logs[[2, 0]]) / 2])
    }
    cases.one("cross_entropy none", [[2, 2, 3]]) {
      try .crossEntropy($0[0], targets: Tensor(shape: [2, 2], values: [0, 1, 2, 1]), reduction: .none)
    } oracle: {
      $0[0].softmax(2).map { -log($0) }.taking([0, 4, 8, 10], [2, 2])
    }
    cases.one("checkpoint", [[3, 4], [4, 2]]) { inputs in
      try checkpoint([inputs[0].tanh()], parameters: [inputs[1]]) { try .matmul($0[0].exp(), inputs[1]).sigmoid() }
    } oracle: {
      $0[0].map(tanh).map(exp).matmul($0[1]).map(sigmoid)
    }
    return cases
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
