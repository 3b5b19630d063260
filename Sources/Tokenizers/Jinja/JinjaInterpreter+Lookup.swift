// `value.name`, `value[key]`, slices and iteration. A name is looked for among the value's methods first and among its
// keys after; a key the other way round. What the sandbox hides is undefined, with the reason.

extension JinjaInterpreter {
  // MARK: Attributes and items

  /// The value of `value.name`.
  func attribute(_ name: String, of value: JinjaValue) throws -> JinjaValue {
    if case .undefined(let undefined) = value { throw TemplateError(undefined.message) }
    if let found = try method(name, of: value) { return found }
    if case .dictionary(let dictionary) = value, let found = dictionary[.text(JinjaText(name))] { return found }
    return .undefined(JinjaUndefined("'\(value.owner)' has no attribute \(pythonRepr(name))"))
  }

  /// The value of `value[key]`.
  func item(_ key: JinjaValue, of value: JinjaValue) throws -> JinjaValue {
    switch value {
    case .undefined(let undefined): throw TemplateError(undefined.message)
    case .dictionary(let dictionary):
      if let hash = try? hash(key), let found = dictionary[hash] { return found }
    case .list(let sequence), .tuple(let sequence):
      if let index = place(key, sequence.items.count) { return sequence.items[index] }
    case .range(let range):
      if let index = place(key, range.count) { return .int(range.item(index)) }
    case .string(let text), .markup(let text):
      try spend(text.utf8.count / 64)
      if let found = character(key, of: text) { return value.withText(found) }
    default: break
    }
    if let name = key.text {
      if let found = try method(name, of: value) { return found }
      return .undefined(JinjaUndefined("'\(value.owner)' has no attribute \(pythonRepr(name))"))
    }
    return .undefined(JinjaUndefined("\(value.owner) has no element \(try repr(key))"))
  }

  private func place(_ key: JinjaValue, _ count: Int) -> Int? {
    guard let index = key.integer else { return nil }
    let place = index < 0 ? index &+ count : index
    return place >= 0 && place < count ? place : nil
  }

  private func character(_ key: JinjaValue, of text: String) -> String? {
    guard let index = key.integer else { return nil }
    let scalars = text.unicodeScalars
    if index >= 0 {
      guard let place = scalars.index(scalars.startIndex, offsetBy: index, limitedBy: scalars.endIndex),
        place < scalars.endIndex
      else { return nil }
      return String(scalars[place])
    }
    guard index > Int.min, let place = scalars.index(scalars.endIndex, offsetBy: index, limitedBy: scalars.startIndex) else { return nil }
    return String(scalars[place])
  }

  /// A method or a field that the type of a value has, hidden ones included.
  private func method(_ name: String, of value: JinjaValue) throws -> JinjaValue? {
    if name.hasPrefix("__") && name.hasSuffix("__") && name.utf8.count > 4 { return hidden(name, value) }
    switch value {
    case .string, .markup: return JinjaStringMethods.method(name, of: value)
    case .list(let sequence):
      if ["append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"].contains(name) { return hidden(name, value) }
      return sequenceMethod(name, value, sequence.items)
    case .tuple(let sequence):
      if let place = sequence.names.firstIndex(of: name) { return sequence.items[place] }
      return sequenceMethod(name, value, sequence.items)
    case .dictionary(let dictionary):
      if ["clear", "pop", "popitem", "setdefault", "update"].contains(name) { return hidden(name, value) }
      return dictionaryMethod(name, dictionary)
    case .namespace(let namespace): return namespace.value(name)
    case .loop(let loop): return try loop.attribute(name, self)
    case .macro(let macro): return name == "name" ? .string(macro.body.name) : nil
    case .cycler(let cycler): return cyclerMethod(name, cycler)
    case .range(let range):
      switch name {
      case "start": return .int(range.start)
      case "stop": return .int(range.stop)
      case "step": return .int(range.step)
      default: return nil
      }
    case .double(let number) where name == "is_integer":
      return .function(JinjaFunction(name) { _, _ in .bool(number == number.rounded() && number.isFinite) })
    case .function(let function) where function.name == "dict" && name == "fromkeys": return JinjaGlobals.fromKeys
    default: return nil
    }
  }

