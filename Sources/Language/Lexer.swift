// Text to tokens, over UTF-8 bytes. What it cannot read becomes an error and the nearest sensible token,
// so that the parser finds further errors in the same run. Strings are in Lexer+Strings.swift.

struct Lexer {
  let bytes: [UInt8]
  let sourceID: UInt32
  var offset: Int
  let limit: Int
  var errors: [ZsError] = []
  /// Whether the text ends inside a `"""` string: more may be typed.
  var endsInsideString = false
  /// How many interpolations are open.
  var interpolationDepth = 0
  static let maximumInterpolationDepth = 24

  init(_ source: Source, range: Range<Int>? = nil) {
    bytes = source.bytes
    sourceID = source.id
    offset = range?.lowerBound ?? 0
    limit = range?.upperBound ?? source.bytes.count
    if offset == 0, bytes.starts(with: [0xEF, 0xBB, 0xBF]) { offset = min(3, limit) }
  }

  /// The byte at a distance from here, 0 beyond the end.
  func peek(_ distance: Int = 0) -> UInt8 {
    let position = offset + distance
    return position < limit ? bytes[position] : 0
  }

  func span(from start: Int, to end: Int? = nil) -> Span {
    Span(start: UInt32(truncatingIfNeeded: start), end: UInt32(truncatingIfNeeded: end ?? offset), source: sourceID)
  }

  mutating func fail(_ message: String, from start: Int, to end: Int? = nil, hint: String? = nil) {
    errors.append(ZsError(kind: "syntax", message: message, hint: hint, span: span(from: start, to: end)))
  }

  /// All tokens, the last one `.end`.
  mutating func tokenize() -> [Token] {
    tokens(insideInterpolation: false, onOneLine: false)
  }

  /// Tokens up to the end, or, inside an interpolation, up to the `)` that closes it, which is left for the caller.
  mutating func tokens(insideInterpolation: Bool, onOneLine: Bool) -> [Token] {
    var tokens: [Token] = []
    var depth = 0
    var lastEnd = offset
    while true {
      let before = offset
      let gap = skipSpace(onOneLine: onOneLine)
      let start = offset
      let atEnd = offset >= limit || (onOneLine && peek() == UInt8(ascii: "\n"))
      if atEnd || (insideInterpolation && depth == 0 && peek() == UInt8(ascii: ")")) {
        tokens.append(Token(kind: .end, span: span(from: lastEnd, to: lastEnd), newlineBefore: gap.newline, spaceBefore: true))
        return tokens
      }
      let spaceBefore = start != before || tokens.isEmpty
      if gap.marker {
        while offset < limit, peek() != UInt8(ascii: "\n") { offset += 1 }
        tokens.append(Token(kind: .marker, span: span(from: start), newlineBefore: true, spaceBefore: true))
        lastEnd = offset
        continue
      }
      guard let kind = token() else { continue }
      if case .symbol(let symbol) = kind {
        if symbol == .leftParenthesis { depth += 1 }
        if symbol == .rightParenthesis { depth -= 1 }
      }
      tokens.append(Token(kind: kind, span: span(from: start), newlineBefore: gap.newline, spaceBefore: spaceBefore))
      lastEnd = offset
    }
  }

  /// Skips blanks, line ends and comments; stops before a `# %%` at the start of a line.
  private mutating func skipSpace(onOneLine: Bool) -> (newline: Bool, marker: Bool) {
    var newline = offset == 0
    while offset < limit {
      switch bytes[offset] {
      case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"), 0x0C: offset += 1
      case UInt8(ascii: "\n"):
        if onOneLine { return (true, false) }
        newline = true
        offset += 1
      case UInt8(ascii: "#"):
        if !onOneLine, Lexer.isMarker(bytes, at: offset, limit: limit) { return (true, true) }
        while offset < limit, bytes[offset] != UInt8(ascii: "\n") { offset += 1 }
      case 0xC2 where peek(1) == 0xA0: offset += 2
      default: return (newline, false)
      }
    }
    return (newline, false)
  }

  /// Whether a `# %%` cell marker begins at an offset: at the start of its line.
  static func isMarker(_ bytes: [UInt8], at offset: Int, limit: Int) -> Bool {
    guard offset == 0 || bytes[offset - 1] == UInt8(ascii: "\n") else { return false }
    let rest = bytes[offset..<min(offset + 5, limit)]
    return rest.starts(with: Array("# %%".utf8)) || rest.starts(with: Array("#%%".utf8))
  }

