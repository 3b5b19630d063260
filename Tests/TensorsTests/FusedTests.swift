// The fused operations of a decoder: each result and gradient against the naive version in Double and its central
// differences, for trainable and frozen weights, tied embeddings, checkpoints, and the errors they throw.

import Foundation
import Kernels
import Tensors
import XCTest

/// Naive inputs, as Doubles that are exact in Float.
private struct Numbers {
  var source: RandomSource
  init(_ name: String) { source = RandomSource(seed: 7).split(name) }
  mutating func list(_ count: Int) -> [Double] { (0..<count).map { _ in Double(Float(source.normal())) } }
}

final class FusedTests: XCTestCase {
  private func leaf(_ shape: [Int], _ values: [Double]) throws -> Tensor { try Tensor(parameter: shape, values: values.map { Float($0) }) }

  /// Value and gradients of `operation` over leaves against `naive` over Doubles.
  private func check(
    _ name: String, _ inputs: [(shape: [Int], values: [Double])], tolerance: Double = 3e-5, naive: ([[Double]]) -> [Double],
    operation: ([Tensor]) throws -> Tensor
  ) throws {
    let leaves = try inputs.map { try leaf($0.shape, $0.values) }
    let output = try operation(leaves)
    let values = inputs.map(\.values)
    close(output.values, naive(values), tolerance, "\(name): value")
    var numbers = Numbers(name + " weights")
    let weights = numbers.list(output.count)
    let loss = try (output * Tensor(shape: output.shape, values: weights.map { Float($0) })).sum()
    let found = try gradients(of: loss, with: leaves)
    for input in inputs.indices {
      let step = 1e-5
      let differences = values[input].indices.map { place in
        func loss(_ shift: Double) -> Double {
          var moved = values
          moved[input][place] += shift
          return zip(naive(moved), weights).reduce(0) { $0 + $1.0 * $1.1 }
        }
        return (loss(step) - loss(-step)) / (2 * step)
      }
      close(found[input].values, differences, 2 * tolerance, "\(name): gradient of input \(input)")
    }
  }

  private func close(_ actual: [Float], _ expected: [Double], _ tolerance: Double, _ message: String) {
    XCTAssertEqual(actual.count, expected.count, message)
    for (index, (a, e)) in zip(actual, expected).enumerated() where !(abs(Double(a) - e) <= tolerance * (1 + abs(e))) {
      return XCTFail("\(message), element \(index): \(a), expected \(e)")
    }
  }

  private func product(_ x: [Double], _ w: [Double], _ columns: Int) -> [Double] {
    let rows = w.count / columns
    return (0..<x.count / columns * rows).map { place in
      (0..<columns).reduce(0) { $0 + x[place / rows * columns + $1] * w[place % rows * columns + $1] }
    }
  }

  func testLinear() throws {
    for (tokens, columns, rows) in [(1, 1, 1), (1, 5, 3), (3, 7, 17), (17, 16, 5), (2, 33, 2)] {
      var numbers = Numbers("linear \(tokens)")
      let inputs = [
        (shape: [tokens, columns], values: numbers.list(tokens * columns)), (shape: [rows, columns], values: numbers.list(rows * columns)),
      ]
      try check("linear", inputs, naive: { self.product($0[0], $0[1], columns) }) { try linear($0[0], Weight(tensor: $0[1])) }
    }
    // More axes than two, and one.
    var numbers = Numbers("linear axes")
    let w = try Weight(tensor: leaf([2, 3], numbers.list(6)))
    XCTAssertEqual(try linear(leaf([4, 5, 3], numbers.list(60)), w).shape, [4, 5, 2])
    XCTAssertEqual(try linear(leaf([3], numbers.list(3)), w).shape, [2])
    XCTAssertEqual(try linear(Tensor(shape: [0, 3]), w).shape, [0, 2])
  }

  /// A frozen weight of blocks: dx as with the floats that the blocks hold, and no gradient for the weight.
  func testFrozenLinear() throws {
    var numbers = Numbers("frozen")
    for type in [WeightType.f32, .f16, .bf16, .q8_0, .q4_0, .q4_1] {
      let blocks = Blocks(numbers.list(7 * 64).map { Float($0) }, rows: 7, columns: 64, type: type)
      let frozen = Weight(view: blocks.view, owner: blocks, interleave: true)
      XCTAssertNil(frozen.tensor)
      XCTAssertEqual(frozen.bytes, 7 * type.rowBytes(columns: 64))
      for tokens in [1, 3] {
        try check("frozen linear \(type)", [([tokens, 64], numbers.list(tokens * 64))], naive: { self.product($0[0], blocks.values, 64) }) {
          try linear($0[0], frozen)
        }
        // Without recording one row takes the decoding path.
        let x = try Tensor(shape: [tokens, 64], values: numbers.list(tokens * 64).map { Float($0) })
        close(try withoutRecording { try linear(x, frozen) }.values, product(x.values.map(Double.init), blocks.values, 64), 3e-5, "\(type)")
      }
    }
  }

