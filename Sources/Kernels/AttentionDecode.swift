// Attention of one query over a key-value cache: the inner loop of generation. The visible keys are cut into pieces of fixed
// length; a task takes one piece of one key-value head for all query heads of its group, so each key and value is read
// once, and the pieces are put together in order. Reads 2 · keys · keyValueHeads · headDimension cache elements.

/// How the elements of a key-value cache are stored.
public enum AttentionCacheType: Sendable, Equatable {
  /// Four bytes each.
  case f32
  /// IEEE half precision, two bytes each.
  case f16

  /// Bytes of one element.
  public var bytes: Int { self == .f32 ? 4 : 2 }
}

/// Keys per task.
private let keysPerPiece = 128

/// Attention of the newest token over a cache that holds its own key and value already.
///
/// - Parameters:
///   - q: The query. Shape (heads, headDimension).
///   - keys: Cached keys, `shape.keyStride` elements from one to the next. Shape (keys, keyValueHeads, headDimension).
///   - values: Cached values, `shape.valueStride` elements apart.
///   - type: Of both caches.
///   - out: Receives the result, of the shape of `q`.
///   - shape: Of one query over all filled rows of the cache.
public func attentionDecode(
  q: UnsafePointer<Float>, keys: UnsafeRawPointer, values: UnsafeRawPointer, type: AttentionCacheType,
  out: UnsafeMutablePointer<Float>, shape: AttentionShape
) {
  let dimension = shape.headDimension
  let first = shape.firstKey(shape.keys - 1)
  let pieces = max(1, (shape.keys - first + keysPerPiece - 1) / keysPerPiece)
  // Of each head and piece: the largest score, the sum of exponentials, and the weighted sum of values.
  let partSize = dimension + 2
  let parts = ThreadContext.current.floats(.attentionPacked, count: shape.heads * pieces * partSize)
  let decode = DecodePiece(q: q, keys: keys, values: values, type: type, parts: parts, partSize: partSize, pieces: pieces, shape: shape)
  let tasks = shape.keyValueHeads * pieces
  if (shape.keys - first) * shape.heads * dimension < 1 << 15 {
    for index in 0..<tasks { decode.run(head: index / pieces, piece: index % pieces, first: first) }
  } else {
    ThreadPool.shared.run(tasks) { index in decode.run(head: index / pieces, piece: index % pieces, first: first) }
  }
  for head in 0..<shape.heads {
    merge(parts + head * pieces * partSize, pieces, dimension, out + head * dimension)
  }
}

/// Puts the pieces of one head together, in order.
private func merge(_ parts: UnsafePointer<Float>, _ pieces: Int, _ dimension: Int, _ out: UnsafeMutablePointer<Float>) {
  let size = dimension + 2
  var top = -Float.infinity
  for piece in 0..<pieces { top = max(top, parts[piece * size]) }
  var sum: Float = 0
  out.update(repeating: 0, count: dimension)
  for piece in 0..<pieces {
    let part = parts + piece * size
    let factor = Lanes(repeating: part[0] - top).exponential
    sum += part[1] * factor[0]
    forEachLanes(dimension) { index in
      Lanes(at: out + index).addingProduct(Lanes(at: part + 2 + index), factor).write(to: out + index)
    } rest: { start, lanes in
      for index in start..<start + lanes { out[index] += part[2 + index] * factor[0] }
    }
  }
  for index in 0..<dimension { out[index] /= sum }
}

private struct DecodePiece {
  let q: UnsafePointer<Float>
  let keys: UnsafeRawPointer
  let values: UnsafeRawPointer
  let type: AttentionCacheType
  let parts: UnsafeMutablePointer<Float>
  let partSize: Int
  let pieces: Int
  let shape: AttentionShape

  func run(head: Int, piece: Int, first: Int) {
    let dimension = shape.headDimension
    let group = shape.group
    let start = first + piece * keysPerPiece
    let count = min(keysPerPiece, shape.keys - start)
    let scratch = ThreadContext.current.floats(.attention, count: keysPerPiece * (group + dimension))
    let scores = scratch  // [group, keysPerPiece]
    let room = scratch + keysPerPiece * group  // [keysPerPiece, dimension]
    let key = rows(keys, shape.keyStride, start, count, head, room)
    let query = q + head * group * dimension
    var member = 0
    while member &+ 2 <= group {
      pairOfDotProducts(query + member * dimension, key.base, key.stride, count, scores + member * keysPerPiece)
      member &+= 2
    }
    if member < group { dotProducts(query + member * dimension, key.base, key.stride, 0, count, scores + member * keysPerPiece) }
    for member in 0..<group {
      let row = scores + member * keysPerPiece
      let top = scaleAndFindLargest(row, count)
      let sum = exponentials(row, count, top)
      let part = parts + ((head * group + member) * pieces + piece) * partSize
      part[0] = top
      part[1] = sum
    }
    let value = rows(values, shape.valueStride, start, count, head, room)
    tileMatmul(
      m: group, n: dimension, k: count, a: TileOperand(base: scores, rowStride: keysPerPiece, stepStride: 1), b: value.base,
      ldb: value.stride, c: parts + (head * group * pieces + piece) * partSize + 2, ldc: pieces * partSize, accumulate: false)
  }

