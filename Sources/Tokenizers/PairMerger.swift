// Byte-pair merging of one word: while some neighbours join, join the pair of lowest rank, leftmost first.
// Short words scan for the lowest rank, O(n²); long ones keep the pairs in a binary heap, O(n log n). Both give what
// `mergeNaively`, the oracle in the tests, gives.

/// Working memory for merging, reused from word to word.
package struct PairMerger {
  /// The word's symbols: filled before, merged after.
  package var symbols: [Int32] = []
  /// Where in the input each symbol of the result began.
  package private(set) var starts: [Int32] = []
  private var ranks: [UInt32] = []
  private var merged: [Int32] = []
  private var next: [Int32] = []
  private var previous: [Int32] = []
  private var heap: [UInt64] = []

  package init() {}

  /// From this length on the heap is faster.
  package static let longWord = 40

  /// Merges `symbols` in place and fills `starts`.
  package mutating func merge(_ table: MergeTable) {
    starts.removeAll(keepingCapacity: true)
    for index in 0..<symbols.count { starts.append(Int32(truncatingIfNeeded: index)) }
    if symbols.count < 2 { return }
    if symbols.count < Self.longWord { mergeByScan(table) } else { mergeByHeap(table) }
  }

  private mutating func mergeByScan(_ table: MergeTable) {
    ranks.removeAll(keepingCapacity: true)
    merged.removeAll(keepingCapacity: true)
    for index in 0..<(symbols.count - 1) {
      let found = table.find(symbols[index], symbols[index + 1])
      ranks.append(found.rank)
      merged.append(found.merged)
    }
    while true {
      var best = MergeTable.none
      var place = -1
      for index in 0..<ranks.count where ranks[index] < best {
        best = ranks[index]
        place = index
      }
      guard place >= 0 else { return }
      symbols[place] = merged[place]
      symbols.remove(at: place + 1)
      starts.remove(at: place + 1)
      ranks.remove(at: place)
      merged.remove(at: place)
      if place < ranks.count { (ranks[place], merged[place]) = table.find(symbols[place], symbols[place + 1]) }
      if place > 0 { (ranks[place - 1], merged[place - 1]) = table.find(symbols[place - 1], symbols[place]) }
    }
  }

  private mutating func mergeByHeap(_ table: MergeTable) {
    let count = symbols.count
    ranks = Array(repeating: MergeTable.none, count: count)
    merged = Array(repeating: -1, count: count)
    next = Array(unsafeUninitializedCapacity: count) { buffer, filled in
      for index in 0..<count { buffer[index] = Int32(truncatingIfNeeded: index + 1) }
      filled = count
    }
    previous = Array(unsafeUninitializedCapacity: count) { buffer, filled in
      for index in 0..<count { buffer[index] = Int32(truncatingIfNeeded: index - 1) }
      filled = count
    }
    heap.removeAll(keepingCapacity: true)
    for index in 0..<(count - 1) { push(pairAt: index, table) }
    while let top = popLowest() {
      let place = Int(top & 0xFFFF_FFFF)
      // An entry is stale where its pair was taken apart by a better merge since it was pushed.
      guard ranks[place] == UInt32(top >> 32) else { continue }
      let eaten = Int(next[place])
      symbols[place] = merged[place]
      symbols[eaten] = -1
      ranks[eaten] = MergeTable.none
      next[place] = next[eaten]
      let after = Int(next[place])
      ranks[place] = MergeTable.none
      if after < count {
        previous[after] = Int32(truncatingIfNeeded: place)
        push(pairAt: place, table)
      }
      let before = Int(previous[place])
      if before >= 0 { push(pairAt: before, table) }
    }
    compact(count)
  }

  private mutating func compact(_ count: Int) {
    var place = 0
    var filled = 0
    while place < count {
      symbols[filled] = symbols[place]
      starts[filled] = Int32(truncatingIfNeeded: place)
      filled += 1
      place = Int(next[place])
    }
    symbols.removeLast(count - filled)
    starts.removeLast(count - filled)
  }

  private mutating func push(pairAt place: Int, _ table: MergeTable) {
    let found = table.find(symbols[place], symbols[Int(next[place])])
    ranks[place] = found.rank
    merged[place] = found.merged
    guard found.rank != MergeTable.none else { return }
    var child = heap.count
    let key = UInt64(found.rank) << 32 | UInt64(place)
    heap.append(key)
    heap.withUnsafeMutableBufferPointer { heap in
      while child > 0 {
        let parent = (child - 1) / 2
        if heap[parent] <= key { break }
        heap[child] = heap[parent]
        child = parent
      }
      heap[child] = key
    }
  }

  private mutating func popLowest() -> UInt64? {
    guard let top = heap.first, let last = heap.popLast() else { return nil }
    let count = heap.count
    guard count > 0 else { return top }
    heap.withUnsafeMutableBufferPointer { heap in
      var parent = 0
      while true {
        var child = 2 * parent + 1
        if child >= count { break }
        if child + 1 < count && heap[child + 1] < heap[child] { child += 1 }
        if heap[child] >= last { break }
        heap[parent] = heap[child]
        parent = child
      }
      heap[parent] = last
    }
    return top
  }

  /// The same by the plainest way: look at all pairs, join the best, start again.
  package static func mergeNaively(_ symbols: [Int32], _ table: MergeTable) -> [Int32] {
    var symbols = symbols
    while true {
      var best: (rank: UInt32, merged: Int32, place: Int) = (MergeTable.none, -1, -1)
      for place in symbols.indices.dropLast() {
        let found = table.find(symbols[place], symbols[place + 1])
        if found.rank < best.rank { best = (found.rank, found.merged, place) }
      }
      if best.place < 0 { return symbols }
      symbols.replaceSubrange(best.place...(best.place + 1), with: [best.merged])
    }
  }
}
