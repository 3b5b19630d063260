// Rows of data sets, page by page from a server of the tests' own.

import Foundation
import Hub
import LoopbackServer
import Network
import XCTest

final class HubRowsTests: XCTestCase {
  private var folder = ""

  override func setUpWithError() throws {
    folder = NSTemporaryDirectory() + "hub-rows-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  override func tearDownWithError() throws { try FileManager.default.removeItem(atPath: folder) }

  private func hub() throws -> FakeHub {
    let hub = try FakeHub([:])
    hub.rows = [
      "default/train_prefs": (0..<250).map { #"{"prompt": "p\#($0) é", "chosen": "c", "rejected": "r"}"# },
      "default/test_prefs": (0..<3).map { #"{"prompt": "t\#($0)", "chosen": "c", "rejected": "r"}"# },
    ]
    addTeardownBlock { hub.stop() }
    return hub
  }

  private func rows(_ hub: FakeHub, _ environment: [String: String] = [:], attempts: Int = 3) -> HubRows {
    let base = ["HOME": folder, "HF_DATASETS_SERVER": hub.url]
    let settings = HubSettings(
      environment: base.merging(environment) { _, new in new },
      retry: RetryPolicy(attempts: attempts, firstDelaySeconds: 0.01, maxDelaySeconds: 0.05))
    return HubRows(settings: settings, client: HTTPClient(), folder: folder + "/datasets")
  }

  private func lines(_ path: String) throws -> [String] {
    try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map(String.init)
  }

  private func source() throws -> HubSource { try HubSource("hf://datasets/owner/rows") }

  private func assertError(_ message: String, _ hint: String, line: UInt = #line, _ body: () throws -> Void) {
    XCTAssertThrowsError(try body(), line: line) { error in
      guard let error = error as? HubError else { return XCTFail("\(error)", line: line) }
      XCTAssertTrue(error.message.contains(message), error.message, line: line)
      XCTAssertTrue(error.hint?.contains(hint) == true, error.hint ?? "no hint", line: line)
    }
  }

  func testPagesBecomeLines() throws {
    let hub = try hub()
    hub.plan("100", .status(429, headers: ["Retry-After": "0"]), .drop(after: 0))
    var seen: [Int] = []
    let path = try rows(hub).locate(source(), split: "train_prefs", progress: { done, total in seen += [done, total] })
    XCTAssertEqual(seen, [100, 250, 200, 250, 250, 250])
    let found = try lines(path)
    XCTAssertEqual(found.count, 250)
    XCTAssertEqual(found[249], #"{"prompt":"p249 é","chosen":"c","rejected":"r"}"#)
    XCTAssertTrue(path.hasSuffix("/datasets/owner--rows/default/train_prefs.jsonl"), path)
    let before = hub.requests.count
    XCTAssertEqual(try rows(hub).locate(source(), config: "default", split: "train_prefs"), path)
    XCTAssertEqual(hub.requests.count, before, "what is whole is not asked for")
    XCTAssertEqual(try rows(hub, ["HF_HUB_OFFLINE": "1"]).locate(source(), split: "train_prefs"), path)
  }

  func testWhatWasCutGoesOn() throws {
    let hub = try hub()
    hub.plan("200", .status(500, headers: [:]))
    assertError("cannot be had", "load_dataset") { _ = try rows(hub, attempts: 1).locate(source(), split: "train_prefs") }
    let growing = folder + "/datasets/owner--rows/default/train_prefs.jsonl.incomplete"
    XCTAssertEqual(try lines(growing).count, 200)
    // A kill in the middle of a line.
    let handle = try XCTUnwrap(FileHandle(forWritingAtPath: growing))
    try handle.seekToEnd()
    try handle.write(contentsOf: Data(#"{"prompt": "ha"#.utf8))
    try handle.close()
    let path = try rows(hub).locate(source(), split: "train_prefs")
    XCTAssertEqual(try lines(path).enumerated().allSatisfy { $1.contains("\"p\($0) é\"") }, true)
    XCTAssertEqual(hub.requests.compactMap { $0.query["offset"] }, ["0", "100", "200", "200"])
  }

  func testSomeRowsAreEnough() throws {
    let hub = try hub()
    hub.isPartial = true
    var notes: [String] = []
    XCTAssertEqual(try lines(rows(hub).locate(source(), split: "test_prefs", note: { notes.append($0) })).count, 3)
    XCTAssertTrue(notes.first?.contains("only the first 3 rows") == true, "\(notes)")
    let path = try rows(hub).locate(source(), split: "train_prefs", limit: 30)
    XCTAssertEqual(try lines(path).count, 100)
    XCTAssertTrue(path.hasSuffix(".incomplete"), path)
    XCTAssertEqual(try lines(rows(hub).locate(source(), split: "train_prefs")).count, 250)
    XCTAssertEqual(hub.requests.compactMap { $0.query["offset"] }, ["0", "0", "100", "200"])
  }

  func testWhatIsMissingIsNamed() throws {
    let hub = try hub()
    assertError("more than one split", "\"test_prefs\", \"train_prefs\"") { _ = try rows(hub).locate(source()) }
    assertError("has no split 'train'", "test_prefs, train_prefs") { _ = try rows(hub).locate(source(), split: "train") }
    assertError("has no config 'x'", "default") { _ = try rows(hub).locate(source(), config: "x") }
    assertError("no dataset 'owner/none'", "HF_TOKEN") { _ = try rows(hub).locate(HubSource("hf://datasets/owner/none")) }
    assertError("is no data set", "hf://datasets/owner/rows") { _ = try rows(hub).locate(HubSource("hf://owner/rows")) }
    assertError("no whole split", "unset") { _ = try rows(hub, ["HF_HUB_OFFLINE": "1"]).locate(source(), split: "train_prefs") }
    assertError("only the newest revision", "leave") { _ = try rows(hub).locate(HubSource("hf://datasets/owner/rows@v1")) }
  }
}
