// `x[…]`, slices and fields of the language's own values.

/// The positions that a slice means: Python's rules, for collections of a known length.
public struct SliceBounds: Equatable, Sendable {
  /// The first position.
  public let start: Int
  /// How many positions there are.
  public let count: Int
  /// The distance between them.
  public let step: Int

  /// Resolves `lower:upper:step` against a length; throws where a bound is no int or the step is zero.
  public init(_ lower: Value?, _ upper: Value?, _ step: Value?, length: Int) throws {
    let stride = try Self.integer(step) ?? 1
    if stride == 0 { throw ZsError(kind: "index", message: "the step of a slice cannot be 0") }
    let first = try Self.clamp(lower, length: length, step: stride, missing: stride > 0 ? 0 : length - 1)
    let last = try Self.clamp(upper, length: length, step: stride, missing: stride > 0 ? length : -1)
    start = first
    self.step = stride
    let distance = stride > 0 ? last - first : first - last
    // Positions are within the length, so nothing here overflows but the step's magnitude, which is unsigned.
    count = distance <= 0 ? 0 : Int((UInt(distance) - 1) / stride.magnitude) + 1
  }

  private static func integer(_ value: Value?) throws -> Int? {
    switch value {
    case nil, Value.none?: return nil
    case .int(let number)?: return Int(number)
    case let value?: throw ZsError(kind: "type", message: "the bounds of a slice are ints, not \(value.typeName)")
    }
  }

  private static func clamp(_ value: Value?, length: Int, step: Int, missing: Int) throws -> Int {
    guard let index = try integer(value) else { return missing }
    let low = step > 0 ? 0 : -1
    let high = step > 0 ? length : length - 1
    if index < 0 { return index < -length ? low : max(low, min(high, index + length)) }
    return min(high, index)
  }

  /// The positions, in order.
  public var positions: some Sequence<Int> {
    (0..<count).lazy.map { [start, step] in start &+ $0 &* step }
  }
}

enum Indexing {
  /// A position within a length, counted from the end where it is negative.
  static func position(_ index: Int64, in length: Int, of type: String) throws -> Int {
    let position = index < 0 ? Int(index) + length : Int(index)
    if position >= 0, position < length { return position }
    let range = length == 0 ? "it is empty" : "it has \(length) element\(length == 1 ? "" : "s"), 0 to \(length - 1)"
    throw ZsError(
      kind: "index", message: "index \(index) is outside of this \(type): \(range)", hint: "get(x, index, default) gives a default instead")
  }

  static func missingKey(_ key: String, in map: ValueMap) -> ZsError {
    let near = nearest(to: key, among: map.keys.prefix(10_000).map { $0 }).map { "; did you mean '\($0)'?" } ?? ""
    let keys = map.keys.prefix(8).map { Value.key($0) }.joined(separator: ", ")
    let hint =
      map.isEmpty ? "the map is empty" : "it has \(keys)\(map.count > 8 ? ", …" : ""); get(m, key, default) gives a default instead"
    return ZsError(kind: "key", message: "this map has no key '\(key)'\(near)", hint: hint)
  }

  /// `base[index]` with one plain index.
  static func subscripted(_ base: Value, at index: Value) throws -> Value {
    switch (base, index) {
    case (.list(let values), .int(let number)): return values[try position(number, in: values.count, of: "list")]
    case (.map(let map), .string(let key)):
      guard let value = map[key] else { throw missingKey(key, in: map) }
      return value
    case (.string(let text), .int(let number)): return .string(try character(of: text, number))
    case (.range(let range), .int(let number)): return .int(range[try position(number, in: range.count, of: "range")])
    case (.list, .range(let range)), (.string, .range(let range)), (.range, .range(let range)):
      let upper = range.isClosed ? range.upper.addingReportingOverflow(1).partialValue : range.upper
      // Counting down past 0, the end is "all the way", not an index from the back.
      let end: Value = range.step < 0 && upper < 0 && range.lower >= 0 ? .none : .int(upper)
      return try slice(base, .int(range.lower), end, range.step == 1 ? nil : .int(range.step))
    case (.object(let object), _): return try object.subscripted([.at(index)])
    case (.map, _): throw ZsError(kind: "type", message: "the keys of a map are strings, not \(index.typeName)", hint: "m[str(key)]")
    case (.list, _), (.string, _), (.range, _):
      throw ZsError(kind: "type", message: "\(base.described) is indexed by an int, not \(index.typeName)", hint: nil)
    case (.function(let function), _):
      throw ZsError(kind: "type", message: "a function cannot be indexed", hint: "call it: \(function.name)(…)")
    default: throw ZsError(kind: "type", message: "\(base.described) cannot be indexed with [ ]")
    }
  }

