// A session of the language: parses, resolves, compiles and runs cells and files, and is what builtins see of it.

/// How the host reads a file that `import` or `run` names: gives the path that identifies the file, and its text.
///
/// `base` is the path of the file that names it, nil at the prompt: relative paths are relative to it.
public typealias FileReader = (_ path: String, _ base: String?) throws -> (path: String, text: String)

/// A session: the values of its names, its functions, and its cells.
public final class Interpreter: EvaluationContext {
  /// The builtins.
  public let table: BuiltinTable
  /// What the host hands to builtins.
  public let host: AnyObject
  /// All texts that were run, for errors that point into them.
  public let sources = SourceMap()
  /// The cells of the session.
  public let journal = Journal()
  /// Raised by Ctrl-C.
  public let interrupt: InterruptFlag
  /// Is told how each `test` block ended; nil skips the blocks.
  public var onTest: ((TestOutcome) -> Void)?

  /// Fields of objects that are functions: calls of them are not taken for typos before they run.
  public var methodNames: Set<String> {
    get { knownWords }
    set { knownWords.formUnion(newValue) }
  }

  let describe: (any Error) -> ZsError
  private let session: Module
  private let output: (String) -> Void
  private let readFile: FileReader
  private var modules: [String: Module] = [:]
  private var loading: [String] = []
  private var knownWords = Set<String>()
  private let stack: UnsafeMutablePointer<Value?>
  private let state: UnsafeMutablePointer<MachineState>
  private var isRunning = false

  /// Names that the session gives itself.
  private static let ownNames: Set<String> = ["In", "Out", "ans"]
  /// The values that recursion may keep, over all frames.
  private static let stackCapacity = 1 << 21

  /// Makes a session.
  ///
  /// - Parameters:
  ///   - host: What builtins get as their context's `host`.
  ///   - isInteractive: Whether names may be redefined freely, as at a prompt, or `let` is constant, as in a file.
  ///   - interrupt: The flag that a signal handler raises.
  ///   - readFile: Reads files for `import` and `run`.
  ///   - output: Takes the text that builtins write.
  ///   - describe: Turns errors of libraries into errors of zs.
  public init(
    table: BuiltinTable, host: AnyObject, isInteractive: Bool = false, interrupt: InterruptFlag = InterruptFlag(),
    readFile: @escaping FileReader = { path, _ in throw ZsError(kind: "file", message: "'\(path)' cannot be read: there are no files here")
    },
    output: @escaping (String) -> Void, describe: @escaping (any Error) -> ZsError = { ZsError("\($0)") }
  ) {
    self.table = table
    self.host = host
    self.interrupt = interrupt
    self.readFile = readFile
    self.output = output
    self.describe = describe
    session = Module(name: "session", isInteractive: isInteractive)
    stack = .allocate(capacity: Interpreter.stackCapacity)
    state = .allocate(capacity: 1)
    state.initialize(
      to: MachineState(
        top: stack, end: stack + Interpreter.stackCapacity, nativeLimit: 0, result: .none, interrupt: interrupt, interpreter: self))
    session.define("In", .object(JournalValue(journal, isInput: true)))
    session.define("Out", .object(JournalValue(journal, isInput: false)))
    session.define("ans", nil)
  }

  deinit {
    // Values may be nested as deeply as the stack of a run allows; whoever lets go of the interpreter may have less.
    let (session, modules) = (session, modules)
    LargeStack.run { _ in
      session.clear()
      for module in modules.values { module.clear() }
    }
    state.deinitialize(count: 1)
    state.deallocate()
    stack.deallocate()
  }

  // Running.

  /// Runs one entry of the prompt as the next cell; `onResult` is given each statement's value as it comes.
  ///
  /// - Parameter path: The file it was taken from, for paths relative to it.
  public func runCell(_ text: String, path: String? = nil, onResult: (StatementResult) -> Void) -> RunResult {
    var record = journal.begin(text)
    let source = sources.add(name: "In[\(record.number)]", path: path, text: text)
    let number = record.number
    let clock = ContinuousClock()
    let start = clock.now
    let result = run(source, cells: nil, record: &record) { statement in
      if !statement.isMuted, !statement.value.isNone {
        self.session.define("ans", statement.value)
        self.journal.keep(statement.value, as: number)
      }
      onResult(statement)
    }
    record.status = result.status
    record.duration = clock.now - start
    journal.finish(record)
    return result
  }

  /// Runs a file, or some of its `# %%` cells, in the session.
  ///
  /// - Parameters:
  ///   - name: What errors call it.
  ///   - path: Where it is, for paths relative to it.
  ///   - cells: Which cells to run, counted from 0; all of them where nil.
  public func run(
    _ text: String, name: String, path: String? = nil, cells: Range<Int>? = nil, onResult: (StatementResult) -> Void
  ) -> RunResult {
    let source = sources.add(name: name, path: path, text: text)
    var record = CellRecord(number: 0, text: text)
    // A session that was saved may ask for the results of its cells.
    let outline = text.contains("Out[") ? CellOutline.cells(of: text) : []
    return run(source, cells: cells, record: &record) { statement in
      if !statement.isMuted, !statement.value.isNone {
        self.session.define("ans", statement.value)
        let line = outline.isEmpty ? 0 : source.line(at: Int(statement.span.start))
        if let index = outline.firstIndex(where: { $0.lines.contains(line) }) {
          self.journal.keep(statement.value, as: Int(outline[index].title) ?? index + 1)
        }
      }
      onResult(statement)
    }
  }

