// Finds what every name means before anything runs: variables to slots, reads and writes of a cell, and the errors that
// must not surface after a ten-minute load. Calls are checked in Resolver+Calls.swift.

/// Gives the resolver other files.
protocol SourceLoader: AnyObject {
  /// The parsed file that `run` names; throws what the user should read.
  func program(running path: String, from source: Source) throws -> Program
  /// The resolved module that `import` names.
  func module(importing path: String, from source: Source) throws -> Module
}

final class Resolver {
  let table: BuiltinTable
  let module: Module
  let sources: SourceMap
  let loader: any SourceLoader
  var errors: [ZsError] = []
  var notes: [ZsError] = []
  /// Names of the module that the program reads and gives values to.
  private(set) var reads = Set<String>()
  private(set) var writes = Set<String>()
  /// Words used as keys or fields somewhere: a call `x.word()` may then be a call of a field.
  var knownWords: Set<String>

  /// A function or a comprehension around the point that is being resolved.
  private struct Layer {
    let scope: Scope
    var names: [String: Variable]?
  }
  private var layers: [Layer] = []
  private var loopDepth = 0
  private var reported = Set<String>()
  /// The files that run one another up to a source, by its id.
  private var runChains: [UInt32: [String]] = [:]
  private var failedRuns = Set<ObjectIdentifier>()

  init(table: BuiltinTable, module: Module, sources: SourceMap, loader: any SourceLoader, knownWords: Set<String>) {
    self.table = table
    self.module = module
    self.sources = sources
    self.loader = loader
    self.knownWords = knownWords
  }

  /// The function or module that owns what is assigned here.
  var scope: Scope { layers.last?.scope ?? module.scope }

  func report(_ message: String, at span: Span, kind: String = "name", hint: String? = nil, labels: [Label] = []) {
    errors.append(ZsError(kind: kind, message: message, hint: hint, span: span, labels: labels))
  }

  /// Resolves a program in the module.
  func resolve(_ program: Program) {
    collectWords(program.statements)
    for variable in module.scope.variables.values {
      variable.isAssigned = module.value(variable) != nil
      variable.isDefined = variable.isAssigned
      variable.isGiven = variable.isAssigned
    }
    // What an earlier cell of a file shows is known only once it has run.
    if program.cells.count > 1 {
      let ans = module.scope.declare("ans")
      (ans.isAssigned, ans.isDefined, ans.isGiven) = (true, true, true)
    }
    declare(program.statements)
    for statement in program.statements { visit(statement) }
  }

  // Declaring what a module or function owns.

  private func collect(_ statements: [Statement]) -> [Binding] {
    var collector = BindingCollector { [unowned self] in self.ranProgram($0)?.statements ?? [] }
    collector.visit(statements)
    return collector.bindings
  }

  /// The file that a `run` statement names, read once.
  private func ranProgram(_ statement: Statement) -> Program? {
    if let program = statement.program { return program }
    if failedRuns.contains(ObjectIdentifier(statement)) { return nil }
    guard case .runFile(let path, let span) = statement.kind, let source = sources.source(of: span) else { return nil }
    let chain = runChains[span.source] ?? [source.path ?? source.name]
    do {
      let program = try loader.program(running: path, from: source)
      let identity = program.source.path ?? program.source.name
      guard !chain.contains(identity), chain.count < 32 else { throw ZsError(kind: "file", message: "'\(path)' runs itself") }
      runChains[program.source.id] = chain + [identity]
      statement.program = program
      collectWords(program.statements)
      return program
    } catch {
      failedRuns.insert(ObjectIdentifier(statement))
      record(error, at: span)
      return nil
    }
  }

  private func record(_ error: any Error, at span: Span) {
    switch error {
    case let error as ZsErrors: errors += error.errors
    case var error as ZsError:
      if error.span == nil { error.span = span }
      errors.append(error)
    default: report("\(error)", at: span, kind: "file")
    }
  }

