// Matrix-vector products of every type against double precision, with and without interleaving, and their bits across threads.

import Foundation
import Kernels
import XCTest

final class MatVecTests: XCTestCase {
  override func tearDown() { ThreadPool.shared.configure(threads: 2) }

  func testSharesOfRowsAreAllOfThemInOrderAndGrowShorter() {
    for rows in [0, 1, 15, 16, 17, 100, 576, 4096, 14_336, 49_153] {
      for threads in [1, 2, 3, 16, 256] {
        for smallest in [0, 1, 16, 40, 1000, 100_000] {
          let shares = RowShares(rows: rows, threads: threads, smallest: smallest)
          let name = "\(rows) rows, \(threads) threads, at least \(smallest)"
          var next = 0
          var longest = Int.max
          for task in 0..<shares.count {
            let share = shares[task]
            XCTAssertEqual(share.lowerBound, next, name)
            XCTAssertFalse(share.isEmpty, name)
            XCTAssertLessThanOrEqual(share.count, longest, name)
            XCTAssertTrue(share.count % 16 == 0 && share.count >= smallest || share.upperBound == rows, name)
            next = share.upperBound
            longest = share.count
          }
          XCTAssertEqual(next, rows, name)
        }
      }
    }
    // The last tasks of a large weight are short, however it was cut before.
    let shares = RowShares(rows: 4096, threads: 2, smallest: 16)
    XCTAssertEqual(shares[0].count, 1024)
    XCTAssertEqual(shares[shares.count - 1].count, 16)
  }

  private func shapes(_ type: WeightType) -> [(rows: Int, columns: Int)] {
    let block = type.blockElements
    if block == 1 { return [(1, 1), (3, 15), (4, 16), (5, 17), (17, 33), (67, 129), (576, 100)] }
    // The last is so long that x does not lie in the nearest cache, and not of whole steps.
    return [
      (1, block), (3, block), (4, 2 * block), (15, block), (16, 3 * block), (17, block), (131, 5 * block), (576, 2 * block),
      (19, (block == 32 ? 321 : 41) * block),
    ]
  }

  func testEveryTypeIsCloseToDoublePrecision() {
    var noise = Noise(seed: 1)
    for type in WeightType.allCases {
      for (rows, columns) in shapes(type) {
        let weight = PackedWeight(type, rows: rows, columns: columns, &noise)
        let x = noise.floats(columns)
        var expected = [Float](repeating: 0, count: rows)
        naiveMatVec(weight: weight.view, x: x, y: &expected)
        let values = unpackedWeight(weight.view)
        for interleaved in [nil, InterleavedWeight(weight.view)] {
          // Room for one more, which must stay as it is.
          var y = [Float](repeating: 77, count: rows + 1)
          matVec(weight: weight.view, interleaved: interleaved, x: x, y: &y)
          XCTAssertEqual(y[rows], 77)
          for row in 0..<rows {
            var size: Float = 0
            for column in 0..<columns { size += abs(values[row * columns + column] * x[column]) }
            XCTAssertEqual(y[row], expected[row], accuracy: 1e-6 + 4e-6 * size, "\(type.name) \(rows)×\(columns) row \(row)")
          }
        }
      }
    }
  }

  func testInterleavingIsForFourBitTypes() {
    var noise = Noise(seed: 2)
    for type in WeightType.allCases {
      let weight = PackedWeight(type, rows: 33, columns: 256, &noise)
      let interleaved = InterleavedWeight(weight.view)
      XCTAssertEqual(interleaved != nil, type == .q4_0 || type == .q4_1, type.name)
      // Padded to 48 rows, else as large as the weight.
      if let interleaved { XCTAssertEqual(interleaved.bytes, 48 * weight.view.rowBytes) }
    }
    XCTAssertNil(InterleavedWeight(PackedWeight(.q4_1, rows: 15, columns: 64, &noise).view))
  }

