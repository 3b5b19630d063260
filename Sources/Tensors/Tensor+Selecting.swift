// Choosing elements: gather along an axis, where, clip; sorting, and the largest k.

import Kernels

extension Tensor {
  /// Elements of this tensor where a condition is not 0, of another elsewhere, with broadcasting.
  public static func `where`(_ condition: Tensor, _ left: Tensor, _ right: Tensor) throws -> Tensor {
    guard let both = Shape.broadcast(left.shape, right.shape), let shape = Shape.broadcast(condition.shape, both) else {
      throw TensorError(
        "where cannot combine a condition of shape \(Shape.text(condition.shape)) with shapes \(Shape.text(left.shape)) and "
          + Shape.text(right.shape), hint: "aligned at the last axis, extents must be equal or 1")
    }
    let zero = try Tensor.scalar(0)
    // Selection, not multiplication: a NaN or infinity that is not chosen must not show.
    func chosen(_ value: Tensor, _ wanted: Bool) throws -> Tensor {
      let mask = try combine(wanted ? .notEqual : .equal, "where", condition, zero)
      return try combine(.whereNonzero, "where", mask, value)
    }
    let picked = try combine(.add, "where", chosen(left, true), chosen(right, false))
    let output = picked.shape == shape ? picked : try combine(.add, "where", picked, zeros(shape))
    return record("where", output: output, inputs: [condition, left, right]) { pass in
      if pass.needs(1) { try pass.addReduced(chosen(pass.dout, true), to: 1) }
      if pass.needs(2) { try pass.addReduced(chosen(pass.dout, false), to: 2) }
    }
  }

  /// Limited to a range; outside it no gradient flows.
  public func clipped(min lower: Float?, max upper: Float?) throws -> Tensor {
    if let lower, let upper, lower > upper { throw TensorError("clip: min \(lower) is greater than max \(upper)") }
    var limited = self.detached()
    if let lower { limited = try Tensor.combine(.maximum, "clip", limited, .scalar(lower)) }
    if let upper { limited = try Tensor.combine(.minimum, "clip", limited, .scalar(upper)) }
    let result = limited.detached()
    return Tensor.record("clip", output: limited, inputs: [self]) { [self] pass in
      let untouched = try Tensor.combine(.equal, "clip", self, result)
      pass.accumulate(0, try Tensor.combine(.multiply, "clip", untouched, pass.dout))
    }
  }

  /// Elements along an axis by index: result[i, j] = self[i, indices[i, j]] for the last axis.
  ///
  /// `indices` has the shape of this tensor but for the axis; if the axis is absent from it, it is absent from the result.
  public func gathered(_ indices: Tensor, axis: Int = -1) throws -> Tensor {
    let axis = try Shape.axis(axis, rank: rank, "gather")
    if indices.rank == rank - 1 {
      return try gathered(indices.detached().unsqueezed(axis), axis: axis).squeezed([axis])
    }
    var expected = shape
    if indices.rank == rank { expected[axis] = indices.shape[axis] }
    guard indices.shape == expected else {
      throw TensorError(
        "gather along axis \(axis): indices of shape \(Shape.text(indices.shape)) do not go with a tensor of shape \(Shape.text(shape))",
        hint: "all extents but that of the axis must be equal")
    }
    let extent = shape[axis]
    let inner = shape[(axis + 1)...].reduce(1, *)
    let width = indices.shape[axis]
    let places = try indices.integers("gather: indices").enumerated().map { position, index in
      guard index >= -extent, index < extent else {
        throw TensorError("gather: index \(index) is out of range for axis \(axis) with \(extent) elements")
      }
      let outer = position / (width * inner)
      return (outer * extent + (index < 0 ? index + extent : index)) * inner + position % inner
    }
    return try taken(places, shape: indices.shape, name: "gather")
  }

  /// Elements by their places in memory, as a recorded operation.
  func taken(_ places: [Int], shape: [Int], name: String) throws -> Tensor {
    let output = try Tensor(shape: shape)
    output.isMask = isMask
    for (position, place) in places.enumerated() { output.pointer[position] = pointer[place] }
    return Tensor.record(name, output: output, inputs: [self]) { pass in
      let dx = try pass.gradient(0).pointer
      for (position, place) in places.enumerated() { dx[place] += pass.dout.pointer[position] }
    }
  }