  private func declare(_ statements: [Statement]) {
    let bindings = collect(statements)
    var counts: [String: Int] = [:]
    for binding in bindings { counts[binding.name.text, default: 0] += 1 }
    var constants: [String: Span] = [:]
    for binding in bindings {
      let name = binding.name.text
      let isNew = scope[name] == nil
      if isNew, scope.isModule, module.isInteractive, !table.lookup(name).isEmpty { noteRedefinition(binding.name) }
      let isForeign = isNew && !scope.isModule && binding.form == .assignment && checkOwner(binding)
      let variable = scope.declare(name)
      if isForeign { variable.isAssigned = true }
      checkConstant(binding, variable, &constants)
      variable.isDefined = true
      if !binding.isChange {
        variable.bindingSpan = binding.name.span
        variable.isGiven = true
      }
      let isOnly = counts[name] == 1 && (binding.isCertain || isNew)
      variable.function = isOnly ? binding.function : nil
      variable.module = nil
    }
  }

  private func noteRedefinition(_ name: Name) {
    notes.append(
      ZsError(
        kind: "note", message: "'\(name.text)' is a builtin; from here on the name means your value", hint: nil, span: name.span))
  }

  private func checkConstant(_ binding: Binding, _ variable: Variable, _ constants: inout [String: Span]) {
    if scope.isModule && module.isInteractive { return }
    let name = binding.name.text
    if let first = constants[name] ?? (binding.form == .constant ? variable.bindingSpan : variable.constantSpan) {
      let isSecondLet = binding.form == .constant
      report(
        isSecondLet ? "'\(name)' is already defined" : "'\(name)' is a constant and cannot be assigned again", at: binding.name.span,
        hint: isSecondLet ? "give the constant another name" : "leave out 'let' where it is first defined, or use another name",
        labels: [Label(span: first, message: "defined here")])
    }
    if binding.form == .constant {
      constants[name] = binding.name.span
      variable.constantSpan = binding.name.span
    }
  }

  /// Assigning a name that an enclosing function owns is an error with a fix.
  private func checkOwner(_ binding: Binding) -> Bool {
    let name = binding.name.text
    for layer in layers.dropLast().reversed() where layer.scope !== scope {
      guard layer.names == nil, let owner = layer.scope[name] else { continue }
      let outer = layer.scope.function ?? "the enclosing function"
      report(
        "'\(name)' belongs to the enclosing function \(outer); an inner function cannot assign it", at: binding.name.span,
        hint: "return the new value and assign it in \(outer), or give this one another name (let \(name) = … makes its own)",
        labels: owner.bindingSpan.map { [Label(span: $0, message: "bound here")] } ?? [])
      return true
    }
    return false
  }

  // Names.

  enum Meaning {
    case variable(Variable)
    case builtin
    case unknown
  }

  func meaning(of name: String) -> Meaning {
    for layer in layers.reversed() {
      if let variable = layer.names.map({ $0[name] }) ?? layer.scope[name] { return .variable(variable) }
    }
    if let variable = module.scope[name], variable.isDefined || table.lookup(name).isEmpty { return .variable(variable) }
    return table.lookup(name).isEmpty ? .unknown : .builtin
  }

  /// Resolves a name that is read.
  func read(_ name: Name) {
    switch meaning(of: name.text) {
    case .builtin: break
    case .unknown: reportUnknown(name)
    case .variable(let variable):
      use(variable, by: name)
      if module.scope[name.text] === variable {
        if !variable.isDefined, variable.bindingSpan == nil, name.text != "ans" { return reportUnknown(name) }
        reads.insert(name.text)
        if name.text == "ans", !variable.isDefined {
          report("'ans' has no value: nothing has been shown yet", at: name.span)
          return
        }
        if !variable.isDefined {
          report(
            "'\(name.text)' has no value: the cell that gives it one did not get so far", at: name.span, hint: "run that cell again",
            labels: variable.bindingSpan.map { [Label(span: $0, message: "bound here")] } ?? [])
          return
        }
      }
      if variable.scope === scope, !variable.isAssigned { reportUnassigned(name, variable) }
    }
  }

  /// Notes which variable a name means, boxed where it crosses functions.
  private func use(_ variable: Variable, by name: Name) {
    name.variable = variable
    guard !variable.scope.isModule, variable.scope !== scope else { return }
    variable.isCaptured = true
    var seen: Scope?
    for layer in layers.reversed() {
      if layer.scope === variable.scope { break }
      if layer.scope !== seen { _ = layer.scope.capture(variable) }
      seen = layer.scope
    }
  }

