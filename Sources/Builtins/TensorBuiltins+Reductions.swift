// Sums, means and extremes over all elements or along axes.

import Language
import Tensors

private var ddof: Parameter {
  Parameter(
    "ddof", .int, default: 0, range: 0...1e9, aliases: ["correction"], help: "taken off the count that divides: 1 for a sample")
}

func reductionBuiltins() -> [Builtin] {
  [
    reduction("sum", tensorOnly, "The sum.", "tensor([[1, 2], [3, 4]]).sum(axis: 0)") { call, x, axes, keep in
      try x.sum(axes: axes, keepDimensions: keep)
    },
    reduction("mean", tensorLike, "The mean.", "mean(tensor([1, 2, 6]))") { call, x, axes, keep in
      try x.mean(axes: axes, keepDimensions: keep)
    },
    reduction("var", tensorLike, "The variance: mean squared distance from the mean.", "var(tensor([1, 2, 6]))", [ddof]) {
      call, x, axes, keep in
      try x.variance(axes: axes, keepDimensions: keep, ddof: call.int("ddof"))
    },
    reduction("std", tensorLike, "The standard deviation: square root of the variance.", "std(tensor([1, 2, 6]))", [ddof]) {
      call, x, axes, keep in
      try x.standardDeviation(axes: axes, keepDimensions: keep, ddof: call.int("ddof"))
    },
    reduction("max", tensorOnly, "The largest element.", "tensor([[1, 5], [7, 2]]).max(axis: 1)") { call, x, axes, keep in
      try x.max(axes: axes, keepDimensions: keep)
    },
    reduction("min", tensorOnly, "The smallest element.", "tensor([[1, 5], [7, 2]]).min()") { call, x, axes, keep in
      try x.min(axes: axes, keepDimensions: keep)
    },
    reduction("logsumexp", tensorLike, "log(sum(exp(x))) without overflow.", "logsumexp(tensor([1000, 1000]))") { call, x, axes, keep in
      try x.logSumExp(axes: axes, keepDimensions: keep)
    },
    reduction(
      "norm", tensorLike, "The length of a vector: root of the sum of squares.", "norm(tensor([3, 4]))",
      [Parameter("ord", .float, default: 2, aliases: ["p"], help: "2, or 1 for the sum of magnitudes, or inf for the largest")]
    ) { call, x, axes, keep in
      let orders: [Double: Tensor.NormOrder] = [1: .one, 2: .two, .infinity: .infinity]
      guard let order = orders[try call.double("ord")] else {
        throw ZsError("norm has no order \(call["ord"].source)", hint: "ord is 1, 2 or inf, written float(\"inf\")")
      }
      return try x.norm(order: order, axes: axes, keepDimensions: keep)
    },
    Builtin(
      "argmax", category: tensorCategory,
      [
        Parameter("x", tensorLike),
        Parameter("axis", .int, default: Value.none, aliases: ["dim"], help: "none: the place among all elements in row-major order"),
        keepParameter,
      ], returns: "tensor", summary: "Where the first largest element is.", example: "argmax(tensor([1, 5, 2]))"
    ) { call in .tensor(try call.tensor("x").argmax(axis: call.optionalInt("axis"), keepDimensions: call.bool("keepdims"))) },
    Builtin(
      "cumsum", category: tensorCategory,
      [
        Parameter("x", tensorLike),
        Parameter("axis", .int, default: Value.none, aliases: ["dim"], help: "none: over all elements in row-major order"),
      ], returns: "tensor", summary: "Running sums.", example: "cumsum(tensor([1, 2, 3]))"
    ) { call in .tensor(try call.tensor("x").cumulativeSum(axis: call.optionalInt("axis"))) },
  ]
}

private func reduction(
  _ name: String, _ type: ParameterType, _ summary: String, _ example: String, _ more: [Parameter] = [],
  _ body: @escaping (Call, Tensor, [Int]?, Bool) throws -> Tensor
) -> Builtin {
  Builtin(
    name, category: tensorCategory, [Parameter("x", type), axisParameter, keepParameter] + more, returns: "tensor",
    summary: summary, example: example
  ) { call in .tensor(try body(call, call.tensor("x"), call.wholeNumbers("axis"), call.bool("keepdims"))) }
}
