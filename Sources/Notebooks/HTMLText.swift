// Text for HTML pages: characters that mean something there, and a terminal's colours as spans.

/// Text made fit for HTML.
public enum HTMLText {
  /// The text with `<`, `>`, `&` and quotes as references.
  public static func escaped(_ text: some StringProtocol) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "&": result += "&amp;"
      case "\"": result += "&quot;"
      case "\n", "\t": result.unicodeScalars.append(scalar)
      case "\u{0}"..<" ", "\u{7F}": result += "\u{FFFD}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// The text of a terminal without its escape codes.
  public static func withoutEscapes(_ text: String) -> String {
    guard text.utf8.contains(0x1B) else { return text }
    return pieces(of: text).map(\.text).joined()
  }

  /// The text of a terminal with its colours as spans.
  public static func coloured(_ text: String) -> String {
    guard text.utf8.contains(0x1B) else { return escaped(text) }
    return pieces(of: text).map { piece in
      piece.style.isEmpty ? escaped(piece.text) : "<span style=\"\(piece.style)\">\(escaped(piece.text))</span>"
    }.joined()
  }

  /// Stretches of one style.
  private static func pieces(of text: String) -> [(text: String, style: String)] {
    var result: [(String, String)] = []
    var style = TerminalStyle()
    var current = ""
    var scalars = text.unicodeScalars[...]
    while let scalar = scalars.popFirst() {
      guard scalar == "\u{1B}" else {
        current.unicodeScalars.append(scalar)
        continue
      }
      guard scalars.first == "[" else { continue }
      scalars.removeFirst()
      let body = scalars.prefix { !("@"..."~").contains($0) }
      scalars = scalars.dropFirst(body.count)
      guard scalars.popFirst() == "m" else { continue }
      if !current.isEmpty { result.append((current, style.css)) }
      current = ""
      style.apply(String(String.UnicodeScalarView(body)).split(separator: ";", omittingEmptySubsequences: false).map { Int($0) ?? 0 })
    }
    if !current.isEmpty { result.append((current, style.css)) }
    return result
  }
}

/// Colours and weight as escape codes set them.
private struct TerminalStyle {
  private var foreground: String?
  private var background: String?
  private var isBold = false
  private var isDim = false
  private var isItalic = false
  private var isUnderlined = false
  private var isReversed = false

  private static let named = [
    "#000000", "#cd3131", "#0a8a0a", "#949800", "#2472c8", "#bc3fbc", "#0598bc", "#8a8a8a", "#666666", "#f14c4c", "#23d18b", "#d8d800",
    "#3b8eea", "#d670d6", "#29b8db", "#c0c0c0",
  ]

  mutating func apply(_ codes: [Int]) {
    var rest = codes[...]
    while let code = rest.popFirst() {
      switch code {
      case 0: self = TerminalStyle()
      case 1: isBold = true
      case 2: isDim = true
      case 3: isItalic = true
      case 4: isUnderlined = true
      case 7: isReversed = true
      case 22: (isBold, isDim) = (false, false)
      case 23: isItalic = false
      case 24: isUnderlined = false
      case 27: isReversed = false
      case 30...37: foreground = Self.named[code - 30]
      case 90...97: foreground = Self.named[code - 82]
      case 40...47: background = Self.named[code - 40]
      case 100...107: background = Self.named[code - 92]
      case 38: foreground = Self.colour(&rest)
      case 48: background = Self.colour(&rest)
      case 39: foreground = nil
      case 49: background = nil
      default: break
      }
    }
  }

  /// `5;n` of the 256, or `2;r;g;b`.
  private static func colour(_ rest: inout ArraySlice<Int>) -> String? {
    switch rest.popFirst() {
    case 5?:
      guard let index = rest.popFirst() else { return nil }
      if (0..<16).contains(index) { return named[index] }
      if (16..<232).contains(index) {
        let levels = [0, 95, 135, 175, 215, 255]
        let cube = index - 16
        return "rgb(\(levels[cube / 36]),\(levels[cube / 6 % 6]),\(levels[cube % 6]))"
      }
      let grey = 8 + 10 * (min(max(index, 232), 255) - 232)
      return "rgb(\(grey),\(grey),\(grey))"
    case 2?:
      let parts = (0..<3).map { _ in min(max(rest.popFirst() ?? 0, 0), 255) }
      return "rgb(\(parts[0]),\(parts[1]),\(parts[2]))"
    default: return nil
    }
  }

  var css: String {
    var rules: [String] = []
    let (ink, paper) = isReversed ? (background ?? "#fff", foreground ?? "#222") : (foreground ?? "", background ?? "")
    if !ink.isEmpty { rules.append("color:\(ink)") }
    if !paper.isEmpty { rules.append("background:\(paper)") }
    if isBold { rules.append("font-weight:bold") }
    if isDim { rules.append("opacity:.6") }
    if isItalic { rules.append("font-style:italic") }
    if isUnderlined { rules.append("text-decoration:underline") }
    return rules.joined(separator: ";")
  }
}
