// The tiled attention against the formula: sizes around tiles, groups, head dimensions, windows, documents, caches, strides.

import Kernels
import XCTest

private struct Case {
  var queries: Int
  var keys: Int? = nil
  var heads = 2
  var keyValueHeads = 1
  var dimension = 16
  var window: Int? = nil
  var documents: [Range<Int>]? = nil

  var shape: AttentionShape {
    AttentionShape(
      queries: queries, keys: keys, heads: heads, keyValueHeads: keyValueHeads, headDimension: dimension, slidingWindow: window)
  }
  var spans: [AttentionSpan]? { documents?.map(AttentionSpan.init(document:)) }
  var queryCount: Int { queries * heads * dimension }
  var keyCount: Int { (keys ?? queries) * keyValueHeads * dimension }
}

final class AttentionTests: XCTestCase {
  private func check(_ test: Case, seed: UInt64, file: StaticString = #filePath, line: UInt = #line) {
    var numbers = Numbers(seed: seed)
    let (q, dout) = (numbers.floats(test.queryCount), numbers.floats(test.queryCount))
    let (k, v) = (numbers.floats(test.keyCount), numbers.floats(test.keyCount))
    let shape = test.shape
    var out = [Float](repeating: .nan, count: q.count)
    var logSumExp = [Float](repeating: .nan, count: shape.heads * shape.queries)
    attentionForward(q: q, k: k, v: v, out: &out, logSumExp: &logSumExp, shape: shape, spans: test.spans)
    let expected = naiveAttention(q: q.doubles, k: k.doubles, v: v.doubles, shape: shape, documents: test.documents)
    expectClose(out, expected.out, "\(test)", file: file, line: line)
    expectClose(logSumExp, expected.logSumExp, "log-sum-exp \(test)", file: file, line: line)
    var (dq, dk, dv) = (q.map { _ in Float(1) }, k.map { _ in Float(2) }, v.map { _ in Float(3) })
    attentionBackward(
      dout: dout, q: q, k: k, v: v, out: out, logSumExp: logSumExp, dq: &dq, dk: &dk, dv: &dv, shape: shape, spans: test.spans)
    let slopes = naiveAttentionBackward(
      dout: dout.doubles, q: q.doubles, k: k.doubles, v: v.doubles, shape: shape, documents: test.documents)
    expectClose(dq, slopes.dq.map { $0 + 1 }, absolute: 2e-5, "dq \(test)", file: file, line: line)
    expectClose(dk, slopes.dk.map { $0 + 2 }, absolute: 3e-5, "dk \(test)", file: file, line: line)
    expectClose(dv, slopes.dv.map { $0 + 3 }, absolute: 3e-5, "dv \(test)", file: file, line: line)
  }

  func testLengths() {
    for queries in awkwardSizes { check(Case(queries: queries), seed: UInt64(queries)) }
    check(Case(queries: 200, heads: 3, keyValueHeads: 3, dimension: 32), seed: 200)
  }

  func testHeadDimensions() {
    for dimension in [1, 2, 7, 8, 15, 16, 17, 31, 48, 64, 80, 96, 112, 127, 128, 160, 256] {
      check(Case(queries: 37, dimension: dimension), seed: UInt64(dimension))
    }
  }

  func testGroups() {
    for (heads, keyValueHeads) in [(1, 1), (4, 4), (9, 3), (4, 1), (8, 2), (7, 1), (10, 1), (32, 2)] {
      check(Case(queries: 67, heads: heads, keyValueHeads: keyValueHeads), seed: UInt64(heads * 100 + keyValueHeads))
    }
  }

  func testSlidingWindows() {
    for window in [1, 2, 15, 16, 17, 63, 64, 65, 100, 1000] {
      check(Case(queries: 150, heads: 2, keyValueHeads: 2, window: window), seed: UInt64(window))
    }
  }

