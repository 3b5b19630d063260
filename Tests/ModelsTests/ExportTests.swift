// GGUF files as llama.cpp would make them: which matrix gets which type, what is in the metadata, and what is refused. That the
// bytes equal those of llama.cpp's own quantizer is checked by scripts/reference/roundtrips.py, which needs it.

import Formats
import Foundation
import Kernels
import Models
import XCTest

final class ExportTests: XCTestCase {
  private struct Stop: Error {}

  private func types(_ model: LanguageModel, _ type: ModelFileType, in folder: TemporaryFolder) throws -> [String: String] {
    let path = "\(folder.path)/\(type.rawValue).gguf"
    try model.export(to: path, type: type)
    let file = try GGUFFile(path: path)
    XCTAssertEqual(file.metadata["general.file_type"]?.int, [.q4_K_M: 15, .q4_K_S: 14, .q5_K_M: 17, .q6_K: 18][type])
    return Dictionary(uniqueKeysWithValues: file.tensors.values.map { ($0.name, $0.type.name) })
  }

  /// Sixteen layers: the first two and the last two are sensitive, and of those between every third from the fourth on.
  func testMixturesAreThoseOfLlamaCpp() throws {
    let folder = try TemporaryFolder()
    var tiny = TinyModel(vocabulary: 16, hidden: 256, intermediate: 256, layers: 16, heads: 2, keyValueHeads: 1, headDimension: 8)
    tiny.slidingWindow = nil
    let model = try LanguageModel.load(path: tiny.huggingFaceFolder(in: folder, type: .bf16))
    let sensitive = [0, 1, 4, 7, 10, 13, 14, 15]
    for (type, base) in [(ModelFileType.q4_K_M, "q4_K"), (.q5_K_M, "q5_K")] {
      let found = try types(model, type, in: folder)
      for layer in 0..<16 {
        let expected = sensitive.contains(layer) ? "q6_K" : base
        XCTAssertEqual(found["blk.\(layer).attn_v.weight"], expected, "layer \(layer)")
        XCTAssertEqual(found["blk.\(layer).ffn_down.weight"], expected, "layer \(layer)")
        XCTAssertEqual(found["blk.\(layer).attn_q.weight"], base)
        XCTAssertEqual(found["blk.\(layer).attn_norm.weight"], "f32")
        // Rows of sixteen hold no block of 256 and none of 32.
        XCTAssertEqual(found["blk.\(layer).attn_output.weight"], "f16")
      }
      XCTAssertEqual(found["output.weight"], "q6_K")
      XCTAssertEqual(found["token_embd.weight"], base)
    }
    let small = try types(model, .q4_K_S, in: folder)
    XCTAssertEqual((0..<5).map { small["blk.\($0).attn_v.weight"] }, ["q5_K", "q5_K", "q5_K", "q5_K", "q4_K"])
    XCTAssertEqual((0..<3).map { small["blk.\($0).ffn_down.weight"] }, ["q5_K", "q5_K", "q4_K"])
  }

  func testRowsThatHoldNoSuperBlock() throws {
    let folder = try TemporaryFolder()
    let tied = try LanguageModel.load(path: TinyModel(isTied: true).huggingFaceFolder(in: folder))
    let found = try types(tied, .q4_K_M, in: folder)
    XCTAssertEqual(found["token_embd.weight"], "q8_0")
    XCTAssertEqual(found["blk.0.attn_q.weight"], "q5_0")
    XCTAssertEqual(found["blk.0.attn_v.weight"], "q5_0")
    XCTAssertEqual(found["blk.1.attn_v.weight"], "q8_0")
    XCTAssertNil(found["output.weight"])
    XCTAssertEqual(try types(tied, .q6_K, in: folder)["blk.0.attn_q.weight"], "q8_0")
    XCTAssertEqual(WeightType.q5_K.fitting(columns: 64), .q5_1)
    XCTAssertEqual(WeightType.q4_K.fitting(columns: 512), .q4_K)
    XCTAssertEqual(WeightType.q8_0.fitting(columns: 40), .f16)
    for (name, type) in [("Q4_K_M", ModelFileType.q4_K_M), ("q4_k", .q4_K_M), ("BF16", .bf16), ("q6_k", .q6_K)] {
      XCTAssertEqual(ModelFileType(named: name), type)
    }
    XCTAssertNil(ModelFileType(named: "iq4_nl"))
  }

  func testWeightsOfTheSameTypeAreCopied() throws {
    let folder = try TemporaryFolder()
    let source = try TinyModel().ggufFile(in: folder, type: .q4_0)
    let path = "\(folder.path)/copy.gguf"
    try LanguageModel.load(path: source).export(to: path, type: .q4_0)
    let (before, after) = (try GGUFFile(path: source), try GGUFFile(path: path))
    XCTAssertEqual(Set(before.tensors.keys), Set(after.tensors.keys))
    for (name, tensor) in before.tensors where name != "output.weight" {
      let copy = try XCTUnwrap(after.tensors[name])
      XCTAssertEqual(copy.dimensions, tensor.dimensions)
      XCTAssertEqual(memcmp(copy.data, tensor.data, tensor.bytes), 0, name)
    }
    XCTAssertEqual(after.tensors["output.weight"]?.type, .q8_0)
  }

