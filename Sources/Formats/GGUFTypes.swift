// What a GGUF file is made of: value types, tensor types with their block sizes, and the accessors that readers use.

/// How a tensor's numbers are stored, under ggml's numbers.
public enum GGUFTensorType: UInt32, Sendable, CaseIterable {
  case f32 = 0
  case f16 = 1
  case q4_0 = 2
  case q4_1 = 3
  case q5_0 = 6
  case q5_1 = 7
  case q8_0 = 8
  case q2_K = 10
  case q3_K = 11
  case q4_K = 12
  case q5_K = 13
  case q6_K = 14
  case i8 = 24
  case i16 = 25
  case i32 = 26
  case i64 = 27
  case f64 = 28
  case bf16 = 30

  /// The name as llama.cpp writes it, in lower case.
  public var name: String { "\(self)" }

  /// How many elements one block holds.
  public var blockElements: Int {
    switch self {
    case .f32, .f16, .bf16, .f64, .i8, .i16, .i32, .i64: 1
    case .q4_0, .q4_1, .q5_0, .q5_1, .q8_0: 32
    case .q2_K, .q3_K, .q4_K, .q5_K, .q6_K: 256
    }
  }

  /// How many bytes one block takes.
  public var blockBytes: Int {
    switch self {
    case .i8: 1
    case .f16, .bf16, .i16: 2
    case .f32, .i32: 4
    case .f64, .i64: 8
    case .q4_0: 18
    case .q4_1: 20
    case .q5_0: 22
    case .q5_1: 24
    case .q8_0: 34
    case .q2_K: 84
    case .q3_K: 110
    case .q4_K: 144
    case .q5_K: 176
    case .q6_K: 210
    }
  }

  /// Names of types that exist and are not read here, for the message that refuses them.
  static let refused: [UInt32: String] = [
    4: "Q4_2", 5: "Q4_3", 9: "Q8_1", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S",
    22: "IQ2_S", 23: "IQ4_XS", 29: "IQ1_M", 31: "Q4_0_4_4", 32: "Q4_0_4_8", 33: "Q4_0_8_8", 34: "TQ1_0", 35: "TQ2_0", 36: "IQ4_NL_4_4",
    37: "IQ4_NL_4_8", 38: "IQ4_NL_8_8", 39: "MXFP4", 40: "NVFP4",
  ]
}

/// The type of a metadata value, under GGUF's numbers.
public enum GGUFValueType: UInt32, Sendable {
  case uint8 = 0
  case int8 = 1
  case uint16 = 2
  case int16 = 3
  case uint32 = 4
  case int32 = 5
  case float32 = 6
  case bool = 7
  case string = 8
  case array = 9
  case uint64 = 10
  case int64 = 11
  case float64 = 12

  /// The fewest bytes a value can take: what a claimed count is checked with before anything is reserved for it.
  var leastBytes: Int {
    switch self {
    case .uint8, .int8, .bool: 1
    case .uint16, .int16: 2
    case .uint32, .int32, .float32: 4
    case .uint64, .int64, .float64, .string: 8
    case .array: 12
    }
  }
}

/// A metadata value of a GGUF file.
public enum GGUFValue: Sendable, Equatable {
  case uint8(UInt8)
  case int8(Int8)
  case uint16(UInt16)
  case int16(Int16)
  case uint32(UInt32)
  case int32(Int32)
  case float32(Float)
  case bool(Bool)
  case string(String)
  case array(GGUFValueType, [GGUFValue])
  case uint64(UInt64)
  case int64(Int64)
  case float64(Double)

  /// The whole number, if it is one that fits.
  public var int: Int? {
    switch self {
    case .uint8(let value): Int(value)
    case .int8(let value): Int(value)
    case .uint16(let value): Int(value)
    case .int16(let value): Int(value)
    case .uint32(let value): Int(value)
    case .int32(let value): Int(value)
    case .uint64(let value): Int(exactly: value)
    case .int64(let value): Int(exactly: value)
    default: nil
    }
  }

  /// The number, if it is one.
  public var double: Double? {
    switch self {
    case .float32(let value): Double(value)
    case .float64(let value): value
    default: int.map(Double.init)
    }
  }

  /// The truth value, if it is one.
  public var bool: Bool? {
    if case .bool(let value) = self { return value }
    return nil
  }

  /// The text, if it is a string.
  public var string: String? {
    if case .string(let value) = self { return value }
    return nil
  }

  /// The elements, if it is an array.
  public var array: [GGUFValue]? {
    if case .array(_, let value) = self { return value }
    return nil
  }

  /// The texts, if it is an array of strings.
  public var strings: [String]? { all { $0.string } }

  /// The whole numbers, if it is an array of them.
  public var ints: [Int]? { all { $0.int } }

  /// The numbers, if it is an array of them.
  public var doubles: [Double]? { all { $0.double } }

  private func all<T>(_ convert: (GGUFValue) -> T?) -> [T]? {
    guard let elements = array else { return nil }
    var result: [T] = []
    result.reserveCapacity(elements.count)
    for element in elements {
      guard let value = convert(element) else { return nil }
      result.append(value)
    }
    return result
  }
}

/// A tensor of a GGUF file: a view into its mapped bytes.
public struct GGUFTensor: @unchecked Sendable {
  /// The name in the file.
  public let name: String
  /// Lengths, the fastest-running first: a matrix of `rows` × `columns` says `[columns, rows]`.
  public let dimensions: [Int]
  /// How the numbers are stored.
  public let type: GGUFTensorType
  /// The first byte, inside the mapped file.
  public let data: UnsafeRawPointer
  /// How many bytes it takes.
  public let bytes: Int

  /// The number of elements.
  public var count: Int { dimensions.reduce(1, *) }
}
