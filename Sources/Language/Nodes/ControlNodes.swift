// Blocks, branches, loops, and how they are left.

/// Statements one after the other; as an expression, the value of the last one.
final class BlockNode: Node {
  private let statements: NodeList
  /// Whether the last statement is an expression.
  private let hasValue: Bool

  init(_ statements: [Node], hasValue: Bool, _ span: Span) {
    self.statements = NodeList(statements)
    self.hasValue = hasValue
    super.init(span)
  }

  override func execute(_ frame: Frame) throws -> Flow {
    for index in 0..<statements.count {
      try frame.poll()
      let flow = try statements.execute(index, frame)
      if flow != .normal { return flow }
    }
    return .normal
  }

  override func evaluate(_ frame: Frame) throws -> Value {
    let leading = hasValue ? statements.count - 1 : statements.count
    for index in 0..<leading {
      try frame.poll()
      let flow = try statements.execute(index, frame)
      if flow != .normal { throw ControlSignal(flow: flow) }
    }
    if !hasValue { return .none }
    try frame.poll()
    return try statements.evaluate(leading, frame)
  }
}

final class IfNode: Node {
  let branches: [(condition: Node, block: Node)]
  let otherwise: Node?
  private let condition: Node
  private let block: Node

  init(_ branches: [(condition: Node, block: Node)], _ otherwise: Node?, _ span: Span) {
    self.branches = branches
    self.otherwise = otherwise
    condition = branches.first?.condition ?? ConstantNode(.bool(false), span)
    block = branches.first?.block ?? ConstantNode(.none, span)
    super.init(span)
  }

  override func execute(_ frame: Frame) throws -> Flow {
    if try condition.truth(frame) { return try block.execute(frame) }
    for (condition, block) in branches.dropFirst() where try condition.truth(frame) { return try block.execute(frame) }
    return try otherwise?.execute(frame) ?? .normal
  }

  override func evaluate(_ frame: Frame) throws -> Value {
    if try condition.truth(frame) { return try block.evaluate(frame) }
    for (condition, block) in branches.dropFirst() where try condition.truth(frame) { return try block.evaluate(frame) }
    return try otherwise?.evaluate(frame) ?? .none
  }
}

final class WhileNode: Node {
  let condition: Node
  let body: Node

  init(_ condition: Node, _ body: Node, _ span: Span) {
    self.condition = condition
    self.body = body
    super.init(span)
  }

  override func execute(_ frame: Frame) throws -> Flow {
    while try condition.truth(frame) {
      try frame.poll()
      switch try LoopNode.round(body, frame) {
      case .normal, .continues: break
      case .breaks: return .normal
      case .returns: return .returns
      }
    }
    return .normal
  }
}

/// `for names in sequence { … }`.
final class LoopNode: Node {
  let targets: [Target]
  let sequence: Node
  let body: Node

  init(_ targets: [Target], _ sequence: Node, _ body: Node, _ span: Span) {
    self.targets = targets
    self.sequence = sequence
    self.body = body
    super.init(span)
  }

  /// One round of a loop's body; a signal from inside an expression is as good as a statement's.
  @inline(__always)
  static func round(_ body: Node, _ frame: Frame) throws -> Flow {
    do {
      return try body.execute(frame)
    } catch let signal as ControlSignal {
      return signal.flow
    }
  }

  override func execute(_ frame: Frame) throws -> Flow {
    let value = try sequence.evaluate(frame)
    if targets.count == 1, case .range(let range) = value { return try count(range, frame) }
    var flow = Flow.normal
    do {
      try Iteration.each(value, targets, frame, at: sequence.span) {
        flow = try LoopNode.round(body, frame)
        if flow == .breaks || flow == .returns { return false }
        return true
      }
    } catch {
      throw sequence.located(error, frame)
    }
    return flow == .returns ? .returns : .normal
  }

  /// Counting without a list.
  private func count(_ range: ValueRange, _ frame: Frame) throws -> Flow {
    let target = targets[0]
    let count = range.count
    var number = range.lower
    for _ in 0..<count {
      try frame.poll()
      target.set(.int(number), frame)
      number &+= range.step
      switch try LoopNode.round(body, frame) {
      case .normal, .continues: break
      case .breaks: return .normal
      case .returns: return .returns
      }
    }
    return .normal
  }
}

/// Walking a collection with one or more names.
enum Iteration {
  /// Calls `body` with the names set for each element, until it gives false.
  static func each(_ value: Value, _ targets: [Target], _ frame: Frame, at span: Span, _ body: () throws -> Bool) throws {
    func step(_ element: Value) throws -> Bool {
      try frame.poll()
      if targets.count == 1 {
        targets[0].set(element, frame)
      } else {
        try Destructuring.assign(element, to: targets, frame)
      }
      return try body()
    }
    switch value {
    case .list(let values):
      for element in values { guard try step(element) else { return } }
    case .map(let map):
      if targets.count > 2 {
        throw ZsError(kind: "type", message: "a map gives a key, or a key and a value, not \(targets.count) values", span: span)
      }
      for (key, element) in map.elements {
        guard try step(targets.count == 1 ? .string(key) : .list([.string(key), element])) else { return }
      }
    case .range(let range):
      for index in 0..<range.count { guard try step(.int(range[index])) else { return } }
    case .string(let text):
      for character in text { guard try step(.string(String(character))) else { return } }
    case .object(let object):
      guard let count = try object.elementCount() else { throw notIterable(value, span) }
      for index in 0..<count { guard try step(try object.element(at: index)) else { return } }
    default: throw notIterable(value, span)
    }
  }

