// The syntax tree: what the parser makes, the resolver annotates and the compiler reads. Named after the grammar of the language.

/// A name where it stands; the resolver says which variable it means, nil for a builtin.
final class Name {
  let text: String
  let span: Span
  var variable: Variable?

  init(_ text: String, _ span: Span) {
    self.text = text
    self.span = span
  }
}

final class Expression {
  let kind: Kind
  let span: Span
  /// Levels below, itself included: bounded, so that every walk of the tree fits on the stack.
  let depth: Int

  init(_ kind: Kind, _ span: Span, depth: Int) {
    self.kind = kind
    self.span = span
    self.depth = depth
  }

  enum Kind {
    case literal(Value)
    case interpolation([InterpolationPart])
    case name(Name)
    case list([Expression])
    case comprehension(Comprehension)
    case map([MapEntry])
    case parenthesized(Expression)
    case negate(Expression)
    case plus(Expression)
    case not(Expression)
    case arithmetic(BinaryOperator, Expression, Expression)
    case comparison(Expression, [ComparisonLink])
    case and(Expression, Expression)
    case or(Expression, Expression)
    case coalesce(Expression, Expression)
    case range(Expression, Expression, isClosed: Bool)
    case call(Expression, [Argument])
    /// `x.f(a)`: a field that can be called, or `f(x, a)`.
    case method(Expression, Name, [Argument])
    /// `x |> f(a)`: the piped value, the callee, the arguments after it.
    case pipe(Expression, Expression, [Argument])
    case index(Expression, [IndexSyntax])
    case field(Expression, Name)
    case lambda(FunctionSyntax)
    case conditional(Conditional)
    case attempt(Attempt)
  }
}

enum InterpolationPart {
  case text(String)
  case value(Expression, FormatSpecification?)
}

struct MapEntry {
  let key: String
  let keySpan: Span
  let value: Expression
}

/// One `op right` of a chain of comparisons.
struct ComparisonLink {
  let operation: ComparisonOperator
  let span: Span
  let right: Expression
}

enum ComparisonOperator: Equatable {
  case compare(BinaryOperator)
  case contains
  case containsNot

  var text: String {
    switch self {
    case .compare(let operation): operation.rawValue
    case .contains: "in"
    case .containsNot: "not in"
    }
  }
}

struct Argument {
  /// nil for a positional argument.
  let name: Name?
  let value: Expression
}

enum IndexSyntax {
  case at(Expression)
  case slice(Expression?, Expression?, Expression?)
  case ellipsis(Span)
}

final class Comprehension {
  let element: Expression
  let names: [Name]
  let sequence: Expression
  let condition: Expression?

  init(element: Expression, names: [Name], sequence: Expression, condition: Expression?) {
    self.element = element
    self.names = names
    self.sequence = sequence
    self.condition = condition
  }
}

/// `if … else if … else …`.
final class Conditional {
  let branches: [(condition: Expression, block: Block)]
  let otherwise: Block?

  init(branches: [(condition: Expression, block: Block)], otherwise: Block?) {
    self.branches = branches
    self.otherwise = otherwise
  }
}

/// `try … catch name …`.
final class Attempt {
  let body: Block
  let name: Name
  let handler: Block

  init(body: Block, name: Name, handler: Block) {
    self.body = body
    self.name = name
    self.handler = handler
  }
}

final class ParameterSyntax {
  let name: Name
  let defaultValue: Expression?

  init(name: Name, defaultValue: Expression?) {
    self.name = name
    self.defaultValue = defaultValue
  }
}

/// A function: `fn name(…) { }`, `fn name(…) = e`, or a lambda, which has no name.
final class FunctionSyntax {
  let name: Name?
  let parameters: [ParameterSyntax]
  let body: Body
  let span: Span
  /// Parameters in parentheses, for errors.
  let headSpan: Span
  /// Filled in by the resolver.
  var scope: Scope?

  enum Body {
    case block(Block)
    case expression(Expression)
  }

  init(name: Name?, parameters: [ParameterSyntax], body: Body, span: Span, headSpan: Span) {
    self.name = name
    self.parameters = parameters
    self.body = body
    self.span = span
    self.headSpan = headSpan
  }
}

/// Where an assignment goes: a name, then fields and indices.
struct Place {
  let base: Name
  let steps: [Step]
  let span: Span

  enum Step {
    case field(Name)
    case index([IndexSyntax], Span)
  }
}

final class Block {
  let statements: [Statement]
  let span: Span

  init(_ statements: [Statement], _ span: Span) {
    self.statements = statements
    self.span = span
  }
}

final class Statement {
  let kind: Kind
  let span: Span
  /// Whether a trailing `;` mutes the display.
  var isMuted = false
  /// What `import` and `run` refer to, once the resolver has read it.
  var module: Module?
  var program: Program?

  init(_ kind: Kind, _ span: Span) {
    self.kind = kind
    self.span = span
  }

  enum Kind {
    case expression(Expression)
    case assign(Place, Expression)
    case augment(Place, BinaryOperator, Expression)
    /// `a, b = e`, `let a = e`, `let a, b = e`.
    case bind([Name], Expression, isLet: Bool)
    case importFile(String, Span, Name)
    case runFile(String, Span)
    case returns(Expression?)
    case breaks
    case continues
    case fails(Expression)
    case asserts(Expression, Expression?)
    case whileLoop(Expression, Block)
    case forLoop([Name], Expression, Block)
    case function(FunctionSyntax)
    case test(String, Block)
  }
}

/// A parsed text: its statements by cells, a text without markers being one cell.
final class Program {
  let cells: [ProgramCell]
  let source: Source

  init(cells: [ProgramCell], source: Source) {
    self.cells = cells
    self.source = source
  }

  var statements: [Statement] { cells.flatMap(\.statements) }
}

struct ProgramCell {
  let title: String
  let isMarkdown: Bool
  let statements: [Statement]
  let span: Span
}
