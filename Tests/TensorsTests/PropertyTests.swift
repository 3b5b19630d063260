// What holds for any input: special values, accuracy of long sums, the same bits for any number of threads, errors instead of
// traps, and tensors that nobody holds give their memory back.

import Foundation
import Kernels
import Tensors
import XCTest

final class PropertyTests: XCTestCase {
  private func normal(_ shape: [Int], _ name: String) throws -> Tensor {
    var source = RandomSource(seed: 3).split(name)
    let tensor = try Tensor(shape: shape)
    source.fillNormal(tensor.pointer, count: tensor.count)
    return tensor
  }

  func testSpecialValues() throws {
    let inputs: [Float] = [
      0, -0.0, 1, -1, .infinity, -.infinity, .nan, .leastNonzeroMagnitude, .greatestFiniteMagnitude, -.greatestFiniteMagnitude, 1e-20, 88.7,
      89,
      -87.4, -103.9, -104.5, 0.5, 1e30, 0x1p-128, 15.9,
    ]
    let x = try Tensor(shape: [inputs.count], values: inputs)
    func same(_ found: Tensor, _ name: String, _ oracle: (Double) -> Double) {
      for (place, (value, input)) in zip(found.values, inputs).enumerated() {
        let wanted = Float(oracle(Double(input)))
        let isClose = abs(value - wanted) <= 4e-7 * abs(wanted) + 2 * Float.leastNonzeroMagnitude
        XCTAssertTrue(isClose || value == wanted || (value.isNaN && wanted.isNaN), "\(name)(\(inputs[place])) is \(value), not \(wanted)")
      }
    }
    same(try x.exp(), "exp", exp)
    same(try x.log(), "log", log)
    same(try x.sqrt(), "sqrt") { $0.squareRoot() }
    same(try x.abs(), "abs", abs)
    same(try x.tanh(), "tanh", tanh)
    same(try x.sigmoid(), "sigmoid") { 1 / (1 + exp(-$0)) }
    same(try x.logSigmoid(), "logsigmoid") { $0.isNaN ? $0 : min($0, 0) - log1p(exp(-abs($0))) }
    same(try x.relu(), "relu") { $0.isNaN ? $0 : max($0, 0) }
    same(try x.floor(), "floor", floor)
    same(try Tensor.scalar(1) / x, "1/x") { 1 / $0 }
    same(try x ** .scalar(2), "x**2") { $0 * $0 }
    same(try .maximum(x, .scalar(0)), "maximum") { $0.isNaN ? $0 : max($0, 0) }
    XCTAssertEqual(try x.isNaN().sum().item(), 1)
    XCTAssertTrue(try x.max().item().isNaN)
    XCTAssertEqual(try x.argmax().item(), 6)
    XCTAssertEqual(try Tensor.where(x.isNaN(), .scalar(0), x).max().item(), .infinity)
  }

  func testStableForms() throws {
    let huge = try Tensor(shape: [2], values: [1000, 1000])
    XCTAssertEqual(try huge.logSumExp().item(), 1000 + Float(log(2.0)), accuracy: 1e-4)
    XCTAssertEqual(try huge.softmax().values, [0.5, 0.5])
    let lopsided = try Tensor(parameter: [2], values: [0, 1000])
    XCTAssertEqual(try lopsided.logSoftmax().values, [-1000, 0])
    let slopes = try gradients(of: lopsided.logSoftmax().indexed([.at(0)]), with: [lopsided])[0]
    XCTAssertEqual(slopes.values, [1, -1])
    let low = try Tensor(parameter: [1], values: [-200])
    XCTAssertEqual(try low.logSigmoid().item(), -200)
    XCTAssertEqual(try gradients(of: low.logSigmoid(), with: [low])[0].item(), 1)
    XCTAssertEqual(try Tensor(shape: [2], values: [3e30, 4e30]).norm().item(), 5e30, accuracy: 1e24)
    XCTAssertEqual(try Tensor.crossEntropy(lopsided.reshaped([1, 2]), targets: Tensor(shape: [1], values: [0])).item(), 1000)
  }

