// Changing shape: reshape, permute, squeeze, stack, concat, diag, broadcasting. Reshapes share memory, the rest copies.

import Kernels

extension Tensor {
  /// The same memory under another shape of the same count, off the tape.
  func viewed(_ shape: [Int]) -> Tensor {
    let result = Tensor(shape: shape, storage: storage, offset: offset)
    result.isMask = isMask
    return result
  }

  /// The same elements in another shape; one extent may be -1, which is then worked out.
  public func reshaped(_ shape: [Int]) throws -> Tensor {
    var target = shape
    let unknown = shape.indices.filter { shape[$0] == -1 }
    if unknown.count == 1, !shape.contains(where: { $0 < -1 }) {
      let known = try Shape.count(shape.filter { $0 != -1 })
      if known > 0, count % known == 0 { target[unknown[0]] = count / known }
    }
    guard !target.contains(where: { $0 < 0 }), try Shape.count(target) == count else {
      let wanted = shape.filter { $0 != -1 }.reduce(1) { $0.multipliedReportingOverflow(by: $1).partialValue }
      throw TensorError(
        "reshape cannot make \(Shape.text(shape)) of \(Shape.text(self.shape)): that has \(count) elements"
          + (unknown.isEmpty ? ", not \(wanted)" : ""),
        hint: unknown.count > 1 ? "only one extent may be -1" : "leave one extent to be worked out with -1")
    }
    return Tensor.record("reshape", output: viewed(target), inputs: [self]) { pass in
      try pass.addReduced(pass.dout.viewed(self.shape), to: 0)
    }
  }

  /// The axes in another order: axis i of the result is axis `order[i]`.
  public func permuted(_ order: [Int]) throws -> Tensor {
    let axes = try order.map { try Shape.axis($0, rank: rank, "permute") }
    guard axes.count == rank, Set(axes).count == rank else {
      throw TensorError("permute needs each of the \(rank) axes of \(Shape.text(shape)) once, not \(order)")
    }
    let target = axes.map { shape[$0] }
    let steps = Shape.strides(shape)
    let copy = StridedCopy(extents: target, steps: axes.map { steps[$0] })
    let output: Tensor
    if copy.isContiguous || count <= 1 {
      output = viewed(target)
    } else {
      output = try Tensor(shape: target)
      output.isMask = isMask
      copy.gather(from: pointer, to: output.pointer)
    }
    return Tensor.record("permute", output: output, inputs: [self]) { pass in
      let dx = try pass.gradient(0)
      copy.scatterAdd(from: pass.dout.pointer, to: dx.pointer)
    }
  }

  /// Two axes exchanged, the last two by default; a tensor with fewer stays as it is.
  public func transposed(_ first: Int = -2, _ second: Int = -1) throws -> Tensor {
    if rank < 2, first == -2, second == -1 { return self }
    var order = Array(0..<rank)
    order.swapAt(try Shape.axis(first, rank: rank, "transpose"), try Shape.axis(second, rank: rank, "transpose"))
    return try permuted(order)
  }

  /// Without axes of extent 1: all of them, or those given, which must have it.
  public func squeezed(_ axes: [Int]? = nil) throws -> Tensor {
    let chosen = try axes?.map { try Shape.axis($0, rank: rank, "squeeze") } ?? shape.indices.filter { shape[$0] == 1 }
    for axis in chosen where shape[axis] != 1 {
      throw TensorError("squeeze: axis \(axis) of \(Shape.text(shape)) has the extent \(shape[axis]), not 1")
    }
    return try reshaped(shape.indices.filter { !chosen.contains($0) }.map { shape[$0] })
  }

  /// With a new axis of extent 1 before the given place.
  public func unsqueezed(_ axis: Int) throws -> Tensor {
    var target = shape
    target.insert(1, at: try Shape.axis(axis, rank: rank + 1, "unsqueeze"))
    return try reshaped(target)
  }

  /// Repeated along new axes and axes of extent 1 until it has the shape.
  public func broadcast(to target: [Int]) throws -> Tensor {
    guard Shape.broadcast(shape, target) == target else {
      throw TensorError("a tensor of shape \(Shape.text(shape)) does not broadcast to \(Shape.text(target))")
    }
    return shape == target ? self : try self + Tensor.zeros(target)
  }

