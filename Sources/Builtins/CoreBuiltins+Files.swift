// JSON, files and folders. Files are written whole or not at all, except when appended to.
import Formats
import Glibc
import Language

func fileBuiltins() -> [Builtin] {
  [
    Builtin(
      "from_json", category: "Core", [Parameter("text", .string)],
      returns: "any", summary: "The value of a JSON text; null is none.", example: "from_json(\"[1, 2.5, null]\")"
    ) { call in Value(try JSON.parse(try call.string("text"))) },
    Builtin(
      "to_json", category: "Core", [Parameter("x", .any), Parameter("pretty", .bool, default: false, help: "one entry per line")],
      returns: "str", summary: "The value as JSON; NaN and infinities become null.", example: "to_json({a: [1, none]})"
    ) { call in .string(try call["x"].asJSON().serialized(pretty: try call.bool("pretty"))) },
    Builtin(
      "read", category: "Core", [Parameter("path", .string)],
      returns: "str", summary: "The text of a file.", example: "write(\"/tmp/zs-example.txt\", \"aye\")\nread(\"/tmp/zs-example.txt\")"
    ) { call in .string(try readText(try call.string("path"))) },
    Builtin(
      "write", category: "Core",
      [
        Parameter("path", .string), Parameter("text", .any, help: "a str, or a value to write as text"),
        Parameter("append", .bool, default: false, help: "add to the end instead of replacing"),
      ],
      returns: "none", summary: "Writes a text to a file.", example: "write(\"/tmp/zs-example.txt\", \"aye\\n\")"
    ) { call in
      let path = try call.string("path")
      let text = call["text"].printed
      if try call.bool("append") { try appendText(text, to: path) } else { try AtomicFile.write(text, to: path) }
      return .none
    },
    Builtin(
      "read_jsonl", category: "Core", [Parameter("path", .string)],
      returns: "list", summary: "The values of a file with one JSON value per line.",
      example: "write_jsonl(\"/tmp/zs-example.jsonl\", [{a: 1}, {a: 2}])\nread_jsonl(\"/tmp/zs-example.jsonl\")[1].a"
    ) { call in
      let lines = try JSONLines(path: try call.string("path"))
      if let problem = lines.problems.first { throw ZsError(kind: "file", message: problem.reason, argument: "path") }
      return .list(lines.rows.map { Value($0.value) })
    },
    Builtin(
      "write_jsonl", category: "Core",
      [Parameter("path", .any, help: "a str"), Parameter("rows", .any, help: "a list, dataset or tensor")],
      returns: "none", summary: "Writes one JSON value per line.", example: "write_jsonl(\"/tmp/zs-example.jsonl\", [{a: 1}, {a: 2}])"
    ) { call in
      // People pipe the rows in: rows |> write_jsonl(path).
      var (path, rows) = (call["path"], call["rows"])
      if !path.isString, rows.isString { swap(&path, &rows) }
      guard let target = path.text else { throw ZsError(kind: "type", message: "write_jsonl needs a path", argument: "path") }
      try JSONLines.write(try elements(of: rows, for: "write_jsonl").map { try $0.asJSON() }, to: target)
      return .none
    },
    Builtin(
      "exists", category: "Core", [Parameter("path", .string)],
      returns: "bool", summary: "Whether there is such a file or folder.", example: "exists(\"/tmp\")"
    ) { call in .bool(access(try call.string("path"), F_OK) == 0) },
    Builtin(
      "list_files", category: "Core",
      [Parameter("folder", .string, default: "."), Parameter("pattern", .string, default: "*", help: "as in a shell: * and ?")],
      returns: "list", summary: "The paths in a folder, sorted, hidden ones left out.", example: "list_files(\"/tmp\", \"*.jsonl\")"
    ) { call in .list(try listFiles(try call.string("folder"), try call.string("pattern")).map { .string($0) }) },
    Builtin(
      "env", category: "Core", [Parameter("name", .string), Parameter("default", .any, default: Value.none)],
      returns: "str", summary: "A variable of the environment, or the default.", example: "env(\"HOME\", \"/\")"
    ) { call in (try Session.of(call).environment[try call.string("name")]).map { .string($0) } ?? call["default"] },
  ]
}

private func readText(_ path: String) throws -> String {
  guard let text = try FileContents.text(path) else {
    throw ZsError(kind: "file", message: "\(path) is not UTF-8 text", hint: "load reads model files; read is for text", argument: "path")
  }
  // Editors of another system put a mark at the start that is no text.
  return text.unicodeScalars.first == "\u{FEFF}" ? String(text.unicodeScalars.dropFirst()) : text
}

private func appendText(_ text: String, to path: String) throws {
  let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
  guard descriptor >= 0 else { throw systemError("write", path) }
  defer { close(descriptor) }
  var rest = Array(text.utf8)[...]
  while !rest.isEmpty {
    let sent = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
    if sent < 0 && errno == EINTR { continue }
    guard sent > 0 else { throw systemError("write", path) }
    rest = rest.dropFirst(sent)
  }
}

private func systemError(_ action: String, _ path: String) -> ZsError {
  ZsError(kind: "file", message: "cannot \(action) \(path): \(String(cString: strerror(errno)))")
}

private func listFiles(_ folder: String, _ pattern: String) throws -> [String] {
  guard let handle = opendir(folder) else { throw systemError("list", folder) }
  defer { closedir(handle) }
  var names: [String] = []
  while let entry = readdir(handle) {
    let name = withUnsafePointer(to: entry.pointee.d_name) { pointer in
      pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
    }
    if !name.hasPrefix("."), fnmatch(pattern, name, 0) == 0 { names.append(name) }
  }
  let prefix = folder == "." ? "" : folder.hasSuffix("/") ? folder : folder + "/"
  return names.sorted().map { prefix + $0 }
}
