// Template text → tokens, with the white-space rules that transformers sets: trim_blocks (the newline after a block tag
// goes) and lstrip_blocks (blanks before a block tag that begins its line go), `-` and `+` overriding both.

/// A token of a template.
struct JinjaToken: Sendable, Equatable {
  enum Kind: Sendable, Equatable {
    case data, blockBegin, blockEnd, variableBegin, variableEnd
    case name, string, integer, float, symbol, end
  }

  var kind: Kind
  /// The text that the token stands for: a string's value, a symbol's characters.
  var text: String
  var line: Int32
  var column: Int32

  /// How errors name it.
  var description: String {
    switch kind {
    case .data: return "template text"
    case .blockBegin: return "begin of statement block"
    case .blockEnd: return "end of statement block"
    case .variableBegin: return "begin of print statement"
    case .variableEnd: return "end of print statement"
    case .end: return "end of template"
    case .name, .symbol, .integer, .float: return text
    case .string: return "string"
    }
  }
}

/// Cuts a template into tokens.
struct JinjaLexer {
  private let source: [UInt8]
  private var position = 0
  private var line: Int32 = 1
  private var lineStart = 0
  private var counted = 0
  private var column: Int32 = 1
  private var isLineStart = true
  private var tokens: [JinjaToken] = []
  private var brackets: [UInt8] = []

  init(_ text: String) {
    var source: [UInt8] = []
    source.reserveCapacity(text.utf8.count)
    var previous: UInt8 = 0
    for byte in text.utf8 {
      if byte == 0x0A && previous == 0x0D {
        previous = byte
        continue
      }
      source.append(byte == 0x0D ? 0x0A : byte)
      previous = byte
    }
    if source.last == 0x0A { source.removeLast() }
    self.source = source
  }

  /// All tokens, the last of kind `end`.
  static func tokens(_ text: String) throws -> [JinjaToken] {
    var lexer = JinjaLexer(text)
    while lexer.position < lexer.source.count { try lexer.lexText() }
    lexer.append(.end, "")
    return lexer.tokens
  }

  // MARK: Places

  /// The column of `position`; characters are counted once, from token to token.
  private mutating func currentColumn() -> Int32 {
    if counted < lineStart { (counted, column) = (lineStart, 1) }
    for byte in source[counted..<position] where byte & 0xC0 != 0x80 { column += 1 }
    counted = position
    return column
  }

  private mutating func failure(_ message: String) -> TemplateError {
    TemplateError(message, line: Int(line), column: Int(currentColumn()))
  }

  private mutating func append(_ kind: JinjaToken.Kind, _ text: String) {
    tokens.append(JinjaToken(kind: kind, text: text, line: line, column: currentColumn()))
  }

  private mutating func advance(to end: Int) {
    for index in position..<end where source[index] == 0x0A {
      line += 1
      lineStart = index + 1
    }
    if end > position { isLineStart = source[end - 1] == 0x0A }
    position = end
  }

  private func starts(_ text: StaticString, at index: Int) -> Bool {
    let count = text.utf8CodeUnitCount
    guard index + count <= source.count else { return false }
    for offset in 0..<count where source[index + offset] != text.utf8Start[offset] { return false }
    return true
  }

  private func skipBlanks(_ start: Int) -> Int {
    source.withUnsafeBufferPointer { source in
      var index = start
      while index < source.count {
        let (value, length) = decodeScalar(source, index)
        guard Unicode.Scalar(value).map(isPythonSpace) == true else { break }
        index += length
      }
      return index
    }
  }

  /// The end of `text` without trailing white space.
  private func endWithoutBlanks(_ range: Range<Int>) -> Int {
    let text = String(decoding: source[range], as: UTF8.self)
    return range.lowerBound + text.strippedPython(left: false, right: true).utf8.count
  }

  // MARK: Text between tags

  private mutating func lexText() throws {
    let start = position
    var index = start
    while index + 1 < source.count {
      if source[index] == 0x7B, [0x25, 0x7B, 0x23].contains(source[index + 1]) { break }
      index += 1
    }
    guard index + 1 < source.count else {
      appendData(start..<source.count)
      advance(to: source.count)
      return
    }
    let mark = source[index + 1]
    let sign = index + 2 < source.count ? source[index + 2] : 0
    appendData(start..<dataEnd(start..<index, sign: sign, strips: mark != 0x7B))
    advance(to: index)
    if mark == 0x25, let raw = rawBegin(index) { return try lexRaw(raw) }
    let isSigned = sign == 0x2D || sign == 0x2B
    if mark == 0x23 { return try lexComment(index + (isSigned ? 3 : 2)) }
    append(mark == 0x25 ? .blockBegin : .variableBegin, "")
    advance(to: index + (isSigned ? 3 : 2))
    try lexTag(isBlock: mark == 0x25)
  }