  func testMetadata() throws {
    let folder = try TemporaryFolder()
    var tiny = TinyModel()
    tiny.vocabulary = 260
    tiny.hasTokenizer = true
    let path = "\(folder.path)/whole.gguf"
    let model = try LanguageModel.load(path: tiny.ggufFile(in: folder))
    try model.export(to: path, type: .f16)
    let file = try GGUFFile(path: path)
    let value = { (key: String) in file.metadata[key] }
    XCTAssertEqual(value("general.architecture"), .string("llama"))
    XCTAssertEqual(value("llama.attention.head_count_kv")?.int, 2)
    XCTAssertEqual(value("llama.attention.sliding_window")?.int, 5)
    XCTAssertEqual(value("llama.vocab_size")?.int, 260)
    XCTAssertEqual(value("tokenizer.ggml.model"), .string("gpt2"))
    XCTAssertEqual(value("tokenizer.ggml.pre"), .string("smollm"))
    XCTAssertEqual(value("tokenizer.ggml.tokens")?.strings?.suffix(4), ["<|im_start|>", "<|im_end|>", "[PAD258]", "[PAD259]"])
    XCTAssertEqual(value("tokenizer.ggml.token_type")?.ints?.suffix(4), [3, 3, 5, 5])
    XCTAssertEqual(value("tokenizer.ggml.eos_token_id")?.int, 257)
    XCTAssertEqual(value("tokenizer.ggml.add_bos_token"), .bool(false))
    let again = try LanguageModel.load(path: path)
    XCTAssertEqual(again.chatTemplate, model.chatTemplate)
    XCTAssertEqual(again.endTokens, model.endTokens)
    XCTAssertTrue(try model.difference(to: again).hasSameTokens)
    XCTAssertLessThan(try model.difference(to: again).largest, 0.02)

    // And on to Hugging Face's layout, whose tokenizer.json has to be made from the file's metadata.
    try again.save(to: "\(folder.path)/saved")
    let saved = try LanguageModel.load(path: "\(folder.path)/saved")
    XCTAssertEqual(saved.chatTemplate, model.chatTemplate)
    XCTAssertEqual(saved.endTokens, model.endTokens)
    let difference = try again.difference(to: saved)
    XCTAssertTrue(difference.hasSameTokens)
    XCTAssertLessThan(difference.largest, 1e-4)
    XCTAssertEqual(difference.agreement, 1)
  }

  func testRefusalsAndInterruption() throws {
    let folder = try TemporaryFolder()
    let model = try LanguageModel.load(path: TinyModel().huggingFaceFolder(in: folder))
    let path = "\(folder.path)/refused.gguf"
    assertThrows("merge(m)") { try model.withLoRA().export(to: path, type: .f16) }
    assertThrows("Stop") { try model.export(to: path, type: .q8_0) { done, total in if 2 * done > total { throw Stop() } } }
    assertThrows("No such file") { try model.export(to: "\(folder.path)/nowhere/x.gguf", type: .f16) }
    assertThrows("Stop") { try model.save(to: "\(folder.path)/refused") { _, _ in throw Stop() } }
    let left = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.contains("refused.gguf") }
    XCTAssertEqual(left, [])
    XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: "\(folder.path)/refused"), [])
  }

  func testLargeModelsAreSavedInShards() throws {
    let folder = try TemporaryFolder()
    let model = try LanguageModel.load(path: TinyModel().ggufFile(in: folder, type: .f16))
    let path = "\(folder.path)/shards"
    try model.save(to: path)
    try model.save(to: path, shardBytes: 20_000)
    var files = try FileManager.default.contentsOfDirectory(atPath: path).filter { $0.contains("safetensors") }.sorted()
    XCTAssertEqual(files.last, "model.safetensors.index.json")
    XCTAssertEqual(files.first, "model-00001-of-0000\(files.count - 1).safetensors")
    XCTAssertGreaterThan(files.count, 3)
    let total = try JSON.read(path: "\(path)/model.safetensors.index.json")["metadata"]?["total_size"]?.int
    XCTAssertEqual(total, model.weightBytes)
    XCTAssertEqual(try model.difference(to: LanguageModel.load(path: path)).largest, 0, accuracy: 1e-5)
    try model.save(to: path)
    files = try FileManager.default.contentsOfDirectory(atPath: path)
    XCTAssertTrue(files.contains("model.safetensors"))
    XCTAssertFalse(files.contains("model.safetensors.index.json"), "an index that hides what was saved")
    XCTAssertEqual(try model.difference(to: LanguageModel.load(path: path)).largest, 0, accuracy: 1e-5)
  }

  func testPicklesAreRefusedWithTheWayToConvert() throws {
    let folder = try TemporaryFolder()
    let source = try TinyModel().huggingFaceFolder(in: folder)
    try FileManager.default.removeItem(atPath: "\(source)/model.safetensors")
    try Data([0x80, 2, 0x8A]).write(to: URL(fileURLWithPath: "\(source)/pytorch_model.bin"))
    assertThrows("pickle", "save_pretrained('\(source)')") { try LanguageModel.load(path: source) }
    assertThrows("pickle", "not read") { try LanguageModel.load(path: "\(source)/pytorch_model.bin") }
  }
}
