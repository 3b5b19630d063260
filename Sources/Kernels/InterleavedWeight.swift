// Q4_0 and Q4_1 weights in the order decoding likes: sixteen rows side by side, one lane each.
// A group of sixteen rows is stored block by block: sixteen scales (then, for Q4_1, sixteen minima) as half-precision floats,
// then four vectors of sixteen 32-bit words, where word j of a lane holds bytes 4j … 4j+3 of that row's block: eight quants.
// A quant is masked out where it stands, 16^t times too large for nibble t; x is divided by 16^t instead, which is exact.
// So a weight costs a third of one mask, one conversion and one fused multiply-add, and no lane is ever summed with another.

/// A weight copied into the order in which decoding reads it.
public final class InterleavedWeight: @unchecked Sendable {
  /// The size of the copy in bytes.
  public let bytes: Int

  let rows: Int
  let columns: Int
  let hasMinimum: Bool
  let storage: UnsafeMutableRawPointer

  var blockBytes: Int { hasMinimum ? 320 : 288 }

  /// Copies `view`; nil where its type or shape gains nothing from another order.
  public init?(_ view: WeightView) {
    guard view.type == .q4_0 || view.type == .q4_1, view.rows >= 16, view.columns >= 32 else { return nil }
    rows = view.rows
    columns = view.columns
    hasMinimum = view.type == .q4_1
    let blocks = columns / 32
    let groups = (rows + 15) / 16
    let blockSize = hasMinimum ? 320 : 288
    let header = hasMinimum ? 4 : 2
    bytes = groups * blocks * blockSize
    storage = .allocate(byteCount: bytes, alignment: 64)
    let target = storage
    let sourceBlock = view.type.blockBytes
    ThreadPool.shared.run(groups) { group in
      for block in 0..<blocks {
        let to = target + (group * blocks + block) * blockSize
        for lane in 0..<16 {
          let row = group * 16 + lane
          // Rows past the end are zero: their scales and their quants.
          let from = row < view.rows ? view.row(row) + block * sourceBlock : nil
          for part in 0..<header / 2 {
            let value = from.map { ($0 + part * 2).loadUnaligned(as: UInt16.self) } ?? 0
            (to + part * 32 + lane * 2).storeBytes(of: value, as: UInt16.self)
          }
          for word in 0..<4 {
            let value = from.map { ($0 + header + word * 4).loadUnaligned(as: UInt32.self) } ?? 0
            (to + header * 16 + (word * 16 + lane) * 4).storeBytes(of: value, as: UInt32.self)
          }
        }
      }
    }
  }

  deinit { storage.deallocate() }

  /// y = W·x.
  func multiply(_ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>) {
    let blocks = columns / 32
    let operand = ThreadContext.current.floats(.operand, count: columns + blocks)
    arrange(x, into: operand)
    forEachRange(ofRows: rows, bytesPerRow: bytes / rows) { range in
      // Tasks start at multiples of 16, so a group belongs to one of them.
      for group in range.lowerBound / 16..<(range.upperBound + 15) / 16 {
        let from = UnsafeRawPointer(storage) + group * blocks * blockBytes
        let sums =
          hasMinimum
          ? multiplyGroup(from, blocks, operand, hasMinimum: true) : multiplyGroup(from, blocks, operand, hasMinimum: false)
        let count = min(16, rows - group * 16)
        if count == 16 { sums.write(to: y + group * 16) } else { sums.write(to: y + group * 16, count: count) }
      }
    }
  }

  /// Writes x in the order in which the quants of a block come, divided by what they are too large by; then the blocks' sums.
  func arrange(_ x: UnsafePointer<Float>, into operand: UnsafeMutablePointer<Float>) {
    let blocks = columns / 32
    for block in 0..<blocks {
      let from = x + block * 32
      let to = operand + block * 32
      // Byte i holds elements i and i + 16; four bytes make a word. The top nibble is shifted down, not masked.
      for word in 0..<4 {
        var scale: Float = 1
        for byte in 0..<4 {
          to[word * 8 + byte * 2] = from[word * 4 + byte] * scale
          to[word * 8 + byte * 2 + 1] = from[word * 4 + byte + 16] * (byte == 3 ? 1 : scale * 0.0625)
          scale *= 1.0 / 256
        }
      }
    }
    sumBlocks(x, blocks, into: operand + columns)
  }
}

/// The sums of sixteen rows.
@inline(__always)
private func multiplyGroup(_ group: UnsafeRawPointer, _ blocks: Int, _ operand: UnsafePointer<Float>, hasMinimum: Bool) -> Lanes {
  var sum = Lanes()
  var offset = Lanes()
  var from = group
  var x = operand
  for block in 0..<blocks {
    let quants = from + (hasMinimum ? 64 : 32)
    var a = wordProducts(quants, x)
    var b = wordProducts(quants + 64, x + 8)
    let c = wordProducts(quants + 128, x + 16)
    let d = wordProducts(quants + 192, x + 24)
    a += c
    b += d
    let total = Lanes(repeating: operand[blocks &* 32 &+ block])
    if hasMinimum {
      sum.addProduct(halves(from), a + b)
      offset.addProduct(halves(from + 32), total)
    } else {
      sum.addProduct(halves(from), (a + b).addingProduct(total, Lanes(repeating: -8)))
    }
    from += hasMinimum ? 320 : 288
    x += 32
  }
  return sum + offset
}

/// The sum of the eight quants of each lane's word, times the eight values at `x`.
@inline(__always)
private func wordProducts(_ words: UnsafeRawPointer, _ x: UnsafePointer<Float>) -> Lanes {
  let word = words.loadUnaligned(as: SIMD16<Int32>.self)
  var sum = floats(word & 0xf) * x[0]
  sum.addProduct(floats(word & 0xf0), Lanes(repeating: x[1]))
  sum.addProduct(floats(word & 0xf00), Lanes(repeating: x[2]))
  sum.addProduct(floats(word & 0xf000), Lanes(repeating: x[3]))
  sum.addProduct(floats(word & 0xf0000), Lanes(repeating: x[4]))
  sum.addProduct(floats(word & 0xf00000), Lanes(repeating: x[5]))
  sum.addProduct(floats(word & 0xf000000), Lanes(repeating: x[6]))
  sum.addProduct(floats((word &>> 28) & 0xf), Lanes(repeating: x[7]))
  return sum
}