  private func hidden(_ name: String, _ value: JinjaValue) -> JinjaValue {
    .undefined(JinjaUndefined("access to attribute '\(name)' of '\(value.typeName)' object is unsafe."))
  }

  private func sequenceMethod(_ name: String, _ value: JinjaValue, _ items: [JinjaValue]) -> JinjaValue? {
    switch name {
    case "count":
      return .function(
        JinjaFunction(name, depth: value.depth) { interpreter, arguments in
          let wanted = try arguments.bound("count", ["value"], required: 1)[0] ?? .none
          return .int(try items.filter { try interpreter.equal($0, wanted) }.count)
        })
    case "index":
      return .function(
        JinjaFunction(name, depth: value.depth) { interpreter, arguments in
          let wanted = try arguments.bound("index", ["value"], required: 1)[0] ?? .none
          guard let place = try items.firstIndex(where: { try interpreter.equal($0, wanted) }) else {
            throw TemplateError("\(try interpreter.repr(wanted)) is not in \(value.typeName)")
          }
          return .int(place)
        })
    case "copy":
      guard case .list = value else { return nil }
      return .function(JinjaFunction(name, depth: value.depth) { _, _ in value })
    default: return nil
    }
  }

  private func dictionaryMethod(_ name: String, _ dictionary: JinjaDictionary) -> JinjaValue? {
    let depth = dictionary.depth
    switch name {
    case "get":
      return .function(
        JinjaFunction(name, depth: depth) { interpreter, arguments in
          let values = try arguments.bound("get", ["key", "default"], required: 1)
          return dictionary[try interpreter.hash(values[0] ?? .none)] ?? values[1] ?? .none
        })
    case "items", "keys", "values":
      return .function(JinjaFunction(name, depth: depth) { interpreter, _ in try interpreter.view(name, dictionary) })
    case "copy": return .function(JinjaFunction(name, depth: depth) { _, _ in .dictionary(dictionary) })
    case "fromkeys": return JinjaGlobals.fromKeys
    default: return nil
    }
  }

  /// `items()`, `keys()` or `values()` of a dictionary.
  func view(_ name: String, _ dictionary: JinjaDictionary) throws -> JinjaValue {
    try spend(dictionary.entries.count)
    switch name {
    case "keys": return .view(try JinjaView("dict_keys", dictionary.entries.map(\.key)))
    case "values": return .view(try JinjaView("dict_values", dictionary.entries.map(\.value)))
    default: return .view(try JinjaView("dict_items", try pairs(dictionary)))
    }
  }

  /// Keys and values as tuples.
  func pairs(_ dictionary: JinjaDictionary) throws -> [JinjaValue] {
    try dictionary.entries.map { .tuple(try JinjaSequence([$0.key, $0.value])) }
  }

  private func cyclerMethod(_ name: String, _ cycler: JinjaCycler) -> JinjaValue? {
    guard cycler.separator == nil else { return nil }
    switch name {
    case "current": return cycler.items[cycler.position]
    case "next":
      return .function(
        JinjaFunction(name, depth: cycler.depth) { _, _ in
          defer { cycler.position = (cycler.position + 1) % cycler.items.count }
          return cycler.items[cycler.position]
        })
    case "reset":
      return .function(
        JinjaFunction(name, depth: cycler.depth) { _, _ in
          cycler.position = 0
          return .none
        })
    default: return nil
    }
  }

  // MARK: Slices

