// Text that was copied from a session: prompts before what was typed, and output between.

/// A session as it stood on a screen.
public enum Transcript {
  /// A paste without the prompts of a session that it was copied from, and without that session's output.
  ///
  /// - Parameter isComplete: Whether a text is a whole cell; one that is not goes on in the lines that follow, which have no prompt.
  public static func pasted(_ text: String, isComplete: (String) -> Bool = { _ in true }) -> String {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard let mark = lines.first(where: { $0.contains { !$0.isWhitespace } }), promptEnd(mark) != nil else { return text }
    var kept: [String] = []
    var cell = ""
    var isOpen = false
    for line in lines {
      if let start = promptEnd(line) {
        cell = String(line[start...])
        kept.append(cell)
      } else if isOpen {
        cell += "\n" + line
        kept.append(String(line))
      } else {
        continue
      }
      isOpen = !isComplete(cell)
    }
    return kept.joined(separator: "\n")
  }

  /// Where the text after `zs[3]› ` begins, nil where a line does not begin so.
  private static func promptEnd(_ line: Substring) -> Substring.Index? {
    guard line.hasPrefix("zs["), let mark = line.firstIndex(of: "›"), line[..<mark].dropFirst(3).first?.isNumber ?? false else {
      return nil
    }
    let after = line.index(after: mark)
    return after < line.endIndex && line[after] == " " ? line.index(after: after) : after
  }
}