  func testPackedDocuments() {
    check(Case(queries: 130, documents: [0..<1, 1..<70, 70..<130]), seed: 1)
    check(Case(queries: 17, documents: (0..<17).map { $0..<$0 + 1 }), seed: 2)
    check(Case(queries: 200, heads: 9, keyValueHeads: 3, window: 40, documents: [0..<65, 65..<129, 129..<200]), seed: 3)
  }

  func testQueriesAfterCachedKeys() {
    for (queries, keys) in [(1, 1), (1, 70), (5, 69), (17, 200), (64, 128), (65, 129), (3, 64), (100, 163)] {
      check(Case(queries: queries, keys: keys), seed: UInt64(queries * 1000 + keys))
      check(Case(queries: queries, keys: keys, window: 33), seed: UInt64(queries * 1000 + keys))
    }
  }

  /// The closed form of the twin against differences of the twin.
  func testTwinGradient() {
    var numbers = Numbers(seed: 5)
    let shape = Case(queries: 6, heads: 4, keyValueHeads: 2, dimension: 3, window: 4).shape
    let (q, dout) = (numbers.floats(72).doubles, numbers.floats(72).doubles)
    let (k, v) = (numbers.floats(36).doubles, numbers.floats(36).doubles)
    let documents = [0..<2, 2..<6]
    let slopes = naiveAttentionBackward(dout: dout, q: q, k: k, v: v, shape: shape, documents: documents)
    func close(_ a: [Double], _ b: [Double]) { for (x, y) in zip(a, b) { XCTAssertEqual(x, y, accuracy: 1e-8) } }
    close(slopes.dq, centralDifferences(q, weights: dout) { naiveAttention(q: $0, k: k, v: v, shape: shape, documents: documents).out })
    close(slopes.dk, centralDifferences(k, weights: dout) { naiveAttention(q: q, k: $0, v: v, shape: shape, documents: documents).out })
    close(slopes.dv, centralDifferences(v, weights: dout) { naiveAttention(q: q, k: k, v: $0, shape: shape, documents: documents).out })
  }

  func testStrides() {
    var numbers = Numbers(seed: 6)
    let (tokens, dimension) = (70, 16)
    // q, k and v side by side, as one fused projection would leave them.
    let packed = numbers.floats(tokens * 7 * dimension)
    var shape = AttentionShape(queries: tokens, heads: 4, keyValueHeads: 1, headDimension: dimension)
    shape.queryStride = 7 * dimension
    shape.keyStride = 7 * dimension
    shape.valueStride = 7 * dimension
    shape.outputStride = 5 * dimension
    func columns(_ range: Range<Int>) -> [Double] { rows(packed, tokens, 112, range).doubles }
    var out = [Float](repeating: 7, count: tokens * 5 * dimension)
    var sums = [Float](repeating: 0, count: 4 * tokens)
    var gradient = [Float](repeating: 0, count: packed.count)
    packed.withUnsafeBufferPointer { source in
      guard let base = source.baseAddress else { return }
      attentionForward(q: base, k: base + 64, v: base + 80, out: &out, logSumExp: &sums, shape: shape)
      gradient.withUnsafeMutableBufferPointer { target in
        guard let d = target.baseAddress else { return }
        attentionBackward(
          dout: out, q: base, k: base + 64, v: base + 80, out: out, logSumExp: sums, dq: d, dk: d + 64, dv: d + 80, shape: shape)
      }
    }
    let (q, k, v) = (columns(0..<64), columns(64..<80), columns(80..<96))
    let expected = naiveAttention(q: q, k: k, v: v, shape: shape).out
    expectClose(rows(out, tokens, 80, 0..<64), expected)
    XCTAssert(rows(out, tokens, 80, 64..<80).allSatisfy { $0 == 7 }, "what lies between rows is left alone")
    let slopes = naiveAttentionBackward(dout: expected, q: q, k: k, v: v, shape: shape)
    func gradientColumns(_ range: Range<Int>) -> [Float] { rows(gradient, tokens, 112, range) }
    expectClose(gradientColumns(0..<64), slopes.dq, absolute: 5e-5)
    expectClose(gradientColumns(64..<80), slopes.dk, absolute: 5e-5)
    expectClose(gradientColumns(80..<96), slopes.dv, absolute: 5e-5)
    XCTAssert(gradientColumns(96..<112).allSatisfy { $0 == 0 })
  }

