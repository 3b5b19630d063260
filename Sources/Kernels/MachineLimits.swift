// What this machine can do at best: the ceilings that speeds of products (arithmetic) and of decoding (reading) are held against.

import CMachine
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Measured ceilings of the machine, for a number of threads.
public struct MachineLimits: Sendable {
  /// The threads that measured together.
  public let threads: Int
  /// Fused multiply-adds on registers alone, two operations each, in billions of operations per second.
  public let gigaflops: Double
  /// Reading memory that no cache holds, in billions of bytes per second.
  public let readGigabytes: Double

  /// Measures with `threads` threads of the shared pool, at most as many as it has; takes about a third of a second.
  ///
  /// The best of several short runs counts: what disturbs a run only makes it slower.
  public static func measure(threads: Int) -> MachineLimits {
    let threads = min(max(threads, 1), ThreadPool.shared.threadCount)
    let steps = 1_500_000
    // Results go to memory, so that what computes them is not left out.
    let results = UnsafeMutablePointer<Float>.allocate(capacity: threads)
    defer { results.deallocate() }
    var operations = 0.0
    let arithmetic = bestTime(of: 6) {
      runOnEach(threads) { multiplyAdds(steps, into: results + $0) }
      operations = Double(steps * threads) * 2 * Double(accumulators * 16)
    }
    let bytesPerThread = (128 << 20) / threads / 4096 * 4096
    let buffer = UnsafeMutableRawPointer.allocate(byteCount: bytesPerThread * threads, alignment: 4096)
    defer { buffer.deallocate() }
    // Each thread touches its own part first: the pages then lie near it.
    runOnEach(threads) { (buffer + $0 * bytesPerThread).initializeMemory(as: UInt8.self, repeating: 1, count: bytesPerThread) }
    let reading = bestTime(of: 6) {
      runOnEach(threads) { readAll(UnsafeRawPointer(buffer) + $0 * bytesPerThread, bytesPerThread, into: results + $0) }
    }
    return MachineLimits(
      threads: threads, gigaflops: operations / arithmetic / 1e9, readGigabytes: Double(bytesPerThread * threads) / reading / 1e9)
  }
}

/// Enough independent chains to keep the multiply-add units busy, few enough to stay in registers.
@inline(__always) private var accumulators: Int { zs_floats_per_vector() == 16 ? 12 : 6 }

/// Runs `body` once on each of `threads` threads.
///
/// Each waits for the others before it begins, or a fast one would take the share of one still asleep; but not for ever,
/// since the system may have granted fewer threads.
private func runOnEach(_ threads: Int, _ body: (Int) -> Void) {
  let arrived = Atomic<Int>(0)
  ThreadPool.shared.run(threads) { index in
    arrived.wrappingAdd(1, ordering: .relaxed)
    let latest = monotonicSeconds() + 0.05
    while arrived.load(ordering: .relaxed) < threads, monotonicSeconds() < latest { zs_pause() }
    body(index)
  }
}

private func bestTime(of runs: Int, _ body: () -> Void) -> Double {
  var best = Double.infinity
  for _ in 0..<runs {
    let start = monotonicSeconds()
    body()
    best = min(best, monotonicSeconds() - start)
  }
  return max(best, 1e-9)
}

private func monotonicSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}

/// Chains of fused multiply-adds that touch no memory.
@inline(never)
private func multiplyAdds(_ steps: Int, into result: UnsafeMutablePointer<Float>) {
  let factor = Lanes(repeating: 0.999)
  // Chains go towards 1000·term; towards zero they would end in numbers that some processors compute a hundred times slower.
  let term = Lanes(repeating: 0.5 + Float(steps & 1))
  var (a, b, c, d, e, f) = (term, term + 1, term + 2, term + 3, term + 4, term + 5)
  if accumulators == 12 {
    var (g, h, i, j, k, l) = (term + 6, term + 7, term + 8, term + 9, term + 10, term + 11)
    for _ in 0..<steps {
      a = term.addingProduct(a, factor)
      b = term.addingProduct(b, factor)
      c = term.addingProduct(c, factor)
      d = term.addingProduct(d, factor)
      e = term.addingProduct(e, factor)
      f = term.addingProduct(f, factor)
      g = term.addingProduct(g, factor)
      h = term.addingProduct(h, factor)
      i = term.addingProduct(i, factor)
      j = term.addingProduct(j, factor)
      k = term.addingProduct(k, factor)
      l = term.addingProduct(l, factor)
    }
    result.pointee = (a + b + c + d + e + f + g + h + i + j + k + l).total
    return
  }
  // Each of these is two registers of 256 bits.
  for _ in 0..<steps {
    a = term.addingProduct(a, factor)
    b = term.addingProduct(b, factor)
    c = term.addingProduct(c, factor)
    d = term.addingProduct(d, factor)
    e = term.addingProduct(e, factor)
    f = term.addingProduct(f, factor)
  }
  result.pointee = (a + b + c + d + e + f).total
}

@inline(never)
private func readAll(_ start: UnsafeRawPointer, _ bytes: Int, into result: UnsafeMutablePointer<Float>) {
  var (a, b, c, d) = (SIMD16<UInt32>(), SIMD16<UInt32>(), SIMD16<UInt32>(), SIMD16<UInt32>())
  var pointer = start
  for _ in 0..<bytes / 256 {
    a |= pointer.load(as: SIMD16<UInt32>.self)
    b |= (pointer + 64).load(as: SIMD16<UInt32>.self)
    c |= (pointer + 128).load(as: SIMD16<UInt32>.self)
    d |= (pointer + 192).load(as: SIMD16<UInt32>.self)
    pointer += 256
  }
  result.pointee = Float((a | b | c | d).wrappedSum())
}
