// The metrics of a run as files that other programs read: JSON lines, CSV and TensorBoard's events, one entry per update, written
// to the end of the file and handed to the system at once. After a step back or a resume the redone steps follow; the last entry of
// a step counts.

import Formats
import OrderedCollections

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// A file that only grows; each append is one write.
final class GrowingFile {
  private let descriptor: Int32
  private let path: String
  /// Whether there was anything in it when it was opened.
  let wasEmpty: Bool

  /// Opens a file at its end, making it if it is not there; a line that a killed process left unfinished is closed first.
  init(path: String, endsInNewline: Bool) throws {
    self.path = path
    descriptor = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else {
      throw TrainingError("cannot open the log \(path): \(String(cString: strerror(errno)))", hint: "check the folder given as log")
    }
    let end = lseek(descriptor, 0, SEEK_END)
    wasEmpty = end <= 0
    var last: UInt8 = 0x0A
    if end > 0, endsInNewline, pread(descriptor, &last, 1, end - 1) == 1, last != 0x0A { try append([0x0A]) }
  }

  deinit { close(descriptor) }

  func append(_ bytes: [UInt8]) throws {
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress.map { $0 + sent }, bytes.count - sent) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw TrainingError("cannot write to the log \(path): \(String(cString: strerror(errno)))") }
      sent += count
    }
  }
}

/// The logs of one run in one folder: metrics.jsonl, metrics.csv and an event file.
public final class RunLog {
  /// The folder.
  public let folder: String
  private let lines: GrowingFile
  private let table: GrowingFile
  private let events: TensorBoardWriter
  private var columns: [String]

  /// Opens or goes on with the logs of a folder.
  ///
  /// - Parameters:
  ///   - columns: The metrics that the CSV file has columns for, if it is new; a file that is there keeps its own.
  ///   - time: Seconds since 1970, which name the event file.
  public init(folder: String, columns: [String], time: Double) throws {
    self.folder = folder
    try AtomicFolder.make(folder)
    lines = try GrowingFile(path: "\(folder)/metrics.jsonl", endsInNewline: true)
    let path = "\(folder)/metrics.csv"
    table = try GrowingFile(path: path, endsInNewline: true)
    self.columns = columns
    if table.wasEmpty {
      try table.append(Array((["time"] + columns).map(csvField).joined(separator: ",").utf8) + [0x0A])
    } else {
      let head = String(decoding: try FileContents.read(path).prefix { $0 != 0x0A }, as: UTF8.self)
      self.columns = head.split(separator: ",").dropFirst().map(String.init)
    }
    events = try TensorBoardWriter(folder: folder, time: time)
  }

  /// Logs the metrics of an update, `step` among them.
  public func record(_ metrics: OrderedDictionary<String, Double>, time: Double) throws {
    let whole: (String, Double) -> JSON = { name, value in
      (name == "step" || name == "num_tokens") ? Int64(exactly: value).map { .int($0) } ?? .double(value) : .double(value)
    }
    var row: OrderedDictionary<String, JSON> = ["time": .double(time)]
    for (name, value) in metrics { row[name] = whole(name, value) }
    try lines.append(Array(JSON.object(row).serialized().utf8) + [0x0A])
    let fields = columns.map { name in metrics[name].map { whole(name, $0).serialized() } ?? "" }
    try table.append(Array(([JSON.double(time).serialized()] + fields).joined(separator: ",").utf8) + [0x0A])
    // transformers' own callback writes train/… and eval/….
    let scalars = metrics.filter { $0.key != "step" }.map { name, value in
      (name.hasPrefix("eval_") ? "eval/" + name.dropFirst(5) : "train/" + name, value)
    }
    try events.write(scalars, step: Int(metrics["step"] ?? 0), time: time)
  }

  /// Logs something else that happened, in the JSON lines only: `["event": "back", "step": 3]`.
  public func note(_ members: OrderedDictionary<String, JSON>, time: Double) throws {
    var row: OrderedDictionary<String, JSON> = ["time": .double(time)]
    row.merge(members) { $1 }
    try lines.append(Array(JSON.object(row).serialized().utf8) + [0x0A])
  }
}

/// A field of a CSV file: in quotes where it holds a comma, a quote or a line break (RFC 4180).
public func csvField(_ text: String) -> String {
  guard text.utf8.contains(where: { [0x22, 0x2C, 0x0A, 0x0D].contains($0) }) else { return text }
  return "\"" + text.replacing("\"", with: "\"\"") + "\""
}