  static func subscripted(_ base: Value, _ index: [IndexArgument]) throws -> Value {
    if case .object(let object) = base { return try object.subscripted(index) }
    guard index.count == 1 else {
      throw ZsError(
        kind: "index", message: "\(base.described) takes one index, not \(index.count)",
        hint: "xs[0][1] goes into nested lists; tensors take several")
    }
    switch index[0] {
    case .at(let value): return try subscripted(base, at: value)
    case .slice(let lower, let upper, let step): return try slice(base, lower, upper, step)
    case .ellipsis: throw ZsError(kind: "index", message: "... in an index is for tensors", hint: "xs[:] is the whole list")
    }
  }

  private static func slice(_ base: Value, _ lower: Value?, _ upper: Value?, _ step: Value?) throws -> Value {
    switch base {
    case .list(let values):
      let bounds = try SliceBounds(lower, upper, step, length: values.count)
      if bounds.step == 1 { return .list(Array(values[bounds.start..<bounds.start + bounds.count])) }
      return .list(bounds.positions.map { values[$0] })
    case .string(let text): return .string(try slice(text, lower, upper, step))
    case .range(let range):
      let bounds = try SliceBounds(lower, upper, step, length: range.count)
      return try Operations.checked(bounds.count) { .list(bounds.positions.map { .int(range[$0]) }) }
    default: throw ZsError(kind: "type", message: "\(base.described) has no slices")
    }
  }

  /// Whether characters are bytes: ASCII without a line feed that could join a carriage return.
  private static func isPlain(_ text: String) -> Bool {
    text.utf8.allSatisfy { $0 < 0x80 && $0 != 13 }
  }

  private static func character(of text: String, _ index: Int64) throws -> String {
    if isPlain(text) {
      let position = try position(index, in: text.utf8.count, of: "str")
      return String(text[text.utf8.index(text.startIndex, offsetBy: position)])
    }
    let position = try position(index, in: text.count, of: "str")
    return String(text[text.index(text.startIndex, offsetBy: position)])
  }

  private static func slice(_ text: String, _ lower: Value?, _ upper: Value?, _ step: Value?) throws -> String {
    let length = isPlain(text) ? text.utf8.count : text.count
    let bounds = try SliceBounds(lower, upper, step, length: length)
    if bounds.count == 0 { return "" }
    if bounds.step == 1 {
      let start = text.index(text.startIndex, offsetBy: bounds.start)
      return String(text[start..<text.index(start, offsetBy: bounds.count)])
    }
    let characters = Array(text)
    return String(bounds.positions.map { characters[$0] })
  }

  /// `base.name`, nil where there is no such field.
  static func field(_ base: Value, _ name: String) throws -> Value? {
    switch base {
    case .map(let map): map[name]
    case .object(let object): try object.field(name)
    default: nil
    }
  }

  /// The error for a field that is not there.
  static func missingField(_ base: Value, _ name: String, isFunction: Bool) -> ZsError {
    switch base {
    case .map(let map): return missingKey(name, in: map)
    case .object(let object):
      let near = nearest(to: name, among: object.fieldNames).map { "; did you mean '\($0)'?" } ?? ""
      let fields = object.fieldNames.prefix(12).joined(separator: ", ")
      let hint = isFunction ? "\(name) is a function: write .\(name)(…)" : fields.isEmpty ? nil : "it has \(fields)"
      return ZsError(kind: "key", message: "a \(object.typeName) has no field '\(name)'\(near)", hint: hint)
    default:
      let type = base.described
      let hint = isFunction ? "\(name) is a function: write .\(name)(…)" : base.isNone ? "the value is none: what gave it?" : nil
      return ZsError(kind: "key", message: "\(type) has no field '\(name)'", hint: hint)
    }
  }
}

extension Operations {
  static func checked<Result>(_ count: Int, _ make: () throws -> Result) throws -> Result {
    try checkElements(count, 0)
    return try make()
  }
}
