// Models of the Hub, against a Hub of the tests' own: the cache's layout, continuing, hashes, and the errors a person meets.

import Foundation
import Hub
import LoopbackServer
import Network
import XCTest

final class HubModelsTests: XCTestCase {
  private var folder = ""
  private let weights = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ $0 >> 8) }

  override func setUpWithError() throws {
    folder = NSTemporaryDirectory() + "hub-models-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  override func tearDownWithError() throws { try FileManager.default.removeItem(atPath: folder) }

  private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

  private func hub(_ more: [String: [UInt8]] = [:]) throws -> FakeHub {
    let files = ["config.json": bytes("{}"), "tokenizer.json": bytes("{\"a\": 1}"), "README.md": bytes("read me")]
    let hub = try FakeHub(files.merging(more) { _, new in new })
    addTeardownBlock { hub.stop() }
    return hub
  }

  private func models(_ hub: FakeHub, _ environment: [String: String] = [:], attempts: Int = 4) -> HubModels {
    let base = ["HOME": folder, "HF_HOME": folder + "/hf", "HF_ENDPOINT": hub.url + "/"]
    let settings = HubSettings(
      environment: base.merging(environment) { _, new in new },
      retry: RetryPolicy(attempts: attempts, firstDelaySeconds: 0.01, maxDelaySeconds: 0.05))
    return HubModels(settings: settings, client: HTTPClient())
  }

  private func locate(_ models: HubModels, _ address: String = "hf://owner/name") throws -> String {
    try models.locate(HubSource(address))
  }

  private func assertError(_ message: String, _ hint: String, line: UInt = #line, _ body: () throws -> Void) {
    XCTAssertThrowsError(try body(), line: line) { error in
      let (text, advice) =
        (error as? HubError).map { ($0.message, $0.hint) } ?? (error as? NetworkError).map { ($0.message, $0.hint) } ?? ("\(error)", nil)
      XCTAssertTrue(text.contains(message), text, line: line)
      XCTAssertTrue(advice?.contains(hint) == true, advice ?? "no hint", line: line)
    }
  }

  private var repository: String { folder + "/hf/hub/models--owner--name" }

  private func content(_ path: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: path))) }

  func testTheCacheIsLaidOutAsPythonsIs() throws {
    let hub = try hub(["model.safetensors": weights, "sub/other.bin": bytes("no")])
    hub.large = ["model.safetensors"]
    let path = try locate(models(hub))
    XCTAssertEqual(path, "\(repository)/snapshots/\(FakeHub.commit)")
    XCTAssertEqual(try content(path + "/model.safetensors"), weights)
    XCTAssertEqual(try String(contentsOfFile: repository + "/refs/main", encoding: .utf8), FakeHub.commit)
    let manager = FileManager.default
    XCTAssertEqual(
      try manager.destinationOfSymbolicLink(atPath: path + "/model.safetensors"), "../../blobs/" + FakeHub.sha256(weights))
    XCTAssertEqual(
      try manager.destinationOfSymbolicLink(atPath: path + "/config.json"), "../../blobs/" + FakeHub.gitHash(bytes("{}")))
    XCTAssertEqual(try manager.contentsOfDirectory(atPath: path).sorted(), ["config.json", "model.safetensors", "tokenizer.json"])
    XCTAssertEqual(try manager.contentsOfDirectory(atPath: repository + "/blobs").filter { $0.hasSuffix(".incomplete") }, [])
    // The second time only the revision is asked for; a commit that is whole not even that.
    let before = hub.requests.count
    XCTAssertEqual(try locate(models(hub)), path)
    XCTAssertEqual(hub.requests.count, before + 1)
    XCTAssertEqual(try locate(models(hub), "hf://owner/name@\(FakeHub.commit)"), path)
    XCTAssertEqual(hub.requests.count, before + 1)
    hub.stop()
    XCTAssertEqual(try locate(models(hub, attempts: 1)), path, "without a Hub the cache is used")
    XCTAssertEqual(try locate(models(hub, ["HF_HUB_OFFLINE": "1"])), path)
  }

  func testShardsAdaptersAndSingleFiles() throws {
    let index = bytes(
      #"{"weight_map": {"b": "model-00002-of-00002.safetensors", "a": "model-00001-of-00002.safetensors", "c": "model-00002-of-00002.safetensors"}}"#
    )
    let sharded = try hub([
      "model.safetensors.index.json": index, "model-00001-of-00002.safetensors": weights, "model-00002-of-00002.safetensors": bytes("two"),
      "model-other.safetensors": bytes("not this"), "pytorch_model.bin": bytes("nor this"),
    ])
    let path = try locate(models(sharded))
    XCTAssertEqual(
      try FileManager.default.contentsOfDirectory(atPath: path).sorted(),
      [
        "config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json",
        "tokenizer.json",
      ])
    let adapter = try FakeHub(["adapter_config.json": bytes("{}"), "adapter_model.safetensors": weights])
    addTeardownBlock { adapter.stop() }
    let cache = ["HF_HUB_CACHE": folder + "/second"]
    XCTAssertEqual(
      try FileManager.default.contentsOfDirectory(atPath: locate(models(adapter, cache))).sorted(),
      ["adapter_config.json", "adapter_model.safetensors"])
    let split = try FakeHub(["q/x-00001-of-00002.gguf": weights, "q/x-00002-of-00002.gguf": bytes("2"), "y.gguf": bytes("y")])
    addTeardownBlock { split.stop() }
    let third = ["HF_HUB_CACHE": folder + "/third"]
    let first = try locate(models(split, third), "hf://owner/name/q/x-00001-of-00002.gguf")
    XCTAssertTrue(first.hasSuffix("/q/x-00001-of-00002.gguf"), first)
    XCTAssertEqual(try content(first), weights)
    XCTAssertEqual(try content(first.replacing("00001-of", with: "00002-of")), bytes("2"))
    XCTAssertFalse(FileManager.default.fileExists(atPath: (first as NSString).deletingLastPathComponent + "/../y.gguf"))
  }

  func testADroppedConnectionIsContinued() throws {
    let hub = try hub(["model.safetensors": weights])
    hub.large = ["model.safetensors"]
    hub.plan("model.safetensors", .drop(after: 100_000), .status(503, headers: [:]), .drop(after: 50_000))
    let path = try locate(models(hub)) + "/model.safetensors"
    XCTAssertEqual(try content(path), weights)
    let ranges = hub.cdnRequests.map { $0.headers["range"] }
    XCTAssertEqual(ranges, [nil, "bytes=100000-", "bytes=100000-", "bytes=150000-"])
  }

  func testWhatACutProcessLeftIsContinued() throws {
    let hub = try hub(["model.safetensors": weights])
    hub.large = ["model.safetensors"]
    hub.plan("model.safetensors", .drop(after: 70_000), .status(500, headers: [:]))
    assertError("70000 bytes of model.safetensors are kept", "try") { _ = try locate(models(hub, attempts: 1)) }
    XCTAssertEqual(try content(repository + "/blobs/\(FakeHub.sha256(weights)).incomplete"), Array(weights.prefix(70_000)))
    XCTAssertEqual(try content(locate(models(hub)) + "/model.safetensors"), weights)
    XCTAssertEqual(hub.cdnRequests.last?.headers["range"], "bytes=70000-")
  }

  func testServersWithoutRangesAndFalseBeginnings() throws {
    let hub = try hub(["model.safetensors": weights])
    hub.plan("model.safetensors", .drop(after: 100_000), .wholeInsteadOfRange)
    XCTAssertEqual(try content(locate(models(hub)) + "/model.safetensors"), weights)
    // A beginning that is not of this file, and one that is longer than the file.
    for (place, beginning) in [[UInt8](repeating: 9, count: 1000), [UInt8](repeating: 9, count: 400_000)].enumerated() {
      let cache = "\(folder)/again\(place)"
      let blobs = "\(cache)/models--owner--name/blobs"
      try FileManager.default.createDirectory(atPath: blobs, withIntermediateDirectories: true)
      try Data(beginning).write(to: URL(fileURLWithPath: "\(blobs)/\(FakeHub.gitHash(weights)).incomplete"))
      XCTAssertEqual(try content(locate(models(hub, ["HF_HUB_CACHE": cache])) + "/model.safetensors"), weights)
    }
  }

  func testWrongBytesAreNotKept() throws {
    let hub = try hub(["model.safetensors": weights])
    hub.large = ["model.safetensors"]
    hub.plan("model.safetensors", .wrongByte)
    XCTAssertEqual(try content(locate(models(hub)) + "/model.safetensors"), weights, "once may happen")
    let worse = ["HF_HUB_CACHE": folder + "/worse"]
    hub.plan("model.safetensors", .wrongByte, .wrongByte)
    assertError("came wrong twice: its hash is", "nothing was kept") { _ = try locate(models(hub, worse)) }
    let blobs = folder + "/worse/models--owner--name/blobs"
    XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: blobs).filter { $0.hasPrefix(FakeHub.sha256(weights)) }, [])
    let small = ["HF_HUB_CACHE": folder + "/small"]
    hub.plan("config.json", .wrongByte, .wrongByte)
    assertError("config.json came wrong twice", "nothing was kept") { _ = try locate(models(hub, small)) }
  }

  func testAListingWithoutHashesIsCompletedByHeads() throws {
    let hub = try hub(["model.safetensors": weights])
    hub.large = ["model.safetensors"]
    hub.tellsBlobs = false
    hub.plan("model.safetensors", .wrongByte)
    let path = try locate(models(hub))
    XCTAssertEqual(try content(path + "/model.safetensors"), weights)
    XCTAssertEqual(
      try FileManager.default.destinationOfSymbolicLink(atPath: path + "/model.safetensors"), "../../blobs/" + FakeHub.sha256(weights))
    XCTAssertEqual(hub.requests.count { $0.method == "HEAD" }, 3)
  }

  func testTheTokenGoesToTheHubAlone() throws {
    let hub = try hub(["model.safetensors": weights])
    hub.large = ["model.safetensors"]
    hub.token = "hf_secrettoken"
    assertError("is gated", "set HF_TOKEN") { _ = try locate(models(hub)) }
    assertError("is gated", "accept the terms") { _ = try locate(models(hub, ["HF_TOKEN": "hf_other"])) }
    try FileManager.default.createDirectory(atPath: folder + "/hf", withIntermediateDirectories: true)
    try "hf_secrettoken\n".write(toFile: folder + "/hf/token", atomically: true, encoding: .utf8)
    _ = try locate(models(hub))
    XCTAssertFalse(hub.cdnRequests.isEmpty)
    XCTAssertTrue(hub.cdnRequests.allSatisfy { $0.headers["authorization"] == nil })
  }

  func testRefusalsSayWhatToDo() throws {
    let hub = try hub(["pytorch_model.bin": bytes("pickle")])
    assertError("only as Python pickles (pytorch_model.bin)", "safe_serialization=True") { _ = try locate(models(hub)) }
    XCTAssertFalse(FileManager.default.fileExists(atPath: repository + "/blobs"), "nothing of it was fetched")
    assertError("has no revision 'v9'", "branches and tags") { _ = try locate(models(hub), "hf://owner/name@v9") }
    assertError("has no model 'owner/nothing'", "check the spelling") { _ = try locate(models(hub), "hf://owner/nothing") }
    assertError("has no file 'x.gguf'", "pytorch_model.bin") { _ = try locate(models(hub), "hf://owner/name/x.gguf") }
    assertError("HF_HUB_OFFLINE forbids", "unset") { _ = try locate(models(hub, ["HF_HUB_OFFLINE": "true"])) }
    let quantized = try FakeHub(["a.Q8_0.gguf": [1], "a.Q4_K_M.gguf": [2]])
    assertError("one has to be chosen: a.Q4_K_M.gguf, a.Q8_0.gguf", "hf://owner/name/a.Q4_K_M.gguf") { _ = try locate(models(quantized)) }
    quantized.stop()
    assertError("nothing answers at 127.0.0.1", "HF_ENDPOINT names a mirror") { _ = try locate(models(quantized, attempts: 1)) }
  }

  func testStoppingKeepsWhatCame() throws {
    let hub = try hub(["model.safetensors": weights])
    hub.large = ["model.safetensors"]
    hub.plan("model.safetensors", .stall(after: 120_000))
    let source = try HubSource("hf://owner/name")
    nonisolated(unsafe) var seen = 0
    let began = ContinuousClock.now
    XCTAssertThrowsError(
      try models(hub).locate(
        source, progress: { seen = $0.done }, isCancelled: { seen >= 100_000 && ContinuousClock.now - began > .seconds(0.3) })
    ) { XCTAssertTrue($0 is TransferCancelled, "\($0)") }
    XCTAssertLessThan(ContinuousClock.now - began, .seconds(3))
    XCTAssertEqual(try content(locate(models(hub)) + "/model.safetensors"), weights)
    XCTAssertEqual(hub.cdnRequests.last?.headers["range"], "bytes=120000-")
  }

  func testTwoAtOnceFetchOnce() throws {
    let hub = try hub(["model.safetensors": weights])
    hub.large = ["model.safetensors"]
    let group = DispatchGroup()
    nonisolated(unsafe) var paths: [String?] = [nil, nil]
    for index in 0..<2 {
      nonisolated(unsafe) let models = models(hub)
      DispatchQueue.global().async(group: group) { paths[index] = try? models.locate(HubSource("hf://owner/name")) }
    }
    group.wait()
    XCTAssertEqual(paths[0], paths[1])
    XCTAssertNotNil(paths[0])
    XCTAssertEqual(hub.cdnRequests.count, 1)
  }

  func testAddresses() throws {
    func parts(_ address: String) throws -> [String?] {
      let source = try HubSource(address)
      return [source.kind.rawValue, source.repository, source.revision, source.file]
    }
    XCTAssertEqual(try parts("hf://o/n"), ["model", "o/n", "main", nil])
    XCTAssertEqual(try parts("hf://o/n@v1.0/"), ["model", "o/n", "v1.0", nil])
    XCTAssertEqual(try parts("hf://o/n@refs/pr/7/a.gguf"), ["model", "o/n", "refs/pr/7", "a.gguf"])
    XCTAssertEqual(try parts("hf://o/n/q/a.gguf@v2"), ["model", "o/n", "v2", "q/a.gguf"])
    XCTAssertEqual(try parts("hf://datasets/o/n"), ["dataset", "o/n", "main", nil])
    XCTAssertEqual(try parts("hf://models/o/n"), ["model", "o/n", "main", nil])
    XCTAssertEqual(try parts("hf://gpt2"), ["model", "gpt2", "main", nil])
    for bad in [
      "hf://", "hf://o//n", "hf://../n", "hf://o/n/../x", "hf://o/n@", "hf://o n/x", "hf://o/n@a b", "hf://o/n@../x",
      "hf://datasets/n",
    ] {
      XCTAssertThrowsError(try HubSource(bad), bad) { XCTAssertTrue($0 is HubError, bad) }
    }
    XCTAssertEqual(Set(KnownRepository.all.map(\.name)).count, KnownRepository.all.count)
    for model in KnownRepository.all { XCTAssertNoThrow(try HubSource(model.source)) }
  }

  func testTheEnvironmentIsPythons() {
    func cache(_ environment: [String: String]) -> String { HubSettings(environment: environment).cache }
    XCTAssertEqual(cache(["HOME": "/h"]), "/h/.cache/huggingface/hub")
    XCTAssertEqual(cache(["HOME": "/h", "XDG_CACHE_HOME": "/c"]), "/c/huggingface/hub")
    XCTAssertEqual(cache(["HOME": "/h", "HF_HOME": "~/hf"]), "/h/hf/hub")
    XCTAssertEqual(cache(["HOME": "/h", "HF_HOME": "/hf", "HF_HUB_CACHE": "/x"]), "/x")
    XCTAssertTrue(HubSettings(environment: ["HF_HUB_OFFLINE": "on"]).isOffline)
    XCTAssertNil(HubSettings(environment: ["HOME": "/nowhere"]).token)
    XCTAssertEqual(HubSettings(environment: ["HF_ENDPOINT": "https://mirror/"]).endpoint, "https://mirror")
  }
}
