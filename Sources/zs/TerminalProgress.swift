// Progress on standard error: one line redrawn at most ten times a second on a screen; elsewhere a plain line
// every tenth of the way or half minute, so that a log stays readable.
import Builtins
import Glibc
import Language

/// Draws the progress of long work.
final class TerminalProgress: ProgressSink {
  private let isScreen: Bool
  private var start = 0.0
  private var startDone = 0.0
  private var lastDrawn = 0.0
  private var lastTenth = -1
  private var current: Progress?
  private var isLineDrawn = false
  /// Lines of a curve that stand above the line.
  private var curveLines = 0
  /// Whether curves may be coloured.
  private let colour: Bool
  /// Called before anything is drawn, so that what was printed earlier stands before it.
  var beforeDrawing: () -> Void = {}

  /// What ends sooner shows nothing.
  private static let patience = 0.5

  init(isScreen: Bool, colour: Bool = false) {
    self.isScreen = isScreen
    self.colour = colour
  }

  func update(_ progress: Progress) {
    let now = monotonicSeconds()
    if current?.label != progress.label || progress.done < (current?.done ?? 0) {
      start = now
      startDone = progress.done
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
    curveLines = 0
    current = nil
  }

  /// Takes what is drawn away before other output.
  func clear() {
    if isLineDrawn { Terminal.warn(toTop + "\u{1B}[J") }
    isLineDrawn = false
    curveLines = 0
  }

  /// To the first column of the first line that is drawn.
  private var toTop: String { curveLines > 0 ? "\r\u{1B}[\(curveLines)A" : "\r" }

  private func updateScreen(_ progress: Progress, _ now: Double) {
    let isDone = progress.total.map { progress.done >= $0 } ?? false
    guard isLineDrawn || now - start >= TerminalProgress.patience, isDone || now - lastDrawn >= 0.1 else { return }
    draw(progress, now)
  }

  private func draw(_ progress: Progress, _ now: Double) {
    beforeDrawing()
    let (rows, columns) = Terminal.size(STDERR_FILENO)
    var lines: [String] = []
    if progress.curve.count > 2, rows >= 20 { lines = curveText(progress.curve, width: min(columns - 1, 72), height: 6, colour: colour) }
    lines.append(TextWidth.cut(line(progress, now), to: columns - 1))
    let top = isLineDrawn ? toTop : "\r"
    Terminal.warn(top + lines.joined(separator: "\u{1B}[K\n") + "\u{1B}[K" + (lines.count - 1 < curveLines ? "\u{1B}[J" : ""))
    curveLines = lines.count - 1
    isLineDrawn = true
    lastDrawn = now
  }

  private func updateLog(_ progress: Progress, _ now: Double) {
    let tenth = progress.total.map { $0 > 0 ? Int(progress.done / $0 * 10) : 10 } ?? 0
    let isDue = lastTenth < 0 || now - start < TerminalProgress.patience ? false : tenth > lastTenth || now - lastDrawn >= 30
    if lastTenth < 0 {
      lastTenth = tenth
      lastDrawn = now
    }
    guard isDue else { return }
    lastTenth = tenth
    lastDrawn = now
    beforeDrawing()
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
    if elapsed > 0.5, progress.done > startDone {
      let rate = (progress.done - startDone) / elapsed
      // Who has a note says there what a step costs.
      if progress.note.isEmpty {
        parts.append(progress.unit == "bytes" ? amount(rate, "bytes") + "/s" : tenths(rate) + " \(progress.unit)/s")
      }
      if let total = progress.total, rate > 0, progress.done < total { parts.append("ETA " + duration((total - progress.done) / rate)) }
    }
    return parts.joined(separator: " · ")
  }

  private func amount(_ number: Double, _ unit: String) -> String {
    if unit == "bytes" {
      return number >= 1e6 ? tenths(number / 1e6) + " MB" : tenths(number / 1e3) + " kB"
    }
    return number == number.rounded() && abs(number) < 1e15 ? String(Int(number)) : compact(number)
  }
}

/// A number with at most one digit after the point.
private func tenths(_ number: Double) -> String {
  let rounded = (number * 10).rounded() / 10
  return rounded == rounded.rounded() && abs(rounded) < 1e15 ? String(Int(rounded)) : "\(rounded)"
}

/// Seconds of a clock that only goes forward.
func monotonicSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// A time span as people say it: "0.8 s", "1 m 20 s", "2 h 5 m".
func duration(_ seconds: Double) -> String {
  func digits(_ number: Double) -> String {
    let rounded = number < 10 ? (number * 10).rounded() / 10 : number.rounded()
    return rounded == rounded.rounded() ? String(Int(rounded)) : "\(rounded)"
  }
  if !seconds.isFinite || seconds > 1e7 { return "?" }
  if seconds < 0.001 { return digits(seconds * 1e6) + " µs" }
  if seconds < 1 { return digits(seconds * 1e3) + " ms" }
  if seconds < 60 { return digits(seconds) + " s" }
  let whole = Int(seconds)
  return whole < 3600 ? "\(whole / 60) m \(whole % 60) s" : "\(whole / 3600) h \(whole % 3600 / 60) m"
}
