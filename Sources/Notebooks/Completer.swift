// What may stand at the cursor: names, fields and methods of a value, options of a call and their choices, paths, directives.
// It reads the text before the cursor itself, because a text being typed is rarely a program yet. It knows no terminal.
import Builtins
import Glibc
import Language

/// What Tab offers.
public struct CompletionList: Equatable, Sendable {
  /// Characters before the cursor that the candidates replace.
  public var replaced: Int
  /// The texts that may stand there.
  public var candidates: [String]

  /// A list.
  public init(replaced: Int, candidates: [String]) {
    self.replaced = replaced
    self.candidates = candidates
  }

  /// Nothing to offer.
  public static let none = CompletionList(replaced: 0, candidates: [])
}

/// Completion for a session.
public struct Completer {
  let table: BuiltinTable
  /// The user's names and their values.
  let globals: () -> [(name: String, value: Value)]
  /// Short names that `load` takes.
  let modelNames: [String]
  /// Names of `:directives`.
  let directives: [String]

  /// Words of the language.
  public static let words = [
    "and", "assert", "break", "catch", "continue", "else", "fail", "false", "fn", "for", "if", "import", "in", "let", "none", "not", "or",
    "return", "run", "test", "true", "try", "while",
  ]

  /// A completer over a session's names as they are when it is asked.
  public init(table: BuiltinTable, directives: [String], modelNames: [String], globals: @escaping () -> [(name: String, value: Value)]) {
    self.table = table
    self.directives = directives
    self.modelNames = modelNames
    self.globals = globals
  }

  /// The candidates at `cursor`, counted in characters.
  public func complete(_ text: String, cursor: Int) -> CompletionList {
    let before = Array(text.prefix(cursor))
    if before.first == ":" { return directive(String(before.dropFirst())) }
    if before.first == "?" { return completion(globals().map(\.name) + table.names, for: String(before.dropFirst().drop { $0 == " " })) }
    let place = Place(before)
    if let typed = place.string { return inString(typed, place) }
    if place.isComment { return .none }
    let word = place.word
    if let owner = place.owner { return completion(members(of: owner), for: word) }
    var candidates: [String] = []
    if let callee = place.callee {
      if let option = place.option {
        candidates += choices(of: option, callee).map { Value.string($0).source }
      } else {
        candidates += options(of: callee).map { $0 + ": " }
      }
      if word.isEmpty { return completion(candidates, for: word) }
    }
    if word.isEmpty { return .none }
    candidates += globals().map(\.name) + table.names + Completer.words
    return completion(candidates, for: word)
  }

  /// A directive's name, or what it takes: a path, a name, code.
  private func directive(_ text: String) -> CompletionList {
    guard let blank = text.firstIndex(of: " ") else { return completion(directives, for: text) }
    let rest = String(text[blank...].drop { $0 == " " })
    switch text[..<blank] {
    case "load", "save", "export":
      let path = rest.hasPrefix("\"") ? String(rest.dropFirst()) : rest
      return CompletionList(replaced: path.count, candidates: paths(from: path).sorted())
    case "rerun": return completion(["stale"], for: rest)
    case "chat": return completion(globals().map(\.name), for: rest)
    case "time": return complete(rest, cursor: rest.count)
    default: return .none
    }
  }

  /// Within quotes: the choices of an option, else a path, and for `load` the names of models.
  private func inString(_ typed: String, _ place: Place) -> CompletionList {
    if let option = place.option, let callee = place.callee {
      let fitting = choices(of: option, callee).filter { $0.hasPrefix(typed) }
      if !fitting.isEmpty { return CompletionList(replaced: typed.count, candidates: fitting.map { $0 + "\"" }) }
    }
    var candidates = paths(from: typed)
    if place.callee == "load" { candidates += modelNames.filter { $0.hasPrefix(typed) } }
    return CompletionList(replaced: typed.count, candidates: candidates.sorted())
  }

  private func choices(of option: String, _ callee: String) -> [String] {
    table.lookup(callee).flatMap(\.parameters).filter { $0.name == option }.flatMap(\.choices)
  }

  /// The names of a call's arguments that may be given by name.
  private func options(of callee: String) -> [String] {
    if case .function(let function)? = globals().last(where: { $0.name == callee })?.value { return function.parameterNames }
    return table.lookup(callee).flatMap(\.parameters).filter { $0.isOptional && !$0.variadic }.map(\.name)
  }

  private func completion(_ candidates: [String], for word: String) -> CompletionList {
    let fitting = Set(candidates.filter { $0.hasPrefix(word) && $0 != word }).sorted()
    return CompletionList(replaced: word.count, candidates: fitting)
  }

