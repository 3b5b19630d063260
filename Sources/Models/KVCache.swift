// The keys and values of the tokens a model has read, so that each new token is computed alone.

import Tensors

/// Keys and values of a run of tokens, for every layer of one model.
public final class KVCache {
  /// The tokens whose keys and values are held.
  public private(set) var ids: [Int32] = []
  /// How many tokens fit without growing.
  public private(set) var capacity = 0
  private let width: Int
  private var keys: [Storage]
  private var values: [Storage]

  /// An empty cache for a model of that configuration.
  public init(_ configuration: Configuration, capacity: Int = 0) throws {
    width = configuration.keyValueWidth
    keys = try (0..<configuration.numHiddenLayers).map { _ in try Storage(count: 0) }
    values = keys
    try reserve(capacity)
  }

  /// How many tokens are held.
  public var count: Int { ids.count }

  /// Bytes the cache takes.
  public var bytes: Int { 2 * keys.count * capacity * width * MemoryLayout<Float>.size }

  /// Makes room for `wanted` tokens in all; what is held stays.
  public func reserve(_ wanted: Int) throws {
    guard wanted > capacity else { return }
    let (size, overflow) = wanted.multipliedReportingOverflow(by: width)
    guard !overflow else { throw ModelError("a cache of \(wanted) tokens is too large") }
    for layer in keys.indices {
      keys[layer] = try grown(keys[layer], to: size)
      values[layer] = try grown(values[layer], to: size)
    }
    capacity = wanted
    ids.reserveCapacity(wanted)
  }

  private func grown(_ old: Storage, to size: Int) throws -> Storage {
    let new = try Storage(count: size)
    new.base.update(from: old.base, count: count * width)
    return new
  }

  /// Forgets all tokens from `length` on.
  public func truncate(to length: Int) { ids.removeLast(max(0, count - max(0, length))) }

  /// Takes tokens whose keys and values were written into the rows from `count` on.
  func commit(_ new: some Collection<Int32>) {
    precondition(count + new.count <= capacity, "\(count) + \(new.count) tokens in a cache for \(capacity)")
    ids.append(contentsOf: new)
  }

  /// The first key of a layer, shape (capacity, keyValueWidth).
  func keys(_ layer: Int) -> UnsafeMutablePointer<Float> { keys[layer].base }
  /// The first value of a layer, shape (capacity, keyValueWidth).
  func values(_ layer: Int) -> UnsafeMutablePointer<Float> { values[layer].base }
}
