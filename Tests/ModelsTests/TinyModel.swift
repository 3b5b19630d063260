// A tiny decoder whose weights are a formula, written as a Hugging Face folder or as a GGUF file; and its reference values.
// The formula and the sizes are those of scripts/reference/models.py.

import Formats
import Foundation
import Kernels
import Models
import XCTest

/// Pseudo-random numbers in offset ± scale, exact in fp32.
func formula(_ name: String, _ count: Int, scale: Float, offset: Float = 0) -> [Float] {
  var salt: UInt32 = 0xFFFF_FFFF  // CRC-32 of the name
  for byte in name.utf8 {
    salt ^= UInt32(byte)
    for _ in 0..<8 { salt = salt & 1 == 1 ? salt >> 1 ^ 0xEDB8_8320 : salt >> 1 }
  }
  salt = ~salt
  return (0..<count).map { index in
    var bits = UInt32(truncatingIfNeeded: index) &* 2_654_435_761 &+ salt
    bits = (bits ^ bits >> 15) &* 2_246_822_519
    return (Float((bits ^ bits >> 13) >> 8) * 0x1p-23 - 1) * scale + offset
  }
}

/// The sizes of the tiny decoder; tests change what they are about.
struct TinyModel {
  var vocabulary = 96
  var hidden = 32
  var intermediate = 64
  var layers = 2
  var heads = 4
  var keyValueHeads = 2
  var headDimension = 8
  var slidingWindow: Int? = 5
  var isTied = false
  var context = 64
  /// Whether a GGUF file gets a tokenizer: 256 bytes and two control tokens.
  var hasTokenizer = false
  /// Whether that tokenizer puts <|im_start|> in front of texts.
  var addsBOS = false
  /// More members of config.json, or replacements.
  var extra: [String: JSON] = [:]

  /// Name and shape of every weight, as Hugging Face has them.
  var weights: [(name: String, shape: [Int])] {
    var all: [(String, [Int])] = [("model.embed_tokens.weight", [vocabulary, hidden])]
    let (queries, keys) = (heads * headDimension, keyValueHeads * headDimension)
    for layer in 0..<layers {
      let prefix = "model.layers.\(layer)"
      all += [
        ("\(prefix).self_attn.q_proj.weight", [queries, hidden]), ("\(prefix).self_attn.k_proj.weight", [keys, hidden]),
        ("\(prefix).self_attn.v_proj.weight", [keys, hidden]), ("\(prefix).self_attn.o_proj.weight", [hidden, queries]),
        ("\(prefix).mlp.gate_proj.weight", [intermediate, hidden]), ("\(prefix).mlp.up_proj.weight", [intermediate, hidden]),
        ("\(prefix).mlp.down_proj.weight", [hidden, intermediate]), ("\(prefix).input_layernorm.weight", [hidden]),
        ("\(prefix).post_attention_layernorm.weight", [hidden]),
      ]
    }
    all.append(("model.norm.weight", [hidden]))
    if !isTied { all.append(("lm_head.weight", [vocabulary, hidden])) }
    return all
  }

  func values(_ name: String, _ shape: [Int]) -> [Float] {
    let count = shape.reduce(1, *)
    return shape.count == 1 ? formula(name, count, scale: 0.2, offset: 1) : formula(name, count, scale: 0.4)
  }

  var config: JSON {
    var members: [String: JSON] = [
      "model_type": "mistral", "vocab_size": .int(Int64(vocabulary)), "hidden_size": .int(Int64(hidden)),
      "intermediate_size": .int(Int64(intermediate)), "num_hidden_layers": .int(Int64(layers)), "num_attention_heads": .int(Int64(heads)),
      "num_key_value_heads": .int(Int64(keyValueHeads)), "head_dim": .int(Int64(headDimension)),
      "max_position_embeddings": .int(Int64(context)),
      "rms_norm_eps": 1e-5, "sliding_window": slidingWindow.map { .int(Int64($0)) } ?? .null, "tie_word_embeddings": .bool(isTied),
      "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu",
    ]
    members.merge(extra) { $1 }
    var object: JSON = [:]
    if case .object(var ordered) = object {
      for key in members.keys.sorted() { ordered[key] = members[key] }
      object = .object(ordered)
    }
    return object
  }