  private func reportUnassigned(_ name: Name, _ variable: Variable) {
    guard reported.insert("unassigned \(name.text) \(ObjectIdentifier(variable.scope).hashValue)").inserted else { return }
    let outside = scope.isModule ? nil : outer(name.text)
    if !variable.isGiven, outside == nil { return reportUnknown(name) }
    if let outside {
      report(
        "'\(name.text)' is read before this function gives it a value", at: name.span,
        hint:
          "a name that a function assigns is its own, also where one outside has the same name: pass the value in and return the new one",
        labels: outside.bindingSpan.map { [Label(span: $0, message: "the '\(name.text)' outside is another variable")] } ?? [])
      return
    }
    let labels = variable.bindingSpan.map { [Label(span: $0, message: "its first value comes here")] } ?? []
    report(
      "'\(name.text)' is read before it has a value", at: name.span,
      hint: variable.function == nil ? "give it one first: \(name.text) = …" : "move the function above this line",
      labels: labels.filter { $0.span != name.span })
  }

  /// The variable of that name outside of the function, where there is one.
  private func outer(_ name: String) -> Variable? {
    for layer in layers.reversed() where layer.scope !== scope {
      if let variable = layer.names.map({ $0[name] }) ?? layer.scope[name] { return variable }
    }
    return module.scope[name].flatMap { $0.isDefined ? $0 : nil }
  }

  private func reportUnknown(_ name: Name) {
    guard reported.insert("unknown " + name.text).inserted else { return }
    let (message, hint) = unknownMessage(name.text, isCall: false)
    report(message, at: name.span, hint: hint)
  }

  func unknownMessage(_ name: String, isCall: Bool) -> (String, String?) {
    if let form = Habits.names[name] { return ("'\(name)' is not defined; zs writes \(form)", nil) }
    if let form = Habits.operations[name] { return ("'\(name)' is not defined", form) }
    if let habit = Habits.statements[name] { return ("'\(name)' is not defined: \(habit.message)", habit.hint) }
    let near = nearestNames(to: name, among: visibleNames).prefix(2).map { "'\($0)'" }
    if !near.isEmpty { return ("'\(name)' is not defined; did you mean \(near.joined(separator: " or "))?", nil) }
    let foreign =
      name.utf8.count < 5 ? nil : Habits.names.keys.sorted().first { isOneEdit(from: name, to: $0) }.flatMap { Habits.names[$0] }
    return ("'\(name)' is not defined" + (foreign.map { "; did you mean '\($0)'?" } ?? ""), nil)
  }

  /// Names in scope, nearest first, then the builtins.
  var visibleNames: [String] {
    var names: [String] = []
    for layer in layers.reversed() { names += layer.names.map { Array($0.keys) } ?? Array(layer.scope.variables.keys) }
    names += module.scope.variables.values.filter(\.isDefined).map(\.name)
    return names + table.names
  }

  /// Resolves a name that is given a value.
  func write(_ name: Name) {
    let variable = scope.declare(name.text)
    variable.isAssigned = true
    variable.isDefined = true
    name.variable = variable
    if scope.isModule { writes.insert(name.text) }
  }

  // Statements.

  func visit(_ block: Block) {
    for statement in block.statements { visit(statement) }
  }

  func visit(_ statement: Statement) {
    switch statement.kind {
    case .expression(let value), .fails(let value): visit(value)
    case .assign(let place, let value):
      visit(value)
      visit(place, isRead: !place.steps.isEmpty)
    case .augment(let place, _, let value):
      if place.steps.isEmpty { read(place.base) }
      visit(value)
      visit(place, isRead: !place.steps.isEmpty)
    case .bind(let names, let value, _):
      visit(value)
      for name in names { write(name) }
    case .importFile(let path, let span, let name): visitImport(statement, path, span, name)
    case .runFile(_, let span): visitRun(statement, span)
    case .returns(let value):
      if scope.isModule { report("return stands outside of a function", at: statement.span, kind: "syntax") }
      if let value { visit(value) }
    case .breaks, .continues:
      if loopDepth == 0 {
        let word = if case .breaks = statement.kind { "break" } else { "continue" }
        report("\(word) stands outside of a loop", at: statement.span, kind: "syntax")
      }
    case .asserts(let condition, let message):
      visit(condition)
      if let message { visit(message) }
    case .whileLoop(let condition, let block):
      visit(condition)
      visitLoop(block)
    case .forLoop(let names, let sequence, let block):
      visit(sequence)
      for name in names { write(name) }
      visitLoop(block)
    case .function(let function):
      if let name = function.name { write(name) }
      visit(function)
    case .test(_, let block): visit(block)
    }
  }

