// A whole file read into memory: for everything but weights. A copy cannot be pulled away by another process that cuts the file,
// as the pages of a mapped one can, and it needs nobody to keep a mapping alive.

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// Reading files whole.
public enum FileContents {
  /// The bytes of the file at `path`.
  ///
  /// - Throws: `FormatError` if there is no such file, it is no plain file, or it cannot be read.
  public static func read(_ path: String) throws -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw FormatError.system("open", path, code: errno) }
    defer { close(descriptor) }
    let size = try plainFileSize(descriptor, path)
    var bytes = try [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      while count < size {
        let found = try readBytes(descriptor, buffer.baseAddress.map { $0 + count }, size - count, path)
        if found == 0 { return }
        count += found
      }
    }
    guard size == 0 else { return bytes }
    // Files that the system makes up as they are read, as in /proc, say that they are empty.
    var page = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let found = try page.withUnsafeMutableBufferPointer { try readBytes(descriptor, $0.baseAddress, $0.count, path) }
      if found == 0 { return bytes }
      bytes += page[..<found]
    }
  }

  /// The text of the file at `path`; nil where it is not UTF-8.
  public static func text(_ path: String) throws -> String? { String(validating: try read(path), as: UTF8.self) }
}

/// The length of an open file, which must be a plain one.
func plainFileSize(_ descriptor: Int32, _ path: String) throws -> Int {
  var status = stat()
  guard fstat(descriptor, &status) == 0 else { throw FormatError.system("look at", path, code: errno) }
  guard status.st_mode & S_IFMT != S_IFDIR else { throw FormatError("\(path) is a folder, not a file") }
  guard status.st_mode & S_IFMT == S_IFREG else {
    throw FormatError("\(path) is not a plain file", hint: "copy it to a plain file first")
  }
  return Int(status.st_size)
}

/// `read` of the system, begun again where a signal ended it; 0 at the end.
private func readBytes(_ descriptor: Int32, _ target: UnsafeMutablePointer<UInt8>?, _ count: Int, _ path: String) throws -> Int {
  while true {
    let found = read(descriptor, target, count)
    if found >= 0 { return found }
    guard errno == EINTR else { throw FormatError.system("read", path, code: errno) }
  }
}