  private mutating func appendData(_ range: Range<Int>) {
    if !range.isEmpty { append(.data, String(decoding: source[range], as: UTF8.self)) }
  }

  /// Where the text before a tag ends, after `-` or lstrip_blocks have taken their white space.
  private func dataEnd(_ range: Range<Int>, sign: UInt8, strips: Bool) -> Int {
    if sign == 0x2D { return endWithoutBlanks(range) }
    guard strips && sign != 0x2B else { return range.upperBound }
    let lineBreak = source[range].lastIndex(of: 0x0A).map { $0 + 1 }
    guard let begin = lineBreak ?? (isLineStart ? range.lowerBound : nil) else { return range.upperBound }
    return skipBlanks(begin) >= range.upperBound ? begin : range.upperBound
  }

  private mutating func lexComment(_ start: Int) throws {
    var index = start
    while index < source.count {
      if starts("#}", at: index) {
        let before = index > start ? source[index - 1] : 0
        advance(to: tagEnd(index + 2, sign: before, trims: true))
        return
      }
      index += 1
    }
    throw failure("Missing end of comment tag")
  }

  /// After a tag's closing brace: `-` takes all white space, trim_blocks one newline, `+` nothing.
  private func tagEnd(_ index: Int, sign: UInt8, trims: Bool) -> Int {
    if sign == 0x2D { return skipBlanks(index) }
    if trims && sign != 0x2B && index < source.count && source[index] == 0x0A { return index + 1 }
    return index
  }

  /// Past `{% raw %}`, nil where the tag at `index` is another.
  private func rawBegin(_ index: Int) -> Int? {
    var index = index + 2
    if index < source.count, source[index] == 0x2D || source[index] == 0x2B { index += 1 }
    index = skipBlanks(index)
    guard starts("raw", at: index) else { return nil }
    index = skipBlanks(index + 3)
    if starts("-%}", at: index) { return skipBlanks(index + 3) }
    return starts("%}", at: index) ? index + 2 : nil
  }

  private mutating func lexRaw(_ start: Int) throws {
    let opening = failure("Missing end of raw directive")
    advance(to: start)
    var index = start
    while index < source.count {
      guard starts("{%", at: index), let end = rawEnd(index) else {
        index += 1
        continue
      }
      appendData(start..<dataEnd(start..<index, sign: source[index + 2], strips: true))
      advance(to: end)
      return
    }
    throw opening
  }

  private func rawEnd(_ index: Int) -> Int? {
    var index = index + 2
    if index < source.count, source[index] == 0x2D || source[index] == 0x2B { index += 1 }
    index = skipBlanks(index)
    guard starts("endraw", at: index) else { return nil }
    index = skipBlanks(index + 6)
    let sign: UInt8 = index < source.count ? source[index] : 0
    if sign == 0x2D || sign == 0x2B { index += 1 }
    return starts("%}", at: index) ? tagEnd(index + 2, sign: sign, trims: true) : nil
  }

  // MARK: Inside tags

  private mutating func lexTag(isBlock: Bool) throws {
    brackets.removeAll()
    while position < source.count {
      if brackets.isEmpty, let end = closing(isBlock) {
        append(isBlock ? .blockEnd : .variableEnd, "")
        advance(to: end)
        return
      }
      let after = skipBlanks(position)
      if after > position { advance(to: after) } else { try lexToken() }
    }
  }

  private func closing(_ isBlock: Bool) -> Int? {
    let sign = source[position]
    if isBlock {
      if starts("%}", at: position) { return tagEnd(position + 2, sign: 0, trims: true) }
      guard sign == 0x2D || sign == 0x2B, starts("%}", at: position + 1) else { return nil }
      return tagEnd(position + 3, sign: sign, trims: true)
    }
    if starts("}}", at: position) { return position + 2 }
    return starts("-}}", at: position) ? skipBlanks(position + 3) : nil
  }

