// The wire format of protocol buffers, as far as a SentencePiece model uses it; every length is checked.

/// Walks the fields of one message.
struct ProtobufReader {
  /// A field's value.
  enum Value {
    case number(UInt64)
    case bytes(ArraySlice<UInt8>)
    case fixed32(UInt32)
    case fixed64(UInt64)

    var bool: Bool? {
      if case .number(let number) = self { return number != 0 }
      return nil
    }

    /// A signed number; what does not fit is nil.
    var int: Int? {
      if case .number(let number) = self { return Int(truncatingIfNeeded: number) }
      return nil
    }

    var float: Float? {
      if case .fixed32(let bits) = self { return Float(bitPattern: bits) }
      return nil
    }

    var content: ArraySlice<UInt8>? {
      if case .bytes(let bytes) = self { return bytes }
      return nil
    }
  }

  private var rest: ArraySlice<UInt8>
  private let source: String

  init(_ bytes: ArraySlice<UInt8>, source: String) {
    rest = bytes
    self.source = source
  }

  private var damaged: TokenizerError {
    TokenizerError("\(source) is no SentencePiece model: its bytes break off or make no sense at byte \(rest.startIndex)")
  }

  /// The next field, nil at the end.
  mutating func next() throws -> (field: Int, value: Value)? {
    if rest.isEmpty { return nil }
    let key = try varint()
    guard let field = Int(exactly: key >> 3), field > 0 else { throw damaged }
    switch key & 7 {
    case 0: return (field, .number(try varint()))
    case 1: return (field, .fixed64(try fixed(8)))
    case 2:
      guard let count = Int(exactly: try varint()), count <= rest.count else { throw damaged }
      let bytes = rest.prefix(count)
      rest = rest.dropFirst(count)
      return (field, .bytes(bytes))
    case 5: return (field, .fixed32(UInt32(truncatingIfNeeded: try fixed(4))))
    default: throw damaged
    }
  }

  private mutating func varint() throws -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while let byte = rest.popFirst() {
      guard shift < 64 else { throw damaged }
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
      shift += 7
    }
    throw damaged
  }

  private mutating func fixed(_ count: Int) throws -> UInt64 {
    guard rest.count >= count else { throw damaged }
    var value: UInt64 = 0
    for (place, byte) in rest.prefix(count).enumerated() { value |= UInt64(byte) << UInt64(8 * place) }
    rest = rest.dropFirst(count)
    return value
  }
}