  func testGradientsAtCorners() throws {
    func slope(_ x: Float, _ body: (Tensor) throws -> Tensor) throws -> Float {
      let leaf = try Tensor(parameter: [], values: [x])
      return try gradients(of: body(leaf), with: [leaf])[0].item()
    }
    XCTAssertEqual(try slope(0) { try $0.abs() }, 0)
    XCTAssertEqual(try slope(0) { try $0.relu() }, 0)
    XCTAssertEqual(try slope(0) { try $0 ** .scalar(0) }, 0)
    XCTAssertEqual(try slope(0) { try $0 ** .scalar(1) }, 1)
    XCTAssertEqual(try slope(0) { try $0 ** .scalar(2) }, 0)
    XCTAssertEqual(try slope(-2) { try $0 ** .scalar(3) }, 12)
    XCTAssertEqual(try slope(0) { try $0.norm() }, 0)
    // Equal elements share what the maximum gets.
    let tied = try Tensor(parameter: [3], values: [2, 1, 2])
    XCTAssertEqual(try gradients(of: tied.max(), with: [tied])[0].values, [0.5, 0, 0.5])
    let other = try Tensor(parameter: [3], values: [2, 1, 2])
    XCTAssertEqual(
      try gradients(of: Tensor.maximum(tied, other).sum(), with: [tied, other]).map(\.values), [[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]])
  }

  func testLongSumsAreAccurate() throws {
    let count = 3_000_001
    XCTAssertEqual(try Tensor.full([count], 0.1).sum().item(), Float(Double(Float(0.1)) * Double(count)))
    XCTAssertEqual(try Tensor.full([count, 3], 0.1).sum(axes: [0]).values[1], Float(Double(Float(0.1)) * Double(count)))
    let shifted = try normal([100_000], "variance") + .scalar(10_000)
    let values = shifted.values.map(Double.init)
    let mean = values.reduce(0, +) / Double(values.count)
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
    XCTAssertEqual(Double(try shifted.variance().item()), variance, accuracy: 1e-6 * variance)
    XCTAssertEqual(try Tensor.full([count], 0.1).cumulativeSum().values[count - 1], Float(Double(Float(0.1)) * Double(count)))
  }

  func testSameBitsForAnyNumberOfThreads() throws {
    func results() throws -> [[Float]] {
      let x = try Tensor(parameter: [257, 1031], values: normal([257, 1031], "x").values)
      let row = try Tensor(parameter: [1031], values: normal([1031], "row").values)
      let long = try normal([400_003], "long")
      let y = try (x * row + .scalar(1)).gelu().softmax()
      let loss = try (Tensor.matmul(y, x.transposed()).logSumExp(axes: [0]) * .scalar(3)).sum()
      let slopes = try gradients(of: loss, with: [x, row])
      return try [
        y.values, loss.values, slopes[0].values, slopes[1].values, long.sum().values, long.norm().values, long.variance().values,
        long.max().values, x.sum(axes: [0]).values, x.permuted([1, 0]).values, x.cumulativeSum(axis: 0).values,
        x.topK(7).indices.values, x.max(axes: [0]).values, x.argmax(axis: 1).values,
      ]
    }
    let threads = ThreadPool.shared.threadCount
    defer { ThreadPool.shared.configure(threads: threads) }
    ThreadPool.shared.configure(threads: 1)
    let one = try results()
    for count in [2, 3] {
      ThreadPool.shared.configure(threads: count)
      for (place, (a, b)) in zip(one, try results()).enumerated() {
        XCTAssertTrue(a.elementsEqual(b) { $0.bitPattern == $1.bitPattern }, "result \(place) differs between 1 and \(count) threads")
      }
    }
  }

  func testTopKAgreesWithSorting() throws {
    var source = RandomSource(seed: 9)
    for count in [1, 2, 17, 100, 1000, 5000] {
      // Many equal elements, so that ties are settled by index.
      let x = try Tensor(shape: [count], values: (0..<count).map { _ in Float(Int(source.uniform() * 20)) })
      let order = try x.argsorted(descending: true).values
      for k in [0, 1, min(5, count), count / 9, count] {
        XCTAssertEqual(try x.topK(k).indices.values, Array(order.prefix(k)), "topk(\(k)) of \(count)")
      }
      XCTAssertEqual(try x.sorted().values, x.values.sorted())
    }
  }

  func testViewsShareAndAssignmentsDoNot() throws {
    let x = try normal([4, 32], "views")
    let row = try x.indexed([.at(2)])
    XCTAssertTrue(row.storage === x.storage)
    let changed = try row.assigning(.scalar(7), at: [])
    XCTAssertEqual(changed.values, Array(repeating: 7, count: 32))
    XCTAssertEqual(try x.indexed([.at(2)]).values, row.values)
    XCTAssertNotEqual(row.values, changed.values)
  }

