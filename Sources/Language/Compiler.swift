// Resolved syntax to nodes: names become slots, common forms of operators their own nodes, and the last expression of a
// function a return.

/// A statement at the top level, with what the prompt needs to know about it.
struct StatementCode {
  let node: Node
  /// Whether it is an expression, whose value is shown.
  let isExpression: Bool
  let isMuted: Bool
  let span: Span
}

struct Compiler {
  /// The owner of variables in the code that is being compiled.
  let scope: Scope
  let sources: SourceMap
  let table: BuiltinTable

  /// The statements of a program or module, one by one.
  func program(_ statements: [Statement]) -> [StatementCode] {
    statements.map { statement in
      if case .expression(let value) = statement.kind {
        return StatementCode(
          node: expression(value, isStatement: !statement.isMuted), isExpression: true, isMuted: statement.isMuted, span: statement.span)
      }
      return StatementCode(node: self.statement(statement), isExpression: false, isMuted: statement.isMuted, span: statement.span)
    }
  }

  private func target(_ name: Name) -> Target {
    guard let variable = name.variable else { return Target(slot: 0, isBoxed: false) }
    return Target(slot: variable.slot, isBoxed: variable.isCaptured && !variable.scope.isModule)
  }

  // Statements.

  /// A block; where its value is used, its last expression does not stand as a statement.
  func block(_ block: Block, isValue: Bool = false) -> BlockNode {
    var nodes = block.statements.dropLast().map { statement($0) }
    if let last = block.statements.last {
      if isValue, case .expression(let value) = last.kind { nodes.append(expression(value)) } else { nodes.append(statement(last)) }
    }
    var hasValue = false
    if case .expression? = block.statements.last?.kind { hasValue = true }
    return BlockNode(nodes, hasValue: hasValue, block.span)
  }

  /// A branch; one whose value is used and that is a single expression needs no block around it.
  private func branchBlock(_ block: Block, isStatement: Bool) -> Node {
    if !isStatement, block.statements.count == 1, case .expression(let value) = block.statements[0].kind { return expression(value) }
    return self.block(block, isValue: !isStatement)
  }

  private func statement(_ statement: Statement) -> Node {
    let span = statement.span
    switch statement.kind {
    case .expression(let value): return expression(value, isStatement: !statement.isMuted)
    case .assign(let place, let value): return assign(place, nil, expression(value), span)
    case .augment(let place, let operation, let value): return assign(place, operation, expression(value), span)
    case .bind(let names, let value, _):
      if names.count == 1 { return AssignNode(target(names[0]), expression(value), span) }
      return DestructureNode(names.map { target($0) }, expression(value), span)
    case .importFile(_, _, let name): return ImportNode(statement.module, target(name), span)
    case .runFile:
      let nodes = Compiler(scope: scope, sources: sources, table: table).program(statement.program?.statements ?? []).map(\.node)
      return BlockNode(nodes, hasValue: false, span)
    case .returns(let value): return ReturnNode(value.map { expression($0) }, span)
    case .breaks: return BreakNode(.breaks, span)
    case .continues: return BreakNode(.continues, span)
    case .fails(let value): return FailNode(expression(value), span)
    case .asserts(let condition, let message):
      let text = sources.source(of: condition.span)?.text(of: condition.span) ?? ""
      let line = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
      return AssertNode(expression(condition), message.map { expression($0) }, text: TextWidth.cut(line, to: 200), span)
    case .whileLoop(let condition, let body): return WhileNode(expression(condition), block(body), span)
    case .forLoop(let names, let sequence, let body):
      return LoopNode(names.map { target($0) }, expression(sequence), block(body), span)
    case .function(let syntax):
      let function = self.function(syntax)
      return syntax.name.map { AssignNode(target($0), function, span) } ?? function
    case .test(let title, let body): return TestNode(title, block(body), span)
    }
  }

  private func assign(_ place: Place, _ operation: BinaryOperator?, _ value: Node, _ span: Span) -> Node {
    if place.steps.isEmpty {
      guard let operation else { return AssignNode(target(place.base), value, span) }
      return AugmentNode(target(place.base), place.base.text, operation, value, span)
    }
    let steps = place.steps.map { step -> PlaceNode.Step in
      switch step {
      case .field(let name): .field(name.text)
      case .index(let parts, let span): .index(parts.map { part($0) }, span)
      }
    }
    return PlaceNode(target(place.base), place.base.text, steps: steps, operation, value, place.span)
  }

  private func part(_ part: IndexSyntax) -> IndexNode.Part {
    switch part {
    case .at(let value): .at(expression(value))
    case .slice(let lower, let upper, let step):
      .slice(lower.map { expression($0) }, upper.map { expression($0) }, step.map { expression($0) })
    case .ellipsis: .ellipsis
    }
  }

