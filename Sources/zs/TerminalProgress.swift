// Progress on standard error: one line redrawn at most ten times a second on a screen; elsewhere a plain line
// every tenth of the way or half minute, so that a log stays readable.
import Builtins
import Glibc
import Language

/// Draws the progress of long work.
final class TerminalProgress: ProgressSink {
  private let isScreen: Bool
  private var start = 0.0
  private var lastDrawn = 0.0
  private var lastTenth = -1
  private var current: Progress?
  private var isLineDrawn = false

  init(isScreen: Bool) { self.isScreen = isScreen }

  func update(_ progress: Progress) {
    let now = monotonicSeconds()
    if current?.label != progress.label || progress.done < (current?.done ?? 0) {
      start = now
      lastDrawn = 0
      lastTenth = -1
    }
    current = progress
    isScreen ? updateScreen(progress, now) : updateLog(progress, now)
  }

  func finish() {
    if isScreen, let current, isLineDrawn {
      draw(current, monotonicSeconds())
      Terminal.warn("\n")
    }
    isLineDrawn = false
    current = nil
  }

  /// Takes the drawn line away before other output.
  func clear() {
    if isLineDrawn { Terminal.warn("\r\u{1B}[K") }
    isLineDrawn = false
  }

  private func updateScreen(_ progress: Progress, _ now: Double) {
    let isDone = progress.total.map { progress.done >= $0 } ?? false
    guard isDone || now - lastDrawn >= 0.1 else { return }
    draw(progress, now)
  }

  private func draw(_ progress: Progress, _ now: Double) {
    let width = Terminal.width(STDERR_FILENO)
    Terminal.warn("\r" + TextWidth.cut(line(progress, now), to: width - 1) + "\u{1B}[K")
    isLineDrawn = true
    lastDrawn = now
  }

  private func updateLog(_ progress: Progress, _ now: Double) {
    let tenth = progress.total.map { $0 > 0 ? Int(progress.done / $0 * 10) : 10 } ?? 0
    let isDue = lastTenth < 0 ? false : tenth > lastTenth || now - lastDrawn >= 30
    if lastTenth < 0 {
      lastTenth = tenth
      lastDrawn = now
    }
    guard isDue else { return }
    lastTenth = tenth
    lastDrawn = now
    Terminal.warn(line(progress, now) + "\n")
  }

  private func line(_ progress: Progress, _ now: Double) -> String {
    var parts = [progress.label + " " + amount(progress.done, progress.unit)]
    if let total = progress.total {
      parts[0] += "/" + amount(total, progress.unit)
      if total > 0 { parts[0] += " \(Int(progress.done / total * 100))%" }
    }
    if !progress.note.isEmpty { parts.append(progress.note) }
    let elapsed = now - start
    if elapsed > 0.5, progress.done > 0 {
      let rate = progress.done / elapsed
      // Who has a note says there what a step costs.
      if progress.note.isEmpty {
        parts.append(progress.unit == "bytes" ? amount(rate, "bytes") + "/s" : compact((rate * 10).rounded() / 10) + " \(progress.unit)/s")
      }
      if let total = progress.total, rate > 0, progress.done < total { parts.append("ETA " + duration((total - progress.done) / rate)) }
    }
    return parts.joined(separator: " · ")
  }

  private func amount(_ number: Double, _ unit: String) -> String {
    if unit == "bytes" {
      return number >= 1e6 ? compact((number / 1e5).rounded() / 10) + " MB" : compact((number / 100).rounded() / 10) + " kB"
    }
    return number == number.rounded() && abs(number) < 1e15 ? String(Int(number)) : compact(number)
  }
}

/// Seconds of a clock that only goes forward.
func monotonicSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// A time span as people say it: "0.8 s", "1 m 20 s", "2 h 5 m".
func duration(_ seconds: Double) -> String {
  if !seconds.isFinite || seconds > 1e7 { return "?" }
  if seconds < 0.001 { return "\(compact((seconds * 1e8).rounded() / 100)) µs" }
  if seconds < 1 { return "\(compact((seconds * 1e4).rounded() / 10)) ms" }
  if seconds < 60 { return "\(seconds < 10 ? compact((seconds * 10).rounded() / 10) : String(Int(seconds.rounded()))) s" }
  let whole = Int(seconds)
  return whole < 3600 ? "\(whole / 60) m \(whole % 60) s" : "\(whole / 3600) h \(whole % 3600 / 60) m"
}