  func testSameBitsForAnyThreadCount() {
    var numbers = Numbers(seed: 7)
    let test = Case(queries: 301, heads: 6, keyValueHeads: 2, dimension: 24, documents: [0..<200, 200..<217, 217..<301])
    let (q, dout) = (numbers.floats(test.queryCount), numbers.floats(test.queryCount))
    let (k, v) = (numbers.floats(test.keyCount), numbers.floats(test.keyCount))
    expectSameBits {
      var out = q
      var sums = [Float](repeating: 0, count: 6 * 301)
      attentionForward(q: q, k: k, v: v, out: &out, logSumExp: &sums, shape: test.shape, spans: test.spans)
      var (dq, dk, dv) = (q, k, v)
      attentionBackward(
        dout: dout, q: q, k: k, v: v, out: out, logSumExp: sums, dq: &dq, dk: &dk, dv: &dv, shape: test.shape, spans: test.spans)
      return out + sums + dq + dk + dv
    }
  }

  /// A query's bits do not depend on which other queries are computed with it, or on packing.
  func testSameBitsForAnyCompany() {
    var numbers = Numbers(seed: 8)
    let whole = Case(queries: 150, heads: 3, keyValueHeads: 1, window: 90)
    let (q, k, v) = (numbers.floats(whole.queryCount), numbers.floats(whole.keyCount), numbers.floats(whole.keyCount))
    var out = q
    attentionForward(q: q, k: k, v: v, out: &out, logSumExp: nil, shape: whole.shape)
    for (first, queries) in [(0, 1), (10, 20), (63, 2), (149, 1), (100, 50)] {
      let part = Case(queries: queries, keys: first + queries, heads: 3, keyValueHeads: 1, window: 90)
      var result = [Float](repeating: 0, count: part.queryCount)
      let row = 3 * 16
      attentionForward(q: Array(q[(first * row)...]), k: k, v: v, out: &result, logSumExp: nil, shape: part.shape)
      XCTAssertEqual(result, Array(out[first * row..<(first + queries) * row]), "\(first) + \(queries)")
    }
    // Twice the same document in one batch.
    let twice = Case(queries: 300, heads: 3, keyValueHeads: 1, window: 90, documents: [0..<150, 150..<300])
    var both = q + q
    attentionForward(q: q + q, k: k + k, v: v + v, out: &both, logSumExp: nil, shape: twice.shape, spans: twice.spans)
    XCTAssertEqual(both, out + out)
  }

  func testLargeScoresStayFinite() {
    let shape = Case(queries: 70, heads: 1, keyValueHeads: 1).shape
    let q = [Float](repeating: 1e4, count: 70 * 16)
    var out = q
    attentionForward(q: q, k: q.map { -$0 }, v: q, out: &out, logSumExp: nil, shape: shape)
    XCTAssert(out.allSatisfy { abs($0 - 1e4) < 0.1 })
  }

  func testDecodeEqualsForward() {
    for (heads, keyValueHeads, dimension) in [(9, 3, 64), (2, 2, 7), (8, 1, 128), (4, 2, 80)] {
      for (keys, window) in [(1, nil), (2, nil), (17, nil), (127, nil), (128, nil), (129, nil), (700, nil), (700, 129), (50, 7)]
        as [(Int, Int?)]
      {
        var numbers = Numbers(seed: UInt64(keys * heads))
        let test = Case(queries: 1, keys: keys, heads: heads, keyValueHeads: keyValueHeads, dimension: dimension, window: window)
        let q = numbers.floats(test.queryCount)
        // Values that half precision holds.
        let (k, v) = (numbers.floats(test.keyCount).map { Float16($0) }, numbers.floats(test.keyCount).map { Float16($0) })
        let expected = naiveAttention(q: q.doubles, k: k.map(Double.init), v: v.map(Double.init), shape: test.shape).out
        let half = PagedKeys(k.map(Float.init), v.map(Float.init), test, .f16)
        expectClose(half.decode([q])[0], expected, "\(test)")
        let wide = PagedKeys(k.map(Float.init), v.map(Float.init), test, .f32)
        XCTAssertEqual(wide.decode([q]), half.decode([q]))
        XCTAssertEqual(wide.rows(wide.layout.keyOffset), k.map(Float.init))
        XCTAssertEqual(half.rows(half.layout.valueOffset), v.map(Float.init))
      }
    }
  }

