// How many columns a text takes on a terminal: wide East Asian characters and emoji two, marks and joiners none,
// escape codes none.

/// The columns of a text on a terminal; escape codes take none.
public func columns(of text: String) -> Int {
  if text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) { return text.utf8.count }
  var total = 0
  var isEscape = false
  for character in text {
    if isEscape {
      if character.isLetter { isEscape = false }
      continue
    }
    if character == "\u{1B}" {
      isEscape = true
      continue
    }
    total += columns(of: character)
  }
  return total
}

/// The columns of one character as people see it.
func columns(of character: Character) -> Int {
  var widest = 0
  for scalar in character.unicodeScalars {
    if scalar == "\u{FE0F}" { return 2 }
    widest = max(widest, columns(of: scalar))
  }
  return widest
}

private func columns(of scalar: Unicode.Scalar) -> Int {
  let value = scalar.value
  if value < 0x20 || (0x7F..<0xA0).contains(value) { return 0 }
  if value < 0x300 { return 1 }
  switch scalar.properties.generalCategory {
  case .nonspacingMark, .enclosingMark, .format, .control: return 0
  default: break
  }
  let isWide = wideRanges.contains { $0.contains(value) }
  return isWide || scalar.properties.isEmojiPresentation ? 2 : 1
}

private let wideRanges: [ClosedRange<UInt32>] = [
  0x1100...0x115F, 0x2E80...0x303E, 0x3041...0x33FF, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xA000...0xA4CF, 0xA960...0xA97F, 0xAC00...0xD7A3,
  0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F900...0x1F9FF, 0x20000...0x3FFFD,
]

/// A text cut to a number of columns, with "…" where something was cut.
func clipped(_ text: String, to width: Int) -> String {
  if columns(of: text) <= width { return text }
  var result = ""
  var used = 0
  for character in text {
    let next = columns(of: character)
    if used + next > width - 1 { break }
    result.append(character)
    used += next
  }
  return result + "…"
}

/// A text filled with blanks to a number of columns.
func padded(_ text: String, to width: Int, right: Bool = false) -> String {
  let blanks = String(repeating: " ", count: max(0, width - columns(of: text)))
  return right ? blanks + text : text + blanks
}
