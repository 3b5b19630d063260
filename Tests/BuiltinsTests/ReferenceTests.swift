// The reference page in the tree is the one that the table gives.
import Builtins
import Foundation
import Language
import XCTest

final class ReferenceTests: XCTestCase {
  private let table = BuiltinTable(allBuiltins())

  func testThePageIsCurrent() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let written = try String(contentsOf: root.appendingPathComponent("examples/reference.md"), encoding: .utf8)
    let page = referencePage(table)
    if written == page { return }
    let pairs = zip(written.split(separator: "\n"), page.split(separator: "\n"))
    let first = pairs.first { $0 != $1 }
    XCTFail(
      """
      examples/reference.md is not what the table of builtins gives now; refresh it with
        .build/release/zs help --markdown > examples/reference.md
      first difference: \(first.map { "'\($0)' is to become '\($1)'" } ?? "one is longer")
      """)
  }

  func testTheSameTableGivesTheSamePage() {
    XCTAssertEqual(referencePage(table), referencePage(BuiltinTable(allBuiltins())))
  }

  func testEveryBuiltinStandsInIt() {
    let page = referencePage(table)
    for name in table.names { XCTAssertTrue(page.contains("### \(name)\n"), name) }
    XCTAssertEqual(page.components(separatedBy: "\n```").count % 2, 1, "every fence is closed")
  }
}
