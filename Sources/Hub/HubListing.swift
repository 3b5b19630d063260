// What the Hub says about a revision: its commit and its files with their sizes and hashes.

import Formats
import Network

/// A file of a repository.
struct HubFile: Equatable {
  /// Its path in the repository.
  var path: String
  /// Its size, where the Hub says it.
  var bytes: Int?
  /// The hash that names its content: SHA-256 of a large file, else that of the git blob; nil where the Hub does not say.
  var etag: String?

  /// A size that a file can have, nil for another: sizes are added up.
  static func size(_ bytes: Int?) -> Int? { bytes.flatMap { (0...(1 << 50)).contains($0) ? $0 : nil } }
}

/// A revision's commit and files.
struct HubListing {
  var commit: String
  var files: [HubFile]

  /// Takes the answer of `/api/models/NAME/revision/REVISION?blobs=true`.
  init(_ json: JSON, of source: HubSource) throws {
    guard let sha = json["sha"]?.string, sha.utf8.count == 40, sha.allSatisfy(\.isHexDigit), let siblings = json["siblings"]?.array else {
      throw HubError("the Hub's answer about \(source.repository) names no commit or no files", hint: "does HF_ENDPOINT point to a Hub?")
    }
    commit = sha.lowercased()
    files = siblings.compactMap { sibling in
      // A path that leads out of the folder is no file of the repository.
      guard let path = sibling["rfilename"]?.string, HubListing.isInside(path) else { return nil }
      let hash = sibling["lfs"]?["sha256"]?.string ?? sibling["lfs"]?["oid"]?.string ?? sibling["blobId"]?.string
      let bytes = sibling["lfs"]?["size"]?.int ?? sibling["size"]?.int
      return HubFile(path: path, bytes: HubFile.size(bytes), etag: hash.flatMap(normalizedETag))
    }
  }

  private static func isInside(_ path: String) -> Bool {
    !path.isEmpty && !path.utf8.contains(0)
      && !path.split(separator: "/", omittingEmptySubsequences: false).contains { ["", ".", ".."].contains($0) }
  }
}

/// An ETag as the cache uses it for a file's name: without quotes and without the mark of a weak one; nil if it could not be a name.
func normalizedETag(_ text: String) -> String? {
  var etag = Substring(text)
  if etag.hasPrefix("W/") { etag = etag.dropFirst(2) }
  let name = etag.filter { $0 != "\"" }
  let isName =
    !name.isEmpty && name.utf8.count <= 128 && name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") }
  return isName ? name : nil
}

/// The files of a repository that something is made of.
enum HubChoice {
  static let tokenizerFiles = [
    "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
    "merges.txt",
    "chat_template.jinja", "chat_template.json",
  ]
  static let index = "model.safetensors.index.json"

  /// The files that come before the weights.
  static func small(among names: [String], _ source: HubSource) throws -> [String] {
    if let file = source.file {
      guard names.contains(file) else {
        throw HubError("\(source.repository) has no file '\(file)'", hint: "it has \(list(names))")
      }
      return []
    }
    let wanted = ["config.json", "generation_config.json", "adapter_config.json", index] + tokenizerFiles
    return wanted.filter { names.contains($0) && !($0 == index && names.contains("model.safetensors")) }
  }

  /// The files of the weights.
  ///
  /// - Parameter shards: The files that the index names; empty without one.
  static func weights(among names: [String], shards: [String], _ source: HubSource) throws -> [String] {
    if let file = source.file { return parts(of: file, among: names) }
    if names.contains("model.safetensors") { return ["model.safetensors"] }
    if names.contains(index) {
      if let missing = shards.first(where: { !names.contains($0) }) {
        throw HubError("\(source.repository) has no '\(missing)', which its \(index) names", hint: "another revision may be whole")
      }
      guard !shards.isEmpty else { throw HubError("\(index) of \(source.repository) names no files") }
      return shards
    }
    if names.contains("adapter_config.json"), names.contains("adapter_model.safetensors") { return ["adapter_model.safetensors"] }
    throw noWeights(names, source)
  }

  /// All parts of a file that was split as llama.cpp does: `x-00001-of-00003.gguf`.
  private static func parts(of file: String, among names: [String]) -> [String] {
    guard let place = file.firstRange(of: "-00001-of-"), file.hasSuffix(".gguf") else { return [file] }
    let (head, tail) = (file[..<place.lowerBound], file[place.upperBound...])
    let parts = names.filter { name in
      name.hasPrefix(head) && name.hasSuffix("-of-" + tail) && name.utf8.count == file.utf8.count
    }
    return parts.sorted()
  }

  private static func noWeights(_ names: [String], _ source: HubSource) -> HubError {
    let pickles = names.filter { $0.hasSuffix(".bin") || $0.hasSuffix(".pt") || $0.hasSuffix(".pth") || $0.hasSuffix(".ckpt") }
    let quantized = names.filter { $0.hasSuffix(".gguf") }
    if !quantized.isEmpty {
      return HubError(
        "\(source.repository) holds GGUF files, and one has to be chosen: \(list(quantized))",
        hint: "load(\"hf://\(source.repository)/\(quantized.first { $0.contains("Q4_K_M") } ?? quantized[0])\")")
    }
    if let pickle = pickles.first {
      return HubError(
        "\(source.repository) has its weights only as Python pickles (\(pickle)), which can run any code when they are read; zs does not",
        hint: "convert them once with Python: transformers.AutoModelForCausalLM.from_pretrained(\"\(source.repository)\")"
          + ".save_pretrained(\"folder\", safe_serialization=True), then load(\"folder\")")
    }
    return HubError("\(source.repository) holds no weights that zs reads", hint: "it has \(list(names))")
  }

  private static func list(_ names: [String]) -> String {
    names.isEmpty ? "no files" : names.prefix(12).joined(separator: ", ") + (names.count > 12 ? " and \(names.count - 12) more" : "")
  }

  /// The files that an index of shards names, in order, each once.
  static func shards(inIndex path: String) throws -> [String] {
    let json = try JSON.read(path: path)
    var seen: Set<String> = []
    return (json["weight_map"]?.object?.values.compactMap(\.string) ?? []).filter { seen.insert($0).inserted }.sorted()
  }
}
