// Byte strings numbered from 0, packed end to end, and a hash table from bytes back to the number.
// Texts are compared byte by byte: Swift's String equality would take composed and decomposed accents for the same piece.

/// A hash of a few bytes, eight at a time.
@inline(__always)
func hashBytes(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> UInt64 {
  var hash = UInt64(truncatingIfNeeded: count) &* 0x9E37_79B9_7F4A_7C15
  var position = 0
  let raw = UnsafeRawPointer(bytes)
  while position &+ 8 <= count {
    hash = (hash ^ raw.loadUnaligned(fromByteOffset: position, as: UInt64.self)) &* 0xFF51_AFD7_ED55_8CCD
    hash ^= hash >> 32
    position &+= 8
  }
  var tail: UInt64 = 0
  while position < count {
    tail = tail << 8 | UInt64(bytes[position])
    position &+= 1
  }
  hash = (hash ^ tail) &* 0xC4CE_B9FE_1A85_EC53
  return hash ^ (hash >> 29)
}

/// Byte strings with numbers, found by number or by content.
struct ByteTable: Sendable {
  private var storage: [UInt8] = []
  private var offsets: [Int] = [0]
  private var slots: [Int32] = Array(repeating: -1, count: 1024)

  var count: Int { offsets.count - 1 }

  /// Adds a byte string under the next number; where it is there already, the first number keeps the content.
  mutating func append(_ bytes: some Collection<UInt8>) {
    let number = Int32(truncatingIfNeeded: count)
    let start = storage.count
    storage.append(contentsOf: bytes)
    offsets.append(storage.count)
    if count * 2 > slots.count { rehash() } else { insert(number, start, storage.count - start) }
  }

  private mutating func insert(_ number: Int32, _ start: Int, _ length: Int) {
    let mask = slots.count - 1
    let slot = storage.withUnsafeBufferPointer { all -> Int? in
      freeSlot(for: UnsafeBufferPointer(rebasing: all[start..<(start + length)]), all, mask)
    }
    if let slot { slots[slot] = number }
  }

  private func freeSlot(for bytes: UnsafeBufferPointer<UInt8>, _ all: UnsafeBufferPointer<UInt8>, _ mask: Int) -> Int? {
    var slot = bytes.baseAddress.map { Int(truncatingIfNeeded: hashBytes($0, bytes.count)) & mask } ?? 0
    while slots[slot] >= 0 {
      if equal(slots[slot], bytes, all) { return nil }
      slot = (slot + 1) & mask
    }
    return slot
  }

  @inline(__always)
  private func equal(_ number: Int32, _ bytes: UnsafeBufferPointer<UInt8>, _ all: UnsafeBufferPointer<UInt8>) -> Bool {
    let start = offsets[Int(number)]
    let length = offsets[Int(number) + 1] - start
    guard length == bytes.count else { return false }
    for index in 0..<length where all[start + index] != bytes[index] { return false }
    return true
  }

  private mutating func rehash() {
    slots = Array(repeating: -1, count: slots.count * 4)
    for number in 0..<count {
      insert(Int32(truncatingIfNeeded: number), offsets[number], offsets[number + 1] - offsets[number])
    }
  }

  /// The number of a byte string, nil where it is not in the table.
  func number(of bytes: UnsafeBufferPointer<UInt8>) -> Int? {
    guard count > 0 else { return nil }
    return storage.withUnsafeBufferPointer { all in
      let mask = slots.count - 1
      var slot = bytes.baseAddress.map { Int(truncatingIfNeeded: hashBytes($0, bytes.count)) & mask } ?? 0
      while slots[slot] >= 0 {
        if equal(slots[slot], bytes, all) { return Int(slots[slot]) }
        slot = (slot + 1) & mask
      }
      return nil
    }
  }

  /// The number of a text.
  func number(of text: String) -> Int? {
    var text = text
    return text.withUTF8 { number(of: $0) }
  }

  /// Where string `number` lies in the storage.
  func range(_ number: Int) -> Range<Int> { offsets[number]..<offsets[number + 1] }

  /// The bytes of string `number`.
  subscript(_ number: Int) -> ArraySlice<UInt8> { storage[range(number)] }

  /// Calls `body` with the bytes of string `number`.
  func withBytes<R>(_ number: Int, _ body: (UnsafeBufferPointer<UInt8>) throws -> R) rethrows -> R {
    try storage.withUnsafeBufferPointer { try body(UnsafeBufferPointer(rebasing: $0[range(number)])) }
  }

  /// String `number` as text.
  func text(_ number: Int) -> String { String(decoding: self[number], as: UTF8.self) }
}
