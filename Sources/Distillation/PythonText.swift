// The text operations of the published pipelines, as Python has them: what `\s+`, `capitalize()` and `strip()` do there.

/// Runs of white space as one blank, none at the ends.
func collapsed(_ text: some StringProtocol) -> String {
  text.unicodeScalars.split { $0.properties.isWhitespace }.map { String(String.UnicodeScalarView($0)) }.joined(separator: " ")
}

/// Without white space at the ends.
func stripped(_ text: some StringProtocol) -> String {
  let scalars = text.unicodeScalars
  guard let first = scalars.firstIndex(where: { !$0.properties.isWhitespace }) else { return "" }
  let last = scalars.lastIndex { !$0.properties.isWhitespace } ?? first
  return String(String.UnicodeScalarView(scalars[first...last]))
}

/// The first character in upper case, **the rest in lower case**: "Name the USA" becomes "Name the usa", as in the published data.
func capitalized(_ text: String) -> String {
  guard let first = text.unicodeScalars.first else { return "" }
  return first.properties.titlecaseMapping + String(text.unicodeScalars.dropFirst()).lowercased()
}

/// The words that white space separates.
func wordCount(_ text: String) -> Int { text.unicodeScalars.split { $0.properties.isWhitespace }.count }

/// Text between the matches of a pattern, matched by Unicode scalars as Python does.
func pieces(of text: String, between pattern: some RegexComponent) -> [String] {
  let matches = text.matches(of: pattern.regex.matchingSemantics(.unicodeScalar))
  var pieces: [String] = []
  var start = text.startIndex
  for match in matches {
    pieces.append(String(text[start..<match.range.lowerBound]))
    start = match.range.upperBound
  }
  pieces.append(String(text[start...]))
  return pieces
}

/// Whether a word stands in a text, in any case, with no letter, digit or `_` beside it.
func holdsWord(_ word: String, _ text: String) -> Bool {
  let text = Array(text.lowercased().unicodeScalars)
  let word = Array(word.unicodeScalars)
  guard !word.isEmpty, text.count >= word.count else { return false }
  func isPart(_ scalar: Unicode.Scalar) -> Bool { scalar == "_" || scalar.properties.isAlphabetic || scalar.properties.numericType != nil }
  for start in 0...(text.count - word.count) where text[start..<start + word.count].elementsEqual(word) {
    let end = start + word.count
    if (start == 0 || !isPart(text[start - 1])) && (end == text.count || !isPart(text[end])) { return true }
  }
  return false
}
