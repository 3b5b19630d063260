// `"%s" % value` and `"{}".format(value)`: Python's two ways to put values into a text.

/// How a value is laid out in a field.
struct JinjaFieldFormat {
  var fill = " "
  var alignment: Unicode.Scalar?
  var sign: Unicode.Scalar = "-"
  var isAlternate = false
  var width = 0
  var grouping: String?
  var precision: Int?
  var type: Unicode.Scalar = "s"
}

extension JinjaInterpreter {
  private static let widest = 10_000

  // MARK: Percent

  /// The value of `format % operand`.
  func formatPercent(_ value: JinjaValue, _ format: String, _ operand: JinjaValue) throws -> JinjaValue {
    var positional: [JinjaValue] = [operand]
    if case .tuple(let sequence) = operand { positional = sequence.items }
    var used = 0
    var usedKeys = false
    var output = ""
    var rest = Array(format.unicodeScalars)[...]
    func next() throws -> JinjaValue {
      guard used < positional.count else { throw TemplateError("not enough arguments for format string") }
      defer { used += 1 }
      return positional[used]
    }
    while let scalar = rest.popFirst() {
      guard scalar == "%" else {
        output.unicodeScalars.append(scalar)
        continue
      }
      if rest.first == "%" {
        rest.removeFirst()
        output += "%"
        continue
      }
      var keyed: JinjaValue?
      if rest.first == "(" {
        guard let end = rest.firstIndex(of: ")") else { throw TemplateError("incomplete format key") }
        guard case .dictionary(let dictionary) = operand else { throw TemplateError("format requires a mapping") }
        let key = Self.text(rest[(rest.startIndex + 1)..<end])
        guard let found = dictionary[.text(JinjaText(key))] else { throw TemplateError(pythonRepr(key)) }
        keyed = found
        usedKeys = true
        rest = rest[(end + 1)...]
      }
      let field = try percentField(&rest) { try next() }
      let text = try formatted(try keyed ?? next(), field, isPercent: true, escapes: value)
      output += try spend(text: text)
    }
    if !usedKeys && used < positional.count {
      if case .dictionary = operand { return value.withText(output) }
      throw TemplateError("not all arguments converted during string formatting")
    }
    return value.withText(try spend(text: output))
  }

  private static func text(_ scalars: ArraySlice<Unicode.Scalar>) -> String {
    var view = String.UnicodeScalarView()
    view.append(contentsOf: scalars)
    return String(view)
  }

  private func percentField(
    _ rest: inout ArraySlice<Unicode.Scalar>, _ next: () throws -> JinjaValue
  ) throws -> JinjaFieldFormat {
    var field = JinjaFieldFormat(alignment: ">")
    while let flag = rest.first, "#0- +".unicodeScalars.contains(flag) {
      rest.removeFirst()
      switch flag {
      case "#": field.isAlternate = true
      case "-": field.alignment = "<"
      case "0":
        if field.alignment != "<" {
          field.fill = "0"
          field.alignment = "="
        }
      case "+": field.sign = "+"
      default: if field.sign != "+" { field.sign = " " }
      }
    }
    field.width = try number(&rest, next) ?? 0
    if rest.first == "." {
      rest.removeFirst()
      field.precision = try number(&rest, next) ?? 0
    }
    while let size = rest.first, "hlL".unicodeScalars.contains(size) { rest.removeFirst() }
    guard let type = rest.popFirst() else { throw TemplateError("incomplete format") }
    guard "diouxXeEfFgGcrsa".unicodeScalars.contains(type) else {
      throw TemplateError("unsupported format character \(pythonRepr(String(type)))")
    }
    field.type = "iu".unicodeScalars.contains(type) ? "d" : type
    return field
  }

  private func number(_ rest: inout ArraySlice<Unicode.Scalar>, _ next: () throws -> JinjaValue) throws -> Int? {
    if rest.first == "*" {
      rest.removeFirst()
      return try checkedWidth(try next().integer ?? 0)
    }
    var digits = ""
    while let digit = rest.first, digit.value >= 0x30, digit.value <= 0x39 {
      digits.unicodeScalars.append(digit)
      rest.removeFirst()
    }
    return digits.isEmpty ? nil : try checkedWidth(Int(digits) ?? .max)
  }

  private func checkedWidth(_ width: Int) throws -> Int {
    if width > Self.widest { throw TemplateError("a field \(width) wide is too wide") }
    return max(0, width)
  }

  // MARK: Braces

  /// The value of `format.format(arguments)`.
  func formatBraces(_ format: String, _ arguments: JinjaArguments) throws -> String {
    var automatic = 0
    return try formatBraces(Array(format.unicodeScalars), arguments, &automatic, depth: 0)
  }

