// Interleaved weights times several vectors: the quants of a block of sixteen rows are widened once, into memory that stays in
// the nearest cache, then four vectors at a time are multiplied with them. The chains are those of `multiply` for one vector.

extension InterleavedWeight {
  /// y[i] = W·x[i] for `count` vectors, shapes (count, columns) and (count, rows).
  func multiply(_ x: UnsafePointer<Float>, count: Int, into y: UnsafeMutablePointer<Float>) {
    let blocks = columns / 32
    let stride = (columns + blocks + 15) / 16 * 16
    let padded = (count + 3) / 4 * 4
    let operands = ThreadContext.current.floats(.operand, count: padded * stride)
    // What fills up the last four is the last vector again; its results go nowhere.
    for vector in 0..<padded { arrange(x + min(vector, count - 1) * columns, into: operands + vector * stride) }
    forEachRange(ofRows: rows, bytesPerRow: bytes / rows) { range in
      let scratch = ThreadContext.current.floats(.unpackedRow, count: 32 * 16 + 2 * padded * 16)
      for group in range.lowerBound / 16..<(range.upperBound + 15) / 16 {
        let work = GroupWork(
          from: UnsafeRawPointer(storage) + group * blocks * blockBytes, blocks: blocks, hasMinimum: hasMinimum, operands: operands,
          stride: stride, quants: scratch, sums: scratch + 32 * 16, offsets: scratch + (32 + padded) * 16)
        work.run(vectors: padded)
        let width = min(16, rows - group * 16)
        for vector in 0..<count {
          let sum = Lanes(at: work.sums + vector * 16) + Lanes(at: work.offsets + vector * 16)
          let target = y + vector * rows + group * 16
          if width == 16 { sum.write(to: target) } else { sum.write(to: target, count: width) }
        }
      }
    }
  }
}

/// Sixteen rows and all vectors.
private struct GroupWork {
  let from: UnsafeRawPointer
  let blocks: Int
  let hasMinimum: Bool
  let operands: UnsafePointer<Float>
  let stride: Int
  let quants: UnsafeMutablePointer<Float>  // (32, 16) of one block
  let sums: UnsafeMutablePointer<Float>  // (vectors, 16)
  let offsets: UnsafeMutablePointer<Float>  // (vectors, 16)

  func run(vectors: Int) {
    sums.update(repeating: 0, count: vectors * 16)
    offsets.update(repeating: 0, count: vectors * 16)
    for block in 0..<blocks {
      let header = from + block &* (hasMinimum ? 320 : 288)
      widen(header + (hasMinimum ? 64 : 32))
      for vector in Swift.stride(from: 0, to: vectors, by: 4) { addFour(vector, block, header) }
    }
  }

  /// The quants of a block as floats, still as much too large as they stand in their words.
  @inline(never)
  private func widen(_ words: UnsafeRawPointer) {
    for word in 0..<4 {
      let value = (words + word &* 64).loadUnaligned(as: SIMD16<Int32>.self)
      let out = quants + word &* 128
      floats(value & 0xf).write(to: out)
      floats(value & 0xf0).write(to: out + 16)
      floats(value & 0xf00).write(to: out + 32)
      floats(value & 0xf000).write(to: out + 48)
      floats(value & 0xf0000).write(to: out + 64)
      floats(value & 0xf00000).write(to: out + 80)
      floats(value & 0xf000000).write(to: out + 96)
      floats((value &>> 28) & 0xf).write(to: out + 112)
    }
  }

  /// What a block adds to the sums of four vectors.
  @inline(never)
  private func addFour(_ vector: Int, _ block: Int, _ header: UnsafeRawPointer) {
    let x = operands + (vector &* stride &+ block &* 32)
    var first = word(0, x)
    first.add(word(2, x))
    var second = word(1, x)
    second.add(word(3, x))
    first.add(second)
    let scale = halves(header)
    let totals = operands + (vector &* stride &+ blocks &* 32 &+ block)
    let (sum, offset) = (sums + vector &* 16, offsets + vector &* 16)
    if hasMinimum {
      let minimum = halves(header + 32)
      for index in 0..<4 {
        Lanes(at: offset + index &* 16).addingProduct(minimum, Lanes(repeating: totals[index &* stride])).write(to: offset + index &* 16)
      }
    } else {
      first.add(Lanes(repeating: -8), totals, stride)
    }
    first.addScaled(scale, to: sum)
  }

  /// The products of a word's eight quants with four vectors.
  @inline(__always)
  private func word(_ index: Int, _ x: UnsafePointer<Float>) -> FourColumns {
    let weights = quants + index &* 128
    let x = x + index &* 8
    var sum = FourColumns(Lanes(at: weights), x, stride)
    for column in 1..<8 { sum.add(Lanes(at: weights + column &* 16), x + column, stride) }
    return sum
  }
}

/// Sums of sixteen rows for four vectors.
private struct FourColumns {
  private var a: Lanes
  private var b: Lanes
  private var c: Lanes
  private var d: Lanes

  /// weights · x of each vector, whose elements stand `stride` apart.
  @inline(__always) init(_ weights: Lanes, _ x: UnsafePointer<Float>, _ stride: Int) {
    a = weights * x[0]
    b = weights * x[stride]
    c = weights * x[2 &* stride]
    d = weights * x[3 &* stride]
  }

  @inline(__always) mutating func add(_ weights: Lanes, _ x: UnsafePointer<Float>, _ stride: Int) {
    a.addProduct(weights, Lanes(repeating: x[0]))
    b.addProduct(weights, Lanes(repeating: x[stride]))
    c.addProduct(weights, Lanes(repeating: x[2 &* stride]))
    d.addProduct(weights, Lanes(repeating: x[3 &* stride]))
  }

  @inline(__always) mutating func add(_ other: FourColumns) {
    a += other.a
    b += other.b
    c += other.c
    d += other.d
  }

  @inline(__always) func addScaled(_ scale: Lanes, to sums: UnsafeMutablePointer<Float>) {
    Lanes(at: sums).addingProduct(scale, a).write(to: sums)
    Lanes(at: sums + 16).addingProduct(scale, b).write(to: sums + 16)
    Lanes(at: sums + 32).addingProduct(scale, c).write(to: sums + 32)
    Lanes(at: sums + 48).addingProduct(scale, d).write(to: sums + 48)
  }
}
