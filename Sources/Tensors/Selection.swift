// What stands between [ and ], resolved against a shape as NumPy does it: whole numbers, slices with any step, the ellipsis,
// new axes, index tensors that broadcast together, and boolean masks. The result says where each selected element lies.

/// One part of an index.
public enum TensorIndex: Sendable {
  /// A whole number, negative from the end; its axis disappears.
  case at(Int)
  /// Python's slice.
  case slice(start: Int?, stop: Int?, step: Int?)
  /// All axes that no other part takes.
  case ellipsis
  /// A new axis of extent 1.
  case newAxis
  /// Elements by index; several of these broadcast together.
  case indices(shape: [Int], values: [Int])
  /// Elements where the mask is true; it takes as many axes as it has.
  case mask(shape: [Int], values: [Bool])
}

/// The elements that an index selects: blocks walked by steps, one block per combination of index tensors.
struct Selection {
  /// Shape of the result.
  private(set) var shape: [Int] = []
  /// Offset, in the source, of the first element.
  private var base = 0
  /// Plain axes of the result before and after the index tensors' axes: extents and steps.
  private var before: [(extent: Int, step: Int)] = []
  private var after: [(extent: Int, step: Int)] = []
  /// Offsets that the index tensors add; nil where there are none.
  private var offsets: [Int]?

  /// Resolves an index against a shape.
  init(_ index: [TensorIndex], of source: [Int]) throws {
    let parts = try Selection.expand(index, source)
    let strides = Shape.strides(source)
    // Beside an index tensor a whole number is an index tensor of rank 0 (NumPy's rule, visible in where the axes go).
    let hasTensors = parts.contains { if case .indices = $0 { true } else { false } }
    var axis = 0
    var tensors: [(shape: [Int], offsets: [Int])] = []
    var lastTensorPart: Int?
    var isAdjacent = true
    var plain: [(extent: Int, step: Int)] = []
    var tensorPlace = 0
    func noteTensor(_ part: Int) {
      if let last = lastTensorPart { isAdjacent = isAdjacent && part == last + 1 } else { tensorPlace = plain.count }
      lastTensorPart = part
    }
    for (place, part) in parts.enumerated() {
      switch part {
      case .at(let index):
        let offset = try Selection.resolve(index, axis, source[axis]) * strides[axis]
        if hasTensors {
          noteTensor(place)
          tensors.append(([], [offset]))
        } else {
          base += offset
        }
        axis += 1
      case .slice(let start, let stop, let step):
        let (first, count, step) = try Selection.resolve(start, stop, step, source[axis])
        base += first * strides[axis]
        plain.append((count, step * strides[axis]))
        axis += 1
      case .newAxis:
        plain.append((1, 0))
      case .indices(let shape, let values):
        noteTensor(place)
        let extent = source[axis]
        tensors.append((shape, try values.map { try Selection.resolve($0, axis, extent) * strides[axis] }))
        axis += 1
      case .ellipsis, .mask:
        preconditionFailure("expand leaves no ellipsis and no mask")
      }
    }
    guard hasTensors else {
      before = plain
      shape = plain.map(\.extent)
      return
    }
    let front = isAdjacent ? tensorPlace : 0
    before = Array(plain[..<front])
    after = Array(plain[front...])
    let (common, sums) = try Selection.broadcast(tensors)
    offsets = sums
    shape = before.map(\.extent) + common + after.map(\.extent)
  }

  /// The selection as one strided block; nil where index tensors take part.
  var block: (base: Int, extents: [Int], steps: [Int])? {
    offsets == nil ? (base, before.map(\.extent), before.map(\.step)) : nil
  }

  /// Whether two selected elements may be one and the same.
  var mayRepeat: Bool { offsets != nil }

  /// Places of all selected elements in the source, in the order of the result.
  func places() -> [Int] {
    var result = [base]
    result.reserveCapacity(shape.reduce(1, *))
    for axis in before { result = Selection.extended(result, by: (0..<axis.extent).map { $0 * axis.step }) }
    if let offsets { result = Selection.extended(result, by: offsets) }
    for axis in after { result = Selection.extended(result, by: (0..<axis.extent).map { $0 * axis.step }) }
    return result
  }

  private static func extended(_ places: [Int], by steps: [Int]) -> [Int] {
    places.flatMap { place in steps.map { place + $0 } }
  }

