// The keys and values of the tokens a model has read, so that each new token is computed alone. They lie in pages of 128 tokens,
// each with the keys and values of all layers: a cache grows by a page without copying what it holds, copies of a cache share
// their pages until one of them writes, and a sliding window lets go of pages that no later token sees.

import Kernels
import Tensors

/// The memory of one page.
private final class CachePage {
  let storage: Storage
  init(bytes: Int) throws { storage = try Storage(count: (bytes + 3) / 4) }
  var base: UnsafeMutableRawPointer { UnsafeMutableRawPointer(storage.base) }
}

/// Keys and values of a run of tokens, for every layer of one model.
public final class KVCache {
  /// The tokens that were read; keys and values of the oldest may be gone where a sliding window never looks again.
  public private(set) var ids: [Int32] = []
  /// How keys and values are stored.
  public let type: AttentionCacheType
  private let layers: Int
  private let heads: Int
  private let headDimension: Int
  private let slidingWindow: Int?
  private var pages: [CachePage?] = []
  /// The first byte of each page, for kernels.
  private var bases: UnsafeMutablePointer<UnsafeRawPointer?>
  private var basesCapacity = 0
  /// The first page that is still held.
  private var firstPage = 0

  /// An empty cache for a model of that configuration, with room for `capacity` tokens.
  public init(_ configuration: Configuration, type: AttentionCacheType = .f32, capacity: Int = 0) throws {
    self.type = type
    layers = configuration.numHiddenLayers
    heads = configuration.numKeyValueHeads
    headDimension = configuration.headDimension
    slidingWindow = configuration.slidingWindow
    bases = .allocate(capacity: 1)
    try reserve(capacity)
  }

  private init(copying other: KVCache) {
    (ids, type, layers, heads) = (other.ids, other.type, other.layers, other.heads)
    (headDimension, slidingWindow, pages, firstPage) = (other.headDimension, other.slidingWindow, other.pages, other.firstPage)
    basesCapacity = other.pages.count
    bases = .allocate(capacity: max(1, basesCapacity))
    for index in pages.indices { (bases + index).initialize(to: other.bases[index]) }
  }

  deinit { bases.deallocate() }

  /// A cache that holds the same tokens; the memory is shared until either is written to.
  public func fork() -> KVCache { KVCache(copying: self) }

  /// How many tokens were read.
  public var count: Int { ids.count }

  /// How many tokens fit without another page.
  public var capacity: Int { pages.count * attentionPageTokens }

  /// Bytes of the pages that are held, those shared with other caches included.
  public var bytes: Int { pages.count { $0 != nil } * pageBytes }

  private var headBytes: Int { attentionPageTokens * headDimension * type.bytes }
  /// Bytes of a layer's keys in a page, and of its values.
  private var halfBytes: Int { heads * headBytes }
  private var pageBytes: Int { layers * 2 * halfBytes }

  /// Makes room for `wanted` tokens in all; what is held stays where it is.
  public func reserve(_ wanted: Int) throws {
    let (sum, overflow) = max(0, wanted).addingReportingOverflow(attentionPageTokens - 1)
    guard !overflow else { throw ModelError("a cache of \(wanted) tokens is too large") }
    while pages.count < sum / attentionPageTokens { try appendPage() }
  }

  private func appendPage() throws {
    let page = try CachePage(bytes: pageBytes)
    if pages.count == basesCapacity {
      let larger = UnsafeMutablePointer<UnsafeRawPointer?>.allocate(capacity: max(16, 2 * basesCapacity))
      larger.update(from: bases, count: pages.count)
      bases.deallocate()
      bases = larger
      basesCapacity = max(16, 2 * basesCapacity)
    }
    pages.append(page)
    (bases + pages.count - 1).initialize(to: UnsafeRawPointer(page.base))
  }

  /// Makes the rows from `count` on writable, `more` of them: present, and no other cache's.
  func makeRoom(_ more: Int) throws {
    try reserve(count + more)
    for index in count / attentionPageTokens..<(count + more + attentionPageTokens - 1) / attentionPageTokens {
      guard !isKnownUniquelyReferenced(&pages[index]) else { continue }
      let own = try CachePage(bytes: pageBytes)
      let held = min(attentionPageTokens, max(0, count - index * attentionPageTokens)) * headDimension * type.bytes
      if let shared = pages[index], held > 0 {
        for part in 0..<2 * layers * heads {
          (own.base + part * headBytes).copyMemory(from: shared.base + part * headBytes, byteCount: held)
        }
      }
      pages[index] = own
      bases[index] = UnsafeRawPointer(own.base)
    }
  }

  /// Forgets all tokens from `length` on.
  ///
  /// Where a sliding window has let go of what the next token would see, everything is forgotten: look at `count` afterwards.
  public func truncate(to length: Int) {
    let kept = min(count, max(0, length))
    let isWhole = kept == 0 || firstVisible(kept) >= firstPage * attentionPageTokens
    ids.removeLast(count - (isWhole ? kept : 0))
    guard count == 0, firstPage > 0 else { return }
    pages.removeAll()
    firstPage = 0
  }

  /// Takes tokens whose keys and values were written into the rows from `count` on.
  func commit(_ new: some Collection<Int32>) {
    precondition(count + new.count <= capacity, "\(count) + \(new.count) tokens in a cache for \(capacity)")
    ids.append(contentsOf: new)
    guard let slidingWindow else { return }
    // Some pages more than the window are kept, so that a turn can be taken back without reading everything again.
    let slack = min(slidingWindow, 1024)
    while (firstPage + 1) * attentionPageTokens <= firstVisible(count) - slack {
      pages[firstPage] = nil
      bases[firstPage] = nil
      firstPage += 1
    }
  }

  /// The first token that the one at `position` sees.
  func firstVisible(_ position: Int) -> Int { slidingWindow.map { max(0, position - $0 + 1) } ?? 0 }

  /// The pages, for kernels; those before the sliding window are nil.
  var pageTable: UnsafePointer<UnsafeRawPointer?> { UnsafePointer(bases) }

  /// Where a layer's keys and values lie in each page.
  func layout(_ layer: Int) -> AttentionPageLayout {
    let keys = layer * 2 * halfBytes
    return AttentionPageLayout(keyOffset: keys, valueOffset: keys + halfBytes, heads: heads, dimension: headDimension, type: type)
  }

  /// Stores rows of keys and values of a layer behind the tokens held, without counting them yet.
  func write(_ keys: UnsafePointer<Float>, _ values: UnsafePointer<Float>, rows: Int, layer: Int) {
    let layout = layout(layer)
    let width = heads * headDimension
    for row in 0..<rows {
      let position = count + row
      guard let page = pages[position / attentionPageTokens]?.base else { continue }
      let token = position % attentionPageTokens
      writePageRow(keys + row * width, token: token, layout: layout, to: page + layout.keyOffset)
      writePageRow(values + row * width, token: token, layout: layout, to: page + layout.valueOffset)
    }
  }
}
