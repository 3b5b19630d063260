// A small table of builtins, an object that stands for tensors, and runs of programs with what they gave.
import Language
import XCTest

/// Stands for a tensor: a row of numbers with elementwise operators, fields and shape errors.
final class Vector: ObjectValue {
  var values: [Double]

  init(_ values: [Double]) { self.values = values }

  var typeName: String { "vector" }
  var fieldNames: [String] { ["size", "total", "scale"] }

  func field(_ name: String) throws -> Value? {
    switch name {
    case "size": .int(Int64(values.count))
    case "total": .float(values.reduce(0, +))
    case "scale":
      .function(
        Function.native(
          Builtin("scale", category: "test", [Parameter("factor", .float)], returns: "vector", summary: "", example: "") { call in
            let factor = try call.double("factor")
            return .object(Vector(self.values.map { $0 * factor }))
          }))
    default: nil
    }
  }

  func subscripted(_ index: [IndexArgument]) throws -> Value {
    guard index.count == 1 else { throw ZsError(kind: "shape", message: "a vector has one dimension, not \(index.count)") }
    switch index[0] {
    case .at(.int(let number)):
      guard values.indices.contains(Int(number)) else { throw ZsError(kind: "index", message: "index \(number) is outside") }
      return .float(values[Int(number)])
    case .slice(let lower, let upper, let step):
      return .object(Vector(try SliceBounds(lower, upper, step, length: values.count).positions.map { values[$0] }))
    case .ellipsis: return .object(self)
    default: throw ZsError(kind: "type", message: "a vector is indexed by ints")
    }
  }

  func assigning(_ value: Value, at index: [IndexArgument]) throws -> any ObjectValue {
    guard index.count == 1, case .at(.int(let number)) = index[0], values.indices.contains(Int(number)), let new = value.number else {
      throw ZsError(kind: "index", message: "cannot assign there")
    }
    let copy = Vector(values)
    copy.values[Int(number)] = new
    return copy
  }

  func elementCount() throws -> Int? { values.count }
  func element(at index: Int) throws -> Value { .float(values[index]) }

  func binary(_ operation: BinaryOperator, _ other: Value, objectOnLeft: Bool) throws -> Value? {
    let right: [Double]
    switch other {
    case .int, .float: right = values.map { _ in other.number ?? 0 }
    case .object(let object):
      guard let vector = object as? Vector else { return nil }
      guard vector.values.count == values.count else {
        throw ZsError(
          kind: "shape", message: "\(operation.rawValue) needs vectors of one size, not [\(values.count)] and [\(vector.values.count)]")
      }
      right = vector.values
    default: return nil
    }
    let pairs = zip(objectOnLeft ? values : right, objectOnLeft ? right : values)
    switch operation {
    case .add: return .object(Vector(pairs.map { $0 + $1 }))
    case .subtract: return .object(Vector(pairs.map { $0 - $1 }))
    case .multiply: return .object(Vector(pairs.map { $0 * $1 }))
    case .equal: return .object(Vector(pairs.map { $0 == $1 ? 1 : 0 }))
    default: return nil
    }
  }

  func negated() throws -> Value? { .object(Vector(values.map { -$0 })) }
  func truth() throws -> Bool? { values.allSatisfy { $0 != 0 } }
  func plain() throws -> Value { .list(values.map { .float($0) }) }
  func display(_ options: DisplayOptions) -> String { "vector\(values)" }
}

/// An error as a library throws it.
struct LibraryError: Error {
  let message: String
}

final class TestHost {}

