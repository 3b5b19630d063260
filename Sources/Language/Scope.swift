// Where names live. A module (the session, or an imported file) and each function own variables; blocks own none.
// A variable is a slot of its owner's frame; one that an inner function reads is kept in a box instead.

/// A variable of a module or a function.
final class Variable {
  let name: String
  let slot: Int
  unowned let scope: Scope
  /// Where a `let` made it a constant.
  var constantSpan: Span?
  /// Whether an inner function reads it: its slot then holds a box.
  var isCaptured = false
  /// While resolving: whether an assignment stands before this point, so that reading it may succeed.
  var isAssigned = false
  /// Whether it has a value, or the program that is being resolved gives it one.
  var isDefined = false
  /// Whether some statement gives it a value without needing one that is there.
  var isGiven = false
  /// Where it was bound last, as far as the text tells.
  var bindingSpan: Span?
  /// The function it is bound to, where the text leaves no other possibility.
  var function: FunctionSyntax?
  /// The module it is bound to by `import`.
  var module: Module?

  init(name: String, slot: Int, scope: Scope) {
    self.name = name
    self.slot = slot
    self.scope = scope
  }

  /// Forgets what is known of its value, which is gone.
  func forget() {
    constantSpan = nil
    isAssigned = false
    isDefined = false
    isGiven = false
    bindingSpan = nil
    function = nil
    module = nil
  }
}

/// The owner of variables: a module or a function.
final class Scope {
  /// The function's name, nil for a module.
  let function: String?
  private(set) unowned var module: Module?
  private(set) var variables: OrderedDictionary<String, Variable> = [:]
  /// Those, and the hidden ones.
  private(set) var allVariables: [Variable] = []
  private(set) var slotCount = 0
  /// Variables of enclosing functions that are read here, and the slots that hold their boxes.
  private(set) var captures: [(variable: Variable, slot: Int)] = []

  init(function: String) { self.function = function }

  init(module: Module) {
    function = nil
    self.module = module
  }

  var isModule: Bool { function == nil }

  subscript(_ name: String) -> Variable? { variables[name] }

  /// The variable of that name, made if need be.
  func declare(_ name: String) -> Variable {
    if let variable = variables[name] { return variable }
    let variable = hidden(name)
    variables[name] = variable
    return variable
  }

  /// A variable that no other name lookup finds: the names of a comprehension.
  func hidden(_ name: String) -> Variable {
    let variable = Variable(name: name, slot: slotCount, scope: self)
    slotCount += 1
    allVariables.append(variable)
    return variable
  }

  /// The slot that holds the box of an enclosing function's variable.
  func capture(_ variable: Variable) -> Int {
    if let slot = captureSlot(variable) { return slot }
    captures.append((variable, slotCount))
    slotCount += 1
    return slotCount - 1
  }

  func captureSlot(_ variable: Variable) -> Int? {
    captures.first { $0.variable === variable }?.slot
  }
}

/// A namespace with its values: the session, or an imported file.
final class Module {
  let name: String
  /// Whether everything may be redefined: the session at a prompt.
  let isInteractive: Bool
  private(set) var scope: Scope
  /// The values, by slot; the place never moves, since running code holds on to it.
  let slots: UnsafeMutablePointer<Value?>
  private let capacity: Int
  private var initialized = 0
  /// The code of an imported file, until it has run.
  var code: [StatementCode]?
  var program: Program?
  /// The file's path, for an imported one.
  let path: String?

  /// The names a session may have.
  static let sessionCapacity = 1 << 17

  init(name: String, path: String? = nil, isInteractive: Bool, capacity: Int = Module.sessionCapacity) {
    self.name = name
    self.path = path
    self.isInteractive = isInteractive
    self.capacity = capacity
    slots = .allocate(capacity: capacity)
    scope = Scope(function: "")
    scope = Scope(module: self)
  }

  deinit {
    slots.deinitialize(count: initialized)
    slots.deallocate()
  }

  /// Forgets all values: functions refer to the module they read from, and would keep it alive.
  func clear() {
    for index in 0..<initialized { slots[index] = nil }
  }

  /// Makes the slots of all variables declared so far; false where there are too many.
  func prepareSlots() -> Bool {
    guard scope.slotCount <= capacity else { return false }
    if initialized < scope.slotCount {
      (slots + initialized).initialize(repeating: nil, count: scope.slotCount - initialized)
      initialized = scope.slotCount
    }
    return true
  }

  /// The value of a variable, nil where it has none.
  func value(_ variable: Variable) -> Value? {
    variable.slot < initialized ? slots[variable.slot] : nil
  }

  /// After a program that did not run: names without a value are as good as never heard of.
  func forgetBindings() {
    for variable in scope.variables.values where value(variable) == nil { variable.bindingSpan = nil }
  }

  /// The value of a name, nil where it has none.
  func value(_ name: String) -> Value? {
    scope[name].flatMap { value($0) }
  }

  /// Gives a name a value from outside.
  func define(_ name: String, _ value: Value?) {
    let variable = scope.declare(name)
    if prepareSlots() { slots[variable.slot] = value }
  }

  /// Names that have values, in the order they were first assigned.
  var definedNames: [String] {
    scope.variables.values.filter { value($0) != nil }.map(\.name)
  }
}
