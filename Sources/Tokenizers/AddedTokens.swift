// Tokens that are found in the text itself before anything else is done to it: control tokens, where the caller lets
// them count, and added ordinary ones. Found leftmost, then longest, with a trie over bytes.

/// A token whose text stands for itself.
struct AddedToken: Sendable, Equatable {
  var id: Int
  var content: String
  /// Takes part in the conversation's structure: never made from a user's text.
  var isSpecial = true
  /// Swallows white space on its left, on its right.
  var stripsLeft = false
  var stripsRight = false
  /// Only where no word character touches it.
  var isSingleWord = false
}

/// A set of added tokens to look for.
struct AddedTokens: Sendable {
  private struct Node: Sendable {
    var byte: UInt8
    var child: Int32 = -1
    var sibling: Int32 = -1
    var token: Int32 = -1
  }

  private let tokens: [AddedToken]
  private var nodes: [Node] = [Node(byte: 0)]
  private var firstBytes = [Bool](repeating: false, count: 256)

  init(_ tokens: [AddedToken]) {
    self.tokens = tokens
    for (index, token) in tokens.enumerated() where !token.content.isEmpty {
      insert(Array(token.content.utf8), Int32(truncatingIfNeeded: index))
    }
  }

  var isEmpty: Bool { nodes.count == 1 }

  private mutating func insert(_ bytes: [UInt8], _ token: Int32) {
    firstBytes[Int(bytes[0])] = true
    var node = 0
    for byte in bytes {
      if let found = child(of: node, byte) {
        node = found
        continue
      }
      nodes.append(Node(byte: byte, sibling: nodes[node].child))
      nodes[node].child = Int32(truncatingIfNeeded: nodes.count - 1)
      node = nodes.count - 1
    }
    if nodes[node].token < 0 { nodes[node].token = token }
  }

  private func child(of node: Int, _ byte: UInt8) -> Int? {
    var next = nodes[node].child
    while next >= 0 {
      if nodes[Int(next)].byte == byte { return Int(next) }
      next = nodes[Int(next)].sibling
    }
    return nil
  }

  /// The first token at or after `start`, with the range of text it takes.
  func next(in text: UnsafeBufferPointer<UInt8>, from start: Int) -> (id: Int, range: Range<Int>)? {
    var index = start
    while index < text.count {
      if firstBytes[Int(text[index])], let found = longest(in: text, at: index) {
        let token = tokens[found.token]
        if !token.isSingleWord || standsAlone(text, index, found.end) {
          return (token.id, widened(token, index..<found.end, text, start))
        }
      }
      index += 1
    }
    return nil
  }

  private func longest(in text: UnsafeBufferPointer<UInt8>, at start: Int) -> (token: Int, end: Int)? {
    var node = 0
    var index = start
    var best: (token: Int, end: Int)?
    while index < text.count, let found = child(of: node, text[index]) {
      node = found
      index += 1
      if nodes[node].token >= 0 { best = (Int(nodes[node].token), index) }
    }
    return best
  }

  private func standsAlone(_ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int) -> Bool {
    if end < text.count && Self.isWord(decodeScalar(text, end).value) { return false }
    var before = start - 1
    while before > 0 && text[before] & 0xC0 == 0x80 { before -= 1 }
    return before < 0 || !Self.isWord(decodeScalar(text, before).value)
  }

  private static func isWord(_ value: UInt32) -> Bool {
    value == 0x5F || CharacterClass.of(value) & (CharacterClass.letter | CharacterClass.number) != 0
  }

  private func widened(_ token: AddedToken, _ range: Range<Int>, _ text: UnsafeBufferPointer<UInt8>, _ floor: Int) -> Range<Int> {
    var lower = range.lowerBound
    var upper = range.upperBound
    while token.stripsRight && upper < text.count {
      let (value, length) = decodeScalar(text, upper)
      guard CharacterClass.of(value) & CharacterClass.space != 0 else { break }
      upper += length
    }
    while token.stripsLeft && lower > floor {
      var before = lower - 1
      while before > floor && text[before] & 0xC0 == 0x80 { before -= 1 }
      guard CharacterClass.of(decodeScalar(text, before).value) & CharacterClass.space != 0 else { break }
      lower = before
    }
    return lower..<upper
  }
}