  private func visit(_ place: Place, isRead: Bool) {
    if isRead { read(place.base) }
    for case .index(let parts, _) in place.steps {
      for part in parts { part.expressions.forEach { visit($0) } }
    }
    write(place.base)
  }

  private func visitLoop(_ block: Block) {
    // What the loop assigns may have been assigned on an earlier round.
    for binding in collect(block.statements) { scope[binding.name.text]?.isAssigned = true }
    loopDepth += 1
    visit(block)
    loopDepth -= 1
  }

  private func visitImport(_ statement: Statement, _ path: String, _ span: Span, _ name: Name) {
    if let source = sources.source(of: span) {
      do {
        statement.module = try loader.module(importing: path, from: source)
      } catch {
        record(error, at: span)
      }
    }
    write(name)
    name.variable?.module = statement.module
  }

  private func visitRun(_ statement: Statement, _ span: Span) {
    if !scope.isModule {
      report("run stands outside of functions only", at: statement.span, kind: "syntax", hint: "import \"file.zs\" as name works anywhere")
      return
    }
    guard let program = ranProgram(statement) else { return }
    for statement in program.statements { visit(statement) }
  }

  // Expressions.

  func visit(_ expression: Expression) {
    switch expression.kind {
    case .name(let name): read(name)
    case .lambda(let function): visit(function)
    case .comprehension(let comprehension): visit(comprehension)
    case .conditional(let conditional):
      for (condition, block) in conditional.branches {
        visit(condition)
        visit(block)
      }
      if let block = conditional.otherwise { visit(block) }
    case .attempt(let attempt):
      visit(attempt.body)
      write(attempt.name)
      visit(attempt.handler)
    case .field(let base, let name):
      visit(base)
      checkMember(of: base, name)
    case .call(let callee, let arguments):
      visit(callee)
      arguments.forEach { visit($0.value) }
      checkCall(callee, arguments, piped: nil, at: expression.span)
    case .pipe(let value, let callee, let arguments):
      visit(value)
      visit(callee)
      arguments.forEach { visit($0.value) }
      checkCall(callee, arguments, piped: value, at: expression.span)
    case .index(let base, let parts):
      if case .name(let name) = base.kind, case .builtin = meaning(of: name.text) {
        report(
          "'\(name.text)' is a function: calls take parentheses", at: expression.span, kind: "syntax",
          hint: "write \(name.text)(…)")
      }
      visit(base)
      for part in parts { part.expressions.forEach { visit($0) } }
    case .method(let receiver, let name, let arguments):
      visit(receiver)
      arguments.forEach { visit($0.value) }
      checkMethod(receiver, name, arguments, at: expression.span)
    default: expression.children.forEach { visit($0) }
    }
  }

  private func visit(_ comprehension: Comprehension) {
    visit(comprehension.sequence)
    var names: [String: Variable] = [:]
    for name in comprehension.names {
      let variable = scope.hidden(name.text)
      variable.isAssigned = true
      variable.isDefined = true
      variable.bindingSpan = name.span
      name.variable = variable
      names[name.text] = variable
    }
    layers.append(Layer(scope: scope, names: names))
    if let condition = comprehension.condition { visit(condition) }
    visit(comprehension.element)
    layers.removeLast()
  }

  private func visit(_ function: FunctionSyntax) {
    let inner = Scope(function: function.name?.text ?? "function")
    function.scope = inner
    layers.append(Layer(scope: inner, names: nil))
    let outerLoops = loopDepth
    loopDepth = 0
    for parameter in function.parameters {
      // A default knows the parameters before its own.
      if let value = parameter.defaultValue { visit(value) }
      let variable = inner.declare(parameter.name.text)
      variable.isDefined = true
      variable.isAssigned = true
      variable.bindingSpan = parameter.name.span
      parameter.name.variable = variable
    }
    switch function.body {
    case .expression(let value):
      declare([Statement(.expression(value), value.span)])
      visit(value)
    case .block(let block):
      declare(block.statements)
      visit(block)
    }
    loopDepth = outerLoops
    layers.removeLast()
  }
}

/// Several errors at once, as a file that is imported may have them.
struct ZsErrors: Error {
  let errors: [ZsError]
}
