// Rows of data sets, page by page from the server that the Hub runs for looking at data, kept as JSON lines. Parquet files,
// which data sets are stored in, are not read.

import Formats
import Network

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Brings splits of data sets into a folder of JSON lines.
public struct HubRows {
  /// The most rows the server gives at once.
  static let pageLength = 100

  private let settings: HubSettings
  private let client: HTTPClient
  private let folder: String

  /// Makes a bringer of rows that keeps them in `folder`.
  public init(settings: HubSettings, client: HTTPClient, folder: String) {
    self.settings = settings
    self.client = client
    self.folder = folder
  }

  /// The file with a split's rows, one JSON object a line; whole, or with `limit` rows at least.
  ///
  /// Pages that came in an earlier call are not asked for again. A whole split is a file `SPLIT.jsonl`; while it is not
  /// whole it is `SPLIT.jsonl.incomplete`, which holds whole rows only.
  ///
  /// - Parameters:
  ///   - config: The configuration; nil: `default`, or the only one.
  ///   - split: The split; nil: `train`, or the only one.
  ///   - limit: How many rows are enough; nil: all.
  /// - Throws: `HubError`, `NetworkError`, or `TransferCancelled` where `isCancelled` said so.
  public func locate(
    _ source: HubSource, config: String? = nil, split: String? = nil, limit: Int? = nil,
    progress: @escaping (_ done: Int, _ total: Int) -> Void = { _, _ in }, note: @escaping (String) -> Void = { _ in },
    isCancelled: @escaping () -> Bool = { false }
  ) throws -> String {
    guard source.kind == .dataset else {
      throw HubError("\(source.address) is no data set", hint: "hf://datasets/\(source.repository)")
    }
    if let file = source.file {
      throw HubError(
        "rows of one file (\(file)) are not read from the Hub", hint: "hf://datasets/\(source.repository) with split:; or download the file"
      )
    }
    guard source.revision == "main" else {
      throw HubError("the server of rows knows only the newest revision, not '\(source.revision)'", hint: "leave @\(source.revision) out")
    }
    do {
      if let split, let config, let path = whole(source, config, split) { return path }
      if settings.isOffline { return try offline(source, config, split) }
      let (config, split) = try choose(source, config, split, note, isCancelled)
      if let path = whole(source, config, split) { return path }
      let pages = HubPages(
        source: source, config: config, split: split, path: path(source, config, split), limit: limit, progress: progress, note: note,
        ask: {
          try ask(
            "/rows", source, [("config", config), ("split", split), ("offset", "\($0)"), ("length", "\(HubRows.pageLength)")], note,
            isCancelled)
        })
      return try pages.bring()
    } catch is NetworkCancelled {
      throw TransferCancelled()
    }
  }

  private func path(_ source: HubSource, _ config: String, _ split: String) -> String {
    let name = source.repository.split(separator: "/").joined(separator: "--")
    return "\(folder)/\(name)/\(escaped(config))/\(escaped(split)).jsonl"
  }

  private func whole(_ source: HubSource, _ config: String, _ split: String) -> String? {
    let path = path(source, config, split)
    return access(path, R_OK) == 0 ? path : nil
  }

  private func offline(_ source: HubSource, _ config: String?, _ split: String?) throws -> String {
    let home = "\(folder)/" + source.repository.split(separator: "/").joined(separator: "--")
    let found = names(in: home).filter { config == nil || $0 == escaped(config ?? "") }.flatMap { name in
      names(in: "\(home)/\(name)").filter { $0.hasSuffix(".jsonl") && (split == nil || $0 == escaped(split ?? "") + ".jsonl") }
        .map { "\(home)/\(name)/\($0)" }
    }
    guard found.count == 1 else {
      throw HubError(
        "\(found.isEmpty ? "no whole split" : "more than one split") of \(source.address) is kept in \(home), and HF_HUB_OFFLINE forbids to ask",
        hint: found.isEmpty ? "unset HF_HUB_OFFLINE once" : "name config: and split:")
    }
    return found[0]
  }

  // MARK: Asking