  private static func notIterable(_ value: Value, _ span: Span) -> ZsError {
    let hint: String? =
      switch value {
      case .int(let number) where number >= 0: "0..<\(number) counts from 0 to \(number - 1)"
      case .none: "the value is none: what gave it?"
      default: "a loop walks a list, map, range, str, tensor or dataset"
      }
    let type = value.described
    return ZsError(kind: "type", message: "\(type) cannot be walked element by element", hint: hint, span: span)
  }
}

final class BreakNode: Node {
  let flow: Flow

  init(_ flow: Flow, _ span: Span) {
    self.flow = flow
    super.init(span)
  }

  override func execute(_ frame: Frame) throws -> Flow { flow }

  override func evaluate(_ frame: Frame) throws -> Value { throw ControlSignal(flow: flow) }
}

final class ReturnNode: Node {
  let value: Node?

  init(_ value: Node?, _ span: Span) {
    self.value = value
    super.init(span)
  }

  override func execute(_ frame: Frame) throws -> Flow {
    frame.state.pointee.result = try value?.evaluate(frame) ?? .none
    return .returns
  }

  override func evaluate(_ frame: Frame) throws -> Value {
    _ = try execute(frame)
    throw ControlSignal(flow: .returns)
  }
}

/// `try { … } catch name { … }`.
final class TryNode: Node {
  let body: Node
  let target: Target
  let handler: Node

  init(_ body: Node, _ target: Target, _ handler: Node, _ span: Span) {
    self.body = body
    self.target = target
    self.handler = handler
    super.init(span)
  }

  override func execute(_ frame: Frame) throws -> Flow {
    do {
      return try body.execute(frame)
    } catch {
      try bind(error, frame)
      return try handler.execute(frame)
    }
  }

  override func evaluate(_ frame: Frame) throws -> Value {
    do {
      return try body.evaluate(frame)
    } catch {
      try bind(error, frame)
      return try handler.evaluate(frame)
    }
  }

  /// Gives the error to its name; interrupts and the ways out of a block pass.
  private func bind(_ error: any Error, _ frame: Frame) throws {
    guard let error = body.located(error, frame) as? ZsError else { throw error }
    target.set(frame.state.pointee.interpreter.value(of: error), frame)
  }
}

/// `fail e`.
final class FailNode: Node {
  let value: Node

  init(_ value: Node, _ span: Span) {
    self.value = value
    super.init(span)
  }

  override func execute(_ frame: Frame) throws -> Flow {
    let value = try value.evaluate(frame)
    // An error that was caught goes on as it was.
    if case .map(let map) = value, case .string(let kind)? = map["kind"], case .string(let message)? = map["message"] {
      throw ZsError(kind: kind, message: message, hint: map["hint"]?.text, span: span)
    }
    throw ZsError(kind: "fail", message: value.printed, span: span)
  }
}

/// `assert condition, message`: shows both sides of a comparison.
final class AssertNode: Node {
  let condition: Node
  let message: Node?
  let text: String

  init(_ condition: Node, _ message: Node?, text: String, _ span: Span) {
    self.condition = condition
    self.message = message
    self.text = text
    super.init(span)
  }

  override func execute(_ frame: Frame) throws -> Flow {
    var sides: [Value] = []
    if try holds(frame, &sides) { return .normal }
    var error = ZsError(kind: "assertion", message: "assertion failed: \(text)", span: condition.span)
    if let message { error.message = "assertion failed: " + (try message.evaluate(frame)).printed }
    let shown = sides.map { $0.display(DisplayOptions(width: 100, plain: true, maxRows: 8)) }
    if let call = condition as? BuiltinCallNode {
      let values = zip(sides, shown).filter { value, _ in
        if case .function = value { return false }
        return true
      }.map { $1 }
      if !values.isEmpty, let name = call.rows.first?.name {
        let isShort = values.allSatisfy { !$0.contains("\n") }
        error.hint = "\(name) was given" + (isShort ? " " + values.joined(separator: ", ") : "\n" + values.joined(separator: "\n"))
      }
    } else if shown.count == 2 {
      let isShort = shown.allSatisfy { !$0.contains("\n") } && shown[0].count + shown[1].count < 80
      error.hint =
        isShort
        ? "the left side is \(shown[0]), the right side \(shown[1])" : "the left side is\n\(shown[0])\nthe right side is\n\(shown[1])"
    } else if shown.count > 2 {
      error.hint = "the values are " + shown.joined(separator: ", ")
    }
    throw error
  }

  private func holds(_ frame: Frame, _ sides: inout [Value]) throws -> Bool {
    if let compare = condition as? OperatorNode, compare.operation.isComparison {
      let (a, b) = (try compare.left.evaluate(frame), try compare.right.evaluate(frame))
      sides = [a, b]
      let result = try compare.general(a, b, frame)
      do {
        return try Operations.truth(result)
      } catch {
        throw condition.located(error, frame)
      }
    }
    if let call = condition as? BuiltinCallNode {
      let value = try call.evaluate(frame, showing: &sides)
      do {
        return try Operations.truth(value)
      } catch {
        throw condition.located(error, frame)
      }
    }
    guard let chain = condition as? ChainNode else { return try condition.truth(frame) }
    sides = [try chain.first.evaluate(frame)]
    for link in chain.links {
      let right = try link.right.evaluate(frame)
      let left = sides[sides.count - 1]
      sides.append(right)
      do {
        if try !Operations.truth(ChainNode.compare(link.operation, left, right)) { return false }
      } catch {
        throw condition.located(error, frame)
      }
    }
    return true
  }
}
