// Files read whole, the ones included whose length is not known before.

import Formats
import Foundation
import XCTest

final class FileContentsTests: XCTestCase {
  func testFilesOfAnyLengthAreReadWhole() throws {
    let folder = try TemporaryFolder()
    for count in [0, 1, 65_535, 200_000] {
      let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
      let path = folder.path + "/\(count)"
      XCTAssertTrue(FileManager.default.createFile(atPath: path, contents: Data(bytes)))
      XCTAssertEqual(try FileContents.read(path), bytes)
    }
    XCTAssertThrowsError(try FileContents.read(folder.path))
    XCTAssertThrowsError(try FileContents.read("/dev/zero"))
    #if os(Linux)
      // The system makes it up as it is read, and says that it is empty.
      XCTAssert(try XCTUnwrap(try FileContents.text("/proc/self/status")).contains("VmHWM"))
    #endif
  }
}
