// Formats of interpolations and of `format`: Python's mini-language, [[fill]align][sign][#][0][width][,|_][.precision][type].

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A parsed format such as `.4f`, `>10`, `,d`, `+.1%`.
public struct FormatSpecification: Sendable {
  private var fill: Character = " "
  private var align: Character?
  private var sign: Character = "-"
  private var alternate = false
  private var width = 0
  private var grouping: Character?
  private var precision: Int?
  private var type: Character?

  private static let types = "bcdeEfFgGnosxX%"
  private static let largest = 10_000

  /// Reads a format; throws a `ZsError` that says what is wrong with it.
  public init(_ text: String) throws {
    let characters = Array(text)
    var index = 0
    func peek(_ distance: Int = 0) -> Character? { index + distance < characters.count ? characters[index + distance] : nil }
    func number() throws -> Int? {
      var value: Int?
      while let digit = peek(), let next = digit.wholeNumberValue, digit.isASCII {
        value = (value ?? 0) * 10 + next
        index += 1
        if let value, value > Self.largest {
          throw ZsError(message: "the format \"\(text)\" asks for more than \(Self.largest) characters")
        }
      }
      return value
    }
    let aligns: Set<Character> = ["<", ">", "^", "="]
    if let second = peek(1), aligns.contains(second) {
      fill = characters[0]
      align = second
      index = 2
    } else if let first = peek(), aligns.contains(first) {
      align = first
      index = 1
    }
    if let next = peek(), next == "+" || next == "-" || next == " " {
      sign = next
      index += 1
    }
    if peek() == "#" {
      alternate = true
      index += 1
    }
    if peek() == "0" {
      if align == nil { (fill, align) = ("0", "=") }
      index += 1
    }
    width = try number() ?? 0
    if let next = peek(), next == "," || next == "_" {
      grouping = next
      index += 1
    }
    if peek() == "." {
      index += 1
      guard let value = try number() else { throw Self.invalid(text) }
      precision = value
    }
    if let next = peek(), Self.types.contains(next) {
      type = next
      index += 1
    }
    guard index == characters.count else { throw Self.invalid(text) }
  }

  private static func invalid(_ text: String) -> ZsError {
    ZsError(
      message: "\"\(text)\" is no format", hint: "formats are written as in Python: \".2f\", \".4e\", \"d\", \"x\", \">10\", \",\", \".1%\""
    )
  }

  /// Writes a value in this format; throws where the type does not fit it.
  public func format(_ value: Value) throws -> String {
    switch value {
    case .int(let number): return try format(number)
    case .float(let number): return try format(number)
    case .object(let object):
      if type != nil && type != "s" || precision != nil, let number = Self.onlyNumber(try object.plain()) { return try format(number) }
      return try formatText(value)
    default: return try formatText(value)
    }
  }

  /// The number in `[[0.5]]`: an object of one element, such as a loss, is formatted as that.
  private static func onlyNumber(_ value: Value) -> Value? {
    if case .list(let elements) = value { return elements.count == 1 ? onlyNumber(elements[0]) : nil }
    return value.number == nil ? nil : value
  }

  private func formatText(_ value: Value) throws -> String {
    if let type, type != "s" {
      throw ZsError(kind: "type", message: "the format '\(type)' needs a number, not \(value.typeName)")
    }
    return pad(text: cut(value.printed))
  }

  private func cut(_ text: String) -> String {
    precision.map { String(text.prefix($0)) } ?? text
  }

  private func format(_ number: Int64) throws -> String {
    let digits: String
    var prefix = ""
    switch type {
    case nil, "d", "n": digits = group(String(number.magnitude), every: 3)
    case "b":
      digits = group(String(number.magnitude, radix: 2), every: 4)
      prefix = "0b"
    case "o":
      digits = group(String(number.magnitude, radix: 8), every: 4)
      prefix = "0o"
    case "x", "X":
      digits = group(String(number.magnitude, radix: 16, uppercase: type == "X"), every: 4)
      prefix = type == "X" ? "0X" : "0x"
    case "c":
      guard let scalar = UInt32(exactly: number).flatMap(Unicode.Scalar.init) else {
        throw ZsError(message: "\(number) is no character")
      }
      return pad(text: String(Character(scalar)))
    case "s": return pad(text: cut(String(number)))
    default: return try format(Double(number))
    }
    return pad(sign: signText(number < 0), digits: (alternate ? prefix : "") + digits)
  }

  private func format(_ number: Double) throws -> String {
    if let type, "bcdoxX".contains(type) {
      throw ZsError(kind: "type", message: "the format '\(type)' needs an int, not a float", hint: "int(x) cuts, round(x) rounds")
    }
    if type == "s" { return pad(text: cut(Value.source(of: number))) }
    let isNegative = number.sign == .minus && !number.isNaN
    if !number.isFinite {
      return pad(sign: signText(isNegative), digits: number.isNaN ? "nan" : "inf")
    }
    let magnitude = number.magnitude
    var digits: String
    switch type {
    case nil where precision == nil: digits = Value.source(of: magnitude)
    case nil:
      digits = print(magnitude, "g", precision ?? 6)
      if !digits.contains(where: { $0 == "." || $0 == "e" }) { digits += ".0" }
    case "%": digits = print(magnitude * 100, "f", precision ?? 6) + "%"
    case "n": digits = print(magnitude, "g", precision ?? 6)
    default: digits = print(magnitude, type ?? "g", precision ?? 6)
    }
    let whole = digits.prefix { $0.isNumber }
    if grouping != nil { digits = group(String(whole), every: 3) + digits.dropFirst(whole.count) }
    return pad(sign: signText(isNegative), digits: digits)
  }

  /// C's conversion of a finite number.
  private func print(_ number: Double, _ conversion: Character, _ precision: Int) -> String {
    let pattern = "%\(alternate ? "#" : "").\(precision)\(conversion)"
    return withVaList([number]) { arguments in
      // 310 digits before the point, the precision after it, and signs, exponents and marks.
      var buffer = [CChar](repeating: 0, count: 400 + precision)
      let length = vsnprintf(&buffer, buffer.count, pattern, arguments)
      let used = buffer.prefix(max(0, min(Int(length), buffer.count - 1)))
      return String(decoding: used.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
  }

  private func signText(_ isNegative: Bool) -> String {
    isNegative ? "-" : sign == "-" ? "" : String(sign)
  }

  private func group(_ digits: String, every size: Int) -> String {
    guard let grouping else { return digits }
    var result = ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index).isMultiple(of: size) { result.append(grouping) }
      result.append(digit)
    }
    return result
  }

  private func pad(text: String) -> String { pad(sign: "", digits: text, align: align == "=" ? "<" : align ?? "<") }

  private func pad(sign: String, digits: String) -> String { pad(sign: sign, digits: digits, align: align ?? ">") }

  private func pad(sign: String, digits: String, align: Character) -> String {
    let missing = width - TextWidth.of(sign + digits)
    guard missing > 0 else { return sign + digits }
    func padding(_ count: Int) -> String { String(repeating: fill, count: count) }
    switch align {
    case "<": return sign + digits + padding(missing)
    case "^": return padding(missing / 2) + sign + digits + padding(missing - missing / 2)
    case "=": return sign + padding(missing) + digits
    default: return padding(missing) + sign + digits
    }
  }
}