  /// Fields of the value that a chain of names leads to, and the builtins that take it first.
  private func members(of owner: Place.Owner) -> [String] {
    let chain: [String]
    switch owner {
    case .names(let names): chain = names
    case .type(let name): return methods { $0.names.contains(name) }
    case .call(let name):
      let types = Set(table.lookup(name).map(\.returns))
      guard types.count == 1, let type = types.first,
        table.rows.contains(where: { $0.parameters.first?.type.names.contains(type) ?? false })
      else { return table.names }
      return methods { $0.names.contains(type) }
    case .unknown: return table.names
    }
    guard let value = value(of: chain) else { return table.names }
    var names: [String] = []
    switch value {
    case .map(let map): names += map.keys.filter { $0.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" } }
    case .object(let object): names += object.fieldNames
    default: break
    }
    return names + methods { $0.admits(value) }
  }

  /// Builtins whose first parameter is of a type; those that take anything are named too where they belong to the language.
  private func methods(_ fits: (ParameterType) -> Bool) -> [String] {
    table.rows.filter { row in
      guard let first = row.parameters.first else { return false }
      if case .any = first.type { return row.category == "Core" }
      return fits(first.type)
    }.map(\.name)
  }

  private func value(of chain: [String]) -> Value? {
    guard let first = chain.first, var value = globals().last(where: { $0.name == first })?.value else { return nil }
    for name in chain.dropFirst() {
      switch value {
      case .map(let map):
        guard let next = map[name] else { return nil }
        value = next
      case .object(let object):
        // A field that fails to compute offers nothing.
        guard let next = (try? object.field(name)) ?? nil else { return nil }
        value = next
      default: return nil
      }
    }
    return value
  }

  private func paths(from typed: String) -> [String] {
    let slash = typed.lastIndex(of: "/").map { typed.index(after: $0) } ?? typed.startIndex
    let folder = String(typed[..<slash])
    let start = typed[slash...]
    var path = folder.isEmpty ? "." : folder
    if path.hasPrefix("~/"), let home = getenv("HOME") { path = String(cString: home) + path.dropFirst() }
    guard let handle = opendir(path) else { return [] }
    defer { closedir(handle) }
    var found: [String] = []
    while let entry = readdir(handle) {
      let name = withUnsafePointer(to: entry.pointee.d_name) { $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) } }
      guard name != ".", name != "..", name.hasPrefix(start), !name.hasPrefix(".") || start.hasPrefix(".") else { continue }
      var status = stat()
      let isFolder = stat(path + "/" + name, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
      found.append(folder + name + (isFolder ? "/" : ""))
    }
    return found
  }
}

/// Where in a program a cursor stands.
private struct Place {
  /// What a dot follows.
  enum Owner {
    /// `t.history`.
    case names([String])
    /// `"text"`, `[1, 2]`.
    case type(String)
    /// `load("smollm2")`.
    case call(String)
    case unknown
  }

  /// What has been typed of a string that is open here.
  var string: String?
  /// Whether a comment runs here.
  var isComment = false
  /// The name that is being typed.
  var word = ""
  /// What stands before the dot that stands before the word.
  var owner: Owner?
  /// The function whose brackets are open here.
  var callee: String?
  /// The option whose value is being typed.
  var option: String?

  init(_ text: [Character]) {
    /// For each open bracket: the name before it, empty where there is none.
    var open: [String] = []
    var name = ""
    var index = 0
    while index < text.count {
      let character = text[index]
      switch character {
      case "\"":
        let start = index + 1
        guard let end = Place.endOfString(text, from: start) else {
          string = String(text[start...])
          callee = open.last
          option = Place.optionName(text[..<index])
          return
        }
        index = end
        name = ""
      case "#":
        guard let end = text[index...].firstIndex(where: \.isNewline) else {
          isComment = true
          return
        }
        index = end
        name = ""
      case "(", "[", "{":
        open.append(character == "(" ? name : "")
        name = ""
      case ")", "]", "}":
        _ = open.popLast()
        name = ""
      case " ": break
      default:
        if Place.isName(character) {
          if index > 0, text[index - 1] == " " { name = "" }
          name.append(character)
        } else {
          name = ""
        }
      }
      index += 1
    }
    callee = open.last.flatMap { $0.isEmpty ? nil : $0 }
    word = String(text.reversed().prefix(while: Place.isName).reversed())
    let rest = text.dropLast(word.count)
    if rest.last == ".", !(rest.dropLast().last.map { $0 == "." } ?? true) {
      owner = Place.chain(rest.dropLast())
    } else {
      option = Place.optionName(rest)
    }
  }

  private static func isName(_ character: Character) -> Bool { character.isLetter || character.isNumber || character == "_" }

  private static func endOfString(_ text: [Character], from start: Int) -> Int? {
    var index = start
    while index < text.count {
      if text[index] == "\\" {
        index += 2
        continue
      }
      if text[index] == "\"" { return index }
      index += 1
    }
    return nil
  }

  /// What stands at the end of a text.
  private static func chain(_ text: ArraySlice<Character>) -> Owner {
    let names = text.reversed().prefix { isName($0) || $0 == "." }.reversed()
    let rest = text.dropLast(names.count)
    if names.isEmpty || names.first == "." {
      guard names.isEmpty else { return .unknown }
      switch rest.last {
      case "\"": return .type("str")
      case "]": return opening(rest, "[", "]").map { isName($0.last ?? " ") || $0.last == ")" ? .unknown : .type("list") } ?? .unknown
      case ")":
        guard let before = opening(rest, "(", ")") else { return .unknown }
        let name = String(before.reversed().prefix(while: isName).reversed())
        return name.isEmpty || before.dropLast(name.count).last == "." ? .unknown : .call(name)
      default: return .unknown
      }
    }
    return .names(String(names).split(separator: ".").map(String.init))
  }

  /// The text before the bracket that the last one closes.
  private static func opening(_ text: ArraySlice<Character>, _ open: Character, _ close: Character) -> ArraySlice<Character>? {
    var depth = 0
    for index in text.indices.reversed() {
      if text[index] == close { depth += 1 }
      if text[index] == open {
        depth -= 1
        if depth == 0 { return text[..<index] }
      }
    }
    return nil
  }

  /// The option in `beta: ` or `loss = ` before the cursor.
  private static func optionName(_ text: ArraySlice<Character>) -> String? {
    let end = text.reversed().drop { $0 == " " }
    guard let mark = end.first, mark == ":" || mark == "=" else { return nil }
    let name = String(end.dropFirst().drop { $0 == " " }.prefix(while: isName).reversed())
    return name.isEmpty ? nil : name
  }
}

extension ParameterType {
  /// The names of the types it takes.
  fileprivate var names: [String] {
    if case .anyOf(let types) = self { return types.flatMap(\.names) }
    return [name]
  }
}
