// A tiny chat model of random weights over the bytes, as a Hugging Face folder.

import Formats
import Foundation

enum TinyChat {
  private static let vocabulary = 258
  private static let template =
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"

  static func write(to folder: String) throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try AtomicFile.write(tokenizer.serialized(), to: folder + "/tokenizer.json")
    let tokens: JSON = ["chat_template": .string(template), "bos_token": "<|im_start|>", "eos_token": "<|im_end|>"]
    try AtomicFile.write(tokens.serialized(), to: folder + "/tokenizer_config.json")
    let config: JSON = [
      "model_type": "llama", "vocab_size": .int(Int64(vocabulary)), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
      "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 5120, "rms_norm_eps": 1e-5,
      "rope_theta": 10000.0, "tie_word_embeddings": true, "bos_token_id": 256, "eos_token_id": 257, "hidden_act": "silu",
    ]
    try AtomicFile.write(config.serialized(), to: folder + "/config.json")
    try writeWeights(to: folder + "/model.safetensors")
  }

  /// Every byte is a token under the letter that GPT-2 writes it with; there are no merges.
  private static var tokenizer: JSON {
    let printable = Array(33...126) + Array(161...172) + Array(174...255)
    var vocabulary: [(String, JSON)] = []
    var next = 256
    for byte in 0..<256 {
      var code = byte
      if !printable.contains(byte) { (code, next) = (next, next + 1) }
      vocabulary.append((String(UnicodeScalar(UInt32(code)).map(Character.init) ?? "?"), .int(Int64(byte))))
    }
    let special = ["<|im_start|>", "<|im_end|>"].enumerated().map { place, text -> JSON in
      [
        "id": .int(Int64(256 + place)), "content": .string(text), "special": true, "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false,
      ]
    }
    return [
      "version": "1.0", "added_tokens": .array(special), "normalizer": .null,
      "pre_tokenizer": ["type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true],
      "decoder": ["type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true],
      "model": ["type": "BPE", "vocab": .object(.init(uniqueKeysWithValues: vocabulary)), "merges": .array([])],
    ]
  }

  private static func writeWeights(to path: String) throws {
    var shapes: [(name: String, shape: [Int])] = [("model.embed_tokens.weight", [vocabulary, 32]), ("model.norm.weight", [32])]
    for layer in 0..<2 {
      shapes += [
        ("self_attn.q_proj", [32, 32]), ("self_attn.k_proj", [16, 32]), ("self_attn.v_proj", [16, 32]), ("self_attn.o_proj", [32, 32]),
        ("mlp.gate_proj", [64, 32]), ("mlp.up_proj", [64, 32]), ("mlp.down_proj", [32, 64]), ("input_layernorm", [32]),
        ("post_attention_layernorm", [32]),
      ].map { ("model.layers.\(layer).\($0.0).weight", $0.1) }
    }
    var state: UInt64 = 88_172_645_463_325_252
    let values = shapes.map { name, shape in
      (0..<shape.reduce(1, *)).map { _ -> Float in
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        let uniform = Float(state >> 40) * 0x1p-23 - 1
        return shape.count == 1 ? 1 + uniform * 0.1 : uniform * 0.4
      }
    }
    let buffers = values.map { values in
      let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: values.count)
      _ = buffer.initialize(from: values)
      return buffer
    }
    defer { for buffer in buffers { buffer.deallocate() } }
    try SafetensorsFile.write(
      zip(shapes, buffers).map { .init(name: $0.name, type: .f32, shape: $0.shape, data: UnsafeRawBufferPointer($1)) }, to: path)
  }
}