  func testEmbedding() throws {
    var numbers = Numbers("embedding")
    let ids: [Int32] = [3, 0, 3, 6, 3]
    try check("embedding", [([7, 5], numbers.list(35))], naive: { table in ids.flatMap { table[0][Int($0) * 5..<Int($0) * 5 + 5] } }) {
      try embedding(Weight(tensor: $0[0]), ids)
    }
    let table = try Tensor(parameter: [7, 5], values: numbers.list(35).map { Float($0) })
    let slope = try gradients(of: try embedding(Weight(tensor: table), ids, paddingID: 3).sum(), with: [table])[0]
    XCTAssertEqual((0..<7).map { slope.values[$0 * 5] }, [1, 0, 0, 0, 0, 0, 1], "the padding's row gets no gradient")
    let blocks = Blocks(numbers.list(4 * 32).map { Float($0) }, rows: 4, columns: 32, type: .q8_0)
    let rows = try embedding(Weight(view: blocks.view, owner: blocks, interleave: false), [2, 0])
    XCTAssertEqual(rows.values, (blocks.values[64..<96] + blocks.values[0..<32]).map { Float($0) })
    XCTAssertFalse(rows.requiresGradient)
  }

  /// Gradients from both uses of a tied table add up.
  func testTiedEmbedding() throws {
    var numbers = Numbers("tied")
    let (ids, targets): ([Int32], [Int32]) = ([2, 4, 2], [4, 2, 0])
    try check(
      "tied", [([5, 6], numbers.list(30))],
      naive: { table in
        let x = ids.flatMap { table[0][Int($0) * 6..<Int($0) * 6 + 6] }
        return naiveLinearLogProbs(x, weight: table[0], targets: targets.map(Int.init), columns: 6)
      }
    ) {
      let table = Weight(tensor: $0[0])
      return try linearLogProbs(embedding(table, ids), table, rows: [0, 1, 2], targets: targets)
    }
    try check(
      "tied logits", [([5, 6], numbers.list(30))],
      naive: { table in
        self.product(ids.flatMap { table[0][Int($0) * 6..<Int($0) * 6 + 6] }, table[0], 6)
      }
    ) {
      let table = Weight(tensor: $0[0])
      return try linear(embedding(table, ids), table)
    }
  }

  func testRMSNorm() throws {
    var numbers = Numbers("norm")
    for columns in [1, 3, 16, 17, 33] {
      try check(
        "norm \(columns)", [([3, columns], numbers.list(3 * columns)), ([columns], numbers.list(columns))],
        naive: {
          naiveRMSNorm($0[0], weight: $0[1], rows: 3, columns: columns, epsilon: Double(Float(1e-5)))
        }
      ) { try rmsNorm($0[0], $0[1], epsilon: 1e-5) }
    }
    let frozen = try Tensor(shape: [4], values: [1, 2, 3, 4])
    try check(
      "frozen norm", [([2, 4], numbers.list(8))],
      naive: {
        naiveRMSNorm($0[0], weight: [1, 2, 3, 4], rows: 2, columns: 4, epsilon: Double(Float(1e-5)))
      }
    ) { try rmsNorm($0[0], frozen, epsilon: 1e-5) }
  }

  func testSwiGLU() throws {
    var numbers = Numbers("swiglu")
    for count in [1, 15, 17] {
      try check("swiglu", [([count], numbers.list(count)), ([count], numbers.list(count))], naive: { naiveSwiGLU(gate: $0[0], up: $0[1]) })
      {
        try swiglu($0[0], $0[1])
      }
    }
    let up = try Tensor(shape: [2], values: [2, 3])
    try check("swiglu, one input", [([2], numbers.list(2))], naive: { naiveSwiGLU(gate: $0[0], up: [2, 3]) }) { try swiglu($0[0], up) }
    // Both inputs the same tensor.
    try check("swiglu of itself", [([5], numbers.list(5))], naive: { naiveSwiGLU(gate: $0[0], up: $0[0]) }) { try swiglu($0[0], $0[0]) }
  }

