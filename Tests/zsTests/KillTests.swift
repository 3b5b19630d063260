// A run that is killed, again and again, and goes on: whatever moment kill -9 comes at, the newest checkpoint is whole and the run it
// continues is the uninterrupted one, bit for bit. Interrupts and SIGTERM save before they end it.
import Foundation
import XCTest

final class KillTests: XCTestCase {
  private static let steps = 60
  private static let model = Binary.root + "/Tests/TrainingTests/Fixtures/tiny"
  private static let trainer = """
    rows = [{input_ids: [1, 5 + i, 9, 30 + i, 7, 11 * i % 90 + 3, 2]} for i in 0..<23]
    fn fresh(folder) = sft(
      lora(load("\(model)"), rank: 4, seed: 1, dropout: 0.1), rows, batch_size: 2, learning_rate: 1e-2, max_steps: \(steps),
      neftune_alpha: 2, autosave: folder, autosave_minutes: 0)

    """
  private static let going =
    trainer + """
      t = try { resume(args[0]) } catch e {
        if not (e.message |> contains("holds no checkpoint") or e.message |> contains("there is no folder")) { fail e.message }
        fresh(args[0])
      }
      if t.step_count < t.total_steps { run(t) }
      """

  private func folder() throws -> String {
    let path = NSTemporaryDirectory() + "zs-kill-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    addTeardownBlock { try? FileManager.default.removeItem(atPath: path) }
    return path
  }

  private func state(_ folder: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: folder + "/state.safetensors")) }

  func testAHundredKillsChangeNoBit() throws {
    let root = try folder()
    // What an uninterrupted run has after each step.
    let whole = try Binary.file(
      Self.trainer + "t = fresh(args[0])\nfor i in 1...\(Self.steps) {\n  step(t);\n  save(t, args[1] + \"/\\(i)\")\n}\n")
    let reference = try Binary.run([whole, root + "/whole", root + "/steps"], environment: ["ZS_THREADS": "1"])
    XCTAssertEqual(reference.status, 0, reference.errors)
    let expected = try (1...Self.steps).map { try state("\(root)/steps/\($0)") }

    let program = try Binary.file(Self.going)
    var random = SystemRandomNumberGenerator()
    let seed = UInt64.random(in: 0...UInt64.max, using: &random)
    var generator = SplitMix(state: seed)
    var (kills, found, ends, run) = (0, Set<Int>(), 0, root + "/run")
    // A guard against hanging; on an idle machine it takes twenty seconds.
    let deadline = Date().addingTimeInterval(200)
    while kills < 100, Date() < deadline {
      let killed = try killAfter(Double.random(in: 0.01...0.35, using: &generator), program, run)
      kills += killed ? 1 : 0
      let saved = (try? FileManager.default.contentsOfDirectory(atPath: run))?.filter { $0.hasPrefix("step-") } ?? []
      // Every checkpoint that is there under its name is whole.
      for name in saved {
        let step = try XCTUnwrap(Int(name.dropFirst(5)))
        XCTAssertEqual(try state("\(run)/\(name)"), expected[step - 1], "step \(step) after kill \(kills), seed \(seed)")
        found.insert(step)
      }
      if !killed {
        XCTAssertTrue(saved.contains("step-0000\(Self.steps)"), "a run that was not killed has ended: \(saved)")
        ends += 1
        run = root + "/run\(ends)"
      }
    }
    XCTAssertEqual(kills, 100, "seed \(seed)")
    XCTAssertGreaterThan(found.count, 15, "kills came at many steps")
    let last = try Binary.run([program, run], environment: ["ZS_THREADS": "1"])
    XCTAssertEqual(last.status, 0, last.errors)
    XCTAssertEqual(try state("\(run)/step-0000\(Self.steps)"), expected[Self.steps - 1])
    // What kills left half written or half removed has been cleared away.
    XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: run).filter { $0.hasSuffix(".tmp") }, [])
  }

  /// Starts the program and kills it; false if it ended by itself before.
  private func killAfter(_ seconds: Double, _ program: String, _ folder: String) throws -> Bool {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Binary.path)
    process.arguments = [program, folder]
    process.environment = ProcessInfo.processInfo.environment.merging(["ZS_THREADS": "1"]) { $1 }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    Thread.sleep(forTimeInterval: seconds)
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    if process.terminationReason == .uncaughtSignal { return true }
    XCTAssertEqual(process.terminationStatus, 0, "the program failed by itself; run it on \(folder)")
    return false
  }

  func testInterruptTerminationAndErrorsSaveBeforeTheEnd() throws {
    for (name, signal, status) in [("interrupt", SIGINT, Int32(130)), ("termination", SIGTERM, 130)] {
      let run = try folder() + "/run"
      // Autosaves by time only, of which none comes in a second.
      let program = try Binary.file(
        Self.trainer.replacingOccurrences(of: "max_steps: \(Self.steps)", with: "max_steps: 1000000").replacingOccurrences(
          of: "autosave_minutes: 0", with: "autosave_minutes: 5") + "t = fresh(args[0])\nrun(t)\n")
      // The log of the first step shows that the run is under way.
      let outcome = try Binary.run([program, run], environment: ["ZS_THREADS": "1"], interruptAt: run + "/metrics.csv", signal: signal)
      XCTAssertEqual(outcome.status, status, "\(name): \(outcome.errors)")
      XCTAssertTrue(outcome.errors.contains("resume(\"\(run)\")"), outcome.errors)
      let saved = try FileManager.default.contentsOfDirectory(atPath: run).filter { $0.hasPrefix("step-") }
      XCTAssertEqual(saved.count, 1, name)
      let again = try Binary.run(["-e", "t = resume(\"\(run)\")\nprint(t.step_count == len(t.history) and t.step_count > 0)"])
      XCTAssertEqual(again.output, "true\n", again.errors)
    }
  }
}

/// A small generator with a seed that can be printed.
private struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