  /// Forgets all names of the session, its cells and their results; files that were imported are read again.
  public func reset() {
    for name in session.definedNames where !Interpreter.ownNames.contains(name) {
      session.define(name, nil)
      session.scope[name]?.forget()
    }
    session.define("ans", nil)
    session.scope["ans"]?.forget()
    for module in modules.values { module.clear() }
    modules = [:]
    journal.reset()
  }

  private func run(_ source: Source, cells: Range<Int>?, record: inout CellRecord, onResult: (StatementResult) -> Void) -> RunResult {
    var outcome = RunResult(status: .finished, errors: [], notes: [], value: nil)
    var record_ = record
    onLargeStack {
      outcome = self.runHere(source, cells: cells, record: &record_, onResult: onResult)
    }
    record = record_
    return outcome
  }

  private func runHere(_ source: Source, cells: Range<Int>?, record: inout CellRecord, onResult: (StatementResult) -> Void) -> RunResult {
    let (parsed, syntaxErrors, _) = Parser.parse(source)
    var program = parsed
    if let cells {
      let chosen = parsed.cells.indices.filter { cells.contains($0) }.map { parsed.cells[$0] }
      program = Program(cells: chosen, source: source)
    }
    let resolver = Resolver(table: table, module: session, sources: sources, loader: self, knownWords: knownWords)
    resolver.resolve(program)
    knownWords = resolver.knownWords
    record.reads = resolver.reads.subtracting(Interpreter.ownNames)
    record.writes = resolver.writes.subtracting(Interpreter.ownNames)
    // Names in statements that did not parse are missing elsewhere: only what is wrong for sure is said.
    var errors = syntaxErrors.isEmpty ? resolver.errors : syntaxErrors
    if errors.isEmpty, !session.prepareSlots() {
      errors = [ZsError(kind: "memory", message: "a session has at most \(Module.sessionCapacity) names")]
    }
    guard errors.isEmpty else {
      forgetFunctions(record.writes)
      session.forgetBindings()
      return RunResult(status: .failed, errors: errors, notes: resolver.notes, value: nil)
    }
    let code = Compiler(scope: session.scope, sources: sources, table: table).program(program.statements)
    var last: Value?
    do {
      let frame = Frame(slots: session.slots, state: state)
      for statement in code {
        try frame.poll()
        if statement.isExpression {
          let value = try statement.node.evaluate(frame)
          last = value
          onResult(StatementResult(value: value, isMuted: statement.isMuted, span: statement.span))
        } else {
          _ = try statement.node.execute(frame)
        }
      }
      // Work that gave back what it had when it was asked to stop.
      try frame.poll()
      return RunResult(status: .finished, errors: [], notes: resolver.notes, value: last)
    } catch is Interrupted {
      forgetFunctions(record.writes)
      return RunResult(status: .interrupted, errors: [], notes: resolver.notes, value: last)
    } catch {
      forgetFunctions(record.writes)
      let error = (error as? ZsError) ?? describe(error)
      return RunResult(status: .failed, errors: [error], notes: resolver.notes, value: last)
    }
  }

  /// After a failure the text no longer tells which function a name is bound to.
  private func forgetFunctions(_ names: Set<String>) {
    for name in names {
      session.scope[name]?.function = nil
      session.scope[name]?.module = nil
    }
  }

  /// Runs work where recursion has room, unless the caller already does.
  private func onLargeStack(_ body: () -> Void) {
    if isRunning { return body() }
    isRunning = true
    interrupt.clear()
    LargeStack.run { limit in
      self.state.pointee.nativeLimit = limit
      body()
    }
    state.pointee.nativeLimit = 0
    state.pointee.result = .none
    isRunning = false
  }

  // Without running.

  /// Whether a text at the prompt is a whole cell.
  public func isComplete(_ text: String) -> Completeness {
    var answer = Completeness.complete
    let source = Source(id: .max, name: "", path: nil, text: text)
    LargeStack.run { _ in answer = Parser.parse(source).completeness }
    return answer
  }

  /// All problems of a file that show without running it.
  public func check(_ text: String, name: String, path: String? = nil) -> [ZsError] {
    let source = sources.add(name: name, path: path, text: text)
    var errors: [ZsError] = []
    onLargeStack {
      let (program, syntaxErrors, _) = Parser.parse(source)
      let module = Module(name: name, path: path, isInteractive: false)
      for name in self.session.definedNames { module.define(name, self.session.value(name)) }
      let resolver = Resolver(table: self.table, module: module, sources: self.sources, loader: self, knownWords: self.knownWords)
      resolver.resolve(program)
      // A name whose definition did not parse would be reported as missing.
      let others = syntaxErrors.isEmpty ? resolver.errors : resolver.errors.filter { $0.kind != "name" }
      errors = (syntaxErrors + others).sorted { ($0.span?.start ?? 0) < ($1.span?.start ?? 0) }
    }
    return errors
  }