  /// The rows of the cache as floats: in place, or widened into `room`.
  @inline(__always)
  private func rows(
    _ cache: UnsafeRawPointer, _ stride: Int, _ start: Int, _ count: Int, _ head: Int, _ room: UnsafeMutablePointer<Float>
  ) -> (base: UnsafePointer<Float>, stride: Int) {
    let dimension = shape.headDimension
    let offset = start * stride + head * dimension
    switch type {
    case .f32: return (cache.assumingMemoryBound(to: Float.self) + offset, stride)
    case .f16:
      for row in 0..<count { widen(cache + (offset + row * stride) * 2, room + row * dimension, dimension) }
      return (UnsafePointer(room), dimension)
    }
  }

  /// out[row] = Σ query · rows[row] from row `first` on, four rows at a time.
  @inline(__always)
  private func dotProducts(
    _ query: UnsafePointer<Float>, _ rows: UnsafePointer<Float>, _ stride: Int, _ first: Int, _ count: Int,
    _ out: UnsafeMutablePointer<Float>
  ) {
    let dimension = shape.headDimension
    var row = first
    while dimension % 16 == 0 && row &+ 4 <= count {
      let base = rows + row &* stride
      var sums = FourSums()
      for index in Swift.stride(from: 0, to: dimension, by: 16) {
        sums.add(FourSums(rowsAt: base + index, stride), times: Lanes(at: query + index))
      }
      sums.writeTotals(to: out + row)
      row &+= 4
    }
    while row < count {
      out[row] = sumOfProducts(query, rows + row &* stride, dimension)
      row &+= 1
    }
  }

  /// `dotProducts` of two queries, which share the loads of the rows; the second result stands `keysPerPiece` behind.
  @inline(__always)
  private func pairOfDotProducts(
    _ query: UnsafePointer<Float>, _ rows: UnsafePointer<Float>, _ stride: Int, _ count: Int, _ out: UnsafeMutablePointer<Float>
  ) {
    let dimension = shape.headDimension
    var row = 0
    while dimension % 16 == 0 && row &+ 4 <= count {
      let base = rows + row &* stride
      var first = FourSums()
      var second = FourSums()
      for index in Swift.stride(from: 0, to: dimension, by: 16) {
        let four = FourSums(rowsAt: base + index, stride)
        first.add(four, times: Lanes(at: query + index))
        second.add(four, times: Lanes(at: query + dimension + index))
      }
      first.writeTotals(to: out + row)
      second.writeTotals(to: out + keysPerPiece + row)
      row &+= 4
    }
    dotProducts(query, rows, stride, row, count, out)
    dotProducts(query + dimension, rows, stride, row, count, out + keysPerPiece)
  }

  @inline(__always)
  private func scaleAndFindLargest(_ row: UnsafeMutablePointer<Float>, _ count: Int) -> Float {
    for index in 0..<count { row[index] *= shape.scale }
    return largest(row, count)
  }

  /// Turns scores into e^(score − top), and returns their sum.
  @inline(__always)
  private func exponentials(_ row: UnsafeMutablePointer<Float>, _ count: Int, _ top: Float) -> Float {
    let shift = Lanes(repeating: top)
    var sum = Lanes(repeating: 0)
    forEachLanes(count) { index in
      let power = (Lanes(at: row + index) - shift).exponential
      power.write(to: row + index)
      sum += power
    } rest: { start, lanes in
      let power = (Lanes(at: row + start, count: lanes, filling: -.infinity) - shift).exponential
      power.write(to: row + start, count: lanes)
      sum += power
    }
    return sum.total
  }
}

/// Four vectors side by side: parts of four rows, or of their products with a query.
private struct FourSums {
  var a = Lanes(repeating: 0)
  var b = Lanes(repeating: 0)
  var c = Lanes(repeating: 0)
  var d = Lanes(repeating: 0)

  @inline(__always) init() {}

  @inline(__always) init(rowsAt base: UnsafePointer<Float>, _ stride: Int) {
    a = Lanes(at: base)
    b = Lanes(at: base + stride)
    c = Lanes(at: base + 2 &* stride)
    d = Lanes(at: base + 3 &* stride)
  }

  @inline(__always) mutating func add(_ rows: FourSums, times query: Lanes) {
    a.addProduct(query, rows.a)
    b.addProduct(query, rows.b)
    c.addProduct(query, rows.c)
    d.addProduct(query, rows.d)
  }

  /// The total of each vector: folded to four lanes, then added across by transposing four by four.
  @inline(__always) func writeTotals(to out: UnsafeMutablePointer<Float>) {
    let (w, x, y, z) = (FourSums.folded(a), FourSums.folded(b), FourSums.folded(c), FourSums.folded(d))
    let first = SIMD4(w[0], x[0], y[0], z[0]) + SIMD4(w[2], x[2], y[2], z[2])
    let second = SIMD4(w[1], x[1], y[1], z[1]) + SIMD4(w[3], x[3], y[3], z[3])
    UnsafeMutableRawPointer(out).storeBytes(of: first + second, as: SIMD4<Float>.self)
  }

  @inline(__always) private static func folded(_ sixteen: Lanes) -> SIMD4<Float> {
    let eight = sixteen.lowHalf + sixteen.highHalf
    return eight.lowHalf + eight.highHalf
  }
}

/// Half-precision elements to floats.
@inline(__always)
private func widen(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>, _ count: Int) {
  forEachLanes(count) { index in
    halves(source + index &* 2).write(to: target + index)
  } rest: { start, lanes in
    for index in start..<start + lanes { target[index] = Float((source + index &* 2).loadUnaligned(as: Float16.self)) }
  }
}
