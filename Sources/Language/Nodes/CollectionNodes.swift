// Lists, maps, ranges, text with values in it, and reading their parts.

final class ListNode: Node {
  let elements: [Node]

  init(_ elements: [Node], _ span: Span) {
    self.elements = elements
    super.init(span)
  }

  override func evaluate(_ frame: Frame) throws -> Value {
    var values: [Value] = []
    values.reserveCapacity(elements.count)
    for element in elements { values.append(try element.evaluate(frame)) }
    try Nesting.check(values, at: span)
    return .list(values)
  }
}

/// Lists in lists in lists: a bound keeps every walk over a value, and its release, within the stack.
enum Nesting {
  private static let maximum = 10_000

  /// Throws where the elements of a new list or map are nested too deeply, following the first nested one at each level, and the last:
  /// trees grow in one, pairs of a value and a rest in the other.
  static func check(_ values: some BidirectionalCollection<Value>, at span: Span) throws {
    guard let first = values.first(where: isNested) else { return }
    try follow(first, at: span) { $0.first(where: isNested) }
    guard let last = values.last(where: isNested) else { return }
    try follow(last, at: span) { $0.last(where: isNested) }
  }

  private static func follow(_ start: Value, at span: Span, _ next: (any BidirectionalCollection<Value>) -> Value?) throws {
    var value = start
    for _ in 0..<maximum {
      let inner: Value? =
        switch value {
        case .list(let values): next(values)
        case .map(let map): next(map.values)
        default: nil
        }
      guard let inner else { return }
      value = inner
    }
    throw ZsError(kind: "memory", message: "this value is nested more than \(maximum) deep", span: span)
  }

  @inline(__always)
  private static func isNested(_ value: Value) -> Bool {
    switch value {
    case .list, .map: true
    default: false
    }
  }
}

final class MapNode: Node {
  let entries: [(key: String, value: Node)]

  init(_ entries: [(key: String, value: Node)], _ span: Span) {
    self.entries = entries
    super.init(span)
  }

  override func evaluate(_ frame: Frame) throws -> Value {
    var map = ValueMap(minimumCapacity: entries.count)
    for (key, value) in entries { map[key] = try value.evaluate(frame) }
    try Nesting.check(map.values, at: span)
    return .map(map)
  }
}

/// `[element for names in sequence if condition]`.
final class ComprehensionNode: Node {
  let element: Node
  let targets: [Target]
  let sequence: Node
  let condition: Node?

  init(_ element: Node, _ targets: [Target], _ sequence: Node, _ condition: Node?, _ span: Span) {
    self.element = element
    self.targets = targets
    self.sequence = sequence
    self.condition = condition
    super.init(span)
  }

  override func evaluate(_ frame: Frame) throws -> Value {
    let source = try sequence.evaluate(frame)
    var values: [Value] = []
    do {
      try Iteration.each(source, targets, frame, at: sequence.span) {
        if let condition, try !condition.truth(frame) { return true }
        if values.count >= Operations.maximumElements { throw Operations.tooLong() }
        values.append(try element.evaluate(frame))
        return true
      }
    } catch {
      throw located(error, frame)
    }
    if let last = values.last { try Nesting.check(CollectionOfOne(last), at: span) }
    return .list(values)
  }
}

final class RangeNode: Node {
  let lower: Node
  let upper: Node
  let isClosed: Bool

  init(_ lower: Node, _ upper: Node, isClosed: Bool, _ span: Span) {
    self.lower = lower
    self.upper = upper
    self.isClosed = isClosed
    super.init(span)
  }

  override func evaluate(_ frame: Frame) throws -> Value {
    let first = try lower.evaluate(frame)
    let last = try upper.evaluate(frame)
    guard case .int(let a) = first, case .int(let b) = last else {
      let wrong = if case .int = first { (upper, last) } else { (lower, first) }
      throw ZsError(
        kind: "type", message: "a range goes from int to int, not \(wrong.1.typeName)", hint: "int(x) cuts, round(x) rounds",
        span: wrong.0.span)
    }
    return .range(ValueRange(lower: a, upper: b, isClosed: isClosed))
  }
}

final class InterpolationNode: Node {
  enum Part {
    case text(String)
    case value(Node, FormatSpecification?)
  }
  let parts: [Part]

  init(_ parts: [Part], _ span: Span) {
    self.parts = parts
    super.init(span)
  }

  override func evaluate(_ frame: Frame) throws -> Value {
    var text = ""
    for part in parts {
      switch part {
      case .text(let piece): text += piece
      case .value(let node, let format):
        let value = try node.evaluate(frame)
        do {
          let piece = try format?.format(value) ?? value.printed
          try Operations.checkBytes(text.utf8.count, piece.utf8.count)
          text += piece
        } catch {
          throw node.located(error, frame)
        }
      }
    }
    return .string(text)
  }
}

/// `base[index]`.
final class IndexNode: Node {
  enum Part {
    case at(Node)
    case slice(Node?, Node?, Node?)
    case ellipsis

    func evaluate(_ frame: Frame) throws -> IndexArgument {
      switch self {
      case .at(let node): .at(try node.evaluate(frame))
      case .slice(let lower, let upper, let step):
        .slice(try lower?.evaluate(frame), try upper?.evaluate(frame), try step?.evaluate(frame))
      case .ellipsis: .ellipsis
      }
    }
  }
  let base: Node
  let parts: [Part]
  private let single: Node?

  init(_ base: Node, _ parts: [Part], _ span: Span) {
    self.base = base
    self.parts = parts
    single = if parts.count == 1, case .at(let node) = parts[0] { node } else { nil }
    super.init(span)
  }

  override func evaluate(_ frame: Frame) throws -> Value {
    let value = try base.evaluate(frame)
    if let single {
      let index = try single.evaluate(frame)
      if case .list(let values) = value, case .int(let number) = index, number >= 0, number < values.count { return values[Int(number)] }
      return try general(value, index, frame)
    }
    let index = try parts.map { try $0.evaluate(frame) }
    do {
      return try Indexing.subscripted(value, index)
    } catch {
      throw annotated(error, frame)
    }
  }

  @inline(never)
  private func general(_ value: Value, _ index: Value, _ frame: Frame) throws -> Value {
    do {
      return try Indexing.subscripted(value, at: index)
    } catch {
      throw annotated(error, frame)
    }
  }

  private func annotated(_ error: any Error, _ frame: Frame) -> any Error {
    guard var error = located(error, frame) as? ZsError else { return error }
    if error.kind == "shape", error.labels.isEmpty, let label = frame.state.pointee.interpreter.bindingLabel(of: base) {
      error.labels.append(label)
    }
    return error
  }
}

/// `base.name`.
final class FieldNode: Node {
  let base: Node
  let name: String
  let nameSpan: Span

  init(_ base: Node, _ name: Name, _ span: Span) {
    self.base = base
    self.name = name.text
    nameSpan = name.span
    super.init(span)
  }

  override func evaluate(_ frame: Frame) throws -> Value {
    let value = try base.evaluate(frame)
    do {
      if let field = try Indexing.field(value, name) { return field }
    } catch {
      throw located(error, frame)
    }
    let isFunction = !frame.state.pointee.interpreter.table.lookup(name).isEmpty
    var error = Indexing.missingField(value, name, isFunction: isFunction)
    error.span = nameSpan
    throw error
  }
}
