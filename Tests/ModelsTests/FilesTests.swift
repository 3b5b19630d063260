// Adapters and models written and read back, across the two row orders; conversion of weights; files that lie.

import Formats
import Foundation
import Kernels
import Models
import Tensors
import XCTest

final class FilesTests: XCTestCase {
  private let ids = (try? reference("base", "ids").ints) ?? []

  /// A policy whose adapters are far from their beginning.
  private func policy(on model: LanguageModel, rsLoRA: Bool = false) throws -> LanguageModel {
    let policy = try model.withLoRA(LoRAOptions(rank: 3, alpha: 5, targets: [.query, .key, .output, .down], rsLoRA: rsLoRA, seed: 2))
    for (name, tensor) in policy.trainable {
      for (index, value) in formula(name, tensor.count, scale: 0.3).enumerated() { tensor.pointer[index] = value }
    }
    return policy
  }

  func testAdaptersMoveBetweenRowOrders() throws {
    let folder = try TemporaryFolder()
    let huggingFace = try LanguageModel.load(path: TinyModel().huggingFaceFolder(in: folder))
    let gguf = try LanguageModel.load(path: TinyModel().ggufFile(in: folder))
    for (source, target) in [(huggingFace, gguf), (gguf, huggingFace), (gguf, gguf)] {
      let original = try policy(on: source, rsLoRA: true)
      let path = "\(folder.path)/adapters/\(UUID().uuidString)"
      try original.save(to: path)
      let loaded = try target.loadingAdapter(from: path)
      XCTAssertEqual(loaded.loraOptions?.targets, [.query, .key, .output, .down])
      XCTAssertEqual(loaded.adapters.count, 8)
      assertClose(try loaded.logits(ids).values, try original.logits(ids).values)
      let names = try SafetensorsFile(path: "\(path)/adapter_model.safetensors").tensors.keys
      XCTAssertTrue(names.contains("base_model.model.model.layers.1.self_attn.q_proj.lora_A.weight"))
      XCTAssertEqual(try JSON.read(path: "\(path)/adapter_config.json")["lora_alpha"], 5)
    }
  }

  func testAdaptersThatDoNotFit() throws {
    let folder = try TemporaryFolder()
    let model = try LanguageModel.load(path: TinyModel().huggingFaceFolder(in: folder))
    let path = "\(folder.path)/adapter"
    try policy(on: model).save(to: path)
    let other = try LanguageModel.load(path: TinyModel(headDimension: 16).huggingFaceFolder(in: folder))
    assertThrows("has the shape", "wants") { try other.loadingAdapter(from: path) }
    let shallow = try LanguageModel.load(path: TinyModel(layers: 1).huggingFaceFolder(in: folder))
    assertThrows("no place for", "layers.1") { try shallow.loadingAdapter(from: path) }
    assertThrows("adapters already") { try policy(on: model).loadingAdapter(from: path) }
    assertThrows("adapter_config.json", "No such file") { try model.loadingAdapter(from: folder.path) }
    assertThrows("holds an adapter") { try LanguageModel.load(path: path) }
    let config = try JSON.read(path: "\(path)/adapter_config.json").serialized()
    for (from, to, text) in [
      ("\"LORA\"", "\"IA3\"", "IA3"), ("\"use_dora\":false", "\"use_dora\":true", "use_dora"), ("\"r\":3", "\"r\":0", "rank"),
      ("\"modules_to_save\":null", "\"modules_to_save\":[\"lm_head\"]", "modules_to_save"),
    ] {
      try AtomicFile.write(config.replacingOccurrences(of: from, with: to), to: "\(path)/adapter_config.json")
      assertThrows(text) { try model.loadingAdapter(from: path) }
    }
  }

  func testModelsAreSavedInTheHuggingFaceLayout() throws {
    let folder = try TemporaryFolder()
    let expected = try reference("base", "logits").doubles
    for (index, path) in [try TinyModel().huggingFaceFolder(in: folder), try TinyModel().ggufFile(in: folder)].enumerated() {
      let saved = "\(folder.path)/saved-\(index)"
      try LanguageModel.load(path: path).save(to: saved)
      let again = try LanguageModel.load(path: saved)
      XCTAssertEqual(again.configuration.rotaryLayout, .halfSplit)
      XCTAssertEqual(again.configuration.slidingWindow, 5)
      assertClose(try again.logits(ids).values, expected)
    }
    // What stands beside the weights comes along as it is.
    let source = try TinyModel().huggingFaceFolder(in: folder)
    let note = Array("{\"pad_token\": \"\(String(repeating: "é", count: 100_000))\"}".utf8)
    try AtomicFile.write(note, to: source + "/special_tokens_map.json")
    try LanguageModel.load(path: source).save(to: folder.path + "/copy")
    XCTAssertEqual(try FileContents.read(folder.path + "/copy/special_tokens_map.json"), note)
    let tied = try LanguageModel.load(path: TinyModel(isTied: true).huggingFaceFolder(in: folder, type: .bf16))
    try tied.save(to: "\(folder.path)/tied")
    let again = try LanguageModel.load(path: "\(folder.path)/tied")
    XCTAssertEqual(again.weightType, .bf16)
    XCTAssertEqual(try again.logits(ids).values, try tied.logits(ids).values)
  }

