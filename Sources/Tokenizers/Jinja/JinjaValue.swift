// Values inside a template, as Python has them. Strings compare by code points, never by canonical equivalence.
// Containers cannot be changed once made (the sandbox is an immutable one) and know their depth, which is bounded, so
// that no value is too deep to be printed, compared or freed. Only namespaces change.

/// A value inside a template.
enum JinjaValue {
  case undefined(JinjaUndefined)
  case none
  case bool(Bool)
  case int(Int)
  case double(Double)
  case string(String)
  /// A string that says of itself that it is safe HTML: what is joined to it is escaped.
  case markup(String)
  case list(JinjaSequence)
  case tuple(JinjaSequence)
  case dictionary(JinjaDictionary)
  case range(JinjaRange)
  case view(JinjaView)
  case iterator(JinjaIterator)
  case namespace(JinjaNamespace)
  case function(JinjaFunction)
  case macro(JinjaMacro)
  case loop(JinjaLoop)
  case cycler(JinjaCycler)
}

/// Why a value is missing.
final class JinjaUndefined {
  let message: String
  init(_ message: String) { self.message = message }
}

/// The items of a list or a tuple.
final class JinjaSequence {
  let items: [JinjaValue]
  /// Names of the items, where they have any (the pairs of `groupby`).
  let names: [String]
  let depth: Int

  /// How deep containers may nest.
  static let maximumDepth = 100
  /// How many items one container may hold.
  static let maximumCount = 1 << 21

  init(_ items: [JinjaValue], names: [String] = []) throws {
    self.items = items
    self.names = names
    depth = try Self.depth(of: items)
  }

  static func depth(of items: [JinjaValue]) throws -> Int {
    if items.count > maximumCount { throw TemplateError("a list of \(items.count) items is too long") }
    var deepest = 0
    for item in items { deepest = max(deepest, item.depth) }
    if deepest >= maximumDepth { throw TemplateError("values nested more than \(maximumDepth) levels deep") }
    return deepest + 1
  }
}

/// Keys and values in the order they were put in.
final class JinjaDictionary {
  let entries: [(key: JinjaValue, value: JinjaValue)]
  let depth: Int
  private let keys: [JinjaKey]
  private let index: [JinjaKey: Int]

  /// Later values replace earlier ones at the place of the first.
  init(_ pairs: [(key: JinjaValue, hash: JinjaKey, value: JinjaValue)]) throws {
    var entries: [(key: JinjaValue, value: JinjaValue)] = []
    var keys: [JinjaKey] = []
    var index: [JinjaKey: Int] = [:]
    for pair in pairs {
      if let place = index[pair.hash] {
        entries[place].value = pair.value
      } else {
        index[pair.hash] = entries.count
        entries.append((pair.key, pair.value))
        keys.append(pair.hash)
      }
    }
    self.entries = entries
    self.keys = keys
    self.index = index
    depth = max(try JinjaSequence.depth(of: entries.map(\.value)), try JinjaSequence.depth(of: entries.map(\.key)))
  }

  subscript(_ key: JinjaKey) -> JinjaValue? { index[key].map { entries[$0].value } }

  /// The entries with their keys' hashes, for building another dictionary from.
  var pairs: [(key: JinjaValue, hash: JinjaKey, value: JinjaValue)] {
    zip(keys, entries).map { ($1.key, $0, $1.value) }
  }
}

/// A dictionary's key: equal as Python's `==` and `hash` have it, so that 1, 1.0 and true are one.
enum JinjaKey: Hashable {
  case undefined
  case none
  case int(Int)
  case double(Double)
  case text(JinjaText)
  case tuple([JinjaKey])
  case object(ObjectIdentifier)
}

/// A string that is equal byte by byte.
struct JinjaText: Hashable {
  let text: String

  init(_ text: String) { self.text = text }

  static func == (left: JinjaText, right: JinjaText) -> Bool { left.text.isSame(right.text) }

  func hash(into hasher: inout Hasher) {
    var copy = text
    copy.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
  }
}

/// `range(start, stop, step)`.
struct JinjaRange {
  var start: Int
  var stop: Int
  var step: Int
  var count: Int

  func item(_ index: Int) -> Int { start + index * step }
}

/// What `keys()`, `values()` and `items()` of a dictionary give.
final class JinjaView {
  let name: String
  let items: [JinjaValue]
  let depth: Int

  init(_ name: String, _ items: [JinjaValue]) throws {
    self.name = name
    self.items = items
    depth = try JinjaSequence.depth(of: items)
  }
}

/// Items that can be gone through once.
final class JinjaIterator {
  let name: String
  private var items: ArraySlice<JinjaValue>
  let depth: Int

  init(_ name: String, _ items: [JinjaValue]) throws {
    self.name = name
    self.items = items[...]
    depth = try JinjaSequence.depth(of: items)
  }

  func next() -> JinjaValue? { items.popFirst() }

  func rest() -> [JinjaValue] {
    defer { items = [] }
    return Array(items)
  }
}

/// `namespace(…)`: the one value that assignments change.
final class JinjaNamespace {
  var names: [String] = []
  var values: [JinjaValue] = []

  func value(_ name: String) -> JinjaValue? { names.firstIndex { $0.isSame(name) }.map { values[$0] } }

  func set(_ name: String, _ value: JinjaValue) throws {
    if name.hasPrefix("_") {
      throw TemplateError("a namespace cannot hold the underscore-prefixed name \(pythonRepr(name))")
    }
    if let place = names.firstIndex(where: { $0.isSame(name) }) {
      values[place] = value
    } else {
      names.append(name)
      values.append(value)
    }
  }

