// The text of an answer as it comes: whole characters only, and nothing that may turn out to be part of a stop text.

import Tokenizers

/// Text as it comes token by token, held back where it might be the beginning of a stop text.
struct StreamedText {
  private var decoder: StreamDecoder?
  private let stop: [String]
  private var held = ""
  /// What was given out.
  private(set) var shown = ""
  /// Whether a stop text came.
  private(set) var isStopped = false

  init(_ tokenizer: Tokenizer?, stop: [String], isAnswer: Bool) {
    decoder = tokenizer.map { StreamDecoder($0, continuesText: !isAnswer) }
    self.stop = stop
  }

  /// What may be shown now that this token came.
  mutating func append(_ id: Int) -> String {
    guard let text = decoder?.append(id), !isStopped else { return "" }
    return release(text, isLast: false)
  }

  /// What is left to show at the end.
  mutating func finish() -> String {
    guard let text = decoder?.finish(), !isStopped else { return "" }
    return release(text, isLast: true)
  }

  private mutating func release(_ text: String, isLast: Bool) -> String {
    held += text
    // Bytes, not characters: a stop text may begin in the middle of what becomes one character.
    let bytes = Array(held.utf8)
    var end = bytes.count
    for wanted in stop {
      if let found = bytes[..<end].firstRange(of: Array(wanted.utf8)) {
        end = found.lowerBound
        isStopped = true
      }
    }
    if !isStopped, !isLast {
      for wanted in stop {
        let wanted = Array(wanted.utf8)
        let longest = min(wanted.count - 1, bytes.count)
        for length in stride(from: longest, to: 0, by: -1) where bytes.suffix(length).elementsEqual(wanted.prefix(length)) {
          end = min(end, bytes.count - length)
          break
        }
      }
    }
    let ready = String(decoding: bytes[..<end], as: UTF8.self)
    held = isStopped || isLast ? "" : String(decoding: bytes[end...], as: UTF8.self)
    shown += ready
    return ready
  }
}

extension [UInt8].SubSequence {
  fileprivate func firstRange(of wanted: [UInt8]) -> Range<Int>? {
    guard count >= wanted.count else { return nil }
    for start in startIndex...(endIndex - wanted.count) where self[start..<start + wanted.count].elementsEqual(wanted) {
      return start..<start + wanted.count
    }
    return nil
  }
}
