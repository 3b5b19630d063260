// The syntax tree of a template. Every node knows its place; every expression knows its depth, so that no tree is too
// deep to be walked or freed.

/// A value written in the template.
enum JinjaLiteral: Sendable {
  case none
  case bool(Bool)
  case int(Int)
  case double(Double)
  case string(String)
}

/// Arguments as written in a call.
struct JinjaArgumentList: Sendable {
  var positional: [JinjaExpression] = []
  var keywords: [(name: String, value: JinjaExpression)] = []
  /// `*list` and `**map`.
  var spread: JinjaExpression?
  var keywordSpread: JinjaExpression?

  var expressions: [JinjaExpression] {
    positional + keywords.map(\.value) + [spread, keywordSpread].compactMap { $0 }
  }
}

/// An expression.
final class JinjaExpression: Sendable {
  enum Kind: Sendable {
    case literal(JinjaLiteral)
    case name(Int)
    case tuple([JinjaExpression])
    case list([JinjaExpression])
    case dictionary([(key: JinjaExpression, value: JinjaExpression)])
    case attribute(JinjaExpression, String)
    case item(JinjaExpression, JinjaExpression)
    case slice(JinjaExpression?, JinjaExpression?, JinjaExpression?)
    case call(JinjaExpression, JinjaArgumentList)
    /// The subject is nil where a block's text is filtered.
    case filter(JinjaExpression?, String, JinjaArgumentList)
    case test(JinjaExpression, String, JinjaArgumentList)
    case not(JinjaExpression)
    case negative(JinjaExpression)
    case positive(JinjaExpression)
    case binary(JinjaBinary, JinjaExpression, JinjaExpression)
    case concatenation([JinjaExpression])
    case comparison(JinjaExpression, [(comparison: JinjaComparison, operand: JinjaExpression)])
    case and(JinjaExpression, JinjaExpression)
    case or(JinjaExpression, JinjaExpression)
    case conditional(test: JinjaExpression, then: JinjaExpression, otherwise: JinjaExpression?)
  }

  let kind: Kind
  let line: Int32
  let column: Int32
  let depth: Int

  init(_ kind: Kind, line: Int32, column: Int32) {
    self.kind = kind
    self.line = line
    self.column = column
    depth = 1 + (Self.children(kind).map(\.depth).max() ?? 0)
  }

  private static func children(_ kind: Kind) -> [JinjaExpression] {
    switch kind {
    case .literal, .name: return []
    case .tuple(let items), .list(let items), .concatenation(let items): return items
    case .dictionary(let pairs): return pairs.flatMap { [$0.key, $0.value] }
    case .attribute(let inner, _), .not(let inner), .negative(let inner), .positive(let inner): return [inner]
    case .item(let left, let right), .binary(_, let left, let right), .and(let left, let right), .or(let left, let right):
      return [left, right]
    case .slice(let start, let stop, let step): return [start, stop, step].compactMap { $0 }
    case .call(let inner, let arguments), .test(let inner, _, let arguments): return [inner] + arguments.expressions
    case .filter(let inner, _, let arguments): return [inner].compactMap { $0 } + arguments.expressions
    case .comparison(let first, let rest): return [first] + rest.map(\.operand)
    case .conditional(let test, let then, let otherwise): return [test, then, otherwise].compactMap { $0 }
    }
  }
}

/// An arithmetic operator.
enum JinjaBinary: String, Sendable {
  case add = "+"
  case subtract = "-"
  case multiply = "*"
  case divide = "/"
  case floorDivide = "//"
  case modulo = "%"
  case power = "**"
}

/// A comparison.
enum JinjaComparison: String, Sendable {
  case equal = "=="
  case notEqual = "!="
  case less = "<"
  case lessOrEqual = "<="
  case greater = ">"
  case greaterOrEqual = ">="
  case contained = "in"
  case notContained = "not in"
}

/// What an assignment binds.
indirect enum JinjaTarget: Sendable {
  case name(Int)
  case tuple([JinjaTarget])
  case namespace(Int, String)
}

/// Names and default values of a macro or a call block.
struct JinjaSignature: Sendable {
  var parameters: [Int] = []
  /// Defaults of the last parameters.
  var defaults: [JinjaExpression] = []
}

/// The body of a macro or of a call block, with what it reads of its arguments.
final class JinjaMacroBody: Sendable {
  let name: String
  let signature: JinjaSignature
  let body: [JinjaStatement]
  let readsCaller: Bool
  let readsKeywords: Bool
  let readsPositionals: Bool

  init(name: String, signature: JinjaSignature, body: [JinjaStatement], reads: Set<String>) {
    self.name = name
    self.signature = signature
    self.body = body
    readsCaller = reads.contains("caller")
    readsKeywords = reads.contains("kwargs")
    readsPositionals = reads.contains("varargs")
  }
}

/// A `for` statement.
final class JinjaFor: Sendable {
  let target: JinjaTarget
  let items: JinjaExpression
  let filter: JinjaExpression?
  let isRecursive: Bool
  let body: [JinjaStatement]
  let otherwise: [JinjaStatement]

  init(
    target: JinjaTarget, items: JinjaExpression, filter: JinjaExpression?, isRecursive: Bool,
    body: [JinjaStatement], otherwise: [JinjaStatement]
  ) {
    self.target = target
    self.items = items
    self.filter = filter
    self.isRecursive = isRecursive
    self.body = body
    self.otherwise = otherwise
  }
}

/// A statement.
struct JinjaStatement: Sendable {
  indirect enum Kind: Sendable {
    case text(String)
    case output([JinjaExpression])
    case choice([(test: JinjaExpression, body: [JinjaStatement])], otherwise: [JinjaStatement])
    case loop(JinjaFor)
    case assignment(JinjaTarget, JinjaExpression)
    case blockAssignment(JinjaTarget, filter: JinjaExpression?, body: [JinjaStatement])
    case macro(Int, JinjaMacroBody)
    case call(JinjaExpression, JinjaMacroBody)
    case filtered(JinjaExpression, [JinjaStatement])
    case with([(target: JinjaTarget, value: JinjaExpression)], [JinjaStatement])
    case block([JinjaStatement])
    case scope([JinjaStatement])
    case generation([JinjaStatement])
    case leaveLoop
    case nextIteration
    case unsupported(String)
  }

  var kind: Kind
  var line: Int32
  var column: Int32
}

/// A parsed template.
struct JinjaProgram: Sendable {
  var statements: [JinjaStatement]
  /// Names by symbol number.
  var symbols: [String]
}
