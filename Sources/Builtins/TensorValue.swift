// A tensor as a zs value: fields, operators, NumPy's indexing, elements for loops. Values never change: assignment by index
// makes a new tensor for the variable.

import Language
import Tensors

/// A tensor of the language.
public final class TensorValue: ObjectValue {
  /// The tensor itself.
  public let tensor: Tensor

  /// Wraps a tensor.
  public init(_ tensor: Tensor) { self.tensor = tensor }

  /// The name that `type(x)` gives.
  public var typeName: String { "tensor" }

  /// `"f32"`, or `"bool"` for what comparisons give.
  public var dtype: String { tensor.isMask ? "bool" : "f32" }

  /// Shape, type, size, transpose, and the one number.
  public var fieldNames: [String] { ["shape", "dtype", "size", "ndim", "T", "item"] }

  /// A field by name.
  public func field(_ name: String) throws -> Value? {
    switch name {
    case "shape": .list(tensor.shape.map { .int(Int64($0)) })
    case "dtype": .string(dtype)
    case "size": .int(Int64(tensor.count))
    case "ndim": .int(Int64(tensor.rank))
    case "T": .tensor(try tensor.permuted((0..<tensor.rank).reversed()))
    case "item": tensor.isMask ? .bool(try tensor.item() != 0) : .float(Double(try tensor.item()))
    default: nil
    }
  }

  /// `x[…]`, by NumPy's rules.
  public func subscripted(_ index: [IndexArgument]) throws -> Value { .tensor(try tensor.indexed(tensorIndex(index))) }

  /// What the variable holds after `x[…] = value`.
  public func assigning(_ value: Value, at index: [IndexArgument]) throws -> any ObjectValue {
    TensorValue(try tensor.assigning(tensorOperand(value, "the assigned value"), at: tensorIndex(index)))
  }

  /// The extent of the first axis.
  public func elementCount() throws -> Int? {
    guard let first = tensor.shape.first else {
      throw ZsError(kind: "type", message: "a tensor of shape () is one number and has no elements", hint: ".item is the number")
    }
    return first
  }

  /// The tensor at an index of the first axis.
  public func element(at index: Int) throws -> Value { .tensor(try tensor.indexed([.at(index)])) }

  /// Arithmetic and comparisons with tensors, numbers and lists of numbers, with broadcasting.
  public func binary(_ operation: BinaryOperator, _ other: Value, objectOnLeft: Bool) throws -> Value? {
    guard let operand = try TensorValue.operand(other) else { return nil }
    let (left, right) = objectOnLeft ? (tensor, operand) : (operand, tensor)
    switch operation {
    case .add: return .tensor(try left + right)
    case .subtract: return .tensor(try left - right)
    case .multiply: return .tensor(try left * right)
    case .divide: return .tensor(try left / right)
    case .floorDivide: return .tensor(try Tensor.floorDivide(left, right))
    case .modulo: return .tensor(try left % right)
    case .power: return .tensor(try left ** right)
    case .matmul: return .tensor(try Tensor.matmul(left, right))
    case .equal, .notEqual, .less, .lessEqual, .greater, .greaterEqual:
      guard let comparison = Tensor.Comparison(rawValue: operation.rawValue) else { return nil }
      return .tensor(try Tensor.compare(left, comparison, right))
    }
  }

  /// The other side of an operator as a tensor; nil for what has no place beside a tensor.
  private static func operand(_ value: Value) throws -> Tensor? {
    switch value {
    case .int, .float, .bool, .list, .range: try tensorOperand(value, "the operand")
    case .object(let object): (object as? TensorValue)?.tensor
    default: nil
    }
  }

  /// −x.
  public func negated() throws -> Value? { .tensor(try -tensor) }

  /// Whether shape and all elements are equal.
  public func isEqual(to other: any ObjectValue) -> Bool {
    guard let other = other as? TensorValue else { return false }
    return tensor.shape == other.tensor.shape && tensor.values == other.tensor.values
  }

  /// Whether the one element is not 0; more than one have no truth in common.
  public func truth() throws -> Bool? {
    guard tensor.count == 1 else {
      throw ZsError(
        kind: "type", message: "a tensor of shape \(Shape.text(tensor.shape)) is neither true nor false",
        hint: "say which elements: .all(), .any(), or .item of one; for both of two masks multiply them")
    }
    return try tensor.item() != 0
  }

  /// Nested lists of numbers (of bools for a mask), with none for NaN.
  public func plain() throws -> Value {
    let values = tensor.values
    var place = 0
    func nested(_ axis: Int) -> Value {
      if axis < tensor.rank { return .list((0..<tensor.shape[axis]).map { _ in nested(axis + 1) }) }
      let value = values[place]
      place += 1
      return tensor.isMask ? .bool(value != 0) : value.isNaN ? .none : .float(Double(value))
    }
    return nested(0)
  }

