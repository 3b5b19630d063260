// Filters that take or give lists and maps: selection, order, grouping.

extension JinjaFilters {
  static let lists: [String: Filter] = [
    "default": orDefault, "d": orDefault,
    "list": { interpreter, value, _ in .list(try JinjaSequence(try interpreter.items(of: value))) },
    "items": { interpreter, value, _ in
      if value.isUndefined { return .iterator(try JinjaIterator("generator", [])) }
      guard case .dictionary(let dictionary) = value else { throw TemplateError("Can only get item pairs from a mapping.") }
      return .iterator(try JinjaIterator("generator", try interpreter.pairs(dictionary)))
    },
    "first": { interpreter, value, _ in
      var source = try interpreter.iterable(value)
      return source.next() ?? .undefined(JinjaUndefined("No first item, sequence was empty."))
    },
    "last": { interpreter, value, _ in
      if case .iterator(let iterator) = value { throw TemplateError("'\(iterator.name)' object is not reversible") }
      return try interpreter.items(of: value).last ?? .undefined(JinjaUndefined("No last item, sequence was empty."))
    },
    "join": join,
    "reverse": { interpreter, value, _ in
      if let text = value.text {
        var reversed = String.UnicodeScalarView()
        reversed.append(contentsOf: text.unicodeScalars.reversed())
        return value.withText(try interpreter.spend(text: String(reversed)))
      }
      guard let items = try? interpreter.items(of: value) else { throw TemplateError("argument must be iterable") }
      return .iterator(try JinjaIterator("reversed", items.reversed()))
    },
    "map": map,
    "select": { try chosen($0, $1, $2, keeps: true, byAttribute: false) },
    "reject": { try chosen($0, $1, $2, keeps: false, byAttribute: false) },
    "selectattr": { try chosen($0, $1, $2, keeps: true, byAttribute: true) },
    "rejectattr": { try chosen($0, $1, $2, keeps: false, byAttribute: true) },
    "attr": { interpreter, value, arguments in
      let name = try arguments.bound("attr", ["name"], required: 1)[0] ?? .none
      guard let text = name.text else { throw TemplateError("attribute name must be string, not '\(name.typeName)'") }
      if case .undefined(let undefined) = value { throw TemplateError(undefined.message) }
      if case .dictionary = value, try interpreter.attribute(text, of: .dictionary(try JinjaDictionary([]))).isUndefined {
        return .undefined(JinjaUndefined("'\(value.owner)' has no attribute \(pythonRepr(text))"))
      }
      return try interpreter.attribute(text, of: value)
    },
    "sort": { interpreter, value, arguments in
      let given = try arguments.bound("sort", ["reverse", "case_sensitive", "attribute"])
      let paths = attributePaths(given[2])
      let isSensitive = given[1]?.isTrue ?? false
      let sorted = try interpreter.sorted(try interpreter.items(of: value), reversed: given[0]?.isTrue ?? false) { item in
        .list(try JinjaSequence(try paths.map { try key(interpreter, item, $0, isSensitive) }))
      }
      return .list(try JinjaSequence(sorted))
    },
    "dictsort": dictionarySort,
    "unique": { interpreter, value, arguments in
      let given = try arguments.bound("unique", ["case_sensitive", "attribute"])
      let path = attributePath(given[1])
      var seen = Set<JinjaKey>()
      let items = try interpreter.items(of: value).filter { item in
        seen.insert(try interpreter.hash(try key(interpreter, item, path, given[0]?.isTrue ?? false))).inserted
      }
      return .iterator(try JinjaIterator("generator", items))
    },
    "min": { try extreme("min", $0, $1, $2) },
    "max": { try extreme("max", $0, $1, $2) },
    "sum": { interpreter, value, arguments in
      let given = try arguments.bound("sum", ["attribute", "start"])
      let path = attributePath(given[0])
      var total = given[1] ?? .int(0)
      if total.text != nil { throw TemplateError("sum() can't sum strings [use ''.join(seq) instead]") }
      for item in try interpreter.items(of: value) {
        total = try interpreter.binary(.add, total, try follow(interpreter, item, path))
      }
      return total
    },
    "groupby": groupBy,
    "batch": { interpreter, value, arguments in
      let given = try arguments.bound("batch", ["linecount", "fill_with"], required: 1)
      let size = try argumentInteger("batch", given[0]) ?? 1
      var rows: [[JinjaValue]] = []
      for item in try interpreter.items(of: value) {
        if let last = rows.last, last.count != size { rows[rows.count - 1].append(item) } else { rows.append([item]) }
      }
      if let fill = given[1], !fill.isNone, let last = rows.last, last.count < size {
        if size > JinjaSequence.maximumCount { throw TemplateError("a list of \(size) items is too long") }
        rows[rows.count - 1] += Array(repeating: fill, count: size - last.count)
      }
      return .iterator(try JinjaIterator("generator", try rows.map { .list(try JinjaSequence($0)) }))
    },
    "slice": slice,
  ]

