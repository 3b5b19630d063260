// quantize, save, export and merge as the language has them, over the real model where its file is in the cache folder.

import Builtins
import Foundation
import Language
import XCTest

final class ModelWritingTests: XCTestCase {
  private let folder = NSTemporaryDirectory() + "/zs-writing-\(UUID().uuidString)"

  override func setUp() { try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }
  override func tearDown() { try? FileManager.default.removeItem(atPath: folder) }

  private func session() throws -> TestSession {
    let environment = ProcessInfo.processInfo.environment
    let home = environment["ZS_HOME"] ?? NSHomeDirectory() + "/.cache/zs"
    let path = home + "/models/SmolLM2-135M-Instruct.Q4_1.gguf"
    guard FileManager.default.fileExists(atPath: path) else { throw XCTSkip("\(path) is not there; load(\"smollm2\") in zs gets it") }
    let session = TestSession()
    try session.run("m = load(\"smollm2\")")
    return session
  }

  func testWhatIsWrittenIsReadAgainAndCompared() throws {
    let session = try session()
    let cases = [
      (
        "r = export(m, \"\(folder)/x.gguf\", type: \"Q4_K_M\")\n[type(r), r.type, r.difference.same_tokens]",
        "[\"report\", \"q4_K_M\", true]"
      ),
      ("r.difference.largest > 0.01 and r.difference.largest < 20 and r.difference.agreement > 0.5", "true"),
      ("load(r.path).template == m.template", "true"),
      ("tokenize(load(r.path), \"Ahoy, 東京 42!\") == tokenize(m, \"Ahoy, 東京 42!\")", "true"),
      ("q = quantize(m, \"q8_0\")\n[q.dtype, q.difference.positions == r.difference.positions]", "[\"q8_0\", true]"),
      ("m.difference", "none"), ("quantize(m, \"q4_K\").dtype", "\"q5_0\""), ("load(\"smollm2\", dtype: \"F16\").dtype", "\"f16\""),
      (
        "p = lora(m, rank: 2, targets: [\"q_proj\"], seed: 1)\ns = save(p, \"\(folder)/adapter\")\ns.difference.largest", "0.0"
      ),
      ("merge(p).difference.largest < 1e-3", "true"),
    ]
    for (code, expected) in cases {
      do {
        let found = try session.source(code)
        XCTAssertEqual(found, expected, code)
      } catch {
        XCTFail("\(code): \(error)")
      }
    }
    let shown = try session.run("str(r)").text ?? ""
    XCTAssertTrue(shown.hasPrefix("wrote \(folder)/x.gguf · q4_K_M · 99 MB · largest logit difference "), shown)
  }

  func testErrors() throws {
    let session = try session()
    for (code, text) in [
      ("export(m, \"\(folder)/x.bin\")", "GGUF file"), ("export(lora(m, rank: 1), \"\(folder)/x.gguf\")", "merge(m)"),
      ("export(m, \"\(folder)/x.gguf\", type: \"iq4_nl\")", "IQ types"), ("quantize(m, \"q9\")", "cannot be \"q9\""),
      ("export(m, \"/no/such/folder/x.gguf\")", "No such file"), ("load(\"smollm2\", dtype: \"int4\")", "q4_K_M"),
    ] {
      do {
        XCTFail("\(code) gave \(try session.source(code))")
      } catch {
        let message = (error as? ZsError).map { [$0.message, $0.hint ?? ""].joined(separator: " ") } ?? "\(error)"
        XCTAssertTrue(message.contains(text), "\(code): \(message)")
      }
    }
  }
}
