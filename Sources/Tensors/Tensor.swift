// The tensor: a shape over contiguous row-major fp32 memory, and how it was made if a gradient may be asked for.
// Values are immutable by convention: operations make new tensors, and only optimizers write into parameters.

import Kernels

/// A dense fp32 array that remembers how it was made.
///
/// Bind a tensor to a name while its `pointer` is in use: the memory lives as long as the tensor.
public final class Tensor: @unchecked Sendable {
  /// Extents, outermost first; empty for a single number.
  public let shape: [Int]
  /// Number of elements.
  public let count: Int
  /// The memory, which views such as a reshape share.
  public let storage: Storage
  /// First element of this tensor in `storage`, a multiple of 16.
  public let offset: Int
  /// Whether gradients flow to this tensor: a leaf to differentiate by, or a result recorded on the tape.
  public var requiresGradient = false
  /// Whether the elements are 1 and 0 for true and false: what comparisons give, and what selects as a mask when it is an index.
  public var isMask = false
  /// The operation that made this tensor, if it was recorded.
  var node: Node?

  /// A tensor whose elements are not initialised.
  ///
  /// - Parameter lasting: It will be kept for long, as moments and gradients are: it takes no memory larger than it needs.
  public init(shape: [Int], lasting: Bool = false) throws {
    self.shape = shape
    count = try Shape.count(shape)
    offset = 0
    do {
      storage = try Storage(count: count, lasting: lasting)
    } catch let error as TensorError {
      throw TensorError("a tensor of shape \(Shape.text(shape)): \(error.message)", hint: error.hint)
    }
  }

  /// A tensor over memory that exists already; the caller has checked that it is large enough.
  init(shape: [Int], storage: Storage, offset: Int) {
    self.shape = shape
    count = shape.reduce(1, *)
    precondition(offset >= 0 && offset + count <= storage.count, "a view of \(count) at \(offset) leaves \(storage.count) elements")
    self.storage = storage
    self.offset = offset
  }

  /// A tensor of the given elements, in row-major order.
  public convenience init(shape: [Int], values: [Float]) throws {
    guard try Shape.count(shape) == values.count else {
      throw TensorError("\(values.count) values do not fill the shape \(Shape.text(shape))")
    }
    try self.init(shape: shape)
    values.withUnsafeBufferPointer { source in
      if let base = source.baseAddress { pointer.update(from: base, count: count) }
    }
  }

  /// A trainable leaf with the given elements.
  public convenience init(parameter shape: [Int], values: [Float]) throws {
    try self.init(shape: shape, values: values)
    requiresGradient = true
  }

  /// The first element; 64-byte aligned.
  public var pointer: UnsafeMutablePointer<Float> { storage.base + offset }

  /// A copy of the elements, in row-major order.
  public var values: [Float] { Array(UnsafeBufferPointer(start: pointer, count: count)) }

  /// The number of axes.
  public var rank: Int { shape.count }

  /// The same memory off the tape, or as a leaf of its own.
  ///
  /// A backward closure that needs its own output captures `output.detached()`, never `output`, which would hold itself.
  public func detached(requiresGradient: Bool = false) -> Tensor {
    let result = viewed(shape)
    result.requiresGradient = requiresGradient
    return result
  }

  /// A copy in memory of its own, off the tape.
  public func copied(lasting: Bool = false) throws -> Tensor {
    let result = try Tensor(shape: shape, lasting: lasting)
    result.pointer.update(from: pointer, count: count)
    result.isMask = isMask
    return result
  }

  /// A tensor of zeros.
  public static func zeros(_ shape: [Int], lasting: Bool = false) throws -> Tensor { try full(shape, 0, lasting: lasting) }

  /// A tensor of one value.
  public static func full(_ shape: [Int], _ value: Float, lasting: Bool = false) throws -> Tensor {
    let result = try Tensor(shape: shape, lasting: lasting)
    fill(result.pointer, with: value, count: result.count)
    return result
  }

  /// A tensor of rank 0.
  public static func scalar(_ value: Float) throws -> Tensor { try full([], value) }

  /// The only element, or an error if there is not exactly one.
  public func item() throws -> Float {
    guard count == 1 else {
      throw TensorError(
        "a tensor of shape \(Shape.text(shape)) has \(count) elements, not one", hint: "index it first, or reduce it with sum, mean or max")
    }
    return pointer[0]
  }
}