  func testThreadsAndOtherRowsDoNotChangeBits() {
    var noise = Noise(seed: 3)
    for type in WeightType.allCases {
      let columns = max(type.blockElements, 97) / type.blockElements * type.blockElements
      let weight = PackedWeight(type, rows: 1000, columns: columns, &noise)
      let x = noise.floats(columns)
      for interleaved in [nil, InterleavedWeight(weight.view)] {
        let results = [1, 2, 5].map { threads in
          ThreadPool.shared.configure(threads: threads)
          var y = [Float](repeating: 0, count: 1000)
          matVec(weight: weight.view, interleaved: interleaved, x: x, y: &y)
          return y.map(\.bitPattern)
        }
        XCTAssertEqual(results[0], results[1], type.name)
        XCTAssertEqual(results[0], results[2], type.name)
      }
      for row in [0, 1, 17, 998] {
        let view = WeightView(type: type, base: weight.view.row(row), rows: 1, columns: columns)
        var alone: Float = 0
        matVec(weight: view, interleaved: nil, x: x, y: &alone)
        var together = [Float](repeating: 0, count: 1000)
        matVec(weight: weight.view, interleaved: nil, x: x, y: &together)
        XCTAssertEqual(alone.bitPattern, together[row].bitPattern, "\(type.name) row \(row)")
      }
    }
  }

  /// Several vectors at once have the bits of each vector alone, for every type and number of vectors.
  func testSeveralVectorsHaveTheBitsOfOne() {
    var noise = Noise(seed: 5)
    for type in WeightType.allCases {
      for (rows, columns) in shapes(type) {
        let weight = PackedWeight(type, rows: rows, columns: columns, &noise)
        for interleaved in [nil, InterleavedWeight(weight.view)] {
          for count in [0, 1, 2, 3, 4, 5, 8, 11] {
            let x = noise.floats(count * columns)
            var y = [Float](repeating: 77, count: count * rows + 1)
            matVecs(weight: weight.view, interleaved: interleaved, x: x, count: count, y: &y)
            XCTAssertEqual(y[count * rows], 77)
            var alone = [Float](repeating: 0, count: rows)
            for vector in 0..<count {
              matVec(weight: weight.view, interleaved: interleaved, x: Array(x[vector * columns..<(vector + 1) * columns]), y: &alone)
              XCTAssertEqual(
                Array(y[vector * rows..<(vector + 1) * rows]), alone, "\(type.name) \(rows)×\(columns), vector \(vector) of \(count)")
            }
          }
        }
      }
    }
  }

