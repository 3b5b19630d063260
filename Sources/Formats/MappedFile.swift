// A file as read-only memory. The system reads pages when they are touched and may drop them again,
// so a mapped model costs no copy and no swap.

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// A whole file mapped read-only into memory for as long as this object lives.
public final class MappedFile: @unchecked Sendable {
  /// The path it was opened by.
  public let path: String
  /// The first byte; `count` bytes are valid while this object lives.
  public let base: UnsafeRawPointer
  /// The file's length in bytes.
  public let count: Int

  /// Maps the file at `path`.
  ///
  /// - Throws: `FormatError` if there is no such file, it is a folder, or it cannot be read.
  public init(path: String) throws {
    self.path = path
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw FormatError.system("open", path, code: errno) }
    defer { close(descriptor) }
    count = try plainFileSize(descriptor, path)
    if count == 0 {
      // mmap refuses empty ranges; one private byte stands in, never read because count is 0.
      base = UnsafeRawPointer(UnsafeMutableRawPointer.allocate(byteCount: 1, alignment: 1))
      return
    }
    guard let mapped = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0), mapped != MAP_FAILED else {
      throw FormatError.system("map", path, code: errno)
    }
    base = UnsafeRawPointer(mapped)
    #if os(Linux)
      // Advice only. Pages of 2 MiB where the system keeps files in such: each of them is one fault instead of many, and is found
      // without a walk through the tables.
      if count >= 2 << 20 { _ = madvise(mapped, count, Int32(MADV_HUGEPAGE)) }
    #endif
  }

  deinit {
    let memory = UnsafeMutableRawPointer(mutating: base)
    if count == 0 { memory.deallocate() } else { munmap(memory, count) }
  }

  /// Calls `body` with the bytes, which are valid within it.
  public func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    try withExtendedLifetime(self) { try body(UnsafeRawBufferPointer(start: base, count: count)) }
  }
}
