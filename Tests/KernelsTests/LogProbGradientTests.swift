// The output layer where gradients come with the log-probabilities: against the two passes by themselves, which are tested against the
// formulas.

import Kernels
import XCTest

final class LogProbGradientTests: XCTestCase {
  private struct Setting {
    let (rows, vocabulary, columns): (Int, Int, Int)
    let (x, dlogs): ([Float], [Float])
    let weight: Blocks
    let targets: [Int32]

    init(rows: Int, vocabulary: Int, columns: Int, type: WeightType = .f32) {
      (self.rows, self.vocabulary, self.columns) = (rows, vocabulary, columns)
      var numbers = Numbers(seed: UInt64(rows * 17 + vocabulary * 5 + columns))
      (x, dlogs) = (numbers.floats(rows * columns), numbers.floats(rows))
      weight = Blocks(numbers.floats(vocabulary * columns, scale: 0.5), rows: vocabulary, columns: columns, type: type)
      targets = (0..<rows).map { Int32(($0 * 7919 + vocabulary - 1) % vocabulary) }
    }

    /// What the two passes give.
    func apart(_ slopes: [Float]) -> (logs: [Float], dx: [Float], dweight: [Float]) {
      var (logs, sums) = ([Float](repeating: .nan, count: rows), [Float](repeating: .nan, count: rows))
      linearLogProbForward(x: x, weight: weight.view, targets: targets, rows: rows, logProbs: &logs, logSumExp: &sums)
      var (dx, dweight) = (x.map { _ in Float.nan }, [Float](repeating: .nan, count: vocabulary * columns))
      linearLogProbBackward(
        dlogProbs: slopes, x: x, weight: weight.view, targets: targets, logSumExp: sums, rows: rows, dx: &dx, dweight: &dweight,
        dweightHoldsTerms: false)
      return (logs, dx, dweight)
    }
  }

  private let settings = [
    Setting(rows: 1, vocabulary: 1, columns: 3), Setting(rows: 7, vocabulary: 31, columns: 5),
    Setting(rows: 3, vocabulary: 2049, columns: 17), Setting(rows: 600, vocabulary: 37, columns: 8),
    Setting(rows: 1030, vocabulary: 2100, columns: 16), Setting(rows: 6, vocabulary: 4100, columns: 64, type: .q4_1),
    Setting(rows: 6, vocabulary: 300, columns: 32, type: .q8_0),
  ]

  /// Σ e^(x−top)·w, tile by tile and moved by each larger top, ends as the gradient of each log-probability by its row.
  func testSlopesOfAFrozenLayer() {
    for setting in settings {
      let (logs, dx, _) = setting.apart(setting.targets.map { _ in 1 })
      var (seen, sums) = ([Float](repeating: .nan, count: setting.rows), [Float](repeating: .nan, count: setting.rows))
      var slopes = setting.x.map { _ in Float.nan }
      linearLogProbForward(
        x: setting.x, weight: setting.weight.view, targets: setting.targets, rows: setting.rows, logProbs: &seen, logSumExp: &sums,
        slopes: &slopes, poll: {})
      XCTAssertEqual(seen, logs, "asking for slopes must not change the log-probs")
      expectClose(slopes, dx.doubles, absolute: 2e-5, "\(setting.rows) rows, \(setting.vocabulary) tokens")
    }
  }

  /// A later tile with far larger logits makes all that came before vanish.
  func testSlopesWhereTilesGrow() {
    let (vocabulary, columns) = (6000, 2)
    let weight = Blocks(
      (0..<vocabulary).flatMap { [Float($0 / 2048) * 100, Float($0 % 7)] }, rows: vocabulary, columns: columns, type: .f32)
    var (logs, sums, slopes) = ([Float.nan], [Float.nan], [Float.nan, .nan])
    linearLogProbForward(
      x: [1, 0], weight: weight.view, targets: [0], rows: 1, logProbs: &logs, logSumExp: &sums, slopes: &slopes, poll: {})
    let last = (4096..<vocabulary).map { Double($0 % 7) }
    expectClose(logs, [-200 - log(Double(last.count))])
    expectClose(slopes, [-200, -last.reduce(0, +) / Double(last.count)])
  }

  /// Kept logits change no bit.
  func testKeptLogits() {
    for setting in settings {
      let (logs, dx, dweight) = setting.apart(setting.dlogs)
      var (seen, sums) = ([Float](repeating: .nan, count: setting.rows), [Float](repeating: .nan, count: setting.rows))
      var kept = [Float](repeating: .nan, count: setting.rows * keptLogitStride(vocabulary: setting.vocabulary))
      linearLogProbForward(
        x: setting.x, weight: setting.weight.view, targets: setting.targets, rows: setting.rows, logProbs: &seen, logSumExp: &sums,
        kept: &kept, poll: {})
      var (dxSeen, dweightSeen) = (dx.map { _ in Float.nan }, dweight.map { _ in Float.nan })
      linearLogProbBackward(
        dlogProbs: setting.dlogs, x: setting.x, weight: setting.weight.view, targets: setting.targets, logSumExp: sums,
        rows: setting.rows, dx: &dxSeen, dweight: &dweightSeen, dweightHoldsTerms: false, kept: &kept, poll: {})
      XCTAssertEqual(seen, logs)
      XCTAssertEqual(dxSeen, dx)
      XCTAssertEqual(dweightSeen, dweight)
    }
  }

  func testBothPassesAtOnce() {
    for setting in settings where setting.weight.view.type == .f32 {
      let (logs, dx, dweight) = setting.apart(setting.dlogs)
      var seen = [Float](repeating: .nan, count: setting.rows)
      var (dxSeen, dweightSeen) = (dx.map { _ in Float.nan }, dweight.map { _ in Float.nan })
      var statistics = [TokenStatistics](repeating: TokenStatistics(), count: setting.rows)
      linearLogProbForwardAndBackward(
        x: setting.x, weight: setting.weight.view, targets: setting.targets, dlogProbs: setting.dlogs, rows: setting.rows,
        logProbs: &seen, statistics: &statistics, dx: &dxSeen, dweight: &dweightSeen, poll: {})
      XCTAssertEqual(seen, logs)
      XCTAssertEqual(dxSeen, dx)
      expectClose(dweightSeen, dweight.doubles, absolute: 2e-5, "\(setting.rows) rows, \(setting.vocabulary) tokens")
    }
  }

  func testSameBitsForAnyThreadCount() {
    let setting = Setting(rows: 130, vocabulary: 2100, columns: 64)
    expectSameBits {
      var (logs, sums) = ([Float](repeating: .nan, count: setting.rows), [Float](repeating: .nan, count: setting.rows))
      var (slopes, dx) = (setting.x.map { _ in Float.nan }, setting.x.map { _ in Float.nan })
      var dweight = [Float](repeating: .nan, count: setting.vocabulary * setting.columns)
      linearLogProbForward(
        x: setting.x, weight: setting.weight.view, targets: setting.targets, rows: setting.rows, logProbs: &logs, logSumExp: &sums,
        slopes: &slopes, poll: {})
      linearLogProbForwardAndBackward(
        x: setting.x, weight: setting.weight.view, targets: setting.targets, dlogProbs: setting.dlogs, rows: setting.rows,
        logProbs: &logs, dx: &dx, dweight: &dweight, poll: {})
      return logs + slopes + dx + dweight
    }
  }
}