  /// The last row may end where the mapped file does.
  func testNothingBehindTheWeightsIsRead() throws {
    var noise = Noise(seed: 6)
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    for type in WeightType.allCases {
      for (rows, columns) in shapes(type) {
        let weight = PackedWeight(type, rows: rows, columns: columns, &noise)
        let bytes = rows * weight.view.rowBytes
        let pages = (bytes + page - 1) / page + 1
        let memory = try XCTUnwrap(mmap(nil, pages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
        defer { munmap(memory, pages * page) }
        XCTAssertNotEqual(memory, MAP_FAILED)
        XCTAssertEqual(mprotect(memory + (pages - 1) * page, page, PROT_NONE), 0)
        let base = memory + ((pages - 1) * page - bytes)
        base.copyMemory(from: weight.view.base, byteCount: bytes)
        let last = WeightView(type: type, base: UnsafeRawPointer(base), rows: rows, columns: columns)
        let x = noise.floats(5 * columns)
        var (expected, y) = ([Float](repeating: 0, count: 5 * rows), [Float](repeating: 0, count: 5 * rows))
        matVecs(weight: weight.view, interleaved: nil, x: x, count: 5, y: &expected)
        matVecs(weight: last, interleaved: nil, x: x, count: 5, y: &y)
        XCTAssertEqual(y, expected, type.name)
      }
    }
  }

  /// An infinity or a NaN among the elements reaches every row that multiplies it, and elements of any size are no integers too large.
  func testElementsOfAnySize() {
    var noise = Noise(seed: 8)
    for type in WeightType.allCases {
      let weight = PackedWeight(type, rows: 20, columns: 512, &noise)
      let values = unpackedWeight(weight.view)
      let plain = noise.floats(512)
      for interleaved in [nil, InterleavedWeight(weight.view)] {
        var y = [Float](repeating: 77, count: 20)
        for wrong in [Float.infinity, -.infinity, .nan] {
          var x = plain
          x[300] = wrong
          matVec(weight: weight.view, interleaved: interleaved, x: x, y: &y)
          for row in 0..<20 where values[row * 512 + 300] != 0 { XCTAssertFalse(y[row].isFinite, "\(type.name) row \(row)") }
        }
        for size: Float in [0, 0x1p-140, 1e-33, 1e-20, 1e20] {
          let x = plain.map { $0 * size }
          matVec(weight: weight.view, interleaved: interleaved, x: x, y: &y)
          for row in 0..<20 {
            var (exact, scale) = (0.0, 0.0)
            for column in 0..<512 {
              let product = Double(values[row * 512 + column]) * Double(x[column])
              exact += product
              scale += abs(product)
            }
            XCTAssertEqual(Double(y[row]), exact, accuracy: 4e-6 * scale + 1e-27, "\(type.name) row \(row), elements of \(size)")
          }
        }
      }
    }
  }

  /// Rows of integers lose no more than sums of floats do: the mean square error beside double precision is below that of float sums.
  func testDigitsAreAsExactAsFloatSums() throws {
    var noise = Noise(seed: 9)
    for type in [WeightType.q4_K, .q5_K, .q6_K] {
      let columns = 4096
      let weight = PackedWeight(type, rows: 256, columns: columns, &noise)
      let values = unpackedWeight(weight.view)
      let x = noise.floats(columns)
      var (y, reference) = ([Float](repeating: 0, count: 256), [Float](repeating: 0, count: 256))
      matVec(weight: weight.view, interleaved: nil, x: x, y: &y)
      try values.withUnsafeBytes { bytes in
        let floats = WeightView(type: .f32, base: try XCTUnwrap(bytes.baseAddress), rows: 256, columns: columns)
        matVec(weight: floats, interleaved: nil, x: x, y: &reference)
      }
      var (error, floatError) = (0.0, 0.0)
      for row in 0..<256 {
        var exact = 0.0
        for column in 0..<columns { exact += Double(values[row * columns + column]) * Double(x[column]) }
        error += (Double(y[row]) - exact) * (Double(y[row]) - exact)
        floatError += (Double(reference[row]) - exact) * (Double(reference[row]) - exact)
      }
      print(type.name, "error beside a float sum's:", (error / floatError).squareRoot())
      XCTAssertLessThan(error, 4 * floatError, type.name)
    }
  }

  /// One element among small ones that is thousands of times larger, as residual streams have it, does not spoil the others.
  func testALargeElementLeavesTheOthersTheirDigits() {
    var noise = Noise(seed: 7)
    for type in WeightType.allCases {
      let columns = 512
      let weight = PackedWeight(type, rows: 64, columns: columns, &noise)
      var x = noise.floats(columns)
      x[133] = 30_000
      let values = unpackedWeight(weight.view)
      for interleaved in [nil, InterleavedWeight(weight.view)] {
        var y = [Float](repeating: 0, count: 64)
        matVec(weight: weight.view, interleaved: interleaved, x: x, y: &y)
        for row in 0..<64 {
          var exact = 0.0
          for column in 0..<columns { exact += Double(values[row * columns + column]) * Double(x[column]) }
          // A few roundings at the scale of the large term.
          let scale = Double(values[row * columns..<(row + 1) * columns].map(abs).max() ?? 0) * 30_000
          XCTAssertEqual(Double(y[row]), exact, accuracy: 1e-6 * scale, "\(type.name) row \(row)")
        }
      }
    }
  }

  func testDegenerateShapes() {
    var noise = Noise(seed: 4)
    let weight = PackedWeight(.f32, rows: 2, columns: 3, &noise)
    var y: [Float] = [5, 6]
    matVec(weight: WeightView(type: .f32, base: weight.view.base, rows: 0, columns: 3), interleaved: nil, x: [1, 2, 3], y: &y)
    XCTAssertEqual(y, [5, 6])
    for type in WeightType.allCases {
      y = [5, 6]
      matVec(weight: WeightView(type: type, base: weight.view.base, rows: 2, columns: 0), interleaved: nil, x: [1, 2, 3], y: &y)
      XCTAssertEqual(y, [0, 0], type.name)
    }
  }
}
