// Arithmetic, equality, order and membership, as Python has them for the types that templates meet.

extension JinjaInterpreter {
  // MARK: Arithmetic

  func binary(_ operation: JinjaBinary, _ left: JinjaValue, _ right: JinjaValue) throws -> JinjaValue {
    if case .undefined(let undefined) = left, left.text == nil { throw TemplateError(undefined.message) }
    if operation == .modulo, let format = left.text { return try formatPercent(left, format, right) }
    if case .undefined(let undefined) = right { throw TemplateError(undefined.message) }
    if let result = try sequenceResult(operation, left, right) { return result }
    if let left = left.integer, let right = right.integer { return try integers(operation, left, right) }
    if let left = left.number, let right = right.number { return .double(try doubles(operation, left, right)) }
    throw operandFailure(operation, left, right)
  }

  private func operandFailure(_ operation: JinjaBinary, _ left: JinjaValue, _ right: JinjaValue) -> TemplateError {
    if operation == .add && left.text != nil {
      return TemplateError(
        "can only concatenate str (not \"\(right.typeName)\") to str", hint: "convert it with |string, or join with ~ instead of +")
    }
    if operation == .multiply, let sequence = [left, right].first(where: \.isSequence) {
      let other = left.isSequence ? right : sequence
      return TemplateError("can't multiply sequence by non-int of type '\(other.typeName)'")
    }
    if operation == .add, left.typeName == "list" || left.typeName == "tuple" {
      return TemplateError("can only concatenate \(left.typeName) (not \"\(right.typeName)\") to \(left.typeName)")
    }
    return TemplateError("unsupported operand type(s) for \(operation.rawValue): '\(left.typeName)' and '\(right.typeName)'")
  }

  /// `+` of texts and of lists, `*` of either by a number.
  private func sequenceResult(_ operation: JinjaBinary, _ left: JinjaValue, _ right: JinjaValue) throws -> JinjaValue? {
    switch (operation, left, right) {
    case (.add, .string(let left), .string(let right)): return .string(try spend(text: left + right))
    case (.add, .markup(let left), _): return try right.text.map { .markup(try spend(text: left + escaped(right, $0))) }
    case (.add, _, .markup(let right)): return try left.text.map { .markup(try spend(text: escaped(left, $0) + right)) }
    case (.add, .list(let left), .list(let right)): return .list(try joined(left, right))
    case (.add, .tuple(let left), .tuple(let right)): return .tuple(try joined(left, right))
    case (.multiply, _, _):
      if let count = right.integer, let result = try repeated(left, count) { return result }
      if let count = left.integer, let result = try repeated(right, count) { return result }
      return nil
    default: return nil
    }
  }

  private func joined(_ left: JinjaSequence, _ right: JinjaSequence) throws -> JinjaSequence {
    try spend(left.items.count + right.items.count)
    return try JinjaSequence(left.items + right.items)
  }

  private func repeated(_ value: JinjaValue, _ count: Int) throws -> JinjaValue? {
    let count = max(0, count)
    switch value {
    case .string(let text), .markup(let text):
      let (bytes, overflow) = text.utf8.count.multipliedReportingOverflow(by: count)
      if overflow || bytes > Self.textLimit { throw TemplateError("a text repeated \(count) times is too long") }
      try spend(bytes / 64)
      return value.withText(String(repeating: text, count: count))
    case .list(let sequence), .tuple(let sequence):
      let (total, overflow) = sequence.items.count.multipliedReportingOverflow(by: count)
      if overflow || total > JinjaSequence.maximumCount { throw TemplateError("a list repeated \(count) times is too long") }
      try spend(total)
      let items = try JinjaSequence(Array(repeatElement(sequence.items, count: count).joined()))
      if case .list = value { return .list(items) }
      return .tuple(items)
    default: return nil
    }
  }

  private func integers(_ operation: JinjaBinary, _ left: Int, _ right: Int) throws -> JinjaValue {
    let result: (partialValue: Int, overflow: Bool)
    switch operation {
    case .add: result = left.addingReportingOverflow(right)
    case .subtract: result = left.subtractingReportingOverflow(right)
    case .multiply: result = left.multipliedReportingOverflow(by: right)
    case .divide:
      if right == 0 { throw TemplateError("division by zero") }
      return .double(Double(left) / Double(right))
    case .floorDivide, .modulo:
      if right == 0 { throw TemplateError("integer \(operation == .modulo ? "modulo" : "division or modulo") by zero") }
      let (quotient, overflow) = left.dividedReportingOverflow(by: right)
      if overflow { return operation == .modulo ? .int(0) : try overflowed() }
      let remainder = left - quotient * right
      let adjusts = remainder != 0 && (remainder < 0) != (right < 0)
      return .int(operation == .modulo ? remainder + (adjusts ? right : 0) : quotient - (adjusts ? 1 : 0))
    case .power: return try power(left, right)
    }
    return result.overflow ? try overflowed() : .int(result.partialValue)
  }

