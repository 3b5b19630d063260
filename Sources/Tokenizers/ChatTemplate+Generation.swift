// What an assistant said, in tokens: the parts that a template marks by {% generation %}, as transformers' mask of assistant tokens
// has them.

extension ChatTemplate.Rendering {
  /// Which tokens of the text lie in a marked part; nil where the template marks none.
  ///
  /// - Parameters:
  ///   - ids: The tokens of the whole text.
  ///   - encode: What made them from the text.
  public func generationMask(_ ids: [Int], encode: (String) throws -> [Int]) rethrows -> [Bool]? {
    guard !generations.isEmpty else { return nil }
    let bytes = Array(text.utf8)
    var mask = [Bool](repeating: false, count: ids.count)
    func tokens(upTo end: Int) throws -> (shared: Int, all: Int) {
      let part = try encode(String(decoding: bytes[..<end], as: UTF8.self))
      return (zip(part, ids).prefix { $0 == $1 }.count, part.count)
    }
    for span in generations {
      let start = try tokens(upTo: span.lowerBound).shared
      let end = try tokens(upTo: span.upperBound)
      // A token that reaches over the end of the part belongs to it.
      for position in start..<max(start, min(ids.count, end.shared < end.all ? end.shared + 1 : end.shared)) { mask[position] = true }
    }
    return mask
  }
}