  /// Writes config.json and model.safetensors into a folder of their own.
  func huggingFaceFolder(in parent: TemporaryFolder, type: SafetensorsType = .f32) throws -> String {
    let folder = "\(parent.path)/tiny-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try AtomicFile.write(config.serialized(pretty: true), to: "\(folder)/config.json")
    let stored = weights.map { name, shape -> (String, [Int], [UInt8]) in
      let values = values(name, shape)
      guard type != .f32 else { return (name, shape, values.withUnsafeBytes(Array.init)) }
      return (name, shape, packed(type == .bf16 ? .bf16 : .f16, values))
    }
    try withExtendedLifetime(stored) {
      let pinned = stored.map { name, shape, bytes -> SafetensorsFile.Output in
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 8)
        memory.copyBytes(from: bytes)
        return .init(name: name, type: type, shape: shape, data: UnsafeRawBufferPointer(memory))
      }
      defer { for output in pinned { output.data.deallocate() } }
      try SafetensorsFile.write(pinned, to: "\(folder)/model.safetensors")
    }
    return folder
  }

  func packed(_ type: WeightType, _ values: [Float]) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: values.count / type.blockElements * type.blockBytes)
    bytes.withUnsafeMutableBytes { out in
      values.withUnsafeBufferPointer { pack(type, from: $0.baseAddress!, to: out.baseAddress!, count: values.count) }
    }
    return bytes
  }

  /// Writes the same weights as a GGUF file, rows of q and k in the order of its rotary layout.
  func ggufFile(in parent: TemporaryFolder, type: WeightType = .f32) throws -> String {
    var writer = GGUFWriter()
    writer.add("general.architecture", "llama")
    for (key, value) in [
      ("context_length", context), ("embedding_length", hidden), ("block_count", layers), ("feed_forward_length", intermediate),
      ("attention.head_count", heads), ("attention.head_count_kv", keyValueHeads), ("attention.key_length", headDimension),
      ("rope.dimension_count", headDimension), ("attention.sliding_window", slidingWindow ?? 0),
    ] { writer.add("llama.\(key)", UInt32(value)) }
    writer.add("llama.attention.layer_norm_rms_epsilon", Float(1e-5))
    if hasTokenizer { writer.addByteTokenizer(addsBOS: addsBOS) } else { writer.add("tokenizer.ggml.eos_token_id", UInt32(2)) }
    for (name, shape) in weights {
      var values = values(name, shape)
      for (projection, count) in [("q_proj", heads), ("k_proj", keyValueHeads)] where name.contains(projection) {
        values = interleaved(values, heads: count)
      }
      let isNorm = shape.count == 1
      writer.add(ggufName(name), shape.reversed(), isNorm ? .f32 : type, packed(isNorm ? .f32 : type, values))
    }
    let path = "\(parent.path)/tiny-\(type.name)-\(UUID().uuidString).gguf"
    try AtomicFile.write(writer.bytes, to: path)
    return path
  }

  /// Rows i and i + d/2 of each head become 2i and 2i + 1, as llama.cpp's converter has it.
  private func interleaved(_ values: [Float], heads: Int) -> [Float] {
    var result = values
    for head in 0..<heads {
      for row in 0..<headDimension {
        let target = head * headDimension + (row < headDimension / 2 ? 2 * row : 2 * (row - headDimension / 2) + 1)
        let source = head * headDimension + row
        result.replaceSubrange(target * hidden..<(target + 1) * hidden, with: values[source * hidden..<(source + 1) * hidden])
      }
    }
    return result
  }

  private func ggufName(_ name: String) -> String {
    let table = [
      "model.embed_tokens.": "token_embd.", "lm_head.": "output.", "model.norm.": "output_norm.", "model.layers.": "blk.",
      "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
      "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm",
      "post_attention_layernorm": "ffn_norm",
    ]
    return table.reduce(name) { $0.replacingOccurrences(of: $1.key, with: $1.value) }
  }
}

/// Puts a GGUF file together.
struct GGUFWriter {
  private var metadata: [UInt8] = []
  private var metadataCount = 0
  private var infos: [UInt8] = []
  private var tensorCount = 0
  private var data: [UInt8] = []

  private mutating func add(_ key: String, type: UInt32, _ value: [UInt8]) {
    put(key, &metadata)
    put(type, &metadata)
    metadata += value
    metadataCount += 1
  }

  private func put<T: FixedWidthInteger>(_ value: T, _ out: inout [UInt8]) { withUnsafeBytes(of: value.littleEndian) { out += Array($0) } }

  private func put(_ text: String, _ out: inout [UInt8]) {
    put(UInt64(text.utf8.count), &out)
    out += Array(text.utf8)
  }