  private func overflowed() throws -> JinjaValue { throw TemplateError("a whole number does not fit in 64 bits") }

  private func power(_ base: Int, _ exponent: Int) throws -> JinjaValue {
    if exponent < 0 {
      if base == 0 { throw TemplateError("0.0 cannot be raised to a negative power") }
      return .double(pythonPower(Double(base), Double(exponent)))
    }
    if base == 0 || base == 1 || exponent == 0 { return .int(exponent == 0 ? 1 : base) }
    if base == -1 { return .int(exponent % 2 == 0 ? 1 : -1) }
    var result = 1
    for _ in 0..<min(exponent, 64) {
      let (product, overflow) = result.multipliedReportingOverflow(by: base)
      if overflow { return try overflowed() }
      result = product
    }
    return exponent > 64 ? try overflowed() : .int(result)
  }

  private func doubles(_ operation: JinjaBinary, _ left: Double, _ right: Double) throws -> Double {
    switch operation {
    case .add: return left + right
    case .subtract: return left - right
    case .multiply: return left * right
    case .divide:
      if right == 0 { throw TemplateError("float division by zero") }
      return left / right
    case .floorDivide, .modulo:
      if right == 0 { throw TemplateError(operation == .modulo ? "float modulo" : "float floor division by zero") }
      var remainder = left.truncatingRemainder(dividingBy: right)
      var quotient = (left - remainder) / right
      if remainder != 0 && (remainder < 0) != (right < 0) {
        remainder += right
        quotient -= 1
      }
      return operation == .modulo ? remainder : quotient.rounded()
    case .power: return pythonPower(left, right)
    }
  }

  func negated(_ value: JinjaValue) throws -> JinjaValue {
    if case .double(let number) = value { return .double(-number) }
    guard let integer = value.integer else { throw unaryFailure("-", value) }
    return integer == .min ? try overflowed() : .int(-integer)
  }

  func unaryFailure(_ sign: String, _ value: JinjaValue) -> TemplateError {
    if case .undefined(let undefined) = value { return TemplateError(undefined.message) }
    return TemplateError("bad operand type for unary \(sign): '\(value.typeName)'")
  }

  // MARK: Equality

  /// Python's `==`; pays for what it walks, since values may share parts many times over.
  func equal(_ left: JinjaValue, _ right: JinjaValue) throws -> Bool {
    try spend()
    if let first = left.text, let second = right.text {
      try spend(min(first.utf8.count, second.utf8.count) / 64)
      return first.isSame(second)
    }
    if let first = left.number, let second = right.number {
      if let first = left.integer, let second = right.integer { return first == second }
      return first == second
    }
    switch (left, right) {
    case (.undefined, .undefined), (.none, .none): return true
    case (.list(let left), .list(let right)), (.tuple(let left), .tuple(let right)): return try equal(left.items, right.items)
    case (.dictionary(let left), .dictionary(let right)):
      if left === right { return true }
      guard left.entries.count == right.entries.count else { return false }
      for pair in left.pairs {
        guard let other = right[pair.hash], try equal(pair.value, other) else { return false }
      }
      return true
    case (.range(let left), .range(let right)):
      return left.count == right.count && (left.count == 0 || (left.start == right.start && (left.count == 1 || left.step == right.step)))
    case (.namespace(let left), .namespace(let right)): return left === right
    case (.macro(let left), .macro(let right)): return left === right
    case (.function(let left), .function(let right)): return left === right
    case (.loop(let left), .loop(let right)): return left === right
    case (.iterator(let left), .iterator(let right)): return left === right
    case (.cycler(let left), .cycler(let right)): return left === right
    case (.view(let left), .view(let right)):
      if left === right { return true }
      return try left.name == right.name && left.name != "dict_values" && equal(left.items, right.items)
    default: return false
    }
  }

  private func equal(_ left: [JinjaValue], _ right: [JinjaValue]) throws -> Bool {
    guard left.count == right.count else { return false }
    for (first, second) in zip(left, right) where try !equal(first, second) { return false }
    return true
  }

