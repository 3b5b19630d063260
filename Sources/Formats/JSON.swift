// JSON as a value. Objects keep the order of their keys; whole numbers stay Int64. Reading is in JSON+Parsing.swift,
// writing in JSON+Writing.swift.

import OrderedCollections

/// A JSON value, objects with their keys in order and whole numbers that fit as `int`.
public enum JSON: Equatable, Sendable {
  /// `null`.
  case null
  /// `true` or `false`.
  case bool(Bool)
  /// A number written without fraction or exponent that fits.
  case int(Int64)
  /// Any other number.
  case double(Double)
  /// A string.
  case string(String)
  /// An array.
  case array([JSON])
  /// An object; of keys that occur twice the last one counts, at the place of the first.
  case object(OrderedDictionary<String, JSON>)

  /// The member of an object, nil when this is no object or has no such key.
  public subscript(_ key: String) -> JSON? {
    if case .object(let members) = self { return members[key] }
    return nil
  }

  /// The element of an array, nil when this is no array or the index is outside.
  public subscript(_ index: Int) -> JSON? {
    if case .array(let elements) = self, elements.indices.contains(index) { return elements[index] }
    return nil
  }

  /// Whether this is `null`.
  public var isNull: Bool { self == .null }

  /// The truth value, if it is one.
  public var bool: Bool? {
    if case .bool(let value) = self { return value }
    return nil
  }

  /// The whole number, if it is one (`3.0` counts).
  public var int: Int? {
    switch self {
    case .int(let value): return Int(exactly: value)
    case .double(let value): return Int(exactly: value)
    default: return nil
    }
  }

  /// The number, if it is one.
  public var double: Double? {
    switch self {
    case .int(let value): return Double(value)
    case .double(let value): return value
    default: return nil
    }
  }

  /// The text, if it is a string.
  public var string: String? {
    if case .string(let value) = self { return value }
    return nil
  }

  /// The elements, if it is an array.
  public var array: [JSON]? {
    if case .array(let value) = self { return value }
    return nil
  }

  /// The members in order, if it is an object.
  public var object: OrderedDictionary<String, JSON>? {
    if case .object(let value) = self { return value }
    return nil
  }

  /// What kind of value this is, in words for messages.
  public var kind: String {
    switch self {
    case .null: "null"
    case .bool: "a truth value"
    case .int, .double: "a number"
    case .string: "a string"
    case .array: "an array"
    case .object: "an object"
    }
  }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
  ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral
{
  /// A string.
  public init(stringLiteral value: String) { self = .string(value) }
  /// A truth value.
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  /// A whole number.
  public init(integerLiteral value: Int64) { self = .int(value) }
  /// A number.
  public init(floatLiteral value: Double) { self = .double(value) }
  /// An array.
  public init(arrayLiteral elements: JSON...) { self = .array(elements) }
  /// An object.
  public init(dictionaryLiteral elements: (String, JSON)...) {
    self = .object(OrderedDictionary(elements, uniquingKeysWith: { $1 }))
  }
  /// `null`.
  public init(nilLiteral: ()) { self = .null }
}
