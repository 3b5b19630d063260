// `loop`: where a `for` statement stands. Items are drawn one at a time, so that the loop's own filter may ask about
// what its body has changed; `last`, `nextitem` and `length` look ahead.

/// What `loop` stands for inside a `for` statement.
final class JinjaLoop {
  private var source: JinjaSource
  private var after: [JinjaValue] = []
  private var afterStart = 0
  private var before: JinjaValue?
  private var current: JinjaValue?
  private var lastChanged: JinjaValue?
  private(set) var index0 = -1
  let depth0: Int
  let depth: Int
  let recurse: ((JinjaInterpreter, JinjaValue) throws -> String)?
  /// The filter of the `for` statement, while it runs.
  var admits: ((JinjaInterpreter, JinjaValue) throws -> Bool)?
  private var knownLength: Int?

  init(_ source: JinjaSource, depth0: Int, recurse: ((JinjaInterpreter, JinjaValue) throws -> String)?) {
    self.source = source
    self.depth0 = depth0
    self.recurse = recurse
    depth = source.depth
  }

  /// The next item, nil at the end.
  func advance(_ interpreter: JinjaInterpreter) throws -> JinjaValue? {
    guard try look(interpreter) else { return nil }
    before = current
    current = after[afterStart]
    afterStart += 1
    if afterStart == after.count {
      after.removeAll(keepingCapacity: true)
      afterStart = 0
    }
    index0 += 1
    return current
  }

  private func draw(_ interpreter: JinjaInterpreter) throws -> JinjaValue? {
    while let item = source.next() {
      try interpreter.spend()
      if try admits?(interpreter, item) ?? true { return item }
    }
    return nil
  }

  /// Whether there is another item.
  private func look(_ interpreter: JinjaInterpreter) throws -> Bool {
    if afterStart < after.count { return true }
    guard let item = try draw(interpreter) else { return false }
    after.append(item)
    return true
  }

  private func length(_ interpreter: JinjaInterpreter) throws -> Int {
    if let knownLength { return knownLength }
    while let item = try draw(interpreter) { after.append(item) }
    let length = index0 + 1 + after.count - afterStart
    knownLength = length
    return length
  }

  /// A field or a method of `loop`.
  func attribute(_ name: String, _ interpreter: JinjaInterpreter) throws -> JinjaValue? {
    switch name {
    case "index": return .int(index0 + 1)
    case "index0": return .int(index0)
    case "first": return .bool(index0 == 0)
    case "last": return .bool(try !look(interpreter))
    case "length": return .int(try length(interpreter))
    case "revindex": return .int(try length(interpreter) - index0)
    case "revindex0": return .int(try length(interpreter) - index0 - 1)
    case "depth": return .int(depth0 + 1)
    case "depth0": return .int(depth0)
    case "previtem":
      guard index0 > 0, let before else { return .undefined(JinjaUndefined("there is no previous item")) }
      return before
    case "nextitem":
      guard try look(interpreter) else { return .undefined(JinjaUndefined("there is no next item")) }
      return after[afterStart]
    case "cycle":
      return method("cycle") { loop, _, arguments in
        guard !arguments.positional.isEmpty else { throw TemplateError("no items for cycling given") }
        return arguments.positional[max(0, loop.index0) % arguments.positional.count]
      }
    case "changed":
      return method("changed") { loop, interpreter, arguments in
        let value = JinjaValue.tuple(try JinjaSequence(arguments.positional))
        if let last = loop.lastChanged, try interpreter.equal(last, value) { return .bool(false) }
        loop.lastChanged = value
        return .bool(true)
      }
    default: return nil
    }
  }

  private func method(
    _ name: String, _ body: @escaping (JinjaLoop, JinjaInterpreter, JinjaArguments) throws -> JinjaValue
  ) -> JinjaValue {
    .function(JinjaFunction(name, depth: depth) { [self] interpreter, arguments in try body(self, interpreter, arguments) })
  }
}

/// Where items come from, one at a time.
enum JinjaSource {
  case items([JinjaValue], next: Int, depth: Int)
  case range(JinjaRange, next: Int)
  case iterator(JinjaIterator)

  mutating func next() -> JinjaValue? {
    switch self {
    case .items(let items, let next, let depth):
      guard next < items.count else { return nil }
      self = .items(items, next: next + 1, depth: depth)
      return items[next]
    case .range(let range, let next):
      guard next < range.count else { return nil }
      self = .range(range, next: next + 1)
      return .int(range.item(next))
    case .iterator(let iterator): return iterator.next()
    }
  }

  var depth: Int {
    switch self {
    case .items(_, _, let depth): return depth
    case .range: return 0
    case .iterator(let iterator): return iterator.depth
    }
  }
}
