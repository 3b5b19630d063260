// Derivatives of zs functions, and leaving the tape.

import Language
import Tensors

func gradientBuiltins() -> [Builtin] {
  let parameters = [
    Parameter("f", .function, help: "gives a tensor of one element"),
    Parameter("x", .any, help: "a tensor, a number, or a list or map of tensors"),
    Parameter("others", .any, variadic: true, help: "further arguments, passed on as they are"),
  ]
  return [
    Builtin(
      "grad", category: tensorCategory, parameters, returns: "as x",
      summary: "The gradient of f(x, …) with respect to x: of the same shape, what a small change of each element does to f.",
      example: "grad(x => (x ** 2).sum(), tensor([1, 2, 3]))"
    ) { call in try differentiated(call).gradient },
    Builtin(
      "value_and_grad", category: tensorCategory, parameters, returns: "list",
      summary: "f(x, …) and its gradient with respect to x: [value, gradient].",
      example: "value, slope = value_and_grad(x => x ** 3, 2.0)\nslope"
    ) { call in
      let result = try differentiated(call)
      return .list([result.value, result.gradient])
    },
    Builtin(
      "detach", category: tensorCategory, [Parameter("x", tensorLike)], returns: "tensor",
      summary: "The same values, through which no gradient flows.", example: "grad(x => (x * detach(x)).sum(), tensor([3]))"
    ) { call in .tensor(try call.tensor("x").detached()) },
  ]
}

private enum Differentiation {
  @TaskLocal static var isRunning = false
}

private func differentiated(_ call: Call) throws -> (value: Value, gradient: Value) {
  guard !Differentiation.isRunning else {
    throw ZsError(
      "grad cannot be used inside a function that grad is differentiating", hint: "second derivatives are not available")
  }
  var leaves: [Tensor] = []
  let argument = try leaf(of: call["x"], &leaves)
  guard !leaves.isEmpty else {
    throw ZsError(
      kind: "type", message: "grad needs a tensor or a number to differentiate by, not \(call["x"].typeName)",
      hint: "write grad(f, x, …) with x a tensor", argument: "x")
  }
  let value = try Differentiation.$isRunning.withValue(true) { try call.context.call(call["f"], [argument] + call.variadic) }
  guard case .object(let object as TensorValue) = value else {
    throw ZsError(
      kind: "type", message: "grad needs a function that gives a tensor of one element; this one gave \(value.typeName)",
      hint: value.number == nil ? "return the loss" : ".item, float() and int() leave the tape: return the tensor itself", argument: "f")
  }
  guard object.tensor.count == 1 else {
    throw ZsError(
      kind: "shape", message: "grad needs a function that gives one number; this one gave the shape \(Shape.text(object.tensor.shape))",
      hint: "reduce it: .sum() or .mean()", argument: "f")
  }
  var results = try gradients(of: object.tensor, with: leaves)[...]
  return (.tensor(object.tensor.detached()), try gradient(like: call["x"], &results))
}

/// The argument with its tensors replaced by leaves of a new tape.
private func leaf(of value: Value, _ leaves: inout [Tensor]) throws -> Value {
  switch value {
  case .object(let object as TensorValue):
    leaves.append(object.tensor.detached(requiresGradient: true))
  case .int, .float:
    leaves.append(try tensorOperand(value, "x").detached(requiresGradient: true))
  case .list(let list) where list.contains(where: isStructure):
    return .list(try list.map { try leaf(of: $0, &leaves) })
  case .list:
    leaves.append(try tensorOperand(value, "x").detached(requiresGradient: true))
  case .map(let map):
    return .map(try map.mapValues { try leaf(of: $0, &leaves) })
  default:
    return value
  }
  return .tensor(leaves[leaves.count - 1])
}

/// Whether an element makes a list a collection of tensors rather than a tensor of numbers.
private func isStructure(_ value: Value) -> Bool {
  switch value {
  case .object, .map: true
  default: false
  }
}

/// The gradients in the structure of the argument; none for what was no tensor.
private func gradient(like value: Value, _ results: inout ArraySlice<Tensor>) throws -> Value {
  switch value {
  case .object(let object) where object is TensorValue: break
  case .int, .float: return .float(Double(try results.removeFirst().item()))
  case .list(let list) where list.contains(where: isStructure): return .list(try list.map { try gradient(like: $0, &results) })
  case .list: break
  case .map(let map): return .map(try map.mapValues { try gradient(like: $0, &results) })
  default: return .none
  }
  return .tensor(results.removeFirst())
}
