// Strings as Python's str has them: by code point, with its white space, its repr, its way of writing numbers.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// White space as `str.isspace` and `\s` have it.
func isPythonSpace(_ scalar: Unicode.Scalar) -> Bool {
  if scalar.value < 128 { return (scalar.value >= 9 && scalar.value <= 13) || (scalar.value >= 0x1C && scalar.value <= 0x20) }
  return scalar.properties.isWhitespace
}

/// What `str.isprintable` says of a character.
func isPythonPrintable(_ scalar: Unicode.Scalar) -> Bool {
  if scalar.value < 128 { return scalar.value >= 0x20 && scalar.value < 0x7F }
  switch scalar.properties.generalCategory {
  case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator, .spaceSeparator: return false
  default: return true
  }
}

/// `repr` of a string.
func pythonRepr(_ text: String) -> String {
  let quote: Unicode.Scalar = text.utf8.contains(0x27) && !text.utf8.contains(0x22) ? "\"" : "'"
  var output = String.UnicodeScalarView()
  output.append(quote)
  for scalar in text.unicodeScalars {
    switch scalar {
    case quote, "\\":
      output.append("\\")
      output.append(scalar)
    case "\n": output.append(contentsOf: "\\n".unicodeScalars)
    case "\r": output.append(contentsOf: "\\r".unicodeScalars)
    case "\t": output.append(contentsOf: "\\t".unicodeScalars)
    case _ where isPythonPrintable(scalar): output.append(scalar)
    default:
      let digits = scalar.value < 0x100 ? 2 : scalar.value < 0x10000 ? 4 : 8
      let mark = digits == 2 ? "\\x" : digits == 4 ? "\\u" : "\\U"
      output.append(contentsOf: (mark + hexadecimal(scalar.value, digits: digits)).unicodeScalars)
    }
  }
  output.append(quote)
  return String(output)
}

/// A number in hexadecimal with leading zeros.
func hexadecimal(_ value: UInt32, digits: Int) -> String {
  let text = String(value, radix: 16)
  return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
}

/// `repr` of a float: the shortest digits that give it back, with an exponent below 1e-4 and from 1e16.
func pythonRepr(_ value: Double) -> String {
  if value.isNaN { return "nan" }
  if value.isInfinite { return value < 0 ? "-inf" : "inf" }
  if value == 0 { return value.sign == .minus ? "-0.0" : "0.0" }
  var digits: [UInt8] = []
  var exponent = 0
  var seenPoint = false
  var rest = "\(value.magnitude)".utf8[...]
  while let byte = rest.popFirst() {
    if byte == 0x2E {
      seenPoint = true
    } else if byte == 0x65 {
      exponent += Int(String(decoding: rest, as: UTF8.self)) ?? 0
      break
    } else {
      digits.append(byte)
      if seenPoint { exponent -= 1 }
    }
  }
  while digits.count > 1, digits.first == 0x30 { digits.removeFirst() }
  while digits.count > 1, digits.last == 0x30 {
    digits.removeLast()
    exponent += 1
  }
  return (value < 0 ? "-" : "") + decimal(digits, exponent: exponent)
}

private func decimal(_ digits: [UInt8], exponent: Int) -> String {
  let text = String(decoding: digits, as: UTF8.self)
  let point = digits.count + exponent  // places before the decimal point
  if point > 16 || point < -3 {
    let magnitude = abs(point - 1)
    let fraction = digits.count > 1 ? "." + text.dropFirst() : ""
    return "\(text.prefix(1))\(fraction)e\(point - 1 < 0 ? "-" : "+")\(magnitude < 10 ? "0" : "")\(magnitude)"
  }
  if point <= 0 { return "0." + String(repeating: "0", count: -point) + text }
  if exponent >= 0 { return text + String(repeating: "0", count: exponent) + ".0" }
  return "\(text.prefix(point)).\(text.dropFirst(point))"
}

