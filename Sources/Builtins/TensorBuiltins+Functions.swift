// Functions element by element. Those that core has no row for take a number too and give a number.

import Language
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

func functionBuiltins() -> [Builtin] {
  let numeric: [Builtin] = [
    function("exp", "e to the power of each element.", "exp(tensor([0, 1]))", { try $0.exp() }, exp),
    function("log", "Natural logarithm of each element; NaN below 0.", "log(tensor([1, 10]))", { try $0.log() }, log),
    function("sqrt", "Square root of each element; NaN below 0.", "sqrt(tensor([4, 9]))", { try $0.sqrt() }, { $0.squareRoot() }),
    function("sin", "Sine of each element, in radians.", "sin(tensor([0, 1]))", { try $0.sin() }, sin),
    function("cos", "Cosine of each element, in radians.", "cos(tensor([0, 1]))", { try $0.cos() }, cos),
    function("floor", "The largest whole number not above each element.", "floor(tensor([1.5, -1.5]))", { try $0.floor() }, floor),
    function("tanh", "Hyperbolic tangent of each element.", "tanh(tensor([-1, 1]))", { try $0.tanh() }, tanh),
    function("sigmoid", "1 / (1 + exp(-x)) of each element.", "sigmoid(tensor([-2, 0, 2]))", { try $0.sigmoid() }) { 1 / (1 + exp(-$0)) },
    function(
      "logsigmoid", "log(sigmoid(x)) of each element, exact also where sigmoid underflows.", "logsigmoid(tensor([-200, 0]))",
      { try $0.logSigmoid() }
    ) { min($0, 0) - log1p(exp(-abs($0))) },
    function("relu", "max(x, 0) of each element.", "relu(tensor([-1, 2]))", { try $0.relu() }) { $0.isNaN ? $0 : max($0, 0) },
    function("silu", "x · sigmoid(x) of each element.", "silu(tensor([-1, 2]))", { try $0.silu() }) { $0 / (1 + exp(-$0)) },
  ]
  return numeric + [
    Builtin(
      "abs", category: tensorCategory, [Parameter("x", tensorOnly)], returns: "tensor", summary: "The elements without their signs.",
      example: "abs(tensor([-1, 2]))"
    ) { call in .tensor(try call.tensor("x").abs()) },
    Builtin(
      "round", category: tensorCategory,
      [Parameter("x", tensorOnly), Parameter("digits", .int, default: 0, range: -30...30, aliases: ["decimals"], help: "after the point")],
      returns: "tensor", summary: "The elements rounded, ties to even.", example: "round(tensor([1.25, 2.5]), 1)"
    ) { call in
      let digits = try call.int("digits")
      let x = try call.tensor("x")
      if digits == 0 { return .tensor(try x.rounded()) }
      let scale = try Tensor.scalar(Float(pow(10.0, Double(digits))))
      return .tensor(try (x * scale).rounded() / scale)
    },
    Builtin(
      "gelu", category: tensorCategory,
      [
        Parameter("x", tensorLike),
        Parameter("approximate", .string, default: "none", choices: ["none", "tanh"], help: "\"none\" is exact, \"tanh\" as GPT-2 has it"),
      ], returns: "tensor", summary: "x · Φ(x) of each element, Φ the normal distribution.", example: "gelu(tensor([-1, 2]))"
    ) { call in
      let y = try call.tensor("x").gelu(tanhApproximation: try call.string("approximate") == "tanh")
      return call["x"].number == nil ? .tensor(y) : .float(Double(try y.item()))
    },
    Builtin(
      "isnan", category: tensorCategory, [Parameter("x", tensorLike)], returns: "tensor", summary: "A mask of the elements that are NaN.",
      example: "isnan(log(tensor([-1, 1])))"
    ) { call in .tensor(try call.tensor("x").isNaN()) },
    along("softmax", "exp(x) divided by its sum along an axis.", "softmax(tensor([0, 0]))") { try $0.softmax(axis: $1) },
    along("log_softmax", "The logarithm of softmax, without underflow.", "log_softmax(tensor([0, 1000]))") { try $0.logSoftmax(axis: $1) },
  ]
}

/// A row for a function of tensors, and of plain numbers in double precision.
private func function(
  _ name: String, _ summary: String, _ example: String, _ body: @escaping (Tensor) throws -> Tensor,
  _ scalar: @escaping (Double) -> Double
) -> Builtin {
  Builtin(
    name, category: tensorCategory, [Parameter("x", tensorLike, help: "a tensor, a list or a number")], returns: "tensor or float",
    summary: summary, example: example
  ) { call in
    if let number = call["x"].number { return .float(scalar(number)) }
    return .tensor(try body(call.tensor("x")))
  }
}

private func along(
  _ name: String, _ summary: String, _ example: String, _ body: @escaping (Tensor, Int) throws -> Tensor
) -> Builtin {
  Builtin(
    name, category: tensorCategory, [Parameter("x", tensorLike), oneAxis(-1)], returns: "tensor", summary: summary, example: example
  ) { call in .tensor(try body(call.tensor("x"), call.int("axis"))) }
}
