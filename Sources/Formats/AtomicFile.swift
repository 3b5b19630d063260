// Writing a file so that a reader, or a power cut, finds the old one or the new one and nothing between:
// a temporary name in the same folder, fsync, rename, fsync of the folder.

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// Files that appear whole or not at all.
public enum AtomicFile {
  /// Writes `bytes` to `path`, replacing what was there in one step.
  public static func write(_ bytes: [UInt8], to path: String) throws {
    try bytes.withUnsafeBytes { buffer in try write(to: path) { try $0.append(buffer) } }
  }

  /// Writes `text` as UTF-8 to `path`, replacing what was there in one step.
  public static func write(_ text: String, to path: String) throws {
    try write(Array(text.utf8), to: path)
  }

  /// Writes what `body` appends to `path`, replacing what was there in one step.
  ///
  /// If `body` throws, the old file stays and the temporary one is removed.
  public static func write(to path: String, _ body: (Writer) throws -> Void) throws {
    let folder = folder(of: path)
    let name = path.split(separator: "/", omittingEmptySubsequences: true).last.map(String.init) ?? path
    guard !name.isEmpty, !path.hasSuffix("/") else { throw FormatError("cannot write to '\(path)': it names no file") }
    var status = stat()
    if stat(path, &status) == 0, ![S_IFREG, S_IFDIR].contains(status.st_mode & S_IFMT) || folder == "/dev" {
      return try writeThrough(path, body)
    }
    let temporary = "\(folder)/.\(name).\(getpid())-\(UInt32.random(in: 0...UInt32.max)).tmp"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw FormatError.system("write in", folder, code: errno) }
    let writer = Writer(descriptor: descriptor, path: path)
    do {
      try body(writer)
      try writer.flush()
      guard fsync(descriptor) == 0 else { throw FormatError.system("write", path, code: errno) }
    } catch {
      close(descriptor)
      unlink(temporary)
      throw error
    }
    close(descriptor)
    guard rename(temporary, path) == 0 else {
      let code = errno
      unlink(temporary)
      throw FormatError.system("write", path, code: code)
    }
    // The rename itself must survive a power cut; some file systems refuse fsync on folders, which is no error of ours.
    let folderDescriptor = open(folder, O_RDONLY | O_CLOEXEC)
    if folderDescriptor >= 0 {
      fsync(folderDescriptor)
      close(folderDescriptor)
    }
  }

  /// Writes to a pipe, a terminal or a device as it is: a file must not take its place.
  private static func writeThrough(_ path: String, _ body: (Writer) throws -> Void) throws {
    let descriptor = open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
    guard descriptor >= 0 else { throw FormatError.system("write", path, code: errno) }
    defer { close(descriptor) }
    let writer = Writer(descriptor: descriptor, path: path)
    try body(writer)
    try writer.flush()
  }

  private static func folder(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// The open end of a file being written; collects small pieces before it calls the system.
  public final class Writer {
    private let descriptor: Int32
    private let path: String
    private var pending: [UInt8] = []
    /// How many bytes were appended so far.
    public private(set) var count = 0

    init(descriptor: Int32, path: String) {
      self.descriptor = descriptor
      self.path = path
    }

    /// Appends a buffer.
    public func append(_ bytes: UnsafeRawBufferPointer) throws {
      count += bytes.count
      if bytes.count >= 1 << 16 {
        try flush()
        try send(bytes)
      } else {
        pending.append(contentsOf: bytes)
        if pending.count >= 1 << 16 { try flush() }
      }
    }

    /// Appends an array of bytes.
    public func append(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try append($0) } }

    /// Appends text as UTF-8.
    public func append(_ text: String) throws { try append(Array(text.utf8)) }

    func flush() throws {
      guard !pending.isEmpty else { return }
      try pending.withUnsafeBytes { try send($0) }
      pending.removeAll(keepingCapacity: true)
    }

    private func send(_ bytes: UnsafeRawBufferPointer) throws {
      var rest = bytes
      while let start = rest.baseAddress, rest.count > 0 {
        let sent = systemWrite(descriptor, start, rest.count)
        if sent < 0 && errno == EINTR { continue }
        guard sent > 0 else { throw FormatError.system("write", path, code: errno) }
        rest = UnsafeRawBufferPointer(rebasing: rest[sent...])
      }
    }
  }
}

private func systemWrite(_ descriptor: Int32, _ start: UnsafeRawPointer, _ count: Int) -> Int { write(descriptor, start, count) }
