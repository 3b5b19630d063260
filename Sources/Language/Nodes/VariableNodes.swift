// Reading and giving values to variables: slots of the frame, boxes of captured variables, other modules' slots.

final class ConstantNode: Node {
  let value: Value

  init(_ value: Value, _ span: Span) {
    self.value = value
    super.init(span)
  }

  override func evaluate(_ frame: Frame) throws -> Value { value }
}

/// The error for a variable that has no value yet.
private func unassigned(_ name: String, _ span: Span) -> ZsError {
  let hint = name == "ans" ? "ans is the last value that was shown" : "the statement that gives it one did not run"
  return ZsError(kind: "name", message: "'\(name)' has no value yet", hint: hint, span: span)
}

/// A variable of the running function or module.
final class SlotNode: Node {
  let slot: Int
  let name: String

  init(_ slot: Int, _ name: String, _ span: Span) {
    self.slot = slot
    self.name = name
    super.init(span)
  }

  override func evaluate(_ frame: Frame) throws -> Value {
    // Ints first: copying one needs no reference counting.
    if case .int(let number)? = frame.slots[slot] { return .int(number) }
    if let value = frame.slots[slot] { return value }
    throw unassigned(name, span)
  }
}

/// A variable that an inner function shares.
final class BoxNode: Node {
  let slot: Int
  let name: String

  init(_ slot: Int, _ name: String, _ span: Span) {
    self.slot = slot
    self.name = name
    super.init(span)
  }

  override func evaluate(_ frame: Frame) throws -> Value {
    if let value = frame.box(slot).value { return value }
    throw unassigned(name, span)
  }
}

/// A variable of a module, read by a function.
final class ModuleNode: Node {
  let module: Module
  let slot: Int
  let name: String

  init(_ module: Module, _ slot: Int, _ name: String, _ span: Span) {
    self.module = module
    self.slot = slot
    self.name = name
    super.init(span)
  }

  override func evaluate(_ frame: Frame) throws -> Value {
    if let value = module.slots[slot] { return value }
    throw unassigned(name, span)
  }
}

/// Where an assignment puts a value: always a slot of the running frame, perhaps with a box in it.
struct Target {
  let slot: Int
  let isBoxed: Bool

  @inline(__always)
  func set(_ value: Value, _ frame: Frame) {
    if isBoxed {
      frame.box(slot).value = value
    } else {
      frame.slots[slot] = value
    }
  }

  /// Takes the value out, so that it has no other owner.
  func take(_ frame: Frame) -> Value? {
    if isBoxed {
      let box = frame.box(slot)
      let value = box.value
      box.value = nil
      return value
    }
    let value = frame.slots[slot]
    frame.slots[slot] = nil
    return value
  }
}

final class AssignNode: Node {
  let target: Target
  let value: Node

  init(_ target: Target, _ value: Node, _ span: Span) {
    self.target = target
    self.value = value
    super.init(span)
  }

  override func execute(_ frame: Frame) throws -> Flow {
    target.set(try value.evaluate(frame), frame)
    return .normal
  }
}

/// `name += value` and its kin.
final class AugmentNode: Node {
  let target: Target
  let name: String
  let operation: BinaryOperator
  let value: Node

  init(_ target: Target, _ name: String, _ operation: BinaryOperator, _ value: Node, _ span: Span) {
    self.target = target
    self.name = name
    self.operation = operation
    self.value = value
    super.init(span)
  }

  override func execute(_ frame: Frame) throws -> Flow {
    let right = try value.evaluate(frame)
    if !target.isBoxed {
      let slot = frame.slots + target.slot
      if case .int(let b) = right, case .int(let a)? = slot.pointee, let result = integerArithmetic(operation, a, b) {
        // The old value was an int and needs no release.
        slot.initialize(to: result)
        return .normal
      }
      if case .float(let a)? = slot.pointee, let b = right.number, let result = floatArithmetic(operation, a, b) {
        slot.initialize(to: result)
        return .normal
      }
    }
    return try augment(right, frame)
  }

  @inline(never)
  private func augment(_ right: Value, _ frame: Frame) throws -> Flow {
    guard var left = target.take(frame) else { throw unassigned(name, span) }
    defer { target.set(left, frame) }
    do {
      try Places.augment(&left, operation, right)
    } catch {
      throw located(error, frame)
    }
    return .normal
  }
}

/// `m.key = value`, `xs[0] += 1`, nested ones too.
final class PlaceNode: Node {
  enum Step {
    case field(String)
    case index([IndexNode.Part], Span)
  }
  let target: Target
  let name: String
  let steps: [Step]
  /// nil for a plain assignment.
  let operation: BinaryOperator?
  let value: Node

  init(_ target: Target, _ name: String, steps: [Step], _ operation: BinaryOperator?, _ value: Node, _ span: Span) {
    self.target = target
    self.name = name
    self.steps = steps
    self.operation = operation
    self.value = value
    super.init(span)
  }

  override func execute(_ frame: Frame) throws -> Flow {
    let right = try value.evaluate(frame)
    let path = try steps.map { step -> PlaceStep in
      switch step {
      case .field(let name): .field(name)
      case .index(let parts, _): .index(try parts.map { try $0.evaluate(frame) })
      }
    }
    try Nesting.check(CollectionOfOne(right), at: span)
    guard var base = target.take(frame) else { throw unassigned(name, span) }
    defer { target.set(base, frame) }
    do {
      if let operation {
        try Places.update(&base, path[...], { try Places.augment(&$0, operation, right) }, adding: nil)
      } else {
        try Places.update(&base, path[...], { $0 = right }, adding: right)
      }
    } catch {
      throw located(error, frame)
    }
    return .normal
  }
}

/// `a, b = list`.
final class DestructureNode: Node {
  let targets: [Target]
  let value: Node

  init(_ targets: [Target], _ value: Node, _ span: Span) {
    self.targets = targets
    self.value = value
    super.init(span)
  }

  override func execute(_ frame: Frame) throws -> Flow {
    let value = try value.evaluate(frame)
    do {
      try Destructuring.assign(value, to: targets, frame)
    } catch {
      throw located(error, frame)
    }
    return .normal
  }
}

enum Destructuring {
  /// Gives each target an element; throws where their numbers differ.
  static func assign(_ value: Value, to targets: [Target], _ frame: Frame) throws {
    let elements: [Value]
    switch value {
    case .list(let list): elements = list
    case .object, .range: elements = try value.listed() ?? []
    default:
      throw ZsError(kind: "type", message: "\(targets.count) names take a list of \(targets.count), not \(value.typeName)")
    }
    guard elements.count == targets.count else {
      throw ZsError(message: "\(targets.count) names take \(targets.count) elements, not \(elements.count)")
    }
    for (target, element) in zip(targets, elements) { target.set(element, frame) }
  }
}
