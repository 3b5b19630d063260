// The names every template has: jinja2's, and what transformers adds (raise_exception, strftime_now).

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Global functions.
enum JinjaGlobals {
  /// The longest range that the sandbox allows.
  static let longestRange = 100_000

  static func value(_ name: String) -> JinjaValue? {
    switch name {
    case "range": return function(name, range)
    case "dict": return function(name, dictionary)
    case "namespace": return function(name, namespace)
    case "cycler": return function(name, cycler)
    case "joiner": return function(name, joiner)
    case "raise_exception": return function(name, raiseException)
    case "strftime_now": return function(name, strftimeNow)
    default: return nil
    }
  }

  static let names = ["range", "dict", "namespace", "cycler", "joiner", "raise_exception", "strftime_now"]

  private static func function(
    _ name: String, _ body: @escaping (JinjaInterpreter, JinjaArguments) throws -> JinjaValue
  ) -> JinjaValue { .function(JinjaFunction(name, body)) }

  private static func range(_ interpreter: JinjaInterpreter, _ arguments: JinjaArguments) throws -> JinjaValue {
    let given = try arguments.bound("range", ["start", "stop", "step"], required: 1)
    let numbers = try given.compactMap { $0 }.map { value in
      if case .undefined(let undefined) = value { throw TemplateError(undefined.message) }
      guard let number = value.integer else {
        throw TemplateError("'\(value.typeName)' object cannot be interpreted as an integer")
      }
      return number
    }
    let start = numbers.count > 1 ? numbers[0] : 0
    let stop = numbers.count > 1 ? numbers[1] : numbers[0]
    let step = numbers.count > 2 ? numbers[2] : 1
    if step == 0 { throw TemplateError("range() arg 3 must not be zero") }
    let (span, overflow) = step > 0 ? stop.subtractingReportingOverflow(start) : start.subtractingReportingOverflow(stop)
    let count = span <= 0 && !overflow ? 0 : overflow ? Int.max : Int((UInt(span) + step.magnitude - 1) / step.magnitude)
    if count > longestRange {
      throw TemplateError("Range too big. The sandbox blocks ranges larger than MAX_RANGE (\(longestRange)).")
    }
    return .range(JinjaRange(start: start, stop: stop, step: step, count: count))
  }

  /// Pairs for a dictionary from a mapping or pairs, then keywords.
  private static func pairs(
    _ name: String, _ interpreter: JinjaInterpreter, _ arguments: JinjaArguments
  ) throws -> [(key: JinjaValue, hash: JinjaKey, value: JinjaValue)] {
    var pairs: [(key: JinjaValue, hash: JinjaKey, value: JinjaValue)] = []
    if arguments.positional.count > 1 {
      throw TemplateError("\(name) expected at most 1 argument, got \(arguments.positional.count)")
    }
    if case .dictionary(let dictionary)? = arguments.positional.first {
      pairs = dictionary.pairs
    } else if let first = arguments.positional.first {
      for item in try interpreter.items(of: first) {
        let parts = try interpreter.items(of: item)
        guard parts.count == 2 else { throw TemplateError("\(name) needs pairs of key and value") }
        pairs.append((parts[0], try interpreter.hash(parts[0]), parts[1]))
      }
    }
    for (name, value) in arguments.keywords { pairs.append((.string(name), .text(JinjaText(name)), value)) }
    try interpreter.spend(pairs.count)
    return pairs
  }

  private static func dictionary(_ interpreter: JinjaInterpreter, _ arguments: JinjaArguments) throws -> JinjaValue {
    .dictionary(try JinjaDictionary(try pairs("dict", interpreter, arguments)))
  }

  static var fromKeys: JinjaValue {
    function("fromkeys") { interpreter, arguments in
      let values = try arguments.bound("fromkeys", ["iterable", "value"], required: 1)
      let keys = try interpreter.items(of: values[0] ?? .none)
      return .dictionary(try JinjaDictionary(try keys.map { ($0, try interpreter.hash($0), values[1] ?? .none) }))
    }
  }

  private static func namespace(_ interpreter: JinjaInterpreter, _ arguments: JinjaArguments) throws -> JinjaValue {
    let namespace = JinjaNamespace()
    interpreter.register(namespace)
    for pair in try pairs("namespace", interpreter, arguments) {
      guard let name = pair.key.text else { throw TemplateError("a namespace's names must be strings") }
      try namespace.set(name, pair.value)
    }
    return .namespace(namespace)
  }

  private static func cycler(_ interpreter: JinjaInterpreter, _ arguments: JinjaArguments) throws -> JinjaValue {
    if arguments.positional.isEmpty { throw TemplateError("at least one item has to be provided") }
    return .cycler(try JinjaCycler(items: arguments.positional))
  }

  private static func joiner(_ interpreter: JinjaInterpreter, _ arguments: JinjaArguments) throws -> JinjaValue {
    .cycler(try JinjaCycler(items: [], separator: try arguments.bound("joiner", ["sep"])[0] ?? .string(", ")))
  }

  private static func raiseException(_ interpreter: JinjaInterpreter, _ arguments: JinjaArguments) throws -> JinjaValue {
    let message = try arguments.bound("raise_exception", ["message"], required: 1)[0] ?? .none
    throw TemplateError(try interpreter.string(message))
  }

  private static func strftimeNow(_ interpreter: JinjaInterpreter, _ arguments: JinjaArguments) throws -> JinjaValue {
    let value = try arguments.bound("strftime_now", ["format"], required: 1)[0] ?? .none
    guard let format = value.text else {
      throw TemplateError("strftime() argument 1 must be str, not \(value.typeName)")
    }
    if format.isEmpty { return .string("") }
    var seconds = time_t(interpreter.now)
    var parts = tm()
    localtime_r(&seconds, &parts)
    // A mark in front tells an empty result from a buffer that is too small.
    let marked = "x" + format.replacedPython("%f", "000000", limit: -1)
    var buffer = [CChar](repeating: 0, count: 256 + 64 * min(marked.utf8.count, 4096))
    let count = strftime(&buffer, buffer.count, marked, &parts)
    guard count > 0 else { throw TemplateError("the date format is too long") }
    return .string(String(decoding: buffer[1..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self))
  }
}