  /// Bits do not depend on threads or on the other queries of a step.
  func testDecodeSameBits() {
    var numbers = Numbers(seed: 9)
    let test = Case(queries: 1, keys: 1000, heads: 9, keyValueHeads: 3, dimension: 64)
    let pages = PagedKeys(numbers.floats(test.keyCount), numbers.floats(test.keyCount), test, .f32)
    let queries = (0..<3).map { _ in numbers.floats(test.queryCount) }
    expectSameBits { pages.decode(queries).flatMap { $0 } }
    XCTAssertEqual(pages.decode(queries), queries.map { pages.decode([$0])[0] })
  }
}

/// Keys and values laid out in pages.
private final class PagedKeys {
  let layout: AttentionPageLayout
  private let test: Case
  private var pages: [UnsafeMutableRawPointer] = []

  init(_ k: [Float], _ v: [Float], _ test: Case, _ type: AttentionCacheType) {
    self.test = test
    let part = attentionPageTokens * test.keyValueHeads * test.dimension * type.bytes
    layout = AttentionPageLayout(keyOffset: 0, valueOffset: part, heads: test.keyValueHeads, dimension: test.dimension, type: type)
    let width = test.keyValueHeads * test.dimension
    for token in 0..<test.shape.keys {
      if token % attentionPageTokens == 0 { pages.append(.allocate(byteCount: 2 * part, alignment: 64)) }
      let page = pages[token / attentionPageTokens]
      for (values, offset) in [(k, 0), (v, part)] {
        values.withUnsafeBufferPointer {
          writePageRow($0.baseAddress! + token * width, token: token % attentionPageTokens, layout: layout, to: page + offset)
        }
      }
    }
  }

  deinit { for page in pages { page.deallocate() } }

  /// The results of several queries over the same keys.
  func decode(_ queries: [[Float]]) -> [[Float]] {
    let q = queries.flatMap { $0 }
    var out = [Float](repeating: .nan, count: q.count)
    let table = pages.map { UnsafeRawPointer($0) as UnsafeRawPointer? }
    q.withUnsafeBufferPointer { q in
      out.withUnsafeMutableBufferPointer { out in
        table.withUnsafeBufferPointer { table in
          let rows = queries.indices.map {
            AttentionDecodeRow(
              q: q.baseAddress! + $0 * test.queryCount, out: out.baseAddress! + $0 * test.queryCount, pages: table.baseAddress!,
              keys: test.shape.keys)
          }
          rows.withUnsafeBufferPointer { attentionDecode(rows: $0, layout: layout, shape: test.shape) }
        }
      }
    }
    return queries.indices.map { Array(out[$0 * test.queryCount..<($0 + 1) * test.queryCount]) }
  }

  /// All keys, or all values, as rows.
  func rows(_ offset: Int) -> [Float] {
    var out = [Float](repeating: .nan, count: test.keyCount)
    readPages(pages.map { UnsafeRawPointer($0) }, offset: offset, layout: layout, tokens: 0..<test.shape.keys, into: &out)
    return out
  }
}

/// Some columns of each row.
private func rows(_ values: [Float], _ count: Int, _ stride: Int, _ columns: Range<Int>) -> [Float] {
  var result: [Float] = []
  for row in 0..<count { result += values[row * stride + columns.lowerBound..<row * stride + columns.upperBound] }
  return result
}
