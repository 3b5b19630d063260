// Making tensors: from values, constants, sequences and random numbers.

import Language
import Tensors

private var shapeParameter: Parameter {
  Parameter(
    "shape", .anyOf([.int, .list, .object("tensor")]), variadic: true, help: "extents as numbers or one list; none makes one number")
}

func creationBuiltins() -> [Builtin] {
  [
    Builtin(
      "tensor", category: tensorCategory,
      [
        Parameter("data", tensorLike, help: "a number, nested lists, a range or a tensor; none in lists is NaN"),
        Parameter("dtype", .string, default: "f32", choices: ["f32"], help: "tensors are f32"),
      ], returns: "tensor", summary: "A tensor of nested lists; a list of tensors of one shape is stacked.",
      example: "tensor([[1, 2], [3, 4]])"
    ) { call in .tensor(try call.tensor("data")) },
    filled("zeros", "A tensor of zeros.", 0), filled("ones", "A tensor of ones.", 1),
    Builtin(
      "full", category: tensorCategory,
      [
        Parameter("shape", .anyOf([.int, .list, .float]), variadic: true, help: "extents as numbers or one list, then the value"),
        Parameter("value", .float, default: Value.none, aliases: ["fill_value"], help: "what fills it"),
      ], returns: "tensor", summary: "A tensor of one value.", example: "full([2, 3], 0.5)"
    ) { call in
      var arguments = call.variadic
      var value = try call.optionalDouble("value")
      if value == nil, arguments.count > 1 { value = arguments.removeLast().number }
      guard let value else { throw ZsError(kind: "argument", message: "full needs a value", hint: "full([2, 3], 0.5)") }
      return .tensor(try .full(zsShape(arguments, "the shape of full"), Float(value)))
    },
    Builtin(
      "arange", category: tensorCategory,
      [
        Parameter("start", .float, help: "the first number; alone, the end of 0, 1, 2…"),
        Parameter("stop", .float, default: Value.none, aliases: ["end"], help: "where to stop, itself not included"),
        Parameter("step", .float, default: 1, help: "distance between numbers"),
      ], returns: "tensor", summary: "Numbers from start up to stop, stop not included.", example: "arange(0, 1, 0.25)"
    ) { call in
      let given = try call.double("start")
      let stop = try call.optionalDouble("stop")
      return .tensor(try sequence(from: stop == nil ? 0 : given, to: stop ?? given, step: try call.double("step")))
    },
    Builtin(
      "linspace", category: tensorCategory,
      [
        Parameter("start", .float), Parameter("stop", .float, aliases: ["end"], help: "the last number"),
        Parameter("count", .int, default: 50, range: 0...Double(Int32.max), aliases: ["num", "steps"], help: "how many numbers"),
      ], returns: "tensor", summary: "Numbers at equal distances, both ends included.", example: "linspace(0, 1, 5)"
    ) { call in
      let (start, stop, count) = (try call.double("start"), try call.double("stop"), try call.int("count"))
      let output = try Tensor(shape: [count])
      for index in 0..<count {
        let share = count == 1 ? 0 : Double(index) / Double(count - 1)
        output.pointer[index] = Float(start * (1 - share) + stop * share)
      }
      return .tensor(output)
    },
    Builtin(
      "eye", category: tensorCategory,
      [
        Parameter("rows", .int, range: 0...Double(Int32.max), aliases: ["n"]),
        Parameter("columns", .int, default: Value.none, range: 0...Double(Int32.max), aliases: ["m"], help: "as many as rows if not given"),
      ], returns: "tensor", summary: "A matrix with ones on its diagonal.", example: "eye(3)"
    ) { call in
      let rows = try call.int("rows")
      let columns = try call.optionalInt("columns") ?? rows
      let output = try Tensor.zeros([rows, columns])
      for index in 0..<min(rows, columns) { output.pointer[index * columns + index] = 1 }
      return .tensor(output)
    },
    random("rand", "Random numbers from 0 up to 1.", "rand(2, 3)") { $0.fillUniform($1, count: $2) },
    random("randn", "Random numbers of mean 0 and standard deviation 1.", "seed(7)\nrandn(2, 3)") { $0.fillNormal($1, count: $2) },
  ]
}

private func filled(_ name: String, _ summary: String, _ value: Float) -> Builtin {
  Builtin(name, category: tensorCategory, [shapeParameter], returns: "tensor", summary: summary, example: "\(name)(2, 3)") { call in
    .tensor(try .full(call.shape("shape"), value))
  }
}

private func random(
  _ name: String, _ summary: String, _ example: String, _ fill: @escaping (inout RandomSource, UnsafeMutablePointer<Float>, Int) -> Void
) -> Builtin {
  Builtin(
    name, category: tensorCategory,
    [
      shapeParameter,
      Parameter("seed", .int, default: Value.none, help: "fixes the numbers; otherwise they come from the session's source"),
    ],
    returns: "tensor", summary: summary, example: example
  ) { call in
    let output = try Tensor(shape: call.shape("shape"))
    if let seed = try call.optionalInt("seed") {
      var source = RandomSource(seed: UInt64(bitPattern: Int64(seed)))
      fill(&source, output.pointer, output.count)
    } else {
      fill(&(try Session.of(call)).random, output.pointer, output.count)
    }
    return .tensor(output)
  }
}

private func sequence(from start: Double, to stop: Double, step: Double) throws -> Tensor {
  guard step != 0, !step.isNaN else { throw ZsError("arange cannot go in steps of \(step)", hint: "use a step other than 0") }
  let count = ((stop - start) / step).rounded(.up)
  guard count.isFinite, count < 0x1p40 else { throw ZsError("arange from \(start) to \(stop) by \(step) has no end") }
  let output = try Tensor(shape: [max(0, Int(count))])
  for index in 0..<output.count { output.pointer[index] = Float(start + Double(index) * step) }
  return output
}
