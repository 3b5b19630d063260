// What was typed, kept between runs: a file with one JSON object per cell, only ever appended to, so that two sessions
// at once both survive, and written before a cell runs, so that a crash loses nothing.
import Formats
import Glibc

/// The cells typed so far, oldest first.
final class History {
  private(set) var cells: [String] = []
  private let path: String?
  private static let limit = 2000

  /// The history in a folder; without a folder it lives as long as the process.
  init(folder: String?) {
    path = folder.map { $0 + "/history.jsonl" }
    guard let path, access(path, R_OK) == 0 else { return }
    do {
      cells = try JSONLines(path: path).rows.compactMap { $0.value["cell"]?.string }.suffix(History.limit)
    } catch {
      Terminal.warn("zs: the history in \(path) cannot be read and is left alone\n")
    }
  }

  /// Keeps a cell; one typed twice in a row is kept once.
  func append(_ cell: String) {
    guard !cell.isEmpty, cells.last != cell else { return }
    cells.append(cell)
    guard let path else { return }
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    let line = JSON.object(["cell": .string(cell), "time": .int(Int64(time.tv_sec))]).serialized() + "\n"
    // One write of a whole line: appends of two processes do not mix.
    let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { return }
    Terminal.write(line, to: descriptor)
    close(descriptor)
  }
}
