// Walks a template's statements and writes its text. Every walk pays from a budget of steps, so that no template
// hangs; calls and nesting are bounded, so that none overflows the stack. Scopes work as jinja2's: `for`, macros, call
// and set blocks open one, `if` does not, and only namespaces carry values out of a loop.

/// Names bound in one scope.
final class JinjaScope {
  private var symbols: [Int] = []
  private var values: [JinjaValue] = []
  private(set) var parent: JinjaScope?

  init(parent: JinjaScope?) { self.parent = parent }

  func find(_ symbol: Int) -> JinjaValue? {
    var scope: JinjaScope? = self
    while let here = scope {
      if let place = here.symbols.lastIndex(of: symbol) { return here.values[place] }
      scope = here.parent
    }
    return nil
  }

  func set(_ symbol: Int, _ value: JinjaValue) {
    if let place = symbols.lastIndex(of: symbol) {
      values[place] = value
    } else {
      symbols.append(symbol)
      values.append(value)
    }
  }

  /// Lets go of everything, so that scopes that hold each other can be freed.
  func clear() {
    symbols = []
    values = []
    parent = nil
  }
}

/// A macro, or the body of a call block, with the scope it was written in.
final class JinjaMacro {
  let body: JinjaMacroBody
  let scope: JinjaScope

  init(body: JinjaMacroBody, scope: JinjaScope) {
    self.body = body
    self.scope = scope
  }
}

/// Renders one template once.
final class JinjaInterpreter {
  /// Steps that one rendering may take; a long conversation takes some ten thousand.
  static let stepLimit = 10_000_000
  /// Bytes of one text.
  static let textLimit = 1 << 25
  /// Calls and expressions inside each other.
  static let depthLimit = 600

  let program: JinjaProgram
  let context: [String: JinjaValue]
  /// Seconds since 1970, for `strftime_now`.
  let now: Int
  private var stepsLeft: Int
  private let stepLimit: Int
  var scope: JinjaScope
  var output = ""
  /// 0 where `output` is the rendering itself, more inside macros and blocks that are captured.
  var captures = 0
  /// Where `{% generation %}` blocks lie in the rendering, in UTF-8.
  var generations: [Range<Int>] = []
  private(set) var depth = 0
  private let stack = StackGuard()
  private var namespaces: [JinjaNamespace] = []
  private var captured: [JinjaScope] = []
  private let root: JinjaScope
  /// The symbol of `loop`, −1 where the template never reads it.
  private let loopSymbol: Int

  init(_ program: JinjaProgram, context: [String: JinjaValue], now: Int, stepLimit: Int = JinjaInterpreter.stepLimit) {
    self.program = program
    self.context = context
    self.now = now
    self.stepLimit = stepLimit
    stepsLeft = stepLimit
    root = JinjaScope(parent: nil)
    scope = root
    loopSymbol = program.symbols.firstIndex(of: "loop") ?? -1
  }

  /// The text of the template.
  func render() throws -> String {
    defer { release() }
    _ = try run(program.statements)
    return output
  }

  /// Namespaces and closures may hold each other in rings and long chains: taken apart here, one by one.
  private func release() {
    for namespace in namespaces { namespace.clear() }
    for scope in captured { scope.clear() }
    root.clear()
  }

  // MARK: Limits

  /// Pays for `steps` steps.
  @inline(__always)
  func spend(_ steps: Int = 1) throws {
    stepsLeft &-= steps
    if stepsLeft < 0 { throw tooManySteps }
  }

  private var tooManySteps: TemplateError {
    TemplateError(
      "the template takes more than \(stepLimit) steps", hint: "a loop in it may never end; a chat template needs a few thousand")
  }

  /// Pays for a text.
  func spend(text: String) throws -> String {
    let bytes = text.utf8.count
    if bytes > Self.textLimit { throw TemplateError("a text of \(bytes) bytes is too long") }
    try spend(1 + bytes / 64)
    return text
  }

  /// Runs `body` one level deeper.
  @inline(__always)
  func nested<R>(_ body: () throws -> R) throws -> R {
    depth += 1
    defer { depth -= 1 }
    if depth > Self.depthLimit || !stack.hasRoom {
      throw TemplateError("maximum recursion depth exceeded: the template calls itself without end")
    }
    return try body()
  }

  func register(_ namespace: JinjaNamespace) { namespaces.append(namespace) }

  /// Runs `body` in a new scope.
  func scoped<R>(parent: JinjaScope? = nil, _ body: () throws -> R) rethrows -> R {
    let outer = scope
    scope = JinjaScope(parent: parent ?? outer)
    defer { scope = outer }
    return try body()
  }

  /// What `body` writes, instead of writing it.
  func capture(_ body: () throws -> Void) throws -> String {
    let outer = output
    output = ""
    captures += 1
    defer {
      output = outer
      captures -= 1
    }
    try body()
    return output
  }

  func write(_ text: String) throws {
    try spend(1 + text.utf8.count / 64)
    output += text
    if output.utf8.count > Self.textLimit { throw TemplateError("the rendered text is longer than \(Self.textLimit) bytes") }
  }

  // MARK: Statements

  /// How a list of statements ended.
  enum Flow {
    case normal
    case leaveLoop
    case nextIteration
  }

