// Changing the shape of tensors, and putting several together.

import Language
import Tensors

private var several: Parameter {
  Parameter("tensors", .anyOf([.list, .object("tensor")]), help: "a list of tensors")
}

func shapingBuiltins() -> [Builtin] {
  [
    Builtin(
      "reshape", category: tensorCategory,
      [
        Parameter("x", tensorLike),
        Parameter(
          "shape", .anyOf([.int, .list, .object("tensor")]), variadic: true, help: "extents as numbers or one list; one may be -1"),
      ], returns: "tensor", summary: "The same elements in another shape.", example: "arange(6).reshape(2, 3)"
    ) { call in .tensor(try call.tensor("x").reshaped(call.shape("shape"))) },
    Builtin(
      "transpose", category: tensorCategory,
      [
        Parameter("x", tensorLike),
        Parameter(
          "axes", .anyOf([.int, .list]), variadic: true, help: "none: all axes reversed; two: those exchanged; all: the new order"),
      ], returns: "tensor", summary: "Rows become columns; of more axes, the order is reversed or as given.",
      example: "transpose(tensor([[1, 2, 3]]))"
    ) { call in
      let x = try call.tensor("x")
      let axes = try call.shape("axes")
      if axes.isEmpty { return .tensor(try x.permuted((0..<x.rank).reversed())) }
      return .tensor(axes.count == 2 && x.rank >= 2 ? try x.transposed(axes[0], axes[1]) : try x.permuted(axes))
    },
    Builtin(
      "permute", category: tensorCategory,
      [Parameter("x", tensorLike), Parameter("order", .anyOf([.int, .list]), variadic: true, help: "the old axes in their new order")],
      returns: "tensor", summary: "The axes in another order.", example: "zeros(2, 3, 4).permute(2, 0, 1).shape"
    ) { call in .tensor(try call.tensor("x").permuted(call.shape("order"))) },
    Builtin(
      "squeeze", category: tensorCategory,
      [
        Parameter("x", tensorLike),
        Parameter("axis", wholeNumbers, default: Value.none, aliases: ["dim"], help: "which; none: all axes of extent 1"),
      ], returns: "tensor", summary: "Without axes of extent 1.", example: "zeros(1, 3, 1).squeeze().shape"
    ) { call in .tensor(try call.tensor("x").squeezed(call.wholeNumbers("axis"))) },
    Builtin(
      "unsqueeze", category: tensorCategory, [Parameter("x", tensorLike), oneAxis(0, "where the new axis goes")],
      returns: "tensor", summary: "With a new axis of extent 1.", example: "unsqueeze(tensor([1, 2, 3]), 1)"
    ) { call in .tensor(try call.tensor("x").unsqueezed(call.int("axis"))) },
    Builtin(
      "stack", category: tensorCategory, [several, oneAxis(0, "where the new axis goes")], returns: "tensor",
      summary: "Tensors of one shape, joined along a new axis.", example: "stack([tensor([1, 2]), tensor([3, 4])])"
    ) { call in .tensor(try .stack(parts(call), axis: call.int("axis"))) },
    Builtin(
      "concat", category: tensorCategory, [several, oneAxis(0)], returns: "tensor",
      summary: "Tensors joined along an axis they have.", example: "concat([ones(2, 1), zeros(2, 2)], axis: 1)"
    ) { call in .tensor(try .concatenate(parts(call), axis: call.int("axis"))) },
    Builtin(
      "diag", category: tensorCategory,
      [
        Parameter("x", tensorLike),
        Parameter("offset", .int, default: 0, aliases: ["k", "diagonal"], help: "which diagonal, to the right"),
      ],
      returns: "tensor", summary: "A matrix with a vector on its diagonal, or the diagonal of a matrix.", example: "diag(tensor([1, 2]))"
    ) { call in .tensor(try call.tensor("x").diagonal(offset: call.int("offset"))) },
  ]
}

/// The elements of a list as tensors; of a tensor, the parts along its first axis.
private func parts(_ call: Call) throws -> [Tensor] {
  switch call["tensors"] {
  case .list(let list): return try list.enumerated().map { try tensorOperand($1, "element \($0) of \(call.builtin.name)") }
  case .object(let object as TensorValue): return try (0..<(object.elementCount() ?? 0)).map { try object.tensor.indexed([.at($0)]) }
  default: return [try call.tensor("tensors")]
  }
}
