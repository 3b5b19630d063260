// A value written as zs source, whole and on one line.

extension Value {
  /// The value as one would write it in a program; functions and objects by name.
  public var source: String {
    switch self {
    case .none: "none"
    case .bool(let value): value ? "true" : "false"
    case .int(let value): String(value)
    case .float(let value): Value.source(of: value)
    case .string(let value): Value.quote(value)
    case .list(let values): "[" + values.map(\.source).joined(separator: ", ") + "]"
    case .map(let map): "{" + map.map { "\(Value.key($0)): \($1.source)" }.joined(separator: ", ") + "}"
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
    let isWord =
      !key.isEmpty && key.utf8.allSatisfy { $0 == 95 || ($0 >= 48 && $0 <= 57) || ($0 | 32 >= 97 && $0 | 32 <= 122) }
      && !(key.utf8.first.map { $0 >= 48 && $0 <= 57 } ?? true)
    return isWord ? key : quote(key)
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
