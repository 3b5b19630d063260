// Which names a block assigns: what a function owns, and what a loop may have assigned on its last round.

/// One place where a name is given a value.
struct Binding {
  let name: Name
  /// Whether it stands outside of every branch and loop.
  let isCertain: Bool
  let form: Form
  /// Whether it needs a value that is already there: `x += 1`, `x[0] = 1`, `x.a = 1`.
  var isChange = false
  /// The function it is bound to, where it is one.
  var function: FunctionSyntax?
  /// The `import` that binds it.
  var importing: Statement?

  enum Form {
    /// `=`, `+=`: in a function an error where an enclosing function owns the name.
    case assignment
    /// `let`.
    case constant
    /// `fn`, `for`, `catch`, `import`.
    case declaration
  }
}

/// Walks a block without entering functions.
struct BindingCollector {
  private(set) var bindings: [Binding] = []
  private var depth = 0
  /// Gives the statements of a file that `run` names.
  let ranFile: (Statement) -> [Statement]

  init(ranFile: @escaping (Statement) -> [Statement]) {
    self.ranFile = ranFile
  }

  mutating func visit(_ statements: [Statement]) {
    for statement in statements { visit(statement) }
  }

  private mutating func bind(
    _ name: Name, _ form: Binding.Form, function: FunctionSyntax? = nil, importing: Statement? = nil, isChange: Bool = false
  ) {
    bindings.append(
      Binding(name: name, isCertain: depth == 0, form: form, isChange: isChange, function: function, importing: importing))
  }

  /// The function that a lambda is, whose arguments can then be checked.
  private func lambda(_ value: Expression) -> FunctionSyntax? {
    if case .lambda(let function) = value.kind { return function }
    return nil
  }

  private mutating func visit(_ block: Block) {
    depth += 1
    visit(block.statements)
    depth -= 1
  }

  private mutating func visit(_ statement: Statement) {
    switch statement.kind {
    case .expression(let value), .fails(let value): visit(value)
    case .assign(let place, let value):
      visit(value)
      visit(place)
      bind(place.base, .assignment, function: place.steps.isEmpty ? lambda(value) : nil, isChange: !place.steps.isEmpty)
    case .augment(let place, _, let value):
      visit(value)
      visit(place)
      bind(place.base, .assignment, isChange: true)
    case .bind(let names, let value, let isLet):
      visit(value)
      for name in names { bind(name, isLet ? .constant : .assignment, function: names.count == 1 ? lambda(value) : nil) }
    case .importFile(_, _, let name): bind(name, .declaration, importing: statement)
    case .runFile: visit(ranFile(statement))
    case .returns(let value): if let value { visit(value) }
    case .breaks, .continues: break
    case .asserts(let condition, let message):
      visit(condition)
      if let message { visit(message) }
    case .whileLoop(let condition, let block):
      visit(condition)
      visit(block)
    case .forLoop(let names, let sequence, let block):
      visit(sequence)
      for name in names { bind(name, .declaration) }
      visit(block)
    case .function(let function): if let name = function.name { bind(name, .declaration, function: function) }
    case .test(_, let block): visit(block)
    }
  }

  private mutating func visit(_ place: Place) {
    for case .index(let parts, _) in place.steps {
      for part in parts { part.expressions.forEach { visit($0) } }
    }
  }

  private mutating func visit(_ expression: Expression) {
    switch expression.kind {
    case .conditional(let conditional):
      for (condition, block) in conditional.branches {
        visit(condition)
        visit(block)
      }
      if let block = conditional.otherwise { visit(block) }
    case .attempt(let attempt):
      visit(attempt.body)
      bind(attempt.name, .declaration)
      visit(attempt.handler)
    default: expression.children.forEach { visit($0) }
    }
  }
}

extension IndexSyntax {
  var expressions: [Expression] {
    switch self {
    case .at(let value): [value]
    case .slice(let lower, let upper, let step): [lower, upper, step].compactMap { $0 }
    case .ellipsis: []
    }
  }
}

extension Expression {
  /// The expressions directly below, without those in blocks and functions.
  var children: [Expression] {
    switch kind {
    case .literal, .name, .lambda, .conditional, .attempt: []
    case .interpolation(let parts):
      parts.compactMap { part in
        if case .value(let value, _) = part { return value }
        return nil
      }
    case .list(let values): values
    case .comprehension(let comprehension):
      [comprehension.sequence] + (comprehension.condition.map { [$0] } ?? []) + [comprehension.element]
    case .map(let entries): entries.map(\.value)
    case .parenthesized(let value), .negate(let value), .plus(let value), .not(let value), .field(let value, _): [value]
    case .arithmetic(_, let left, let right), .and(let left, let right), .or(let left, let right), .coalesce(let left, let right),
      .range(let left, let right, _):
      [left, right]
    case .comparison(let first, let links): [first] + links.map(\.right)
    case .call(let callee, let arguments): [callee] + arguments.map(\.value)
    case .method(let receiver, _, let arguments): [receiver] + arguments.map(\.value)
    case .pipe(let value, let callee, let arguments): [value, callee] + arguments.map(\.value)
    case .index(let base, let parts): [base] + parts.flatMap(\.expressions)
    }
  }
}
