// What is said of a run and of a model before they take memory, and the run that is refused.

import Builtins
import Foundation
import Language
import Models
import Tensors
import Training
import XCTest

final class ForecastBuiltinsTests: XCTestCase {
  private let tiny = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("TrainingTests/Fixtures/tiny").path

  func testATrainerTellsWhatItWillTake() throws {
    let test = TestSession()
    var said = ""
    test.session.warn = { said += $0 }
    test.session.showsForecasts = true
    try test.run(
      """
      m = load("\(tiny)")
      rows = [{input_ids: [1, 5 + i, 9, 30 + i, 7, 3 * i + 3, 2]} for i in 0..<6]
      t = sft(lora(m, rank: 4, seed: 1), rows, batch_size: 2)
      f = t.forecast
      """)
    XCTAssertEqual(try test.source("f.steps"), "3")
    XCTAssertEqual(try test.source("f.peak_bytes > f.new_bytes and f.new_bytes > 0 and f.parts.activations > 0"), "true")
    XCTAssertEqual(try test.source("f.seconds_per_step > 0 and t.forecast.seconds_per_step == f.seconds_per_step"), "true")
    XCTAssertEqual(try test.source("fork(t).forecast"), "none")
    XCTAssert(said.contains("when all of it is in use"), said)
    XCTAssert(said.contains("of memory at the peak") && said.contains("3 steps in"), said)
    said = ""
    try test.run("load(\"\(tiny)\", dtype: \"q8_0\")")
    XCTAssert(said.contains("of memory when converted"), said)
  }

  func testWhatCannotFitIsRefusedWithWhatWould() throws {
    let model = try LanguageModel.load(path: tiny)
    let rows = [[SFTExample(ids: Array(repeating: 5, count: 400), trained: Array(repeating: true, count: 400))]]
    let plan = RunPlan(model: model, learning: model.learningPlan(), objective: SFT(examples: rows), options: TrainOptions())
    let session = TestSession().session
    let needed = try session.admit(plan).newBytes
    var now = try XCTUnwrap(ProcessMemory.now())
    now.availableBytes = needed - 1
    XCTAssertThrowsError(try session.admit(plan, now: now)) { error in
      guard let error = error as? ZsError else { return XCTFail("\(error)") }
      XCTAssertEqual(error.kind, "memory")
      XCTAssert(error.message.contains("more memory at its peak") && error.message.contains("are free"), error.message)
      XCTAssert(error.hint?.contains("gradient_checkpointing: true") ?? false, error.hint ?? "")
    }
  }

  func testMemoryOfTheProcessIsKnown() throws {
    let now = try XCTUnwrap(ProcessMemory.now())
    XCTAssertGreaterThan(now.residentBytes, 5 << 20)
    XCTAssertGreaterThanOrEqual(now.peakBytes, now.residentBytes)
    XCTAssertGreaterThan(now.availableBytes ?? 0, 0)
    let model = try LanguageModel.load(path: tiny)
    _ = try model.logits([1, 5, 9])
    XCTAssertGreaterThan(ProcessMemory.residentBytes(ofFilesUnder: tiny), 0)
    XCTAssertEqual(ProcessMemory.residentBytes(ofFilesUnder: tiny + "/none"), 0)
  }
}
