// What loading a model takes, told from the headers of its files.

import Formats
import Kernels

/// The memory that a model takes when it is loaded and when it is used.
public struct LoadForecast: Sendable, Equatable {
  /// Bytes of the files, which are mapped: they become resident as they are read, and the system may let go of them again.
  public var mappedBytes: Int
  /// Bytes of second copies in the order that decoding reads fastest.
  public var copiedBytes: Int
  /// Bytes of the files that loading itself reads.
  public var touchedBytes: Int
  /// Tokens of the vocabulary.
  public var vocabularySize: Int

  /// What the tables of a tokenizer take, as measured: text, merges and hashes of each token.
  private var tokenizerBytes: Int { 400 * vocabularySize }

  /// Bytes that loading adds to what is resident.
  public var loadingBytes: Int { copiedBytes + touchedBytes + tokenizerBytes }

  /// Bytes that the model adds to what is resident once all of it was read.
  public var usedBytes: Int { copiedBytes + mappedBytes + tokenizerBytes }
}

extension LoadForecast {
  /// The memory of a GGUF file.
  init(gguf file: GGUFFile) {
    let isCopied = file.bytes <= LanguageModel.interleaveLimit
    let tensors = file.tensors.values
    let copied = isCopied ? tensors.reduce(0) { $0 + ($1.type == .q4_0 || $1.type == .q4_1 ? $1.bytes : 0) } : 0
    let weights = tensors.reduce(0) { $0 + $1.bytes }
    let embedding = tensors.first { $0.name == "token_embd.weight" }
    let vocabulary = file.metadata["tokenizer.ggml.tokens"] == nil ? 0 : embedding?.dimensions.last ?? 0
    // Names, merges and metadata stand before the weights.
    self.init(mappedBytes: file.bytes, copiedBytes: copied, touchedBytes: copied + file.bytes - weights, vocabularySize: vocabulary)
  }
}

extension LanguageModel {
  /// Bytes of the matrices stored in a type.
  public func bytes(storedAs type: WeightType) -> Int { bytes { name in type.fitting(columns: name.shape(configuration).last ?? 1) } }

  /// Bytes of the matrices stored as a file of that type would have them.
  public func bytes(storedAs type: ModelFileType) -> Int { bytes { type.type(of: $0, configuration) } }

  private func bytes(_ type: (WeightName) -> WeightType) -> Int {
    WeightName.all(configuration).reduce(0) { sum, name in
      let shape = name.shape(configuration)
      return shape.count < 2 ? sum + 4 * shape[0] : sum + shape[0] * type(name).rowBytes(columns: shape[1])
    }
  }
}
