// A folder for one test, removed with it, and bytes put together by hand.

import Formats
import Foundation
import XCTest

final class TemporaryFolder {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "/zs-formats-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String, _ bytes: [UInt8]) throws -> String {
    let file = "\(path)/\(name)"
    try Data(bytes).write(to: URL(fileURLWithPath: file))
    return file
  }

  func file(_ name: String, _ text: String) throws -> String { try file(name, Array(text.utf8)) }
}

/// Asserts that `body` throws a `FormatError` whose text contains all of `parts`.
func assertFormatError<T>(
  _ parts: String..., file: StaticString = #filePath, line: UInt = #line, _ body: () throws -> T
) {
  do {
    _ = try body()
    XCTFail("nothing was thrown", file: file, line: line)
  } catch let error as FormatError {
    for part in parts where !error.description.contains(part) {
      XCTFail("\"\(error.description)\" does not mention \"\(part)\"", file: file, line: line)
    }
  } catch {
    XCTFail("not a FormatError: \(error)", file: file, line: line)
  }
}

extension [UInt8] {
  mutating func put<T: FixedWidthInteger>(_ value: T) { Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) } }
  mutating func put(_ text: String) {
    put(UInt64(text.utf8.count))
    append(contentsOf: text.utf8)
  }
}
