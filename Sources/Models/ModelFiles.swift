// A model on disk in Hugging Face's layout: config.json, generation_config.json and safetensors under its names and in its row
// order, in several files where they would be large, with the tokenizer's files: copied from the folder the model came from, or
// written anew where it came from a GGUF file.

import Formats
import Kernels
import OrderedCollections
import Tokenizers

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

extension LanguageModel {
  /// The most bytes one file of weights holds, as transformers splits them.
  public static let shardBytes = 5_000_000_000

  /// Saves the adapters of a policy in PEFT's layout, or the whole model in Hugging Face's.
  ///
  /// - Parameters:
  ///   - shardBytes: The most bytes one file of weights holds; a larger tensor gets a file of its own.
  ///   - progress: Told how many bytes are written; throws to stop.
  public func save(
    to directory: String, shardBytes: Int = LanguageModel.shardBytes, progress: WritingProgress = { _, _ in }
  ) throws {
    if adapters.isEmpty {
      try saveWeights(to: directory, shardBytes: shardBytes, progress)
    } else {
      try saveAdapter(to: directory)
    }
  }

  /// Writes configuration and weights; floats keep their type, quantized blocks become fp32.
  private func saveWeights(to directory: String, shardBytes: Int, _ progress: WritingProgress) throws {
    let types: [WeightType: SafetensorsType] = [.f32: .f32, .f16: .f16, .bf16: .bf16]
    let config = try configuration.huggingFace(type: types[weightType] ?? .f32)
    let tokenizerFiles = try self.tokenizerFiles()
    try makeFolder(directory)
    var shards: [[(entry: SafetensorsFile.Entry, rows: WeightRows)]] = [[]]
    var room = shardBytes
    for name in WeightName.all(configuration) {
      let rows = try self.rows(of: name, as: { types[$0] == nil ? .f32 : $0 }, layout: .halfSplit)
      let entry = SafetensorsFile.Entry(name: name.huggingFace, type: types[rows.type] ?? .f32, shape: name.shape(configuration))
      if entry.bytes > room, shards[shards.count - 1].isEmpty == false {
        shards.append([])
        room = shardBytes
      }
      shards[shards.count - 1].append((entry, rows))
      room -= entry.bytes
    }
    try write(shards, to: directory, progress)
    try AtomicFile.write(config.serialized(pretty: true) + "\n", to: "\(directory)/config.json")
    for (name, content) in tokenizerFiles {
      if name.contains("/") { try makeFolder("\(directory)/\(name.split(separator: "/").dropLast().joined(separator: "/"))") }
      try AtomicFile.write(content, to: "\(directory)/\(name)")
    }
  }

  private func write(
    _ shards: [[(entry: SafetensorsFile.Entry, rows: WeightRows)]], to directory: String, _ progress: WritingProgress
  ) throws {
    let total = shards.joined().reduce(0) { $0 + $1.entry.bytes }
    var done = 0
    var map: OrderedDictionary<String, JSON> = [:]
    for (number, shard) in shards.enumerated() {
      let name =
        shards.count == 1
        ? "model.safetensors" : "model-\(fiveDigits(number + 1))-of-\(fiveDigits(shards.count)).safetensors"
      try SafetensorsFile.write(shard.map(\.entry), to: "\(directory)/\(name)") { index, file in
        try shard[index].rows.write(to: file) { bytes in
          done += bytes
          try progress(done, total)
        }
      }
      for (entry, _) in shard { map[entry.name] = .string(name) }
    }
    // A file of the other form from an earlier save would be read in place of what was just written.
    let index = "\(directory)/model.safetensors.index.json"
    if shards.count == 1 {
      unlink(index)
    } else {
      map.sort { $0.key < $1.key }
      let content: JSON = ["metadata": ["total_size": .int(Int64(total))], "weight_map": .object(map)]
      try AtomicFile.write(content.serialized(pretty: true) + "\n", to: index)
      unlink("\(directory)/model.safetensors")
    }
  }

  /// The tokenizer's files, and the defaults of generation.
  private func tokenizerFiles() throws -> [(name: String, bytes: [UInt8])] {
    var files: [(name: String, bytes: [UInt8])] = []
    let names = [
      "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "chat_template.jinja",
      "generation_config.json",
    ]
    for name in names where access("\(path)/\(name)", F_OK) == 0 {
      files.append((name, try FileContents.read("\(path)/\(name)")))
    }
    for name in templateNames(in: "\(path)/additional_chat_templates") {
      let name = "additional_chat_templates/\(name)"
      files.append((name, try FileContents.read("\(path)/\(name)")))
    }
    if let tokenizer, !files.contains(where: { $0.name == "tokenizer.json" || $0.name == "tokenizer.model" }) {
      files += try tokenizer.huggingFaceFiles().map { ($0.name, Array($0.text.utf8)) }
    }
    if !files.contains(where: { $0.name == "generation_config.json" }) {
      files.append(("generation_config.json", Array((generationConfig.serialized(pretty: true) + "\n").utf8)))
    }
    return files
  }

  private func templateNames(in folder: String) -> [String] {
    guard let directory = opendir(folder) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name.hasSuffix(".jinja") { names.append(name) }
    }
    return names.sorted()
  }

  private var generationConfig: JSON {
    let number = { (id: Int) -> JSON in .int(Int64(id)) }
    var members: OrderedDictionary<String, JSON> = [:]
    if let bos = tokenizer?.bosID ?? configuration.bosTokenID { members["bos_token_id"] = number(bos) }
    let ends = endTokens.sorted()
    if !ends.isEmpty { members["eos_token_id"] = ends.count == 1 ? number(ends[0]) : .array(ends.map(number)) }
    if let pad = tokenizer?.padID ?? configuration.padTokenID { members["pad_token_id"] = number(pad) }
    return .object(members)
  }
}
