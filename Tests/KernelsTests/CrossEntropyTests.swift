// The fused output layer and log-softmax against the formula, for frozen blocks and trainable weights.

import Kernels
import XCTest

final class CrossEntropyTests: XCTestCase {
  private func check(rows: Int, vocabulary: Int, columns: Int, type: WeightType = .f32, file: StaticString = #filePath, line: UInt = #line)
  {
    let message = "\(rows) rows, \(vocabulary) tokens, \(columns) columns, \(type)"
    var numbers = Numbers(seed: UInt64(rows * 31 + vocabulary * 7 + columns))
    let (x, dlogs) = (numbers.floats(rows * columns), numbers.floats(rows))
    let weight = Blocks(numbers.floats(vocabulary * columns, scale: 0.5), rows: vocabulary, columns: columns, type: type)
    let targets = (0..<rows).map { Int32(($0 * 7919 + vocabulary - 1) % vocabulary) }
    var (logs, sums) = ([Float](repeating: .nan, count: rows), [Float](repeating: .nan, count: rows))
    linearLogProbForward(x: x, weight: weight.view, targets: targets, rows: rows, logProbs: &logs, logSumExp: &sums)
    let naive = { naiveLinearLogProbs($0, weight: $1, targets: targets.map(Int.init), columns: columns) }
    expectClose(logs, naive(x.doubles, weight.values.doubles), "\(message)", file: file, line: line)
    // dx is written over whatever was there; dweight is added to.
    var (dx, dweight) = (x.map { _ in Float.nan }, weight.values.map { _ in Float(2) })
    linearLogProbBackward(
      dlogProbs: dlogs, x: x, weight: weight.view, targets: targets, logSumExp: sums, rows: rows, dx: &dx, dweight: &dweight)
    let slopes = gradients(x.doubles, weight.values.doubles, dlogs.doubles, targets.map(Int.init), columns)
    expectClose(dx, slopes.dx, absolute: 3e-5, "dx \(message)", file: file, line: line)
    expectClose(dweight, slopes.dweight.map { $0 + 2 }, absolute: 3e-5, "dweight \(message)", file: file, line: line)
    var fresh = weight.values.map { _ in Float.nan }
    linearLogProbBackward(
      dlogProbs: dlogs, x: x, weight: weight.view, targets: targets, logSumExp: sums, rows: rows, dx: nil, dweight: &fresh,
      dweightHoldsTerms: false)
    expectClose(fresh, slopes.dweight, absolute: 3e-5, "dweight from nothing \(message)", file: file, line: line)
    var frozen = x.map { _ in Float.nan }
    linearLogProbBackward(
      dlogProbs: dlogs, x: x, weight: weight.view, targets: targets, logSumExp: sums, rows: rows, dx: &frozen, dweight: nil)
    XCTAssertEqual(frozen, dx, file: file, line: line)
    if x.count <= 64 {
      expectClose(
        dx, centralDifferences(x.doubles, weights: dlogs.doubles) { naive($0, weight.values.doubles) }, absolute: 3e-5)
    }
  }

  /// The closed form, in Double.
  private func gradients(
    _ x: [Double], _ weight: [Double], _ dlogs: [Double], _ targets: [Int], _ columns: Int
  ) -> (dx: [Double], dweight: [Double]) {
    var (dx, dweight) = (x.map { _ in 0.0 }, weight.map { _ in 0.0 })
    let vocabulary = weight.count / columns
    for row in targets.indices {
      let logits = (0..<vocabulary).map { token in (0..<columns).reduce(0) { $0 + x[row * columns + $1] * weight[token * columns + $1] } }
      let shares = naiveSoftmax(logits, rows: 1, columns: vocabulary)
      for token in 0..<vocabulary {
        let slope = dlogs[row] * ((token == targets[row] ? 1 : 0) - shares[token])
        for column in 0..<columns {
          dx[row * columns + column] += slope * weight[token * columns + column]
          dweight[token * columns + column] += slope * x[row * columns + column]
        }
      }
    }
    return (dx, dweight)
  }

  func testStatisticsAgainstTheFormulas() {
    for (rows, vocabulary, columns) in [(1, 1, 3), (4, 17, 5), (3, 1024, 8), (9, 2500, 16)] {
      var numbers = Numbers(seed: UInt64(vocabulary))
      let x = numbers.floats(rows * columns)
      let weight = Blocks(numbers.floats(vocabulary * columns, scale: 3), rows: vocabulary, columns: columns, type: .f32)
      var targets = (0..<rows).map { Int32($0 * 911 % vocabulary) }
      var (logs, sums) = ([Float](repeating: .nan, count: rows), [Float](repeating: .nan, count: rows))
      let logits = (0..<rows).map { row in
        (0..<vocabulary).map { token in
          (0..<columns).reduce(0.0) { $0 + Double(x[row * columns + $1]) * Double(weight.values[token * columns + $1]) }
        }
      }
      targets[0] = Int32(logits[0].indices.max { logits[0][$0] < logits[0][$1] } ?? 0)
      var seen = [TokenStatistics](repeating: TokenStatistics(), count: rows)
      linearLogProbForward(
        x: x, weight: weight.view, targets: targets, rows: rows, logProbs: &logs, logSumExp: &sums, statistics: &seen)
      let message = "\(rows) rows, \(vocabulary) tokens"
      expectClose(
        seen.map(\.entropy), logits.map { -naiveLogSoftmax($0, rows: 1, columns: vocabulary).reduce(0) { $0 + exp($1) * $1 } }, message)
      expectClose(
        seen.map(\.logSquareSum), logits.map { log(naiveLogSoftmax($0, rows: 1, columns: vocabulary).reduce(0) { $0 + exp(2 * $1) }) },
        message)
      expectClose(seen.map(\.meanLogit), logits.map { $0.reduce(0, +) / Double(vocabulary) }, message)
      for row in 0..<rows {
        XCTAssertEqual(seen[row].isTargetLikeliest, logits[row][Int(targets[row])] == logits[row].max(), "\(message), row \(row)")
      }
      var plain = logs
      linearLogProbForward(x: x, weight: weight.view, targets: targets, rows: rows, logProbs: &plain, logSumExp: &sums)
      XCTAssertEqual(plain, logs, "asking for statistics must not change the log-probs")
    }
  }

  func testSizes() {
    for size in 1...17 { check(rows: size, vocabulary: 18 - size, columns: 1 + size * 5 % 17) }
    check(rows: 3, vocabulary: 1023, columns: 8)
    check(rows: 3, vocabulary: 1024, columns: 8)
    check(rows: 5, vocabulary: 1025, columns: 31)
    check(rows: 33, vocabulary: 2053, columns: 13)
    check(rows: 1025, vocabulary: 37, columns: 3)
  }

  func testBlockTypes() {
    for type in [WeightType.f16, .bf16, .q8_0, .q4_0, .q4_1] { check(rows: 6, vocabulary: 1100, columns: 64, type: type) }
  }

  func testSureAndImpossibleTargets() {
    // Logits 60 and −60: log-probabilities of about −e^−120 and −120.
    var (logs, sums) = ([Float](repeating: .nan, count: 2), [Float](repeating: .nan, count: 2))
    let weight = Blocks([60, -60], rows: 2, columns: 1, type: .f32)
    linearLogProbForward(x: [1, 1], weight: weight.view, targets: [0, 1], rows: 2, logProbs: &logs, logSumExp: &sums)
    XCTAssertEqual(logs, [0, -120])
  }

  func testSameBitsForAnyThreadCountAndCompany() {
    var numbers = Numbers(seed: 77)
    let (rows, vocabulary, columns) = (130, 2100, 64)
    let (x, dlogs) = (numbers.floats(rows * columns), numbers.floats(rows))
    let weight = Blocks(numbers.floats(vocabulary * columns), rows: vocabulary, columns: columns, type: .q4_1)
    let targets = (0..<rows).map { Int32($0 * 16) }
    func run(_ rows: Int) -> (logs: [Float], dx: [Float], dweight: [Float]) {
      var (logs, sums) = ([Float](repeating: 0, count: rows), [Float](repeating: 0, count: rows))
      linearLogProbForward(x: x, weight: weight.view, targets: targets, rows: rows, logProbs: &logs, logSumExp: &sums)
      var (dx, dweight) = ([Float](repeating: 0, count: rows * columns), [Float](repeating: 0, count: vocabulary * columns))
      linearLogProbBackward(
        dlogProbs: dlogs, x: x, weight: weight.view, targets: targets, logSumExp: sums, rows: rows, dx: &dx, dweight: &dweight)
      return (logs, dx, dweight)
    }
    expectSameBits {
      let result = run(rows)
      return result.logs + result.dx + result.dweight
    }
    let (few, all) = (run(7), run(rows))
    XCTAssertEqual(few.logs, Array(all.logs[..<7]))
    XCTAssertEqual(few.dx, Array(all.dx[..<(7 * columns)]))
  }
}

/// Floats as blocks of a weight type, and what the blocks hold.
final class Blocks {
  let view: WeightView
  let values: [Float]
  private let memory: UnsafeMutableRawPointer

  init(_ floats: [Float], rows: Int, columns: Int, type: WeightType) {
    memory = UnsafeMutableRawPointer.allocate(byteCount: type.rowBytes(columns: columns) * rows, alignment: 64)
    pack(type, from: floats, to: memory, count: rows * columns)
    view = WeightView(type: type, base: memory, rows: rows, columns: columns)
    var values = floats
    unpack(type, from: memory, to: &values, count: rows * columns)
    self.values = values
  }

  deinit { memory.deallocate() }
}
