// Choosing elements: by condition, by index, by order.

import Language
import Tensors

private var descending: Parameter {
  Parameter("descending", .bool, default: false, aliases: ["reverse"], help: "largest first")
}

func choosingBuiltins() -> [Builtin] {
  [
    Builtin(
      "where", category: tensorCategory,
      [
        Parameter("condition", tensorLike, help: "a mask, or numbers of which 0 is false"),
        Parameter("a", tensorLike, help: "where it holds"),
        Parameter("b", tensorLike, help: "elsewhere"),
      ], returns: "tensor", summary: "Elements of a where a condition holds, of b elsewhere.",
      example: "x = tensor([-1, 2])\nwhere(x > 0, x, 0)"
    ) { call in .tensor(try .where(call.tensor("condition"), call.tensor("a"), call.tensor("b"))) },
    Builtin(
      "clip", category: tensorCategory,
      [
        Parameter("x", tensorLike), Parameter("min", .float, default: Value.none, aliases: ["low", "a_min"], help: "no element is below"),
        Parameter("max", .float, default: Value.none, aliases: ["high", "a_max"], help: "no element is above"),
      ], returns: "tensor", summary: "The elements limited to a range.", example: "clip(tensor([-2, 0.5, 2]), -1, 1)"
    ) { call in
      .tensor(
        try call.tensor("x").clipped(min: call.optionalDouble("min").map { Float($0) }, max: call.optionalDouble("max").map { Float($0) }))
    },
    pairwise("maximum", "The larger of each pair of elements.", "maximum(tensor([1, 5]), 3)") { try .maximum($0, $1) },
    pairwise("minimum", "The smaller of each pair of elements.", "minimum(tensor([1, 5]), 3)") { try .minimum($0, $1) },
    Builtin(
      "gather", category: tensorCategory,
      [
        Parameter("x", tensorLike),
        Parameter("indices", tensorLike, aliases: ["index"], help: "shaped as x but for the axis; without the axis, one of each row"),
        oneAxis(-1),
      ], returns: "tensor", summary: "Elements along an axis by index, such as the log-probability of each token.",
      example: "gather(tensor([[1, 2], [3, 4]]), [1, 0])"
    ) { call in .tensor(try call.tensor("x").gathered(call.tensor("indices"), axis: call.int("axis"))) },
    Builtin(
      "sort", category: tensorCategory, [Parameter("x", tensorOnly), oneAxis(-1), descending], returns: "tensor",
      summary: "Sorted along an axis; NaN comes last.", example: "sort(tensor([3, 1, 2]))"
    ) { call in .tensor(try call.tensor("x").sorted(axis: call.int("axis"), descending: call.bool("descending"))) },
    Builtin(
      "argsort", category: tensorCategory, [Parameter("x", tensorLike), oneAxis(-1), descending], returns: "tensor",
      summary: "The indices that sort along an axis; equal elements keep their order.", example: "argsort(tensor([3, 1, 2]))"
    ) { call in .tensor(try call.tensor("x").argsorted(axis: call.int("axis"), descending: call.bool("descending"))) },
    Builtin(
      "topk", category: tensorCategory,
      [
        Parameter("x", tensorLike), Parameter("k", .int, range: 0...Double(Int32.max), help: "how many"), oneAxis(-1),
        Parameter("largest", .bool, default: true, help: "false: the smallest"),
      ], returns: "list", summary: "The largest elements, best first, and their indices: [values, indices].",
      example: "values, indices = topk(tensor([1, 5, 2]), 2)\nindices"
    ) { call in
      let (values, indices) = try call.tensor("x").topK(call.int("k"), axis: call.int("axis"), largest: call.bool("largest"))
      return .list([.tensor(values), .tensor(indices)])
    },
  ]
}

private func pairwise(
  _ name: String, _ summary: String, _ example: String, _ body: @escaping (Tensor, Tensor) throws -> Tensor
) -> Builtin {
  Builtin(
    name, category: tensorCategory, [Parameter("a", tensorLike), Parameter("b", tensorLike)], returns: "tensor", summary: summary,
    example: example
  ) { call in .tensor(try body(call.tensor("a"), call.tensor("b"))) }
}
