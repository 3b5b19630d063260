// Which two neighbouring symbols become one, and how soon: (left, right) → (rank, merged). Lower ranks merge first.
// Open addressing over 16-byte entries, at most half full: one cache line per question.

/// The merges of a byte-pair encoding.
package struct MergeTable: Sendable {
  struct Entry: Sendable {
    var pair: UInt64
    var rank: UInt32
    var merged: Int32
  }

  static let none = UInt32.max
  private static let empty = UInt64.max
  private var entries: [Entry]
  package private(set) var count = 0

  package init(capacity: Int) {
    var size = 16
    while size < capacity &* 2 { size &*= 2 }
    entries = Array(repeating: Entry(pair: Self.empty, rank: Self.none, merged: -1), count: size)
  }

  /// The merges in order of rank; those of one rank in the order of their left symbol.
  var inOrder: [(left: Int32, right: Int32, merged: Int32)] {
    entries.filter { $0.pair != Self.empty }
      .sorted { ($0.rank, $0.pair) < ($1.rank, $1.pair) }
      .map { (Int32(truncatingIfNeeded: $0.pair >> 32), Int32(truncatingIfNeeded: $0.pair), $0.merged) }
  }

  @inline(__always)
  private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  @inline(__always)
  private static func slot(_ key: UInt64, _ mask: Int) -> Int {
    Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> 24) & mask
  }

  /// Adds a merge; a pair that is there already keeps the lower rank.
  package mutating func insert(_ left: Int32, _ right: Int32, rank: UInt32, merged: Int32) {
    if (count + 1) * 2 > entries.count { grow() }
    let key = Self.key(left, right)
    let mask = entries.count - 1
    var slot = Self.slot(key, mask)
    while entries[slot].pair != Self.empty {
      if entries[slot].pair == key {
        if rank < entries[slot].rank { entries[slot] = Entry(pair: key, rank: rank, merged: merged) }
        return
      }
      slot = (slot + 1) & mask
    }
    entries[slot] = Entry(pair: key, rank: rank, merged: merged)
    count += 1
  }

  private mutating func grow() {
    let old = entries
    entries = Array(repeating: Entry(pair: Self.empty, rank: Self.none, merged: -1), count: old.count * 2)
    let mask = entries.count - 1
    for entry in old where entry.pair != Self.empty {
      var slot = Self.slot(entry.pair, mask)
      while entries[slot].pair != Self.empty { slot = (slot + 1) & mask }
      entries[slot] = entry
    }
  }

  /// Rank and result of joining two symbols; rank `none` where they do not join.
  @inline(__always)
  func find(_ left: Int32, _ right: Int32) -> (rank: UInt32, merged: Int32) {
    let key = Self.key(left, right)
    let mask = entries.count &- 1
    return entries.withUnsafeBufferPointer { entries in
      var slot = Self.slot(key, mask)
      while true {
        let entry = entries[slot]
        if entry.pair == key { return (entry.rank, entry.merged) }
        if entry.pair == Self.empty { return (Self.none, -1) }
        slot = (slot &+ 1) & mask
      }
    }
  }
}
