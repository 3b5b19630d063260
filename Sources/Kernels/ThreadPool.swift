// The one place that knows threads: persistent workers that spin briefly between parallel regions, then sleep.
// Work is handed out by index from an atomic counter; which thread runs an index never influences a result.
// One word, `gate`, holds the whole state of a region: its number, whether it may be entered, and how many workers are inside.

import CMachine
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A fixed set of worker threads that run the iterations of a loop.
public final class ThreadPool: @unchecked Sendable {
  /// The pool that every kernel uses; it starts with one thread per available core.
  public static let shared = ThreadPool(threads: ThreadPool.availableCores)

  /// How often a waiting thread looks before it sleeps: some tens of microseconds.
  private static let spins = 2_000

  // gate: region number << 32 | open << 31 | workers inside
  private static let open: UInt64 = 1 << 31
  private static let insideMask: UInt64 = (1 << 31) - 1

  private let gate = Atomic<UInt64>(0)
  private let nextIndex = Atomic<Int>(0)
  private let parkedWorkers = Atomic<Int>(0)
  private let callerIsParked = Atomic<Bool>(false)
  private let stopping = Atomic<Bool>(false)
  private let size: Atomic<Int>

  // Written by the caller before it opens the gate, read by workers after they entered.
  private var body: ((Int) -> Void)?
  private var count = 0

  private let callers = Lock()
  private let parking = Lock()
  private var workers: [pthread_t] = []

  init(threads: Int) {
    size = Atomic(min(max(threads, 1), 256))
  }

  deinit { stopWorkers() }

  /// The number of threads that share a run, the caller among them.
  public var threadCount: Int { size.load(ordering: .relaxed) }

  /// Sets the number of threads, clamped to 1…256; inside a body of `run` it has no effect.
  public func configure(threads: Int) {
    if ThreadContext.current.isInsideRun { return }
    callers.lock()
    defer { callers.unlock() }
    let wanted = min(max(threads, 1), 256)
    if wanted != threadCount {
      stopWorkers()
      size.store(wanted, ordering: .relaxed)
    }
  }

  /// Runs `body(0)` … `body(count - 1)`, each once and on any thread, and returns when all have finished.
  ///
  /// Inside a body a nested run happens inline. Callers on different threads take turns.
  public func run(_ count: Int, _ body: (Int) -> Void) {
    if count <= 0 { return }
    let context = ThreadContext.current
    if count == 1 || threadCount == 1 || context.isInsideRun {
      for index in 0..<count { body(index) }
      return
    }
    callers.lock()
    context.isInsideRun = true
    if workers.isEmpty { startWorkers() }
    withoutActuallyEscaping(body) { escapable in
      self.body = escapable
      self.count = count
      nextIndex.store(0, ordering: .relaxed)
      let region = (gate.load(ordering: .relaxed) >> 32) &+ 1
      gate.store(region << 32 | Self.open, ordering: .sequentiallyConsistent)
      if parkedWorkers.load(ordering: .sequentiallyConsistent) > 0 { parking.wakeAll() }
      takeIndices()
      gate.bitwiseAnd(~Self.open, ordering: .sequentiallyConsistent)
      waitUntilEmpty()
      self.body = nil
    }
    context.isInsideRun = false
    callers.unlock()
  }

  private func takeIndices() {
    guard let body else { return }
    let count = count
    while true {
      let index = nextIndex.wrappingAdd(1, ordering: .relaxed).oldValue
      if index >= count { return }
      body(index)
    }
  }

  private func waitUntilEmpty() {
    for _ in 0..<Self.spins {
      if gate.load(ordering: .acquiring) & Self.insideMask == 0 { return }
      zs_pause()
    }
    parking.lock()
    callerIsParked.store(true, ordering: .sequentiallyConsistent)
    while gate.load(ordering: .sequentiallyConsistent) & Self.insideMask != 0 { parking.wait() }
    callerIsParked.store(false, ordering: .relaxed)
    parking.unlock()
  }

