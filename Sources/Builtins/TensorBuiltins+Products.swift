// Products of vectors and matrices, and the classification loss.

import Language
import Tensors

func productBuiltins() -> [Builtin] {
  [
    Builtin(
      "matmul", category: tensorCategory, [Parameter("a", tensorLike), Parameter("b", tensorLike)], returns: "tensor",
      summary: "The matrix product, as a @ b; leading axes broadcast.", example: "matmul(tensor([[1, 2]]), tensor([[3], [4]]))"
    ) { call in .tensor(try .matmul(call.tensor("a"), call.tensor("b"))) },
    Builtin(
      "dot", category: tensorCategory, [Parameter("a", tensorLike), Parameter("b", tensorLike)], returns: "tensor",
      summary: "The inner product of two vectors.", example: "dot(tensor([1, 2]), tensor([3, 4]))"
    ) { call in .tensor(try .dot(call.tensor("a"), call.tensor("b"))) },
    Builtin(
      "cross_entropy", category: tensorCategory,
      [
        Parameter("logits", tensorLike, help: "(…, classes)"),
        Parameter("targets", .anyOf([.object("tensor"), .list, .range, .int]), help: "the right class of each row"),
        Parameter("reduction", .string, default: "mean", choices: ["mean", "sum", "none"], help: "how the losses come together"),
        Parameter("ignore_index", .int, default: -100, help: "the target of rows that do not count"),
      ], returns: "tensor", summary: "-log of the probability that softmax gives the right class.",
      example: "cross_entropy(tensor([[2, 0, 0], [0, 1, 0]]), [0, 1])"
    ) { call in
      .tensor(
        try .crossEntropy(
          call.tensor("logits"), targets: call.tensor("targets"),
          reduction: Tensor.LossReduction(rawValue: call.string("reduction")) ?? .mean, ignored: call.int("ignore_index")))
    },
  ]
}
