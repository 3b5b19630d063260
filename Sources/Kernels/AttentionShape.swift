// The sizes and strides of one attention, and which keys a query sees.

/// Sizes, strides and mask of causal grouped-query attention.
///
/// Query head h uses key-value head h / (heads / keyValueHeads). Query i stands at position queryOffset + i among the keys
/// and sees key j if j ≤ position, and, with a sliding window w, position − w < j.
public struct AttentionShape: Sendable, Equatable {
  /// Queries (tokens).
  public var queries: Int
  /// Keys and values (tokens), those of a cache included.
  public var keys: Int
  /// Query heads; a multiple of `keyValueHeads`.
  public var heads: Int
  /// Key and value heads.
  public var keyValueHeads: Int
  /// Elements of a head.
  public var headDimension: Int
  /// What products of queries and keys are multiplied by.
  public var scale: Float
  /// How many keys a query sees at most, itself included; nil for all.
  public var slidingWindow: Int?
  /// Position of the first query among the keys.
  public var queryOffset: Int
  /// Floats from a query token to the next.
  public var queryStride: Int
  /// Floats from a key token to the next.
  public var keyStride: Int
  /// Floats from a value token to the next.
  public var valueStride: Int
  /// Floats from an output token to the next.
  public var outputStride: Int

  /// Describes an attention whose last query sees the last key, over contiguous memory; change what differs.
  ///
  /// The scale is 1/√headDimension.
  public init(
    queries: Int, keys: Int? = nil, heads: Int, keyValueHeads: Int, headDimension: Int, slidingWindow: Int? = nil
  ) {
    self.queries = queries
    self.keys = keys ?? queries
    self.heads = heads
    self.keyValueHeads = keyValueHeads
    self.headDimension = headDimension
    scale = 1 / Float(headDimension).squareRoot()
    self.slidingWindow = slidingWindow
    queryOffset = self.keys - queries
    queryStride = heads * headDimension
    keyStride = keyValueHeads * headDimension
    valueStride = keyValueHeads * headDimension
    outputStride = heads * headDimension
  }

  /// Query heads per key-value head.
  var group: Int { heads / keyValueHeads }

  /// The first key that the query at `position` sees.
  func firstKey(_ position: Int) -> Int { slidingWindow.map { max(0, position - $0 + 1) } ?? 0 }
}

/// One document of a packed batch, tokens that see only each other; without documents, the whole batch.
struct AttentionSpan {
  /// First query row.
  let query: Int
  /// Queries.
  let queries: Int
  /// First key row.
  let key: Int
  /// Keys.
  let keys: Int
  /// Position of the first query among the keys.
  let queryOffset: Int

  /// The spans of an attention: its documents (then as many queries as keys), or all of it.
  static func all(_ shape: AttentionShape, _ documents: [Range<Int>]?) -> [AttentionSpan] {
    guard let documents else {
      return [AttentionSpan(query: 0, queries: shape.queries, key: 0, keys: shape.keys, queryOffset: shape.queryOffset)]
    }
    return documents.map { AttentionSpan(query: $0.lowerBound, queries: $0.count, key: $0.lowerBound, keys: $0.count, queryOffset: 0) }
  }
}