  // MARK: Sorting

  /// The order that sorts along an axis, equal elements in their order; NaN comes last.
  public func argsorted(axis: Int = -1, descending: Bool = false) throws -> Tensor {
    let order = try sortedOrder("argsort", axis: axis, descending: descending, keep: nil)
    return try Tensor(shape: order.shape, values: order.indices.map { Float($0) })
  }

  /// Sorted along an axis; NaN comes last.
  public func sorted(axis: Int = -1, descending: Bool = false) throws -> Tensor {
    let order = try sortedOrder("sort", axis: axis, descending: descending, keep: nil)
    return try taken(order.places, shape: order.shape, name: "sort")
  }

  /// The largest (or smallest) elements along an axis, best first, and where they stood.
  public func topK(_ k: Int, axis: Int = -1, largest: Bool = true) throws -> (values: Tensor, indices: Tensor) {
    let order = try sortedOrder("topk", axis: axis, descending: largest, keep: k)
    return (
      try taken(order.places, shape: order.shape, name: "topk"),
      try Tensor(shape: order.shape, values: order.indices.map { Float($0) })
    )
  }

  private func sortedOrder(
    _ name: String, axis: Int, descending: Bool, keep: Int?
  ) throws -> (shape: [Int], places: [Int], indices: [Int]) {
    let axis = try Shape.axis(axis, rank: rank, name)
    let extent = shape[axis]
    let kept = keep ?? extent
    guard kept >= 0, kept <= extent else {
      throw TensorError("\(name): k is \(kept), but axis \(axis) of \(Shape.text(self.shape)) has \(extent) elements")
    }
    let inner = self.shape[(axis + 1)...].reduce(1, *)
    let lines = extent == 0 ? 0 : count / extent
    var shape = self.shape
    shape[axis] = kept
    var places = [Int](repeating: 0, count: lines * kept)
    var indices = places
    // Keys whose order as integers is that of the numbers, with NaN last either way.
    var keys = [(key: Int64, index: Int)](repeating: (0, 0), count: extent)
    for line in 0..<lines {
      let start = line / inner * extent * inner + line % inner
      for index in 0..<extent { keys[index] = (sortKey(pointer[start + index * inner], descending: descending), index) }
      if kept * 8 < extent {
        selectSmallest(&keys, kept)
        keys[..<kept].sort { $0.key != $1.key ? $0.key < $1.key : $0.index < $1.index }
      } else {
        keys.sort { $0.key != $1.key ? $0.key < $1.key : $0.index < $1.index }
      }
      let first = line / inner * kept * inner + line % inner
      for rank in 0..<kept {
        places[first + rank * inner] = start + keys[rank].index * inner
        indices[first + rank * inner] = keys[rank].index
      }
    }
    return (shape, places, indices)
  }
}

private func sortKey(_ value: Float, descending: Bool) -> Int64 {
  if value.isNaN { return .max }
  let bits = Int64(Int32(bitPattern: value == 0 ? 0 : value.bitPattern))
  let ascending = bits < 0 ? Int64(Int32.min) - bits : bits
  return descending ? -ascending : ascending
}

/// Brings the `kept` smallest keys to the front, in any order: quickselect with the middle of three.
private func selectSmallest(_ keys: inout [(key: Int64, index: Int)], _ kept: Int) {
  func precedes(_ a: (key: Int64, index: Int), _ b: (key: Int64, index: Int)) -> Bool { a.key != b.key ? a.key < b.key : a.index < b.index }
  var low = 0
  var high = keys.count - 1
  while low < high {
    let three = [keys[low], keys[(low + high) / 2], keys[high]].sorted(by: precedes)
    let pivot = three[1]
    var left = low
    var right = high
    while left <= right {
      while precedes(keys[left], pivot) { left += 1 }
      while precedes(pivot, keys[right]) { right -= 1 }
      if left <= right {
        keys.swapAt(left, right)
        left += 1
        right -= 1
      }
    }
    if kept - 1 <= right {
      high = right
    } else if kept - 1 >= left {
      low = left
    } else {
      return
    }
  }
}
