// Checks of calls before anything runs: argument counts and names against builtin rows and user functions, members of
// imported files, methods that nothing could answer.

extension Resolver {
  /// Collects words that may be fields: keys of maps and assigned fields.
  func collectWords(_ statements: [Statement]) {
    for statement in statements { collectWords(statement) }
  }

  private func collectWords(_ statement: Statement) {
    switch statement.kind {
    case .expression(let value), .fails(let value): collectWords(value)
    case .assign(let place, let value), .augment(let place, _, let value):
      collectWords(value)
      for step in place.steps {
        switch step {
        case .field(let name): knownWords.insert(name.text)
        case .index(let parts, _): parts.forEach { collectKey($0) }
        }
      }
    case .bind(_, let value, _): collectWords(value)
    case .returns(let value): if let value { collectWords(value) }
    case .asserts(let condition, let message):
      collectWords(condition)
      if let message { collectWords(message) }
    case .whileLoop(let condition, let block):
      collectWords(condition)
      collectWords(block.statements)
    case .forLoop(_, let sequence, let block):
      collectWords(sequence)
      collectWords(block.statements)
    case .function(let function): collectWords(function)
    case .test(_, let block): collectWords(block.statements)
    case .importFile, .runFile, .breaks, .continues: break
    }
  }

  private func collectKey(_ part: IndexSyntax) {
    if case .at(let value) = part, case .literal(.string(let key)) = value.kind { knownWords.insert(key) }
    part.expressions.forEach { collectWords($0) }
  }

  private func collectWords(_ function: FunctionSyntax) {
    for parameter in function.parameters { if let value = parameter.defaultValue { collectWords(value) } }
    switch function.body {
    case .block(let block): collectWords(block.statements)
    case .expression(let value): collectWords(value)
    }
  }

  private func collectWords(_ expression: Expression) {
    switch expression.kind {
    case .map(let entries): for entry in entries { knownWords.insert(entry.key) }
    case .lambda(let function): collectWords(function)
    case .conditional(let conditional):
      for (condition, block) in conditional.branches {
        collectWords(condition)
        collectWords(block.statements)
      }
      if let block = conditional.otherwise { collectWords(block.statements) }
    case .attempt(let attempt):
      collectWords(attempt.body.statements)
      collectWords(attempt.handler.statements)
    default: break
    }
    expression.children.forEach { collectWords($0) }
  }

  /// A name that an imported file does not define.
  func checkMember(of base: Expression, _ name: Name) {
    guard case .name(let receiver) = base.kind, let imported = receiver.variable?.module else { return }
    if imported.scope[name.text]?.isDefined == true { return }
    let near = nearest(to: name.text, among: Array(imported.scope.variables.keys)).map { "; did you mean '\($0)'?" } ?? ""
    report("\(receiver.text) has no '\(name.text)'\(near)", at: name.span)
  }

  /// `f(…)`, `x |> f(…)`.
  func checkCall(_ callee: Expression, _ arguments: [Argument], piped: Expression?, at span: Span) {
    switch callee.kind {
    case .name(let name):
      if let variable = name.variable {
        if let function = variable.function { check(function, arguments, first: piped, at: span) }
      } else {
        check(name.text, table.lookup(name.text), arguments, first: piped, at: name.span)
      }
    case .field(let base, let name):
      guard case .name(let receiver) = base.kind, let function = receiver.variable?.module?.scope[name.text]?.function else { return }
      check(function, arguments, first: piped, at: span)
    case .parenthesized(let inner): checkCall(inner, arguments, piped: piped, at: span)
    case .lambda(let function): check(function, arguments, first: piped, at: span)
    case .literal(let value):
      report("\(value.described) cannot be called", at: callee.span, kind: "type")
    default: break
    }
  }

  /// `x.f(…)`: a field of x, else f(x, …).
  func checkMethod(_ receiver: Expression, _ name: Name, _ arguments: [Argument], at span: Span) {
    if case .name(let base) = receiver.kind, let imported = base.variable?.module {
      checkMember(of: receiver, name)
      if let function = imported.scope[name.text]?.function { check(function, arguments, first: nil, at: span) }
      return
    }
    switch meaning(of: name.text) {
    case .variable(let variable):
      read(name)
      if let function = variable.function, !knownWords.contains(name.text) { check(function, arguments, first: receiver, at: span) }
    case .builtin:
      if !knownWords.contains(name.text) { check(name.text, table.lookup(name.text), arguments, first: receiver, at: name.span) }
    case .unknown:
      if knownWords.contains(name.text) { return }
      let (message, hint) = unknownMessage(name.text, isCall: true)
      report(message.replacing("is not defined", with: "is neither a field nor a function"), at: name.span, hint: hint)
    }
  }

