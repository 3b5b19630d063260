// Calls: of functions written in zs, of builtins, and of methods, which are either.

/// A function's code, shared by all its closures.
final class FunctionCode {
  let name: String
  let span: Span
  let parameters: [(name: String, slot: Int, defaultValue: Node?)]
  let requiredCount: Int
  let parameterCount: Int
  /// The parameters' slots.
  private let slots: UnsafeMutablePointer<Int>
  var slotCount = 0
  /// Own variables that inner functions read.
  var boxedSlots: [Int] = []
  /// Slots for the boxes of enclosing functions, in the order a closure carries them.
  var captureSlots: [Int] = []
  var hasBoxes = false
  /// Runs to a `return`, or gives its value where it is an expression.
  let body: Node
  var isExpression = false

  init(name: String, span: Span, parameters: [(name: String, slot: Int, defaultValue: Node?)], body: Node) {
    self.name = name
    self.span = span
    self.parameters = parameters
    self.body = body
    requiredCount = parameters.count { $0.defaultValue == nil }
    parameterCount = parameters.count
    slots = .allocate(capacity: max(1, parameters.count))
    for (index, parameter) in parameters.enumerated() { slots[index] = parameter.slot }
  }

  deinit { slots.deallocate() }

  @inline(__always)
  func slot(_ index: Int) -> Int { slots[index] }

  /// Runs the body over a frame whose parameters have been set, nil where a default is wanted.
  @inline(__always)
  func run(_ function: ZsFunction, _ frame: Frame) throws -> Value {
    try frame.poll()
    if hasBoxes { setBoxes(function.boxes, frame) }
    if requiredCount < parameterCount { try setDefaults(frame) }
    if isExpression {
      do {
        return try body.evaluate(frame)
      } catch let signal as ControlSignal where signal.flow == .returns {
        return takeResult(frame)
      }
    }
    do {
      return try body.execute(frame) == .returns ? takeResult(frame) : .none
    } catch let signal as ControlSignal where signal.flow == .returns {
      return takeResult(frame)
    }
  }

  @inline(__always)
  private func takeResult(_ frame: Frame) -> Value {
    let value = frame.state.pointee.result
    frame.state.pointee.result = .none
    return value
  }

  private func setBoxes(_ boxes: [Box], _ frame: Frame) {
    for (slot, box) in zip(captureSlots, boxes) { frame.slots[slot] = .object(box) }
    for slot in boxedSlots {
      let box = Box()
      box.value = frame.slots[slot]
      frame.slots[slot] = .object(box)
    }
  }

  /// Defaults are evaluated per call, and may use the parameters before them.
  private func setDefaults(_ frame: Frame) throws {
    for (_, slot, defaultValue) in parameters {
      guard let defaultValue else { continue }
      if case .object(let object)? = frame.slots[slot], let box = object as? Box {
        if box.value == nil { box.value = try defaultValue.evaluate(frame) }
      } else if frame.slots[slot] == nil {
        frame.slots[slot] = try defaultValue.evaluate(frame)
      }
    }
  }

  /// Puts arguments into a frame; throws where they do not fit the parameters.
  func bind(_ positional: [Value], _ named: [(name: String, value: Value)], to base: UnsafeMutablePointer<Value?>) throws {
    guard positional.count <= parameters.count else {
      let takes = parameters.isEmpty ? "no arguments" : parameters.count == 1 ? "1 argument" : "\(parameters.count) arguments"
      throw ZsError(
        kind: "argument", message: "\(name) takes \(takes), not \(positional.count)", labels: [Label(span: span, message: "defined here")])
    }
    for (parameter, value) in zip(parameters, positional) { base[parameter.slot] = value }
    for (option, value) in named {
      guard let parameter = parameters.first(where: { $0.name == option }) else {
        let near = nearest(to: option, among: parameters.map(\.name)).map { "; did you mean '\($0)'?" } ?? ""
        throw ZsError(
          kind: "argument", message: "\(name) has no parameter '\(option)'\(near)", argument: option,
          labels: [Label(span: span, message: "defined here")])
      }
      guard base[parameter.slot] == nil else {
        throw ZsError(kind: "argument", message: "\(name) gets '\(option)' twice", argument: option)
      }
      base[parameter.slot] = value
    }
    for parameter in parameters where parameter.defaultValue == nil && base[parameter.slot] == nil {
      throw ZsError(kind: "argument", message: "\(name) needs '\(parameter.name)'", labels: [Label(span: span, message: "defined here")])
    }
  }
}

