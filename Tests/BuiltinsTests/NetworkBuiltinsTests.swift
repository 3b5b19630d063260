// Teachers and the Hub as programs use them, against servers of the tests' own.

import Builtins
import Foundation
import Language
import LoopbackServer
import XCTest

final class NetworkBuiltinsTests: XCTestCase {
  private var folder = ""

  override func setUpWithError() throws {
    folder = NSTemporaryDirectory() + "network-builtins-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  override func tearDownWithError() throws { try FileManager.default.removeItem(atPath: folder) }

  private func serving(_ handler: @escaping @Sendable (LoopbackServer.Request, Connection) -> Void) throws -> LoopbackServer {
    let server = try LoopbackServer(handler)
    addTeardownBlock { server.stop() }
    return server
  }

  private func session(_ environment: [String: String] = [:]) -> TestSession {
    let base = ["HF_HOME": folder + "/hf", "HF_HUB_OFFLINE": "", "HF_TOKEN": "", "THE_KEY": "sk-secret-of-the-test"]
    return TestSession(home: folder, environment: base.merging(environment) { _, new in new })
  }

  private func message(_ session: TestSession, _ code: String) -> String {
    do {
      return "no error but \(try session.source(code))"
    } catch {
      return (error as? ZsError).map { "\($0.kind): \($0.message) \($0.hint ?? "")" } ?? "\(error)"
    }
  }

  func testATeacherAnswersChatAndGenerate() throws {
    let server = try serving { request, connection in
      guard request.headers["authorization"] == "Bearer sk-secret-of-the-test" else {
        return connection.respond(401, [:], json: #"{"error": {"message": "no key"}}"#)
      }
      let body = String(decoding: request.body, as: UTF8.self)
      let text = body.contains("pirate") ? "Arr" : "Four"
      if body.contains("\"stream\":true") {
        return connection.respond(
          200, ["Content-Type": "text/event-stream"],
          text: "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\(text)\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n")
      }
      let usage = #""usage": {"prompt_tokens": 5, "completion_tokens": 1}"#
      if request.path == "/v1/completions" {
        connection.respond(json: #"{"choices": [{"text": " a time", "finish_reason": "length"}], \#(usage)}"#)
      } else {
        connection.respond(json: #"{"choices": [{"message": {"content": "\#(text)"}, "finish_reason": "stop"}], \#(usage)}"#)
      }
    }
    let session = session()
    try session.run("t = teacher(\"\(server.url)/v1\", model: \"tiny\", key_env: \"THE_KEY\", prices: [1000, 2000])")
    XCTAssertEqual(
      try session.source("r = chat(t, \"2 + 2?\"); [r.text, r.finish_reason, r.cached, r.completion_tokens]"),
      #"["Four", "stop", false, 1]"#)
    XCTAssertEqual(try session.source("chat(t, \"2 + 2?\").cached"), "true")
    XCTAssertEqual(try session.source("chat(t, \"hi\", system: \"You are a pirate.\").text"), #""Arr""#)
    XCTAssertEqual(try session.source("generate(t, \"Once upon\", max_tokens: 3).text"), #"" a time""#)
    XCTAssertEqual(try session.source("len(chat(t, \"x\", n: 2, temperature: 1))"), "2")
    try session.run("chat(t, \"show it\")")
    XCTAssertEqual(session.printed, "Four\n")
    XCTAssertEqual(
      try session.source("t.counts"),
      "{requests: 5, cached: 1, retries: 0, failures: 0, prompt_tokens: 25, completion_tokens: 5, cost: 0.035}")
    XCTAssertEqual(
      try session.run("t").source,
      "teacher tiny · \(server.url)/v1 · key from THE_KEY · 5 requests · 1 from the cache · 25 + 5 tokens · $0.0350")
    XCTAssertEqual(try session.source("type(t) + type(chat(t, \"2 + 2?\"))"), #""teachercompletion""#)
    let files = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String }.filter { $0.hasSuffix(".json") } ?? []
    XCTAssertEqual(files.count, 5)
    for file in files { XCTAssertFalse(try String(contentsOfFile: "\(folder)/\(file)", encoding: .utf8).contains("sk-secret")) }
    XCTAssertTrue(message(session, "chat(teacher(\"\(server.url)/v1\", model: \"tiny\"), \"?\")").contains("key_env: \"OPENAI_API_KEY\""))
  }

  func testKeysAreNamedNotGiven() {
    let session = session()
    let unset = message(session, "teacher(\"http://127.0.0.1:9\", model: \"m\", key_env: \"NOT_SET_HERE\")")
    XCTAssertTrue(unset.contains("NOT_SET_HERE is not set"), unset)
    let given = message(session, "teacher(\"http://127.0.0.1:9\", model: \"m\", key_env: \"sk-abcdef0123456789\")")
    XCTAssertFalse(given.contains("abcdef"), given)
    let nobody = message(session, "chat(teacher(\"http://127.0.0.1:9\", model: \"m\", attempts: 1), \"hi\")")
    XCTAssertTrue(nobody.contains("nothing answers at 127.0.0.1:9"), nobody)
    XCTAssertTrue(message(session, "teacher(\"127.0.0.1:9\", model: \"m\")").contains("no address of an endpoint"))
  }

  func testADataSetOfTheHub() throws {
    let server = try serving { request, connection in
      if request.path == "/splits" { return connection.respond(json: #"{"splits": [{"config": "default", "split": "train"}]}"#) }
      let rows = (0..<120).dropFirst(Int(request.query["offset"] ?? "") ?? 0).prefix(100).map {
        #"{"row_idx": \#($0), "row": {"prompt": "q\#($0)", "chosen": "a", "rejected": "b", "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}, "truncated_cells": []}"#
      }
      connection.respond(json: #"{"rows": [\#(rows.joined(separator: ", "))], "num_rows_total": 120}"#)
    }
    let session = session(["HF_DATASETS_SERVER": server.url])
    XCTAssertEqual(try session.source("d = preferences(\"hf://datasets/o/n\"); [len(d), d[119].prompt]"), #"[120, "q119"]"#)
    XCTAssertEqual(try session.source("conversations(\"hf://datasets/o/n\", split: \"train\", rows: 7) |> len"), "7")
    XCTAssertEqual(server.requests.count { $0.path == "/rows" }, 2)
    XCTAssertTrue(message(session, "load(\"hf://datasets/o/n\")").contains("is a data set, not a model"))
    XCTAssertTrue(message(session, "preferences(\"hf://o/n\")").contains("hf://datasets/o/n"))
  }

  func testTheTableOfModels() throws {
    XCTAssertEqual(
      try session().source("[m.name for m in models() if starts_with(m.path, \"hf://\")]"),
      #"["smollm2-135m", "smollm2-360m", "smollm2-1.7b", "tinyllama", "mistral-7b", "zephyr-7b-sft-full", "zephyr-7b-beta"]"#)
    let offline = session(["HF_HUB_OFFLINE": "1"])
    XCTAssertTrue(message(offline, "load(\"zephyr-7b-beta\")").contains("HF_HUB_OFFLINE forbids"))
    XCTAssertTrue(message(offline, "load(\"zephyr-7b-bet\")").contains("did you mean \"zephyr-7b-beta\"?"))
  }
}
