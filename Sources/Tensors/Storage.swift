// The memory under tensors: 64-byte aligned fp32 blocks from an arena that keeps freed blocks by size class, so that a
// training step allocates nothing new after the first. Blocks are not zeroed. Thread-safe. Asking for more than the
// machine has is an error here, never a crash later.

import Kernels
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A reference-counted fp32 buffer; freed into the arena with its last reference.
public final class Storage: @unchecked Sendable {
  /// First element, 64-byte aligned.
  public let base: UnsafeMutablePointer<Float>
  /// Number of elements asked for.
  public let count: Int
  private let block: Arena.Block

  /// Takes a block of `count` elements, not initialised.
  ///
  /// - Parameter lasting: It will be kept for long: no larger block is taken that others would soon want back.
  public init(count: Int, lasting: Bool = false) throws {
    block = try Arena.shared.take(elements: count, lasting: lasting)
    base = block.address.assumingMemoryBound(to: Float.self)
    self.count = count
  }

  deinit { Arena.shared.give(block) }
}

/// Blocks of fp32 memory, kept by size class when they are freed.
public final class Arena: Sendable {
  /// The arena of all tensors.
  public static let shared = Arena()

  /// What the arena holds.
  public struct Usage: Sendable, Equatable {
    /// Bytes in use by tensors.
    public var live = 0
    /// Largest `live` since the start or the last `resetPeak()`.
    public var peak = 0
    /// Bytes kept for reuse.
    public var cached = 0
    /// Blocks that were taken from the system so far.
    public var systemAllocations = 0
  }

  struct Block: @unchecked Sendable {
    let address: UnsafeMutableRawPointer
    let sizeClass: Int
  }

  private struct State: @unchecked Sendable {
    var free: [[UnsafeMutableRawPointer]] = Array(repeating: [], count: Arena.classCount)
    var usage = Usage()
    var cacheLimit = Arena.defaultCacheLimit
    /// Bytes that may be taken from the system before its free memory is read again.
    var allowance = 0
  }

  private let state = Mutex(State())

  /// Bytes live, cached, and at most so far.
  public var usage: Usage { state.withLock { $0.usage } }

  /// How many blocks of each size class are kept for reuse.
  var cachedBlocks: [Int] { state.withLock { $0.free.map(\.count) } }

  /// Starts the count of `Usage.peak` again.
  public func resetPeak() { state.withLock { $0.usage.peak = $0.usage.live } }

  /// Sets how many freed bytes are kept for reuse, and frees what is above.
  public func limitCache(bytes: Int) {
    state.withLock {
      $0.cacheLimit = max(0, bytes)
      if $0.usage.cached > $0.cacheLimit { Arena.emptyCache(&$0) }
    }
  }

  /// Gives all cached blocks back to the system.
  public func trim() { state.withLock { Arena.emptyCache(&$0) } }

  // MARK: Size classes

  /// Four classes per power of two from 64 bytes on: at most a quarter is wasted.
  static let classCount = 4 * 40
  static let largestBytes = classBytes(classCount - 1)
  private static let defaultCacheLimit = 4 << 30
  /// A block up to this many classes larger is taken where none fits better: four times as large.
  private static let nearClasses = 9

  static func classBytes(_ index: Int) -> Int { (64 << (index / 4)) / 4 * (4 + index % 4) }

  static func sizeClass(bytes: Int) -> Int {
    guard bytes > 64 else { return 0 }
    // 64·2^p is the largest power step ≤ bytes; the remainder picks a quarter, rounded up.
    let power = Int.bitWidth - 1 - (bytes / 64).leadingZeroBitCount
    let quarter = (64 << power) / 4
    return power * 4 + (bytes - (64 << power) + quarter - 1) / quarter
  }

  // MARK: Taking and giving

