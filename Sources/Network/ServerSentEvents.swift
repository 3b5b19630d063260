// Server-sent events: lines of `field: value`, a blank line between events. Bytes may be cut anywhere, also inside a
// character or between the two halves of a line end.

/// Takes bytes in any portions and gives the events they complete.
public struct ServerSentEvents: Sendable {
  /// The longest event that is accepted, in bytes.
  public let maxEventBytes: Int
  private var line: [UInt8] = []
  private var data: [UInt8] = []
  private var hasData = false
  private var endedWithReturn = false
  private var isFirstLine = true

  /// Makes a parser.
  public init(maxEventBytes: Int = 8 << 20) { self.maxEventBytes = maxEventBytes }

  /// The data of each event that these bytes complete.
  ///
  /// - Throws: `NetworkError` where an event is longer than it may be.
  public mutating func append(_ bytes: some Sequence<UInt8>) throws -> [String] {
    var events: [String] = []
    for byte in bytes {
      defer { endedWithReturn = byte == 0x0D }
      if byte == 0x0A && endedWithReturn { continue }
      guard byte == 0x0A || byte == 0x0D else {
        line.append(byte)
        guard line.count + data.count <= maxEventBytes else {
          throw NetworkError(.tooLarge, "an event of the stream is longer than \(maxEventBytes) bytes")
        }
        continue
      }
      endLine(&events)
    }
    return events
  }

  private mutating func endLine(_ events: inout [String]) {
    if isFirstLine, line.starts(with: [0xEF, 0xBB, 0xBF]) { line.removeFirst(3) }
    isFirstLine = false
    defer { line.removeAll(keepingCapacity: true) }
    if line.isEmpty {
      if hasData { events.append(String(decoding: data, as: UTF8.self)) }
      data.removeAll(keepingCapacity: true)
      hasData = false
      return
    }
    let colon = line.firstIndex(of: UInt8(ascii: ":"))
    guard line[..<(colon ?? line.count)].elementsEqual("data".utf8) else { return }
    var value = colon.map { line[($0 + 1)...] } ?? []
    if value.first == 0x20 { value = value.dropFirst() }
    if hasData { data.append(0x0A) }
    data.append(contentsOf: value)
    hasData = true
  }
}
