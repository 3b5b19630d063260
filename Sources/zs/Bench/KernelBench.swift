// Figures of the kernels alone: matrix products beside the naive twin, reading of weights, ceilings of the machine.
import Builtins
import Glibc
import Kernels

enum KernelBench {
  /// Shapes m × n × k of the models that zs trains, and two squares.
  private static let shapes = [(512, 1536, 576), (512, 576, 1536), (512, 49152, 576), (1024, 1024, 1024), (2048, 2048, 2048)]

  static var rows: [Bench.Row] {
    let products = shapes.map { m, n, k -> Bench.Row in
      let name = "gemm:\(m)x\(n)x\(k)"
      return (name, { try product($0, name, m, n, k) })
    }
    let vectors = [WeightType.q4_1, .q8_0, .f32].map { type -> Bench.Row in ("matvec:\(type.name)", { try matrixVector($0, type) }) }
    return [("fma", fma), ("read", read)] + products + vectors
  }

  private static func fma(_ bench: Bench) -> BenchRow {
    let one = bench.limits(threads: 1).gigaflops
    return BenchRow(name: "fma", value: bench.limits(threads: bench.threads).gigaflops, unit: "GFLOP/s", more: [("one thread", one)])
  }

  private static func read(_ bench: Bench) -> BenchRow {
    let one = bench.limits(threads: 1).readGigabytes
    return BenchRow(name: "read", value: bench.limits(threads: bench.threads).readGigabytes, unit: "GB/s", more: [("one thread", one)])
  }

  /// C = A·B in fp32, on all threads and on one, and the naive twin on a few rows.
  private static func product(_ bench: Bench, _ name: String, _ m: Int, _ n: Int, _ k: Int) throws -> BenchRow {
    let a = filled(m * k)
    let b = filled(k * n)
    let c = filled(m * n)
    defer { for pointer in [a, b, c] { pointer.deallocate() } }
    let work = 2e-9 * Double(m) * Double(n) * Double(k)
    let run = { gemm(transposeA: false, transposeB: false, m: m, n: n, k: k, a: a, lda: k, b: b, ldb: n, c: c, ldc: n, accumulate: false) }
    run()
    let all = work / bench.bestSeconds(run)
    let threads = bench.threads
    ThreadPool.shared.configure(threads: 1)
    let one = work / bench.bestSeconds(run)
    ThreadPool.shared.configure(threads: threads)
    // The naive twin takes a second per billion operations: a few rows tell its speed.
    let few = max(1, min(m, Int(2e8 / (2 * Double(n) * Double(k)))))
    let naive = bench.bestSeconds(least: 1) {
      naiveGemm(transposeA: false, transposeB: false, m: few, n: n, k: k, a: a, lda: k, b: b, ldb: n, c: c, ldc: n, accumulate: false)
    }
    let naiveRate = 2e-9 * Double(few) * Double(n) * Double(k) / naive
    return BenchRow(
      name: name, value: all, unit: "GFLOP/s", limit: bench.limits(threads: threads).gigaflops,
      more: [("one thread", one), ("naive", naiveRate)])
  }

  /// y = W·x over a matrix too large for any cache, as decoding reads it.
  private static func matrixVector(_ bench: Bench, _ type: WeightType) throws -> BenchRow {
    let columns = 4096
    let rowBytes = type.rowBytes(columns: columns)
    let rows = (256 << 20) / rowBytes
    let memory = UnsafeMutableRawPointer.allocate(byteCount: rows * rowBytes, alignment: 64)
    defer { memory.deallocate() }
    let source = filled(columns)
    defer { source.deallocate() }
    pack(type, from: source, to: memory, count: columns)
    for row in 1..<rows { memcpy(memory + row * rowBytes, memory, rowBytes) }
    let x = filled(columns)
    let y = filled(rows)
    defer {
      x.deallocate()
      y.deallocate()
    }
    let weight = WeightView(type: type, base: UnsafeRawPointer(memory), rows: rows, columns: columns)
    let seconds = bench.bestSeconds { matVec(weight: weight, interleaved: nil, x: x, y: y) }
    let gigabytes = Double(rows * rowBytes) / seconds / 1e9
    return BenchRow(
      name: "matvec:\(type.name)", value: gigabytes, unit: "GB/s", limit: bench.limits(threads: bench.threads).readGigabytes,
      more: [("Gweights/s", Double(rows * columns) / seconds / 1e9)])
  }

  /// Numbers between -1 and 1.
  private static func filled(_ count: Int) -> UnsafeMutablePointer<Float> {
    let pointer = UnsafeMutablePointer<Float>.allocate(capacity: count)
    var state: UInt32 = 1
    for index in 0..<count {
      state = state &* 1_664_525 &+ 1_013_904_223
      pointer[index] = Float(Int32(bitPattern: state)) * 0x1p-31
    }
    return pointer
  }
}
