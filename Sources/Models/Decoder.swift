// Reading tokens into a key-value cache: a prompt in batches of rows, then one token after the other; the layers themselves are
// in DecoderPass.swift. Buffers are made once, so that a decoded token allocates nothing but, now and then, a page of the cache.

import Kernels
import Tensors

/// A model at work on one sequence: its cache, and the logits after the last token.
public final class Decoder {
  /// The model.
  public let model: LanguageModel
  /// What was read so far.
  public let cache: KVCache
  /// Whether the model's adapters take part.
  public let adapters: Bool

  /// The most rows of a prompt that go through the layers at once.
  private static let batchRows = 256
  private let pass: DecoderPass
  private let caches: [KVCache]
  private let logitsStorage: Storage
  private var rotary: RotaryTable

  /// A decoder with an empty cache, in which `capacity` tokens have room from the beginning.
  public convenience init(_ model: LanguageModel, capacity: Int = 0, adapters: Bool = true, cacheType: AttentionCacheType = .f32) throws {
    let room = min(capacity, model.configuration.maxPositionEmbeddings)
    try self.init(model, cache: KVCache(model.configuration, type: cacheType, capacity: room), adapters: adapters)
  }

  /// A decoder that goes on with a cache.
  public init(_ model: LanguageModel, cache: KVCache, adapters: Bool = true) throws {
    self.model = model
    self.adapters = adapters && !model.adapters.isEmpty
    self.cache = cache
    caches = [cache]
    pass = try DecoderPass(model, rows: 1, adapters: self.adapters)
    logitsStorage = try Storage(count: model.configuration.vocabularySize)
    rotary = model.rotaryTables.table(positions: max(1, cache.capacity))
  }

  /// The logits after the last token read, shape (vocabularySize,).
  public var logits: UnsafePointer<Float> { UnsafePointer(logitsStorage.base) }

  /// Reads tokens; afterwards `logits` are those that follow the last of them.
  ///
  /// The result does not depend on how a text is cut into calls, to the last bit.
  ///
  /// - Parameter shouldStop: Asked between batches of a long prompt.
  /// - Returns: Whether all were read; what was read before a stop stays in the cache.
  @discardableResult
  public func read(_ ids: [Int32], shouldStop: () -> Bool = { false }) throws -> Bool {
    guard !ids.isEmpty else { return true }
    let end = cache.count + ids.count
    guard end <= model.configuration.maxPositionEmbeddings else { throw ModelError.tooLong(end, model) }
    try model.checkVocabulary(ids)
    if end > rotary.positions { rotary = model.rotaryTables.table(positions: end) }
    var start = 0
    while start < ids.count {
      if start > 0, shouldStop() { return false }
      let rows = min(Self.batchRows, ids.count - start)
      let batch = rows == 1 ? pass : try DecoderPass(model, rows: rows, adapters: adapters)
      try batch.read(ids[start..<start + rows], caches, rotary)
      start += rows
      if start == ids.count { batch.lastLogits(rows, into: logitsStorage.base) }
    }
    return true
  }

  /// Reads one token that was generated, by the kernels for single rows: equal to `read` but for rounding.
  public func step(_ id: Int32) throws {
    let end = cache.count + 1
    guard end <= model.configuration.maxPositionEmbeddings else { throw ModelError.tooLong(end, model) }
    if end > rotary.positions { rotary = model.rotaryTables.table(positions: end) }
    try withUnsafePointer(to: id) { pointer in
      let one = UnsafeBufferPointer(start: pointer, count: 1)
      try model.checkVocabulary(one)
      try pass.step(one, caches, rotary)
    }
    pass.logits(1, into: logitsStorage.base)
  }
}

/// A model at work on several sequences, each with a cache of its own, a token of each at a time.
///
/// Each sequence gets the very bits that `Decoder.step` would give it alone.
public final class BatchDecoder {
  /// The model.
  public let model: LanguageModel
  /// The most sequences at a time.
  public let width: Int
  private let pass: DecoderPass
  private let logitsStorage: Storage
  private var rotary: RotaryTable

  /// A decoder for up to `width` sequences.
  public init(_ model: LanguageModel, width: Int) throws {
    self.model = model
    self.width = max(1, width)
    pass = try DecoderPass(model, rows: self.width, adapters: !model.adapters.isEmpty)
    logitsStorage = try Storage(count: self.width * model.configuration.vocabularySize)
    rotary = model.rotaryTables.table(positions: 1)
  }

  /// The logits of a sequence after the last step, or as `setLogits` put them; shape (vocabularySize,).
  public func logits(_ row: Int) -> UnsafeMutablePointer<Float> { logitsStorage.base + row * model.configuration.vocabularySize }

  /// Reads one token for each cache; row i of the logits then follows `ids[i]`.
  public func step(_ ids: [Int32], _ caches: [KVCache]) throws {
    precondition(ids.count == caches.count && ids.count <= width, "\(ids.count) tokens, \(caches.count) caches, room for \(width)")
    guard !ids.isEmpty else { return }
    try model.checkVocabulary(ids)
    let longest = (caches.map(\.count).max() ?? 0) + 1
    guard longest <= model.configuration.maxPositionEmbeddings else { throw ModelError.tooLong(longest, model) }
    if longest > rotary.positions { rotary = model.rotaryTables.table(positions: longest) }
    try pass.step(ids, caches, rotary)
    pass.logits(ids.count, into: logitsStorage.base)
  }
}
