// Indexing, assignment, reductions and broadcasting against what NumPy gives (scripts/reference/tensor_fixtures.py).

import Foundation
import Tensors
import XCTest

final class NumPyTests: XCTestCase {
  private struct Fixtures: Decodable {
    let index: [IndexCase]
    let reduction: [ReductionCase]
    let broadcast: [BroadcastCase]
  }

  private struct Result: Decodable {
    let shape: [Int]
    let values: [Number]
  }

  /// A number, null for NaN, or the name of an infinity.
  private struct Number: Decodable {
    let value: Double
    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if container.decodeNil() {
        value = .nan
      } else if let text = try? container.decode(String.self) {
        value = text == "inf" ? .infinity : -.infinity
      } else {
        value = try container.decode(Double.self)
      }
    }
  }

  private struct IndexCase: Decodable {
    let shape: [Int]
    let index: [Part]
    let got: Result?
    let value_shape: [Int]?
    let changed: [Int]?
  }

  /// `["slice", 1, null, -1]`, `["indices", [2], [0, 1]]` and the like.
  private struct Part: Decodable {
    let index: TensorIndex
    init(from decoder: any Decoder) throws {
      var list = try decoder.unkeyedContainer()
      switch try list.decode(String.self) {
      case "at": index = .at(try list.decode(Int.self))
      case "slice": index = .slice(start: try list.decode(Int?.self), stop: try list.decode(Int?.self), step: try list.decode(Int?.self))
      case "ellipsis": index = .ellipsis
      case "new": index = .newAxis
      case "indices": index = .indices(shape: try list.decode([Int].self), values: try list.decode([Int].self))
      default: index = .mask(shape: try list.decode([Int].self), values: try list.decode([Bool].self))
      }
    }
  }

  private struct ReductionCase: Decodable {
    let name: String
    let shape: [Int]
    let values: [Number]
    let axes: [Int]?
    let keepdims: Bool
    let ddof: Int
    let got: Result
  }

  private struct BroadcastCase: Decodable {
    let left: [Int]
    let right: [Int]
    let shape: [Int]?
    let values: [Int]?
  }

  private func fixtures() throws -> Fixtures {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures/numpy.json")
    return try JSONDecoder().decode(Fixtures.self, from: Data(contentsOf: path))
  }

  private func counted(_ shape: [Int], _ body: (Int) -> Float = { Float($0) }) throws -> Tensor {
    try Tensor(shape: shape, values: (0..<shape.reduce(1, *)).map(body))
  }

  func testIndexing() throws {
    for (number, test) in try fixtures().index.enumerated() {
      let index = test.index.map(\.index)
      let name = "case \(number): \(test.shape)[\(index)]"
      let base = try counted(test.shape)
      guard let wanted = test.got else {
        XCTAssertThrowsError(try base.indexed(index), name) { XCTAssertTrue($0 is TensorError) }
        continue
      }
      let got = try base.indexed(index)
      XCTAssertEqual(got.shape, wanted.shape, name)
      XCTAssertEqual(got.values.map(Double.init), wanted.values.map(\.value), name)
      XCTAssertEqual(UInt(bitPattern: got.pointer) % 64, 0, name)
      guard let shape = test.value_shape, let changed = test.changed else { continue }
      let after = try base.assigning(counted(shape) { Float(-1 - $0) }, at: index)
      XCTAssertEqual(after.values, changed.map(Float.init), "\(name) = \(shape)")
      XCTAssertEqual(base.values, try counted(test.shape).values, "assignment must leave the old tensor alone")
    }
  }

  func testReductions() throws {
    for (number, test) in try fixtures().reduction.enumerated() {
      let x = try Tensor(shape: test.shape, values: test.values.map { Float($0.value) })
      let axis = test.axes?.first
      let got: Tensor
      switch test.name {
      case "sum": got = try x.sum(axes: test.axes, keepDimensions: test.keepdims)
      case "mean": got = try x.mean(axes: test.axes, keepDimensions: test.keepdims)
      case "var": got = try x.variance(axes: test.axes, keepDimensions: test.keepdims, ddof: test.ddof)
      case "std": got = try x.standardDeviation(axes: test.axes, keepDimensions: test.keepdims, ddof: test.ddof)
      case "max": got = try x.max(axes: test.axes, keepDimensions: test.keepdims)
      case "min": got = try x.min(axes: test.axes, keepDimensions: test.keepdims)
      case "argmax": got = try x.argmax(axis: axis, keepDimensions: test.keepdims)
      case "cumsum": got = try x.cumulativeSum(axis: axis)
      case "sort": got = try x.sorted(axis: axis ?? -1)
      default: got = try x.argsorted(axis: axis ?? -1)
      }
      let name = "case \(number): \(test.name) of \(test.shape) along \(test.axes.map { "\($0)" } ?? "all")"
      XCTAssertEqual(got.shape, test.got.shape, name)
      assertClose(got.values, test.got.values.map(\.value), 1e-6, name)
    }
  }

  func testBroadcasting() throws {
    for test in try fixtures().broadcast {
      let left = try counted(test.left)
      let right = try counted(test.right) { Float(7 * $0) }
      guard let shape = test.shape, let values = test.values else {
        XCTAssertThrowsError(try left - right, "\(test.left) \(test.right)")
        continue
      }
      let got = try left - right
      XCTAssertEqual(got.shape, shape)
      XCTAssertEqual(got.values, values.map(Float.init), "\(test.left) \(test.right)")
    }
  }
}