  private mutating func lexToken() throws {
    let byte = source[position]
    if byte == 0x27 || byte == 0x22 { return try lexString(quote: byte) }
    if byte >= 0x30 && byte <= 0x39 { return lexNumber() }
    let name = nameEnd(position)
    if name > position {
      append(.name, String(decoding: source[position..<name], as: UTF8.self))
      advance(to: name)
      return
    }
    let pair = position + 1 < source.count ? String(decoding: source[position...(position + 1)], as: UTF8.self) : ""
    if ["//", "**", "==", "!=", ">=", "<="].contains(pair) {
      append(.symbol, pair)
      return advance(to: position + 2)
    }
    guard "+-/*%~[](){}<>=.:|,;".utf8.contains(byte) else {
      let scalar = source.withUnsafeBufferPointer { decodeScalar($0, position).value }
      throw failure("unexpected char \(pythonRepr(Unicode.Scalar(scalar).map { String($0) } ?? "?"))")
    }
    try balance(byte)
    append(.symbol, String(Unicode.Scalar(byte)))
    advance(to: position + 1)
  }

  private mutating func balance(_ byte: UInt8) throws {
    switch byte {
    case 0x28: brackets.append(0x29)
    case 0x5B: brackets.append(0x5D)
    case 0x7B: brackets.append(0x7D)
    case 0x29, 0x5D, 0x7D:
      let found = String(Unicode.Scalar(byte))
      guard let expected = brackets.popLast() else { throw failure("unexpected '\(found)'") }
      if expected != byte { throw failure("unexpected '\(found)', expected '\(String(Unicode.Scalar(expected)))'") }
    default: break
    }
  }

  private func nameEnd(_ start: Int) -> Int {
    source.withUnsafeBufferPointer { source in
      var index = start
      while index < source.count {
        let (value, length) = decodeScalar(source, index)
        let isWord =
          value < 128
          ? value == 0x5F || isASCIIAlphanumeric(UInt8(truncatingIfNeeded: value))
          : CharacterClass.of(value) & CharacterClass.letter != 0
        guard isWord else { break }
        index += length
      }
      return index
    }
  }

  // MARK: Literals

  private mutating func lexNumber() {
    var index = position
    let radix = index + 1 < source.count && source[index] == 0x30 ? source[index + 1] | 0x20 : 0
    if [0x78, 0x6F, 0x62].contains(radix) {  // 0x 0o 0b
      let end = digitsEnd(index + 2) { radix == 0x78 ? isHexDigit($0) : $0 >= 0x30 && $0 <= (radix == 0x6F ? 0x37 : 0x31) }
      if end > index + 2 { return appendNumber(.integer, end) }
    }
    let isDecimal: (UInt8) -> Bool = { $0 >= 0x30 && $0 <= 0x39 }
    index = digitsEnd(index, isDecimal)
    var isFloat = false
    let followsDot = position > 0 && source[position - 1] == 0x2E
    if !followsDot {
      if index + 1 < source.count, source[index] == 0x2E, isDecimal(source[index + 1]) {
        index = digitsEnd(index + 1, isDecimal)
        isFloat = true
      }
      if index < source.count, source[index] | 0x20 == 0x65 {
        let sign = index + 1 < source.count && (source[index + 1] == 0x2B || source[index + 1] == 0x2D) ? 1 : 0
        let digits = index + 1 + sign
        if digits < source.count, isDecimal(source[digits]) {
          index = digitsEnd(digits, isDecimal)
          isFloat = true
        }
      }
    }
    appendNumber(isFloat ? .float : .integer, index)
  }

  private mutating func appendNumber(_ kind: JinjaToken.Kind, _ end: Int) {
    append(kind, String(decoding: source[position..<end].filter { $0 != 0x5F }, as: UTF8.self))
    advance(to: end)
  }

  /// Past digits with single underscores between them.
  private func digitsEnd(_ start: Int, _ isDigit: (UInt8) -> Bool) -> Int {
    var index = start
    while index < source.count {
      if isDigit(source[index]) {
        index += 1
      } else if source[index] == 0x5F, index + 1 < source.count, isDigit(source[index + 1]) {
        index += 2
      } else {
        break
      }
    }
    return index
  }

  private mutating func lexString(quote: UInt8) throws {
    var index = position + 1
    while index < source.count && source[index] != quote { index += source[index] == 0x5C ? 2 : 1 }
    guard index < source.count else { throw failure("unexpected char \(pythonRepr(String(Unicode.Scalar(quote))))") }
    do {
      append(.string, try unescaped(source[(position + 1)..<index]))
    } catch let error as TemplateError {
      throw failure(error.message)
    }
    advance(to: index + 1)
  }
}