  private static let orDefault: Filter = { _, value, arguments in
    let given = try arguments.bound("default", ["default_value", "boolean"])
    let isMissing = value.isUndefined || (given[1]?.isTrue == true && !value.isTrue)
    return isMissing ? given[0] ?? .string("") : value
  }

  private static let join: Filter = { interpreter, value, arguments in
    let given = try arguments.bound("join", ["d", "attribute"])
    let path = attributePath(given[1])
    let separator = try interpreter.string(given[0] ?? .string(""))
    let parts = try interpreter.items(of: value).map { try interpreter.string(try follow(interpreter, $0, path)) }
    var bytes = separator.utf8.count * parts.count
    for part in parts { bytes += part.utf8.count }
    if bytes > JinjaInterpreter.textLimit { throw TemplateError("a text of \(bytes) bytes is too long") }
    return .string(try interpreter.spend(text: parts.joined(separator: separator)))
  }

  // MARK: Attributes of items

  /// The parts of `a.b.0`, numbers as numbers.
  static func attributePath(_ value: JinjaValue?) -> [JinjaValue] {
    guard let value, !value.isNone else { return [] }
    guard let text = value.text else { return [value] }
    return text.splitPython(".", limit: -1).map { part in
      let isNumber = !part.isEmpty && part.utf8.allSatisfy { $0 >= 0x30 && $0 <= 0x39 }
      return isNumber ? .int(Int(part) ?? .max) : .string(part)
    }
  }

  private static func attributePaths(_ value: JinjaValue?) -> [[JinjaValue]] {
    guard let text = value?.text else { return [attributePath(value)] }
    return text.splitPython(",", limit: -1).map { attributePath(.string($0)) }
  }

  private static func follow(
    _ interpreter: JinjaInterpreter, _ item: JinjaValue, _ path: [JinjaValue], default fallback: JinjaValue? = nil
  ) throws -> JinjaValue {
    var value = item
    for part in path {
      value = try interpreter.item(part, of: value)
      if let fallback, value.isUndefined { value = fallback }
    }
    return value
  }

  private static func key(
    _ interpreter: JinjaInterpreter, _ item: JinjaValue, _ path: [JinjaValue], _ isCaseSensitive: Bool,
    default fallback: JinjaValue? = nil
  ) throws -> JinjaValue {
    let value = try follow(interpreter, item, path, default: fallback)
    guard !isCaseSensitive, let text = value.text else { return value }
    return .string(text.lowercasedPython())
  }

  // MARK: Selection

  private static let map: Filter = { interpreter, value, arguments in
    guard value.isTrue else { return .iterator(try JinjaIterator("generator", [])) }
    var arguments = arguments
    let transform: (JinjaValue) throws -> JinjaValue
    if arguments.positional.isEmpty, let attribute = arguments.keyword("attribute") {
      if let extra = arguments.keywords.first(where: { $0.name != "attribute" && $0.name != "default" }) {
        throw TemplateError("Unexpected keyword argument '\(extra.name)'")
      }
      let path = attributePath(attribute)
      let fallback = arguments.keyword("default").flatMap { $0.isNone ? nil : $0 }
      transform = { try follow(interpreter, $0, path, default: fallback) }
    } else {
      guard !arguments.positional.isEmpty else { throw TemplateError("map requires a filter argument") }
      let name = try interpreter.string(arguments.positional.removeFirst())
      let rest = arguments
      transform = { item in try interpreter.nested { try interpreter.applyFilter(name, item, rest) } }
    }
    let items = try interpreter.items(of: value).map { item in
      try interpreter.spend()
      return try transform(item)
    }
    return .iterator(try JinjaIterator("generator", items))
  }

  private static func chosen(
    _ interpreter: JinjaInterpreter, _ value: JinjaValue, _ arguments: JinjaArguments, keeps: Bool, byAttribute: Bool
  ) throws -> JinjaValue {
    guard value.isTrue else { return .iterator(try JinjaIterator("generator", [])) }
    var arguments = arguments
    var path: [JinjaValue] = []
    if byAttribute {
      guard !arguments.positional.isEmpty else { throw TemplateError("Missing parameter for attribute name") }
      path = attributePath(arguments.positional.removeFirst())
    }
    let name = arguments.positional.isEmpty ? nil : try interpreter.string(arguments.positional.removeFirst())
    let items = try interpreter.items(of: value).filter { item in
      try interpreter.spend()
      let subject = try follow(interpreter, item, path)
      let holds = try name.map { name in
        try interpreter.nested { try interpreter.applyTest(name, subject, arguments) }
      }
      return (holds ?? subject.isTrue) == keeps
    }
    return .iterator(try JinjaIterator("generator", items))
  }