  private mutating func token() -> TokenKind? {
    let byte = bytes[offset]
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): return number()
    case UInt8(ascii: "\""): return string(isRaw: false)
    case UInt8(ascii: "'"): return singleQuoted()
    case UInt8(ascii: "r") where peek(1) == UInt8(ascii: "\""):
      offset += 1
      return string(isRaw: true)
    case UInt8(ascii: "_"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): return word()
    case 0x80...: return unicodeWord()
    default: return symbol()
    }
  }

  private static func isWordByte(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "_") || (byte >= 48 && byte <= 57) || (byte | 32 >= 97 && byte | 32 <= 122)
  }

  private mutating func word() -> TokenKind {
    let start = offset
    while offset < limit {
      let byte = bytes[offset]
      if Lexer.isWordByte(byte) {
        offset += 1
      } else if byte >= 0x80, let (scalar, length) = scalar(at: offset), scalar.properties.isXIDContinue {
        offset += length
      } else {
        break
      }
    }
    let text = String(decoding: bytes[start..<offset], as: UTF8.self)
    return Keyword(rawValue: text).map { .keyword($0) } ?? .name(text)
  }

  private mutating func unicodeWord() -> TokenKind? {
    let start = offset
    guard let (scalar, length) = scalar(at: offset) else {
      offset += 1
      fail("this byte is not UTF-8", from: start)
      return nil
    }
    if scalar.properties.isXIDStart { return word() }
    offset += length
    // Quotation marks and signs that word processors and models put for the plain ones.
    let plain: [Unicode.Scalar: String] = [
      "“": "\"", "”": "\"", "‘": "\"", "’": "\"", "–": "-", "−": "-", "×": "*", "÷": "/", "≤": "<=", "≥": ">=", "≠": "!=", "→": "=>",
      "…": "...",
    ]
    let hint = plain[scalar].map { "write \($0)" }
    fail("'\(scalar)' means nothing here", from: start, hint: hint)
    return nil
  }

  /// The scalar at an offset and its length in bytes; nil for malformed UTF-8.
  private func scalar(at position: Int) -> (Unicode.Scalar, Int)? {
    var iterator = bytes[position..<min(position + 4, limit)].makeIterator()
    var decoder = UTF8()
    guard case .scalarValue(let scalar) = decoder.decode(&iterator) else { return nil }
    return (scalar, UTF8.width(scalar))
  }

  private static let symbols: [[Symbol]] = [
    [.tripleEqual, .notDoubleEqual, .ellipsis, .halfOpen],
    [
      .plusAssign, .minusAssign, .timesAssign, .divideAssign, .equal, .notEqual, .lessEqual, .greaterEqual, .doubleSlash, .doubleStar,
      .pipe,
      .arrow, .coalesce, .doubleAmpersand, .doubleBar, .thinArrow, .walrus, .blockComment,
    ],
    [
      .leftParenthesis, .rightParenthesis, .leftBracket, .rightBracket, .leftBrace, .rightBrace, .comma, .colon, .semicolon, .dot, .assign,
      .less, .greater, .plus, .minus, .star, .slash, .percent, .at, .bang, .caret, .question,
    ],
  ]

  private static let symbolsByText: [[String: Symbol]] = symbols.map { group in
    Dictionary(uniqueKeysWithValues: group.map { ($0.rawValue, $0) })
  }

  private mutating func symbol() -> TokenKind? {
    let start = offset
    for (index, table) in Lexer.symbolsByText.enumerated() {
      let length = 3 - index
      guard offset + length <= limit else { continue }
      if let symbol = table[String(decoding: bytes[offset..<offset + length], as: UTF8.self)] {
        offset += length
        if symbol == .blockComment { return blockComment(from: start) }
        return .symbol(symbol)
      }
    }
    offset += 1
    let byte = bytes[start]
    let shown = byte < 32 || byte == 127 ? "the control character \(byte)" : "'\(Character(Unicode.Scalar(byte)))'"
    let hint: String? =
      switch byte {
      case UInt8(ascii: "&"): "zs writes 'and'"
      case UInt8(ascii: "|"): "zs writes 'or'; the pipe is |>"
      case UInt8(ascii: "~"): "zs writes 'not'"
      case UInt8(ascii: "$"): "zs puts values into text as \"\\(name)\""
      default: nil
      }
    fail("\(shown) means nothing here", from: start, hint: hint)
    return nil
  }

  private mutating func blockComment(from start: Int) -> TokenKind? {
    fail("zs has no /* */ comments", from: start, hint: "begin each line with #")
    while offset < limit, !(peek() == UInt8(ascii: "*") && peek(1) == UInt8(ascii: "/")) { offset += 1 }
    offset = min(offset + 2, limit)
    return nil
  }
}
