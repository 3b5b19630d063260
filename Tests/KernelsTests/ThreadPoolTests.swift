// The pool runs every index once, inline when nested, and survives changes of its size.

import Kernels
import Synchronization
import XCTest

final class ThreadPoolTests: XCTestCase {
  override func tearDown() { ThreadPool.shared.configure(threads: 2) }

  func testEveryIndexRunsOnce() {
    for threads in [1, 2, 3, 7] {
      ThreadPool.shared.configure(threads: threads)
      XCTAssertEqual(ThreadPool.shared.threadCount, threads)
      for count in [0, 1, 2, 3, 17, 1000] {
        let seen = (0..<count).map { _ in Counter() }
        ThreadPool.shared.run(count) { seen[$0].value.wrappingAdd(1, ordering: .relaxed) }
        XCTAssert(seen.allSatisfy { $0.value.load(ordering: .relaxed) == 1 }, "\(threads) threads, \(count) indices")
      }
    }
  }

  func testManyShortRegions() {
    ThreadPool.shared.configure(threads: 4)
    let total = Counter()
    for _ in 0..<20_000 { ThreadPool.shared.run(3) { total.value.wrappingAdd($0 + 1, ordering: .relaxed) } }
    XCTAssertEqual(total.value.load(ordering: .relaxed), 120_000)
  }

  func testNestedRunsAreInline() {
    ThreadPool.shared.configure(threads: 3)
    let total = Counter()
    ThreadPool.shared.run(5) { _ in
      ThreadPool.shared.run(5) { _ in
        ThreadPool.shared.configure(threads: 9)
        total.value.wrappingAdd(1, ordering: .relaxed)
      }
    }
    XCTAssertEqual(total.value.load(ordering: .relaxed), 25)
    XCTAssertEqual(ThreadPool.shared.threadCount, 3)
  }

  func testConcurrentCallersTakeTurns() {
    ThreadPool.shared.configure(threads: 2)
    let total = Counter()
    let group = DispatchGroup()
    for _ in 0..<4 {
      DispatchQueue.global().async(group: group) {
        for _ in 0..<500 { ThreadPool.shared.run(4) { _ in total.value.wrappingAdd(1, ordering: .relaxed) } }
      }
    }
    group.wait()
    XCTAssertEqual(total.value.load(ordering: .relaxed), 8000)
  }

  func testSizeIsClamped() {
    ThreadPool.shared.configure(threads: -4)
    XCTAssertEqual(ThreadPool.shared.threadCount, 1)
    ThreadPool.shared.configure(threads: 100_000)
    XCTAssertEqual(ThreadPool.shared.threadCount, 256)
  }
}

private final class Counter: Sendable {
  let value = Atomic<Int>(0)
}