  /// Arguments of a function written in zs.
  private func check(_ function: FunctionSyntax, _ arguments: [Argument], first: Expression?, at span: Span) {
    let name = function.name?.text ?? "the function"
    let labels = [Label(span: function.name?.span ?? function.headSpan, message: "defined here")]
    let parameters = function.parameters
    var given = Set<Int>()
    var count = first == nil ? 0 : 1
    if count == 1, !parameters.isEmpty { given.insert(0) }
    for argument in arguments {
      if let option = argument.name {
        guard let index = parameters.firstIndex(where: { $0.name.text == option.text }) else {
          let near = nearest(to: option.text, among: parameters.map(\.name.text)).map { "; did you mean '\($0)'?" } ?? ""
          report("\(name) has no parameter '\(option.text)'\(near)", at: option.span, kind: "argument", hint: nil, labels: labels)
          return
        }
        if !given.insert(index).inserted {
          report("\(name) gets '\(option.text)' twice", at: option.span, kind: "argument", labels: labels)
        }
      } else {
        given.insert(count)
        count += 1
      }
    }
    if count > parameters.count {
      let takes = parameters.isEmpty ? "no arguments" : parameters.count == 1 ? "1 argument" : "\(parameters.count) arguments"
      report("\(name) takes \(takes), not \(count)", at: span, kind: "argument", labels: labels)
    } else if let missing = parameters.indices.first(where: { !given.contains($0) && parameters[$0].defaultValue == nil }) {
      report("\(name) needs '\(parameters[missing].name.text)'", at: span, kind: "argument", labels: labels)
    }
  }

  /// Arguments of a builtin, against all rows of its name: one that fits is enough.
  private func check(_ name: String, _ rows: [Builtin], _ arguments: [Argument], first: Expression?, at span: Span) {
    guard !rows.isEmpty else { return }
    for argument in arguments {
      guard let option = argument.name, !rows.contains(where: { row in row.parameters.contains { $0.name == option.text } }) else {
        continue
      }
      let row = rows.max { score($0, option.text) < score($1, option.text) } ?? rows[0]
      errors.append(located(row.unknownOption(option.text), at: option.span))
      return
    }
    if let error = mismatchOfAll(rows, first ?? arguments.first.flatMap { $0.name == nil ? $0.value : nil }) {
      errors.append(error)
      return
    }
    var found: (error: ZsError, knowsOptions: Bool)?
    for row in rows {
      guard let error = mismatch(row, arguments, first: first, at: span) else { return }
      // A row that has all the options given is the one that was meant.
      let knowsOptions = arguments.allSatisfy { argument in
        argument.name.map { option in row.parameters.contains { $0.name == option.text } } ?? true
      }
      let isBetter = found.map { knowsOptions == $0.knowsOptions ? error.argument != nil : knowsOptions } ?? true
      if isBetter { found = (error, knowsOptions) }
    }
    if let found { errors.append(found.error) }
  }

  /// A literal as first argument that no row takes.
  private func mismatchOfAll(_ rows: [Builtin], _ argument: Expression?) -> ZsError? {
    guard rows.count > 1, let argument, case .literal(let value) = argument.kind else { return nil }
    let parameters = rows.compactMap(\.parameters.first)
    guard parameters.count == rows.count, !parameters.contains(where: { $0.variadic || $0.type.admits(value) }) else { return nil }
    if value.isNone, parameters.contains(where: { $0.defaultValue?.isNone == true }) { return nil }
    return located(BuiltinFunction.noRow(rows, value), at: argument.span)
  }

  private func located(_ error: ZsError, at span: Span) -> ZsError {
    var error = error
    error.span = span
    return error
  }

  /// How well a row could be the one an unknown option was meant for.
  private func score(_ row: Builtin, _ option: String) -> Int {
    if row.parameters.contains(where: { $0.aliases.contains(option) }) { return 3 }
    if let form = Habits.options[option], row.parameters.contains(where: { $0.name == form }) { return 2 }
    return nearest(to: option, among: row.parameters.map(\.name)) == nil ? 0 : 1
  }

  /// What is wrong with a call of one row, nil where it fits as far as the text tells.
  private func mismatch(_ row: Builtin, _ arguments: [Argument], first: Expression?, at span: Span) -> ZsError? {
    var positional = arguments.filter { $0.name == nil }.map(\.value)
    if let first { positional.insert(first, at: 0) }
    let parameters = row.parameters
    let variadic = parameters.firstIndex(where: \.variadic)
    var given = Set<Int>()
    for (index, value) in positional.enumerated() {
      let target = variadic.map { min(index, $0) } ?? index
      guard target < parameters.count else {
        return located(
          ZsError(
            kind: "argument", message: "\(row.name) takes \(row.argumentCount), not \(positional.count)", hint: row.briefSignature),
          at: span)
      }
      given.insert(target)
      if let error = mismatch(parameters[target], value, of: row.name) { return error }
    }
    for argument in arguments {
      guard let option = argument.name else { continue }
      guard let index = parameters.firstIndex(where: { $0.name == option.text }) else {
        return located(row.unknownOption(option.text), at: option.span)
      }
      if !given.insert(index).inserted {
        return located(ZsError(kind: "argument", message: "\(row.name) gets '\(option.text)' twice"), at: option.span)
      }
      if !parameters[index].variadic, let error = mismatch(parameters[index], argument.value, of: row.name) { return error }
    }
    if let missing = parameters.indices.first(where: { !given.contains($0) && !parameters[$0].isOptional }) {
      return located(
        ZsError(kind: "argument", message: "\(row.name) needs '\(parameters[missing].name)'", hint: row.briefSignature), at: span)
    }
    return nil
  }

  /// A literal that the parameter does not take.
  private func mismatch(_ parameter: Parameter, _ argument: Expression, of function: String) -> ZsError? {
    let value: Value
    switch argument.kind {
    case .literal(let literal): value = literal
    case .negate(let inner):
      switch inner.kind {
      case .literal(.int(let number)): value = .int(0 &- number)
      case .literal(.float(let number)): value = .float(-number)
      default: return nil
      }
    default: return nil
    }
    do {
      try parameter.check(value, of: function)
      return nil
    } catch {
      return (error as? ZsError).map { located($0, at: argument.span) }
    }
  }
}