  // Functions.

  private func function(_ syntax: FunctionSyntax) -> Node {
    guard let inner = syntax.scope else { return ConstantNode(.none, syntax.span) }
    let compiler = Compiler(scope: inner, sources: sources, table: table)
    let parameters = syntax.parameters.map { parameter in
      (
        name: parameter.name.text, slot: parameter.name.variable?.slot ?? 0,
        defaultValue: parameter.defaultValue.map { compiler.expression($0) }
      )
    }
    let body: Node
    let isExpression: Bool
    switch syntax.body {
    case .expression(let value): (body, isExpression) = (compiler.expression(value), true)
    case .block(let block): (body, isExpression) = compiler.body(block)
    }
    let code = FunctionCode(
      name: syntax.name?.text ?? "function", span: syntax.name?.span ?? syntax.headSpan, parameters: parameters, body: body)
    code.isExpression = isExpression
    code.slotCount = inner.slotCount
    code.boxedSlots = inner.boxedSlots
    code.captureSlots = inner.captures.map(\.slot)
    code.hasBoxes = !code.boxedSlots.isEmpty || !code.captureSlots.isEmpty
    let captured = inner.captures.map { scope === $0.variable.scope ? $0.variable.slot : scope.captureSlot($0.variable) ?? 0 }
    return FunctionNode(code, captured: captured, syntax.span)
  }

  /// A function's block; one that is a single expression is evaluated as such.
  private func body(_ block: Block) -> (Node, isExpression: Bool) {
    if block.statements.count == 1, case .expression(let value) = block.statements[0].kind, !value.isBranching || value.isPlain {
      return (expression(value), true)
    }
    return (tail(block), false)
  }

  /// A block whose last expression is what the function returns.
  private func tail(_ block: Block) -> Node {
    guard let last = block.statements.last else { return BlockNode([], hasValue: false, block.span) }
    var nodes = block.statements.dropLast().map { statement($0) }
    nodes.append(tail(last))
    return BlockNode(nodes, hasValue: false, block.span)
  }

  private func tail(_ last: Statement) -> Node {
    guard case .expression(let value) = last.kind else { return statement(last) }
    switch value.kind {
    case .conditional(let conditional):
      let branches = conditional.branches.map { (condition: expression($0.condition), block: tail($0.block)) }
      return IfNode(branches, conditional.otherwise.map { tail($0) }, value.span)
    case .attempt(let attempt):
      return TryNode(tail(attempt.body), target(attempt.name), tail(attempt.handler), value.span)
    default: return ReturnNode(expression(value), last.span)
    }
  }

  // Expressions.

  func expression(_ expression: Expression, isStatement: Bool = false) -> Node {
    let span = expression.span
    switch expression.kind {
    case .literal(let value): return ConstantNode(value, span)
    case .name(let name): return self.name(name)
    case .parenthesized(let inner): return self.expression(inner, isStatement: isStatement)
    case .lambda(let function): return self.function(function)
    case .negate(let operand): return NegateNode(self.expression(operand), span)
    case .plus(let operand): return PlusNode(self.expression(operand), span)
    case .not(let operand): return NotNode(self.expression(operand), span)
    case .and(let left, let right): return AndNode(self.expression(left), self.expression(right), span)
    case .or(let left, let right): return OrNode(self.expression(left), self.expression(right), span)
    case .coalesce(let left, let right): return CoalesceNode(self.expression(left), self.expression(right), span)
    case .arithmetic(let operation, let left, let right):
      return arithmetic(operation, self.expression(left), self.expression(right), span)
    case .comparison(let first, let links): return comparison(first, links, span)
    case .range(let lower, let upper, let isClosed):
      return RangeNode(self.expression(lower), self.expression(upper), isClosed: isClosed, span)
    case .conditional(let conditional):
      let branches = conditional.branches.map { branch in
        (condition: self.expression(branch.condition), block: branchBlock(branch.block, isStatement: isStatement))
      }
      return IfNode(branches, conditional.otherwise.map { branchBlock($0, isStatement: isStatement) }, span)
    case .attempt(let attempt):
      return TryNode(
        block(attempt.body, isValue: !isStatement), target(attempt.name), block(attempt.handler, isValue: !isStatement), span)
    default: return collection(expression, isStatement: isStatement)
    }
  }