  private static func extreme(
    _ name: String, _ interpreter: JinjaInterpreter, _ value: JinjaValue, _ arguments: JinjaArguments
  ) throws -> JinjaValue {
    let given = try arguments.bound(name, ["case_sensitive", "attribute"])
    let path = attributePath(given[1])
    var best: (item: JinjaValue, key: JinjaValue)?
    for item in try interpreter.items(of: value) {
      let key = try key(interpreter, item, path, given[0]?.isTrue ?? false)
      guard let current = best else {
        best = (item, key)
        continue
      }
      if try interpreter.compare(key, name == "min" ? .less : .greater, current.key) { best = (item, key) }
    }
    return best?.item ?? .undefined(JinjaUndefined("No aggregated item, sequence was empty."))
  }

  // MARK: Order and groups

  private static let dictionarySort: Filter = { interpreter, value, arguments in
    let given = try arguments.bound("dictsort", ["case_sensitive", "by", "reverse"])
    let by = given[1]?.text ?? "key"
    guard by == "key" || by == "value" else { throw TemplateError("You can only sort by either \"key\" or \"value\"") }
    if case .undefined(let undefined) = value { throw TemplateError(undefined.message) }
    guard case .dictionary(let dictionary) = value else {
      throw TemplateError("'\(value.typeName)' object has no attribute 'items'")
    }
    let isSensitive = given[0]?.isTrue ?? false
    let sorted = try interpreter.sorted(dictionary.entries, reversed: given[2]?.isTrue ?? false) { entry in
      try key(interpreter, by == "key" ? entry.key : entry.value, [], isSensitive)
    }
    return .list(try JinjaSequence(try sorted.map { .tuple(try JinjaSequence([$0.key, $0.value])) }))
  }

  private static let groupBy: Filter = { interpreter, value, arguments in
    let given = try arguments.bound("groupby", ["attribute", "default", "case_sensitive"], required: 1)
    let path = attributePath(given[0])
    let fallback = given[1].flatMap { $0.isNone ? nil : $0 }
    let isSensitive = given[2]?.isTrue ?? false
    let grouper = { (item: JinjaValue) in try key(interpreter, item, path, isSensitive, default: fallback) }
    var groups: [(key: JinjaValue, items: [JinjaValue])] = []
    for item in try interpreter.sorted(try interpreter.items(of: value), key: grouper) {
      let key = try grouper(item)
      if let last = groups.last, try interpreter.equal(last.key, key) {
        groups[groups.count - 1].items.append(item)
      } else {
        groups.append((key, [item]))
      }
    }
    return .list(
      try JinjaSequence(
        try groups.map { group in
          let shown = isSensitive ? group.key : try follow(interpreter, group.items[0], path, default: fallback)
          let items = JinjaValue.list(try JinjaSequence(group.items))
          return .tuple(try JinjaSequence([shown, items], names: ["grouper", "list"]))
        }))
  }

  private static let slice: Filter = { interpreter, value, arguments in
    let given = try arguments.bound("slice", ["slices", "fill_with"], required: 1)
    let items = try interpreter.items(of: value)
    let slices = try argumentInteger("slice", given[0]) ?? 1
    if slices == 0 { throw TemplateError("integer division or modulo by zero") }
    if slices > JinjaGlobals.longestRange { throw TemplateError("\(slices) slices are too many") }
    var rows: [JinjaValue] = []
    var start = 0
    for number in 0..<max(0, slices) {
      let hasExtra = number < items.count % slices
      let end = start + items.count / slices + (hasExtra ? 1 : 0)
      var row = Array(items[start..<end])
      if let fill = given[1], !fill.isNone, !hasExtra { row.append(fill) }
      rows.append(.list(try JinjaSequence(row)))
      start = end
    }
    return .iterator(try JinjaIterator("generator", rows))
  }
}

extension JinjaInterpreter {
  /// Sorted by a key, in Python's order; equal keys keep their places, also where the order is reversed.
  func sorted<T>(_ items: [T], reversed: Bool = false, key: (T) throws -> JinjaValue) throws -> [T] {
    let keys = try items.map(key)
    let order = try items.indices.sorted { first, second in
      let found = try self.order(keys[reversed ? second : first], keys[reversed ? first : second], "<")
      if found == .less { return true }
      if found == .greater { return false }
      return first < second
    }
    return order.map { items[$0] }
  }
}
