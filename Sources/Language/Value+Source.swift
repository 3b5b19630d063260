// A value written as zs source, whole and on one line.

extension Value {
  /// The value as one would write it in a program; functions and objects by name, what is nested very deeply as `…`.
  public var source: String {
    var text = ""
    appendSource(to: &text, depth: 0)
    return text
  }

  private func appendSource(to text: inout String, depth: Int) {
    switch self {
    case .list(let values):
      guard depth < 500 else { return text += "[…]" }
      text += "["
      for (index, value) in values.enumerated() {
        if index > 0 { text += ", " }
        value.appendSource(to: &text, depth: depth + 1)
      }
      text += "]"
    case .map(let map):
      guard depth < 500 else { return text += "{…}" }
      text += "{"
      for (index, (key, value)) in map.elements.enumerated() {
        if index > 0 { text += ", " }
        text += Value.key(key) + ": "
        value.appendSource(to: &text, depth: depth + 1)
      }
      text += "}"
    default: text += atomSource
    }
  }

  private var atomSource: String {
    switch self {
    case .none, .list, .map: "none"
    case .bool(let value): value ? "true" : "false"
    case .int(let value): String(value)
    case .float(let value): Value.source(of: value)
    case .string(let value): Value.quote(value)
    case .range(let range):
      range.step == 1
        ? "\(range.lower)\(range.isClosed ? "..." : "..<")\(range.upper)"
        : "range(\(range.lower), \(range.isClosed ? range.upper &+ range.step.signum() : range.upper), \(range.step))"
    case .function(let function): function.name
    case .object(let object): object.display(DisplayOptions(plain: true))
    }
  }

  /// A float as Python writes it: shortest digits that read back, always with a point or an exponent.
  static func source(of number: Double) -> String {
    if number.isNaN { return "nan" }
    if number.isInfinite { return number < 0 ? "-inf" : "inf" }
    return "\(number)"
  }

  static func key(_ key: String) -> String {
    guard let first = key.unicodeScalars.first, first == "_" || first.properties.isXIDStart,
      key.unicodeScalars.allSatisfy({ $0.properties.isXIDContinue })
    else { return quote(key) }
    return key
  }

  /// A string between quotes, escaped so that it reads back.
  static func quote(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      case "\r": result += "\\r"
      case "\0": result += "\\0"
      case "\\": result += "\\\\"
      case "\"": result += "\\\""
      default:
        if scalar.properties.generalCategory == .control {
          result += "\\u{" + String(scalar.value, radix: 16, uppercase: true) + "}"
        } else {
          result.unicodeScalars.append(scalar)
        }
      }
    }
    return result + "\""
  }
}
