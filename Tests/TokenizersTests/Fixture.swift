// The files in Fixtures, made by scripts/reference with the libraries that define what is right.

import Formats
import Foundation
import Tokenizers
import XCTest

enum Fixture {
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Fixtures"

  static func path(_ name: String) -> String { "\(folder)/\(name)" }

  static func json(_ name: String) throws -> JSON { try JSON.read(path: path(name)) }
}

extension JSON {
  var ids: [Int] { (array ?? []).map { $0.int ?? -1 } }
}

/// Two texts are the same code points; composed and decomposed accents differ.
func assertSame(_ found: String, _ expected: String?, _ what: @autoclosure () -> String, file: StaticString = #filePath, line: UInt = #line)
{
  guard let expected else { return XCTFail("no expected text: \(what())", file: file, line: line) }
  if !found.utf8.elementsEqual(expected.utf8) {
    XCTFail("\(what()): \(found.debugDescription) is not \(expected.debugDescription)", file: file, line: line)
  }
}
