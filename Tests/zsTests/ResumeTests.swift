// The stages of examples/zephyr.zs on a tiny model with a scripted teacher, killed at random points: the run that goes on ends with the
// same outputs, byte for byte, as one that was never disturbed.

import Formats
import Foundation
import XCTest

final class ResumeTests: XCTestCase {
  private var folder = ""

  override func setUpWithError() throws {
    folder = NSTemporaryDirectory() + "zs-resume-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try TinyFolder.write(to: folder + "/tiny")
  }

  override func tearDownWithError() throws { try FileManager.default.removeItem(atPath: folder) }

  private let program = """
    import "STAGES" as zephyr
    words = ["river", "teapot", "violin", "garden", "comet", "ladder", "pepper", "castle", "window", "anchor"]
    fn scripted(r) {
      n = abs(r.seed // 7) % 1000
      word = i => words[n // 10 ** i % 10]
      if contains(r.prompt, "Come up with") { return " Describe the \\(word(0)) beside a \\(word(1)) and \\(word(2)).\\n10. Draw a map of it.\\n" }
      if contains(r.prompt, "Is it classification") { return " No" }
      if contains(r.prompt, "Task:") { return "Output: It stands near the \\(word(1))." }
      "The answer to \\(len(r.prompt)) is \\(word(0))."
    }
    base = load(args[0])
    s = {folder: args[1], seeds: "examples/data/seed_tasks.jsonl", seed: 3, instructions: 6, reply_tokens: 60, instance_tokens: 60,
      answer_tokens: 12, sft_rate: 1e-2, dpo_rate: 1e-2, batch: 2, sft_epochs: 2, dpo_epochs: 2, max_length: 160, autosave_minutes: 0}
    rows = zephyr.instructions(scripted, s)
    tuned = zephyr.tuned(base, zephyr.demonstrations(scripted, rows, s), s)
    scored = zephyr.scored(tuned, base, rows, s)
    preferred = zephyr.pairs(scored[:4], s)
    aligned = zephyr.aligned(base, tuned, preferred, s)
    answers = [{messages: [{role: "user", content: r.instruction}, {role: "assistant", content: "A word."}]} for r in rows[4:]]
    zephyr.likelihoods([{name: "base", model: base}, {name: "dDPO", model: aligned}], answers, s)
    zephyr.margins(aligned, tuned, zephyr.pairs(scored[4:], s, kind: "-held-out"), 0.1, s, "held-out")
    w = win_rate({name: "dDPO", model: aligned}, {name: "dSFT", model: tuned}, rows, judge: base, max_tokens: 12, folder: s.folder + "/7-win-rate")
    print(len(rows), len(preferred), w.wins + w.losses + w.draws)
    """

  func testKilledRunsEndWithTheSameOutputs() throws {
    let script = try Binary.file(program.replacingOccurrences(of: "STAGES", with: Binary.root + "/examples/zephyr/stages.zs"))
    let environment = ["ZS_THREADS": "1"]
    let began = Date()
    let whole = try Binary.run([script, folder + "/tiny", folder + "/whole"], environment: environment)
    XCTAssertEqual(whole.status, 0, whole.errors)
    let seconds = Date().timeIntervalSince(began)
    let expected = try outputs(folder + "/whole")
    XCTAssertTrue(expected.keys.contains("6-ddpo/adapter_model.safetensors") && expected.keys.contains("7-win-rate/win_rate.jsonl"))

    XCTAssertTrue(expected.keys.contains("6-ddpo/history.jsonl") && expected.keys.contains("7-margins-held-out.jsonl"))
    let rounds = ProcessInfo.processInfo.environment["ZS_RESUME_ROUNDS"].flatMap(Int.init) ?? 3
    for round in 0..<rounds {
      let target = folder + "/killed-\(round)"
      var kills: [Double] = []
      // Each life is a part of a whole run; the last one is not disturbed.
      for _ in 0..<4 {
        let delay = Double.random(in: 0...seconds * 0.6)
        kills.append(delay)
        let killed = try Binary.run([script, folder + "/tiny", target], environment: environment, interruptAfter: delay, signal: SIGKILL)
        if killed.status == 0 { break }
      }
      let resumed = try Binary.run([script, folder + "/tiny", target], environment: environment)
      XCTAssertEqual(resumed.status, 0, "killed after \(kills) s: \(resumed.errors)")
      XCTAssertEqual(resumed.output, whole.output, "killed after \(kills) s")
      let found = try outputs(target)
      XCTAssertEqual(found.keys.sorted(), expected.keys.sorted(), "killed after \(kills) s")
      for (name, bytes) in expected { XCTAssertEqual(found[name], bytes, "\(name) differs, killed after \(kills) s") }
    }
  }