  /// A value as a key of a dictionary.
  func hash(_ value: JinjaValue) throws -> JinjaKey {
    try spend()
    switch value {
    case .undefined: return .undefined
    case .none: return .none
    case .bool(let value): return .int(value ? 1 : 0)
    case .int(let value): return .int(value)
    case .double(let value): return Int(exactly: value).map(JinjaKey.int) ?? .double(value)
    case .string(let text), .markup(let text):
      try spend(text.utf8.count / 64)
      return .text(JinjaText(text))
    case .tuple(let sequence): return .tuple(try sequence.items.map(hash))
    case .range(let range): return .tuple([.int(range.start), .int(range.count), .int(range.step)])
    case .macro(let macro): return .object(ObjectIdentifier(macro))
    case .function(let function): return .object(ObjectIdentifier(function))
    case .namespace(let namespace): return .object(ObjectIdentifier(namespace))
    case .loop(let loop): return .object(ObjectIdentifier(loop))
    case .iterator(let iterator): return .object(ObjectIdentifier(iterator))
    case .cycler(let cycler): return .object(ObjectIdentifier(cycler))
    case .list, .dictionary, .view: throw TemplateError("unhashable type: '\(value.typeName)'")
    }
  }

  // MARK: Order and membership

  func compare(_ left: JinjaValue, _ comparison: JinjaComparison, _ right: JinjaValue) throws -> Bool {
    switch comparison {
    case .equal: return try equal(left, right)
    case .notEqual: return try !equal(left, right)
    case .contained: return try contains(right, left)
    case .notContained: return try !contains(right, left)
    case .less: return try order(left, right, "<") == .less
    case .greater: return try order(left, right, ">") == .greater
    case .lessOrEqual:
      let order = try order(left, right, "<=")
      return order == .less || order == .same
    case .greaterOrEqual:
      let order = try order(left, right, ">=")
      return order == .greater || order == .same
    }
  }

  /// How two values stand; `apart` where one is not a number.
  enum Order {
    case less
    case same
    case greater
    case apart
  }

  func order(_ left: JinjaValue, _ right: JinjaValue, _ sign: String) throws -> Order {
    try spend()
    if let first = left.text, let second = right.text {
      try spend(min(first.utf8.count, second.utf8.count) / 64)
      if first.isSame(second) { return .same }
      return first.utf8.lexicographicallyPrecedes(second.utf8) ? .less : .greater
    }
    if let first = left.integer, let second = right.integer { return first < second ? .less : first == second ? .same : .greater }
    if let first = left.number, let second = right.number {
      return first < second ? .less : first == second ? .same : first > second ? .greater : .apart
    }
    switch (left, right) {
    case (.list(let left), .list(let right)), (.tuple(let left), .tuple(let right)):
      for (first, second) in zip(left.items, right.items) where try !equal(first, second) { return try order(first, second, sign) }
      return left.items.count < right.items.count ? .less : left.items.count == right.items.count ? .same : .greater
    case (.undefined(let undefined), _), (_, .undefined(let undefined)): throw TemplateError(undefined.message)
    default:
      throw TemplateError("'\(sign)' not supported between instances of '\(left.typeName)' and '\(right.typeName)'")
    }
  }

  /// Python's `item in container`.
  func contains(_ container: JinjaValue, _ item: JinjaValue) throws -> Bool {
    switch container {
    case .string(let text), .markup(let text):
      guard let part = item.text else {
        throw TemplateError("'in <string>' requires string as left operand, not \(item.typeName)")
      }
      try spend(text.utf8.count / 64)
      return part.isEmpty || !text.places(of: part, limit: 1).isEmpty
    case .dictionary(let dictionary): return dictionary[try hash(item)] != nil
    case .undefined: return false
    default:
      for other in try items(of: container, orElse: "argument of type '\(container.typeName)' is not iterable")
      where try equal(other, item) { return true }
      return false
    }
  }
}

extension JinjaValue {
  /// The same kind of string with another text.
  func withText(_ text: String) -> JinjaValue {
    if case .markup = self { return .markup(text) }
    return .string(text)
  }
}

/// The text of a string inside safe HTML: escaped where it is not safe itself.
func escaped(_ value: JinjaValue, _ text: String) -> String {
  if case .markup = value { return text }
  return escapedHTML(text)
}

/// `&`, `<`, `>` and quotes as entities.
func escapedHTML(_ text: String) -> String {
  var output: [UInt8] = []
  for byte in text.utf8 {
    switch byte {
    case 0x26: output.append(contentsOf: "&amp;".utf8)
    case 0x3C: output.append(contentsOf: "&lt;".utf8)
    case 0x3E: output.append(contentsOf: "&gt;".utf8)
    case 0x27: output.append(contentsOf: "&#39;".utf8)
    case 0x22: output.append(contentsOf: "&#34;".utf8)
    default: output.append(byte)
    }
  }
  return String(decoding: output, as: UTF8.self)
}
