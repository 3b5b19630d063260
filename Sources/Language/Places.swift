// Assignment through fields and indices: the variable's value is taken out, changed in place where it is the only
// owner, and put back, so that `xs[0] = 1` copies nothing and other names see nothing of it.

/// An evaluated step of a place.
enum PlaceStep {
  case field(String)
  case index([IndexArgument])
}

enum Places {
  /// Sets what `steps` lead to, by a change of what is there.
  static func update(_ value: inout Value, _ steps: ArraySlice<PlaceStep>, _ change: (inout Value) throws -> Void, adding: Value?) throws {
    guard let step = steps.first else { return try change(&value) }
    let rest = steps.dropFirst()
    switch step {
    case .field(let name):
      guard case .map = value else { throw notAssignable(value, name) }
      try update(&value, key: name, rest, change, adding)
    case .index(let index):
      if index.count == 1, case .at(let position) = index[0] {
        switch (value, position) {
        case (.list, .int(let number)): return try update(&value, at: number, rest, change, adding)
        case (.map, .string(let key)): return try update(&value, key: key, rest, change, adding)
        default: break
        }
      }
      try update(&value, index, rest, change, adding: adding)
    }
  }

  private static func notAssignable(_ value: Value, _ name: String) -> ZsError {
    switch value {
    case .object(let object):
      ZsError(
        kind: "type", message: "the field '\(name)' of a \(object.typeName) cannot be assigned", hint: "options are given where it is made")
    default:
      ZsError(
        kind: "type", message: "\(value.described) has no fields to assign",
        hint: "m = {} makes an empty map")
    }
  }

  /// What the last step adds where nothing was before: only plain assignment may.
  private static func update(
    _ value: inout Value, key: String, _ rest: ArraySlice<PlaceStep>, _ change: (inout Value) throws -> Void, _ adding: Value?
  ) throws {
    guard case .map(var map) = value else { return }
    if rest.isEmpty, let adding {
      value = .none
      defer { value = .map(map) }
      map[key] = adding
      return
    }
    guard var element = map[key] else { throw Indexing.missingKey(key, in: map) }
    value = .none
    defer { value = .map(map) }
    map[key] = Value.none
    defer { map[key] = element }
    try update(&element, rest, change, adding: adding)
  }

  private static func update(
    _ value: inout Value, at index: Int64, _ rest: ArraySlice<PlaceStep>, _ change: (inout Value) throws -> Void, _ adding: Value?
  ) throws {
    guard case .list(var list) = value else { return }
    let position = try Indexing.position(index, in: list.count, of: "list")
    value = .none
    defer { value = .list(list) }
    if rest.isEmpty, let adding {
      list[position] = adding
      return
    }
    var element = list[position]
    list[position] = .none
    defer { list[position] = element }
    try update(&element, rest, change, adding: adding)
  }

  /// Slices, objects, and what cannot be assigned.
  private static func update(
    _ value: inout Value, _ index: [IndexArgument], _ rest: ArraySlice<PlaceStep>, _ change: (inout Value) throws -> Void, adding: Value?
  ) throws {
    var element: Value
    if rest.isEmpty, let adding {
      element = adding
    } else {
      element = try Indexing.subscripted(value, index)
      try update(&element, rest, change, adding: adding)
    }
    switch value {
    case .object(let object): value = .object(try object.assigning(element, at: index))
    case .list(let list):
      guard index.count == 1, case .slice(let lower, let upper, let step) = index[0] else {
        _ = try Indexing.subscripted(value, index)
        throw ZsError(kind: "type", message: "a list is indexed by an int")
      }
      value = .list(try replace(list, try SliceBounds(lower, upper, step, length: list.count), by: element))
    case .string:
      throw ZsError(
        kind: "type", message: "the characters of a str cannot be assigned", hint: "s[:i] + \"x\" + s[i + 1:] makes another str")
    default:
      _ = try Indexing.subscripted(value, index)
      throw ZsError(kind: "type", message: "\(value.described) cannot be changed through [ ]")
    }
  }

  private static func replace(_ list: [Value], _ bounds: SliceBounds, by element: Value) throws -> [Value] {
    guard let elements = try element.listed() else {
      throw ZsError(kind: "type", message: "a slice takes a list, not \(element.typeName)", hint: "xs[1:2] = [x]")
    }
    var result = list
    if bounds.step == 1 {
      try Operations.checkElements(list.count, elements.count)
      result.replaceSubrange(bounds.start..<bounds.start + bounds.count, with: elements)
      return result
    }
    guard elements.count == bounds.count else {
      throw ZsError(
        message: "a slice of \(bounds.count) element\(bounds.count == 1 ? "" : "s") with a step takes as many, not \(elements.count)")
    }
    for (position, element) in zip(bounds.positions, elements) { result[position] = element }
    return result
  }

  /// `target += value` and its kin, in place where the left side is the only owner.
  static func augment(_ target: inout Value, _ operation: BinaryOperator, _ value: Value) throws {
    if operation == .add {
      // One pattern after the other: a tuple of both would hold on to the list and so copy it.
      if case .list(let more) = value, case .list(var list) = target {
        try Operations.checkElements(list.count, more.count)
        target = .none
        list += more
        target = .list(list)
        return
      }
      if case .string(let more) = value, case .string(var text) = target {
        try Operations.checkBytes(text.utf8.count, more.utf8.count)
        target = .none
        text += more
        target = .string(text)
        return
      }
    }
    target = try Operations.binary(operation, target, value)
  }
}

extension Value {
  /// What a loop over the value sees, nil where it is no collection: elements, keys of a map, characters of a string.
  public func listed() throws -> [Value]? {
    switch self {
    case .list(let values): return values
    case .map(let map): return map.keys.map { .string($0) }
    case .range(let range): return try Operations.elements(of: range)
    case .string(let text): return text.map { .string(String($0)) }
    case .object(let object):
      guard let count = try object.elementCount() else { return nil }
      try Operations.checkElements(count, 0)
      return try (0..<count).map { try object.element(at: $0) }
    default: return nil
    }
  }
}
