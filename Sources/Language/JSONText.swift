// Values as JSON text: strings escaped, floats so that they read back, NaN and infinities null, objects by their plain form.

extension Value {
  /// Lists, maps, numbers, strings, bools and none: what JSON can hold.
  ///
  /// Ranges become lists, objects their plain form.
  public func plain() throws -> Value {
    try plain(depth: 0)
  }

  private func plain(depth: Int) throws -> Value {
    guard depth < 500 else { throw ZsError(message: "this value is nested more than 500 deep") }
    switch self {
    case .none, .bool, .int, .float, .string: return self
    case .list(let values): return .list(try values.map { try $0.plain(depth: depth + 1) })
    case .map(let map): return .map(try map.mapValues { try $0.plain(depth: depth + 1) })
    case .range(let range):
      guard range.count <= 50_000_000 else {
        throw ZsError(kind: "memory", message: "a range of \(range.count) numbers is too long for a list")
      }
      return .list((0..<range.count).map { .int(range[$0]) })
    case .function(let function): return .string(function.signature)
    case .object(let object):
      let value = try object.plain()
      if case .object = value { return .string(object.display(DisplayOptions(plain: true))) }
      return try value.plain(depth: depth + 1)
    }
  }

  /// The value as JSON on one line.
  public func json() throws -> String {
    var text = ""
    try plain().appendJSON(to: &text)
    return text
  }

  private func appendJSON(to text: inout String) {
    switch self {
    case .none, .function, .range, .object: text += "null"
    case .bool(let value): text += value ? "true" : "false"
    case .int(let value): text += String(value)
    case .float(let value): text += value.isFinite ? "\(value)" : "null"
    case .string(let value): Value.appendJSON(value, to: &text)
    case .list(let values):
      text += "["
      for (index, value) in values.enumerated() {
        if index > 0 { text += ", " }
        value.appendJSON(to: &text)
      }
      text += "]"
    case .map(let map):
      text += "{"
      for (index, (key, value)) in map.elements.enumerated() {
        if index > 0 { text += ", " }
        Value.appendJSON(key, to: &text)
        text += ": "
        value.appendJSON(to: &text)
      }
      text += "}"
    }
  }

  private static func appendJSON(_ string: String, to text: inout String) {
    text += "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case "\u{0}"..."\u{1F}":
        let digits = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }
}
