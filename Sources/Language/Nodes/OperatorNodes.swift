// Operators, with ints and floats inlined; everything else goes to Operations.

/// Arithmetic of ints where it neither overflows nor divides by zero.
@inline(__always)
func integerArithmetic(_ operation: BinaryOperator, _ a: Int64, _ b: Int64) -> Value? {
  let result: (partialValue: Int64, overflow: Bool)
  switch operation {
  case .add: result = a.addingReportingOverflow(b)
  case .subtract: result = a.subtractingReportingOverflow(b)
  case .multiply: result = a.multipliedReportingOverflow(by: b)
  case .modulo:
    guard b > 0 else { return nil }
    let rest = a % b
    return .int(rest < 0 ? rest + b : rest)
  case .floorDivide:
    guard b > 0 else { return nil }
    let quotient = a / b
    return .int(quotient * b > a ? quotient - 1 : quotient)
  case .divide:
    guard b != 0 else { return nil }
    return .float(Double(a) / Double(b))
  default: return nil
  }
  return result.overflow ? nil : .int(result.partialValue)
}

/// Arithmetic of floats where it does not divide by zero.
@inline(__always)
func floatArithmetic(_ operation: BinaryOperator, _ a: Double, _ b: Double) -> Value? {
  switch operation {
  case .add: return .float(a + b)
  case .subtract: return .float(a - b)
  case .multiply: return .float(a * b)
  case .divide: return b == 0 ? nil : .float(a / b)
  default: return nil
  }
}

/// Arithmetic of numbers of any kind.
@inline(__always)
func numberArithmetic(_ operation: BinaryOperator, _ a: Value, _ b: Value) -> Value? {
  switch (a, b) {
  case (.int(let x), .int(let y)): integerArithmetic(operation, x, y)
  case (.float(let x), .float(let y)): floatArithmetic(operation, x, y)
  case (.int(let x), .float(let y)): floatArithmetic(operation, Double(x), y)
  case (.float(let x), .int(let y)): floatArithmetic(operation, x, Double(y))
  default: nil
  }
}

@inline(__always)
func integerComparison(_ operation: BinaryOperator, _ a: Int64, _ b: Int64) -> Bool {
  switch operation {
  case .less: a < b
  case .lessEqual: a <= b
  case .greater: a > b
  case .greaterEqual: a >= b
  case .equal: a == b
  default: a != b
  }
}

/// An operator's slow cases, with the places of its operands for errors.
class OperatorNode: Node {
  let operation: BinaryOperator
  let left: Node
  let right: Node

  init(_ operation: BinaryOperator, _ left: Node, _ right: Node, _ span: Span) {
    self.operation = operation
    self.left = left
    self.right = right
    super.init(span)
  }

  @inline(never)
  final func general(_ a: Value, _ b: Value, _ frame: Frame) throws -> Value {
    do {
      return try Operations.binary(operation, a, b)
    } catch {
      throw annotated(located(error, frame), frame)
    }
  }

  /// Shape errors name where the operands were bound.
  private func annotated(_ error: any Error, _ frame: Frame) -> any Error {
    guard var error = error as? ZsError, error.kind == "shape", error.labels.isEmpty else { return error }
    for operand in [left, right] {
      if let label = frame.state.pointee.interpreter.bindingLabel(of: operand) { error.labels.append(label) }
    }
    return error
  }
}

final class ArithmeticNode: OperatorNode {
  override func evaluate(_ frame: Frame) throws -> Value {
    let a = try left.evaluate(frame)
    let b = try right.evaluate(frame)
    if let result = numberArithmetic(operation, a, b) { return result }
    return try general(a, b, frame)
  }
}

/// `name op 7`.
final class SlotConstantArithmeticNode: OperatorNode {
  private let slot: Int
  private let constant: Int64

  init(_ operation: BinaryOperator, _ left: SlotNode, _ right: ConstantNode, _ constant: Int64, _ span: Span) {
    slot = left.slot
    self.constant = constant
    super.init(operation, left, right, span)
  }

  override func evaluate(_ frame: Frame) throws -> Value {
    if case .int(let x)? = frame.slots[slot], let result = integerArithmetic(operation, x, constant) { return result }
    return try general(left.evaluate(frame), .int(constant), frame)
  }
}

/// `a op b` of two names.
final class SlotsArithmeticNode: OperatorNode {
  private let first: Int
  private let second: Int

  init(_ operation: BinaryOperator, _ left: SlotNode, _ right: SlotNode, _ span: Span) {
    first = left.slot
    second = right.slot
    super.init(operation, left, right, span)
  }

  override func evaluate(_ frame: Frame) throws -> Value {
    if case .int(let x)? = frame.slots[first], case .int(let y)? = frame.slots[second] {
      if let result = integerArithmetic(operation, x, y) { return result }
    } else if case .float(let x)? = frame.slots[first], case .float(let y)? = frame.slots[second],
      let result = floatArithmetic(operation, x, y)
    {
      return result
    }
    return try general(left.evaluate(frame), right.evaluate(frame), frame)
  }
}

