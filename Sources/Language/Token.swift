// What the lexer makes of a text.

enum Keyword: String, CaseIterable {
  case `if`, `else`, `for`, `while`, `in`, fn, `return`, `break`, `continue`, `let`, `try`, `catch`, and, or, not, `true`, `false`, none
}

enum Symbol: String {
  case leftParenthesis = "("
  case rightParenthesis = ")"
  case leftBracket = "["
  case rightBracket = "]"
  case leftBrace = "{"
  case rightBrace = "}"
  case comma = ","
  case colon = ":"
  case semicolon = ";"
  case dot = "."
  case ellipsis = "..."
  case halfOpen = "..<"
  case assign = "="
  case plusAssign = "+="
  case minusAssign = "-="
  case timesAssign = "*="
  case divideAssign = "/="
  case equal = "=="
  case notEqual = "!="
  case less = "<"
  case lessEqual = "<="
  case greater = ">"
  case greaterEqual = ">="
  case plus = "+"
  case minus = "-"
  case star = "*"
  case slash = "/"
  case doubleSlash = "//"
  case percent = "%"
  case at = "@"
  case doubleStar = "**"
  case pipe = "|>"
  case arrow = "=>"
  case coalesce = "??"
  // Habits of other languages, kept as tokens so that the parser can name the zs form and read on.
  case doubleAmpersand = "&&"
  case doubleBar = "||"
  case bang = "!"
  case caret = "^"
  case question = "?"
  case tripleEqual = "==="
  case notDoubleEqual = "!=="
  case thinArrow = "->"
  case walrus = ":="
  case blockComment = "/*"
}

/// A piece of a string literal.
enum StringSegment {
  case text(String)
  /// The tokens between `\(` and `)`, closed by an end token.
  case interpolation([Token])
}

enum TokenKind {
  case name(String)
  case keyword(Keyword)
  /// The magnitude; whether it fits an int is the parser's question, which sees the sign.
  case integer(UInt64)
  case float(Double)
  case string([StringSegment])
  case symbol(Symbol)
  /// A `# %%` line.
  case marker
  case end
}

struct Token {
  var kind: TokenKind
  var span: Span
  /// Whether a line ends between the token before and this one.
  var newlineBefore: Bool
  /// Whether anything but the token before stands directly before it.
  var spaceBefore: Bool

  func isSymbol(_ symbol: Symbol) -> Bool {
    if case .symbol(let own) = kind { return own == symbol }
    return false
  }

  func isKeyword(_ keyword: Keyword) -> Bool {
    if case .keyword(let own) = kind { return own == keyword }
    return false
  }

  func isName(_ text: String) -> Bool {
    if case .name(let own) = kind { return own == text }
    return false
  }

  var isString: Bool {
    if case .string = kind { return true }
    return false
  }

  var isEnd: Bool {
    switch kind {
    case .end, .marker: true
    default: false
    }
  }

  /// The word of a name or keyword: after `.` and as a map's key any word goes.
  var word: String? {
    switch kind {
    case .name(let text): text
    case .keyword(let keyword): keyword.rawValue
    default: nil
    }
  }

  /// How errors call the token.
  var described: String {
    switch kind {
    case .name(let text): "'\(text)'"
    case .keyword(let keyword): "'\(keyword.rawValue)'"
    case .integer, .float: "a number"
    case .string: "a string"
    case .symbol(let symbol): "'\(symbol.rawValue)'"
    case .marker: "the next cell"
    case .end: "the end"
    }
  }
}
