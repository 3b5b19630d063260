// Tensors asked as a whole: whether any or all elements are true; and their elements in the other order.

import Language
import Tensors

func truthBuiltins() -> [Builtin] {
  [
    Builtin(
      "any", category: tensorCategory, [Parameter("x", tensorOnly), axisParameter, keepParameter], returns: "bool, or tensor along an axis",
      summary: "Whether one element is true, which every number but 0 is.", example: "any(tensor([1, 5]) > 4)"
    ) { call in
      try asked(call, ofNone: false) { try $0.max(axes: $1, keepDimensions: $2) }
    },
    Builtin(
      "all", category: tensorCategory, [Parameter("x", tensorOnly), axisParameter, keepParameter], returns: "bool, or tensor along an axis",
      summary: "Whether every element is true, which every number but 0 is.", example: "all(tensor([[1, 5], [7, 2]]) > 1, axis: 1)"
    ) { call in
      try asked(call, ofNone: true) { try $0.min(axes: $1, keepDimensions: $2) }
    },
    Builtin(
      "reverse", category: tensorCategory, [Parameter("x", tensorOnly), oneAxis(0)], returns: "tensor",
      summary: "The elements from last to first along an axis.", example: "reverse(tensor([1, 2, 3]))"
    ) { call in
      let x = try call.tensor("x")
      let axis = try call.int("axis")
      let place = axis < 0 ? axis + x.rank : axis
      guard (0..<x.rank).contains(place) else {
        throw ZsError(
          kind: "shape", message: "a tensor of shape \(Shape.text(x.shape)) has no axis \(axis)",
          argument: call.given("axis") ? "axis" : "x")
      }
      let whole = TensorIndex.slice(start: nil, stop: nil, step: nil)
      return .tensor(
        try x.indexed(Array(repeating: whole, count: place) + [.slice(start: nil, stop: nil, step: -1)]))
    },
  ]
}

/// `any` or `all`: a bool over all elements, a mask along axes.
private func asked(_ call: Call, ofNone: Bool, _ reduce: (Tensor, [Int]?, Bool) throws -> Tensor) throws -> Value {
  let x = try call.tensor("x")
  let axes = try call.wholeNumbers("axis")
  let keeps = try call.bool("keepdims")
  if axes == nil, !keeps, x.count == 0 { return .bool(ofNone) }
  let zero = try Tensor.full([], 0)
  let mask = try reduce(try Tensor.compare(x.detached(), .notEqual, zero), axes, keeps)
  if axes == nil, !keeps { return .bool(try mask.item() != 0) }
  return .tensor(try Tensor.compare(mask, .notEqual, zero))
}