/// One comparison.
final class CompareNode: OperatorNode {
  override func evaluate(_ frame: Frame) throws -> Value {
    let a = try left.evaluate(frame)
    let b = try right.evaluate(frame)
    if case .int(let x) = a, case .int(let y) = b { return .bool(integerComparison(operation, x, y)) }
    return try general(a, b, frame)
  }

  override func truth(_ frame: Frame) throws -> Bool {
    let a = try left.evaluate(frame)
    let b = try right.evaluate(frame)
    if case .int(let x) = a, case .int(let y) = b { return integerComparison(operation, x, y) }
    return try decide(general(a, b, frame), frame)
  }

  fileprivate func decide(_ value: Value, _ frame: Frame) throws -> Bool {
    if case .bool(let truth) = value { return truth }
    do {
      return try Operations.truth(value)
    } catch {
      throw located(error, frame)
    }
  }
}

/// `name < 10`.
final class SlotConstantCompareNode: OperatorNode {
  private let slot: Int
  private let constant: Int64

  init(_ operation: BinaryOperator, _ left: SlotNode, _ right: ConstantNode, _ constant: Int64, _ span: Span) {
    slot = left.slot
    self.constant = constant
    super.init(operation, left, right, span)
  }

  override func evaluate(_ frame: Frame) throws -> Value {
    if case .int(let x)? = frame.slots[slot] { return .bool(integerComparison(operation, x, constant)) }
    return try general(left.evaluate(frame), .int(constant), frame)
  }

  override func truth(_ frame: Frame) throws -> Bool {
    if case .int(let x)? = frame.slots[slot] { return integerComparison(operation, x, constant) }
    let value = try general(left.evaluate(frame), .int(constant), frame)
    if case .bool(let truth) = value { return truth }
    do {
      return try Operations.truth(value)
    } catch {
      throw located(error, frame)
    }
  }
}

/// `a < b <= c`, `x in xs`: each side is evaluated once, and no further than the first that fails.
final class ChainNode: Node {
  struct Link {
    let operation: ComparisonOperator
    let right: Node
    let span: Span
  }
  let first: Node
  let links: [Link]

  init(_ first: Node, _ links: [Link], _ span: Span) {
    self.first = first
    self.links = links
    super.init(span)
  }

  override func evaluate(_ frame: Frame) throws -> Value {
    var left = try first.evaluate(frame)
    var result = Value.bool(true)
    for (index, link) in links.enumerated() {
      let right = try link.right.evaluate(frame)
      do {
        result = try ChainNode.compare(link.operation, left, right)
        if index < links.count - 1, try !Operations.truth(result) { return result }
      } catch {
        throw located(error, frame)
      }
      left = right
    }
    return result
  }

  static func compare(_ operation: ComparisonOperator, _ left: Value, _ right: Value) throws -> Value {
    switch operation {
    case .compare(let operation): try Operations.binary(operation, left, right)
    case .contains: .bool(try Operations.contains(right, left))
    case .containsNot: .bool(try !Operations.contains(right, left))
    }
  }
}

final class NegateNode: Node {
  let operand: Node

  init(_ operand: Node, _ span: Span) {
    self.operand = operand
    super.init(span)
  }

  override func evaluate(_ frame: Frame) throws -> Value {
    let value = try operand.evaluate(frame)
    do {
      return try Operations.negate(value)
    } catch {
      throw located(error, frame)
    }
  }
}

final class PlusNode: Node {
  let operand: Node

  init(_ operand: Node, _ span: Span) {
    self.operand = operand
    super.init(span)
  }

  override func evaluate(_ frame: Frame) throws -> Value {
    let value = try operand.evaluate(frame)
    do {
      return try Operations.plus(value)
    } catch {
      throw located(error, frame)
    }
  }
}

final class NotNode: Node {
  let operand: Node

  init(_ operand: Node, _ span: Span) {
    self.operand = operand
    super.init(span)
  }

  override func evaluate(_ frame: Frame) throws -> Value { .bool(try !operand.truth(frame)) }

  override func truth(_ frame: Frame) throws -> Bool { try !operand.truth(frame) }
}

final class AndNode: Node {
  let left: Node
  let right: Node

  init(_ left: Node, _ right: Node, _ span: Span) {
    self.left = left
    self.right = right
    super.init(span)
  }

  override func evaluate(_ frame: Frame) throws -> Value { .bool(try truth(frame)) }

  override func truth(_ frame: Frame) throws -> Bool { try left.truth(frame) && right.truth(frame) }
}

final class OrNode: Node {
  let left: Node
  let right: Node

  init(_ left: Node, _ right: Node, _ span: Span) {
    self.left = left
    self.right = right
    super.init(span)
  }

  override func evaluate(_ frame: Frame) throws -> Value { .bool(try truth(frame)) }

  override func truth(_ frame: Frame) throws -> Bool { try left.truth(frame) || right.truth(frame) }
}

/// `a ?? b`.
final class CoalesceNode: Node {
  let left: Node
  let right: Node

  init(_ left: Node, _ right: Node, _ span: Span) {
    self.left = left
    self.right = right
    super.init(span)
  }

  override func evaluate(_ frame: Frame) throws -> Value {
    let value = try left.evaluate(frame)
    return value.isNone ? try right.evaluate(frame) : value
  }
}
