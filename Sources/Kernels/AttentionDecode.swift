// Attention of single queries over key-value caches that lie in pages: the inner loop of generation. A task takes one page of one
// key-value head for all query heads of its group, so each key and value is read once, and the pages are put together in order.
// Reads 2 · keys · keyValueHeads · headDimension cache elements per query. A query's result does not depend on the others.

/// How the elements of a key-value cache are stored.
public enum AttentionCacheType: String, Sendable, Equatable, CaseIterable {
  /// Four bytes each.
  case f32
  /// IEEE half precision, two bytes each.
  case f16

  /// Bytes of one element.
  public var bytes: Int { self == .f32 ? 4 : 2 }
}

/// Tokens in a page of a cache, which is what one task reads.
public let attentionPageTokens = 128

/// Where a layer's keys and values lie in the pages of a cache: head after head, so that a task reads one stretch of memory.
public struct AttentionPageLayout: Sendable {
  /// Bytes from the beginning of a page to its first key.
  ///
  /// Keys have the shape (heads, attentionPageTokens, dimension).
  public var keyOffset: Int
  /// Bytes from the beginning of a page to its first value.
  public var valueOffset: Int
  /// Key-value heads.
  public var heads: Int
  /// Elements of a head.
  public var dimension: Int
  /// Of keys and values.
  public var type: AttentionCacheType

  /// Describes a layer's part of a page.
  public init(keyOffset: Int, valueOffset: Int, heads: Int, dimension: Int, type: AttentionCacheType) {
    self.keyOffset = keyOffset
    self.valueOffset = valueOffset
    self.heads = heads
    self.dimension = dimension
    self.type = type
  }

  /// Bytes from the first key or value of a page to the element of a head at a token of the page.
  @inline(__always)
  func place(head: Int, token: Int) -> Int { (head &* attentionPageTokens &+ token) &* dimension &* type.bytes }
}

/// One query, the cache it looks at, and where its result goes.
public struct AttentionDecodeRow {
  /// The query, shape (heads, headDimension).
  public var q: UnsafePointer<Float>
  /// Receives the result, of the shape of `q`.
  public var out: UnsafeMutablePointer<Float>
  /// The pages, `attentionPageTokens` tokens each; those before the sliding window are not read and may be nil.
  public var pages: UnsafePointer<UnsafeRawPointer?>
  /// Tokens in the cache, that of the query among them.
  public var keys: Int

  /// A query over the first `keys` tokens of `pages`.
  public init(q: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>, pages: UnsafePointer<UnsafeRawPointer?>, keys: Int) {
    self.q = q
    self.out = out
    self.pages = pages
    self.keys = keys
  }

  /// The pages that hold keys which the query sees.
  fileprivate func visiblePages(_ shape: AttentionShape) -> Range<Int> {
    shape.firstKey(keys - 1) / attentionPageTokens..<(keys + attentionPageTokens - 1) / attentionPageTokens
  }
}

/// Attention of the newest token of each sequence over a cache that holds its own key and value already.
///
/// - Parameters:
///   - rows: The queries; sequences may differ in length.
///   - layout: Where keys and values lie.
///   - shape: Heads, their size and the sliding window; numbers of queries and keys, and strides, are not read.
public func attentionDecode(rows: UnsafeBufferPointer<AttentionDecodeRow>, layout: AttentionPageLayout, shape: AttentionShape) {
  var pieces = 1
  var work = 0
  for row in rows {
    pieces = max(pieces, row.visiblePages(shape).count)
    work += (row.keys - shape.firstKey(row.keys - 1)) * shape.heads * shape.headDimension
  }
  // Of each row, head and piece: the largest score, the sum of exponentials, and the weighted sum of values.
  let partSize = shape.headDimension + 2
  let parts = ThreadContext.current.floats(.attentionPacked, count: rows.count * shape.heads * pieces * partSize)
  let decode = DecodePiece(rows: rows, layout: layout, parts: parts, partSize: partSize, pieces: pieces, shape: shape)
  let tasks = shape.keyValueHeads * pieces
  let isSmall = work < 1 << 15
  if isSmall {
    for index in 0..<rows.count * tasks { decode.run(index / tasks, head: index % tasks / pieces, piece: index % pieces) }
    for row in 0..<rows.count { decode.merge(row) }
  } else {
    ThreadPool.shared.run(rows.count * tasks) { index in decode.run(index / tasks, head: index % tasks / pieces, piece: index % pieces) }
    ThreadPool.shared.run(rows.count) { row in decode.merge(row) }
  }
}

