// The tensors of a Hugging Face model folder: one safetensors file, or shards named by an index.

import OrderedCollections

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// All tensors of a model folder, whether in one file or sharded.
public final class SafetensorsDirectory: Sendable {
  /// The folder.
  public let path: String
  /// The files, in the order they are named.
  public let files: [SafetensorsFile]
  /// The tensors by name.
  public let tensors: OrderedDictionary<String, SafetensorsTensor>

  /// Opens `model.safetensors`, or the shards of `model.safetensors.index.json`; `stem` replaces "model" for other files.
  ///
  /// - Throws: `FormatError` naming the file that is missing or damaged.
  public init(path: String, stem: String = "model") throws {
    self.path = path
    let single = "\(path)/\(stem).safetensors"
    let index = "\(single).index.json"
    // Where both are there, transformers reads the one file.
    if access(single, F_OK) == 0 {
      let file = try SafetensorsFile(path: single)
      files = [file]
      tensors = file.tensors
    } else if access(index, F_OK) == 0 {
      (files, tensors) = try Self.shards(of: index, in: path)
    } else {
      let pickles = ["pytorch_model.bin", "pytorch_model.bin.index.json", "adapter_model.bin", "consolidated.00.pth"]
      if let pickle = pickles.first(where: { access("\(path)/\($0)", F_OK) == 0 }) { throw PickleFile.refusal("\(path)/\(pickle)") }
      throw FormatError(
        "\(path) holds neither \(stem).safetensors nor \(stem).safetensors.index.json", hint: "give the folder of a Hugging Face model")
    }
  }

  private static func shards(of index: String, in folder: String) throws -> (
    [SafetensorsFile], OrderedDictionary<String, SafetensorsTensor>
  ) {
    guard let map = try JSON.read(path: index)["weight_map"]?.object else {
      throw FormatError("\(index) has no 'weight_map'", hint: "get the file again")
    }
    var files: OrderedDictionary<String, SafetensorsFile> = [:]
    var tensors: OrderedDictionary<String, SafetensorsTensor> = [:]
    for (name, shard) in map {
      guard let shard = shard.string, !shard.isEmpty, !shard.contains("/"), shard != "..", shard != "." else {
        throw FormatError("\(index): the shard of '\(name)' is no plain file name")
      }
      let file: SafetensorsFile
      if let open = files[shard] {
        file = open
      } else {
        file = try SafetensorsFile(path: "\(folder)/\(shard)")
        files[shard] = file
      }
      guard let tensor = file.tensors[name] else {
        throw FormatError("\(folder)/\(shard) lacks the tensor '\(name)' that the index promises")
      }
      tensors[name] = tensor
    }
    return (Array(files.values), tensors)
  }
}