  func testRotary() throws {
    var numbers = Numbers("rotary")
    let table = RotaryTable(headDimension: 6, theta: 100, positions: 9)
    for layout in [RotaryLayout.interleaved, .halfSplit] {
      try check(
        "rotary", [([3, 12], numbers.list(36))],
        naive: {
          naiveRotary($0[0], positions: [8, 0, 3], heads: 2, dimension: 6, theta: 100, layout: layout)
        }
      ) { try rotary($0[0], heads: 2, headDimension: 6, positions: [8, 0, 3], table: table, layout: layout) }
      let x = try Tensor(parameter: [3, 12], values: numbers.list(36).map { Float($0) })
      func turned(inPlace: Bool) throws -> Tensor {
        // A product in between: what is turned in place must be nobody's parameter.
        try rotary(
          x * .scalar(2), heads: 2, headDimension: 6, positions: [8, 0, 3], table: table, layout: layout, inPlace: inPlace)
      }
      XCTAssertEqual(try turned(inPlace: true).values, try turned(inPlace: false).values)
      XCTAssertEqual(
        try gradients(of: turned(inPlace: true).sum(), with: [x])[0].values,
        try gradients(of: turned(inPlace: false).sum(), with: [x])[0].values)
    }
  }

  func testAttention() throws {
    var numbers = Numbers("attention")
    let documents: [[Range<Int>]] = [[], [0..<2, 2..<2, 2..<7]]
    for (documents, window) in zip(documents, [nil, 3]) {
      let shape = AttentionShape(queries: 7, heads: 4, keyValueHeads: 2, headDimension: 3, slidingWindow: window)
      let inputs = [([7, 12], numbers.list(84)), ([7, 6], numbers.list(42)), ([7, 6], numbers.list(42))]
      try check(
        "attention", inputs,
        naive: {
          naiveAttention(q: $0[0], k: $0[1], v: $0[2], shape: shape, documents: documents.isEmpty ? nil : documents).out
        }
      ) {
        try causalAttention(
          $0[0], $0[1], $0[2], heads: 4, keyValueHeads: 2, headDimension: 3, documents: documents.map { AttentionDocument($0) },
          slidingWindow: window)
      }
    }
  }

  /// Branches that see a shared prefix equal documents that repeat it.
  func testAttentionAfterASharedPrefix() throws {
    var numbers = Numbers("branches")
    // Tokens 0 ..< 4 stand before three branches: 4 ..< 6 as one document with them, then 6 ..< 9 and 9 ..< 10 after copies.
    let documents = [AttentionDocument(0..<6), AttentionDocument(6..<9, after: 0..<4), AttentionDocument(9..<10, after: 0..<4)]
    let repeated = Array(0..<6) + Array(0..<4) + Array(6..<9) + Array(0..<4) + [9]
    let own = Array(0..<6) + [10, 11, 12, 17]  // where each token's own row lies among the repeated ones
    for window in [nil, 3] {
      var shape = AttentionShape(queries: repeated.count, heads: 4, keyValueHeads: 2, headDimension: 3, slidingWindow: window)
      shape.keys = repeated.count
      func rows(_ x: [Double], _ columns: Int) -> [Double] { repeated.flatMap { x[$0 * columns..<($0 + 1) * columns] } }
      let inputs = [([10, 12], numbers.list(120)), ([10, 6], numbers.list(60)), ([10, 6], numbers.list(60))]
      try check(
        "attention after a prefix, window \(window ?? 0)", inputs,
        naive: {
          let out = naiveAttention(
            q: rows($0[0], 12), k: rows($0[1], 6), v: rows($0[2], 6), shape: shape, documents: [0..<6, 6..<13, 13..<18]
          ).out
          return own.flatMap { out[$0 * 12..<($0 + 1) * 12] }
        }
      ) {
        try causalAttention(
          $0[0], $0[1], $0[2], heads: 4, keyValueHeads: 2, headDimension: 3, documents: documents, slidingWindow: window)
      }
    }
  }

  func testLinearLogProbs() throws {
    var numbers = Numbers("log-probs")
    let (rows, targets): ([Int32], [Int32]) = ([4, 1, 1], [2, 0, 10])
    func naive(_ x: [Double], _ w: [Double]) -> [Double] {
      naiveLinearLogProbs(rows.flatMap { x[Int($0) * 4..<Int($0) * 4 + 4] }, weight: w, targets: targets.map(Int.init), columns: 4)
    }
    try check("log-probs", [([5, 4], numbers.list(20)), ([11, 4], numbers.list(44))], naive: { naive($0[0], $0[1]) }) {
      try linearLogProbs($0[0], Weight(tensor: $0[1]), rows: rows, targets: targets)
    }
    let blocks = Blocks(numbers.list(44).map { Float($0) }, rows: 11, columns: 4, type: .f32)
    let frozen = Weight(view: blocks.view, owner: blocks, interleave: false)
    try check("frozen log-probs", [([5, 4], numbers.list(20))], naive: { naive($0[0], blocks.values) }) {
      try linearLogProbs($0[0], frozen, rows: rows, targets: targets)
    }
    XCTAssertEqual(try linearLogProbs(Tensor(shape: [0, 4]), frozen, rows: [], targets: []).shape, [0])
  }

