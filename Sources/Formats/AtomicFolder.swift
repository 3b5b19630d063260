// Writing a folder so that a reader, or a power cut, finds the old one or the new one and nothing between: files under a temporary
// name beside it, synced, then one exchange of names. The old folder goes only after the new one is whole.

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// Folders that appear whole or not at all.
public enum AtomicFolder {
  /// Makes the folder `path` of the files that `body` writes into the folder it is given, replacing what was there.
  ///
  /// If `body` throws, the old folder stays and the temporary one is removed.
  public static func write(to path: String, _ body: (_ folder: String) throws -> Void) throws {
    let path = trimmed(path)
    let (parent, name) = split(path)
    guard !name.isEmpty, name != ".", name != ".." else { throw FormatError("cannot write to '\(path)': it names no folder of its own") }
    try make(parent)
    let temporary = temporaryName(parent, name)
    guard mkdir(temporary, 0o777) == 0 else { throw FormatError.system("make the folder", temporary, code: errno) }
    do {
      try body(temporary)
      sync(temporary)
      try put(temporary, at: path)
    } catch {
      remove(temporary)
      throw error
    }
    // The new name must survive a power cut before the old files may go.
    sync(parent)
    remove(temporary)
  }

  /// Puts the new folder in the place of the old one; the old one, if any, then has the temporary name.
  private static func put(_ temporary: String, at path: String) throws {
    var status = stat()
    guard lstat(path, &status) == 0 else {
      guard rename(temporary, path) == 0 else { throw FormatError.system("write", path, code: errno) }
      return
    }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      throw FormatError("\(path) is a file, not a folder", hint: "give the name of a folder, or move the file away")
    }
    if exchange(temporary, path) { return }
    // A file system that cannot exchange names: for an instant only the old folder exists, under a name that `existing` knows.
    let previous = previousName(path)
    remove(previous)
    guard rename(path, previous) == 0 else { throw FormatError.system("replace", path, code: errno) }
    guard rename(temporary, path) == 0 else {
      let code = errno
      rename(previous, path)
      throw FormatError.system("write", path, code: code)
    }
    remove(previous)
  }

  private static func exchange(_ a: String, _ b: String) -> Bool {
    #if canImport(Darwin)
      return renamex_np(a, b, UInt32(RENAME_SWAP)) == 0
    #else
      // The declaration is hidden behind _GNU_SOURCE, and older systems lack the function: it is looked up by name.
      typealias Rename = @convention(c) (Int32, UnsafePointer<CChar>, Int32, UnsafePointer<CChar>, UInt32) -> Int32
      guard let library = dlopen(nil, RTLD_NOW), let symbol = dlsym(library, "renameat2") else { return false }
      let exchangeFlag: UInt32 = 2  // RENAME_EXCHANGE of linux/fs.h
      return unsafeBitCast(symbol, to: Rename.self)(AT_FDCWD, a, AT_FDCWD, b, exchangeFlag) == 0
    #endif
  }

  private static func previousName(_ path: String) -> String {
    let (parent, name) = split(path)
    return "\(parent)/.\(name).previous"
  }

  /// Where the folder is: `path`, or the name it has while a write was cut off between two renames; nil where there is none.
  public static func existing(_ path: String) -> String? {
    let path = trimmed(path)
    return [path, previousName(path)].first { access($0, F_OK) == 0 }
  }

  /// Makes a folder and those it lies in.
  public static func make(_ path: String) throws {
    var built = path.hasPrefix("/") ? "" : "."
    for part in path.split(separator: "/") {
      built += "/\(part)"
      if mkdir(built, 0o777) != 0, errno != EEXIST { throw FormatError.system("make the folder", path, code: errno) }
    }
  }

  /// The names in a folder, sorted; empty where there is no such folder.
  public static func names(in path: String) -> [String] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  /// Removes a folder with all that is in it, links but not what they point to; what is not there is removed already.
  public static func remove(_ path: String) {
    var status = stat()
    guard lstat(path, &status) == 0 else { return }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      unlink(path)
      return
    }
    for name in names(in: path) { remove("\(path)/\(name)") }
    rmdir(path)
  }

  /// Removes a folder so that nobody finds half of it: its name goes first, then what is in it.
  public static func discard(_ path: String) {
    let (parent, name) = split(trimmed(path))
    let temporary = temporaryName(parent, name)
    remove(rename(path, temporary) == 0 ? temporary : path)
  }

  /// Removes what interrupted writes and removals left in a folder: temporary folders of processes that are gone.
  public static func removeLeftovers(in folder: String) {
    for found in names(in: folder) where found.hasPrefix(".") && found.hasSuffix(".tmp") {
      guard let owner = found.split(separator: ".").dropLast().last, let process = Int32(owner.prefix { $0 != "-" }), process != getpid(),
        kill(process, 0) != 0, errno == ESRCH
      else { continue }
      remove("\(folder)/\(found)")
    }
  }

  /// The folder that a path lies in.
  public static func parent(of path: String) -> String { split(trimmed(path)).parent }

  private static func temporaryName(_ parent: String, _ name: String) -> String {
    "\(parent)/.\(name).\(getpid())-\(UInt32.random(in: 0...UInt32.max)).tmp"
  }

  /// Bytes that can be written to the file system of a folder that exists; nil where it does not say.
  public static func freeBytes(at path: String) -> Int? {
    var status = statvfs()
    guard statvfs(path, &status) == 0 else { return nil }
    return Int(clamping: UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize)).partialValue)
  }

  private static func sync(_ folder: String) {
    // Some file systems refuse fsync on folders, which is no error of ours.
    let descriptor = open(folder, O_RDONLY | O_CLOEXEC)
    if descriptor >= 0 {
      fsync(descriptor)
      close(descriptor)
    }
  }

  private static func trimmed(_ path: String) -> String { path.count > 1 && path.hasSuffix("/") ? trimmed(String(path.dropLast())) : path }

  private static func split(_ path: String) -> (parent: String, name: String) {
    guard let slash = path.lastIndex(of: "/") else { return (".", path) }
    return (slash == path.startIndex ? "/" : String(path[..<slash]), String(path[path.index(after: slash)...]))
  }
}
