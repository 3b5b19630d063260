// Source texts, kept for as long as errors may point into them, and the arithmetic from byte offsets to lines.

/// One text: a file, a cell of the prompt, a `-e` program.
public final class Source {
  /// What spans of this text carry.
  public let id: UInt32
  /// What errors call it: `chat.zs`, `In[3]`.
  public let name: String
  /// Where it was read from, for paths relative to it.
  public let path: String?
  /// The text.
  public let text: String
  /// The text's UTF-8.
  public let bytes: [UInt8]
  private let lineStarts: [Int]

  init(id: UInt32, name: String, path: String?, text: String) {
    self.id = id
    self.name = name
    self.path = path
    self.text = text
    bytes = Array(text.utf8)
    var starts = [0]
    for (offset, byte) in bytes.enumerated() where byte == UInt8(ascii: "\n") { starts.append(offset + 1) }
    lineStarts = starts
  }

  /// How many lines there are.
  public var lineCount: Int { lineStarts.count }

  /// The line that holds an offset, from 1.
  public func line(at offset: Int) -> Int {
    var low = 0
    var high = lineStarts.count
    while high - low > 1 {
      let middle = (low + high) / 2
      if lineStarts[middle] <= offset { low = middle } else { high = middle }
    }
    return low + 1
  }

  /// The bytes of a line without its end, empty for a line that does not exist.
  public func lineRange(_ line: Int) -> Range<Int> {
    guard line >= 1, line <= lineStarts.count else { return bytes.count..<bytes.count }
    let start = lineStarts[line - 1]
    var end = line < lineStarts.count ? lineStarts[line] - 1 : bytes.count
    if end > start, bytes[end - 1] == UInt8(ascii: "\r") { end -= 1 }
    return start..<end
  }

  /// The text between two offsets, whatever they are.
  public func slice(_ start: Int, _ end: Int) -> String {
    let low = min(max(start, 0), bytes.count)
    let high = min(max(end, low), bytes.count)
    return String(decoding: bytes[low..<high], as: UTF8.self)
  }

  /// The offset itself, or that of the next character where it lies inside of one.
  func characterStart(_ offset: Int) -> Int {
    var offset = max(0, offset)
    while offset < bytes.count, bytes[offset] & 0xC0 == 0x80 { offset += 1 }
    return min(offset, bytes.count)
  }

  /// The text that a span covers.
  public func text(of span: Span) -> String { slice(Int(span.start), Int(span.end)) }

  /// Line from 1, and the number of characters before the offset on it.
  public func position(of offset: Int) -> (line: Int, column: Int) {
    let number = line(at: offset)
    return (number, slice(lineRange(number).lowerBound, min(offset, bytes.count)).count)
  }
}

/// All texts an interpreter has seen.
public final class SourceMap {
  /// The sources by id.
  public private(set) var sources: [Source] = []

  /// An empty map.
  public init() {}

  /// Keeps a text and gives it an id.
  public func add(name: String, path: String? = nil, text: String) -> Source {
    let source = Source(id: UInt32(truncatingIfNeeded: sources.count), name: name, path: path, text: text)
    sources.append(source)
    return source
  }

  /// The source that a span counts in, nil for a span of another map.
  public func source(of span: Span) -> Source? {
    Int(span.source) < sources.count ? sources[Int(span.source)] : nil
  }
}