  /// A small block computed again instead of kept gives the same bits, value and gradients.
  func testCheckpointedBlock() throws {
    var numbers = Numbers("block")
    let (x, w) = (try leaf([6, 8], numbers.list(48)), try leaf([8, 8], numbers.list(64)))
    let norm = try leaf([8], numbers.list(8))
    func block(_ inputs: [Tensor]) throws -> Tensor {
      let n = try rmsNorm(inputs[0], norm, epsilon: 1e-5)
      let y = try linear(n, Weight(tensor: w))
      return try inputs[0]
        + causalAttention(
          y, y, y, heads: 2, keyValueHeads: 2, headDimension: 4, documents: [AttentionDocument(0..<4), AttentionDocument(4..<6)])
    }
    let weights = try Tensor(shape: [6, 8], values: numbers.list(48).map { Float($0) })
    let plain = try gradients(of: (block([x]) * weights).sum(), with: [x, w, norm])
    let again = try gradients(of: (checkpoint([x], parameters: [w, norm], block) * weights).sum(), with: [x, w, norm])
    for (a, b) in zip(plain, again) { XCTAssertEqual(a.values, b.values) }
  }

  func testErrors() throws {
    let x = try Tensor.zeros([2, 3])
    let w = try Weight(tensor: Tensor.zeros([5, 4]))
    func message(_ body: () throws -> Tensor) -> String {
      do { _ = try body() } catch { return "\(error)" }
      return "no error"
    }
    XCTAssertEqual(
      message { try linear(x, w) },
      "linear: the input has the shape (2, 3), the weight (5, 4) (the last axis of the input must be the weight's second: 4)")
    XCTAssertEqual(message { try embedding(w, [1, 5]) }, "embedding: token 5 is not in a vocabulary of 5 (ids go from 0 to 4)")
    XCTAssert(message { try embedding(w, [-1]) }.contains("token -1"))
    XCTAssert(message { try rmsNorm(x, Tensor.zeros([2]), epsilon: 0) }.contains("(2, 3)"))
    XCTAssert(message { try swiglu(x, Tensor.zeros([3, 2])) }.contains("(3, 2)"))
    let table = RotaryTable(headDimension: 2, theta: 10, positions: 4)
    let y = try Tensor.zeros([2, 4])
    func turn(_ positions: [Int32], heads: Int = 2) -> String {
      message { try rotary(y, heads: heads, headDimension: 2, positions: positions, table: table, layout: .halfSplit) }
    }
    XCTAssert(turn([0]).contains("1 positions for 2 tokens"))
    XCTAssert(turn([0, 4]).contains("position 4 is outside the table of 4"))
    XCTAssert(turn([0, 1], heads: 3).contains("(2, 4)"))
    func attend(heads: Int = 2, keyValueHeads: Int = 2, documents: [AttentionDocument] = [], window: Int? = nil) -> String {
      message {
        try causalAttention(
          y, y, y, heads: heads, keyValueHeads: keyValueHeads, headDimension: 2, documents: documents, slidingWindow: window)
      }
    }
    XCTAssert(attend(heads: 3).contains("cannot share"))
    XCTAssert(attend(heads: 4).contains("(2, 4)"))
    XCTAssert(attend(documents: [AttentionDocument(0..<1)]).contains("end at token 1 of 2"))
    XCTAssert(attend(documents: [AttentionDocument(1..<2)]).contains("starts at token 1"))
    let early = attend(documents: [AttentionDocument(0..<1, after: 0..<1), AttentionDocument(1..<2)])
    XCTAssert(early.contains("do not all come before token 0"))
    XCTAssert(attend(window: 0).contains("shows nothing"))
    XCTAssert(message { try linearLogProbs(y, w, rows: [0], targets: [5]) }.contains("token 5"))
    XCTAssert(message { try linearLogProbs(y, w, rows: [2], targets: [0]) }.contains("row 2"))
    XCTAssert(message { try linearLogProbs(y, w, rows: [0, 1], targets: [0]) }.contains("2 rows and 1 targets"))
    XCTAssert(message { try linearLogProbs(x, w, rows: [0], targets: [0]) }.contains("(2, 3)"))
  }
}

/// Floats as blocks of a weight type, and what the blocks hold.
private final class Blocks {
  let view: WeightView
  let values: [Double]
  private let memory: UnsafeMutableRawPointer

  init(_ floats: [Float], rows: Int, columns: Int, type: WeightType) {
    memory = UnsafeMutableRawPointer.allocate(byteCount: type.rowBytes(columns: columns) * rows, alignment: 64)
    pack(type, from: floats, to: memory, count: rows * columns)
    view = WeightView(type: type, base: memory, rows: rows, columns: columns)
    var values = floats
    unpack(type, from: memory, to: &values, count: rows * columns)
    self.values = values.map(Double.init)
  }

  deinit { memory.deallocate() }
}
