// How a weight matrix lies in memory: the element types of GGUF files, and a view of such a matrix that owns nothing.

/// The element types a weight matrix can have, numbered as in GGUF files.
public enum WeightType: UInt32, Sendable, CaseIterable {
  // The names are those of the file format, underscores included.
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
  case bf16 = 30

  /// The name used in file names and in the language, such as `q4_1`.
  public var name: String {
    switch self {
    case .f32: "f32"
    case .f16: "f16"
    case .bf16: "bf16"
    case .q4_0: "q4_0"
    case .q4_1: "q4_1"
    case .q5_0: "q5_0"
    case .q5_1: "q5_1"
    case .q8_0: "q8_0"
    case .q2_K: "q2_K"
    case .q3_K: "q3_K"
    case .q4_K: "q4_K"
    case .q5_K: "q5_K"
    case .q6_K: "q6_K"
    }
  }

  /// How many consecutive elements share one block; rows are whole blocks.
  public var blockElements: Int {
    switch self {
    case .f32, .f16, .bf16: 1
    case .q4_0, .q4_1, .q5_0, .q5_1, .q8_0: 32
    case .q2_K, .q3_K, .q4_K, .q5_K, .q6_K: 256
    }
  }

  /// The size of one block in bytes.
  public var blockBytes: Int {
    switch self {
    case .f32: 4
    case .f16, .bf16: 2
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

  /// The size in bytes of a row of `columns` elements, which must be a multiple of `blockElements`.
  public func rowBytes(columns: Int) -> Int {
    columns / blockElements * blockBytes
  }
}

/// A row-major weight matrix somewhere in memory, not owned; rows are outputs and columns are inputs.
public struct WeightView: @unchecked Sendable {
  /// The element type.
  public let type: WeightType
  /// The first byte of the first row.
  public let base: UnsafeRawPointer
  /// The number of rows: the outputs of a linear layer.
  public let rows: Int
  /// The number of columns: the inputs of a linear layer; a multiple of the type's block.
  public let columns: Int

  /// Describes `rows` × `columns` elements of `type` that start at `base` and stay alive while the view is used.
  public init(type: WeightType, base: UnsafeRawPointer, rows: Int, columns: Int) {
    self.type = type
    self.base = base
    self.rows = rows
    self.columns = columns
  }

  /// The distance in bytes from one row to the next.
  public var rowBytes: Int { type.rowBytes(columns: columns) }

  /// The first byte of row `row`.
  public func row(_ row: Int) -> UnsafeRawPointer { base + row * rowBytes }
}
