// Weighted sums of adapters on one base. The mean of two low-rank products is no product of that rank, but it is one of their ranks'
// sum: the rows of the A stand one above the other, the columns of the B side by side, each with its share.

import Tensors

extension LanguageModel {
  /// A model on the same base whose adapters have room for several of this model's, and are zero: it is the base so far.
  ///
  /// - Parameter slots: How many, at least 1.
  /// - Throws: `ModelError` for a model without adapters.
  public func mixture(slots: Int) throws -> LanguageModel {
    guard let base, var options = loraOptions else { throw ModelError("\(name) has no adapters that could be mixed") }
    let made = try adapters.map { adapter in
      let (rank, inputs, outputs) = (adapter.a.shape[0], adapter.a.shape[1], adapter.b.shape[0])
      return Adapter(
        layer: adapter.layer, projection: adapter.projection, a: try .zeros([slots * rank, inputs]),
        b: try .zeros([outputs, slots * rank]),
        scale: adapter.scale, dropout: 0)
    }
    // The same scale at the larger rank.
    options.alpha *= options.rsLoRA ? Double(slots).squareRoot() : Double(slots)
    options.rank *= slots
    options.dropout = 0
    return base.withAdapters(made, options)
  }

  /// Makes this mixture's product share·(that of a policy) + (1 − share)·(its own): the policy's adapters take a slot, and what was there is lost.
  ///
  /// - Parameters:
  ///   - policy: The model that `mixture` was asked of, or one like it.
  ///   - share: The policy's share, from 0 to 1.
  ///   - slot: From 0 to below the number of slots.
  public func mix(in policy: LanguageModel, share: Float, slot: Int) {
    for (own, theirs) in zip(adapters, policy.adapters) {
      let (rank, inputs, width) = (theirs.a.shape[0], theirs.a.shape[1], own.a.shape[0])
      precondition((slot + 1) * rank <= width, "slot \(slot) of rank \(rank) in adapters of rank \(width)")
      for index in 0..<own.b.count { own.b.pointer[index] *= 1 - share }
      (own.a.pointer + slot * rank * inputs).update(from: theirs.a.pointer, count: rank * inputs)
      for row in 0..<own.b.shape[0] {
        for k in 0..<rank { own.b.pointer[row * width + slot * rank + k] = share * theirs.b.pointer[row * rank + k] }
      }
    }
  }
}
