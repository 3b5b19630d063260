// Memory that belongs to a thread and is reused from call to call, so that a kernel allocates nothing after its first run.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// What a thread keeps between kernel calls: whether it is inside a parallel run, and its scratch buffers.
package final class ThreadContext {
  /// The uses that may be alive at the same time on one thread; each has a buffer of its own.
  package enum Slot: Int, CaseIterable {
    case packedLeft, packedRight, unpackedRow, edgeTile, operand, attention, attentionPacked, logits, logitSums, cachedRows
  }

  /// True while the thread runs a body of `ThreadPool.run`: a nested run then happens inline.
  var isInsideRun = false
  private var buffers = [UnsafeMutableRawPointer?](repeating: nil, count: Slot.allCases.count)
  private var capacities = [Int](repeating: 0, count: Slot.allCases.count)

  private static let key: pthread_key_t = {
    var key = pthread_key_t()
    #if canImport(Darwin)
      pthread_key_create(&key) { Unmanaged<ThreadContext>.fromOpaque($0).release() }
    #else
      pthread_key_create(&key) { if let pointer = $0 { Unmanaged<ThreadContext>.fromOpaque(pointer).release() } }
    #endif
    return key
  }()

  /// The context of the calling thread, made on first use and freed when the thread ends.
  package static var current: ThreadContext {
    if let pointer = pthread_getspecific(key) {
      return Unmanaged<ThreadContext>.fromOpaque(pointer).takeUnretainedValue()
    }
    let context = ThreadContext()
    pthread_setspecific(key, Unmanaged.passRetained(context).toOpaque())
    return context
  }

  /// Returns uninitialised room for `count` floats, 64-byte aligned, valid until the next call with the same slot on this thread.
  package func floats(_ slot: Slot, count: Int) -> UnsafeMutablePointer<Float> {
    let bytes = max(count, 1) * MemoryLayout<Float>.stride
    if let buffer = buffers[slot.rawValue], capacities[slot.rawValue] >= bytes {
      return buffer.assumingMemoryBound(to: Float.self)
    }
    free(buffers[slot.rawValue])
    let capacity = (bytes + 4095) & ~4095
    guard let buffer = allocateAligned(bytes: capacity) else { fatalError("no memory for \(capacity) bytes of scratch") }
    buffers[slot.rawValue] = buffer
    capacities[slot.rawValue] = capacity
    return buffer.bindMemory(to: Float.self, capacity: capacity / MemoryLayout<Float>.stride)
  }

  deinit {
    for buffer in buffers { free(buffer) }
  }
}