  /// Joined along an existing axis.
  public static func concatenate(_ tensors: [Tensor], axis: Int = 0) throws -> Tensor {
    guard let first = tensors.first else { throw TensorError("concat needs at least one tensor") }
    let axis = try Shape.axis(axis, rank: first.rank, "concat")
    for tensor in tensors {
      var expected = first.shape
      if tensor.rank == first.rank { expected[axis] = tensor.shape[axis] }
      guard tensor.shape == expected else {
        throw TensorError(
          "concat along axis \(axis) cannot join shapes \(Shape.text(first.shape)) and \(Shape.text(tensor.shape))",
          hint: "all extents but that of the axis must be equal")
      }
    }
    var shape = first.shape
    shape[axis] = tensors.reduce(0) { $0 + $1.shape[axis] }
    let output = try Tensor(shape: shape)
    output.isMask = tensors.allSatisfy(\.isMask)
    let outer = shape[..<axis].reduce(1, *)
    let widths = tensors.map { $0.shape[axis...].reduce(1, *) }
    let width = shape[axis...].reduce(1, *)
    /// Pairs of places: in a part's row, and in the whole's row.
    func forEachRow(_ body: (_ part: Int, _ partOffset: Int, _ offset: Int, _ count: Int) -> Void) {
      var start = 0
      for part in widths.indices {
        for row in 0..<outer { body(part, row * widths[part], row * width + start, widths[part]) }
        start += widths[part]
      }
    }
    forEachRow { part, from, to, count in (output.pointer + to).update(from: tensors[part].pointer + from, count: count) }
    return record("concat", output: output, inputs: tensors) { pass in
      let parts = try tensors.indices.map { pass.needs($0) ? try pass.gradient($0) : nil }
      forEachRow { part, to, from, count in
        if let gradient = parts[part] { addScaled(pass.dout.pointer + from, factor: 1, to: gradient.pointer + to, count: count) }
      }
    }
  }

  /// Joined along a new axis.
  public static func stack(_ tensors: [Tensor], axis: Int = 0) throws -> Tensor {
    guard let first = tensors.first else { throw TensorError("stack needs at least one tensor") }
    for tensor in tensors where tensor.shape != first.shape {
      throw TensorError(
        "stack cannot join shapes \(Shape.text(first.shape)) and \(Shape.text(tensor.shape))", hint: "all shapes must be equal")
    }
    let axis = try Shape.axis(axis, rank: first.rank + 1, "stack")
    return try concatenate(tensors.map { try $0.unsqueezed(axis) }, axis: axis)
  }

  /// The matrix with a vector on its diagonal, or the diagonal of a matrix; `offset` counts diagonals to the right.
  public func diagonal(offset: Int = 0) throws -> Tensor {
    guard rank == 1 || rank == 2, offset.magnitude < 1 << 40 else {
      throw TensorError("diag takes a vector or a matrix, not the shape \(Shape.text(shape))")
    }
    let side = rank == 1 ? count + Swift.abs(offset) : 0
    let matrix = rank == 1 ? [side, side] : shape
    _ = try Shape.count(matrix)
    let length = rank == 1 ? count : Swift.max(0, Swift.min(matrix[0] + Swift.min(0, offset), matrix[1] - Swift.max(0, offset)))
    let first = length == 0 ? 0 : offset >= 0 ? offset : -offset * matrix[1]
    let line = StridedCopy(extents: [length], steps: [matrix[1] + 1])
    let output = rank == 1 ? try Tensor.zeros(matrix) : try Tensor(shape: [length])
    if rank == 1 {
      line.scatter(from: pointer, to: output.pointer + first)
    } else if length > 0 {
      line.gather(from: pointer + first, to: output.pointer)
    }
    return Tensor.record("diag", output: output, inputs: [self]) { [self] pass in
      let dx = try pass.gradient(0)
      if rank == 1 {
        let taken = try Tensor(shape: shape)
        line.gather(from: pass.dout.pointer + first, to: taken.pointer)
        addScaled(taken.pointer, factor: 1, to: dx.pointer, count: count)
      } else if length > 0 {
        line.scatterAdd(from: pass.dout.pointer, to: dx.pointer + first)
      }
    }
  }
}
