// Waits between attempts, `Retry-After` in both forms, and server-sent events cut anywhere.

import Foundation
import Network
import XCTest

final class RetryPolicyTests: XCTestCase {
  func testWaitsDoubleUpToTheirBound() {
    let policy = RetryPolicy(attempts: 6, firstDelaySeconds: 1, maxDelaySeconds: 5)
    let error = NetworkError(.cut, "x")
    XCTAssertEqual((1...6).map { policy.delay(after: error, attempt: $0, random: 1) }, [1, 2, 4, 5, 5, nil])
    XCTAssertEqual(policy.delay(after: error, attempt: 2, random: 0), 1)
    XCTAssertEqual(policy.delay(after: NetworkError(.status(429), "x", retryAfterSeconds: 7), attempt: 1), 7)
    XCTAssertNil(policy.delay(after: NetworkError(.status(429), "x", retryAfterSeconds: 7e3), attempt: 1))
    XCTAssertNil(policy.delay(after: NetworkError(.status(404), "x"), attempt: 1))
    XCTAssertNil(policy.delay(after: NetworkError(.noSuchHost, "x"), attempt: 2))
  }

  func testRetryAfterAsSecondsAndAsDate() {
    let now = Date(timeIntervalSince1970: 784_111_777)
    XCTAssertEqual(retryAfterSeconds("12", now: now), 12)
    XCTAssertEqual(retryAfterSeconds("0.25", now: now), 0.25)
    XCTAssertEqual(retryAfterSeconds("-3", now: now), 0)
    XCTAssertEqual(retryAfterSeconds("99999999999999999999", now: now), 1e9)
    XCTAssertEqual(retryAfterSeconds("Sun, 06 Nov 1994 08:49:47 GMT", now: now), 10)
    XCTAssertEqual(retryAfterSeconds("Sun, 06 Nov 1994 08:49:27 GMT", now: now), 0)
    XCTAssertEqual(retryAfterSeconds("Thu, 29 Feb 2024 00:00:00 GMT", now: Date(timeIntervalSince1970: 1_709_164_790)), 10)
    for bad in ["", "soon", "nan", "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 99 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49 GMT"] {
      XCTAssertNil(retryAfterSeconds(bad, now: now), bad)
    }
  }

  func testEventsCutAnywhere() throws {
    let text = ": a comment\r\ndata: one\r\n\r\nevent: x\ndata:two\ndata:  lines ä\n\nid: 3\n\ndata\n\ndata: [DONE]\r\rdata: unfinished"
    let expected = ["one", "two\n lines ä", "", "[DONE]"]
    let bytes = Array(text.utf8)
    for cut in 0...bytes.count {
      var parser = ServerSentEvents()
      XCTAssertEqual(try parser.append(bytes[..<cut]) + parser.append(bytes[cut...]), expected, "cut at \(cut)")
    }
    var single = ServerSentEvents()
    XCTAssertEqual(try bytes.flatMap { try single.append([$0]) }, expected)
    var small = ServerSentEvents(maxEventBytes: 10)
    XCTAssertThrowsError(try small.append("data: too long a line".utf8))
  }
}
