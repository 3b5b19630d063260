// Memory for what is large. A page of 4 KiB holds a thousand floats, and rows of matrices lie farther apart than that: most reads of a
// new row would first have to look up where its page is. Linux gives pages of 2 MiB to those who ask.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

private let largePage = 2 << 20

/// Room for `bytes` bytes, 64-byte aligned, not initialised, to be freed with `free`; nil if the system has none.
///
/// Blocks of 2 MiB and more lie on large pages where the system has them, but for their ends: nothing becomes resident that is not used.
public func allocateAligned(bytes: Int) -> UnsafeMutableRawPointer? {
  let isLarge = bytes >= largePage
  var address: UnsafeMutableRawPointer?
  guard posix_memalign(&address, isLarge ? largePage : 64, bytes) == 0, let address else { return nil }
  #if os(Linux)
    // Advice only: without large pages everything works as before.
    if isLarge { _ = madvise(address, bytes / largePage * largePage, Int32(MADV_HUGEPAGE)) }
  #endif
  return address
}
