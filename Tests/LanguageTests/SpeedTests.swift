// The loop of the acceptance: ten million cheap iterations, against CPython where there is one.
import Language
import XCTest

final class SpeedTests: XCTestCase {
  private func seconds(_ body: () -> Void) -> Double {
    let start = ContinuousClock().now
    body()
    let duration = ContinuousClock().now - start
    return Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
  }

  private func python(_ program: String) throws -> Double? {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3", "-c", "import time\n\(program)\nt = time.perf_counter()\nf()\nprint(time.perf_counter() - t)"]
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = Pipe()
    try process.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return Double(String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines))
  }

  func testTenMillionIterations() throws {
    let programs: [(name: String, zs: String, python: String)] = [
      (
        "while", "s = 0\ni = 0\nwhile i < 10_000_000 { s = s + i % 7\n i = i + 1 }\ns",
        "def f():\n s = 0; i = 0\n while i < 10_000_000:\n  s = s + i % 7\n  i = i + 1"
      ),
      ("for", "s = 0\nfor i in 0..<10_000_000 { s += i }\ns", "def f():\n s = 0\n for i in range(10_000_000): s += i"),
      ("float", "s = 0.0\nfor i in 0..<10_000_000 { s += i * 0.5 }\ns", "def f():\n s = 0.0\n for i in range(10_000_000): s += i * 0.5"),
    ]
    for (name, program, other) in programs {
      var best = Double.infinity
      var reference = Double.infinity
      // The best of three, taken in turn, so that other work on the machine hits both alike.
      for _ in 0..<3 {
        let session = TestSession()
        best = min(best, seconds { XCTAssertEqual(session.run(program).status, .finished) })
        if let time = try? python(other) { reference = min(reference, time) }
      }
      print("\(name): zs \(best) s, python3 \(reference) s")
      if reference.isFinite { XCTAssertLessThan(best, 1.5 * reference, name) }
    }
  }
}