  func clear() {
    names = []
    values = []
  }
}

/// `cycler(…)`, and `joiner(…)` where it has a separator instead of items.
final class JinjaCycler {
  let items: [JinjaValue]
  let separator: JinjaValue?
  var position = 0
  let depth: Int

  init(items: [JinjaValue], separator: JinjaValue? = nil) throws {
    self.items = items
    self.separator = separator
    depth = try JinjaSequence.depth(of: items + [separator].compactMap { $0 })
  }
}

/// Arguments of a call, evaluated.
struct JinjaArguments {
  var positional: [JinjaValue] = []
  var keywords: [(name: String, value: JinjaValue)] = []

  /// The arguments in the order of `parameters`; too many, unknown or doubled ones are errors.
  func bound(_ function: String, _ parameters: [String], required: Int = 0) throws -> [JinjaValue?] {
    guard positional.count <= parameters.count else {
      throw TemplateError(
        "\(function)() takes at most \(parameters.count) argument\(parameters.count == 1 ? "" : "s") (\(positional.count) given)")
    }
    var values: [JinjaValue?] = Array(repeating: nil, count: parameters.count)
    for (index, value) in positional.enumerated() { values[index] = value }
    for (name, value) in keywords {
      guard let index = parameters.firstIndex(of: name) else {
        throw TemplateError("\(function)() got an unexpected keyword argument '\(name)'")
      }
      if values[index] != nil { throw TemplateError("\(function)() got multiple values for argument '\(name)'") }
      values[index] = value
    }
    for index in 0..<required where values[index] == nil {
      throw TemplateError("\(function)() missing a required argument: '\(parameters[index])'")
    }
    return values
  }

  func keyword(_ name: String) -> JinjaValue? { keywords.first { $0.name == name }?.value }
}

/// A function that the engine provides: a global, or a method with the value it belongs to.
final class JinjaFunction {
  let name: String
  let depth: Int
  let body: (JinjaInterpreter, JinjaArguments) throws -> JinjaValue

  init(_ name: String, depth: Int = 0, _ body: @escaping (JinjaInterpreter, JinjaArguments) throws -> JinjaValue) {
    self.name = name
    self.depth = depth
    self.body = body
  }
}

extension JinjaValue {
  /// How deep containers nest inside this value.
  var depth: Int {
    switch self {
    case .list(let sequence), .tuple(let sequence): return sequence.depth
    case .dictionary(let dictionary): return dictionary.depth
    case .view(let view): return view.depth
    case .iterator(let iterator): return iterator.depth
    case .function(let function): return function.depth
    case .loop(let loop): return loop.depth
    case .cycler(let cycler): return cycler.depth
    default: return 0
    }
  }

  /// The text of a string, whether safe or not.
  var text: String? {
    switch self {
    case .string(let text), .markup(let text): return text
    default: return nil
    }
  }

  var isUndefined: Bool {
    if case .undefined = self { return true }
    return false
  }

  var isNone: Bool {
    if case .none = self { return true }
    return false
  }

  /// Whether `*` repeats the value.
  var isSequence: Bool {
    switch self {
    case .string, .markup, .list, .tuple: return true
    default: return false
    }
  }

  /// An integer, a boolean counted as 0 or 1.
  var integer: Int? {
    switch self {
    case .int(let value): return value
    case .bool(let value): return value ? 1 : 0
    default: return nil
    }
  }

  /// A number of any kind.
  var number: Double? {
    if case .double(let value) = self { return value }
    return integer.map(Double.init)
  }

  /// Python's name of the type.
  var typeName: String {
    switch self {
    case .undefined: return "Undefined"
    case .none: return "NoneType"
    case .bool: return "bool"
    case .int: return "int"
    case .double: return "float"
    case .string: return "str"
    case .markup: return "Markup"
    case .list: return "list"
    case .tuple: return "tuple"
    case .dictionary: return "dict"
    case .range: return "range"
    case .view(let view): return view.name
    case .iterator(let iterator): return iterator.name
    case .namespace: return "Namespace"
    case .function: return "builtin_function_or_method"
    case .macro: return "Macro"
    case .loop: return "LoopContext"
    case .cycler(let cycler): return cycler.separator == nil ? "Cycler" : "Joiner"
    }
  }

  /// How an error about a missing attribute names the value.
  var owner: String {
    switch self {
    case .none: return "None"
    case .macro: return "jinja2.runtime.Macro object"
    case .loop: return "jinja2.runtime.LoopContext object"
    case .markup: return "markupsafe.Markup object"
    case .namespace: return "jinja2.utils.Namespace object"
    default: return "\(typeName) object"
    }
  }

  /// Python's truth.
  var isTrue: Bool {
    switch self {
    case .undefined, .none: return false
    case .bool(let value): return value
    case .int(let value): return value != 0
    case .double(let value): return value != 0
    case .string(let text), .markup(let text): return !text.isEmpty
    case .list(let sequence), .tuple(let sequence): return !sequence.items.isEmpty
    case .dictionary(let dictionary): return !dictionary.entries.isEmpty
    case .range(let range): return range.count > 0
    case .view(let view): return !view.items.isEmpty
    case .iterator, .namespace, .function, .macro, .loop, .cycler: return true
    }
  }
}

extension String {
  /// Whether two strings are the same code points.
  @inline(__always)
  func isSame(_ other: String) -> Bool {
    utf8.count == other.utf8.count && utf8.elementsEqual(other.utf8)
  }
}
