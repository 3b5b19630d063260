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

/// Queries that see a run of keys: a document of a packed batch, or a branch whose keys begin with a shared prefix.
public struct AttentionSpan: Sendable, Equatable {
  /// First query row.
  public let query: Int
  /// Queries.
  public let queries: Int
  /// First key row.
  public let key: Int
  /// Keys.
  public let keys: Int
  /// Position of the first query among the keys.
  public let queryOffset: Int

  /// A span whose last query sees its last key.
  ///
  /// In a backward pass no two spans may share queries or keys.
  public init(query: Int, queries: Int, key: Int, keys: Int) {
    self.init(query: query, queries: queries, key: key, keys: keys, queryOffset: keys - queries)
  }

  /// Tokens that see only each other, queries and keys at the same rows.
  public init(document: Range<Int>) {
    self.init(query: document.lowerBound, queries: document.count, key: document.lowerBound, keys: document.count)
  }

  init(query: Int, queries: Int, key: Int, keys: Int, queryOffset: Int) {
    self.query = query
    self.queries = queries
    self.key = key
    self.keys = keys
    self.queryOffset = queryOffset
  }

  /// All queries and keys of an attention as one span.
  static func whole(_ shape: AttentionShape) -> AttentionSpan {
    AttentionSpan(query: 0, queries: shape.queries, key: 0, keys: shape.keys, queryOffset: shape.queryOffset)
  }
}