  private func formatBraces(
    _ format: [Unicode.Scalar], _ arguments: JinjaArguments, _ automatic: inout Int, depth: Int
  ) throws -> String {
    if depth > 1 { throw TemplateError("Max string recursion exceeded") }
    var output = ""
    var index = 0
    while index < format.count {
      let scalar = format[index]
      let isDoubled = index + 1 < format.count && format[index + 1] == scalar
      if (scalar == "{" || scalar == "}") && isDoubled {
        output.unicodeScalars.append(scalar)
        index += 2
      } else if scalar == "}" {
        throw TemplateError("Single '}' encountered in format string")
      } else if scalar == "{" {
        guard let end = closing(format, index) else {
          throw TemplateError(index + 1 < format.count ? "expected '}' before end of string" : "Single '{' encountered in format string")
        }
        output += try spend(text: try replacement(Array(format[(index + 1)..<end]), arguments, &automatic, depth))
        index = end + 1
      } else {
        output.unicodeScalars.append(scalar)
        index += 1
      }
    }
    return try spend(text: output)
  }

  private func closing(_ format: [Unicode.Scalar], _ start: Int) -> Int? {
    var depth = 0
    for index in start..<format.count {
      if format[index] == "{" { depth += 1 }
      if format[index] == "}" {
        depth -= 1
        if depth == 0 { return index }
      }
    }
    return nil
  }

  private func replacement(
    _ field: [Unicode.Scalar], _ arguments: JinjaArguments, _ automatic: inout Int, _ depth: Int
  ) throws -> String {
    let nameEnd = field.firstIndex { $0 == "!" || $0 == ":" } ?? field.count
    var value = try fieldValue(Self.text(field[..<nameEnd]), arguments, &automatic)
    var rest = field[nameEnd...]
    if rest.first == "!" {
      guard rest.count > 1 else { throw TemplateError("end of string while looking for conversion specifier") }
      let conversion = rest[rest.startIndex + 1]
      switch conversion {
      case "r", "a": value = .string(try repr(value))
      case "s": value = .string(try string(value))
      default: throw TemplateError("Unknown conversion specifier \(conversion)")
      }
      rest = rest.dropFirst(2)
    }
    guard rest.first == ":" else { return try string(value) }
    let specification = try formatBraces(Array(rest.dropFirst()), arguments, &automatic, depth: depth + 1)
    if specification.isEmpty { return try string(value) }
    return try formatted(value, try braceField(specification, value), isPercent: false, escapes: .none)
  }

  private func fieldValue(_ path: String, _ arguments: JinjaArguments, _ automatic: inout Int) throws -> JinjaValue {
    let scalars = Array(path.unicodeScalars)
    var index = scalars.firstIndex { $0 == "." || $0 == "[" } ?? scalars.count
    let first = Self.text(scalars[..<index])
    var value: JinjaValue
    if first.isEmpty || Int(first) != nil {
      let place = Int(first) ?? automatic
      if first.isEmpty { automatic += 1 }
      guard place >= 0 && place < arguments.positional.count else {
        throw TemplateError("Replacement index \(place) out of range for positional args tuple")
      }
      value = arguments.positional[place]
    } else {
      guard let found = arguments.keyword(first) else { throw TemplateError(pythonRepr(first)) }
      value = found
    }
    while index < scalars.count {
      if scalars[index] == "." {
        let end = scalars[(index + 1)...].firstIndex { $0 == "." || $0 == "[" } ?? scalars.count
        value = try attribute(Self.text(scalars[(index + 1)..<end]), of: value)
        index = end
      } else {
        guard scalars[index] == "[" else { throw TemplateError("Only '.' or '[' may follow ']' in format field specifier") }
        guard let end = scalars[index...].firstIndex(of: "]") else { throw TemplateError("Missing ']' in format string") }
        let key = Self.text(scalars[(index + 1)..<end])
        value = try item(Int(key).map { .int($0) } ?? .string(key), of: value)
        index = end + 1
      }
    }
    return value
  }

  private func braceField(_ specification: String, _ value: JinjaValue) throws -> JinjaFieldFormat {
    var field = JinjaFieldFormat()
    var rest = Array(specification.unicodeScalars)[...]
    if rest.count > 1, "<>=^".unicodeScalars.contains(rest[rest.startIndex + 1]) {
      field.fill = String(rest.removeFirst())
      field.alignment = rest.removeFirst()
    } else if let alignment = rest.first, "<>=^".unicodeScalars.contains(alignment) {
      field.alignment = rest.removeFirst()
    }
    if let sign = rest.first, "+- ".unicodeScalars.contains(sign) { field.sign = rest.removeFirst() }
    if rest.first == "#" {
      rest.removeFirst()
      field.isAlternate = true
    }
    if rest.first == "0" && field.alignment == nil {
      field.fill = "0"
      field.alignment = value.text == nil ? "=" : "<"
    }
    field.width = try number(&rest) { .int(0) } ?? 0
    if let grouping = rest.first, grouping == "," || grouping == "_" { field.grouping = String(rest.removeFirst()) }
    if rest.first == "." {
      rest.removeFirst()
      guard let precision = try number(&rest, { .int(0) }) else { throw TemplateError("Format specifier missing precision") }
      field.precision = precision
    }
    if rest.count > 1 { throw TemplateError("Invalid format specifier '\(specification)'") }
    field.type = rest.first ?? (value.text != nil ? "s" : value.integer != nil ? "d" : "\0")
    return field
  }

