// Runs zs programs inside a test: a session of their own, the value of the last expression, what was printed.
import Builtins
import Foundation
import Language
import XCTest

/// A session for tests.
final class TestSession {
  let session: Session
  let interpreter: Interpreter
  private(set) var printed = ""

  init(home: String? = nil, environment more: [String: String] = [:]) {
    var write: (String) -> Void = { _ in }
    let environment = ProcessInfo.processInfo.environment.merging(more) { _, new in new }
    let folder = home ?? environment["ZS_HOME"] ?? NSHomeDirectory() + "/.cache/zs"
    session = Session(home: folder, environment: environment, output: { write($0) })
    interpreter = Interpreter(
      table: session.table, host: session, readFile: { path, _ in (path, try String(contentsOfFile: path, encoding: .utf8)) },
      output: { write($0) }, describe: { Builtins.describe($0) })
    write = { [unowned self] in printed += $0 }
  }

  /// Runs a program and gives its last value; an error of the program is thrown.
  @discardableResult
  func run(_ code: String) throws -> Value {
    let result = interpreter.run(code, name: "test") { _ in }
    if let error = result.errors.first { throw error }
    return result.value ?? .none
  }

  /// The program's last value as source.
  func source(_ code: String) throws -> String { try run(code).source }
}

/// Asserts that programs give values, written as zs source.
func assertPrograms(_ cases: [(code: String, value: String)], file: StaticString = #filePath, line: UInt = #line) {
  for (code, value) in cases {
    do {
      let found = try TestSession().source(code)
      XCTAssertEqual(found, value, code, file: file, line: line)
    } catch {
      XCTFail("\(code): \((error as? ZsError)?.message ?? "\(error)")", file: file, line: line)
    }
  }
}

/// Asserts that programs fail with messages that contain a text.
func assertErrors(_ cases: [(code: String, text: String)], file: StaticString = #filePath, line: UInt = #line) {
  for (code, text) in cases {
    do {
      let found = try TestSession().source(code)
      XCTFail("\(code) gave \(found)", file: file, line: line)
    } catch {
      let message = (error as? ZsError).map { [$0.message, $0.hint ?? ""].joined(separator: " ") } ?? "\(error)"
      XCTAssertTrue(message.contains(text), "\(code): \(message)", file: file, line: line)
    }
  }
}