func testBuiltins() -> [Builtin] {
  func row(
    _ name: String, _ parameters: [Parameter], _ body: @escaping (Call) throws -> Value
  ) -> Builtin {
    Builtin(name, category: "test", parameters, returns: "any value", summary: name, example: "", body: body)
  }
  let collection = ParameterType.anyOf([.string, .list, .map, .range, .object("vector")])
  return [
    row("print", [Parameter("values", .any, variadic: true)]) { call in
      call.context.write(call.variadic.map(\.printed).joined(separator: " ") + "\n")
      return .none
    },
    row("len", [Parameter("x", collection)]) { call in
      if case .string(let text) = call["x"] { return .int(Int64(text.count)) }
      return .int(Int64(try call["x"].listed()?.count ?? 0))
    },
    row("str", [Parameter("x", .any)]) { .string($0["x"].printed) },
    row("int", [Parameter("x", .anyOf([.int, .float]))]) { .int(Int64($0["x"].number ?? 0)) },
    row("float", [Parameter("x", .anyOf([.int, .float, .string]))]) { call in
      .float(call["x"].number ?? call["x"].text.flatMap(Double.init) ?? .nan)
    },
    row("type", [Parameter("x", .any)]) { .string($0["x"].typeName) },
    row("keys", [Parameter("m", .map)]) { .list(try $0.map("m").keys.map { .string($0) }) },
    row("get", [Parameter("x", .any), Parameter("key", .any), Parameter("default", .any, default: Value.none)]) { call in
      if case .map(let map) = call["x"], case .string(let key) = call["key"] { return map[key] ?? call["default"] }
      return call["default"]
    },
    row("map", [Parameter("xs", .list), Parameter("f", .function)]) { call in
      .list(try call.list("xs").map { try call.context.call(call["f"], [$0]) })
    },
    row("sort", [Parameter("xs", .list)]) { call in
      .list(
        try call.list("xs").sorted { left, right in
          guard case .int(let a) = left, case .int(let b) = right else { throw ZsError(kind: "type", message: "sort takes ints") }
          return a < b
        })
    },
    row("reverse", [Parameter("xs", .list)]) { .list(try $0.list("xs").reversed()) },
    row("join", [Parameter("xs", .list), Parameter("separator", .string, default: "")]) { call in
      .string(try call.list("xs").map(\.printed).joined(separator: call.string("separator")))
    },
    row("split", [Parameter("s", .string), Parameter("separator", .string)]) { call in
      .list(try call.string("s").split(separator: call.string("separator")).map { .string(String($0)) })
    },
    row("enumerate", [Parameter("xs", .list)]) { call in
      .list(try call.list("xs").enumerated().map { .list([.int(Int64($0)), $1]) })
    },
    row("raises", [Parameter("f", .function)]) { call in
      do {
        _ = try call.context.call(call["f"], [])
        return .bool(false)
      } catch let error as Interrupted {
        throw error
      } catch {
        return .bool(true)
      }
    },
    row("vector", [Parameter("values", .list)]) { .object(Vector(try $0.list("values").compactMap(\.number))) },
    row("total", [Parameter("xs", .list), Parameter("start", .float, default: 0)]) { call in
      .float(try call.list("xs").compactMap(\.number).reduce(try call.double("start"), +))
    },
    row("total", [Parameter("v", .object("vector")), Parameter("axis", .int, default: Value.none)]) { call in
      .float(try call.object("v", as: Vector.self).values.reduce(0, +))
    },
    row(
      "generate",
      [
        Parameter("model", .any), Parameter("prompt", .string), Parameter("max_tokens", .int, default: 256, range: 1...100_000),
        Parameter("temperature", .float, default: 0, range: 0...100, aliases: ["heat"]),
        Parameter("loss", .string, default: "sigmoid", choices: ["sigmoid", "ipo", "hinge"]),
        Parameter("learning_rate", .float, default: 0.1),
        Parameter("axis", .int, default: Value.none), Parameter("seed", .int, default: Value.none),
      ]
    ) { call in
      .string("\(try call.string("prompt")):\(try call.int("max_tokens")):\(call.isStatement)")
    },
    row("interrupt", []) { call in
      guard let interpreter = call.context as? Interpreter else { return .none }
      interpreter.interrupt.raise()
      return .none
    },
    row("library_error", [Parameter("text", .string)]) { throw LibraryError(message: try $0.string("text")) },
    row("load", [Parameter("path", .string)]) { call in
      throw ZsError(
        kind: "file", message: "there is no file '\(try call.string("path"))'", hint: "models() lists what there is", argument: "path")
    },
  ]
}

/// A session for a test, with files in memory and what it wrote.
final class TestSession {
  var written = ""
  var results: [StatementResult] = []
  var tests: [TestOutcome] = []
  private(set) var interpreter: Interpreter

  init(isInteractive: Bool = false, files: [String: String] = [:], runsTests: Bool = false) {
    final class Sink {
      var text = ""
      var tests: [TestOutcome] = []
    }
    let sink = Sink()
    interpreter = Interpreter(
      table: BuiltinTable(testBuiltins()), host: TestHost(), isInteractive: isInteractive,
      readFile: { path, base in
        let folder = base.map { $0.split(separator: "/").dropLast().joined(separator: "/") } ?? ""
        let resolved = folder.isEmpty ? path : folder + "/" + path
        guard let text = files[resolved] else {
          throw ZsError(kind: "file", message: "there is no file '\(path)'", hint: "paths are relative to the file that names them")
        }
        return (resolved, text)
      }, output: { sink.text += $0 },
      describe: { error in
        if let error = error as? LibraryError { return ZsError(kind: "library", message: error.message) }
        return ZsError("\(error)")
      })
    interpreter.methodNames = ["scale"]
    if runsTests { interpreter.onTest = { sink.tests.append($0) } }
    collect = { session in
      session.written = sink.text
      session.tests = sink.tests
    }
  }

  private var collect: (TestSession) -> Void = { _ in }

  @discardableResult
  func run(_ text: String, name: String = "test.zs", path: String? = nil, cells: Range<Int>? = nil) -> RunResult {
    defer { collect(self) }
    return interpreter.run(text, name: name, path: path, cells: cells) { results.append($0) }
  }

  @discardableResult
  func cell(_ text: String) -> RunResult {
    defer { collect(self) }
    return interpreter.runCell(text) { results.append($0) }
  }

  func render(_ errors: [ZsError]) -> String {
    DiagnosticRenderer(sources: interpreter.sources).render(errors, most: 10)
  }
}

/// The last value of a program as source, or its errors as text.
func outcome(_ text: String) -> String {
  let session = TestSession()
  let result = session.run(text)
  if !result.errors.isEmpty { return session.render(result.errors) }
  return result.value?.source ?? "nothing"
}

/// Cases in a file: a program, a line of `→`s, what is expected; cases stand between lines of `═`s.
struct CaseFile {
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Programs")

  let url: URL
  var cases: [(program: String, expected: String)]

  init(_ name: String) throws {
    url = CaseFile.folder.appendingPathComponent(name)
    let text = try String(contentsOf: url, encoding: .utf8)
    cases = text.split(separator: "═══\n").map { block in
      let parts = block.split(separator: "→→→\n", maxSplits: 1, omittingEmptySubsequences: false)
      return (String(parts[0].dropLast()), parts.count > 1 ? String(parts[1].dropLast()) : "")
    }
  }

  /// Writes what was found as what is expected: `ZS_UPDATE_GOLDEN=1 swift test …`, then read the difference.
  func update(_ found: [String]) throws {
    let text = zip(cases, found).map { "\($0.program)\n→→→\n\($1)\n" }.joined(separator: "═══\n")
    try text.write(to: url, atomically: true, encoding: .utf8)
  }

  static var isUpdating: Bool { ProcessInfo.processInfo.environment["ZS_UPDATE_GOLDEN"] == "1" }
}
