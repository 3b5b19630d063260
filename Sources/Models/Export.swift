// A model as a GGUF file that llama.cpp loads: its metadata, tokenizer and template, and the weights in its row order.

import Formats
import Kernels
import Tokenizers

extension LanguageModel {
  /// Writes the model to one GGUF file.
  ///
  /// Weights that have the wanted type already are copied as they are.
  ///
  /// - Parameters:
  ///   - type: How the matrices are stored.
  ///   - progress: Told how many bytes are written; throws to stop, and then no file is left.
  /// - Throws: `ModelError` for adapters that are not merged and for what the format has no words for.
  public func export(to path: String, type: ModelFileType, progress: WritingProgress = { _, _ in }) throws {
    guard adapters.isEmpty else {
      throw ModelError(
        "\(name) has adapters; a GGUF file holds whole weights", hint: "export(merge(m), …), or save(m, dir) for the adapters")
    }
    var writer = GGUFWriter()
    try describe(type, in: &writer)
    let layout = Configuration.ggufRotaryLayout(configuration.ggufArchitecture)
    var rows: [String: WeightRows] = [:]
    let table = configuration.ggufRotaryTable
    if let table { try writer.add("rope_freqs.weight", dimensions: [table.count], type: .f32) }
    for name in WeightName.all(configuration) {
      let stored = try self.rows(of: name, as: { _ in type.type(of: name, configuration) }, layout: layout)
      guard let fileType = GGUFTensorType(rawValue: stored.type.rawValue) else {
        throw ModelError("weights of type \(stored.type.name) have no place in a GGUF file")
      }
      rows[name.gguf] = stored
      try writer.add(name.gguf, dimensions: name.shape(configuration).reversed(), type: fileType)
    }
    let total = writer.dataBytes
    var done = 0
    try writer.write(to: path) { info, file in
      if let stored = rows[info.name] {
        try stored.write(to: file) { bytes in
          done += bytes
          try progress(done, total)
        }
      } else if let table {
        try table.withUnsafeBytes { try file.append($0) }
      }
    }
  }

  /// Everything but the tensors.
  private func describe(_ type: ModelFileType, in writer: inout GGUFWriter) throws {
    writer.set("general.architecture", .string(configuration.ggufArchitecture))
    writer.set("general.type", .string("model"))
    writer.set("general.name", .string(name))
    writer.set("general.file_type", .uint32(type.ggufNumber))
    writer.set("general.quantization_version", .uint32(2))
    for (key, value) in try configuration.ggufMetadata() { writer.set(key, value) }
    guard let tokenizer else {
      writer.set("tokenizer.ggml.model", .string("none"))
      if let bos = configuration.bosTokenID { writer.set("tokenizer.ggml.bos_token_id", .uint32(UInt32(clamping: bos))) }
      for (key, id) in zip(["eos", "eot", "eom"], configuration.eosTokenIDs) {
        writer.set("tokenizer.ggml.\(key)_token_id", .uint32(UInt32(clamping: id)))
      }
      return
    }
    for (key, value) in try tokenizer.ggufMetadata(
      vocabularySize: configuration.vocabularySize, endTokens: configuration.eosTokenIDs)
    {
      writer.set(key, value)
    }
    if tokenizer.chatTemplate == nil, let chatTemplate { writer.set("tokenizer.chat_template", .string(chatTemplate)) }
  }
}