  private func bytes<T: FixedWidthInteger>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }

  mutating func add(_ key: String, _ value: UInt32) { add(key, type: 4, bytes(value)) }
  mutating func add(_ key: String, _ value: Float) { add(key, type: 6, bytes(value.bitPattern)) }
  mutating func add(_ key: String, _ value: Bool) { add(key, type: 7, [value ? 1 : 0]) }

  mutating func add(_ key: String, _ value: String) {
    var out: [UInt8] = []
    put(value, &out)
    add(key, type: 8, out)
  }

  mutating func add(_ key: String, _ values: [String]) {
    var out = bytes(UInt32(8)) + bytes(UInt64(values.count))
    for value in values { put(value, &out) }
    add(key, type: 9, out)
  }

  mutating func add(_ key: String, _ values: [Int32]) {
    add(key, type: 9, bytes(UInt32(5)) + bytes(UInt64(values.count)) + values.flatMap { bytes($0) })
  }

  /// GPT-2's spelling of single bytes, then <|im_start|> and <|im_end|>; ChatML.
  mutating func addByteTokenizer(addsBOS: Bool = false) {
    var spare: UInt32 = 256
    let bytes = (0..<256 as Range<UInt32>).map { byte -> String in
      let isPrintable = 33...126 ~= byte || 161...172 ~= byte || 174...255 ~= byte
      defer { if !isPrintable { spare += 1 } }
      return String(UnicodeScalar(isPrintable ? byte : spare).map(Character.init)!)
    }
    add("tokenizer.ggml.model", "gpt2")
    add("tokenizer.ggml.pre", "smollm")
    add("tokenizer.ggml.tokens", bytes + ["<|im_start|>", "<|im_end|>"])
    add("tokenizer.ggml.token_type", [Int32](repeating: 1, count: 256) + [3, 3])
    add("tokenizer.ggml.merges", [String]())
    add("tokenizer.ggml.eos_token_id", UInt32(257))
    if addsBOS { add("tokenizer.ggml.bos_token_id", UInt32(256)) }
    add("tokenizer.ggml.add_bos_token", addsBOS)
    add(
      "tokenizer.chat_template",
      "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{% endfor %}"
        + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")
  }

  mutating func add(_ name: String, _ dimensions: [Int], _ type: WeightType, _ values: [UInt8]) {
    put(name, &infos)
    put(UInt32(dimensions.count), &infos)
    for dimension in dimensions { put(UInt64(dimension), &infos) }
    put(type.rawValue, &infos)
    put(UInt64(data.count), &infos)
    data += values + [UInt8](repeating: 0, count: (32 - values.count % 32) % 32)
    tensorCount += 1
  }

  var bytes: [UInt8] {
    var out = Array("GGUF".utf8) + bytes(UInt32(3)) + bytes(UInt64(tensorCount)) + bytes(UInt64(metadataCount)) + metadata + infos
    out += [UInt8](repeating: 0, count: (32 - out.count % 32) % 32)
    return out + data
  }
}

/// A folder for one test, removed with it.
final class TemporaryFolder {
  let path = NSTemporaryDirectory() + "/zs-models-\(UUID().uuidString)"
  init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
  deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// The reference values under a path of keys.
func reference(_ keys: String...) throws -> JSON {
  var value = try JSON.parse(referenceValues)
  for key in keys { value = try XCTUnwrap(value[key], "no reference value \(keys)") }
  return value
}

extension JSON {
  var doubles: [Double] { (array ?? []).compactMap(\.double) }
  var ints: [Int] { (array ?? []).compactMap(\.int) }
}

/// Asserts |actual − expected| ≤ absolute + relative·|expected| for each pair, and that there are as many.
func assertClose(
  _ actual: [some BinaryFloatingPoint], _ expected: [some BinaryFloatingPoint], absolute: Double = 1e-5, relative: Double = 1e-5,
  _ what: String = "", file: StaticString = #filePath, line: UInt = #line
) {
  XCTAssertEqual(actual.count, expected.count, "\(what): number of values", file: file, line: line)
  var worst = (excess: 0.0, text: "")
  for (index, (a, e)) in zip(actual, expected).enumerated() {
    let difference = abs(Double(a) - Double(e))
    let excess = difference.isNaN ? .infinity : difference - absolute - relative * abs(Double(e))
    if excess > worst.excess { worst = (excess, "value \(index): \(a) instead of \(e)") }
  }
  XCTAssertEqual(worst.excess, 0, "\(what) \(worst.text)", file: file, line: line)
}

/// Asserts that `body` throws an error whose text contains all of `parts`.
func assertThrows<T>(_ parts: String..., file: StaticString = #filePath, line: UInt = #line, _ body: () throws -> T) {
  do {
    _ = try body()
    XCTFail("nothing was thrown", file: file, line: line)
  } catch {
    for part in parts where !"\(error)".contains(part) { XCTFail("\"\(error)\" does not mention \"\(part)\"", file: file, line: line) }
  }
}
