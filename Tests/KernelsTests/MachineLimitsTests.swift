// The measured ceilings are numbers a machine can have, and no product is faster than them.

import Kernels
import XCTest

final class MachineLimitsTests: XCTestCase {
  override func tearDown() { ThreadPool.shared.configure(threads: 2) }

  func testCeilingsArePlausible() {
    ThreadPool.shared.configure(threads: 2)
    for threads in [1, 2] {
      let limits = MachineLimits.measure(threads: threads)
      XCTAssertEqual(limits.threads, threads)
      XCTAssert((0.5...1000 * Double(threads)).contains(limits.gigaflops), "\(limits)")
      XCTAssert((0.1...2000).contains(limits.readGigabytes), "\(limits)")
    }
    XCTAssertEqual(MachineLimits.measure(threads: 1000).threads, 2)
  }
}
