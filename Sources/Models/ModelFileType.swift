// How a whole model is stored, under llama.cpp's names: one type for all matrices, or a mixture that gives more bits to those
// that suffer most. Which matrix gets what is llama.cpp's rule, fallbacks included, so that a file is like one of its own.

import Kernels

/// The type of a model file.
public enum ModelFileType: String, Sendable, CaseIterable {
  case f32
  case f16
  case bf16
  case q8_0
  case q4_0
  case q4_1
  case q5_0
  case q5_1
  case q2_K
  case q3_K_S
  case q3_K_M
  case q3_K_L
  case q4_K_S
  case q4_K_M
  case q5_K_S
  case q5_K_M
  case q6_K

  /// The type of that name, in whatever case; `q4_K` stands for the medium mixture, as in llama.cpp.
  public init?(named name: String) {
    let lower = name.lowercased()
    let full = ["q3_k", "q4_k", "q5_k"].contains(lower) ? lower + "_m" : lower
    guard let found = Self.allCases.first(where: { $0.rawValue.lowercased() == full }) else { return nil }
    self = found
  }

  /// The number under `general.file_type`.
  var ggufNumber: UInt32 {
    switch self {
    case .f32: 0
    case .f16: 1
    case .q4_0: 2
    case .q4_1: 3
    case .q8_0: 7
    case .q5_0: 8
    case .q5_1: 9
    case .q2_K: 10
    case .q3_K_S: 11
    case .q3_K_M: 12
    case .q3_K_L: 13
    case .q4_K_S: 14
    case .q4_K_M: 15
    case .q5_K_S: 16
    case .q5_K_M: 17
    case .q6_K: 18
    case .bf16: 32
    }
  }

  /// The type that most matrices get.
  public var base: WeightType {
    switch self {
    case .f32: .f32
    case .f16: .f16
    case .bf16: .bf16
    case .q8_0: .q8_0
    case .q4_0: .q4_0
    case .q4_1: .q4_1
    case .q5_0: .q5_0
    case .q5_1: .q5_1
    case .q2_K: .q2_K
    case .q3_K_S, .q3_K_M, .q3_K_L: .q3_K
    case .q4_K_S, .q4_K_M: .q4_K
    case .q5_K_S, .q5_K_M: .q5_K
    case .q6_K: .q6_K
    }
  }

  /// The type of one weight: norms and biases are fp32.
  func type(of name: WeightName, _ configuration: Configuration) -> WeightType {
    let columns = name.shape(configuration).last ?? 1
    switch name {
    case .finalNorm, .attentionNorm, .feedForwardNorm, .bias: return .f32
    case .head: return outputType(columns)
    case .embedding: return (configuration.tieWordEmbeddings ? outputType(columns) : base).fitting(columns: columns)
    case .projection(let projection, let layer): return type(of: projection, layer, configuration).fitting(columns: columns)
    }
  }

  /// The output matrix is kept at six bits or more, since every token goes through it.
  private func outputType(_ columns: Int) -> WeightType {
    if base.blockElements == 1 || base == .q8_0 { return base.fitting(columns: columns) }
    return columns % base.blockElements == 0 ? WeightType.q6_K.fitting(columns: columns) : WeightType.q8_0.fitting(columns: columns)
  }

  private func type(of projection: Projection, _ layer: Int, _ c: Configuration) -> WeightType {
    let layers = c.numHiddenLayers
    // The first and last eighth, and every third layer between.
    let isSensitive = layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2
    switch (projection, self) {
    case (.value, _):
      let type = valueType(layer, isSensitive, c)
      // The matrix is small where eight heads share it, and 80 layers of a Llama are 70 billion parameters.
      return layers == 80 && (type == .q3_K || type == .q4_K) ? .q5_K : type
    case (.down, .q2_K): return .q3_K
    case (.down, .q3_K_M): return layer < layers / 16 ? .q5_K : .q4_K
    case (.down, .q3_K_L): return .q5_K
    case (.down, .q4_K_M), (.down, .q5_K_M): return isSensitive ? .q6_K : base
    case (.down, .q4_K_S): return layer < layers / 8 ? .q5_K : base
    case (.output, .q2_K): return .q3_K
    case (.output, .q3_K_M): return .q4_K
    case (.output, .q3_K_L): return .q5_K
    default: return base
    }
  }

  private func valueType(_ layer: Int, _ isSensitive: Bool, _ c: Configuration) -> WeightType {
    switch self {
    case .q2_K: c.numAttentionHeads / c.numKeyValueHeads >= 4 ? .q4_K : .q3_K
    case .q3_K_M: layer < 2 ? .q5_K : .q4_K
    case .q3_K_L: .q5_K
    case .q4_K_S: layer < 4 ? .q5_K : base
    case .q4_K_M, .q5_K_M: isSensitive ? .q6_K : base
    default: base
    }
  }
}

extension WeightType {
  /// This type where its blocks divide a row, else the one llama.cpp falls back to; for Q2_K and Q3_K, whose fallback there is an
  /// IQ type, Q4_0 of the same size.
  public func fitting(columns: Int) -> WeightType {
    guard columns % blockElements != 0 else { return self }
    let smaller: WeightType
    switch self {
    case .q2_K, .q3_K: smaller = .q4_0
    case .q4_K: smaller = .q5_0
    case .q5_K: smaller = .q5_1
    case .q6_K: smaller = .q8_0
    default: return .f16
    }
    return columns % smaller.blockElements == 0 ? smaller : .f16
  }
}