/// `fn` and lambdas: makes the function value with the boxes it reads.
final class FunctionNode: Node {
  let code: FunctionCode
  let captured: [Int]

  init(_ code: FunctionCode, captured: [Int], _ span: Span) {
    self.code = code
    self.captured = captured
    super.init(span)
  }

  override func evaluate(_ frame: Frame) throws -> Value {
    .function(ZsFunction(code, boxes: captured.map { frame.box($0) }))
  }
}

/// What all calls share: arguments, and errors placed under the argument at fault.
class CallNode: Node {
  let positional: NodeList
  let named: [(name: String, value: Node, nameSpan: Span)]
  private let hasNamed: Bool

  init(_ positional: [Node], _ named: [(name: String, value: Node, nameSpan: Span)], _ span: Span) {
    self.positional = NodeList(positional)
    self.named = named
    hasNamed = !named.isEmpty
    super.init(span)
  }

  /// Calls a value with arguments that are still to be evaluated, `first` standing before them.
  final func call(_ callee: Value, first: Value?, _ frame: Frame, calleeSpan: Span, isStatement: Bool) throws -> Value {
    guard case .function(let function) = callee else {
      throw ZsError(
        kind: "type", message: "\(callee.described) cannot be called",
        hint: "only functions can; * multiplies", span: calleeSpan)
    }
    if let function = function as? ZsFunction { return try call(function, first: first, frame) }
    guard let function = function as? BuiltinFunction else { return .none }
    return try call(function.rows, first: first, frame, isStatement: isStatement)
  }

  @inline(__always)
  final func call(_ function: ZsFunction, first: Value?, _ frame: Frame) throws -> Value {
    let code = function.code
    let base: UnsafeMutablePointer<Value?>
    do {
      base = try frame.push(code.slotCount, code.name)
    } catch {
      throw located(error, frame)
    }
    defer { frame.pop(base, code.slotCount) }
    let given = first == nil ? 0 : 1
    let count = positional.count + given
    if !hasNamed, count <= code.parameterCount, count >= code.requiredCount {
      if let first { base[code.slot(0)] = first }
      for index in 0..<positional.count { (base + code.slot(index + given)).initialize(to: try positional.evaluate(index, frame)) }
    } else {
      try bind(code, first, base, frame)
    }
    do {
      return try code.run(function, Frame(slots: base, state: frame.state))
    } catch {
      throw traced(error, code.name, frame)
    }
  }

  @inline(never)
  private func bind(_ code: FunctionCode, _ first: Value?, _ base: UnsafeMutablePointer<Value?>, _ frame: Frame) throws {
    var values = first.map { [$0] } ?? []
    for index in 0..<positional.count { values.append(try positional.evaluate(index, frame)) }
    let options = try named.map { (name: $0.name, value: try $0.value.evaluate(frame)) }
    do {
      try code.bind(values, options, to: base)
    } catch {
      throw placed(error, frame, parameters: [], hasFirst: first != nil)
    }
  }

  /// Notes the call on an error that passes through it.
  @inline(never)
  private func traced(_ error: any Error, _ name: String, _ frame: Frame) -> any Error {
    guard var error = located(error, frame) as? ZsError else { return error }
    if error.trace.count < ZsError.maximumTrace { error.trace.append(Label(span: span, message: "in \(name)")) }
    return error
  }

  final func call(_ rows: [Builtin], first: Value?, _ frame: Frame, isStatement: Bool) throws -> Value {
    var values: [Value] = []
    values.reserveCapacity(positional.count + 1)
    if let first { values.append(first) }
    for index in 0..<positional.count { values.append(try positional.evaluate(index, frame)) }
    return try call(rows, values, hasFirst: first != nil, frame, isStatement: isStatement)
  }

  /// Calls a builtin with positional arguments that have their values.
  final func call(_ rows: [Builtin], _ values: [Value], hasFirst: Bool, _ frame: Frame, isStatement: Bool) throws -> Value {
    var options = ValueMap()
    for (name, value, _) in named { options[name] = try value.evaluate(frame) }
    var row: Builtin?
    do {
      let interpreter = frame.state.pointee.interpreter
      let call = try BuiltinFunction.bind(rows, values, options, context: interpreter, isStatement: isStatement)
      row = call.builtin
      return try call.builtin.body(call)
    } catch {
      throw placed(error, frame, parameters: row?.parameters ?? rows[0].parameters, hasFirst: hasFirst)
    }
  }