/// A float by a C format with one `*` for the precision.
func formatted(_ value: Double, _ format: String, precision: Int) -> String {
  withVaList([Int32(truncatingIfNeeded: precision), value]) { list in
    var buffer = [CChar](repeating: 0, count: 400 + max(0, precision))
    let count = vsnprintf(&buffer, buffer.count, format, list)
    return String(decoding: buffer.prefix(max(0, Int(count))).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

/// Where `needle` occurs, not overlapping: Knuth, Morris and Pratt's search, linear whatever the texts are.
func occurrences(of needle: [UInt8], in text: [UInt8], limit: Int) -> [Int] {
  guard !needle.isEmpty, text.count >= needle.count, limit > 0 else { return [] }
  var fallback = [Int](repeating: 0, count: needle.count)
  var matched = 0
  for index in 1..<needle.count {
    while matched > 0 && needle[index] != needle[matched] { matched = fallback[matched - 1] }
    if needle[index] == needle[matched] { matched += 1 }
    fallback[index] = matched
  }
  var places: [Int] = []
  matched = 0
  for (index, byte) in text.enumerated() {
    while matched > 0 && byte != needle[matched] { matched = fallback[matched - 1] }
    if byte == needle[matched] { matched += 1 }
    guard matched == needle.count else { continue }
    places.append(index + 1 - needle.count)
    if places.count == limit { break }
    matched = 0
  }
  return places
}

extension String {
  /// Without white space, or without the characters of `set`, at its ends.
  func strippedPython(left: Bool = true, right: Bool = true, _ set: String? = nil) -> String {
    var text = unicodeScalars[...]
    let marks = set.map { Set($0.unicodeScalars) }
    let goes = { (scalar: Unicode.Scalar) in marks?.contains(scalar) ?? isPythonSpace(scalar) }
    if left { while let first = text.first, goes(first) { text.removeFirst() } }
    if right { while let last = text.last, goes(last) { text.removeLast() } }
    return String(text)
  }

  /// Places in UTF-8 where `needle` begins, not overlapping, at most `limit`.
  func places(of needle: String, limit: Int = .max) -> [Int] {
    occurrences(of: Array(needle.utf8), in: Array(utf8), limit: limit)
  }

  /// Cut at each place of a separator, at most `limit` times from the left or from the right.
  func splitPython(_ separator: String, limit: Int, fromRight: Bool = false) -> [String] {
    let bytes = Array(utf8)
    var places = places(of: separator, limit: fromRight || limit < 0 ? .max : limit)
    if fromRight { places = placesFromRight(of: separator, limit: limit < 0 ? .max : limit) }
    var parts: [String] = []
    var start = 0
    for place in places {
      parts.append(String(decoding: bytes[start..<place], as: UTF8.self))
      start = place + separator.utf8.count
    }
    parts.append(String(decoding: bytes[start...], as: UTF8.self))
    return parts
  }

  private func placesFromRight(of needle: String, limit: Int) -> [Int] {
    let count = utf8.count - needle.utf8.count
    return occurrences(of: Array(needle.utf8.reversed()), in: Array(utf8.reversed()), limit: limit).map { count - $0 }.reversed()
  }

  /// Cut at runs of white space, at most `limit` times from the left or from the right.
  func splitAtBlanks(limit: Int, fromRight: Bool = false) -> [String] {
    var parts: [String] = []
    var rest = unicodeScalars[...]
    if fromRight {
      while true {
        while let last = rest.last, isPythonSpace(last) { rest.removeLast() }
        if rest.isEmpty { return parts.reversed() }
        if limit >= 0 && parts.count == limit { return [String(rest)] + parts.reversed() }
        let cut = rest.lastIndex(where: isPythonSpace).map { rest.index(after: $0) } ?? rest.startIndex
        parts.append(String(rest[cut...]))
        rest = rest[..<cut]
      }
    }
    while true {
      rest = rest.drop(while: isPythonSpace)
      if rest.isEmpty { return parts }
      if limit >= 0 && parts.count == limit { return parts + [String(rest)] }
      let cut = rest.firstIndex(where: isPythonSpace) ?? rest.endIndex
      parts.append(String(rest[..<cut]))
      rest = rest[cut...]
    }
  }

  /// Lines as `str.splitlines` cuts them.
  func linesPython(keepsEnds: Bool = false) -> [String] {
    var lines: [String] = []
    var line = String.UnicodeScalarView()
    let scalars = Array(unicodeScalars)
    var index = 0
    while index < scalars.count {
      let scalar = scalars[index]
      index += 1
      guard "\n\r\u{0B}\u{0C}\u{1C}\u{1D}\u{1E}\u{85}\u{2028}\u{2029}".unicodeScalars.contains(scalar) else {
        line.append(scalar)
        continue
      }
      if keepsEnds { line.append(scalar) }
      if scalar == "\r", index < scalars.count, scalars[index] == "\n" {
        if keepsEnds { line.append("\n") }
        index += 1
      }
      lines.append(String(line))
      line = String.UnicodeScalarView()
    }
    if !line.isEmpty { lines.append(String(line)) }
    return lines
  }

  /// All of `old` replaced by `new`, at most `limit` times.
  func replacedPython(_ old: String, _ new: String, limit: Int) -> String {
    if old.isEmpty {
      var output = String.UnicodeScalarView()
      var left = limit < 0 ? Int.max : limit
      for scalar in unicodeScalars {
        if left > 0 {
          output.append(contentsOf: new.unicodeScalars)
          left -= 1
        }
        output.append(scalar)
      }
      if left > 0 { output.append(contentsOf: new.unicodeScalars) }
      return String(output)
    }
    return splitPython(old, limit: limit).joined(separator: new)
  }

  /// First character in title case, the others in lower case.
  func capitalizedPython() -> String {
    guard let first = unicodeScalars.first else { return "" }
    return first.properties.titlecaseMapping + String(unicodeScalars.dropFirst()).lowercasedPython()
  }

  /// Lower case, with the form that a sigma takes at the end of a word.
  func lowercasedPython() -> String {
    guard unicodeScalars.contains("\u{3A3}") else { return lowercased() }
    let scalars = Array(unicodeScalars)
    var output = ""
    for (index, scalar) in scalars.enumerated() {
      guard scalar == "\u{3A3}" else {
        output += scalar.properties.lowercaseMapping
        continue
      }
      let before = scalars[..<index].last { !$0.properties.isCaseIgnorable }
      let after = scalars[(index + 1)...].first { !$0.properties.isCaseIgnorable }
      let isFinal = before?.properties.isCased == true && after?.properties.isCased != true
      output += isFinal ? "\u{3C2}" : "\u{3C3}"
    }
    return output
  }

  /// Every word capitalized, as `str.title` sees words.
  func titlecasedPython() -> String {
    var output = ""
    var followsCased = false
    for scalar in unicodeScalars {
      output += followsCased ? scalar.properties.lowercaseMapping : scalar.properties.titlecaseMapping
      followsCased = scalar.properties.isCased
    }
    return output
  }
}