  /// Names with values, in the order they were first given.
  public var names: [String] { session.definedNames.filter { !Interpreter.ownNames.contains($0) } }

  /// The value of a name, nil where it has none.
  public func value(of name: String) -> Value? { session.value(name) }

  /// Lets go of a file that failed while it was imported.
  func forget(_ module: Module) {
    if let path = module.path, modules[path] === module { modules[path] = nil }
  }

  /// Gives a name a value from outside, such as `args`.
  public func define(_ name: String, _ value: Value) {
    session.define(name, value)
    session.scope[name]?.function = nil
    session.scope[name]?.module = nil
  }

  /// Forgets a name's value.
  public func remove(_ name: String) {
    if session.scope[name] != nil { session.define(name, nil) }
  }

  // What builtins see.

  /// Whether the user asked to stop.
  public var isInterrupted: Bool { interrupt.isRaised }

  /// Whether the user asked twice.
  public var isAbandoning: Bool { interrupt.isAbandoning }

  /// Writes text to the program's output.
  public func write(_ text: String) { output(text) }

  /// Calls a function value.
  public func call(_ function: Value, _ arguments: [Value]) throws -> Value {
    guard case .function(let function) = function else {
      throw ZsError(
        kind: "type", message: "\(function.described) cannot be called",
        hint: "a function is needed here: x => …")
    }
    if let builtin = function as? BuiltinFunction {
      let call = try BuiltinFunction.bind(builtin.rows, arguments, [:], context: self, isStatement: false)
      return try call.builtin.body(call)
    }
    guard let function = function as? ZsFunction else { return .none }
    var result: Result<Value, any Error> = .success(.none)
    onLargeStack { result = Result { try self.run(function, arguments) } }
    return try result.get()
  }

  private func run(_ function: ZsFunction, _ arguments: [Value]) throws -> Value {
    let code = function.code
    let outer = Frame(slots: stack, state: state)
    let base = try outer.push(code.slotCount, code.name)
    defer { outer.pop(base, code.slotCount) }
    try code.bind(arguments, [], to: base)
    return try code.run(function, Frame(slots: base, state: state))
  }

  /// An error as `catch` sees it.
  func value(of error: ZsError) -> Value {
    var line = Value.none
    if let span = error.span, let source = sources.source(of: span) { line = .int(Int64(source.line(at: Int(span.start)))) }
    return .map([
      "kind": .string(error.kind), "message": .string(error.message), "hint": error.hint.map { .string($0) } ?? .none, "line": line,
    ])
  }

  /// Where the variable that a node reads was bound.
  func bindingLabel(of node: Node) -> Label? {
    let name: String
    switch node {
    case let node as SlotNode: name = node.name
    case let node as ModuleNode: name = node.name
    default: return nil
    }
    return session.scope[name]?.bindingSpan.map { Label(span: $0, message: "'\(name)' was bound here") }
  }
}

extension Interpreter: SourceLoader {
  func program(running path: String, from source: Source) throws -> Program {
    let file = try read(path, from: source)
    let (program, errors, _) = Parser.parse(sources.add(name: path, path: file.path, text: file.text))
    if !errors.isEmpty { throw ZsErrors(errors: errors) }
    return program
  }

  private func read(_ path: String, from source: Source) throws -> (path: String, text: String) {
    do {
      return try readFile(path, source.path)
    } catch {
      var described = (error as? ZsError) ?? describe(error)
      if !described.message.contains(path) { described.message = "'\(path)' cannot be read: \(described.message)" }
      throw described
    }
  }

  func module(importing path: String, from source: Source) throws -> Module {
    let file = try read(path, from: source)
    if let module = modules[file.path] { return module }
    if loading.contains(file.path) || file.path == source.path {
      throw ZsError(kind: "file", message: "'\(path)' imports itself", hint: "move what both need into a third file")
    }
    guard loading.count < 64 else { throw ZsError(kind: "file", message: "files import each other more than 64 deep") }
    loading.append(file.path)
    defer { loading.removeLast() }
    let text = sources.add(name: path, path: file.path, text: file.text)
    let (program, errors, _) = Parser.parse(text)
    if !errors.isEmpty { throw ZsErrors(errors: errors) }
    let module = Module(name: path, path: file.path, isInteractive: false)
    let resolver = Resolver(table: table, module: module, sources: sources, loader: self, knownWords: knownWords)
    resolver.resolve(program)
    knownWords = resolver.knownWords
    if !resolver.errors.isEmpty { throw ZsErrors(errors: resolver.errors) }
    guard module.prepareSlots() else { throw ZsError(kind: "memory", message: "'\(path)' has too many names") }
    module.code = Compiler(scope: module.scope, sources: sources, table: table).program(program.statements)
    modules[file.path] = module
    return module
  }
}