/// Copies the keys or values of tokens from pages into rows of floats, shape (tokens, heads · dimension).
///
/// - Parameters:
///   - pages: Of the whole cache.
///   - offset: `layout.keyOffset` or `layout.valueOffset`.
///   - tokens: Which tokens; the first must be the first of a page.
public func readPages(
  _ pages: UnsafePointer<UnsafeRawPointer?>, offset: Int, layout: AttentionPageLayout, tokens: Range<Int>,
  into out: UnsafeMutablePointer<Float>
) {
  let firstPage = tokens.lowerBound / attentionPageTokens
  let count = (tokens.count + attentionPageTokens - 1) / attentionPageTokens
  let width = layout.heads * layout.dimension
  ThreadPool.shared.run(count) { index in
    guard let page = pages[firstPage + index] else { return }
    for row in 0..<min(attentionPageTokens, tokens.count - index * attentionPageTokens) {
      for head in 0..<layout.heads {
        let target = out + (index * attentionPageTokens + row) * width + head * layout.dimension
        let source = page + offset + layout.place(head: head, token: row)
        switch layout.type {
        case .f32: target.update(from: source.assumingMemoryBound(to: Float.self), count: layout.dimension)
        case .f16: widen(source, target, layout.dimension)
        }
      }
    }
  }
}

/// Stores a key or value as row `token` of a page, rounded to the nearest where the page holds halves.
///
/// - Parameters:
///   - x: Shape (heads, dimension).
///   - base: The page's first key or value.
public func writePageRow(_ x: UnsafePointer<Float>, token: Int, layout: AttentionPageLayout, to base: UnsafeMutableRawPointer) {
  for head in 0..<layout.heads {
    let source = x + head * layout.dimension
    let target = base + layout.place(head: head, token: token)
    switch layout.type {
    case .f32: target.copyMemory(from: source, byteCount: layout.dimension * 4)
    case .f16:
      let halves = target.assumingMemoryBound(to: Float16.self)
      for index in 0..<layout.dimension { halves[index] = Float16(source[index]) }
    }
  }
}

/// Puts the pieces of one head together, in order.
private func mergeParts(_ parts: UnsafePointer<Float>, _ pieces: Int, _ dimension: Int, _ out: UnsafeMutablePointer<Float>) {
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
  let rows: UnsafeBufferPointer<AttentionDecodeRow>
  let layout: AttentionPageLayout
  let parts: UnsafeMutablePointer<Float>
  let partSize: Int
  let pieces: Int
  let shape: AttentionShape

  func merge(_ index: Int) {
    let row = rows[index]
    let count = row.visiblePages(shape).count
    for head in 0..<shape.heads {
      mergeParts(parts + (index * shape.heads + head) * pieces * partSize, count, shape.headDimension, row.out + head * shape.headDimension)
    }
  }

  func run(_ index: Int, head: Int, piece: Int) {
    let row = rows[index]
    let visible = row.visiblePages(shape)
    guard piece < visible.count, let page = row.pages[visible.lowerBound + piece] else { return }
    let dimension = shape.headDimension
    let group = shape.group
    let pageStart = (visible.lowerBound + piece) * attentionPageTokens
    let start = max(shape.firstKey(row.keys - 1), pageStart)
    let count = min(pageStart + attentionPageTokens, row.keys) - start
    let scratch = ThreadContext.current.floats(.attention, count: attentionPageTokens * (group + dimension))
    let scores = scratch  // [group, attentionPageTokens]
    let room = scratch + attentionPageTokens * group  // [attentionPageTokens, dimension]
    let offset = layout.place(head: head, token: start - pageStart)
    let key = floats(page + layout.keyOffset + offset, count, room)
    let query = row.q + head * group * dimension
    var member = 0
    while member &+ 2 <= group {
      pairOfDotProducts(query + member * dimension, key.base, key.stride, count, scores + member * attentionPageTokens)
      member &+= 2
    }
    if member < group { dotProducts(query + member * dimension, key.base, key.stride, 0, count, scores + member * attentionPageTokens) }
    let part = parts + (index * shape.heads + head * group) * pieces * partSize + piece * partSize
    for member in 0..<group {
      let row = scores + member * attentionPageTokens
      let top = scaleAndFindLargest(row, count)
      let sum = exponentials(row, count, top)
      part[member * pieces * partSize] = top
      part[member * pieces * partSize + 1] = sum
    }
    let value = floats(page + layout.valueOffset + offset, count, room)
    tileMatmul(
      m: group, n: dimension, k: count, a: TileOperand(base: scores, rowStride: attentionPageTokens, stepStride: 1), b: value.base,
      ldb: value.stride, c: part + 2, ldc: pieces * partSize, accumulate: false)
  }

  /// One head of some rows of a page as floats: in place, or widened into `room`.
  @inline(__always)
  private func floats(
    _ base: UnsafeRawPointer, _ count: Int, _ room: UnsafeMutablePointer<Float>
  ) -> (base: UnsafePointer<Float>, stride: Int) {
    let dimension = shape.headDimension
    switch layout.type {
    case .f32: return (base.assumingMemoryBound(to: Float.self), dimension)
    case .f16:
      widen(base, room, count * dimension)
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

  /// `dotProducts` of two queries, which share the loads of the rows; the second result stands `attentionPageTokens` behind.
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
      second.writeTotals(to: out + attentionPageTokens + row)
      row &+= 4
    }
    dotProducts(query, rows, stride, row, count, out)
    dotProducts(query + dimension, rows, stride, row, count, out + attentionPageTokens)
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
