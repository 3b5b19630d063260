// Where a text is cut into words before byte-pair merging: the published patterns, written out by hand over UTF-8.
// Each rule takes the first alternative of its pattern that matches, greedily, as a backtracking engine does.

/// How text is split into words that merges do not cross.
struct PreTokenizer: Sendable, Equatable {
  /// Which pattern cuts the words.
  enum Words: Sendable, Equatable {
    /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
    case gpt2
    /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,n}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
    case llama3(digits: Int)
    /// No cut.
    case whole
  }

  /// How digits are set apart before the pattern is applied.
  enum Digits: Sendable, Equatable {
    case together
    case runs
    case single
  }

  var digits = Digits.together
  var words = Words.gpt2
  /// Puts a blank before each piece that does not begin with one.
  var addsPrefixSpace = false

  /// GPT-2's rule.
  static let gpt2 = PreTokenizer()
  /// SmolLM's rule: digits one by one, then GPT-2's.
  static let smollm = PreTokenizer(digits: .single)
  /// Llama 3's rule: numbers in groups of up to three digits.
  static let llama3 = PreTokenizer(words: .llama3(digits: 3))
  /// Qwen 2's rule: Llama 3's with single digits.
  static let qwen2 = PreTokenizer(words: .llama3(digits: 1))

  typealias Text = UnsafeBufferPointer<UInt8>

  /// Calls `body` with the range of each word, in order.
  @inline(__always)
  func forEachWord(in text: Text, _ body: (Range<Int>) -> Void) {
    var start = 0
    while start < text.count {
      let end = digits == .together ? text.count : pieceEnd(text, start)
      var word = start
      while word < end {
        let after = wordEnd(text, word, end)
        body(word..<after)
        word = after
      }
      start = end
    }
  }

  /// The end of the piece at `start`, where numbers are set apart from all else.
  private func pieceEnd(_ text: Text, _ start: Int) -> Int {
    let (value, length) = decodeScalar(text, start)
    var end = start + length
    let isNumber = CharacterClass.of(value) == CharacterClass.number
    if isNumber && digits == .single { return end }
    while end < text.count {
      let (value, length) = decodeScalar(text, end)
      if (CharacterClass.of(value) == CharacterClass.number) != isNumber { break }
      end += length
    }
    return end
  }

  @inline(__always)
  private func wordEnd(_ text: Text, _ start: Int, _ end: Int) -> Int {
    switch words {
    case .gpt2: return Self.gpt2End(text, start, end)
    case .llama3(let digits): return Self.llama3End(text, start, end, digits)
    case .whole: return end
    }
  }

  private static func gpt2End(_ text: Text, _ start: Int, _ end: Int) -> Int {
    let (value, length) = decodeScalar(text, start)
    if value == 0x27, let contraction = contractionEnd(text, start, end, anyCase: false) { return contraction }
    var first = start
    var kind = CharacterClass.of(value)
    if value == 0x20 && start + 1 < end {
      let following = CharacterClass.of(decodeScalar(text, start + 1).value)
      if following & CharacterClass.space == 0 {
        first = start + 1
        kind = following
      }
    }
    if kind & CharacterClass.space != 0 { return spaceEnd(text, start, start + length, end, lines: false) }
    return runEnd(text, first, end, kind)
  }

  private static func llama3End(_ text: Text, _ start: Int, _ end: Int, _ digits: Int) -> Int {
    let (value, length) = decodeScalar(text, start)
    if value == 0x27, let contraction = contractionEnd(text, start, end, anyCase: true) { return contraction }
    let kind = CharacterClass.of(value)
    let second = start + length
    let following = second < end ? CharacterClass.of(decodeScalar(text, second).value) : CharacterClass.space
    if kind == CharacterClass.letter { return runEnd(text, start, end, kind) }
    if kind & (CharacterClass.newline | CharacterClass.number) == 0 && following == CharacterClass.letter {
      return runEnd(text, second, end, following)
    }
    if kind == CharacterClass.number {
      var after = second
      for _ in 1..<max(digits, 1) where after < end {
        let (value, length) = decodeScalar(text, after)
        guard CharacterClass.of(value) == CharacterClass.number else { break }
        after += length
      }
      return after
    }
    if kind == 0 || (value == 0x20 && following == 0) {
      var after = runEnd(text, kind == 0 ? start : second, end, 0)
      while after < end && (text[after] == 0x0D || text[after] == 0x0A) { after += 1 }
      return after
    }
    return spaceEnd(text, start, second, end, lines: true)
  }

  /// The end of a run of one class.
  @inline(__always)
  private static func runEnd(_ text: Text, _ start: Int, _ end: Int, _ kind: UInt8) -> Int {
    var after = start
    while after < end {
      let (value, length) = decodeScalar(text, after)
      if CharacterClass.of(value) != kind { break }
      after &+= length
    }
    return after
  }

  /// White space: up to its last newline where `lines` asks for it, else all but the last blank before a word.
  private static func spaceEnd(_ text: Text, _ start: Int, _ second: Int, _ end: Int, lines: Bool) -> Int {
    var after = start
    var last = start
    var newline = -1
    while after < end {
      let (value, length) = decodeScalar(text, after)
      let kind = CharacterClass.of(value)
      if kind & CharacterClass.space == 0 { break }
      last = after
      after += length
      if kind & CharacterClass.newline != 0 { newline = after }
    }
    if lines && newline > 0 { return newline }
    return after == end || last == start ? after : last
  }

  /// The end of `'s`, `'t`, `'re`, `'ve`, `'m`, `'ll` or `'d` at an apostrophe.
  private static func contractionEnd(_ text: Text, _ start: Int, _ end: Int, anyCase: Bool) -> Int? {
    guard start + 1 < end else { return nil }
    let first = anyCase ? lower(text[start + 1]) : text[start + 1]
    switch first {
    case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"): return start + 2
    default: break
    }
    guard start + 2 < end else { return nil }
    let second = anyCase ? lower(text[start + 2]) : text[start + 2]
    switch (first, second) {
    case (UInt8(ascii: "r"), UInt8(ascii: "e")), (UInt8(ascii: "v"), UInt8(ascii: "e")), (UInt8(ascii: "l"), UInt8(ascii: "l")):
      return start + 3
    case (0xC5, 0xBF) where anyCase: return start + 3  // ſ, the long s, is an s in any case
    default: return nil
    }
  }

  @inline(__always)
  private static func lower(_ byte: UInt8) -> UInt8 { byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte }
}
