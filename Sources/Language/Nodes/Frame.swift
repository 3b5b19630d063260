// What running code works on: frames of slots on one stack of values, the state they share, and the base of all nodes.
// Nodes are final classes made once by the compiler; evaluating one is a virtual call without reference counting.

/// The state shared by all frames of a running program.
struct MachineState {
  /// The first free slot of the stack.
  var top: UnsafeMutablePointer<Value?>
  /// The end of the stack.
  let end: UnsafeMutablePointer<Value?>
  /// The lowest address that the native stack may reach.
  var nativeLimit: UInt
  /// The value that `return` gives.
  var result: Value
  let interrupt: InterruptFlag
  unowned(unsafe) let interpreter: Interpreter
}

/// The slots of a running function or module.
struct Frame {
  let slots: UnsafeMutablePointer<Value?>
  let state: UnsafeMutablePointer<MachineState>

  /// The box in a slot: a variable that an inner function reads.
  @inline(__always)
  func box(_ slot: Int) -> Box {
    guard case .object(let object)? = slots[slot], let box = object as? Box else {
      preconditionFailure("slot \(slot) holds no box")
    }
    return box
  }

  /// Throws where the user asked to stop.
  @inline(__always)
  func poll() throws {
    if state.pointee.interrupt.isRaised { throw Interrupted() }
  }

  /// Makes room for a function's slots; throws where recursion went too deep.
  @inline(__always)
  func push(_ count: Int, _ name: String) throws -> UnsafeMutablePointer<Value?> {
    let base = state.pointee.top
    guard count <= state.pointee.end - base, nativeStackPosition() > state.pointee.nativeLimit else {
      throw ZsError(
        kind: "recursion", message: "\(name) calls itself too deeply",
        hint: "a function that calls itself needs a case that ends; a loop has no limit")
    }
    base.initialize(repeating: nil, count: count)
    state.pointee.top = base + count
    return base
  }

  @inline(__always)
  func pop(_ base: UnsafeMutablePointer<Value?>, _ count: Int) {
    // One by one: most slots hold numbers, which need no release.
    for index in 0..<count {
      switch base[index] {
      case nil, .some(.none), .bool?, .int?, .float?: break
      default: (base + index).deinitialize(count: 1)
      }
    }
    state.pointee.top = base
  }
}

/// The address that the native stack has reached.
@inline(never)
func nativeStackPosition() -> UInt {
  var marker: UInt8 = 0
  return withUnsafeMutablePointer(to: &marker) { UInt(bitPattern: $0) }
}

/// A variable that an inner function reads, shared by both.
final class Box: ObjectValue {
  var value: Value?
  var typeName: String { "box" }
  func display(_ options: DisplayOptions) -> String { "box" }
}

/// How a statement ended.
enum Flow {
  case normal
  case breaks
  case continues
  /// With the value in the state's `result`.
  case returns
}

/// How `break`, `continue` and `return` leave an expression that they stand in.
struct ControlSignal: Error {
  let flow: Flow
}

/// A piece of code.
class Node {
  let span: Span

  init(_ span: Span) { self.span = span }

  /// The value of an expression.
  func evaluate(_ frame: Frame) throws -> Value { .none }

  /// Runs a statement; expressions drop their value.
  func execute(_ frame: Frame) throws -> Flow {
    _ = try evaluate(frame)
    return .normal
  }

  /// The value of a condition.
  func truth(_ frame: Frame) throws -> Bool {
    let value = try evaluate(frame)
    if case .bool(let truth) = value { return truth }
    do {
      return try Operations.truth(value)
    } catch {
      throw located(error, frame)
    }
  }

  /// The error with this node's place, unless it has one; library errors in zs's words.
  final func located(_ error: any Error, _ frame: Frame) -> any Error {
    if error is Interrupted || error is ControlSignal { return error }
    var described = (error as? ZsError) ?? frame.state.pointee.interpreter.describe(error)
    if described.span == nil { described.span = span }
    return described
  }
}

/// Nodes in a row, read without reference counting.
final class NodeList {
  let count: Int
  private let owned: [Node]
  private let nodes: UnsafeMutablePointer<Unmanaged<Node>>

  init(_ nodes: [Node]) {
    owned = nodes
    count = nodes.count
    self.nodes = .allocate(capacity: max(1, nodes.count))
    for (index, node) in nodes.enumerated() { (self.nodes + index).initialize(to: .passUnretained(node)) }
  }

  deinit { nodes.deallocate() }

  @inline(__always)
  func evaluate(_ index: Int, _ frame: Frame) throws -> Value {
    try nodes[index]._withUnsafeGuaranteedRef { try $0.evaluate(frame) }
  }

  @inline(__always)
  func execute(_ index: Int, _ frame: Frame) throws -> Flow {
    try nodes[index]._withUnsafeGuaranteedRef { try $0.execute(frame) }
  }

  subscript(_ index: Int) -> Node { owned[index] }
}
