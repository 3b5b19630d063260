// The tape itself: order, release, pruning, checkpoints; and the memory under it.

import Tensors
import XCTest

final class TapeTests: XCTestCase {
  /// x·y as a recorded operation, without going through the operations that are tested elsewhere.
  private func product(_ x: Tensor, _ y: Tensor) throws -> Tensor {
    let output = try Tensor.scalar(x.item() * y.item())
    return Tensor.record("product", output: output, inputs: [x, y]) { pass in
      if pass.needs(0) { try pass.gradient(0).pointer[0] += pass.dout.item() * y.item() }
      if pass.needs(1) { try pass.gradient(1).pointer[0] += pass.dout.item() * x.item() }
    }
  }

  func testGradientsOfAProduct() throws {
    let x = try Tensor(parameter: [], values: [3])
    let y = try Tensor(parameter: [], values: [5])
    let loss = try product(product(x, x), y)
    let both = try gradients(of: loss, with: [x, y])
    XCTAssertEqual(try both[0].item(), 30)
    XCTAssertEqual(try both[1].item(), 9)
    XCTAssertThrowsError(try gradients(of: loss, with: [x]))
  }

  func testNothingIsRecordedWithoutNeed() throws {
    let x = try Tensor(parameter: [], values: [3])
    let y = try withoutRecording { try product(x, x) }
    XCTAssertFalse(y.requiresGradient)
    XCTAssertThrowsError(try gradients(of: y, with: [y]))
    let independent = try Tensor(parameter: [], values: [1])
    XCTAssertEqual(try gradients(of: product(x, x), with: [independent])[0].item(), 0)
  }

  func testLongChainIsFreedAndDifferentiated() throws {
    let x = try Tensor(parameter: [], values: [1])
    let one = try Tensor.scalar(1)
    var y = x
    for _ in 0..<300_000 { y = try product(y, one) }
    XCTAssertEqual(try gradients(of: y, with: [x])[0].item(), 1)
    for _ in 0..<300_000 { y = try product(y, one) }
    y = one  // frees the second chain, which was never differentiated
  }

  func testCheckpointGivesTheSameGradients() throws {
    let x = try Tensor(parameter: [], values: [3])
    let w = try Tensor(parameter: [], values: [2])
    let square = try product(x, x)
    let loss = try product(checkpoint([square], parameters: [w]) { try self.product($0[0], self.product(w, w)) }, x)
    let both = try gradients(of: loss, with: [x, w])
    XCTAssertEqual(try both[0].item(), 108)  // d(w²x³)/dx = 3w²x²
    XCTAssertEqual(try both[1].item(), 108)  // d(w²x³)/dw = 2wx³
  }

  func testImpossibleShapesAreErrors() throws {
    for shape in [[1_000_000, 1_000_000], [Int.max, Int.max], [Int.max], [-1], [1 << 40, 1 << 40, 0, -1]] {
      XCTAssertThrowsError(try Tensor.zeros(shape)) { XCTAssertTrue($0 is TensorError) }
    }
    XCTAssertEqual(try Tensor.zeros([0, 5]).count, 0)
  }

  func testGradientsAreAddedToSums() throws {
    let x = try Tensor(parameter: [2], values: [3, 5])
    let unused = try Tensor(parameter: [1], values: [1])
    let first = try gradients(of: try (x * x).sum(), with: [x, unused])
    let second = try gradients(of: try (x * x * x).sum(), with: [x, unused], addingTo: first)
    XCTAssertEqual(second[0].values, [6 + 27, 10 + 75])
    XCTAssertEqual(second[1].values, [0])
    XCTAssert(second[0] === first[0], "in place")
  }

  func testASumInTheMemoryOfATerm() throws {
    let x = try Tensor(parameter: [2, 2], values: [1, 2, 3, 4])
    let y = try Tensor(parameter: [2, 2], values: [10, 20, 30, 40])
    func loss(_ sum: Tensor) throws -> Tensor { try (sum * sum).sum() }
    let fresh = try y * .scalar(0.5)
    let sum = try x.added(into: fresh)
    XCTAssertEqual(sum.values, [6, 12, 18, 24])
    XCTAssertTrue(sum.storage === fresh.storage)
    XCTAssertEqual(
      try gradients(of: loss(sum), with: [x, y]).map(\.values), try gradients(of: loss(x + y * .scalar(0.5)), with: [x, y]).map(\.values))
  }

  func testArenaReusesBlocks() throws {
    func work() throws { for size in [1, 100, 1000, 5000, 100_000] { _ = try Tensor.zeros([size]) } }
    try work()
    let before = Arena.shared.usage
    for _ in 0..<10 { try work() }
    XCTAssertEqual(Arena.shared.usage.systemAllocations, before.systemAllocations)
    XCTAssertEqual(Arena.shared.usage.live, before.live)
    for size in [1, 15, 16, 17, 31, 33, 1 << 20] { XCTAssertEqual(UInt(bitPattern: try Tensor.zeros([size]).pointer) % 64, 0) }
  }

  /// What lives on takes no block that is several times too large; what is done with soon may.
  func testLastingTensorsTakeBlocksOfTheirSize() throws {
    for lasting in [false, true] {
      Arena.shared.trim()
      _ = try Tensor.zeros([300_000])
      let before = Arena.shared.usage
      let held = try Tensor.zeros([100_000], lasting: lasting)
      XCTAssertEqual(Arena.shared.usage.systemAllocations - before.systemAllocations, lasting ? 1 : 0)
      withExtendedLifetime(held) {}
    }
    let x = try Tensor(parameter: [300, 300], values: [Float](repeating: 0.5, count: 90_000))
    Arena.shared.trim()
    // Freed in the middle of the way back, as activations are.
    _ = try Tensor.zeros([330_000])
    let live = Arena.shared.usage.live
    let gradient = try gradients(of: x.sum(), with: [x])
    XCTAssertLessThan(Arena.shared.usage.live - live, 90_000 * 4 * 3 / 2)
    withExtendedLifetime(gradient) {}
  }

  func testRandomSource() throws {
    // Known answer of Philox4x32-10 for an all-zero counter and key, from the authors' Random123 kat_vectors.
    let words = RandomSource.block(key: 0, counter: 0, domain: 0)
    XCTAssertEqual([words.0, words.1, words.2, words.3], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8])
    var source = RandomSource(seed: 7)
    var numbers = [Float](repeating: 0, count: 100_001)
    source.fillNormal(&numbers, count: numbers.count)
    let mean = numbers.reduce(0.0) { $0 + Double($1) } / Double(numbers.count)
    let variance = numbers.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(numbers.count)
    XCTAssertEqual(mean, 0, accuracy: 0.02)
    XCTAssertEqual(variance, 1, accuracy: 0.02)
    let saved = source
    let first = source.uniform()
    source = saved
    XCTAssertEqual(source.uniform(), first)
    XCTAssertNotEqual(source.split("a").seed, source.split("b").seed)
    XCTAssertEqual(saved.split("a"), RandomSource(seed: 7).split("a"))
  }
}