  private func startWorkers() {
    stopping.store(false, ordering: .relaxed)
    for _ in 1..<threadCount {
      // A worker that cannot be started is done without: the caller takes the indices itself.
      if let worker = startThread({ [unowned self] in work() }) { workers.append(worker) }
    }
  }

  private func stopWorkers() {
    stopping.store(true, ordering: .sequentiallyConsistent)
    parking.wakeAll()
    for worker in workers { pthread_join(worker, nil) }
    workers = []
  }

  private func work() {
    ThreadContext.current.isInsideRun = true
    // A worker that starts while a region is open may enter it.
    let state = gate.load(ordering: .relaxed)
    var lastRegion = state & Self.open != 0 ? (state >> 32) &- 1 : state >> 32
    while waitForRegion(after: lastRegion) {
      var state = gate.load(ordering: .acquiring)
      while state & Self.open != 0 {
        let entry = gate.compareExchange(expected: state, desired: state + 1, ordering: .acquiringAndReleasing)
        if entry.exchanged {
          takeIndices()
          leave()
          break
        }
        state = entry.original
      }
      lastRegion = state >> 32
    }
  }

  private func leave() {
    let state = gate.wrappingSubtract(1, ordering: .sequentiallyConsistent).newValue
    if state & (Self.insideMask | Self.open) == 0, callerIsParked.load(ordering: .sequentiallyConsistent) { parking.wakeAll() }
  }

  /// Waits for a region that may be entered and was not seen before; false when the pool is stopping.
  private func waitForRegion(after lastRegion: UInt64) -> Bool {
    func isReady() -> Bool {
      let state = gate.load(ordering: .sequentiallyConsistent)
      return (state & Self.open != 0 && state >> 32 != lastRegion) || stopping.load(ordering: .sequentiallyConsistent)
    }
    for _ in 0..<Self.spins {
      if isReady() { return !stopping.load(ordering: .relaxed) }
      zs_pause()
    }
    parking.lock()
    parkedWorkers.wrappingAdd(1, ordering: .sequentiallyConsistent)
    while !isReady() { parking.wait() }
    parkedWorkers.wrappingSubtract(1, ordering: .relaxed)
    parking.unlock()
    return !stopping.load(ordering: .relaxed)
  }

  /// The cores this process may use.
  static var availableCores: Int {
    #if os(Linux)
      var set = [UInt8](repeating: 0, count: 1024)
      let isKnown = set.withUnsafeMutableBytes { zs_sched_getaffinity(0, UInt($0.count), $0.baseAddress) == 0 }
      let cores = set.reduce(0) { $0 + $1.nonzeroBitCount }
      if isKnown, cores > 0 { return cores }
    #endif
    return max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
  }
}

/// A mutex with a condition: what `Synchronization` leaves out.
final class Lock: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  init() {
    mutex.initialize(to: pthread_mutex_t())
    condition.initialize(to: pthread_cond_t())
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  func lock() { pthread_mutex_lock(mutex) }
  func unlock() { pthread_mutex_unlock(mutex) }
  func wait() { pthread_cond_wait(condition, mutex) }
  func wakeAll() {
    lock()
    pthread_cond_broadcast(condition)
    unlock()
  }
}

private final class ThreadStart {
  let main: () -> Void
  init(_ main: @escaping () -> Void) { self.main = main }
}

/// Starts a thread that runs `main`; nil when the system grants none.
private func startThread(_ main: @escaping () -> Void) -> pthread_t? {
  let start = Unmanaged.passRetained(ThreadStart(main))
  #if canImport(Darwin)
    var thread: pthread_t?
    let status = pthread_create(
      &thread, nil,
      {
        Unmanaged<ThreadStart>.fromOpaque($0).takeRetainedValue().main()
        return nil
      }, start.toOpaque())
  #else
    var handle = pthread_t()
    let status = pthread_create(
      &handle, nil,
      {
        if let argument = $0 { Unmanaged<ThreadStart>.fromOpaque(argument).takeRetainedValue().main() }
        return nil
      }, start.toOpaque())
    let thread: pthread_t? = handle
  #endif
  if status != 0 {
    start.release()
    return nil
  }
  return thread
}