  /// What its elements take.
  public var byteCount: Int { 4 * tensor.count }

  /// Type and shape, statistics, corners.
  public func display(_ options: DisplayOptions) -> String { tensorText(self, options) }
}

extension Value {
  /// A tensor as a value.
  public static func tensor(_ tensor: Tensor) -> Value { .object(TensorValue(tensor)) }
}

/// A tensor of what may stand where a tensor is expected: a tensor, a number, a bool, a range, nested lists of these.
///
/// - Parameter what: How messages name the value, such as "indices of gather".
public func tensorOperand(_ value: Value, _ what: String) throws -> Tensor {
  switch value {
  case .object(let object):
    if let value = object as? TensorValue { return value.tensor }
  case .bool(let flag):
    let tensor = try Tensor.scalar(flag ? 1 : 0)
    tensor.isMask = true
    return tensor
  case .int, .float:
    if let number = value.number { return try .scalar(Float(number)) }
  case .range(let range):
    guard range.count < 1 << 31 else { throw ZsError("\(what): a range of \(range.count) numbers is too long for a tensor") }
    return try Tensor(shape: [range.count], values: (0..<range.count).map { Float(range[$0]) })
  case .list(let list):
    if let tensor = try flatTensor(list) { return tensor }
    return try stackedTensor(list, what)
  default: break
  }
  throw ZsError(
    kind: "type", message: "\(what) must be a tensor, a number or nested lists of numbers, not \(value.typeName)",
    hint: "tensor(x) makes a tensor of nested lists")
}

/// The vector of a list of nothing but numbers, or the mask of a list of nothing but bools.
private func flatTensor(_ list: [Value]) throws -> Tensor? {
  var values: [Float] = []
  values.reserveCapacity(list.count)
  var flags = 0
  for element in list {
    switch element {
    case .int(let number): values.append(Float(number))
    case .float(let number): values.append(Float(number))
    case .bool(let flag):
      values.append(flag ? 1 : 0)
      flags += 1
    case .none: values.append(.nan)
    default: return nil
    }
  }
  let tensor = try Tensor(shape: [values.count], values: values)
  tensor.isMask = flags > 0 && flags == values.count
  return tensor
}

/// The tensor of a list of lists, or of tensors, which must have one shape.
private func stackedTensor(_ list: [Value], _ what: String) throws -> Tensor {
  var parts: [Tensor] = []
  for (index, element) in list.enumerated() {
    let part = try tensorOperand(element, "element \(index) of \(what)")
    if let first = parts.first, first.shape != part.shape {
      throw ZsError(
        kind: "shape",
        message: "\(what) is ragged: element 0 has the shape \(Shape.text(first.shape)), element \(index) \(Shape.text(part.shape))",
        hint: "all rows must have the same length")
    }
    parts.append(part)
  }
  return try Tensor.stack(parts)
}

/// What stands between [ and ] as a tensor index.
func tensorIndex(_ index: [IndexArgument]) throws -> [TensorIndex] {
  try index.map { part in
    switch part {
    case .ellipsis: .ellipsis
    case .slice(let start, let stop, let step):
      .slice(start: try sliceBound(start), stop: try sliceBound(stop), step: try sliceBound(step))
    case .at(.int(let index)): .at(Int(index))
    case .at(.none): .newAxis
    case .at(.bool):
      throw ZsError(kind: "index", message: "a tensor cannot be indexed with a bool", hint: "use 0 or 1, or a mask such as x > 0")
    case .at(let value): try elementIndex(value)
    }
  }
}

private func sliceBound(_ value: Value?) throws -> Int? {
  switch value {
  case nil, .some(.none): return nil
  case .int(let number): return Int(number)
  case .object(let object as TensorValue) where object.tensor.count == 1:
    return try object.tensor.integers("a slice's bound")[0]
  case .some(let other):
    throw ZsError(kind: "index", message: "a slice's bounds are whole numbers, not \(other.typeName)")
  }
}

/// An index tensor, a mask, or a tensor of rank 0 as a whole number.
private func elementIndex(_ value: Value) throws -> TensorIndex {
  if case .float(let number) = value {
    throw ZsError(kind: "index", message: "an index is a whole number, not \(number)", hint: "int(x) drops the fraction")
  }
  if case .list(let list) = value, list.isEmpty { return .indices(shape: [0], values: []) }
  guard value.typeName != "str", value.typeName != "map" else {
    throw ZsError(kind: "index", message: "a tensor cannot be indexed with a \(value.typeName)", hint: "fields go by dot: x.shape")
  }
  let tensor = try tensorOperand(value, "an index")
  if tensor.isMask { return .mask(shape: tensor.shape, values: tensor.values.map { $0 != 0 }) }
  let values = try tensor.integers("indices")
  return tensor.rank == 0 ? .at(values[0]) : .indices(shape: tensor.shape, values: values)
}
