// Reading and writing by index. A slice that is one aligned run of memory is shared, everything else is copied; assignment
// makes a new tensor, so whoever holds the old one sees no change.

import Kernels

extension Tensor {
  /// The selected elements.
  public func indexed(_ index: [TensorIndex]) throws -> Tensor {
    let selection = try Selection(index, of: shape)
    guard let block = selection.block else { return try taken(selection.places(), shape: selection.shape, name: "index") }
    let copy = StridedCopy(extents: block.extents, steps: block.steps)
    let output: Tensor
    // Kernels may rely on alignment, so only a view that keeps it is given out.
    if copy.isContiguous, (offset + block.base) % 16 == 0, selection.shape.reduce(1, *) > 0 {
      output = Tensor(shape: selection.shape, storage: storage, offset: offset + block.base)
    } else {
      output = try Tensor(shape: selection.shape)
      if output.count > 0 { copy.gather(from: pointer + block.base, to: output.pointer) }
    }
    output.isMask = isMask
    return Tensor.record("index", output: output, inputs: [self]) { pass in
      let dx = try pass.gradient(0)
      if pass.dout.count > 0 { copy.scatterAdd(from: pass.dout.pointer, to: dx.pointer + block.base) }
    }
  }

  /// A tensor with the selected elements replaced by a value that broadcasts to them; the last of repeated places counts.
  public func assigning(_ value: Tensor, at index: [TensorIndex]) throws -> Tensor {
    let selection = try Selection(index, of: shape)
    // Leading axes of extent 1 may be too many, as in NumPy.
    var trimmed = value.shape
    while trimmed.count > selection.shape.count, trimmed.first == 1 { trimmed.removeFirst() }
    guard Shape.broadcast(trimmed, selection.shape) == selection.shape else {
      throw TensorError(
        "a value of shape \(Shape.text(value.shape)) cannot be assigned to a selection of shape \(Shape.text(selection.shape))",
        hint: "the value has to have that shape, or broadcast to it")
    }
    let source = try value.detached().viewed(trimmed).broadcast(to: selection.shape)
    let output = try copied()
    output.isMask = isMask && value.isMask
    let places = Places(selection)
    places.scatter(from: source, to: output)
    return Tensor.record("index =", output: output, inputs: [self, value]) { pass in
      if pass.needs(0) {
        let rest = try pass.dout.copied()
        places.scatter(from: try .zeros(selection.shape), to: rest)
        pass.accumulate(0, rest)
      }
      if pass.needs(1) { try pass.addReduced(places.gather(from: pass.dout).viewed(selection.shape), to: 1, viewedAs: trimmed) }
    }
  }
}

extension BackwardPass {
  /// `addReduced` for an input that took part under another shape of the same count.
  fileprivate func addReduced(_ term: Tensor, to input: Int, viewedAs shape: [Int]) throws {
    let gradient = try gradient(input)
    let wide = Array(repeating: 1, count: term.rank - shape.count) + shape
    let axes = term.shape.indices.filter { wide[$0] == 1 && term.shape[$0] != 1 }
    let reduced = axes.isEmpty ? term : try term.reduceSum(axes: axes, scale: 1)
    addScaled(reduced.pointer, factor: 1, to: gradient.pointer, count: gradient.count)
  }
}

/// Where an assignment writes; of repeated places only the last counts, also for the gradient of the value.
private enum Places {
  case block(base: Int, copy: StridedCopy, shape: [Int])
  case list([Int], shape: [Int], isLast: [Bool])

  init(_ selection: Selection) {
    if let block = selection.block {
      self = .block(base: block.base, copy: StridedCopy(extents: block.extents, steps: block.steps), shape: selection.shape)
      return
    }
    let places = selection.places()
    var writer: [Int: Int] = [:]
    for (position, place) in places.enumerated() { writer[place] = position }
    self = .list(places, shape: selection.shape, isLast: places.enumerated().map { writer[$1] == $0 })
  }

  func scatter(from source: Tensor, to target: Tensor) {
    if source.count == 0 { return }
    switch self {
    case .block(let base, let copy, _): copy.scatter(from: source.pointer, to: target.pointer + base)
    case .list(let places, _, _):
      for (position, place) in places.enumerated() { target.pointer[place] = source.pointer[position] }
    }
  }

  func gather(from source: Tensor) throws -> Tensor {
    switch self {
    case .block(let base, let copy, let shape):
      let result = try Tensor(shape: shape)
      if result.count > 0 { copy.gather(from: source.pointer + base, to: result.pointer) }
      return result
    case .list(let places, let shape, let isLast):
      let result = try Tensor(shape: shape)
      for (position, place) in places.enumerated() { result.pointer[position] = isLast[position] ? source.pointer[place] : 0 }
      return result
    }
  }
}