  // MARK: Fields

  private func formatted(_ value: JinjaValue, _ field: JinjaFieldFormat, isPercent: Bool, escapes owner: JinjaValue) throws -> String {
    switch field.type {
    case "s", "r", "a":
      var text = field.type == "s" ? try string(value) : try repr(value)
      if case .markup = owner { text = escaped(value, text) }
      if let precision = field.precision { text = Self.text(Array(text.unicodeScalars).prefix(precision)) }
      var padded = field
      if padded.alignment == "=" || padded.alignment == nil { padded.alignment = isPercent ? ">" : "<" }
      if isPercent { padded.fill = " " }
      return try pad("", text, padded)
    case "c":
      if let text = value.text, text.unicodeScalars.count == 1 { return try pad("", text, field) }
      guard let code = value.integer, let scalar = UInt32(exactly: code).flatMap(Unicode.Scalar.init) else {
        throw TemplateError("%c requires int or char")
      }
      return try pad("", String(scalar), field)
    default: return try formattedNumber(value, field, isPercent: isPercent)
    }
  }

  private func formattedNumber(_ value: JinjaValue, _ field: JinjaFieldFormat, isPercent: Bool) throws -> String {
    guard let number = value.number else {
      if case .undefined(let undefined) = value { throw TemplateError(undefined.message) }
      throw TemplateError(
        isPercent
          ? "%\(field.type) format: a real number is required, not \(value.typeName)"
          : "Unknown format code '\(field.type)' for object of type '\(value.typeName)'")
    }
    var digits: String
    switch field.type {
    case "d", "n", "x", "X", "o", "b": digits = try wholeDigits(value, number, field, isPercent)
    case "e", "E", "f", "F", "g", "G", "%", "\0": digits = floatDigits(number.magnitude, field)
    default: throw TemplateError("Unknown format code '\(field.type)' for object of type '\(value.typeName)'")
    }
    if let grouping = field.grouping { digits = grouped(digits, grouping) }
    let isNegative = number.sign == .minus && !number.isNaN
    return try pad(isNegative ? "-" : field.sign == "-" ? "" : String(field.sign), digits, field)
  }

  private func wholeDigits(_ value: JinjaValue, _ number: Double, _ field: JinjaFieldFormat, _ isPercent: Bool) throws -> String {
    guard let integer = value.integer ?? (isPercent && field.type == "d" ? Int(exactly: number.rounded(.towardZero)) : nil) else {
      throw TemplateError("%\(field.type) format: an integer is required, not \(value.typeName)")
    }
    let radix = field.type == "d" || field.type == "n" ? 10 : field.type == "o" ? 8 : field.type == "b" ? 2 : 16
    var digits = String(integer.magnitude, radix: radix, uppercase: field.type == "X")
    if isPercent, let precision = field.precision { digits = String(repeating: "0", count: max(0, precision - digits.count)) + digits }
    return field.isAlternate && radix != 10 ? "0\(field.type)" + digits : digits
  }

  private func floatDigits(_ number: Double, _ field: JinjaFieldFormat) -> String {
    if !number.isFinite { return "EFG".unicodeScalars.contains(field.type) ? pythonRepr(number).uppercased() : pythonRepr(number) }
    let precision = field.precision ?? 6
    switch field.type {
    case "%": return Tokenizers.formatted(number * 100, "%.*f", precision: precision) + "%"
    case "\0":
      guard let precision = field.precision else { return pythonRepr(number) }
      return Tokenizers.formatted(number, "%.*g", precision: precision)
    default: return Tokenizers.formatted(number, "%\(field.isAlternate ? "#" : "").*\(field.type)", precision: precision)
    }
  }

  private func grouped(_ digits: String, _ separator: String) -> String {
    let point = digits.firstIndex { $0 == "." || $0 == "e" || $0 == "%" } ?? digits.endIndex
    let whole = Array(digits[..<point])
    var output = ""
    for (index, digit) in whole.enumerated() {
      if index > 0 && (whole.count - index) % 3 == 0 { output += separator }
      output.append(digit)
    }
    return output + digits[point...]
  }

  private func pad(_ sign: String, _ body: String, _ field: JinjaFieldFormat) throws -> String {
    let total = max(0, field.width - sign.unicodeScalars.count - body.unicodeScalars.count)
    let blanks = { (count: Int) in String(repeating: field.fill, count: count) }
    try spend(total / 64)
    switch field.alignment ?? ">" {
    case "<": return sign + body + blanks(total)
    case "=": return sign + blanks(total) + body
    case "^": return blanks(total / 2) + sign + body + blanks(total - total / 2)
    default: return blanks(total) + sign + body
    }
  }
}