  /// The error with its place: the argument at fault where it names one, else the call.
  @inline(never)
  private func placed(_ error: any Error, _ frame: Frame, parameters: [Parameter], hasFirst: Bool) -> any Error {
    if error is Interrupted || error is ControlSignal { return error }
    var described = (error as? ZsError) ?? frame.state.pointee.interpreter.describe(error)
    if described.span == nil, let argument = described.argument {
      if let option = named.first(where: { $0.name == argument }) {
        described.span = described.kind == "argument" ? option.nameSpan : option.value.span
      } else if let index = parameters.firstIndex(where: { $0.name == argument }) {
        let position = index - (hasFirst ? 1 : 0)
        if position >= 0, position < positional.count { described.span = positional[position].span }
      }
    }
    if described.span == nil { described.span = span }
    return described
  }
}

/// `callee(arguments)`, `value |> callee(arguments)`.
final class ValueCallNode: CallNode {
  let callee: Node
  let piped: Node?
  let isStatement: Bool

  init(
    _ callee: Node, piped: Node?, _ positional: [Node], _ named: [(name: String, value: Node, nameSpan: Span)], isStatement: Bool,
    _ span: Span
  ) {
    self.callee = callee
    self.piped = piped
    self.isStatement = isStatement
    super.init(positional, named, span)
  }

  override func evaluate(_ frame: Frame) throws -> Value {
    let first = try piped?.evaluate(frame)
    let function = try callee.evaluate(frame)
    return try call(function, first: first, frame, calleeSpan: callee.span, isStatement: isStatement)
  }
}

/// A call of a builtin by its name.
final class BuiltinCallNode: CallNode {
  let rows: [Builtin]
  let piped: Node?
  let isStatement: Bool

  init(
    _ rows: [Builtin], piped: Node?, _ positional: [Node], _ named: [(name: String, value: Node, nameSpan: Span)], isStatement: Bool,
    _ span: Span
  ) {
    self.rows = rows
    self.piped = piped
    self.isStatement = isStatement
    super.init(positional, named, span)
  }

  override func evaluate(_ frame: Frame) throws -> Value {
    let first = try piped?.evaluate(frame)
    return try call(rows, first: first, frame, isStatement: isStatement)
  }

  /// The call's value, and the positional arguments it was given: what an assertion that fails shows.
  func evaluate(_ frame: Frame, showing arguments: inout [Value]) throws -> Value {
    if let piped { arguments.append(try piped.evaluate(frame)) }
    for index in 0..<positional.count { arguments.append(try positional.evaluate(index, frame)) }
    return try call(rows, arguments, hasFirst: piped != nil, frame, isStatement: isStatement)
  }
}

/// `receiver.name(arguments)`: a field that can be called, else the function of that name with the receiver before the arguments.
final class MethodCallNode: CallNode {
  let receiver: Node
  let name: String
  let nameSpan: Span
  /// The variable or builtin of that name, nil where there is none.
  let function: Node?
  let isStatement: Bool

  init(
    _ receiver: Node, _ name: Name, function: Node?, _ positional: [Node], _ named: [(name: String, value: Node, nameSpan: Span)],
    isStatement: Bool, _ span: Span
  ) {
    self.receiver = receiver
    self.name = name.text
    nameSpan = name.span
    self.function = function
    self.isStatement = isStatement
    super.init(positional, named, span)
  }

  override func evaluate(_ frame: Frame) throws -> Value {
    let value = try receiver.evaluate(frame)
    var field: Value?
    do {
      field = try Indexing.field(value, name)
    } catch {
      throw located(error, frame)
    }
    if case .function? = field, let field {
      return try call(field, first: nil, frame, calleeSpan: nameSpan, isStatement: isStatement)
    }
    guard let function else {
      if field != nil {
        throw ZsError(
          kind: "type", message: "'\(name)' is a field of this \(value.typeName), not a function",
          hint: "write .\(name) without parentheses",
          span: nameSpan)
      }
      var error = Indexing.missingField(value, name, isFunction: false)
      error.span = nameSpan
      throw error
    }
    if let builtin = function as? BuiltinNode { return try call(builtin.rows, first: value, frame, isStatement: isStatement) }
    return try call(function.evaluate(frame), first: value, frame, calleeSpan: nameSpan, isStatement: isStatement)
  }
}

/// A builtin as a value.
final class BuiltinNode: Node {
  let rows: [Builtin]
  private let value: Value

  init(_ rows: [Builtin], _ span: Span) {
    self.rows = rows
    value = .function(BuiltinFunction(rows))
    super.init(span)
  }

  override func evaluate(_ frame: Frame) throws -> Value { value }
}