  /// Checks that an operation throws, and that its message has some words.
  private func fails(_ words: [String], line: UInt = #line, _ body: () throws -> Tensor) {
    do {
      let shape = try body().shape
      XCTFail("no error, but a tensor of shape \(shape)", line: line)
    } catch {
      let text = "\(error)"
      XCTAssertTrue(error is TensorError, text, line: line)
      for word in words { XCTAssertTrue(text.contains(word), "'\(word)' is missing in: \(text)", line: line) }
    }
  }

  func testErrorsNameShapesAndHelp() throws {
    let two = try Tensor.zeros([2])
    let three = try Tensor.zeros([3])
    let wide = try Tensor.zeros([2, 3])
    fails(["+", "(2,)", "(3,)"]) { try two + three }
    fails(["+", "(2, 3)", "(2,)", "(2, 1)"]) { try wide + two }
    fails(["@", "(2, 3)", "3 columns meet 2 rows", ".T"]) { try .matmul(wide, wide) }
    fails(["@", "()", "*"]) { try .matmul(wide, .scalar(1)) }
    fails(["sum", "axis 2", "-2 to 1"]) { try wide.sum(axes: [2]) }
    fails(["sum", "twice"]) { try wide.sum(axes: [0, -2]) }
    fails(["reshape", "(4, -1)", "6 elements"]) { try wide.reshaped([4, -1]) }
    fails(["only one"]) { try wide.reshaped([-1, -1]) }
    fails(["shape"]) { try wide.reshaped([Int.max, 2]) }
    fails(["index 5", "-2 to 1"]) { try wide.indexed([.at(5)]) }
    fails(["too many", "(2, 3)"]) { try wide.indexed([.at(0), .at(0), .at(0)]) }
    fails(["step 0"]) { try wide.indexed([.slice(start: nil, stop: nil, step: 0)]) }
    fails(["'...'"]) { try wide.indexed([.ellipsis, .ellipsis]) }
    fails(["concat", "(2, 3)", "(2,)"]) { try .concatenate([wide, two]) }
    fails(["stack", "(3,)"]) { try .stack([two, three]) }
    fails(["permute"]) { try wide.permuted([0, 0]) }
    fails(["nothing to choose"]) { try Tensor.zeros([0]).max() }
    fails(["nothing to choose"]) { try Tensor.zeros([2, 0]).argmax(axis: 1) }
    fails(["k is 4"]) { try wide.topK(4).values }
    fails(["gather", "index 3"]) { try wide.gathered(Tensor(shape: [2], values: [3, 0])) }
    fails(["clip"]) { try wide.clipped(min: 2, max: 1) }
    fails(["target 3", "3 classes"]) { try .crossEntropy(wide, targets: Tensor(shape: [2], values: [0, 3])) }
    fails(["whole numbers", "0.5"]) { try .crossEntropy(wide, targets: Tensor(shape: [2], values: [0, 0.5])) }
    fails(["whole numbers", "nan"]) { try wide.gathered(Tensor(shape: [2], values: [0, .nan])) }
    fails(["(3,)", "(2,)"]) { try wide.assigning(three, at: [.at(0), .slice(start: 0, stop: 2, step: nil)]) }
    fails(["one element", ".sum()"]) { try gradients(of: wide, with: [wide])[0] }
    fails(["squeeze", "axis 0"]) { try wide.squeezed([0]) }
    fails(["diag"]) { try wide.diagonal(offset: 1 << 50) }
    fails(["(1000000, 1000000)"]) { try .zeros([1_000_000, 1_000_000]) }
    fails(["memory"]) { try two.diagonal(offset: 1 << 39) }
    fails(["memory"]) { try Tensor.zeros([1 << 22, 1]) + Tensor.zeros([1 << 20]) }
  }

  func testNothingLeaks() throws {
    func work() throws {
      let x = try Tensor(parameter: [64, 64], values: normal([64, 64], "leak").values)
      let y = try checkpoint([x.tanh()], parameters: []) { try $0[0].softmax().exp() }
      let z = try (y.sorted() * x).logSumExp() + x.max() + x.norm() + x.standardDeviation()
      _ = try gradients(of: z, with: [x])
      _ = try (x.sigmoid() ** .scalar(2.5)).sum()  // recorded and dropped without a backward pass
    }
    try work()
    let before = Arena.shared.usage
    for _ in 0..<20 { try work() }
    XCTAssertEqual(Arena.shared.usage.live, before.live)
    XCTAssertEqual(Arena.shared.usage.systemAllocations, before.systemAllocations)
  }
}
