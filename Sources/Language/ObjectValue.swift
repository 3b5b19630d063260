// The protocol by which other rooms bring their own values: tensors, models, datasets, trainers, plots.
// All but the name and the display have defaults that say "not supported".

/// A value that lives outside the language.
public protocol ObjectValue: AnyObject {
  /// What `type(x)` gives.
  var typeName: String { get }
  /// Names of the fields, for completion and did-you-mean.
  var fieldNames: [String] { get }
  /// The field of that name, nil where there is none.
  func field(_ name: String) throws -> Value?
  /// `x[…]`.
  func subscripted(_ index: [IndexArgument]) throws -> Value
  /// The object that `x[…] = value` rebinds the variable to; copy on write is the object's business.
  func assigning(_ value: Value, at index: [IndexArgument]) throws -> any ObjectValue
  /// How many elements `len`, `for` and `list` see; nil where the object is no collection.
  func elementCount() throws -> Int?
  /// The element at an index within `0..<elementCount()`.
  func element(at index: Int) throws -> Value
  /// `self op other`, or `other op self` when the object is not on the left; nil where it is not supported.
  func binary(_ operation: BinaryOperator, _ other: Value, objectOnLeft: Bool) throws -> Value?
  /// `-x`; nil where it is not supported.
  func negated() throws -> Value?
  /// `==` with another object, where `binary(.equal, …)` gave nil.
  func isEqual(to other: any ObjectValue) -> Bool
  /// What `if x` sees; nil where the object has no truth.
  func truth() throws -> Bool?
  /// Lists, maps, numbers and strings, for `--json` and `to_json`.
  func plain() throws -> Value
  /// Bytes that the object keeps alive, as far as it knows: `Out` lets go of large results.
  var byteCount: Int { get }
  /// The text shown at the prompt.
  func display(_ options: DisplayOptions) -> String
  /// Other forms for pages and notebooks, by media type: `image/svg+xml`, `text/html`.
  var richForms: [String: String] { get }
}

extension ObjectValue {
  /// No fields.
  public var fieldNames: [String] { [] }
  /// No field of any name.
  public func field(_ name: String) throws -> Value? { nil }
  /// Not subscriptable.
  public func subscripted(_ index: [IndexArgument]) throws -> Value {
    throw ZsError(kind: "type", message: "a \(typeName) cannot be indexed with [ ]")
  }
  /// Not assignable.
  public func assigning(_ value: Value, at index: [IndexArgument]) throws -> any ObjectValue {
    throw ZsError(kind: "type", message: "a \(typeName) cannot be changed through [ ]")
  }
  /// No collection.
  public func elementCount() throws -> Int? { nil }
  /// No elements.
  public func element(at index: Int) throws -> Value {
    throw ZsError(kind: "type", message: "a \(typeName) has no elements")
  }
  /// No operators.
  public func binary(_ operation: BinaryOperator, _ other: Value, objectOnLeft: Bool) throws -> Value? { nil }
  /// No negation.
  public func negated() throws -> Value? { nil }
  /// Equal to itself only.
  public func isEqual(to other: any ObjectValue) -> Bool { self === other }
  /// No truth.
  public func truth() throws -> Bool? { nil }
  /// Nothing worth counting.
  public var byteCount: Int { 0 }
  /// Only the text.
  public var richForms: [String: String] { [:] }
  /// The display as a string.
  public func plain() throws -> Value { .string(display(DisplayOptions(plain: true))) }
}

/// One part of what stands between `[` and `]`.
public enum IndexArgument {
  case at(Value)
  case slice(Value?, Value?, Value?)
  case ellipsis
}

/// The operators that an object may define.
public enum BinaryOperator: String, Sendable, CaseIterable {
  case add = "+"
  case subtract = "-"
  case multiply = "*"
  case divide = "/"
  case floorDivide = "//"
  case modulo = "%"
  case power = "**"
  case matmul = "@"
  case equal = "=="
  case notEqual = "!="
  case less = "<"
  case lessEqual = "<="
  case greater = ">"
  case greaterEqual = ">="

  /// Whether it is `==`, `!=`, `<`, `<=`, `>` or `>=`.
  public var isComparison: Bool {
    switch self {
    case .equal, .notEqual, .less, .lessEqual, .greater, .greaterEqual: true
    default: false
    }
  }
}

/// How a value is shown.
public struct DisplayOptions: Sendable {
  /// Columns of the terminal.
  public var width: Int
  /// Whether escape codes for colour are welcome.
  public var colour: Bool
  /// Whether the output is for a file or a test: no colour, nothing that changes from run to run such as timings.
  public var plain: Bool
  /// Rows after which a long value is cut.
  public var maxRows: Int

  /// Options for a display; the defaults suit a plain terminal of 80 columns.
  public init(width: Int = 80, colour: Bool = false, plain: Bool = false, maxRows: Int = 40) {
    self.width = width
    self.colour = colour
    self.plain = plain
    self.maxRows = maxRows
  }
}
