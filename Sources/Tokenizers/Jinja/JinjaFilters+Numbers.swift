// Filters that give numbers, and the reading of numbers from text as Python's int() and float() do it.

extension JinjaFilters {
  static let numbers: [String: Filter] = [
    "abs": { interpreter, value, _ in
      if case .double(let number) = value { return .double(abs(number)) }
      guard let integer = value.integer else { throw TemplateError("bad operand type for abs(): '\(value.typeName)'") }
      return integer < 0 ? try interpreter.negated(value) : .int(integer)
    },
    "int": { interpreter, value, arguments in
      let given = try arguments.bound("int", ["default", "base"])
      let base = try argumentInteger("int", given[1]) ?? 10
      if case .undefined(let undefined) = value { throw TemplateError(undefined.message) }
      if let text = value.text, let number = parsedInteger(text, base: base) { return .int(number) }
      if let number = value.integer { return .int(number) }
      let number = value.text.map(parsedDouble) ?? value.number
      guard let number, let integer = Int(exactly: number.rounded(.towardZero)) else { return given[0] ?? .int(0) }
      return .int(integer)
    },
    "float": { _, value, arguments in
      let given = try arguments.bound("float", ["default"])
      if case .undefined(let undefined) = value { throw TemplateError(undefined.message) }
      guard let number = value.text.map(parsedDouble) ?? value.number else { return given[0] ?? .double(0) }
      return .double(number)
    },
    "round": { interpreter, value, arguments in
      let given = try arguments.bound("round", ["precision", "method"])
      return try rounded(interpreter, value, try argumentInteger("round", given[0]) ?? 0, given[1]?.text ?? "common")
    },
    "filesizeformat": { _, value, arguments in
      let isBinary = try arguments.bound("filesizeformat", ["binary"])[0]?.isTrue ?? false
      guard let bytes = value.text.map(parsedDouble) ?? value.number else {
        throw TemplateError("could not convert '\(value.typeName)' to a number")
      }
      return .string(fileSize(bytes, isBinary: isBinary))
    },
    "length": { interpreter, value, _ in .int(try interpreter.length(of: value)) },
    "count": { interpreter, value, _ in .int(try interpreter.length(of: value)) },
  ]

  /// `int(text, base)`, nil where Python raises.
  static func parsedInteger(_ text: String, base: Int) -> Int? {
    var digits = text.strippedPython()[...]
    guard base == 0 || (base >= 2 && base <= 36) else { return nil }
    let isNegative = digits.hasPrefix("-")
    if isNegative || digits.hasPrefix("+") { digits = digits.dropFirst() }
    var radix = base
    for (prefix, value) in [("0x", 16), ("0o", 8), ("0b", 2)] where digits.lowercased().hasPrefix(prefix) && (base == value || base == 0) {
      digits = digits.dropFirst(2)
      radix = value
      if digits.hasPrefix("_") { digits = digits.dropFirst() }
    }
    if radix == 0 { radix = 10 }
    guard hasSingleUnderscores(digits) else { return nil }
    let plain = digits.filter { $0 != "_" }
    guard !plain.isEmpty, plain.first != "+", plain.first != "-" else { return nil }
    return Int((isNegative ? "-" : "") + plain, radix: radix)
  }

  /// `float(text)`, nil where Python raises.
  static func parsedDouble(_ text: String) -> Double? {
    let digits = text.strippedPython()
    let bare = (digits.hasPrefix("-") || digits.hasPrefix("+") ? digits.dropFirst() : digits[...]).lowercased()
    let isNegative = digits.hasPrefix("-")
    switch bare {
    case "inf", "infinity": return isNegative ? -.infinity : .infinity
    case "nan": return .nan
    default: break
    }
    guard hasSingleUnderscores(digits[...]), digits.utf8.allSatisfy({ "0123456789.eE+-_".utf8.contains($0) }) else { return nil }
    return Double(digits.filter { $0 != "_" })
  }

  private static func hasSingleUnderscores(_ text: Substring) -> Bool {
    !text.hasPrefix("_") && !text.hasSuffix("_") && !text.contains("__")
  }

  private static func rounded(
    _ interpreter: JinjaInterpreter, _ value: JinjaValue, _ precision: Int, _ method: String
  ) throws -> JinjaValue {
    guard ["common", "ceil", "floor"].contains(method) else { throw TemplateError("method must be common, ceil or floor") }
    if case .undefined(let undefined) = value { throw TemplateError(undefined.message) }
    guard let number = value.number else { throw TemplateError("type \(value.typeName) doesn't define __round__ method") }
    if method == "common" {
      if let integer = value.integer, precision >= 0 { return .int(integer) }
      guard precision <= 300, precision >= -300, number.isFinite else { return value }
      if precision >= 0 { return .double(parsedDouble(formatted(number, "%.*f", precision: precision)) ?? number) }
      let unit = pythonPower(10, Double(-precision))
      let scaled = (number / unit).rounded(.toNearestOrEven) * unit
      return value.integer == nil ? .double(scaled) : .int(Int(exactly: scaled) ?? 0)
    }
    let scaled = number * pythonPower(10, Double(precision))
    let whole = scaled.rounded(method == "ceil" ? .up : .down)
    return .double(whole / pythonPower(10, Double(precision)))
  }

  private static func fileSize(_ bytes: Double, isBinary: Bool) -> String {
    let base: Double = isBinary ? 1024 : 1000
    if bytes == 1 { return "1 Byte" }
    if bytes < base { return "\(Int(exactly: bytes.rounded(.towardZero)) ?? 0) Bytes" }
    let prefixes = ["k", "M", "G", "T", "P", "E", "Z", "Y"]
    var unit = base * base
    for (index, prefix) in prefixes.enumerated() {
      if bytes < unit || index == prefixes.count - 1 {
        let name = isBinary ? prefix.uppercased() + "iB" : prefix + "B"
        return formatted(base * bytes / unit, "%.*f", precision: 1) + " " + name
      }
      unit *= base
    }
    return ""
  }
}
