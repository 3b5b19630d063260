// Strings of several lines, as in Swift: the text begins on the line after the quotes, the closing quotes stand on
// a line of their own, and their indentation is taken off every line.

/// What a string of several lines is made of before its indentation is known.
private enum Piece {
  case text([UInt8])
  case interpolation(StringSegment)
  /// The start of a line: its blanks, and whether a line end of the text comes before it.
  case line(indent: [UInt8], offset: Int, newline: Bool)
}

extension Lexer {
  private static let quote = UInt8(ascii: "\"")
  private static let newline = UInt8(ascii: "\n")
  private static let backslash = UInt8(ascii: "\\")

  /// A `"""` string whose first quote is at the offset.
  mutating func multilineString(from start: Int, isRaw: Bool) -> TokenKind {
    offset += 3
    while isBlank(peek()) { offset += 1 }
    if offset < limit, peek() != Lexer.newline {
      fail("the text of a \"\"\" string begins on the line after the quotes", from: offset, to: offset + 1)
    } else {
      offset = min(offset + 1, limit)
    }
    var pieces: [Piece] = [lineStart(newline: false)]
    var text: [UInt8] = []
    func flush(_ text: inout [UInt8], _ pieces: inout [Piece]) {
      if !text.isEmpty { pieces.append(.text(text)) }
      text = []
    }
    while true {
      if offset >= limit {
        endsInsideString = true
        fail("this string is not closed", from: start, to: start + 3, hint: "close it with \"\"\" on a line of its own")
        break
      }
      let byte = bytes[offset]
      if byte == Lexer.quote, peek(1) == Lexer.quote, peek(2) == Lexer.quote { break }
      if byte == Lexer.newline || (byte == 13 && peek(1) == Lexer.newline) {
        flush(&text, &pieces)
        offset += byte == 13 ? 2 : 1
        pieces.append(lineStart(newline: true))
      } else if byte == Lexer.backslash, !isRaw, skipLineContinuation() {
        flush(&text, &pieces)
        pieces.append(lineStart(newline: false))
      } else if byte == Lexer.backslash, !isRaw {
        var segments: [StringSegment] = []
        escape(into: &text, segments: &segments, onOneLine: false)
        for segment in segments {
          switch segment {
          case .text(let part): pieces.append(.text(Array(part.utf8)))
          case .interpolation: pieces.append(.interpolation(segment))
          }
        }
      } else {
        text.append(byte)
        offset += 1
      }
    }
    flush(&text, &pieces)
    let closing = offset
    offset = min(offset + 3, limit)
    return .string(assemble(pieces, closing: closing))
  }

  private func isBlank(_ byte: UInt8) -> Bool { byte == 32 || byte == 9 || byte == 13 }

  private mutating func lineStart(newline: Bool) -> Piece {
    let start = offset
    while peek() == 32 || peek() == 9 { offset += 1 }
    return .line(indent: Array(bytes[start..<offset]), offset: start, newline: newline)
  }

  /// Skips a backslash at the end of a line with the line end; false where it is not one.
  private mutating func skipLineContinuation() -> Bool {
    var position = offset + 1
    while position < limit, isBlank(bytes[position]) { position += 1 }
    guard position < limit, bytes[position] == Lexer.newline else { return false }
    offset = position + 1
    return true
  }

  private mutating func assemble(_ pieces: [Piece], closing: Int) -> [StringSegment] {
    guard case .line(let margin, _, _)? = pieces.last else {
      if !endsInsideString {
        fail("the closing \"\"\" stands on a line of its own", from: closing, to: min(closing + 3, limit))
      }
      return []
    }
    var segments: [StringSegment] = []
    var text: [UInt8] = []
    for (index, piece) in pieces.dropLast().enumerated() {
      switch piece {
      case .text(let part): text += part
      case .interpolation(let segment):
        if !text.isEmpty { segments.append(.text(String(decoding: text, as: UTF8.self))) }
        text = []
        segments.append(segment)
      case .line(let indent, let lineOffset, let newline):
        if newline { text.append(Lexer.newline) }
        if indent.starts(with: margin) {
          text += indent.dropFirst(margin.count)
        } else if case .line(_, _, true) = pieces[index + 1] {
          continue
        } else {
          fail(
            "this line is indented less than the closing \"\"\"", from: lineOffset, to: lineOffset + indent.count + 1,
            hint: "the indentation of the closing quotes is taken off every line")
        }
      }
    }
    if !text.isEmpty { segments.append(.text(String(decoding: text, as: UTF8.self))) }
    return segments
  }
}
