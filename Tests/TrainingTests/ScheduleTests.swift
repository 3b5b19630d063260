// Learning rates against transformers' get_scheduler (Fixtures/schedules.json, made by scripts/reference/schedules.py).

import Training
import XCTest

final class ScheduleTests: XCTestCase {
  func testRatesEqualTransformers() throws {
    let names: [String: ScheduleKind] = [
      "constant": .constant, "constant_with_warmup": .constantWithWarmup, "linear": .linear, "cosine": .cosine,
      "cosine_with_min_lr": .cosine,
    ]
    let rows = try fixture("schedules.json").array ?? []
    XCTAssertEqual(rows.count, 20)
    for row in rows {
      let schedule = Schedule(
        kind: try XCTUnwrap(names[row["name"]?.string ?? ""]), baseRate: row["base"]?.double ?? .nan, minRate: row["min"]?.double ?? .nan,
        totalSteps: row["total"]?.int ?? 0, warmupSteps: row["warmup"]?.int ?? 0)
      for (step, rate) in (row["rates"]?.doubles ?? []).enumerated() {
        assertClose(schedule.rate(step: step), rate, relative: 1e-12, absolute: 1e-20, "\(schedule) at \(step)")
      }
    }
  }

  func testWarmupRatioRoundsUp() {
    XCTAssertEqual(Schedule.warmupSteps(ratio: 0.1, totalSteps: 8), 1)
    XCTAssertEqual(Schedule.warmupSteps(ratio: 0.1, totalSteps: 478), 48)
    XCTAssertEqual(Schedule.warmupSteps(ratio: 0, totalSteps: 10), 0)
  }
}
