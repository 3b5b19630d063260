// The one error type a person meets: what was wrong, what to try, and, once the interpreter has seen it pass, where.

/// A place in a source text: UTF-8 offsets, and which of the interpreter's sources they count in.
public struct Span: Hashable, Sendable {
  /// Offset of the first byte.
  public var start: UInt32
  /// Offset after the last byte.
  public var end: UInt32
  /// Which source of the interpreter's `SourceMap`.
  public var source: UInt32

  /// A span of bytes.
  public init(start: UInt32, end: UInt32, source: UInt32) {
    self.start = start
    self.end = max(start, end)
    self.source = source
  }

  /// The smallest span that covers both.
  public func union(_ other: Span) -> Span {
    Span(start: min(start, other.start), end: max(end, other.end), source: source)
  }
}

/// A second place that helps to understand an error, such as where a name was bound.
public struct Label: Hashable, Sendable {
  /// Where.
  public var span: Span
  /// What is to be seen there.
  public var message: String

  /// A label at a place.
  public init(span: Span, message: String) {
    self.span = span
    self.message = message
  }
}

/// An error in the user's words.
public struct ZsError: Error, Sendable {
  /// One word for programs to test.
  ///
  /// Such as `syntax`, `name`, `type`, `value`, `index`, `key`, `argument`, `arithmetic`, `shape`, `file`, `assertion`, `fail`.
  public var kind: String
  /// What was wrong, without a full stop.
  public var message: String
  /// What to try.
  public var hint: String?
  /// The argument at fault, by parameter name: the interpreter puts the caret under it.
  public var argument: String?
  /// Where; filled in by the interpreter when a builtin throws without one.
  public var span: Span?
  /// Other places that matter.
  public var labels: [Label]
  /// The calls that led there, innermost first.
  public var trace: [Label]

  /// Calls beyond this many are not noted.
  static let maximumTrace = 40

  /// An error; the interpreter fills in where.
  public init(
    kind: String = "value", message: String, hint: String? = nil, argument: String? = nil, span: Span? = nil, labels: [Label] = []
  ) {
    self.kind = kind
    self.message = message
    self.hint = hint
    self.argument = argument
    self.span = span
    self.labels = labels
    self.trace = []
  }

  /// An error with nothing but what was wrong and what to try.
  public init(_ message: String, hint: String? = nil) {
    self.init(message: message, hint: hint)
  }
}

/// Thrown where work notices that the user asked it to stop; not catchable in zs.
public struct Interrupted: Error, Sendable {
  /// The one interruption.
  public init() {}
}
