// Runs work on a thread of its own with a large stack, so that deep recursion in zs is an error and never a crash.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Work to do on a thread, carried through a C pointer; the caller waits, so nothing is shared.
private final class Work: @unchecked Sendable {
  let body: () -> Void

  init(_ body: @escaping () -> Void) { self.body = body }
}

enum LargeStack {
  private static let sizes = [512, 128, 32].map { $0 << 20 }
  /// What library code called from zs may use beyond the limit.
  private static let reserve: UInt = 2 << 20

  /// Runs work on a large stack and waits for it; the work is given the lowest address it should let the stack reach.
  static func run(_ body: (UInt) -> Void) {
    withoutActuallyEscaping(body) { body in
      for size in sizes {
        let work = Work {
          let here = nativeStackPosition()
          body(here - min(UInt(size), here) + reserve)
        }
        if start(work, size: size) { return }
      }
      // No thread to be had: a main thread has 8 MB, of which some are used.
      body(nativeStackPosition() - min(UInt(4 << 20), nativeStackPosition()))
    }
  }

  private static func start(_ work: Work, size: Int) -> Bool {
    var attributes = pthread_attr_t()
    guard pthread_attr_init(&attributes) == 0 else { return false }
    defer { pthread_attr_destroy(&attributes) }
    guard pthread_attr_setstacksize(&attributes, size) == 0 else { return false }
    #if canImport(Darwin)
      var thread: pthread_t?
    #else
      var thread = pthread_t()
    #endif
    let pointer = Unmanaged.passRetained(work)
    let status = pthread_create(
      &thread, &attributes,
      { argument in
        #if canImport(Darwin)
          Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().body()
        #else
          if let argument { Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().body() }
        #endif
        return nil
      }, pointer.toOpaque())
    guard status == 0 else {
      pointer.release()
      return false
    }
    #if canImport(Darwin)
      if let thread { pthread_join(thread, nil) }
    #else
      pthread_join(thread, nil)
    #endif
    return true
  }
}