  /// The value of `value[start:stop:step]`.
  func slice(_ value: JinjaValue, _ start: JinjaValue?, _ stop: JinjaValue?, _ step: JinjaValue?) throws -> JinjaValue {
    switch value {
    case .undefined(let undefined): throw TemplateError(undefined.message)
    case .list(let sequence): return .list(try JinjaSequence(try sliced(sequence.items, start, stop, step)))
    case .tuple(let sequence): return .tuple(try JinjaSequence(try sliced(sequence.items, start, stop, step)))
    case .string(let text), .markup(let text):
      try spend(text.utf8.count / 64)
      var view = String.UnicodeScalarView()
      view.append(contentsOf: try sliced(Array(text.unicodeScalars), start, stop, step))
      return value.withText(String(view))
    case .range(let range):
      let items = try sliced((0..<range.count).map { range.item($0) }, start, stop, step)
      return .list(try JinjaSequence(items.map { .int($0) }))
    case .dictionary: throw TemplateError("unhashable type: 'slice'")
    default: throw TemplateError("'\(value.typeName)' object is not subscriptable")
    }
  }

  private func sliced<T>(_ items: [T], _ start: JinjaValue?, _ stop: JinjaValue?, _ step: JinjaValue?) throws -> [T] {
    let step = try bound(step) ?? 1
    if step == 0 { throw TemplateError("slice step cannot be zero") }
    let count = items.count
    let clamp = { (index: Int, low: Int, high: Int) in min(max(index < 0 ? index &+ count : index, low), high) }
    if step > 0 {
      let from = try bound(start).map { clamp($0, 0, count) } ?? 0
      let to = try bound(stop).map { clamp($0, 0, count) } ?? count
      if step == 1 { return from < to ? Array(items[from..<to]) : [] }
      return stride(from: from, to: to, by: min(step, count + 1)).map { items[$0] }
    }
    let from = try bound(start).map { clamp($0, -1, count - 1) } ?? count - 1
    let to = try bound(stop).map { clamp($0, -1, count - 1) } ?? -1
    return stride(from: from, to: to, by: max(step, -count - 1)).map { items[$0] }
  }

  private func bound(_ value: JinjaValue?) throws -> Int? {
    guard let value, !value.isNone else { return nil }
    guard let index = value.integer else {
      throw TemplateError("slice indices must be integers or None or have an __index__ method")
    }
    // Far out of range is as good as just out of range, and safe to add to.
    return min(max(index, -(1 << 40)), 1 << 40)
  }

  // MARK: Iteration

  /// Where the items of a value come from.
  func iterable(_ value: JinjaValue) throws -> JinjaSource {
    switch value {
    case .range(let range): return .range(range, next: 0)
    case .iterator(let iterator): return .iterator(iterator)
    default: return .items(try items(of: value), next: 0, depth: value.depth)
    }
  }

  /// All items of a value.
  func items(of value: JinjaValue, orElse message: String? = nil) throws -> [JinjaValue] {
    switch value {
    case .undefined: return []
    case .list(let sequence), .tuple(let sequence):
      try spend(sequence.items.count / 8)
      return sequence.items
    case .dictionary(let dictionary):
      try spend(dictionary.entries.count / 8)
      return dictionary.entries.map(\.key)
    case .string(let text), .markup(let text):
      try spend(text.utf8.count)
      return text.unicodeScalars.map { value.withText(String($0)) }
    case .range(let range):
      try spend(range.count)
      return (0..<range.count).map { .int(range.item($0)) }
    case .view(let view): return view.items
    case .iterator(let iterator): return iterator.rest()
    default: throw TemplateError(message ?? "'\(value.typeName)' object is not iterable")
    }
  }

  /// Python's `len`.
  func length(of value: JinjaValue) throws -> Int {
    switch value {
    case .undefined: return 0
    case .list(let sequence), .tuple(let sequence): return sequence.items.count
    case .dictionary(let dictionary): return dictionary.entries.count
    case .string(let text), .markup(let text):
      try spend(text.utf8.count / 64)
      return text.unicodeScalars.count
    case .range(let range): return range.count
    case .view(let view): return view.items.count
    case .loop(let loop): return try loop.attribute("length", self)?.integer ?? 0
    default: throw TemplateError("object of type '\(value.typeName)' has no len()")
    }
  }
}
