// Programs with the value or the error they must give: see Programs/README.md.
import Language
import XCTest

final class ProgramTests: XCTestCase {
  /// Every file of Programs, value by value and error by error.
  func testPrograms() throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: CaseFile.folder.path).filter { $0.hasSuffix(".cases") }.sorted()
    XCTAssertGreaterThan(names.count, 5)
    var count = 0
    for name in names {
      let file = try CaseFile(name)
      let found = file.cases.map { outcome($0.program) }
      if CaseFile.isUpdating {
        try file.update(found)
        continue
      }
      for ((program, expected), found) in zip(file.cases, found) {
        XCTAssertEqual(found, expected, "\(name):\n\(program)")
        count += 1
      }
    }
    print("\(count) programs")
  }

  /// The issue asks for at least sixty golden errors.
  func testThereAreManyErrors() throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: CaseFile.folder.path).filter { $0.hasPrefix("errors-") }
    let count = try names.reduce(0) { $0 + (try CaseFile($1).cases.count { $0.expected.hasPrefix("error:") }) }
    XCTAssertGreaterThanOrEqual(count, 100)
  }
}