  /// The files of a run by their paths; a log of replies by its lines in order, as what was asked first depends on where the kill came.
  private func outputs(_ folder: String) throws -> [String: Data] {
    let paths = try XCTUnwrap(FileManager.default.enumerator(atPath: folder)).compactMap { $0 as? String }
    var files: [String: Data] = [:]
    for path in paths where !path.split(separator: "/").contains(where: { $0.hasPrefix(".") }) {
      var isFolder: ObjCBool = false
      guard FileManager.default.fileExists(atPath: "\(folder)/\(path)", isDirectory: &isFolder), !isFolder.boolValue else { continue }
      var data = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(path)"))
      // Checkpoints tell times, and their log says of a step that was done again that it was done again; what they lead to is compared.
      if path.contains("/checkpoints/") { continue }
      if path.hasSuffix("replies.jsonl") {
        data = Data(String(decoding: data, as: UTF8.self).split(separator: "\n").sorted().joined().utf8)
      }
      files[path] = data
    }
    return files
  }
}

/// A folder with a tiny chat model of random weights over a small byte-level tokenizer.
private enum TinyFolder {
  static func write(to folder: String) throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let tokenizer = Binary.root + "/Tests/TokenizersTests/Fixtures/smollm/tokenizer.json"
    try FileManager.default.copyItem(atPath: tokenizer, toPath: folder + "/tokenizer.json")
    let template =
      "{% for message in messages %}<|start|>{{ message.role }}\n{{ message.content }}<|end|>\n{% endfor %}{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
    let tokens: JSON = ["chat_template": .string(template), "eos_token": "<|end|>", "bos_token": "<|start|>"]
    try AtomicFile.write(tokens.serialized(), to: folder + "/tokenizer_config.json")
    let vocabulary = 549
    let config: JSON = [
      "model_type": "llama", "vocab_size": .int(Int64(vocabulary)), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
      "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5,
      "rope_theta": 10000.0, "tie_word_embeddings": true, "bos_token_id": 546, "eos_token_id": 547, "hidden_act": "silu",
    ]
    try AtomicFile.write(config.serialized(), to: folder + "/config.json")
    var shapes: [(String, [Int])] = [("model.embed_tokens.weight", [vocabulary, 32]), ("model.norm.weight", [32])]
    for layer in 0..<2 {
      let prefix = "model.layers.\(layer)."
      shapes += [
        ("self_attn.q_proj", [32, 32]), ("self_attn.k_proj", [16, 32]), ("self_attn.v_proj", [16, 32]), ("self_attn.o_proj", [32, 32]),
        ("mlp.gate_proj", [64, 32]), ("mlp.up_proj", [64, 32]), ("mlp.down_proj", [32, 64]), ("input_layernorm", [32]),
        ("post_attention_layernorm", [32]),
      ].map { (prefix + $0.0 + ".weight", $0.1) }
    }
    var state: UInt64 = 88_172_645_463_325_252
    var buffers: [UnsafeMutableBufferPointer<Float>] = []
    defer { for buffer in buffers { buffer.deallocate() } }
    let tensors = shapes.map { name, shape -> SafetensorsFile.Output in
      let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: shape.reduce(1, *))
      for index in buffer.indices {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        let uniform = Float(state >> 40) * 0x1p-23 - 1
        buffer[index] = shape.count == 1 ? 1 + uniform * 0.1 : uniform * 0.4
      }
      buffers.append(buffer)
      return SafetensorsFile.Output(name: name, type: .f32, shape: shape, data: UnsafeRawBufferPointer(buffer))
    }
    try SafetensorsFile.write(tensors, to: folder + "/model.safetensors")
  }
}
