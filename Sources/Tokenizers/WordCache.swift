// Ids of words met before: a bounded hash table from a word's bytes to its ids. When it is full it starts anew.

/// A cache from words to ids.
struct WordCache {
  private struct Entry {
    var hash: UInt64 = 0
    var bytes: Int32 = 0
    var ids: Int32 = 0
    var byteCount: UInt16 = 0
    var idCount: UInt16 = 0  // 0: the slot is free
  }

  /// Longer words are rarely met twice.
  static let longestWord = 64
  private static let slots = 1 << 16
  private var entries: [Entry] = []
  private var used = 0
  private var bytes: [UInt8] = []
  private var ids: [Int32] = []

  /// Appends the ids of a word where it is known.
  @inline(__always)
  mutating func append(_ word: UnsafeBufferPointer<UInt8>, hash: UInt64, to output: inout [Int]) -> Bool {
    guard !entries.isEmpty else { return false }
    var slot = Int(truncatingIfNeeded: hash) & (Self.slots &- 1)
    while true {
      let entry = entries[slot]
      if entry.idCount == 0 { return false }
      if entry.hash == hash && Int(entry.byteCount) == word.count && same(entry, word) {
        let first = Int(entry.ids)
        for index in first..<(first &+ Int(entry.idCount)) { output.append(Int(ids[index])) }
        return true
      }
      slot = (slot &+ 1) & (Self.slots &- 1)
    }
  }

  @inline(__always)
  private func same(_ entry: Entry, _ word: UnsafeBufferPointer<UInt8>) -> Bool {
    let start = Int(entry.bytes)
    for index in 0..<word.count where bytes[start &+ index] != word[index] { return false }
    return true
  }

  /// Remembers a word of at most `longestWord` bytes.
  mutating func remember(_ word: UnsafeBufferPointer<UInt8>, hash: UInt64, ids new: ArraySlice<Int>) {
    guard word.count <= Self.longestWord, !new.isEmpty, new.count <= Self.longestWord else { return }
    if entries.isEmpty || used * 2 > Self.slots { clear() }
    var slot = Int(truncatingIfNeeded: hash) & (Self.slots - 1)
    while entries[slot].idCount != 0 { slot = (slot + 1) & (Self.slots - 1) }
    entries[slot] = Entry(
      hash: hash, bytes: Int32(truncatingIfNeeded: bytes.count), ids: Int32(truncatingIfNeeded: ids.count),
      byteCount: UInt16(truncatingIfNeeded: word.count), idCount: UInt16(truncatingIfNeeded: new.count))
    bytes.append(contentsOf: word)
    for id in new { ids.append(Int32(truncatingIfNeeded: id)) }
    used += 1
  }

  private mutating func clear() {
    entries = Array(repeating: Entry(), count: Self.slots)
    bytes.removeAll(keepingCapacity: true)
    ids.removeAll(keepingCapacity: true)
    used = 0
  }
}
