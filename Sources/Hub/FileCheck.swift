// Whether a file is the one it should be: size first, then SHA-256. A file that passed is remembered in a small file
// beside it by size and time of change, so that it is read through once only.

import Crypto

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Size and time of change of a file.
struct FileStamp: Equatable {
  var bytes: Int
  var seconds: Int
  var nanoseconds: Int

  /// The stamp of a regular file, nil where there is none.
  init?(path: String) {
    var status = stat()
    guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    bytes = Int(status.st_size)
    #if canImport(Darwin)
      seconds = status.st_mtimespec.tv_sec
      nanoseconds = status.st_mtimespec.tv_nsec
    #else
      seconds = status.st_mtim.tv_sec
      nanoseconds = status.st_mtim.tv_nsec
    #endif
  }
}

/// The SHA-256 of a file in lower-case hexadecimal.
func sha256(path: String, onBytes: (Int) throws -> Void) throws -> String {
  let descriptor = open(path, O_RDONLY)
  guard descriptor >= 0 else { throw HubError("\(path) cannot be read: \(String(cString: strerror(errno)))") }
  defer { close(descriptor) }
  var hash = SHA256()
  var done = 0
  let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
  defer { buffer.deallocate() }
  while true {
    let count = read(descriptor, buffer.baseAddress, buffer.count)
    if count < 0 && errno == EINTR { continue }
    if count < 0 { throw HubError("\(path) cannot be read: \(String(cString: strerror(errno)))") }
    if count == 0 { break }
    hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    done += count
    try onBytes(done)
  }
  return hash.finalize().map { byte in
    let text = String(byte, radix: 16)
    return text.count == 1 ? "0" + text : text
  }.joined()
}