  func run(_ statements: [JinjaStatement]) throws -> Flow {
    for statement in statements {
      do {
        let flow = try run(statement)
        if flow != .normal { return flow }
      } catch var error as TemplateError where error.line == 0 {
        error.line = Int(statement.line)
        error.column = Int(statement.column)
        throw error
      }
    }
    return .normal
  }

  private func run(_ statement: JinjaStatement) throws -> Flow {
    try spend()
    switch statement.kind {
    case .text(let text): try write(text)
    case .output(let expressions):
      for expression in expressions { try write(try string(try evaluate(expression))) }
    case .choice(let branches, let otherwise):
      for branch in branches where try evaluate(branch.test).isTrue { return try nested { try run(branch.body) } }
      return try nested { try run(otherwise) }
    case .loop(let loop): try nested { try runLoop(loop) }
    case .leaveLoop: return .leaveLoop
    case .nextIteration: return .nextIteration
    case .assignment(let target, let value): try assign(target, try evaluate(value))
    default: try nested { try runBlock(statement) }
    }
    return .normal
  }

  /// Statements that open a scope or are rare.
  private func runBlock(_ statement: JinjaStatement) throws {
    switch statement.kind {
    case .blockAssignment(let target, let filter, let body):
      var value = JinjaValue.string(try capture { try scoped { _ = try run(body) } })
      if let filter { value = try evaluate(filter, block: value) }
      try assign(target, value)
    case .macro(let name, let body):
      captured.append(scope)
      scope.set(name, .macro(JinjaMacro(body: body, scope: scope)))
    case .call(let call, let body):
      captured.append(scope)
      try write(try string(try evaluate(call, caller: JinjaMacro(body: body, scope: scope))))
    case .filtered(let filter, let body):
      let text = JinjaValue.string(try capture { try scoped { _ = try run(body) } })
      try write(try string(try evaluate(filter, block: text)))
    case .with(let bindings, let body):
      let values = try bindings.map { try evaluate($0.value) }
      try scoped {
        for (binding, value) in zip(bindings, values) { try assign(binding.target, value) }
        _ = try run(body)
      }
    case .block(let body): try scoped(parent: root) { _ = try run(body) }
    case .scope(let body): try scoped { _ = try run(body) }
    case .generation(let body):
      let start = output.utf8.count
      try scoped { _ = try run(body) }
      if captures == 0 { generations.append(start..<output.utf8.count) }
    case .unsupported(let tag):
      throw TemplateError("{% \(tag) %} needs other templates", hint: "a chat template stands alone: put the other's text in its place")
    default: break
    }
  }

  // MARK: Assignments

  func assign(_ target: JinjaTarget, _ value: JinjaValue) throws {
    switch target {
    case .name(let symbol): scope.set(symbol, value)
    case .namespace(let symbol, let attribute):
      guard case .namespace(let namespace) = try lookup(symbol) else {
        throw TemplateError("cannot assign attribute on non-namespace object")
      }
      try namespace.set(attribute, value)
    case .tuple(let targets):
      let values = try items(of: value, orElse: "cannot unpack non-iterable \(value.typeName) object")
      if values.count < targets.count {
        throw TemplateError("not enough values to unpack (expected \(targets.count), got \(values.count))")
      }
      if values.count > targets.count { throw TemplateError("too many values to unpack (expected \(targets.count))") }
      for (target, value) in zip(targets, values) { try assign(target, value) }
    }
  }

  /// What a name stands for.
  func lookup(_ symbol: Int) throws -> JinjaValue {
    if let value = scope.find(symbol) { return value }
    let name = program.symbols[symbol]
    if let value = context[name] { return value }
    if let value = JinjaGlobals.value(name) { return value }
    return .undefined(JinjaUndefined("'\(name)' is undefined"))
  }

  // MARK: Loops

  func runLoop(_ loop: JinjaFor) throws {
    if loop.isRecursive {
      try runRecursive(loop, try evaluate(loop.items), depth: 0)
    } else {
      try iterate(loop, try evaluate(loop.items), depth: 0, recurse: nil)
    }
  }

  private func runRecursive(_ loop: JinjaFor, _ value: JinjaValue, depth: Int) throws {
    let home = scope
    captured.append(home)
    try iterate(loop, value, depth: depth) { interpreter, inner in
      try interpreter.nested {
        try interpreter.capture {
          let outer = interpreter.scope
          interpreter.scope = home
          defer { interpreter.scope = outer }
          try interpreter.runRecursive(loop, inner, depth: depth + 1)
        }
      }
    }
  }

  private func iterate(
    _ loop: JinjaFor, _ value: JinjaValue, depth: Int, recurse: ((JinjaInterpreter, JinjaValue) throws -> String)?
  ) throws {
    let source = try iterable(value)
    let home = scope
    let context = JinjaLoop(source, depth0: depth, recurse: recurse)
    if let filter = loop.filter {
      context.admits = { interpreter, item in
        let outer = interpreter.scope
        interpreter.scope = JinjaScope(parent: home)
        defer { interpreter.scope = outer }
        try interpreter.assign(loop.target, item)
        return try interpreter.evaluate(filter).isTrue
      }
    }
    defer { context.admits = nil }
    var ran = false
    while let item = try context.advance(self) {
      try spend()
      ran = true
      let flow = try scoped {
        try assign(loop.target, item)
        scope.set(loopSymbol, .loop(context))
        return try run(loop.body)
      }
      if flow == .leaveLoop { break }
    }
    if !ran { try scoped { _ = try run(loop.otherwise) } }
  }
}
