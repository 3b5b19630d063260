// What may stand at the cursor: names, fields and methods of a value, options of a call and their choices, paths, directives.
// It reads the text before the cursor itself, because a text being typed is rarely a program yet. It knows no terminal.
import Builtins
import Glibc
import Language

/// Completion for a session.
struct Completer {
  let table: BuiltinTable
  /// The user's names and their values.
  let globals: () -> [(name: String, value: Value)]
  /// Short names that `load` takes.
  let modelNames: [String]
  static let directives = ["cells", "help", "history", "load", "quit", "save", "seed", "time", "vars"]
  static let words = [
    "and", "assert", "break", "catch", "continue", "else", "fail", "false", "fn", "for", "if", "import", "in", "let", "none", "not", "or",
    "return",
    "run", "test", "true", "try", "while",
  ]

  /// The candidates at `cursor`, counted in characters.
  func complete(_ text: String, cursor: Int) -> Completion {
    let before = Array(text.prefix(cursor))
    if before.first == ":" { return completion(Completer.directives, for: String(before.dropFirst())) }
    let place = Place(before)
    if let path = place.string {
      var candidates = paths(from: path)
      if place.callee == "load" { candidates += modelNames.filter { $0.hasPrefix(path) } }
      return Completion(replaced: path.count, candidates: candidates.sorted())
    }
    if place.isComment { return .none }
    let word = place.word
    if let owner = place.owner { return completion(members(of: owner), for: word) }
    var candidates: [String] = []
    if let callee = place.callee {
      let rows = table.lookup(callee)
      if let option = place.option {
        candidates += rows.flatMap(\.parameters).filter { $0.name == option }.flatMap(\.choices).map { Value.string($0).source }
        if word.isEmpty { return completion(candidates, for: word) }
      } else {
        candidates += rows.flatMap(\.parameters).filter(\.isOptional).filter { !$0.variadic }.map { $0.name + ": " }
        if word.isEmpty { return completion(candidates, for: word) }
      }
    }
    if word.isEmpty { return .none }
    candidates += globals().map(\.name) + table.names + Completer.words
    return completion(candidates, for: word)
  }

  private func completion(_ candidates: [String], for word: String) -> Completion {
    let fitting = Set(candidates.filter { $0.hasPrefix(word) && $0 != word }).sorted()
    return Completion(replaced: word.count, candidates: fitting)
  }

  /// Fields of the value that a chain of names leads to, and the builtins that take it first.
  private func members(of chain: [String]) -> [String] {
    guard let value = value(of: chain) else { return table.names }
    var names: [String] = []
    switch value {
    case .map(let map): names += map.keys.filter { $0.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" } }
    case .object(let object): names += object.fieldNames
    default: break
    }
    names += table.rows.filter { row in
      guard let first = row.parameters.first else { return false }
      if case .any = first.type { return row.category == "Core" }
      return first.type.admits(value)
    }.map(\.name)
    return names
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
  /// What has been typed of a string that is open here.
  var string: String?
  /// Whether a comment runs here.
  var isComment = false
  /// The name that is being typed.
  var word = ""
  /// The names before the dot that stands before the word: `["t", "history"]`.
  var owner: [String]?
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

  /// The names of `a.b.c` at the end of a text; empty where the dot follows something else.
  private static func chain(_ text: ArraySlice<Character>) -> [String] {
    let names = text.reversed().prefix { isName($0) || $0 == "." }.reversed()
    let before = text.dropLast(names.count).last
    if before == ")" || before == "]" || before == "\"" { return [] }
    return String(names).split(separator: ".").map(String.init)
  }

  /// The option in `beta: ` or `loss = ` before the cursor.
  private static func optionName(_ text: ArraySlice<Character>) -> String? {
    let end = text.reversed().drop { $0 == " " }
    guard let mark = end.first, mark == ":" || mark == "=" else { return nil }
    let name = String(end.dropFirst().drop { $0 == " " }.prefix(while: isName).reversed())
    return name.isEmpty ? nil : name
  }
}
