// The tensor rows of the table of builtins, gathered from one file per subject, and what they share.

import Language
import Tensors

/// Every builtin on tensors.
///
/// Where a core builtin has the same name (`sum`, `max`, `abs`, `sort`, `round`), the row here takes tensors only.
public func tensorBuiltins() -> [Builtin] {
  creationBuiltins() + shapingBuiltins() + functionBuiltins() + reductionBuiltins() + productBuiltins() + choosingBuiltins()
    + gradientBuiltins() + truthBuiltins()
}

let tensorCategory = "Tensors"

/// What may stand where a tensor is expected: tensors and what converts to one.
let tensorLike = ParameterType.anyOf([.object("tensor"), .list, .range, .float, .bool])

/// A tensor, and nothing that a core builtin of the same name takes.
let tensorOnly = ParameterType.object("tensor")

let wholeNumbers = ParameterType.anyOf([.int, .list])

var axisParameter: Parameter {
  Parameter(
    "axis", wholeNumbers, default: Value.none, aliases: ["dim", "dims", "axes"], help: "an axis or a list of axes; none: over all elements")
}

var keepParameter: Parameter {
  Parameter(
    "keepdims", .bool, default: false, aliases: ["keepdim", "keep_dims"], help: "keep the reduced axes with extent 1")
}

/// One axis of an operation along it.
func oneAxis(_ value: Int64, _ help: String = "counted from 0, or from the end as -1, -2…") -> Parameter {
  Parameter("axis", .int, default: .int(value), aliases: ["dim"], help: help)
}

extension Call {
  /// The argument as a tensor, from anything that converts to one.
  func tensor(_ name: String) throws -> Tensor { try tensorOperand(self[name], "'\(name)' of \(builtin.name)") }

  /// A list of whole numbers, from one or several; nil for none.
  func wholeNumbers(_ name: String) throws -> [Int]? {
    if self[name].isNone { return nil }
    return try zsWholeNumbers(self[name], "'\(name)' of \(builtin.name)")
  }

  /// A shape from variadic arguments: numbers, or one list.
  func shape(_ name: String) throws -> [Int] { try zsShape(variadic, "'\(name)' of \(builtin.name)") }
}

/// Whole numbers from an int or a list of ints.
func zsWholeNumbers(_ value: Value, _ what: String) throws -> [Int] {
  switch value {
  case .int(let number): return [Int(number)]
  case .list(let list): return try list.map { try zsWholeNumber($0, what) }
  default: return [try zsWholeNumber(value, what)]
  }
}

private func zsWholeNumber(_ value: Value, _ what: String) throws -> Int {
  if case .int(let number) = value { return Int(number) }
  if case .float(let number) = value, let whole = Int(exactly: number) { return whole }
  if case .object(let object as TensorValue) = value, object.tensor.count == 1 { return try object.tensor.integers(what)[0] }
  throw ZsError(kind: "type", message: "\(what) must be whole numbers, not \(value.source)")
}

/// A shape from numbers or one list of numbers.
func zsShape(_ values: [Value], _ what: String) throws -> [Int] {
  if values.count == 1, case .list(let list) = values[0] { return try list.map { try zsWholeNumber($0, what) } }
  if values.count == 1, case .object(let object as TensorValue) = values[0], object.tensor.rank == 1 {
    return try object.tensor.integers(what)
  }
  return try values.map { try zsWholeNumber($0, what) }
}