  /// Configuration and split that are meant.
  private func choose(
    _ source: HubSource, _ config: String?, _ split: String?, _ note: @escaping (String) -> Void, _ isCancelled: @escaping () -> Bool
  ) throws -> (config: String, split: String) {
    let json = try ask("/splits", source, [], note, isCancelled)
    let all = (json["splits"]?.array ?? []).compactMap { row -> (config: String, split: String)? in
      guard let config = row["config"]?.string, let split = row["split"]?.string else { return nil }
      return (config, split)
    }
    var configs: [String] = []
    for row in all where !configs.contains(row.config) { configs.append(row.config) }
    func pick(_ wanted: String?, _ names: [String], _ usual: String, _ what: String) throws -> String {
      if let wanted {
        guard names.contains(wanted) else {
          throw HubError("\(source.repository) has no \(what) '\(wanted)'", hint: "it has \(names.joined(separator: ", "))")
        }
        return wanted
      }
      if names.contains(usual) { return usual }
      guard names.count == 1 else {
        throw HubError(
          names.isEmpty ? "\(source.repository) has no rows to show" : "\(source.repository) has more than one \(what)",
          hint: names.isEmpty ? HubRows.byHand(source) : "\(what): one of \(names.map { "\"\($0)\"" }.joined(separator: ", "))")
      }
      return names[0]
    }
    let chosen = try pick(config, configs, "default", "config")
    return (chosen, try pick(split, all.filter { $0.config == chosen }.map(\.split), "train", "split"))
  }

  private func ask(
    _ path: String, _ source: HubSource, _ query: [(String, String)], _ note: (String) -> Void, _ isCancelled: () -> Bool
  ) throws -> JSON {
    let items = ([("dataset", source.repository)] + query).map { "\($0.0)=\(escaped($0.1))" }
    let url = settings.datasetsServer + path + "?" + items.joined(separator: "&")
    do {
      let response = try client.send(
        HTTPRequest(url, headers: ["Accept": "application/json"], key: settings.token),
        limits: HTTPLimits(responseTimeoutSeconds: 60, maxBytes: 256 << 20, retry: settings.retry),
        onRetry: { note("\($0.error.message); attempt \($0.attempt + 1) of \($0.attempts) in \(Int($0.delaySeconds.rounded(.up))) s") },
        isCancelled: isCancelled)
      return try JSON.parse(response.body, source: shownURL(url))
    } catch let error as FormatError {
      throw HubError(
        "the answer about \(source.repository) is no JSON: \(error.message)", hint: "does HF_DATASETS_SERVER point to a server of rows?")
    } catch let error as NetworkError where [401, 403, 404].contains(error.status ?? 0) {
      throw HubModels.described(error, source, settings)
    } catch let error as NetworkError where [422, 500, 501].contains(error.status ?? 0) {
      throw HubError("the rows of \(source.repository) cannot be had: \(error.message)", hint: HubRows.byHand(source))
    }
  }

  static func byHand(_ source: HubSource) -> String {
    "convert it once with Python: datasets.load_dataset(\"\(source.repository)\", split=…).to_json(\"rows.jsonl\"), then give \"rows.jsonl\""
  }
}

/// The pages of one split on their way into a file.
struct HubPages {
  let source: HubSource
  let config: String
  let split: String
  /// Where the whole split belongs.
  let path: String
  let limit: Int?
  let progress: (Int, Int) -> Void
  /// Told what a person should know.
  let note: (String) -> Void
  /// Asks for the page that begins at a row.
  let ask: (Int) throws -> JSON

  private var growing: String { path + ".incomplete" }

  /// The file with all rows, or with `limit` of them.
  func bring() throws -> String {
    try HubCache(source: source, root: "").makeFolders(for: path)
    let descriptor = open(growing, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw failure() }
    defer { close(descriptor) }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      throw HubError("another process fetches the rows of \(source.repository)", hint: "wait for it, or end it")
    }
    var count = try rowsKept(descriptor)
    if let limit, count >= limit { return growing }
    while true {
      let page = try ask(count)
      guard let rows = page["rows"]?.array, let total = page["num_rows_total"]?.int else {
        throw HubError("the answer about \(source.repository) holds no rows", hint: HubRows.byHand(source))
      }
      try append(rows, from: count, descriptor)
      count += rows.count
      if count >= total, page["partial"]?.bool == true {
        note("the server of rows has only the first \(total) rows of \(source.repository), \(split), which is too large for it")
      }
      progress(min(count, limit ?? total), limit.map { min($0, total) } ?? total)
      if count >= total { break }
      if let limit, count >= limit { return growing }
      guard !rows.isEmpty else {
        throw HubError("the rows of \(source.repository) end after \(count) of \(total)", hint: "what came is kept; try again later")
      }
    }
    guard count > 0 else { throw HubError("\(source.repository), \(split), has no rows") }
    guard rename(growing, path) == 0 else { throw failure() }
    return path
  }

  /// How many whole rows an earlier call left; half a row, as a kill may leave it, is cut off.
  private func rowsKept(_ descriptor: Int32) throws -> Int {
    let size = lseek(descriptor, 0, SEEK_END)
    guard size > 0 else { return 0 }
    let bytes = try FileContents.read(growing)
    let (lines, end) = (bytes.count { $0 == 0x0A }, bytes.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0)
    if end < size, ftruncate(descriptor, off_t(end)) != 0 { throw failure() }
    return lines
  }

  /// Adds a page's rows in one write.
  private func append(_ rows: [JSON], from first: Int, _ descriptor: Int32) throws {
    var text = ""
    for (place, item) in rows.enumerated() {
      guard let row = item["row"], row.object != nil, item["row_idx"]?.int ?? (first + place) == first + place else {
        throw HubError("the rows of \(source.repository) come out of order at \(first + place)", hint: "try again later")
      }
      if let cut = item["truncated_cells"]?.array, !cut.isEmpty {
        throw HubError(
          "row \(first + place) of \(source.repository) is too large for the server of rows, which cut it short",
          hint: HubRows.byHand(source))
      }
      text += row.serialized() + "\n"
    }
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let written = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
      if written < 0 && errno == EINTR { continue }
      guard written > 0 else { throw failure() }
      rest = rest.dropFirst(written)
    }
    guard fsync(descriptor) == 0 else { throw failure() }
  }

  private func failure() -> HubError {
    HubError("\(growing) cannot be written: \(String(cString: strerror(errno)))", hint: "free some space, or set ZS_HOME to another disk")
  }
}