  private func collection(_ expression: Expression, isStatement: Bool) -> Node {
    let span = expression.span
    switch expression.kind {
    case .interpolation(let parts):
      return InterpolationNode(
        parts.map { part in
          switch part {
          case .text(let text): .text(text)
          case .value(let value, let format): .value(self.expression(value), format)
          }
        }, span)
    case .list(let elements): return ListNode(elements.map { self.expression($0) }, span)
    case .map(let entries): return MapNode(entries.map { (key: $0.key, value: self.expression($0.value)) }, span)
    case .comprehension(let comprehension):
      return ComprehensionNode(
        self.expression(comprehension.element), comprehension.names.map { target($0) }, self.expression(comprehension.sequence),
        comprehension.condition.map { self.expression($0) }, span)
    case .index(let base, let parts): return IndexNode(self.expression(base), parts.map { part($0) }, span)
    case .field(let base, let name): return FieldNode(self.expression(base), name, span)
    case .call(let callee, let arguments): return call(callee, piped: nil, arguments, isStatement, span)
    case .pipe(let value, let callee, let arguments): return call(callee, piped: self.expression(value), arguments, isStatement, span)
    case .method(let receiver, let name, let arguments):
      let (positional, named) = self.arguments(arguments)
      let rows = table.lookup(name.text)
      let function: Node? = name.variable != nil ? self.name(name) : rows.isEmpty ? nil : BuiltinNode(rows, name.span)
      return MethodCallNode(self.expression(receiver), name, function: function, positional, named, isStatement: isStatement, span)
    default: return ConstantNode(.none, span)
    }
  }

  private func name(_ name: Name) -> Node {
    guard let variable = name.variable else { return BuiltinNode(table.lookup(name.text), name.span) }
    if variable.scope === scope {
      return variable.isCaptured && !scope.isModule
        ? BoxNode(variable.slot, name.text, name.span) : SlotNode(variable.slot, name.text, name.span)
    }
    if let module = variable.scope.module { return ModuleNode(module, variable.slot, name.text, name.span) }
    return BoxNode(scope.captureSlot(variable) ?? 0, name.text, name.span)
  }

  private func arguments(_ arguments: [Argument]) -> ([Node], [(name: String, value: Node, nameSpan: Span)]) {
    var positional: [Node] = []
    var named: [(name: String, value: Node, nameSpan: Span)] = []
    for argument in arguments {
      let value = expression(argument.value)
      if let name = argument.name { named.append((name.text, value, name.span)) } else { positional.append(value) }
    }
    return (positional, named)
  }

  private func call(_ callee: Expression, piped: Node?, _ arguments: [Argument], _ isStatement: Bool, _ span: Span) -> Node {
    let (positional, named) = self.arguments(arguments)
    if case .name(let name) = callee.kind, name.variable == nil {
      return BuiltinCallNode(table.lookup(name.text), piped: piped, positional, named, isStatement: isStatement, span)
    }
    return ValueCallNode(expression(callee), piped: piped, positional, named, isStatement: isStatement, span)
  }

  private func arithmetic(_ operation: BinaryOperator, _ left: Node, _ right: Node, _ span: Span) -> Node {
    if let name = left as? SlotNode {
      if let constant = right as? ConstantNode, case .int(let number) = constant.value {
        return SlotConstantArithmeticNode(operation, name, constant, number, span)
      }
      if let other = right as? SlotNode { return SlotsArithmeticNode(operation, name, other, span) }
    }
    return ArithmeticNode(operation, left, right, span)
  }

  private func comparison(_ first: Expression, _ links: [ComparisonLink], _ span: Span) -> Node {
    let left = expression(first)
    if links.count == 1, case .compare(let operation) = links[0].operation {
      let right = expression(links[0].right)
      if let name = left as? SlotNode, let constant = right as? ConstantNode, case .int(let number) = constant.value {
        return SlotConstantCompareNode(operation, name, constant, number, span)
      }
      return CompareNode(operation, left, right, span)
    }
    return ChainNode(left, links.map { ChainNode.Link(operation: $0.operation, right: expression($0.right), span: $0.span) }, span)
  }
}

extension Expression {
  /// Whether it is made of blocks, which a function runs rather than evaluates.
  var isBranching: Bool {
    switch kind {
    case .conditional, .attempt: true
    default: false
    }
  }

  /// Whether it is a choice among single expressions, out of which nothing returns.
  var isPlain: Bool {
    guard case .conditional(let conditional) = kind, let otherwise = conditional.otherwise else { return false }
    let blocks = conditional.branches.map { $0.block } + [otherwise]
    return blocks.allSatisfy { block in
      guard block.statements.count == 1, case .expression(let value) = block.statements[0].kind else { return false }
      return !value.isBranching || value.isPlain
    }
  }
}

extension Scope {
  /// Slots of own variables that inner functions read.
  var boxedSlots: [Int] {
    guard !isModule else { return [] }
    return allVariables.filter(\.isCaptured).map(\.slot)
  }
}
