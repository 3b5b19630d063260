// Shared by the tests of this target: comparison with a tolerance, fixtures, and a model small enough to check by hand.

import Formats
import Foundation
import Models
import Tensors
import Training
import XCTest

/// Whether |actual − expected| ≤ absolute + relative·|expected|.
func isClose(_ actual: Double, _ expected: Double, relative: Double = 0, absolute: Double) -> Bool {
  abs(actual - expected) <= absolute + relative * abs(expected)
}

func assertClose(
  _ actual: Double, _ expected: Double, relative: Double = 0, absolute: Double, _ what: String = "", file: StaticString = #filePath,
  line: UInt = #line
) {
  XCTAssertTrue(
    isClose(actual, expected, relative: relative, absolute: absolute), "\(what) is \(actual), expected \(expected)", file: file, line: line)
}

/// A file of the folder Fixtures.
func fixture(_ name: String) throws -> JSON {
  let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures/\(name)").path
  return try JSON.parse(String(contentsOfFile: path, encoding: .utf8))
}

extension JSON {
  /// The numbers of an array.
  var doubles: [Double] { (array ?? []).map { $0.double ?? .nan } }
}

/// The smallest language model: log p(next | previous) from a table, with an optional second table as its adapter.
final class BigramModel: TrainableModel {
  let vocabulary: Int
  let base: Tensor
  let adapter: Tensor
  /// How many forward passes were made with adapters and without.
  var passes = (with: 0, without: 0)

  init(vocabulary: Int, seed: UInt64) throws {
    self.vocabulary = vocabulary
    var random = RandomSource(seed: seed)
    base = try Tensor(shape: [vocabulary, vocabulary], values: (0..<vocabulary * vocabulary).map { _ in Float(random.normal()) })
    adapter = try Tensor(
      parameter: [vocabulary, vocabulary], values: [Float](repeating: 0, count: vocabulary * vocabulary))
  }

  var trainable: [(name: String, tensor: Tensor)] { [("table.weight", adapter)] }

  func tokenLogProbs(_ sequences: [[Int]], scoredFrom: [Int], options: ForwardOptions) throws -> Tensor {
    let adapters = options.adapters
    if adapters { passes.with += 1 } else { passes.without += 1 }
    var steps: [(previous: Int, next: Int)] = []
    for (sequence, from) in zip(sequences, scoredFrom) where from < sequence.count {
      for i in from..<sequence.count { steps.append((sequence[i - 1], sequence[i])) }
    }
    let (v, base, adapter) = (vocabulary, base, adapter)
    var probabilities = [Float](repeating: 0, count: steps.count * v)
    let output = try Tensor(shape: [steps.count])
    for (n, step) in steps.enumerated() {
      let row = (0..<v).map { Double(base.pointer[step.previous * v + $0] + (adapters ? adapter.pointer[step.previous * v + $0] : 0)) }
      let total = row.reduce(0) { $0 + exp($1) }
      for k in 0..<v { probabilities[n * v + k] = Float(exp(row[k]) / total) }
      output.pointer[n] = Float(row[step.next] - log(total))
    }
    guard adapters else { return output }
    return Tensor.record("bigram", output: output, inputs: [adapter]) { pass in
      let gradient = try pass.gradient(0)
      for (n, step) in steps.enumerated() {
        for k in 0..<v {
          let delta: Float = (k == step.next ? 1 : 0) - probabilities[n * v + k]
          gradient.pointer[step.previous * v + k] += pass.dout.pointer[n] * delta
        }
      }
    }
  }
}