  /// Replaces the ellipsis by full slices and masks by index tensors, and appends the slices that were left out.
  private static func expand(_ index: [TensorIndex], _ source: [Int]) throws -> [TensorIndex] {
    var taken = 0
    var ellipses = 0
    for part in index {
      switch part {
      case .at, .slice, .indices: taken += 1
      case .mask(let shape, _): taken += shape.count
      case .ellipsis: ellipses += 1
      case .newAxis: break
      }
    }
    guard ellipses <= 1 else { throw TensorError("an index can have only one '...'") }
    guard taken <= source.count else {
      throw TensorError(
        "\(taken) indices are too many for a tensor of shape \(Shape.text(source))",
        hint: source.isEmpty ? "a number has no axes; .item is its value" : "it has \(source.count) \(source.count == 1 ? "axis" : "axes")")
    }
    let full = Array(repeating: TensorIndex.slice(start: nil, stop: nil, step: nil), count: source.count - taken)
    var parts: [TensorIndex] = []
    var axis = 0
    for part in index {
      switch part {
      case .ellipsis:
        parts += full
        axis += full.count
      case .mask(let shape, let values):
        parts += try indices(of: shape, values, axis: axis, source)
        axis += shape.count
      case .newAxis:
        parts.append(part)
      default:
        parts.append(part)
        axis += 1
      }
    }
    return ellipses == 0 ? parts + full : parts
  }

  /// The index tensors that a mask stands for, one per axis.
  private static func indices(of shape: [Int], _ mask: [Bool], axis: Int, _ source: [Int]) throws -> [TensorIndex] {
    let covered = Array(source[axis..<(axis + shape.count)])
    guard covered == shape else {
      throw TensorError(
        "a mask of shape \(Shape.text(shape)) does not fit a tensor of shape \(Shape.text(source))",
        hint: "it has to have the extents of the axes it stands for, here \(Shape.text(covered))")
    }
    let hits = mask.indices.filter { mask[$0] }
    let strides = Shape.strides(shape)
    return shape.indices.map { axis in
      .indices(shape: [hits.count], values: hits.map { $0 / strides[axis] % shape[axis] })
    }
  }

  private static func resolve(_ index: Int, _ axis: Int, _ extent: Int) throws -> Int {
    guard index >= -extent, index < extent else {
      throw TensorError(
        "index \(index) is out of range for axis \(axis) with \(extent) \(extent == 1 ? "element" : "elements")",
        hint: extent == 0 ? "the axis is empty" : "indices go from \(-extent) to \(extent - 1)")
    }
    return index < 0 ? index + extent : index
  }

  /// Python's rules for slices: bounds beyond the ends are cut, not errors.
  private static func resolve(_ start: Int?, _ stop: Int?, _ step: Int?, _ extent: Int) throws -> (first: Int, count: Int, step: Int) {
    let step = step ?? 1
    guard step != 0, step != .min else { throw TensorError("a slice cannot have the step \(step)") }
    let lowest = step > 0 ? 0 : -1
    let highest = step > 0 ? extent : extent - 1
    func bound(_ value: Int?, _ missing: Int) -> Int {
      guard let value else { return missing }
      return Swift.min(highest, Swift.max(lowest, value < 0 ? value + extent : value))
    }
    let first = bound(start, step > 0 ? lowest : highest)
    let end = bound(stop, step > 0 ? highest : lowest)
    let distance = step > 0 ? end - first : first - end
    if distance <= 0 { return (0, 0, 1) }
    let count = (distance - 1) / Int(step.magnitude) + 1
    return (first, count, count == 1 ? 1 : step)
  }

  /// Sums of the offsets of index tensors, broadcast together.
  private static func broadcast(_ tensors: [(shape: [Int], offsets: [Int])]) throws -> (shape: [Int], offsets: [Int]) {
    var common: [Int] = []
    for tensor in tensors {
      guard let wider = Shape.broadcast(common, tensor.shape) else {
        let shapes = tensors.map { Shape.text($0.shape) }.joined(separator: " and ")
        throw TensorError("index tensors of shapes \(shapes) do not broadcast together")
      }
      common = wider
    }
    let count = try Shape.count(common)
    if let free = MemoryBudget.availableBytes(), count > free / 32 {
      throw TensorError("index tensors that broadcast to \(Shape.text(common)) need more memory than there is")
    }
    var sums = [Int](repeating: 0, count: count)
    for tensor in tensors {
      let strides = Shape.broadcastStrides(tensor.shape, to: common)
      let own = Shape.strides(common)
      for position in sums.indices {
        var place = 0
        for axis in common.indices { place += position / own[axis] % Swift.max(1, common[axis]) * strides[axis] }
        sums[position] += tensor.offsets[place]
      }
    }
    return (common, sums)
  }
}
