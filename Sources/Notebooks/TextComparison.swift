// Whether two outputs say the same: words are compared as they are, numbers within a tolerance, and how columns are padded
// does not matter. A line that begins with ~ changes from run to run and is left out.

/// A comparison of outputs.
public struct TextComparison: Sendable {
  /// Tolerance relative to the recorded number.
  public var relative: Double
  /// Absolute tolerance.
  public var absolute: Double

  /// A comparison; numbers agree when |new − old| ≤ absolute + relative · |old|.
  public init(relative: Double = 1e-4, absolute: Double = 1e-6) {
    self.relative = relative
    self.absolute = absolute
  }

  /// The first lines that differ, nil where the texts say the same.
  public func difference(_ old: String, _ new: String) -> (old: String, new: String)? {
    let a = lines(old)
    let b = lines(new)
    for index in 0..<max(a.count, b.count) {
      let left = index < a.count ? a[index] : nil
      let right = index < b.count ? b[index] : nil
      if let left, let right, agree(left, right) { continue }
      return (left.map(String.init) ?? "(nothing)", right.map(String.init) ?? "(nothing)")
    }
    return nil
  }

  private func lines(_ text: String) -> [Substring] {
    text.split(separator: "\n").filter { line in
      let start = line.drop { $0 == " " }
      return !start.isEmpty && !start.hasPrefix("~")
    }
  }

  private func agree(_ left: Substring, _ right: Substring) -> Bool {
    if left == right { return true }
    let a = TextComparison.pieces(left)
    let b = TextComparison.pieces(right)
    guard a.count == b.count else { return false }
    return zip(a, b).allSatisfy { old, new in
      switch (old, new) {
      case (.word(let x), .word(let y)): x == y
      case (.number(let x, _), .number(let y, _)):
        x == y || (x.isNaN && y.isNaN) || abs(x - y) <= absolute + relative * abs(x)
      default: false
      }
    }
  }

  private enum Piece {
    case word(Substring)
    case number(Double, Substring)
  }

  /// Words and numbers of a line; rules and blanks between columns are none.
  private static func pieces(_ line: Substring) -> [Piece] {
    var pieces: [Piece] = []
    var rest = line
    while let first = rest.first {
      if first == " " || first == "\t" || first == "─" {
        rest.removeFirst()
        continue
      }
      let isAfterName = pieces.last.map { piece in
        if case .word(let word) = piece, word.endIndex == rest.startIndex { return word.last.map { $0.isLetter || $0 == "_" } ?? false }
        return false
      }
      if isAfterName != true, let (number, text) = self.number(rest) {
        pieces.append(.number(number, text))
        rest = rest[text.endIndex...]
        continue
      }
      let word = first.isLetter || first.isNumber || first == "_" ? rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" } : rest.prefix(1)
      pieces.append(.word(word))
      rest = rest[word.endIndex...]
    }
    return pieces
  }

  /// The number that a text begins with: a sign, digits, a fraction, an exponent.
  private static func number(_ text: Substring) -> (Double, Substring)? {
    let bytes = text.utf8
    var index = bytes.startIndex
    func digits() -> Int {
      let start = index
      while index < bytes.endIndex, (48...57).contains(bytes[index]) { index = bytes.index(after: index) }
      return bytes.distance(from: start, to: index)
    }
    func at(_ byte: UInt8) -> Bool { index < bytes.endIndex && bytes[index] == byte }
    if at(UInt8(ascii: "-")) || at(UInt8(ascii: "+")) { index = bytes.index(after: index) }
    guard digits() > 0 else { return nil }
    var end = index
    if at(UInt8(ascii: ".")) {
      index = bytes.index(after: index)
      if digits() > 0 { end = index }
    }
    index = end
    if at(UInt8(ascii: "e")) || at(UInt8(ascii: "E")) {
      index = bytes.index(after: index)
      if at(UInt8(ascii: "-")) || at(UInt8(ascii: "+")) { index = bytes.index(after: index) }
      if digits() > 0 { end = index }
    }
    let piece = text[..<end]
    return Double(piece.first == "+" ? piece.dropFirst() : piece).map { ($0, piece) }
  }
}