  func take(elements: Int, lasting: Bool = false) throws -> Block {
    let (bytes, overflow) = max(1, elements).multipliedReportingOverflow(by: MemoryLayout<Float>.stride)
    guard !overflow, elements >= 0, bytes <= Arena.largestBytes else {
      throw TensorError("\(elements) elements are more than memory can hold")
    }
    let sizeClass = Arena.sizeClass(bytes: bytes)
    return try state.withLock { state in
      let block: Block
      // A larger block serves as well: batches of other lengths than the last need no second set of memory.
      let near = sizeClass..<min(Arena.classCount, sizeClass + (lasting ? 1 : Arena.nearClasses))
      if let found = near.first(where: { !state.free[$0].isEmpty }), let reused = state.free[found].popLast() {
        state.usage.cached -= Arena.classBytes(found)
        block = Block(address: reused, sizeClass: found)
      } else {
        Arena.makeRoom(for: sizeClass, &state)
        block = Block(address: try Arena.takeFromSystem(Arena.classBytes(sizeClass), &state), sizeClass: sizeClass)
      }
      state.usage.live += Arena.classBytes(block.sizeClass)
      state.usage.peak = max(state.usage.peak, state.usage.live)
      return block
    }
  }

  func give(_ block: Block) {
    state.withLock { state in
      let size = Arena.classBytes(block.sizeClass)
      state.usage.live -= size
      if state.usage.cached + size <= state.cacheLimit {
        state.free[block.sizeClass].append(block.address)
        state.usage.cached += size
      } else {
        free(block.address)
      }
    }
  }

  /// Gives large blocks that are too small for a new one back, about as many bytes as it takes: what grows does not leave its
  /// smaller past behind.
  private static func makeRoom(for sizeClass: Int, _ state: inout State) {
    var wanted = classBytes(sizeClass)
    guard wanted >= 1 << 20 else { return }
    for smaller in (0..<sizeClass).reversed() where wanted > 0 {
      if classBytes(smaller) < 256 << 10 { return }
      while wanted > 0, let address = state.free[smaller].popLast() {
        free(address)
        state.usage.cached -= classBytes(smaller)
        wanted -= classBytes(smaller)
      }
    }
  }

  private static func takeFromSystem(_ size: Int, _ state: inout State) throws -> UnsafeMutableRawPointer {
    if size > state.allowance { try checkMemory(size, &state) }
    state.allowance -= size
    var address = allocateAligned(bytes: size)
    if address == nil {
      emptyCache(&state)
      address = allocateAligned(bytes: size)
    }
    guard let address else { throw outOfMemory(size, available: nil) }
    state.usage.systemAllocations += 1
    return address
  }

  /// Reads the free memory, and grants an allowance so that it need not be read for each small block.
  private static func checkMemory(_ size: Int, _ state: inout State) throws {
    let reserve = 64 << 20
    var available = MemoryBudget.availableBytes()
    if let bytes = available, size > bytes - reserve, state.usage.cached > 0 {
      emptyCache(&state)
      available = MemoryBudget.availableBytes()
    }
    if let bytes = available, size > bytes - reserve { throw outOfMemory(size, available: bytes) }
    state.allowance = size + min(256 << 20, ((available ?? (1 << 30)) - size) / 8)
  }

  private static func emptyCache(_ state: inout State) {
    for index in state.free.indices {
      for address in state.free[index] { free(address) }
      state.free[index].removeAll()
    }
    state.usage.cached = 0
  }

  private static func outOfMemory(_ size: Int, available: Int?) -> TensorError {
    let room = available.map { "; \(byteText($0)) are free" } ?? ""
    return TensorError(
      "\(byteText(size)) of memory are needed\(room)", hint: "use smaller shapes, or let go of tensors that are no longer needed")
  }

  /// A byte count as people write it.
  static func byteText(_ bytes: Int) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
    var scaled = Double(bytes)
    var unit = 0
    while scaled >= 1024, unit < units.count - 1 {
      scaled /= 1024
      unit += 1
    }
    return unit == 0 ? "\(bytes) B" : "\((scaled * 10).rounded() / 10) \(units[unit])"
  }
}
