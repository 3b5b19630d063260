// A weight matrix as a model holds it: frozen blocks of any type over memory that something else owns, or a trainable tensor.

import Kernels

/// A matrix of a model, rows outputs and columns inputs; one class for frozen blocks and trainable floats.
public final class Weight: @unchecked Sendable {
  /// The elements, for kernels; valid while this weight lives.
  public let view: WeightView
  /// The trainable floats, or nil if the weight is frozen blocks.
  public let tensor: Tensor?
  /// A copy in the order that one-row products like, if there is one.
  public let interleaved: InterleavedWeight?
  private let owner: AnyObject?

  /// A frozen weight over the memory of `view`, which `owner` keeps alive.
  ///
  /// With `interleave` a second copy is made in the order that decoding reads fastest, where the type gains by it.
  public init(view: WeightView, owner: AnyObject?, interleave: Bool) {
    self.view = view
    self.owner = owner
    tensor = nil
    interleaved = interleave ? InterleavedWeight(view) : nil
  }

  /// A weight over the floats of a tensor of shape (rows, columns); gradients flow to it if it requires them.
  public init(tensor: Tensor) {
    precondition(tensor.rank == 2, "a weight is a matrix, not a tensor of shape \(Shape.text(tensor.shape))")
    view = WeightView(type: .f32, base: UnsafeRawPointer(tensor.pointer), rows: tensor.shape[0], columns: tensor.shape[1])
    self.tensor = tensor
    owner = nil
    interleaved = nil
  }

  /// A weight whose passes use `storage` elements, rounded from the fp32 tensor that the optimizer moves.
  ///
  /// Whoever writes into the tensor calls `refresh()`.
  public init(tensor: Tensor, stored storage: WeightType) throws {
    precondition(tensor.rank == 2, "a weight is a matrix, not a tensor of shape \(Shape.text(tensor.shape))")
    let (rows, columns) = (tensor.shape[0], tensor.shape[1])
    guard columns % storage.blockElements == 0 else {
      throw TensorError("rows of \(columns) elements are no whole blocks of \(storage.name)")
    }
    let memory = try Storage(count: (rows * storage.rowBytes(columns: columns) + 3) / 4)
    view = WeightView(type: storage, base: UnsafeRawPointer(memory.base), rows: rows, columns: columns)
    self.tensor = tensor
    owner = memory
    interleaved = nil
    refresh()
  }

  /// Rounds the tensor's elements into the stored ones, where those are apart.
  public func refresh() {
    guard let tensor, let memory = owner as? Storage else { return }
    pack(view.type, from: tensor.pointer, to: UnsafeMutableRawPointer(memory.base), count: tensor.count)
  }

  /// Outputs.
  public var rows: Int { view.rows }
  /// Inputs.
  public var columns: Int { view.columns }
  /// How the elements are stored.
  public var type: WeightType { view.type }
  /// Memory of the elements, without an interleaved copy.
  public var bytes: Int { view.rows * view.rowBytes }

  /// Whether the elements lie in a file's pages: neither in a tensor nor in memory that was taken for them.
  public var isMapped: Bool {
    if let other = owner as? Weight { return other.isMapped }
    return tensor == nil && owner != nil && !(owner is Storage) && !(owner is Tensor)
  }

  /// The inputs of an operation on `x` and this weight: the weight is one where it can be trained.
  func inputs(with x: Tensor...) -> [Tensor] { x + (tensor.map { [$0] } ?? []) }
}