  func testEndTokensOfTheGenerationConfig() throws {
    let folder = try TemporaryFolder()
    let path = try TinyModel(extra: ["eos_token_id": 2]).huggingFaceFolder(in: folder)
    XCTAssertEqual(try LanguageModel.load(path: path).configuration.eosTokenIDs, [2])
    for (text, expected) in [("[7, 2, 5]", [2, 7, 5]), ("9", [2, 9]), ("null", [2])] {
      try AtomicFile.write("{\"eos_token_id\": \(text), \"temperature\": 0.6}", to: path + "/generation_config.json")
      XCTAssertEqual(try LanguageModel.load(path: path).configuration.eosTokenIDs, expected, text)
    }
    try AtomicFile.write("{\"eos_token_id\": [2,", to: path + "/generation_config.json")
    XCTAssertThrowsError(try LanguageModel.load(path: path)) { XCTAssertTrue("\($0)".contains("generation_config.json"), "\($0)") }
  }

  func testConversion() throws {
    let folder = try TemporaryFolder()
    let model = try LanguageModel.load(path: TinyModel().ggufFile(in: folder))
    for type in [WeightType.f16, .bf16, .q8_0, .q4_1, .q5_0, .q5_1] {
      let file = try LanguageModel.load(path: TinyModel().ggufFile(in: folder, type: type))
      let converted = try model.converted(to: type)
      XCTAssertEqual(converted.weightType, type)
      XCTAssertEqual(try converted.logits(ids).values, try file.logits(ids).values, type.name)
    }
    // Rows of 32 hold no super-block: the types that llama.cpp falls back to.
    XCTAssertEqual(try model.converted(to: .q6_K).weightType, .q8_0)
    XCTAssertEqual(try model.converted(to: .q4_K).weightType, .q5_0)
    assertThrows("merge") { try policy(on: model).converted(to: .f16) }
  }

  func testFilesThatAreNoModels() throws {
    let folder = try TemporaryFolder()
    assertThrows("no file or folder") { try LanguageModel.load(path: folder.path + "/nothing.gguf") }
    assertThrows("no config.json") { try LanguageModel.load(path: folder.path) }
    let changed = { (key: String, value: JSON) throws -> LanguageModel in
      try LanguageModel.load(path: TinyModel(extra: [key: value]).huggingFaceFolder(in: folder))
    }
    assertThrows("model_type is 'gpt2'") { try changed("model_type", "gpt2") }
    assertThrows("no tensor 'model.layers.0.self_attn.q_proj.bias'") {
      try LanguageModel.load(
        path: TinyModel(extra: ["model_type": "llama", "attention_bias": true]).huggingFaceFolder(in: folder))
    }
    assertThrows("hidden_act is 'gelu'") { try changed("hidden_act", "gelu") }
    assertThrows("width of -3") { try changed("hidden_size", -3) }
    assertThrows("intermediate_size is -3") { try changed("intermediate_size", -3) }
    assertThrows("no 'hidden_size'") { try changed("hidden_size", nil) }
    assertThrows("not a whole number") { try changed("num_hidden_layers", "two") }
    assertThrows("3 key-value heads") { try changed("num_key_value_heads", 3) }
    assertThrows("wants (128, 32)") { try changed("vocab_size", 128) }
    assertThrows("no tensor 'model.layers.2.input_layernorm.weight'") { try changed("num_hidden_layers", 3) }
    assertThrows("no place for", "and 6 more") { try changed("num_hidden_layers", 1) }
    assertThrows("'longrope'") { try changed("rope_scaling", ["rope_type": "longrope", "factor": 4.0]) }
    assertThrows("positive 'factor'") { try changed("rope_scaling", ["rope_type": "yarn", "factor": -4.0]) }
    assertThrows("partial_rotary_factor") { try changed("rope_parameters", ["rope_type": "default", "partial_rotary_factor": 0.5]) }
    assertThrows("quantized") { try changed("quantization_config", ["bits": 4]) }
    assertThrows("no model can have") { try changed("num_hidden_layers", .int(.max)) }
    var writer = GGUFWriter()
    writer.add("general.architecture", "bert")
    let path = "\(folder.path)/bert.gguf"
    try AtomicFile.write(writer.bytes, to: path)
    assertThrows("architecture 'bert'") { try LanguageModel.load(path: path) }
    writer = GGUFWriter()
    writer.add("general.architecture", "llama")
    try AtomicFile.write(writer.bytes, to: path)
    assertThrows("no metadata 'llama.embedding_length'") { try LanguageModel.load(path: path) }
  }
}
